"""How long to wait before a server that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FIRST_S: Final = 0.5
CAP_S: Final = 30.0
STABLE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    The waits between restarts: doubled each time, capped, and spread by chance.

    A server that was up for `stable_s` begins anew. The spread keeps many
    bridges whose servers end of one cause from starting them all at once.
    """

    first_s: float = FIRST_S
    cap_s: float = CAP_S
    stable_s: float = STABLE_S
    failures: int = 0
    """Ends in a row, none of them after a stable time."""

    def after_end(self, up_s: float) -> Backoff:
        """The back-off once more after a server that was up for `up_s` seconds (0: it never was)."""
        return replace(self, failures=1 if up_s >= self.stable_s else self.failures + 1)

    def wait_s(self, chance: float) -> float:
        """
        Seconds to wait, between half of this step and the whole of it.

        `chance` is from 0 to 1 and the caller's: the rule itself rolls no dice.
        """
        step = min(self.cap_s, self.first_s * 2.0 ** min(self.failures - 1, 32)) if self.failures else 0.0
        return step * (0.5 + 0.5 * chance)
