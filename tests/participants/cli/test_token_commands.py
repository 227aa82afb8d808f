"""`mcpx token`: what is issued opens a gateway with the same key, and nothing secret stands in arguments."""

from __future__ import annotations

import json
import stat
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from capabilities import CapabilitySet, KeyRing, TokenReader, keys_from_secret
from participants.cli.credentials import refuse_secret_arguments
from tests.participants.cli.conftest import Mcpx


def reader(secret: str) -> TokenReader:
    return TokenReader(KeyRing(keys_from_secret(secret)), "mcpx", "mcpx-gateway")


def test_an_issued_token_is_what_a_gateway_with_the_same_key_accepts(mcpx: Mcpx, secret: str) -> None:
    ran = mcpx(
        "token", "issue", "-p", "agent-a", "--topic", "ops", "--profile", "proposal-only", "--ttl", "30m"
    )

    claims = reader(secret).read_participant(ran.out.strip(), time.time())
    assert ran.code == 0
    assert (claims.id, claims.topics) == ("agent-a", ("ops",))
    assert claims.capabilities == CapabilitySet.of(["mcp/proposal:*", "mcp/response:*", "chat"])
    assert claims.exp - claims.iat == 1800


def test_only_the_token_stands_on_standard_output(mcpx: Mcpx, secret: str) -> None:
    ran = mcpx("token", "issue", "-p", "agent-a", "--topic", "ops", "-c", "chat")

    assert len(ran.out.splitlines()) == 1
    assert "agent-a" in ran.err
    assert ran.out.strip() not in ran.err


def test_an_admin_token_is_no_participants_token(mcpx: Mcpx, secret: str) -> None:
    token = mcpx("token", "issue", "--admin", "--ttl", "15m").out.strip()

    admin = reader(secret).read_admin(token, time.time())
    assert (admin.id, admin.topics) == ("admin", ("*",))
    assert admin.may_grant.covers(CapabilitySet.of(["mcp/request:tools/*"]))
    assert mcpx("token", "inspect", stdin=token).code == 0


def test_inspect_reads_standard_input_and_tells_what_the_token_grants(mcpx: Mcpx, secret: str) -> None:
    token = mcpx("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "read-only").out

    ran = mcpx("token", "inspect", "--json", stdin=token)

    assert ran.json["status"] == "valid"
    assert ran.json["claims"]["sub"] == "ann"
    assert "mcp/request:*/list" in ran.json["capabilities"]


def test_inspect_of_a_token_signed_with_another_key_exits_3_and_says_why(
    mcpx: Mcpx, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mcpx("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full").out
    monkeypatch.setenv("MCPX_JWT_SECRET", "another secret of at least 32 bytes")

    ran = mcpx("token", "inspect", stdin=token)

    assert ran.code == 3
    assert "signature" in ran.out


def test_inspect_without_a_key_shows_the_claims_and_exits_1(
    mcpx: Mcpx, secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = mcpx("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full").out
    monkeypatch.setenv("MCPX_STATE_DIR", str(tmp_path / "elsewhere"))

    ran = mcpx("token", "inspect", stdin=token)

    assert ran.code == 1
    assert "ann" in ran.out
    assert "unverified" in ran.out


def test_inspect_never_lets_a_claim_write_control_characters(mcpx: Mcpx, secret: str) -> None:
    claims = {"sub": "\x1b[2Jann", "topics": ["ops"]}
    body = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    ran = mcpx("token", "inspect", stdin=f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl")

    assert "\x1b" not in ran.out
    assert "\\x1b[2Jann" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "inspect", "{token}"),
        ("join", "--token-file", "{token}", "--topic", "ops"),
        ("join", "--topic", "{token}"),
        ("promote", "{token}", "--add", "chat", "--reason", "x"),
        ("promote", "a", "--add", "chat", "--reason", "x", "--admin-token-file", "{token}"),
        ("invite", "{token}", "--topic", "ops"),
        ("send", "--topic=ops", "{token}"),
        ("join", "--token={token}"),
        ("join", "--token", "{token}"),
        ("join", "--url", "http://127.0.0.1:1/#topic=ops&token={token}"),
        ("send", "--topic", "ops", "my token is {token}."),
    ],
)
def test_a_token_as_an_argument_is_refused_and_not_repeated(
    mcpx: Mcpx, secret: str, arguments: tuple[str, ...]
) -> None:
    token = mcpx("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full").out.strip()

    ran = mcpx(*(argument.format(token=token) for argument in arguments))

    assert ran.code == 2
    assert "as an argument" in ran.err
    assert token not in ran.err + ran.out
    assert token[-20:] not in ran.err + ran.out


def test_a_name_with_dots_in_it_is_no_token() -> None:
    refuse_secret_arguments(
        ["send", "--topic", "ops", "participants.conversation.events", "keyboard.minified.js"]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-p", "ann"),
        ("-p", "ann", "--topic", "ops"),
        ("-p", "system:gateway", "--topic", "ops", "--profile", "full"),
        ("-p", "ann", "--topic", "a//b", "--profile", "full"),
        ("-p", "ann", "--topic", "ops", "-c", "*"),
        ("-p", "ann", "--topic", "ops", "-c", "system/*"),
        ("-p", "ann", "--topic", "ops", "--profile", "full", "--ttl", "soon"),
        ("-p", "ann", "--topic", "ops", "--profile", "full", "--ttl", "0"),
    ],
)
def test_what_every_gateway_would_refuse_is_refused_when_it_is_issued(
    mcpx: Mcpx, secret: str, arguments: tuple[str, ...]
) -> None:
    ran = mcpx("token", "issue", *arguments)

    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err


