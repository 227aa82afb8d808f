"""Lines of `mcpx join`: what a person types and what a script writes come to the same commands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.cli import commands
from participants.cli.errors import UsageRefused
from participants.cli.json_lines import parse_json_line
from participants.cli.typed_lines import parse_line

CALL = commands.Call("git", "tools/call", {"name": "git_commit", "arguments": {"message": "a b"}})


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", None),
        ("   ", None),
        ("hello there", commands.Say("hello there")),
        ("//etc/hosts is wrong", commands.Say("/etc/hosts is wrong")),
        ("/who", commands.Who()),
        ("/pending", commands.Pending()),
        ("/help", commands.Help()),
        ("/quit", commands.Quit()),
        ("/approve 3", commands.Approve("3")),
        ("/approve #3", commands.Approve("3")),
        ("/approve 3 git", commands.Approve("3", "git")),
        ("/edit 3", commands.ShowDraft("3")),
        ('/edit 3 {"message": "a b"}', commands.Approve("3", arguments={"message": "a b"})),
        ("/reject 3", commands.Reject("3")),
        ("/reject 3 not on  a Friday", commands.Reject("3", message="not on  a Friday")),
        ("/call git git_status", commands.Call("git", "tools/call", {"name": "git_status", "arguments": {}})),
        ('/call git git_commit {"message": "a b"}', CALL),
    ],
)
def test_what_a_person_types(line: str, command: commands.Command | None) -> None:
    assert parse_line(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "/approve",
        "/approve 1 2 3",
        "/edit",
        "/edit 1 {broken",
        "/edit 1 [1]",
        '/edit 1 {"a": 1, "a": 2}',
        "/reject",
        "/call git",
        "/call git tool nonsense",
        "/who else",
        "/launch",
    ],
)
def test_what_looks_like_a_command_and_is_none_is_not_said_to_everybody(line: str) -> None:
    with pytest.raises(UsageRefused):
        parse_line(line)


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ({"chat": "hello"}, commands.Say("hello")),
        ({"chat": "hello", "to": ["ann"]}, commands.Say("hello", ("ann",))),
        ({"who": True}, commands.Who()),
        ({"pending": True}, commands.Pending()),
        ({"quit": True}, commands.Quit()),
        ({"approve": "4f1c"}, commands.Approve("4f1c")),
        (
            {"approve": "4f1c", "arguments": {"a": 1}, "target": "git"},
            commands.Approve("4f1c", "git", {"a": 1}),
        ),
        ({"approve": "4f1c", "params": {"a": 1}}, commands.Approve("4f1c", params={"a": 1})),
        ({"reject": "4f1c", "reason": "policy", "message": "no"}, commands.Reject("4f1c", "policy", "no")),
        ({"call": "git", "tool": "git_commit", "arguments": {"message": "a b"}}, CALL),
        ({"call": None, "method": "tools/list"}, commands.Call(None, "tools/list", {})),
        ({"kind": "x-a/b", "payload": {}, "to": ["ann"]}, commands.SendEnvelope("x-a/b", {}, ("ann",))),
    ],
)
def test_what_a_script_writes_comes_with_its_tag(value: dict[str, Any], command: commands.Command) -> None:
    assert parse_json_line(json.dumps({**value, "tag": 7})) == (command, 7)


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "[]",
        "{}",
        '{"chat": 1}',
        '{"chat": "a", "who": true}',
        '{"chat": "a", "two": "ann"}',
        '{"who": false}',
        '{"approve": "a", "arguments": []}',
        '{"reject": "a", "reason": "because"}',
        '{"call": "git"}',
        '{"call": "git", "tool": "a", "method": "b"}',
        '{"call": "git", "tool": "a", "params": {}}',
        '{"kind": "a", "payload": []}',
        '{"kind": "a", "payload": {}, "from": "ann"}',
        '{"chat": "a", "chat": "b"}',
    ],
)
def test_a_script_is_told_what_is_wrong_with_its_line(line: str) -> None:
    with pytest.raises(UsageRefused):
        parse_json_line(line)


@given(st.text())
def test_no_line_does_anything_but_parse_or_be_refused(line: str) -> None:
    for parse in (parse_line, parse_json_line):
        try:
            parse(line)
        except UsageRefused:
            continue


@given(st.text(min_size=1).filter(lambda text: text.strip() and not text.strip().startswith("/")))
def test_what_does_not_begin_with_a_slash_is_said(text: str) -> None:
    assert parse_line(text) == commands.Say(text.strip())
