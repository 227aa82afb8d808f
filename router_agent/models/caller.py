"""A user's model as the router asks it: a few tools in, calls that may be trusted this far out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import jsonschema_rs

from router_agent.models.decoding import CannotDecode, Written, write_calls
from router_agent.models.dialects import Call, Tool
from router_agent.models.grounding import grounded
from router_agent.models.llama import LlamaModel

NOTHING = Written((), 0.0, 0.0)


class Caller:
    """
    One GGUF, with an adapter for each domain that has one.

    Its answer counts only if each tool was offered, each argument is valid by its schema
    and every value was said: else it is no answer. It blocks, and is for one thread.

    Raises:
        NotGguf: llama.cpp cannot load the model or an adapter.
        UnknownDialect: the model's chat template writes no calls that are known.
        OSError: a file cannot be read.
    """

    def __init__(
        self, path: Path, adapters: Mapping[str, Path] | None = None, *, context: int = 4096, threads: int = 2
    ) -> None:
        self._model = LlamaModel(path, context=context, threads=threads)
        for domain, file in (adapters or {}).items():
            self._model.adapters.add(domain, file)

    def close(self) -> None:
        """Give the model's memory back."""
        self._model.close()

    def call(
        self, intent: str, tools: Sequence[Tool], *, today: date | None = None, domain: str | None = None
    ) -> Written:
        """The calls for an intent, none where the model has no answer that counts."""
        self._model.adapters.use(
            {domain: 1.0} if domain is not None and domain in self._model.adapters else {}
        )
        try:
            written = write_calls(self._model, self._model.dialect, intent, tools, today)
        except (CannotDecode, ValueError):
            return NOTHING
        offered = {tool.name: tool for tool in tools}
        if all(_counts(call, offered, intent) for call in written.calls):
            return written
        return Written((), written.wanted, 0.0)


def _counts(call: Call, offered: Mapping[str, Tool], intent: str) -> bool:
    tool = offered.get(call.name)
    if tool is None or not grounded(dict(call.arguments), tool.schema, intent):
        return False
    try:
        return jsonschema_rs.is_valid(dict(tool.schema), dict(call.arguments))
    except (jsonschema_rs.ValidationError, ValueError):
        return False  # a schema that is none allows nothing
