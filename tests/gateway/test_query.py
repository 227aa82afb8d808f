"""What a handshake asks for, read in two ways that must agree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core import Mode
from gateway.http import websocket as door
from gateway.http.problems import Problem

PIECES = (
    "topic=",
    "mode=",
    "all",
    "ops",
    "a/b",
    "a:b",
    "..",
    "/",
    "+",
    "%2F",
    "&",
    ";",
    "=",
    "#",
    "\n",
    "\u00e9",
    "",
)


def read(query: bytes, *, plainly: bool) -> tuple[Mode, str] | str:
    try:
        return door._read_query(query) if plainly else door._read_any_query(query)
    except Problem as problem:
        return problem.detail


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_a_plain_query_says_what_any_reader_finds_in_it(rest: str) -> None:
    for query in (rest.encode(), b"topic=" + rest.encode()):
        assert read(query, plainly=True) == read(query, plainly=False)


def test_a_plain_query_names_a_topic() -> None:
    assert read(b"topic=a/b.c:d@e-f_1", plainly=True) == (Mode.ALL, "a/b.c:d@e-f_1")
