"""Intents in a stream: found where they are meant, never where brackets are something else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.core.scanning import MOST_HELD, Piece, Said, Scanner, Wish, intents_in

# Everything that opens or closes something, and enough of each to meet by chance.
LETTERS = [*"[]()!`~$\\<>=\"':\n xa1T", "[TOOL: ", "[tool:a]", "```", "\n\n", "](", "[x]: ", "<a b='"]
texts = st.lists(st.sampled_from(LETTERS), max_size=40).map("".join)


def merged(pieces: list[Piece]) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Said) and out and isinstance(out[-1], Said):
            out[-1] = Said(out[-1].text + piece.text)
        else:
            out.append(piece)
    return out


def scanned(chunks: list[str], *, bare: bool) -> list[Piece]:
    scanner = Scanner(bare=bare)
    return merged([piece for chunk in chunks for piece in scanner.feed(chunk)] + scanner.finish())


@given(texts, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_however_a_text_is_split_the_same_comes_out(text: str, cuts: list[int], bare: bool) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    chunks = [text[start:end] for start, end in pairwise(places)]

    assert scanned(chunks, bare=bare) == scanned([text], bare=bare) == scanned(list(text), bare=bare)


@given(texts, st.booleans())
def test_nothing_is_lost_doubled_or_moved(text: str, bare: bool) -> None:
    pieces = scanned([text], bare=bare)

    assert "".join(one.raw if isinstance(one, Wish) else one.text for one in pieces) == text


@given(st.lists(st.sampled_from(["[TOOL: do it]", " and ", "\n", "so. ", "[docs](http://x) "]), max_size=12))
def test_what_is_written_plainly_is_found(parts: list[str]) -> None:
    text = " ".join(parts)

    assert len(intents_in(text)) == parts.count("[TOOL: do it]")


@pytest.mark.parametrize(
    "text",
    [
        "`[TOOL: a]`",
        "``x ` [TOOL: a]``",
        "```\n[TOOL: a]\n\n[TOOL: b]\n```",
        "~~~text\n[TOOL: a]\n~~~",
        "$x_{[TOOL: a]}$",
        "$$\n[TOOL: a]\n$$",
        r"\([TOOL: a]\)",
        "\\[ \n[TOOL: a]\n \\]",
        '<a title="> [TOOL: a]">',
        "<img alt='[TOOL: a]'/>",
        "[x](http://x/[TOOL: a])",
        "[TOOL: a](http://x)",
        "[TOOL: a][ref]",
        "[ref][TOOL: a]",
        "[TOOL: a]: http://x",
        "[x]: http://x/[TOOL: a]",
        "![TOOL: a]",
        "list[TOOL: a]",
        r"\[TOOL: a]",
        "[TOOL:]",
        "[TOOL: a\n\nb]",
        "[TOOL: a",
        '[ ] [x] [^1] [1] [@key] [1, 2] ["a", "b"] a[0] [TOOLS: a] [docs](http://x)',
    ],
)
def test_brackets_that_mean_something_else_are_text(text: str) -> None:
    assert intents_in(text) == []


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("Let me see. [TOOL: check the weather in Oslo] Then", ["check the weather in Oslo"]),
        ("[tool:  a  b ]", ["a b"]),
        ("[TOOL: read notes[1].txt and [draft].md]", ["read notes[1].txt and [draft].md"]),
        ("- [ ] [TOOL: a]", ["a"]),
        ("that costs $5 [TOOL: a] or $6", ["a"]),
        ("`code` [TOOL: a]", ["a"]),
        ("```\ncode\n```\n[TOOL: a]", ["a"]),
        ("an open ` tick\n\n[TOOL: a]", ["a"]),
        ("1 < 2 [TOOL: a] > 0", ["a"]),
        ("<b>[TOOL: a]</b>", ["a"]),
        ("[TOOL: a\nb]", ["a b"]),
        ("[TOOL: a] [TOOL: b]", ["a", "b"]),
    ],
)
def test_an_intent_is_found(text: str, intents: list[str]) -> None:
    assert intents_in(text) == intents


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("[check the weather]", ["check the weather"]),
        ("[docs](http://x) [1] [ ] [x] [^note] [0, 1] ['a'] [citation]", []),
        ("as shown [Smith et al., 2020] and [see p. 12]", []),
    ],
)
def test_bare_brackets_are_intents_only_where_it_was_asked_for(text: str, intents: list[str]) -> None:
    assert intents_in(text, bare=True) == intents
    assert intents_in(text) == []


def test_an_open_bracket_is_text_after_two_thousand_characters() -> None:
    text = "[TOOL: " + "a" * MOST_HELD + "] [TOOL: b]"

    assert intents_in(text) == ["b"]


def test_an_open_bracket_is_text_when_it_took_too_long() -> None:
    scanner = Scanner()

    assert scanner.feed("so [TOOL: a") == [Said("so ")]
    assert scanner.holds
    assert scanner.release() == [Said("[TOOL: a")]
    assert scanner.feed("] [TOOL: b] ") == [Said("] "), Wish("b", "[TOOL: b]"), Said(" ")]


def test_text_that_is_no_bracket_is_never_held_back() -> None:
    scanner = Scanner()

    assert scanner.feed("see [docs") == [Said("see [docs")]
    assert not scanner.holds


def test_a_text_of_open_brackets_takes_linear_time() -> None:
    scanner = Scanner()
    steps = 0
    take = scanner._take

    def counted(letter: str) -> bool:
        nonlocal steps
        steps += 1
        return take(letter)

    scanner._take = counted  # type: ignore[method-assign]  # counted, this once
    scanner.feed("[TOOL: " * 3_000)

    assert steps < 2 * 7 * 3_000
