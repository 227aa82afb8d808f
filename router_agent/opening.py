"""Opens a router: its gate, its encoder if there is one, and what it can do without."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final, assert_never

from router_agent.batching import BatchedEncoder
from router_agent.core import DEFAULT_POLICY, Encoder, Gate, Monolithic, Policy, Router, Strategy
from router_agent.core.strategies import Cascade, Experts, Hierarchical
from router_agent.errors import ModelUnavailable, StrategyRefused
from router_agent.gathering import BesideEachOther
from router_agent.generating import GgufWriter

_log: Final = logging.getLogger(__name__)

GATE_FILE: Final = "gate.json"


class StrategyName(StrEnum):
    """The ways from an intent to calls that an operator may choose."""

    MONOLITHIC = "monolithic"
    """All tools in one selection; no model beside the encoder."""
    HIERARCHICAL = "hierarchical"
    """A domain first, or two that are near each other; then a tool in it, by a model too if there is one."""
    EXPERTS = "experts"
    """A model with an adapter for each domain: those that the intent speaks of answer, the surest counts."""
    CASCADE = "cascade"
    """By words and encoder; where they are unsure, a model sees the best tools."""


def read_gate(kind: str, path: Path | None = None) -> Gate:
    """
    Return the gate for a router with an encoder (`"encoder"`) or with words alone (`"words"`).

    The two are calibrated apart: the same features mean more where an encoder stands behind them.
    """
    text = (
        path.read_text("utf-8")
        if path
        else files("router_agent.models").joinpath(GATE_FILE).read_text("utf-8")
    )
    gates = json.loads(text)
    return Gate.read(gates.get(kind) or gates["words"])


def open_encoder(path: Path | None = None) -> BatchedEncoder:
    """
    Load the encoder that ships with this room, or another.

    Raises:
        ModelUnavailable: llama-cpp-python is not installed, or the file is none.
    """
    try:
        from router_agent.models.encoder import LlamaEncoder
    except ImportError as error:
        raise ModelUnavailable("The encoder", f"{error}; install the extra [router]") from error
    try:
        # An intent has a dozen tokens: a second thread brings little, and waits beside other work.
        return BatchedEncoder(LlamaEncoder(path, threads=1))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(path.name if path else "The encoder", str(error)) from error


def open_router(
    *,
    encoder: Encoder | None = None,
    gate: Path | None = None,
    policy: Policy = DEFAULT_POLICY,
    model: Path | None = None,
    adapters: Mapping[str, Path] = MappingProxyType({}),
    strategy: StrategyName | None = None,
) -> Router:
    """
    Return a router; without an encoder it goes by words and rules.

    `model` is a user's GGUF, asked where the router is not sure; `adapters` are LoRA files for it, by
    domain. Without `strategy` a model makes a cascade, and no model a monolithic router.

    Raises:
        StrategyRefused: the strategy lacks a model or adapters, or asks none.
        ModelUnavailable: `model` or one of `adapters` cannot be loaded.
    """
    name = strategy or (StrategyName.CASCADE if model else StrategyName.MONOLITHIC)
    check_strategy(name, model, adapters)
    chosen = read_gate("words" if encoder is None else "encoder", gate)
    by_words = Monolithic(chosen, encoder, time.perf_counter)
    inner: Strategy = by_words
    if model is not None:
        # Who measures acts on every call, and still asks a model as one who does not.
        inner = Cascade(by_words, GgufWriter.open(model, adapters), act=policy.act or DEFAULT_POLICY.act)
    match name:
        case StrategyName.MONOLITHIC | StrategyName.CASCADE:
            composed = inner
        case StrategyName.HIERARCHICAL:
            composed = Hierarchical(inner, encoder=encoder)
        case StrategyName.EXPERTS:
            # The model takes the adapter of the domain whose tools it is shown: one for each specialist.
            composed = Experts(dict.fromkeys(adapters, inner), inner, together=BesideEachOther())
        case _:
            assert_never(name)
    return Router(composed, chosen.floor, policy, time.perf_counter)


def check_strategy(name: StrategyName, model: Path | None, adapters: Mapping[str, Path]) -> None:
    """
    Look whether a strategy can work with what was named for it, before anything is loaded.

    Raises:
        StrategyRefused: it cannot, and why.
    """
    if adapters and model is None:
        raise StrategyRefused(
            name, "cannot use adapters without the model that they are for: name it with --model"
        )
    match name:
        case StrategyName.MONOLITHIC if model is not None:
            raise StrategyRefused(name, "asks no model: leave --model out, or choose cascade or hierarchical")
        case StrategyName.CASCADE if model is None:
            raise StrategyRefused(name, "needs a model for what it is unsure of: name it with --model")
        case StrategyName.EXPERTS if not adapters:
            raise StrategyRefused(
                name, "needs a specialist at least: name one with --adapter DOMAIN=FILE, and --model"
            )
        case _:
            pass


def encoder_named(said: str) -> BatchedEncoder | None:
    """
    Return the encoder that an option names: the one that ships (`auto`), none, or a file.

    Where `auto` cannot be had there is none, and a line in the log says why.

    Raises:
        ModelUnavailable: the file cannot be loaded.
    """
    match said:
        case "none":
            return None
        case "auto":
            return encoder_or_none()
        case path:
            return open_encoder(Path(path))


def encoder_or_none() -> BatchedEncoder | None:
    """Return the encoder that ships, or `None` with a line in the log that says why."""
    try:
        return open_encoder()
    except ModelUnavailable as error:
        _log.warning("encoder.unavailable", extra={"why": error.why})
        return None
