"""What an error reply of Redis says: whether something was written, and who might do it instead."""

from __future__ import annotations

from typing import Final

NOT_DONE: Final = frozenset(
    (
        *("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOSCRIPT", "BUSY", "OOM", "MISCONF"),
        *("NOREPLICAS", "NOAUTH", "NOPERM", "WRONGPASS", "MOVED", "ASK", "TRYAGAIN"),
    )
)
"""Error replies after which it is certain that nothing was written."""

JUDGED: Final = frozenset(("OOM", "MISCONF", "NOREPLICAS"))
"""Those of them that come from a script's first write: it had looked before whether it was asked already."""

ELSEWHERE: Final = frozenset(("READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "NOSCRIPT"))
"""Those that a new connection may cure."""

REROUTED: Final = frozenset(("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"))
"""Those of a cluster whose shards change places: asked again soon, perhaps elsewhere."""
