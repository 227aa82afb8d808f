"""Who can take part and where: participant ids and topic names."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from schemas.errors import NameRefused

GATEWAY_ID: Final = "system:gateway"
"""`from` of every envelope that the gateway itself sends (MCPx 3.4)."""

_PARTICIPANT: Final = re.compile(r"[A-Za-z0-9._@-]{1,128}", re.ASCII)
_TOPIC: Final = re.compile(r"[A-Za-z0-9._:@/-]{1,256}", re.ASCII)


@lru_cache(maxsize=16384)
def is_participant_id(text: str) -> bool:
    """Whether `text` is 1-128 of `A-Za-z0-9._@-` and does not begin with `system` in any case."""
    return _PARTICIPANT.fullmatch(text) is not None and not text.lower().startswith("system")


@lru_cache(maxsize=4096)
def is_topic(text: str) -> bool:
    """Whether `text` is 1-256 of `A-Za-z0-9._:@/-` without an empty, `.` or `..` segment."""
    return _TOPIC.fullmatch(text) is not None and not {"", ".", ".."}.intersection(text.split("/"))


def check_participant_id(text: str) -> str:
    """
    Return `text` if it is a participant id.

    Raises:
        NameRefused: it is none; the error says the rule.
    """
    if not is_participant_id(text):
        why = "1 to 128 of A-Z a-z 0-9 . _ @ -, not beginning with 'system'"
        raise NameRefused("participant id", text, why)
    return text


def check_topic(text: str) -> str:
    """
    Return `text` if it is a topic name.

    Raises:
        NameRefused: it is none; the error says the rule.
    """
    if not is_topic(text):
        why = "1 to 256 of A-Z a-z 0-9 . _ : @ / -, without an empty, '.' or '..' segment"
        raise NameRefused("topic", text, why)
    return text
