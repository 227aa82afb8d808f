"""
Random routing cases: tools nobody has seen, asked for in words that people use.

The same seed makes the same bytes. A third of the cases lack the right tool, so that
refusing is learned with the same words as acting.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from router_agent.training.cases import Case, call
from router_agent.training.phrases import Draft, Phrase, Phrasebook, roughen
from router_agent.training.schemas import Bank, RandomTool, Toolmaker
from router_agent.training.values import Values

SOURCE = "generated (own work)"
MISSING_TOOL = 0.35
"""The share of cases whose right tool was taken away."""

_OPENERS = (
    "please ", "can you ", "could you please ", "hey, ", "i would like you to ", "hi! ", "ok ", "now ", "so ",
    "for my project, ", "would you mind to ", "i need your help: ", "um ", "olly ", "quickly ",
)  # fmt: skip  # a list of words, not a line for each
_CLOSERS = ("", "", "", "", ", please", " thanks", "?", " for me", " if possible", " asap", ", thank you!")
_STORIES = (
    "I'm planning something special with my family.", "I have been working on this all day.",
    "My friend asked me about it.", "I'm not sure where to begin.", "We talked about it at dinner yesterday.",
    "It's for a school assignment.", "I am new here.", "My manager wants to know.", "I just got home.",
    "It is raining outside and I'm bored.", "I've got two kids and little time.",
    "Sorry to bother you again.",
)  # fmt: skip  # a list of words, not a line for each
_LEADS = (
    " with ",
    " given ",
    " for ",
    " using ",
    " if the ",
    ": ",
    " when ",
    " of an object with ",
    ", where ",
    " having ",
)
_LINKS = (
    ". It should be ",
    ". Make it ",
    ". I want it ",
    ". ",
    ", and ",
    "; ",
    ". And ",
    ". Also ",
    ". I prefer ",
)
_LOOKS = {"get", "find", "calculate", "analyze", "compare", "track", "summarize", "convert"}
_MAKES = {"book", "create", "send"}


def generate(seed: int, count: int, bank: Bank | None = None) -> Iterator[Case]:
    """Make `count` cases from a seed."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    source = _Source(bank or Bank.load(), draw)
    for number in range(count):
        yield source.case(f"generated_{seed}_{number}")


