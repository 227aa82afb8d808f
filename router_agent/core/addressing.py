"""Which words in chat are meant for the router."""

from __future__ import annotations

import re
from collections.abc import Sequence

from router_agent.core.scanning import intents_in


def wishes_in(text: str, to: Sequence[str], router: str, name: str = "router") -> list[str]:
    """
    Return the intents that a message holds for the router, in order.

    `[TOOL: …]` anywhere, or the whole message where it is addressed: `to` names the router
    alone, or it begins with `@router`, `router:` or `router,`, by id or by the common name.
    """
    marked = intents_in(text)
    if marked:
        return marked
    names = "|".join(re.escape(one) for one in dict.fromkeys((router, name)))
    hit = re.match(
        rf"\s*(?:@(?:{names})\b[\s,:]*|(?:{names})\s*[,:]\s*)(.+)", text, re.IGNORECASE | re.DOTALL
    )
    if hit:
        return [hit[1].strip()]
    return [text.strip()] if tuple(to) == (router,) and text.strip() else []
