"""`mcpx token issue` and `mcpx token inspect`: who may do what, where, and for how long."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from capabilities import PROFILES, CapabilitySet, TokenRefused, UnknownProfile, is_topic_grant
from participants.cli.access import JsonOption, read_unverified
from participants.cli.console import one_line, put, put_json, say
from participants.cli.credentials import read_text
from participants.cli.durations import parse_duration, spoken
from participants.cli.errors import CommandError, ExitCode, UsageRefused
from participants.cli.keys import MAX_LIFETIME_S, LocalKeys, find_keys, require_keys
from participants.cli.shapes import as_shape
from schemas import JsonObject, NameRefused, check_participant_id

app = typer.Typer(no_args_is_help=True, help="Issue tokens, and see what is in one.")

_ADMIN_MOST: Final = ("mcp/*", "chat")


@app.command()
def issue(
    participant: Annotated[
        str | None, typer.Option("--participant", "-p", metavar="ID", help="Whose token it is.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", help="A topic it opens, or the beginning of several: 'ops/*'."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help=f"Capabilities by name: {', '.join(PROFILES)}.")
    ] = None,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", "-c", metavar="PATTERN", help="One more capability.")
    ] = None,
    ttl: Annotated[str, typer.Option("--ttl", help="How long it lives: 30m, 8h.")] = "8h",
    admin: Annotated[
        bool, typer.Option("--admin", help="An admin's token; its capabilities are the most it may hand out.")
    ] = False,
    role: Annotated[list[str] | None, typer.Option("--role", help="A role to carry along.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to a new file of mode 0600.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Issue a token, signed with this machine's key, and print it.

    The key is MCPX_JWT_SECRET, MCPX_JWT_KEY_FILE, or the one in the state directory.

    [bold]Examples[/bold]

      mcpx token issue -p agent-a --topic ops --profile proposal-only > agent-a.token
      mcpx token issue -p ann --topic 'ops/*' --profile full --ttl 12h --out ann.token
      MCPX_ADMIN_TOKEN=$(mcpx token issue --admin --ttl 15m) mcpx promote agent-a …
    """
    if participant is None:
        if not admin:
            raise UsageRefused("There is no participant", do="Name whose token it is with --participant ID")
        participant = "admin"
    topics = topic or (["*"] if admin else [])
    capabilities = _checked(participant, topics, profile, capability or [], admin=admin)
    seconds = parse_duration(ttl)
    if seconds > MAX_LIFETIME_S:
        say(
            (
                f"Warning: a gateway refuses tokens of more than {spoken(MAX_LIFETIME_S)} by default",
                "yellow",
            )
        )
    jti = uuid4().hex
    keys = require_keys(os.environ)
    token = keys.issue(
        participant,
        topics,
        capabilities=capabilities or None,
        profile=profile,
        ttl_s=seconds,
        admin=admin,
        roles=role or (),
        jti=jti,
    )
    if out is not None:
        _write_new(out, token + "\n")
    facts: JsonObject = {
        "participant": participant,
        "admin": admin,
        "topics": topics,
        "profile": profile,
        "capabilities": capabilities,
        "jti": jti,
        "expires_at": datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(timespec="seconds"),
    }
    if as_json:
        put_json({**facts, **({"file": str(out)} if out else {"token": token})})
        return
    if out is None:
        put(token)
    who = f"{'admin' if admin else 'participant'} {participant}"
    say(f"{who}, {', '.join(topics)}, {spoken(seconds)}, key: {keys.source}", *([f" → {out}"] if out else []))


def _checked(
    participant: str, topics: list[str], profile: str | None, patterns: list[str], *, admin: bool
) -> list[str]:
    """Refuse here what every gateway would refuse, and name it; return the capabilities to write down."""
    try:
        check_participant_id(participant)
    except NameRefused as error:
        raise UsageRefused(str(error)) from error
    if not topics:
        raise UsageRefused(
            "There is no topic", do="Name one with --topic, or several as a prefix: --topic 'ops/*'"
        )
    for name in topics:
        if not is_topic_grant(name):
            raise UsageRefused(
                f"{name[:64]!r} is no topic", why="Nor is it the beginning of one that ends in '*'"
            )
    if profile is not None and profile not in PROFILES:
        # The gateway may know more by its settings; a token with one that it does not know is refused there.
        say((f"Warning: {UnknownProfile(profile)} here; the gateway must know it", "yellow"))
    if not patterns and profile is None:
        if not admin:
            raise UsageRefused(
                "The token would grant nothing",
                why="Neither --profile nor --capability is given",
                do=f"Choose --profile {'|'.join(PROFILES)}, or --capability PATTERN",
            )
        return list(_ADMIN_MOST)
    return list(CapabilitySet.of(patterns).patterns)


def _write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists", do="Name another file, or remove that one first") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be written", why=error.strerror or str(error)) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


@app.command()
def inspect(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="Where the token is; standard input if left out.")
    ] = "-",
    as_json: JsonOption = False,
) -> None:
    """
    Show what a token says, and whether this machine's key would accept it.

    Exit status 0: it opens something now. 3: it does not, and why. 1: there is no key to tell.

    [bold]Examples[/bold]

      mcpx token inspect agent-a.token
      printenv MCPX_TOKEN | mcpx token inspect
    """
    token = read_text(file)
    claims = read_unverified(token)
    keys = find_keys(os.environ)
    status, why, granted = _judge(keys, token)
    if as_json:
        put_json({"status": status, "why": why, "claims": claims, "capabilities": granted})
    else:
        for name, value in _lines(claims, granted):
            put(f"{name:<13} {value}")
        put(f"{'status':<13} {status}{': ' + why if why else ''}")
    if status != "valid":
        raise typer.Exit(ExitCode.REFUSED if status == "refused" else ExitCode.FAILED)


def _judge(keys: LocalKeys | None, token: str) -> tuple[str, str, list[str]]:
    """Return `valid`, `refused` or `unverified`, the reason, and what it grants where that is known."""
    if keys is None:
        return "unverified", "there is no key on this machine to check the signature with", []
    reader, now = keys.reader(), time.time()
    is_admin = _header(token).get("typ") == reader.admin_typ
    try:
        if is_admin:
            return "valid", "", list(reader.read_admin(token, now).may_grant.patterns)
        return "valid", "", list(reader.read_participant(token, now).capabilities.patterns)
    except TokenRefused as error:
        return "refused", error.why, []


def _header(token: str) -> JsonObject:
    with suppress(CommandError):
        head = token.partition(".")[0]
        return read_unverified(f"{head}.{head}.{head}")
    return {}


def _lines(claims: JsonObject, granted: list[str]) -> list[tuple[str, str]]:
    lines = [("participant", claims.get("sub")), ("topics", claims.get("topics"))]
    lines += [(name, claims[name]) for name in ("profile", "capabilities", "roles", "act") if name in claims]
    lines += [("grants", granted)] if granted else []
    lines += [("issued", _moment(claims.get("iat"))), ("expires", _moment(claims.get("exp")))]
    lines += [(name, claims.get(name)) for name in ("iss", "aud", "jti")]
    return [(name, one_line(_said(value))) for name, value in lines]


def _said(value: Any) -> str:
    if (items := as_shape(value, list[Any])) is not None:
        return ", ".join(str(item) for item in items)
    return "-" if value is None else str(value)


def _moment(value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "-"
    try:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return str(value)
