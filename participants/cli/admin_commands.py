"""`mcpx promote` and `mcpx revoke`: change what a participant may do, at once and with a reason."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from capabilities import Pattern
from participants.cli.access import JsonOption, UrlOption
from participants.cli.addresses import DEFAULT_URL
from participants.cli.admin_client import AdminTokenFileOption, admin_client, path_segment
from participants.cli.console import one_line, put, put_json, say
from participants.cli.durations import parse_duration, spoken
from participants.cli.errors import UsageRefused
from participants.cli.shapes import as_shape, as_texts
from schemas import JsonObject, NameRefused, check_participant_id, check_topic

TopicOption = Annotated[
    str | None, typer.Option("--topic", "-t", help="In this topic only; else in all topics.")
]


def promote(
    participant: Annotated[str, typer.Argument(help="Whose capabilities change.")],
    add: Annotated[
        list[str] | None, typer.Option("--add", "-a", metavar="PATTERN", help="Grant this.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", "-r", metavar="PATTERN", help="Take this away.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log.")] = "",
    topic: TopicOption = None,
    ttl: Annotated[str | None, typer.Option("--ttl", help="For this long only: 30m, 8h, 7d.")] = None,
    url: UrlOption = DEFAULT_URL,
    admin_token_file: AdminTokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    Change what a participant may do; open connections feel it at once.

    [bold]Examples[/bold]

      mcpx promote agent-a --add 'mcp/request:tools/call:git_commit' --reason "40 of 40 approved"
      mcpx promote agent-a --add 'mcp/request:tools/*' --topic ops --ttl 8h --reason "release day"
      mcpx promote agent-a --remove 'mcp/request:tools/*' --reason "release is out"
    """
    added, removed = _patterns(add), _patterns(remove)
    if not added and not removed:
        raise UsageRefused("There is nothing to change", do="Give --add PATTERN or --remove PATTERN")
    if not reason.strip():
        raise UsageRefused("There is no reason", why="It stands in the audit log", do='Give --reason "…"')
    _check_names(participant, topic)
    body: JsonObject = {"add": added, "remove": removed, "reason": reason}
    if ttl is not None:
        body["ttl_s"] = parse_duration(ttl)
    client = admin_client(url, admin_token_file, topic=topic, patterns=[*added, *removed])
    answer = client.call(
        "POST",
        f"/admin/participants/{path_segment(participant)}/capabilities",
        query=None if topic is None else {"topic": topic},
        body=body,
    )
    if as_json:
        put_json(answer)
    else:
        _tell_change(participant, topic, ttl, answer)


def revoke(
    participant: Annotated[str | None, typer.Argument(help="End all tokens that it has by now.")] = None,
    jti: Annotated[str | None, typer.Option("--jti", help="Instead: end the one token with this id.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log.")] = "",
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    admin_token_file: AdminTokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    End a participant's access: its connections close, its tokens open nothing any more.

    A token that is issued later works again.

    [bold]Examples[/bold]

      mcpx revoke agent-a --reason "token leaked"
      mcpx revoke --jti 3f0c… --reason "laptop lost"
    """
    if (participant is None) == (jti is None):
        raise UsageRefused("Name a participant, or one token by --jti", why="Exactly one of them is needed")
    if not reason.strip():
        raise UsageRefused("There is no reason", why="It stands in the audit log", do='Give --reason "…"')
    _check_names(participant, topic)
    body: JsonObject = {"reason": reason}
    for name, value in (("participant", participant), ("jti", jti), ("topic", topic)):
        if value is not None:
            body[name] = value
    answer = admin_client(url, admin_token_file, topic=topic).call("POST", "/admin/revocations", body=body)
    if as_json:
        put_json(answer)
    else:
        closed = answer.get("closed")
        count = closed if isinstance(closed, int) else len(as_shape(closed, list[Any]) or [])
        put(f"revoked {participant or jti}")
        say(f"{count} open connection(s) closed")


def _patterns(texts: list[str] | None) -> list[str]:
    """Check patterns before they travel: the sentence names the one that is wrong."""
    return [str(Pattern.parse(text)) for text in dict.fromkeys(texts or [])]


def _check_names(participant: str | None, topic: str | None) -> None:
    try:
        if participant is not None:
            check_participant_id(participant)
        if topic is not None:
            check_topic(topic)
    except NameRefused as error:
        raise UsageRefused(str(error)) from error


def _tell_change(participant: str, topic: str | None, ttl: str | None, answer: JsonObject) -> None:
    old, new = _texts(answer.get("oldCapabilities")), _texts(answer.get("newCapabilities"))
    where = "in every topic" if topic is None else f"in {topic}"
    until = "" if ttl is None else f", for {spoken(parse_duration(ttl))}"
    say((participant, "bold"), f" {where}{until}:")
    for pattern in (*old, *(pattern for pattern in new if pattern not in old)):
        if pattern not in new:
            say((f"  - {pattern}", "red"))
        elif pattern not in old:
            say((f"  + {pattern}", "green"))
        else:
            say(f"    {pattern}")
    if old == new:
        say("Nothing had to change.")
    put(" ".join(new))


def _texts(value: Any) -> list[str]:
    return [one_line(text) for text in as_texts(value) or []]
