"""A gateway starts with a key or not at all, and says what is wrong with its settings."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from capabilities import Key, issue_token
from tests.gateway_process import AUDIENCE, ISSUER, running_gateway
from tests.requirements import spec


@spec("mcpx identity no key no start")
async def test_the_first_start_makes_a_key_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    async with running_gateway(env={"MCPX_JWT_SECRET": ""}, directory=tmp_path) as gateway:
        made = gateway.state_dir / "jwt.secret"

        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        assert stat.S_IMODE(gateway.state_dir.stat().st_mode) == 0o700
        assert len(made.read_text().strip()) >= 32


@spec("mcpx identity no key no start")
async def test_a_token_signed_with_the_key_of_the_first_start_works_after_the_second(tmp_path: Path) -> None:
    async with running_gateway(env={"MCPX_JWT_SECRET": ""}, directory=tmp_path) as gateway:
        token = issue_token(
            Key(None, "HS256", (gateway.state_dir / "jwt.secret").read_text().strip().encode()),
            issuer=ISSUER,
            audience=AUDIENCE,
            subject="ann",
            topics=["ops"],
            profile="full",
            ttl_s=60,
            now=(gateway.state_dir / "jwt.secret").stat().st_mtime,
            jti="first",
        )
        await gateway.kill()
        await gateway.start()

        async with httpx.AsyncClient(base_url=gateway.http_url, timeout=30) as http:
            answer = await http.get("/ws?topic=ops", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 426


@spec("mcpx identity no key no start", "mcpx identity key strength")
@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"MCPX_JWT_SECRET": "short"}, "MCPX_JWT_SECRET"),
        ({"MCPX_JWT_SECRET": "", "MCPX_JWT_KEY_FILE": "/nonexistent/key.pem"}, "MCPX_JWT_KEY_FILE"),
        ({"MCPX_JWT_SECRET": "", "MCPX_STATE_DIR": "/proc/none"}, "MCPX_STATE_DIR"),
        ({"MCPX_ALLOWED_ORIGINS": "*"}, "MCPX_ALLOWED_ORIGINS"),
        ({"MCPX_NO_SUCH_THING": "1"}, "MCPX_NO_SUCH_THING"),
    ],
    ids=["short secret", "no key file", "no state directory", "wildcard origin", "unknown setting"],
)
async def test_what_cannot_be_right_is_refused_by_name_and_with_exit_status_78(
    env: dict[str, str], named: str
) -> None:
    with pytest.raises(RuntimeError, match="exit status 78") as refused:
        async with running_gateway(env=env):
            pass

    assert named in str(refused.value)


async def test_workers_with_a_wrong_setting_are_never_started(tmp_path: Path) -> None:
    (tmp_path / "profiles.json").write_text('{"full": ["chat"]}')
    env = {"MCPX_PROFILES_FILE": str(tmp_path / "profiles.json")}

    with pytest.raises(RuntimeError, match="exit status 78") as refused:
        async with running_gateway("--workers", "2", "--redis", "redis://127.0.0.1:1", env=env):
            pass

    assert "is built in" in str(refused.value)
    assert "Traceback" not in str(refused.value)


async def test_workers_that_do_not_reach_their_store_end_with_exit_status_69() -> None:
    with pytest.raises(RuntimeError, match="exit status 69"):
        async with running_gateway("--workers", "2", "--redis", "redis://127.0.0.1:1"):
            pass


async def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "jwt.secret").write_text("s" * 64)
    (state / "jwt.secret").chmod(0o644)

    with pytest.raises(RuntimeError, match="chmod 600"):
        async with running_gateway(env={"MCPX_JWT_SECRET": ""}, directory=tmp_path):
            pass
