"""Who offers which tools in a topic, as it changes; bounded, since the offers are strangers'."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from router_agent.core.tools import Catalogue, Tool

MOST_EACH: Final = 256
"""Tools of one participant; the first ones count."""
MOST_BYTES_EACH: Final = 1024 * 1024
"""Of one participant's tools together, as JSON."""


class Directory:
    """The tools of each participant."""

    def __init__(self) -> None:
        self._offers: dict[str, tuple[Tool, ...]] = {}
        self._whole: Catalogue | None = None

    def replace(self, participant: str, advertised: Iterable[Mapping[str, Any]]) -> int:
        """Take a participant's whole list in place of the last; return how many tools were left out."""
        kept: list[Tool] = []
        seen = size = left_out = 0
        for one in advertised:
            seen += 1
            if len(kept) >= MOST_EACH or seen > 4 * MOST_EACH:
                left_out += 1
                continue
            tool = Tool.read(participant, one)
            weight = _weight(one)
            if tool is None or weight is None or size + weight > MOST_BYTES_EACH:
                left_out += 1
                continue
            size += weight
            kept.append(tool)
        if self._offers.get(participant) != tuple(kept):
            self._whole = None
            self._offers[participant] = tuple(kept)
        return left_out

    def drop(self, participant: str) -> None:
        """Forget one who left."""
        if self._offers.pop(participant, None):
            self._whole = None

    def clear(self) -> None:
        """Forget all: who was away does not know who is here."""
        self._offers, self._whole = {}, None

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __contains__(self, participant: str) -> bool:
        return participant in self._offers

    @property
    def catalogue(self) -> Catalogue:
        """All tools, by participant in the order of their ids, so that no one gains by joining first."""
        if self._whole is None:
            self._whole = Catalogue.of(tool for _, tools in sorted(self._offers.items()) for tool in tools)
        return self._whole


def _weight(advertised: Mapping[str, Any]) -> int | None:
    """Return how many characters of JSON an offer is; `None`: nested too deep to be written."""
    try:
        return len(json.dumps(advertised, default=str))
    except RecursionError:
        return None
