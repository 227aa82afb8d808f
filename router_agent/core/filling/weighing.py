"""How a rule's guess and what an encoder reads count together: chosen on requests held back from training."""

from __future__ import annotations

from typing import Final

from router_agent.models.reading import SlotReading

READ: Final = 0.5
"""How far the probability of just these words closes the gap between a guess and certainty."""
PARTLY: Final = 0.3
"""How much of that other words count that overlap them: "the Lisbon area" for "Lisbon"."""
ALONE: Final = 0.7
"""What a place counts that an encoder points at and no rule knows."""
DOUBT: Final = 0.2
"""How much is taken off what rules found where an encoder is sure that nothing was said."""


def weighed(guess: float, start: int, end: int, reading: SlotReading) -> float:
    """Return the score, 0 to 0.98, of the words at `start` to `end` that a rule scored `guess`."""
    exact = partly = 0.0
    for span in reading.spans:
        if (span.start, span.end) == (start, end):
            exact += span.probability
        elif span.start < end and start < span.end:
            partly += span.probability
    guess = max(0.0, min(0.98, guess))
    score = guess + READ * (exact + PARTLY * partly) * (1 - guess)
    return max(0.0, min(0.98, score * (1 - DOUBT * reading.absent)))