class _Source:
    def __init__(self, bank: Bank, draw: random.Random) -> None:
        self._bank, self._draw = bank, draw
        self._maker = Toolmaker(bank, draw)
        self._book = Phrasebook(bank, Values(bank.values, draw), draw)

    def case(self, id_: str) -> Case:
        draw = self._draw
        tool = self._maker.calculation() if draw.random() < 0.2 else self._maker.tool()
        phrases = [
            self._book.phrase(part) for part in tool.parts if draw.random() < (0.93 if part.required else 0.5)
        ]
        draw.shuffle(phrases)
        arguments: dict[str, Any] = {}
        for phrase in phrases:
            home = arguments.setdefault(phrase.part.group, {}) if phrase.part.group else arguments
            home[phrase.part.key] = phrase.value
        if tool.switch:
            arguments[tool.switch[0]] = tool.switch[1]
        said = self._book.paired(phrases)
        if draw.random() < 0.12 and (stray := self._stray(tool)) is not None:
            said.insert(draw.randrange(len(said) + 1), stray)
        intent, spans = self._intent(tool, said)
        spans = {slot: span for slot, span in spans.items() if not slot.startswith("?")}
        others = self._others(tool)
        if draw.random() < MISSING_TOOL:
            return Case(intent, others or [self._maker.tool().advertised], [], SOURCE, id=id_)
        shown = [tool.advertised, *others]
        draw.shuffle(shown)
        must = {part.key for part in tool.parts if part.required}
        return Case(intent, shown, [call(tool.name, arguments, set(arguments) - must)], SOURCE, spans, id_)

    def _stray(self, tool: RandomTool) -> Phrase | None:
        """Something said that the tool has no parameter for; its words belong to nothing."""
        domain = self._domain(tool)
        used = {part.entry for part in tool.parts}
        spare = [entry for entry in (domain or {}).get("roles", ()) if entry not in used]
        if not spare:
            return None
        part = self._maker.part("role", self._draw.choice(spare), "snake", tool.verb, tool.object)
        part.group = "?"
        return self._book.phrase(part)

    def _domain(self, tool: RandomTool) -> Mapping[str, Any] | None:
        return next((entry for entry in self._bank.domains if entry["name"] == tool.domain), None)

    def _others(self, tool: RandomTool) -> list[Mapping[str, Any]]:
        """Tools beside the right one: near it but with another purpose, or of any domain."""
        draw, domain = self._draw, self._domain(tool)
        out: list[Mapping[str, Any]] = []
        names = {tool.name}
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            if tool.domain == "calculation" and draw.random() < 0.5:
                other = self._maker.calculation()
            else:
                other = self._maker.tool(domain if domain and draw.random() < 0.6 else None)
            if other.name not in names and not self._alike(tool, other):
                names.add(other.name)
                out.append(other.advertised)
        return out

    def _alike(self, tool: RandomTool, other: RandomTool) -> bool:
        """Whether the other tool might be right as well."""
        if tool.domain != other.domain:
            return False
        shared = set(tool.object.split()) & set(other.object.split())
        if tool.domain == "calculation":
            return bool(shared)
        domain = self._domain(tool)
        if domain and domain.get("distinct") and not shared:
            return False
        return tool.verb == other.verb or any({tool.verb, other.verb} <= group for group in (_LOOKS, _MAKES))

    def _intent(self, tool: RandomTool, phrases: Sequence[Phrase]) -> tuple[str, dict[str, tuple[int, int]]]:
        draw, draft = self._draw, Draft()
        if draw.random() < 0.08:
            self._telegram(draft, tool, phrases)
        else:
            self._request(draft, tool, phrases)
        roughen(draft, draw)
        return draft.finish()

    def _telegram(self, draft: Draft, tool: RandomTool, phrases: Sequence[Phrase]) -> None:
        """Bare words, as typed into a search box."""
        draft.add(f"{tool.asked} {tool.object}" if tool.switch else tool.object)
        for phrase in phrases:
            draft.add(" ")
            if phrase.said is None or phrase.partner is not None or phrase.part.kind == "quantity":
                self._book.say(draft, phrase)
            else:
                draft.add(phrase.said.before)
                draft.add(phrase.said.words, phrase.part.slot)
                draft.add(phrase.said.after)

    def _request(self, draft: Draft, tool: RandomTool, phrases: Sequence[Phrase]) -> None:
        draw, rest = self._draw, list(phrases)
        if draw.random() < 0.12:
            draft.add(draw.choice(_STORIES) + " ")
        if draw.random() < 0.3:
            draft.add(draw.choice(_OPENERS))
        before, _, after = draw.choice(self._bank.verbs[tool.asked]["ask"]).partition("{obj}")
        front = next((one for one in rest if self._may_lead(one) and draw.random() < 0.35), None)
        if front is not None:
            rest.remove(front)
        if rest and draw.random() < 0.08:
            self._book.say(draft, rest.pop())
            draft.add(", ")
        draft.add(before)
        if front is not None and front.said is not None:
            draft.add(front.said.before)
            draft.add(front.said.words, front.part.slot)
            draft.add(front.said.after)
            draft.add(" " + tool.object if draw.random() < 0.8 else "")
        else:
            draft.add(tool.object)
        draft.add(after)
        counted = tool.domain == "calculation"
        for number, phrase in enumerate(rest):
            if counted:
                draft.add(draw.choice((", ", " and ", ", and ")) if number else draw.choice(_LEADS))
            elif number and draw.random() < 0.12:
                draft.add(draw.choice(_LINKS))
            else:
                draft.add(draw.choice((" ", " ", " ", ", ", " and ")) if number else " ")
            self._book.say(draft, phrase)
        draft.add(draw.choice(_CLOSERS))

    def _may_lead(self, phrase: Phrase) -> bool:
        """Whether its words may stand before the object: Italian restaurants."""
        return phrase.partner is None and "front" in self._bank.roles.get(phrase.part.entry, {})
