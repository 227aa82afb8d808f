"""The image and the compose file hold together; no engine is needed to see that."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"

SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "networks",
    "ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes",
}  # fmt: skip  # a list of words, not a line for each
INSTRUCTIONS = {
    "FROM", "ARG", "ENV", "RUN", "COPY", "USER", "WORKDIR", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD", "LABEL",
}  # fmt: skip  # a list of words, not a line for each


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def test_each_service_says_only_what_compose_knows(compose: dict[str, Any]) -> None:
    assert set(compose) <= {"name", "services", "networks", "volumes", "x-node"}
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, name


def test_what_a_service_refers_to_is_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for dependency, condition in service.get("depends_on", {}).items():
            assert dependency in compose["services"], name
            started = compose["services"][dependency]
            checked = "healthcheck" in started or "build" in started  # the image has a check of its own
            assert checked or condition["condition"] != "service_healthy", dependency
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"], (
                name
            )


def test_two_nodes_are_alike_but_for_their_state(compose: dict[str, Any]) -> None:
    first, second = ({**compose["services"][name], "volumes": None} for name in ("node-1", "node-2"))

    assert first == second
    assert compose["services"]["node-1"]["volumes"] != compose["services"]["node-2"]["volumes"]


def test_only_the_balancer_is_reached_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }

    assert published == {"balancer": ["127.0.0.1:8080:8080"]}
    assert compose["networks"]["inside"]["internal"] is True


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), f"{name} has a value in the file"
    for line in (DOCKER / ".env.example").read_text().splitlines():
        assert not re.match(r"[A-Z_]*(SECRET|PASSWORD)[A-Z_]*=.+", line)


def test_every_service_gives_up_what_it_does_not_need(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_the_gateway_understands_the_settings_that_it_is_given(
    compose: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    given = {"MCPX_JWT_SECRET": "s" * 64, "REDIS_PASSWORD": "p"}

    def filled(match: re.Match[str]) -> str:
        return given.get(match[1]) or match[2] or ""

    image = dict(
        re.findall(r"(MCPX_[A-Z_]+)=(\S+)", " ".join(rest for name, rest in instructions if name == "ENV"))
    )
    composed = {
        name: re.sub(r"\$\{([A-Z_]+):[-?]([^}]*)\}", filled, value)
        for name, value in compose["services"]["node-1"]["environment"].items()
    }
    settings = Settings.read({**image, **composed})

    assert settings.host == "0.0.0.0"
    assert settings.redis_url == "redis://:p@redis:6379/0"
    assert set(settings.allowed_hosts) == {"localhost", "127.0.0.1"}


def test_the_dockerfile_has_instructions_only(instructions: list[tuple[str, str]]) -> None:
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    assert instructions[0][0] == "FROM"


def test_each_base_image_has_a_version(instructions: list[tuple[str, str]]) -> None:
    for name, rest in instructions:
        if name == "FROM":
            assert re.match(r"[a-z/-]+:\d[\w.-]+( AS \w+)?$", rest), rest


def test_what_is_copied_exists_and_is_let_in(instructions: list[tuple[str, str]]) -> None:
    ignore = [
        line
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line[:1] not in ("#", "")
    ]
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for name, rest in instructions
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }

    assert ignore[0] == "*"
    assert copied == let_in
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not any(fnmatch.fnmatch(source, line) for line in ignore[1:] if not line.startswith("!"))


def test_it_runs_as_nobody_in_particular(instructions: list[tuple[str, str]]) -> None:
    users = [rest for name, rest in instructions if name == "USER"]

    assert users == ["10001:10001"]


def test_its_health_is_asked_of_livez_in_python_that_compiles(instructions: list[tuple[str, str]]) -> None:
    (check,) = (rest for name, rest in instructions if name == "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])

    assert command[:2] == ["python", "-c"]
    assert "/livez" in command[2]
    ast.parse(command[2])


def test_it_installs_from_the_lock_alone(instructions: list[tuple[str, str]]) -> None:
    installs = re.findall(
        r"pip install [^&]*", " ".join(rest for name, rest in instructions if name == "RUN")
    )

    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install, install


def test_the_balancer_knows_each_node_and_passes_upgrades_on(compose: dict[str, Any]) -> None:
    text = (DOCKER / "nginx.conf").read_text()
    nodes = {name for name in compose["services"] if name.startswith("node-")}

    assert set(re.findall(r"^\s*server (node-\d):8080", text, flags=re.MULTILINE)) == nodes
    assert text.count("{") == text.count("}")
    assert "proxy_set_header Upgrade $http_upgrade;" in text
    assert "$request_uri" not in text, "a query has no place in a log"
    assert "sec_websocket_protocol" not in text.lower(), "nor has a token"
