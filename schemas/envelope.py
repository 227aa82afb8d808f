"""
The wire unit (MCPx 3, Message Envelope), its header read and its payload left alone.

A gateway needs the header only, and relays the bytes that it received. So
`Envelope.parse` decodes seven fields and leaves `payload` where it stands;
`payload_of` is for participants, who must look inside (4.3).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, NoReturn, TypeGuard

import msgspec
import orjson

from schemas.errors import (
    PROTOCOL,
    EnvelopeError,
    InvalidEnvelope,
    InvalidJson,
    KindError,
    PayloadError,
    UnsupportedProtocol,
)
from schemas.kind import Kind, parse_kind
from schemas.names import is_participant_id

try:
    from schemas import _header
except ImportError:  # there was no compiler when this was installed
    _header = None  # type: ignore[assignment]  # then Python does it all

JsonObject = dict[str, Any]
"""A JSON object as it was parsed: string keys, JSON values."""

MAX_ID_CHARACTERS: Final = 128
MAX_TO: Final = 256
"""Participants that one envelope may name in `to`."""

HEADER_FIELDS: Final = ("protocol", "id", "ts", "from", "to", "kind", "correlation_id", "payload")
_REFUSED_FIELDS: Final = frozenset({"auth"})
"""A credential in a broadcast would be everybody's."""

_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """
    The header as most envelopes have it; any other shape takes the careful way.

    What is empty was left out, or is for the careful way too: its quotes count more.
    """

    protocol: str
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
    kind: str
    payload: msgspec.Raw
    sender: str = msgspec.field(name="from")
    ts: str = ""
    to: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_TO)] = ()
    correlation_id: str = ""


_BRACE, _BACKSLASH, _DELETE = b"{\\\x7f"


class _Payload(msgspec.Struct, frozen=True, gc=False):
    payload: msgspec.Raw


_decode_header: Final = msgspec.json.Decoder(_Header).decode
_decode_payload: Final = msgspec.json.Decoder(_Payload).decode


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """
    One envelope: what its header says, and the bytes that say it.

    A struct, since one is made for every envelope: a frozen dataclass takes
    a microsecond longer.
    """

    id: str
    sender: str
    """`from` on the wire."""
    kind: Kind
    to: tuple[str, ...]
    """Empty: broadcast."""
    correlation_id: str | None
    ts: str | None
    data: bytes
    """The whole envelope as it stands on the wire."""

    @property
    def raw_payload(self) -> bytes:
        """The JSON object under `payload` as it stands in `data`; looked up there, as no gateway asks."""
        return bytes(_decode_payload(self.data).payload)

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """
        Read an envelope's header (MCPx 3, Message Envelope).

        Raises:
            InvalidJson: `data` is no JSON object in UTF-8, or is nested too deep.
            UnsupportedProtocol: `protocol` is a string, and not ours.
            InvalidEnvelope: a field is missing, mistyped, repeated, or breaks its rule.
        """
        try:
            header = _decode_header(data)
            if _is_plain(data, header):
                return cls(
                    header.id,
                    header.sender,
                    parse_kind(header.kind),
                    header.to,
                    header.correlation_id or None,
                    header.ts or None,
                    data,
                )
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, KindError):
            pass
        return _parse_carefully(data)


parse_in_python: Final = Envelope.parse
"""`Envelope.parse` as it stands above; where it is compiled, what reads all that is not plain."""
if _header is not None:
    Envelope.parse = _header.Reader(  # type: ignore[assignment, method-assign]  # called for each envelope
        Envelope, parse_kind, KindError, PROTOCOL.encode(), parse_in_python
    )


def _is_plain(data: bytes, header: _Header) -> bool:
    """
    Whether the bytes around the payload hold each header key once, beyond doubt, and what they may.

    The decoder keeps the last of two equal keys, other readers the first. With
    no backslash in the header every quote delimits a string, and a repeated key
    would bring quotes that the fields read do not account for: one count
    settles it.
    """
    to, ts = header.to, header.ts
    quotes = 18
    if ts:
        quotes += 4
    if to:
        quotes += 2 + 2 * len(to)
    if header.correlation_id:
        quotes += 4
    return (
        _stands_plainly(data, header.payload, quotes)
        and header.protocol == PROTOCOL
        and (not ts or is_rfc3339(ts))
        and (not to or all(map(is_participant_id, to)))
    )


