"""Verbs by which people ask for something to be done."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

from typing import Final

from router_agent.core.stems import stem

ORDERS: Final = frozenset(
    stem(word)
    for word in """find search get fetch retrieve show give tell provide list create make add book reserve
    schedule buy order delete remove update change set send calculate compute determine estimate convert translate
    play start
    stop open close turn check analyze evaluate generate predict identify locate track design record
    recommend
    suggest plan draw plot run execute cancel submit assess compare describe explain write read apply detect
    discover arrange
    organize prepare look display view obtain access verify validate perform measure monitor report rate
    rotate save
    load query insert commit push email mail download upload share post notify remind invite forward reply
    copy move
    rename summarize summarise count sort toggle pay transfer withdraw deposit""".split()
)
"""Their stems."""
