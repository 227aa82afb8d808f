"""T30: something is installed that nobody chose."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


def locked(name: str) -> list[tuple[str, list[str]]]:
    """Each requirement of a lock with its hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (line.split()[0], re.findall(r"--hash=(\S+)", line)) for line in text.splitlines() if line.strip()
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_locked_to_one_version_and_the_hashes_of_its_files(name: str) -> None:
    packages = locked(name)

    assert packages
    for requirement, hashes in packages:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", requirement), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


def test_npm_packages_of_the_tests_are_locked_with_hashes() -> None:
    packages = json.loads((ROOT / "tests/npm/package-lock.json").read_text())["packages"]

    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_everything_is_installed_by_hash_and_nothing_is_fetched_when_it_runs() -> None:
    makefile, dockerfile = (ROOT / "Makefile").read_text(), (ROOT / "docker/Dockerfile").read_text()
    installs = re.findall(r"pip install [^\n&]*", makefile.replace("\\\n", " "))
    installs += re.findall(r"pip install [^\n&]*", dockerfile.replace("\\\n", " "))

    assert len(installs) >= 4
    for install in installs:
        hashed = "--require-hashes" in install or "--no-index" in install
        assert hashed or ("--no-deps" in install and "--editable ." in install), install
    served = [path.read_text() for path in (ROOT / "gateway/http/pages").rglob("*.*")]
    assert not any(re.search(r"""(src|href|import|from)\s*[=(]?\s*["']https?://""", text) for text in served)


def test_the_image_runs_as_nobody_in_particular_and_without_an_installer() -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    last = dockerfile[dockerfile.rindex("\nFROM ") :]

    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["10001:10001"]
    assert "uninstall --yes setuptools pip" in dockerfile
    assert not re.search(r"\b(curl|wget|apt-get install|git clone)\b", last)


def test_the_bill_of_materials_names_every_locked_package(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("cyclonedx-py")
    if not program.exists():
        pytest.skip("cyclonedx-bom is not installed here; `make sbom` needs it")
    file = tmp_path / "sbom.json"
    command = [str(program), "requirements", "requirements.lock", "--of", "JSON", "--output-reproducible"]
    subprocess.run([*command, "-o", str(file)], cwd=ROOT, check=True, capture_output=True)

    listed = {f"{part['name']}=={part['version']}" for part in json.loads(file.read_text())["components"]}
    assert listed == {requirement for requirement, _ in locked("requirements.lock")}
