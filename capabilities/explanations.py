"""Why a kind may be sent or not, for whoever was told no."""

from __future__ import annotations

from dataclasses import dataclass

from capabilities.sets import CapabilitySet
from schemas import Kind


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a set of capabilities says to one kind."""

    kind: Kind
    granted: bool
    by: str | None
    """The held pattern that grants it."""
    nearest: str | None
    """Where it is not granted: the narrowest pattern that would; `None` where nothing can."""
    closest: str | None
    """Where it is not granted: the held pattern that agrees longest with it, perhaps meant to."""
    may_propose: bool
    """Whether the same may be proposed instead."""

    @property
    def sentence(self) -> str:
        """The same for a person to read and act on."""
        if self.granted:
            return f"'{self.kind}' is granted by '{self.by}'."
        if self.nearest is None:
            return f"'{self.kind}' is reserved for the gateway; no capability grants it."
        words = [f"No capability held grants '{self.kind}'", f"'{self.nearest}' would grant it"]
        if self.may_propose:
            words.append("it may be proposed")
        elif self.closest is not None:
            words.append(f"of those held '{self.closest}' comes closest")
        return "; ".join(words) + "."


def explain(held: CapabilitySet, kind: Kind) -> Explanation:
    """Say which capability grants `kind`, or the nearest that would (MCPx 4.2)."""
    by = held.granted_by(kind)
    if by is not None:
        return Explanation(kind, granted=True, by=by, nearest=None, closest=None, may_propose=False)
    nearest = held.nearest(kind)
    return Explanation(
        kind,
        granted=False,
        by=None,
        nearest=nearest,
        closest=held.closest(kind) if nearest is not None else None,
        may_propose=kind.family == "mcp/request" and held.grants(kind.with_family("mcp/proposal")),
    )
