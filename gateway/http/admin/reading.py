"""What a request says: its query, its body, its preconditions, read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from gateway.http.problems import Problem, ProblemCode
from schemas import Kind, KindError, PayloadError, is_participant_id, is_topic, parse_strictly

MAX_BODY_BYTES: Final = 65_536
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

_VERSION_TAG: Final = re.compile(r'"v(\d{1,15})"', re.ASCII)
LAST_NUMBER: Final = 10**15

Body = TypeVar("Body", bound=msgspec.Struct)


async def read_body(request: Request, record: type[Body], *, may_be_empty: bool = False) -> Body:
    """
    Read a request's JSON body into its record.

    Raises:
        Problem: `too_large`, or `invalid_body` saying where.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise Problem(ProblemCode.TOO_LARGE, f"A body has at most {MAX_BODY_BYTES} bytes")
    if may_be_empty and not data.strip():
        return record()
    try:
        return msgspec.convert(parse_strictly(bytes(data)), record)
    except PayloadError as error:
        raise Problem(ProblemCode.INVALID_BODY, f"The body cannot be read: {error}") from None
    except msgspec.ValidationError as error:
        raise Problem(ProblemCode.INVALID_BODY, f"The body does not fit: {error}") from None


class Query:
    """
    The parameters of a request, each at most once and none that is not known.

    A misspelt `topic` would otherwise turn an act in one topic into one in all.
    """

    def __init__(self, request: Request, known: Sequence[str]) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in known:
                why = f"There is no parameter {name[:64]!r} here, only: {', '.join(known) or 'none'}"
                raise Problem(ProblemCode.INVALID_PARAMETER, why, parameter=name[:64])
            if name in self._values:
                raise _wrong(name, "is given twice")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """Return a parameter as it stands; `None` when it is not given."""
        return self._values.get(name)

    def topic(self, name: str = "topic") -> str | None:
        """Return the name of a topic; `None` when it is not given."""
        topic = self._values.get(name)
        if topic is not None and not is_topic(topic):
            raise _wrong(name, "must be 1 to 256 of A-Z a-z 0-9 . _ : @ / -")
        return topic

    def required_topic(self) -> str:
        """Return the name of a topic that must be given."""
        topic = self.topic()
        if topic is None:
            raise _wrong("topic", "is required")
        return topic

    def participant(self, name: str = "participant") -> str:
        """Return a participant id that must be given."""
        id = self._values.get(name)
        if id is None or not is_participant_id(id):
            raise _wrong(name, "must be a participant id")
        return id

    def kind(self) -> Kind:
        """Return a kind that must be given."""
        try:
            return Kind.parse(self._values.get("kind", ""))
        except KindError as error:
            raise _wrong("kind", str(error.why)) from None

    def limit(self) -> int:
        """Return how many items are wanted."""
        return self.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)

    def number(self, name: str, default: int, least: int, most: int = LAST_NUMBER) -> int:
        """Return a whole number within bounds."""
        text = self._values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most):
            raise _wrong(name, f"must be a whole number from {least} to {most}")
        return int(text)


def versions_wanted(request: Request) -> frozenset[int] | None:
    """
    Return the versions that `If-Match` names (RFC 9110 13.1.1); `None` for any.

    A tag that this gateway never made matches nothing.
    """
    given = request.headers.getlist("if-match")
    if not given or given == ["*"]:
        return None
    return frozenset(int(tag) for tag in _VERSION_TAG.findall(",".join(given)))


def version_tag(version: int) -> str:
    """Return the `ETag` of a participant's record."""
    return f'"v{version}"'


def _wrong(name: str, why: str) -> Problem:
    return Problem(ProblemCode.INVALID_PARAMETER, f"'{name}' {why}", parameter=name)
