"""The token that a request brings in its header (RFC 6750 2.1)."""

from __future__ import annotations

from starlette.datastructures import Headers


def bearer_token(headers: Headers) -> str | None:
    """
    Return the token of `Authorization: Bearer`; `None` where there is none.

    Two such headers are none: whoever stands between might look at the other one.
    """
    given = headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None
