"""Opens a router: its gate, its encoder if there is one, and what it can do without."""

from __future__ import annotations

import json
import logging
import time
from importlib.resources import files
from pathlib import Path
from typing import Final

from router_agent.core import DEFAULT_POLICY, Encoder, Gate, Monolithic, Policy, Router, Strategy
from router_agent.core.strategies import Cascade, Hierarchical
from router_agent.errors import ModelUnavailable
from router_agent.generating import GgufWriter

_log: Final = logging.getLogger(__name__)

GATE_FILE: Final = "gate.json"


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


def open_encoder(path: Path | None = None) -> Encoder:
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
        return LlamaEncoder(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(path.name if path else "The encoder", str(error)) from error


def open_router(
    *,
    encoder: Encoder | None = None,
    gate: Path | None = None,
    policy: Policy = DEFAULT_POLICY,
    model: Path | None = None,
    by_domain: bool = False,
) -> Router:
    """
    Return a router; without an encoder it goes by words and rules.

    `model` is a user's GGUF, asked where the router is not sure; `by_domain` chooses a domain first.

    Raises:
        ModelUnavailable: `model` cannot be loaded.
    """
    chosen = read_gate("words" if encoder is None else "encoder", gate)
    strategy: Strategy = Monolithic(chosen, encoder, time.perf_counter)
    if by_domain:
        strategy = Hierarchical(strategy)
    if model is not None:
        strategy = Cascade(strategy, GgufWriter.open(model), act=policy.act)
    return Router(strategy, chosen.floor, policy, time.perf_counter)


def encoder_or_none(path: Path | None = None) -> Encoder | None:
    """Return the encoder, or `None` with a line in the log that says why."""
    try:
        return open_encoder(path)
    except ModelUnavailable as error:
        _log.warning("encoder.unavailable", extra={"why": error.why})
        return None
