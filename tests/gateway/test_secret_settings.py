"""Secrets and where they come from: a file, or a variable; never an argument, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from capabilities import Key, TokenRefused, issue_token
from gateway.errors import SettingsError
from gateway.keys import Keys
from gateway.settings import Settings

NEW, OLD = "n" * 40, "o" * 40
NOW = 1_756_216_800.0


def token(secret: str, *, admin: bool = False) -> str:
    return issue_token(
        Key(None, "HS256", secret.encode()),
        issuer="mcpx",
        audience="mcpx-gateway",
        subject="ann",
        topics=["ops"],
        capabilities=["chat"],
        ttl_s=60,
        now=NOW,
        jti="j",
        admin=admin,
    )


def lines(path: Path, *secrets: str) -> str:
    path.write_text("".join(f"{secret}\n" for secret in secrets))
    return str(path)


def test_a_settings_file_gives_what_flags_and_environment_do_not(tmp_path: Path) -> None:
    file = tmp_path / "mcpx.env"
    file.write_text(f"# ours\n\nMCPX_PORT=1\nMCPX_ISSUER=them\nMCPX_RATE_LIMIT=5:6\nMCPX_JWT_SECRET={NEW}\n")

    settings = Settings.read({"MCPX_SETTINGS_FILE": str(file), "MCPX_ISSUER": "us"}, {"port": 2})

    assert (settings.port, settings.issuer, settings.rate_limit.burst) == (2, "us", 6)
    assert settings.token_secrets() == (NEW,)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("MCPX_PROT=1", "MCPX_PROT: is no setting"),
        ("MCPX_PORT=http", "no whole number"),
        (NEW, "line 1 is not"),
        ("PATH=/bin", "line 1 is not"),
        ("MCPX_PORT=1\nMCPX_PORT=2", "line 2 gives MCPX_PORT again"),
        ("MCPX_SETTINGS_FILE=/etc/other", "is no setting"),
    ],
)
def test_a_line_of_the_settings_file_that_is_none_is_named_and_not_shown(
    tmp_path: Path, line: str, why: str
) -> None:
    (tmp_path / "mcpx.env").write_text(line)

    with pytest.raises(SettingsError, match=why) as refused:
        Settings.read({"MCPX_SETTINGS_FILE": str(tmp_path / "mcpx.env")})
    assert NEW not in str(refused.value)


def test_while_a_secret_is_replaced_tokens_of_both_open_doors(tmp_path: Path) -> None:
    keys = Keys(Settings.read({"MCPX_JWT_SECRET_FILE": lines(tmp_path / "secrets", NEW, OLD)}))

    for secret in (NEW, OLD):
        assert keys.read_participant(token(secret), NOW).id == "ann"
        assert keys.reader.read_admin(token(secret, admin=True), NOW).id == "ann"
    with pytest.raises(TokenRefused, match="signature"):
        keys.read_participant(token("x" * 40), NOW)
    with pytest.raises(TokenRefused):
        keys.read_participant(token(OLD, admin=True), NOW)


async def test_after_its_line_is_gone_a_secrets_tokens_open_nothing(tmp_path: Path) -> None:
    settings = Settings.read({"MCPX_JWT_SECRET_FILE": lines(tmp_path / "secrets", NEW, OLD)})
    keys = Keys(settings)
    keys.read_participant(token(OLD), NOW)

    lines(tmp_path / "secrets", NEW)
    keys.adopt(settings, await keys.read(settings))

    assert keys.read_participant(token(NEW), NOW).id == "ann"
    with pytest.raises(TokenRefused):
        keys.read_participant(token(OLD), NOW)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "a secret on each line"),
        (f"{NEW}\n{NEW}", "each another"),
        ("\n".join(f"{number}" * 40 for number in range(5)), "4 at most"),
        (f"{NEW}\nshort", "at least 32 bytes"),
    ],
)
def test_a_file_without_usable_secrets_is_refused(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "secrets").write_text(content)

    with pytest.raises(SettingsError, match=why):
        Keys(Settings.read({"MCPX_JWT_SECRET_FILE": str(tmp_path / "secrets")}))


def test_nodes_sign_with_the_oldest_secret_until_it_is_gone_and_believe_all(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    environ = {"MCPX_JWT_SECRET_FILE": lines(file, OLD), "MCPX_REDIS_URL": "redis://r"}
    (old,) = Settings.read(environ).bus_keys()
    lines(file, NEW, OLD)
    signs, also = Settings.read(environ).bus_keys()
    lines(file, NEW)
    (new,) = Settings.read(environ).bus_keys()

    assert signs == old
    assert also == new != old
    assert NEW.encode() not in new


def test_nodes_over_redis_need_a_secret_of_their_own_where_tokens_are_signed_elsewhere(
    tmp_path: Path,
) -> None:
    environ = {"MCPX_REDIS_URL": "redis://r", "MCPX_JWKS_URL": "https://issuer.example/jwks"}

    with pytest.raises(SettingsError, match=r"MCPX_BUS_SECRET: must be set.*token_hex"):
        Settings.read(environ)
    with pytest.raises(SettingsError, match="at least 32 bytes"):
        Settings.read({**environ, "MCPX_BUS_SECRET": "short"})
    by_value = Settings.read({**environ, "MCPX_BUS_SECRET": NEW})
    by_file = Settings.read({**environ, "MCPX_BUS_SECRET_FILE": lines(tmp_path / "bus", NEW)})
    assert by_value.bus_keys() == by_file.bus_keys()


def test_a_password_in_an_argument_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="--redis") as refused:
        Settings.read({}, {"redis_url": "redis://ann:geheim@h"})
    assert "geheim" not in str(refused.value)


def test_the_password_of_redis_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    environ = {
        "MCPX_REDIS_URL": "redis://h",
        "MCPX_REDIS_USERNAME": "ann",
        "MCPX_REDIS_PASSWORD_FILE": str(tmp_path / "password"),
    }

    login = Settings.read(environ).redis_login()

    assert (login.username, login.password) == ("ann", "geheim")
    with pytest.raises(SettingsError, match="give one of"):
        Settings.read({**environ, "MCPX_REDIS_PASSWORD": "other"})
    (tmp_path / "password").write_text("")
    with pytest.raises(SettingsError, match="one line"):
        Settings.read(environ).redis_login()


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.read(
        {
            "MCPX_JWT_SECRET": NEW,
            "MCPX_BUS_SECRET": OLD,
            "MCPX_REDIS_URL": "redis://:geheim@h",
            "MCPX_REDIS_SENTINEL_PASSWORD": "wächter",
        }
    )

    for secret in (NEW, OLD, "geheim", "wächter"):
        assert secret not in repr(settings)
