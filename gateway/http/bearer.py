"""The token that a request brings in its header (RFC 6750 2.1)."""

from __future__ import annotations

from collections.abc import Sequence


def bearer_token(given: Sequence[str]) -> str | None:
    """
    Return the token of `Authorization: Bearer`; `None` where there is none.

    `given` are the values of all headers of that name.

    Two such headers are none: whoever stands between might look at the other one.
    """
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None