def _stands_plainly(data: bytes, payload: msgspec.Raw, quotes: int) -> bool:
    """
    Whether `payload`, a part of `data`, is an object in UTF-8, and the bytes around it plain.

    They are then printable ASCII, or space between, without a backslash and with so many quotes.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    # Nearly always the payload comes last; then what stands before it needs no search.
    start = len(data) - len(payload) - 1
    if data.endswith(payload, start, -1):
        head, opens = data[:start], data[start]
    else:
        text = bytes(payload)
        head, opens = data.replace(text, b"", 1), text[0]
    return (
        opens == _BRACE
        and head.count(b'"') == quotes
        and _BACKSLASH not in head
        and _DELETE not in head  # of ASCII, all that JSON lets into a string and that is not printable
        and head.isascii()
    )


def _build(
    data: bytes,
    protocol: str,
    id: str,
    sender: str,
    kind: str,
    to: tuple[str, ...],
    ts: str | None,
    correlation_id: str | None,
) -> Envelope:
    """Check the rules of the header fields, whose types are right already."""
    has_id = _is_id(id)
    try:
        if protocol != PROTOCOL:
            raise UnsupportedProtocol(protocol)
        if not has_id:
            raise InvalidEnvelope("id", f"must be 1 to {MAX_ID_CHARACTERS} characters of printable ASCII")
        if not (sender.isascii() and sender.isprintable()):
            raise InvalidEnvelope("from", "must be printable ASCII")
        if correlation_id is not None and not (correlation_id.isascii() and correlation_id.isprintable()):
            raise InvalidEnvelope("correlation_id", "must be printable ASCII")
        if to:
            _check_to(to)
        if ts is not None and not is_rfc3339(ts):
            raise InvalidEnvelope("ts", "must be an RFC 3339 timestamp")
        return Envelope(id, sender, parse_kind(kind), to, correlation_id, ts, data)
    except EnvelopeError as error:
        error.envelope_id = id if has_id else None
        raise


def _check_to(to: tuple[str, ...]) -> None:
    if len(to) > MAX_TO:
        raise InvalidEnvelope("to", f"names at most {MAX_TO} participants")
    for name in to:
        if not is_participant_id(name):
            raise InvalidEnvelope("to", f"names {name[:64]!r}, which is no participant id")


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= MAX_ID_CHARACTERS and text.isascii() and text.isprintable()


@lru_cache(maxsize=1024)
def is_rfc3339(text: str) -> bool:
    """Whether `text` is a timestamp as RFC 3339 has it, on a day that exists; a leap second counts."""
    if _RFC3339.fullmatch(text) is None:
        return False
    seconds_last = text[:17] + ("59" if text[17:19] == "60" else text[17:19])
    zone = text[19:].lstrip(".0123456789").upper()
    try:
        datetime.fromisoformat(seconds_last + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return False
    return True


# The careful way: what is refused, or comes with unknown members, is read
# whole, so that the refusal can name the first rule broken and no repeated
# key hides.


def _parse_carefully(data: bytes) -> Envelope:
    members = _top_level(data)
    fields = dict(members)
    id = fields.get("id")
    readable_id = id if isinstance(id, str) and _is_id(id) else None
    try:
        protocol = fields.get("protocol")
        if isinstance(protocol, str) and protocol != PROTOCOL:
            raise UnsupportedProtocol(protocol)
        _check_names([name for name, _ in members])
        _check_types(fields)
    except EnvelopeError as error:
        error.envelope_id = readable_id
        raise
    return _build(
        data,
        fields["protocol"],
        fields["id"],
        fields["from"],
        fields["kind"],
        tuple(fields.get("to", ())),
        fields.get("ts"),
        fields.get("correlation_id"),
    )


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        folded = name.casefold()
        if name in seen:
            raise InvalidEnvelope(name[:64], "stands twice")
        if folded in HEADER_FIELDS and name not in HEADER_FIELDS:
            raise InvalidEnvelope(name[:64], f"differs from '{folded}' only in letter case")
        if folded in _REFUSED_FIELDS:
            raise InvalidEnvelope(name[:64], "is refused: a credential does not belong in an envelope")
        seen.add(name)


def _check_types(fields: JsonObject) -> None:
    for name in ("protocol", "id", "from", "kind"):
        if name not in fields:
            raise InvalidEnvelope(name, "is required")
        if not isinstance(fields[name], str):
            raise InvalidEnvelope(name, "must be a string")
    for name in ("ts", "correlation_id"):
        if name in fields and not isinstance(fields[name], str):
            raise InvalidEnvelope(name, "must be a string, or be left out")
    to = fields.get("to", [])
    if not is_list(to) or not all(isinstance(name, str) for name in to):
        raise InvalidEnvelope("to", "must be a list of participant ids")
    if "payload" not in fields:
        raise InvalidEnvelope("payload", "is required")
    if not isinstance(fields["payload"], dict):
        raise InvalidEnvelope("payload", "must be an object")


def is_object(value: Any) -> TypeGuard[JsonObject]:
    """Whether a JSON value is an object; `isinstance` alone leaves its members' types unsaid."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is a list; `isinstance` alone leaves its items' types unsaid."""
    return isinstance(value, list)


def _top_level(data: bytes) -> list[tuple[str, Any]]:
    """Return the members of the outermost object in order, repeated keys included."""
    last: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal last
        last = pairs  # the outermost object is finished last
        return dict(pairs)

    try:
        whole = json.loads(
            data.decode(),
            object_pairs_hook=keep,
            parse_constant=_refuse_constant,
            parse_int=_a_number,
            parse_float=_a_number,
        )
        msgspec.json.decode(data, type=msgspec.Raw)
    except UnicodeDecodeError:
        raise InvalidJson("it is not UTF-8") from None
    except RecursionError:
        raise InvalidJson("it is nested too deep") from None
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidJson(str(error)[:200]) from None
    if not isinstance(whole, dict):
        raise InvalidJson("this is another JSON value")
    if any("\ud800" <= character <= "\udfff" for name, _ in last for character in name):
        raise InvalidJson("a key holds half a surrogate pair")
    return last


def _a_number(_: str) -> float:
    """Stand for any number: none stands in a header, and Python would not read one of 5,000 digits."""
    return 0.0


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# Participants look inside.


def payload_of(envelope: Envelope) -> JsonObject:
    """
    Parse an envelope's payload strictly: duplicate keys at any depth are refused (MCPx 4.3).

    Pass on what this returns, never the original bytes: another reader could
    see another value in them.

    Raises:
        PayloadError: two readers would read it differently.
    """
    try:
        value = parse_strictly(envelope.raw_payload)
    except RecursionError:  # it was found when the envelope was parsed, with more room left
        raise PayloadError("it is nested too deep") from None
    if not is_object(value):
        raise PayloadError("the payload is no object")
    return value


def parse_strictly(data: bytes | str) -> Any:
    """
    Parse JSON that every reader reads alike: no duplicate keys, NaN, or half surrogates.

    Raises:
        PayloadError: `data` is not such JSON.
    """
    try:
        value = _strict.decode(data.decode() if isinstance(data, bytes) else data)
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except RecursionError:
        raise PayloadError("it is nested too deep") from None
    except (ValueError, TypeError) as error:
        raise PayloadError(f"it is no JSON that all readers read alike: {str(error)[:200]}") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:32]} is larger than any number")
    return number


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:64]!r} stands twice")
    return members


_strict: Final = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_refuse_constant, parse_float=_finite
)
"""Kept: to make one costs as much as a short text."""


def encode_envelope(
    *,
    id: str,
    ts: str,
    sender: str,
    kind: Kind | str,
    payload: JsonObject | msgspec.Raw | orjson.Fragment,
    to: Sequence[str] = (),
    correlation_id: str | None = None,
) -> bytes:
    """
    Encode one envelope; `to` and `correlation_id` stand in it only where given.

    Raises:
        TypeError: `payload` holds what JSON cannot say.
    """
    members: JsonObject = {"protocol": PROTOCOL, "id": id, "ts": ts, "from": sender}
    if to:
        members["to"] = list(to)
    members["kind"] = str(kind)
    if correlation_id is not None:
        members["correlation_id"] = correlation_id
    members["payload"] = orjson.Fragment(bytes(payload)) if isinstance(payload, msgspec.Raw) else payload
    return orjson.dumps(members)
