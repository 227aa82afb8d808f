"""The key of a development start: made once, whole, and for its owner alone."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from participants.cli.errors import CommandError
from participants.cli.state import KEY_FILE, make_secret, state_directory


def test_the_key_is_64_hexadecimal_characters_in_a_file_of_mode_0600(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "state"

    secret = make_secret(directory)

    assert re.fullmatch(r"[0-9a-f]{64}", secret)
    assert (directory / KEY_FILE).read_text() == secret + "\n"
    assert stat.S_IMODE((directory / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == [KEY_FILE]


def test_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: make_secret(tmp_path), range(32)))

    assert len(secrets) == 1


def test_a_key_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    make_secret(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)

    with pytest.raises(CommandError) as refused:
        make_secret(tmp_path)

    assert "chmod 600" in refused.value.do


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"MCPX_STATE_DIR": "/a"}, "/a"),
        ({"MCPX_STATE_DIR": "/a", "XDG_STATE_HOME": "/b"}, "/a"),
        ({"XDG_STATE_HOME": "/b"}, "/b/mcpx"),
        ({}, str(Path.home() / ".local/state/mcpx")),
    ],
)
def test_the_state_directory_is_the_one_named_else_the_xdg_one(env: dict[str, str], expected: str) -> None:
    assert state_directory(env) == Path(expected)
