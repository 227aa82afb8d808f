"""The way of writing tools and calls that Qwen, Hermes and their kin share: JSON between tags."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date

from router_agent.models.dialects import Call, Marks, Tool

_CONTROL = re.compile(r"</?tool(?:s|_call|_response)>|<\|\w+\|>")
_TASK = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_HOW = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


class Hermes:
    """Calls are JSON objects with `name` and `arguments`, each between `<tool_call>` tags."""

    @property
    def marks(self) -> Marks:
        named = ('{"name": "', '", "arguments": {')
        return Marks(
            "<tool_call>\n",
            named,
            '"',
            ('"', '": '),
            "}}\n</tool_call>",
            "\n<tool_call>\n",
            "<|im_end|>",
            sorts_keys=False,
        )

    def prompt(self, intent: str, tools: Sequence[Tool], today: date | None) -> str:
        when = f"Current date: {today.isoformat()} ({today:%A}).\n\n" if today else ""
        declared = "".join(
            "\n"
            + json.dumps(
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": _plain(tool.description),
                        "parameters": tool.schema,
                    },
                },
                ensure_ascii=False,
            )
            for tool in tools
        )
        return (
            f"<|im_start|>system\n{when}{_TASK}{_plain(declared)}{_HOW}<|im_end|>\n"
            f"<|im_start|>user\n{_plain(intent)}<|im_end|>\n<|im_start|>assistant\n"
        )

    def answer(self, calls: Sequence[Call]) -> str:
        if not calls:
            return "I have no function for that.<|im_end|>"
        written = (
            json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
            for call in calls
        )
        return "\n".join(f"<tool_call>\n{one}\n</tool_call>" for one in written) + "<|im_end|>"


def _plain(text: str) -> str:
    # A blank, which no token holds: what stood on both sides of one would else form another.
    return _CONTROL.sub(" ", text)
