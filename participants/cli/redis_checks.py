"""What `mcpx doctor` looks at in Redis: is it there, new enough, and which promise do its settings allow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from participants.cli.findings import Finding, Status
from participants.cli.reach_checks import ASK_WITHIN_S, CLOCK_LEEWAY_S

_URL: Final = re.compile(
    r"(?P<scheme>rediss?|unix)(?P<form>\+sentinel|\+cluster)?://(?:(?P<login>[^@/]*)@)?(?P<hosts>[^/?]*)(?P<path>/[^?]*)?"
)
_ENOUGH_SENTINELS: Final = 3
_OLDEST: Final = 7


@dataclass(frozen=True, slots=True)
class _Place:
    """Where Redis is said to be."""

    form: str
    hosts: tuple[tuple[str, int], ...]
    path: str
    options: Mapping[str, Any] = field(repr=False)
    """What redis-py needs to be let in."""
    sentinel_options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Server:
    """One server that holds data, as it describes itself."""

    address: str
    version: str
    role: str
    replicas: int
    settings: Mapping[str, str | None]
    apart_s: float
    """Between its clock and this machine's."""


def check_redis(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether Redis is there, new enough, and which promise its settings allow."""
    url = env.get("MCPX_REDIS_URL")
    if not url:
        yield Finding(
            "redis", Status.NOTE, "MCPX_REDIS_URL is not set", "One node with its memory is enough to begin"
        )
        return
    import redis

    try:
        place = _parse(url, env)
        servers, findings = _ask(place)
    except (redis.RedisError, ValueError, OSError) as error:
        yield Finding(
            "redis",
            Status.WRONG,
            f"Redis does not answer: {type(error).__name__}",
            str(error)[:300],
            "Check MCPX_REDIS_URL, user, password and certificates, and that Redis runs",
        )
        return
    yield from findings
    for server in servers:
        yield from _judge(server, place)


def _judge(server: _Server, place: _Place) -> Iterable[Finding]:
    what = f"Redis {server.version} at {server.address}"
    if int(server.version.split(".", maxsplit=1)[0]) < _OLDEST:
        yield Finding("redis", Status.WRONG, what, "Sharded channels came with 7.0", "Update Redis")
        return
    if server.role != "master":
        yield Finding(
            "redis",
            Status.WRONG,
            f"{what} is a replica",
            "A node must write",
            "Name the master, or Sentinels",
        )
        return
    yield _judge_durability(server, place, what)
    policy = server.settings["maxmemory-policy"]
    if policy not in {None, "noeviction"}:
        yield Finding(
            "redis",
            Status.WRONG,
            f"maxmemory-policy is {policy} at {server.address}",
            "Redis may forget promotions and revocations",
            "maxmemory-policy noeviction",
        )
    if server.apart_s > CLOCK_LEEWAY_S:
        yield Finding(
            "clock",
            Status.WRONG,
            f"The clock of Redis at {server.address} is {server.apart_s:.0f} s away",
            "",
            "Synchronise both with NTP",
        )


def _judge_durability(server: _Server, place: _Place, what: str) -> Finding:
    if server.settings["appendonly"] is None:
        return Finding("redis", Status.NOTE, f"{what}; its settings cannot be read (CONFIG is not allowed)")
    if server.settings["appendonly"] != "yes" or server.settings["appendfsync"] != "always":
        return Finding(
            "redis",
            Status.NOTE,
            f"{what}; a loss is told (1012), never silent",
            "It does not write each change to disk before it answers",
            "appendonly yes, appendfsync always",
        )
    if not server.replicas and place.form == "":
        return Finding("redis", Status.OK, f"{what}; nothing accepted is lost, even when it is killed")
    if server.settings["min-replicas-to-write"] == "0":
        return Finding(
            "redis",
            Status.NOTE,
            f"{what}; a failover may lose what no replica has, and tells it (1012)",
            "It takes writes while no replica follows",
            "min-replicas-to-write 1",
        )
    return Finding(
        "redis",
        Status.OK,
        f"{what}; nothing is lost when it is killed, the newest by a failover is told (1012)",
    )


# Asking


def _ask(place: _Place) -> tuple[Sequence[_Server], Sequence[Finding]]:
    if place.form == "+sentinel":
        return _ask_sentinels(place)
    if place.form == "+cluster":
        return _ask_cluster(place)
    return [_describe(place, *place.hosts[0])], []


def _ask_sentinels(place: _Place) -> tuple[Sequence[_Server], Sequence[Finding]]:
    import redis

    name = place.path.split("/")[0]
    masters: list[tuple[int, str, int]] = []
    silent: list[str] = []
    for host, port in place.hosts:
        try:
            with _client(host, port, place.sentinel_options) as link:
                facts = link.sentinel_master(name)
            masters.append((int(facts["config-epoch"]), str(facts["ip"]), int(facts["port"])))
        except (redis.RedisError, OSError):
            silent.append(f"{host}:{port}")
    if not masters:
        raise ValueError(f"no Sentinel knows the master {name!r}")
    findings: list[Finding] = []
    if silent or len(masters) < _ENOUGH_SENTINELS:
        what = f"{len(masters)} of {len(place.hosts)} Sentinels know {name!r}"
        why = f"Not {', '.join(silent)}" if silent else "They fail over by majority: two cannot lose one"
        findings.append(
            Finding("redis", Status.WARNING, what, why, "Run three, each on a machine of its own")
        )
    _, host, port = max(masters)
    return [_describe(place, host, port)], findings


def _ask_cluster(place: _Place) -> tuple[Sequence[_Server], Sequence[Finding]]:
    import redis

    trouble: Exception | None = None
    for host, port in place.hosts:
        try:
            with _client(host, port, place.options) as link:
                state = link.execute_command("CLUSTER INFO")
                ranges = link.execute_command("CLUSTER SLOTS")
        except (redis.RedisError, OSError) as error:
            trouble = error
            continue
        is_ok = "cluster_state:ok" in _text(state) or "'cluster_state': 'ok'" in str(state)
        masters = sorted({(_text(each[2][0]) or host, int(each[2][1])) for each in ranges})
        findings = (
            [] if is_ok else [Finding("redis", Status.WRONG, "The cluster lacks servers for some slots")]
        )
        return [_describe(place, *master) for master in masters], findings
    assert trouble is not None, "an address names a host"
    raise trouble


def _describe(place: _Place, host: str, port: int) -> _Server:
    with _client(host, port, place.options) as link:
        info = link.info()
        seconds, micros = link.time()
        apart = abs(time.time() - seconds - micros / 1e6)
        names = ("appendonly", "appendfsync", "maxmemory-policy", "min-replicas-to-write")
        settings = {name: _setting(link, name) for name in names}
    return _Server(
        str(place.options.get("unix_socket_path") or f"{host}:{port}"),
        str(info.get("redis_version", "0")),
        str(info.get("role", "master")),
        int(info.get("connected_slaves", 0)),
        settings,
        apart,
    )


def _client(host: str, port: int, options: Mapping[str, Any]) -> Any:
    import redis

    client: Any = redis.Redis  # its keyword arguments are untyped
    where = {} if "unix_socket_path" in options else {"host": host, "port": port}
    return client(**where, **options, socket_timeout=ASK_WITHIN_S, socket_connect_timeout=ASK_WITHIN_S)


def _setting(link: Any, name: str) -> str | None:
    import redis

    try:
        value = link.config_get(name).get(name)
    except redis.RedisError:  # managed Redis often forbids CONFIG
        return None
    return None if value is None else str(value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


# Reading the address


def _parse(url: str, env: Mapping[str, str]) -> _Place:
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(
            "MCPX_REDIS_URL begins with redis://, redis+sentinel://, redis+cluster:// or unix://"
        )
    username, _, password = (found["login"] or "").partition(":")
    tls = found["scheme"] == "rediss"
    options: dict[str, Any] = {
        "username": unquote(username) or env.get("MCPX_REDIS_USERNAME"),
        "password": unquote(password) or _secret(env, "MCPX_REDIS_PASSWORD"),
        "ssl": tls,
    }
    if tls:
        for option, name in (
            ("ssl_ca_certs", "MCPX_REDIS_CA_FILE"),
            ("ssl_certfile", "MCPX_REDIS_CERT_FILE"),
            ("ssl_keyfile", "MCPX_REDIS_KEY_FILE"),
        ):
            options[option] = env.get(name)
    sentinel = options | {
        "username": env.get("MCPX_REDIS_SENTINEL_USERNAME"),
        "password": _secret(env, "MCPX_REDIS_SENTINEL_PASSWORD"),
    }
    path = unquote(found["path"] or "").strip("/")
    if found["scheme"] == "unix":
        socket = {
            "unix_socket_path": f"/{path}",
            "username": options["username"],
            "password": options["password"],
        }
        return _Place("", (("", 0),), "", socket, {})
    form = found["form"] or ""
    database = path.partition("/")[2] if form == "+sentinel" else path
    options["db"] = int(database or "0")
    port = 26379 if form == "+sentinel" else 6379
    hosts = tuple(_host(text, port) for text in found["hosts"].split(","))
    return _Place(form, hosts, path, options, sentinel)


def _host(text: str, default: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    return host.strip("[]") or "127.0.0.1", int(port or default)


def _secret(env: Mapping[str, str], name: str) -> str | None:
    if path := env.get(f"{name}_FILE"):
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    return env.get(name)
