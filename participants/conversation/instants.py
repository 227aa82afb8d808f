"""Points in time: Unix seconds inside, RFC 3339 on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas import PayloadError, is_rfc3339


def instant_text(seconds: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> float:
    """
    Return an RFC 3339 timestamp as Unix seconds; a leap second counts as the one before.

    Raises:
        PayloadError: `text` is no such timestamp.
    """
    if not is_rfc3339(text):
        raise PayloadError(f"{text[:64]!r} is no RFC 3339 timestamp")
    plain = text.upper()
    if plain[17:19] == "60":
        plain = plain[:17] + "59" + plain[19:]
    return datetime.fromisoformat(plain).timestamp()
