"""Settings: every wrong one is named, with its reason, before anything starts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.core import Rate
from gateway.errors import SettingsError
from gateway.settings import Settings
from tests.requirements import spec

SECRET = "s" * 32


def test_the_defaults_need_nothing() -> None:
    settings = Settings.read({"PATH": "/bin"})

    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8080, None)
    assert settings.rate_limit == Rate(200, 1000)
    assert settings.max_envelope_bytes == 1 << 20


def test_a_flag_wins_over_the_environment() -> None:
    assert Settings.read({"MCPX_PORT": "1"}, {"port": 2, "host": None}).port == 2


def test_every_setting_is_read_from_its_variable() -> None:
    settings = Settings.read(
        {
            "MCPX_HOST": "0.0.0.0",
            "MCPX_REDIS_URL": "redis://r",
            "MCPX_WORKERS": "3",
            "MCPX_RATE_LIMIT": "50:70",
            "MCPX_ALLOWED_HOSTS": "a.example, b.example",
            "MCPX_ALLOWED_ORIGINS": "https://a.example",
            "MCPX_JWT_SECRET": SECRET,
            "MCPX_STATE_DIR": "/tmp/x",
        }
    )

    assert settings.rate_limit == Rate(50, 70)
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.workers == 3
    assert SECRET not in repr(settings)


def test_what_the_command_line_and_the_router_read_is_passed_over() -> None:
    others = {"MCPX_TOKEN": "x", "MCPX_URL": "x", "MCPX_ROUTER_STRATEGY": "cascade"}

    assert Settings.read(others) == Settings.read({})


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("MCPX_PROT", "1", "is no setting"),
        ("MCPX_PORT", "http", "no whole number"),
        ("MCPX_PORT", "70000", "0 to 65535"),
        ("MCPX_RATE_LIMIT", "0", "no positive number"),
        ("MCPX_RATE_LIMIT", "10:0.5", "let nothing through"),
        ("MCPX_JWT_SECRET", "short", "at least 32 bytes"),
        ("MCPX_ALLOWED_ORIGINS", "*", "no origin"),
        ("MCPX_ALLOWED_ORIGINS", "https://*.example", "no origin"),
        ("MCPX_ALLOWED_ORIGINS", "https://a.example/path", "no origin"),
        ("MCPX_ALLOWED_HOSTS", "*", "no host name"),
        ("MCPX_MAX_ENVELOPE_BYTES", "10", "at least 1024"),
        ("MCPX_LOG_FORMAT", "xml", "none of"),
        ("MCPX_WORKERS", "2", "needs --redis"),
        ("MCPX_WORKERS", "0", "at least 1"),
        ("MCPX_METRICS_PORT", "70000", "0 to 65535"),
        ("MCPX_MAX_TOKEN_LIFETIME_S", "0", "at least 1"),
        ("MCPX_MAX_TOKEN_LIFETIME_S", "9" * 20, "at most ten years"),
        ("MCPX_MAX_TOKEN_CONNECTIONS", "-1", "no bound"),
        ("MCPX_OUTBOX_BYTES", "0", "at least 1024"),
        ("MCPX_ALLOWED_HOSTS", "chat.example:443", "without port"),
        ("MCPX_JWT_TYP", "mcpx-admin+jwt", "must not be what"),
        ("MCPX_JWT_SECRET", "\udcff" * 40, "UTF-8"),
    ],
)
def test_a_wrong_setting_is_named_with_its_reason(variable: str, value: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Settings.read({variable: value})


@pytest.mark.parametrize("host", ["chat.example", "fd00::5", "[fd00::5]"])
def test_an_allowed_host_is_a_name_or_an_address(host: str) -> None:
    assert Settings.read({"MCPX_ALLOWED_HOSTS": host}).allowed_hosts == (host,)


def test_two_kinds_of_keys_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="give one of"):
        Settings.read({"MCPX_JWT_SECRET": SECRET, "MCPX_JWKS_URL": "https://issuer.example/jwks"})


@spec("mcpx identity no key no start")
def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = Settings.read({"MCPX_STATE_DIR": str(tmp_path / "state")})

    first, second = settings.with_secret(), settings.with_secret()

    path = tmp_path / "state" / "jwt.secret"
    assert first.token_secrets() == second.token_secrets() == (path.read_text().strip(),)
    assert len(path.read_text().strip()) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["jwt.secret"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jwt.secret").write_text("x" * 64)
    (tmp_path / "jwt.secret").chmod(0o644)

    with pytest.raises(SettingsError, match="chmod 600"):
        Settings.read({"MCPX_STATE_DIR": str(tmp_path)}).with_secret()


@spec("mcpx identity key strength")
@pytest.mark.parametrize(("content", "why"), [(b"short", "at least 32 bytes"), (b"\xff" * 40, "no text")])
def test_a_key_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "jwt.secret").write_bytes(content)
    (tmp_path / "jwt.secret").chmod(0o600)

    with pytest.raises(SettingsError, match=why):
        Settings.read({"MCPX_STATE_DIR": str(tmp_path)}).with_secret()


@spec("mcpx proposals profiles by settings")
def test_profiles_can_be_added(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text('{"reviewer": ["mcp/request:tools/*", "chat"]}')
    settings = Settings.read({"MCPX_PROFILES_FILE": str(file)})
    assert settings.profiles()["reviewer"].patterns == ("mcp/request:tools/*", "chat")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"root": ["*"]}', "would grant everything"),
        (b'{"full": ["chat"]}', "is built in"),
        (b'{"reviewer": "chat"}', "Expected `array`"),
        (b'{"a": ["chat"], "a": ["mcp/*"]}', "stands twice"),
        (b"[]", "Expected `object`"),
        (b"\xff", "no JSON"),
    ],
)
def test_profiles_that_cannot_be_meant_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "profiles.json"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=f"MCPX_PROFILES_FILE.*{why}"):
        Settings.read({"MCPX_PROFILES_FILE": str(file)}).profiles()


def test_workers_read_what_the_first_process_read(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "MCPX_STATE_DIR": str(tmp_path),
            "MCPX_JWT_SECRET": SECRET,
            "MCPX_RATE_LIMIT": "7:9",
            "MCPX_ALLOWED_HOSTS": "a,b",
            "MCPX_REDIS_URL": "redis://r",
        },
        {"workers": 2, "port": 0},
    )

    assert Settings.read(settings.environment()) == settings
