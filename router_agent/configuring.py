"""The reasoning models that an operator offers over HTTP: a TOML file; keys come from the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from router_agent.errors import ModelUnavailable
from router_agent.harness import ReasoningModel
from router_agent.reasoning import AnthropicModel, LlamaModel, OpenAIModel


def read_models(path: Path, env: Mapping[str, str] = os.environ) -> dict[str, ReasoningModel]:
    """
    Open the models of a file, by name.

        [models.big]
        kind = "openai"            # or "anthropic", "llama"
        model = "gpt-x"
        base_url = "https://…"     # for servers that speak the same
        key_env = "OPENAI_API_KEY"

    Raises:
        ModelUnavailable: the file cannot be read, or one of them cannot be opened.
    """
    try:
        listed = tomllib.loads(path.read_text("utf-8")).get("models", {})
    except (OSError, ValueError) as error:
        raise ModelUnavailable(path.name, str(error)) from error
    if not isinstance(listed, dict):
        raise ModelUnavailable(path.name, "`models` is no table")
    return {str(name): _opened(str(name), said, env) for name, said in listed.items()}


def _opened(name: str, said: Any, env: Mapping[str, str]) -> ReasoningModel:
    if not isinstance(said, dict):
        raise ModelUnavailable(name, "it is no table")
    named = str(said.get("key_env", ""))
    key = env.get(named, "")
    if named and not key:
        raise ModelUnavailable(name, f"{named}, which is to hold its key, is not set")
    try:
        match said.get("kind"):
            case "openai":
                client = import_module("openai").AsyncOpenAI(
                    api_key=key or "none", base_url=said.get("base_url")
                )
                return OpenAIModel(client, str(said["model"]))
            case "anthropic":
                client = import_module("anthropic").AsyncAnthropic(
                    api_key=key or "none", base_url=said.get("base_url")
                )
                return AnthropicModel(client, str(said["model"]))
            case "llama":
                llama = import_module("llama_cpp").Llama
                return LlamaModel(llama(str(said["path"]), n_ctx=4096, verbose=False))
            case kind:
                raise ModelUnavailable(name, f"its kind is openai, anthropic or llama, not {kind!r}")
    except ImportError as error:
        raise ModelUnavailable(
            name, f"{error}; install the extra [harness], or [router] for a llama"
        ) from error
    except (KeyError, ValueError, OSError) as error:
        raise ModelUnavailable(name, str(error)) from error