def test_without_any_key_issue_says_where_it_looked(mcpx: Mcpx, state_dir: Path) -> None:
    ran = mcpx("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full")

    assert ran.code == 1
    assert str(state_dir / "jwt.secret") in ran.err
    assert "Do:" in ran.err


def test_a_token_written_to_a_file_is_its_owners_alone_and_replaces_nothing(
    mcpx: Mcpx, secret: str, tmp_path: Path
) -> None:
    file = tmp_path / "ann.token"
    arguments = ("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full", "--out", str(file))

    first, second = mcpx(*arguments), mcpx(*arguments)

    assert (first.code, first.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert reader(secret).read_participant(file.read_text().strip(), time.time()).id == "ann"
    assert second.code == 1
    assert "exists" in second.err


def test_a_private_key_file_signs_and_its_public_half_checks(
    mcpx: Mcpx, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = Ed25519PrivateKey.generate()
    signing, checking = tmp_path / "private.pem", tmp_path / "public.pem"
    signing.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    checking.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    arguments = ("token", "issue", "-p", "ann", "--topic", "ops", "--profile", "full")

    monkeypatch.setenv("MCPX_JWT_KEY_FILE", str(signing))
    token = mcpx(*arguments).out
    monkeypatch.setenv("MCPX_JWT_KEY_FILE", str(checking))

    assert mcpx("token", "inspect", stdin=token).code == 0
    refused = mcpx(*arguments)
    assert refused.code == 1
    assert "cannot sign" in refused.err


def test_an_invite_link_carries_its_token_in_the_fragment(mcpx: Mcpx, secret: str) -> None:
    link = mcpx("invite", "ann", "--topic", "team/ops", "--url", "http://127.0.0.1:9000").out.strip()

    sent, _, kept = link.partition("#")
    assert sent == "http://127.0.0.1:9000/"
    topic, token = (part.partition("=")[2] for part in kept.split("&"))
    assert topic == "team%2Fops"
    assert reader(secret).read_participant(token, time.time()).topics == ("team/ops",)


@pytest.mark.parametrize(
    "command", [("run",), ("token", "issue", "-p", "ann", "-t", "ops", "--profile", "full")]
)
def test_where_keys_are_published_elsewhere_no_token_is_issued_and_the_ways_on_are_named(
    mcpx: Mcpx, secret: str, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MCPX_JWKS_URL", "https://issuer.example.org/jwks.json")

    ran = mcpx(*command)

    assert ran.code == 1
    assert "MCPX_JWKS_URL is set" in ran.err
    assert "unset MCPX_JWKS_URL" in ran.err
    assert ran.out == ""
