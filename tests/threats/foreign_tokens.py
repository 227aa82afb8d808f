"""Tokens that somebody would make who has the gateway's secret and does not know its rules."""

from __future__ import annotations

import time
from typing import Any

from tests.capabilities import signing
from tests.gateway_process import SECRET


def claims(**changed: Any) -> dict[str, Any]:
    """Alice's claims for an hour from now, in every topic, but for those changed; `...` leaves one out."""
    now = int(time.time())
    return signing.claims(**{"iat": now, "exp": now + 3600, "topics": ["*"], **changed})


def token(typ: str | None = "mcpx+jwt", **changed: Any) -> str:
    """Such claims under the gateway's own secret."""
    return signing.encode(claims(**changed), key=SECRET.encode(), typ=typ)
