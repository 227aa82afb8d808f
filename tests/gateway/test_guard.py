"""Hosts and origins: exact, or not at all."""

from __future__ import annotations

import pytest

from gateway.http.guard import Guard, parse_origin
from tests.requirements import spec

GUARD = Guard.of("10.0.0.5", ["Chat.Example"], ["https://app.example", "http://localhost:5173"])


@spec("mcpx identity hosts")
@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("localhost", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("10.0.0.5:1", True),
        ("chat.example:443", True),
        ("CHAT.example", True),
        ("evil.example", False),
        ("chat.example.evil.example", False),
        ("chat.example@evil.example", False),
        ("", False),
        ("127.0.0.1:", False),
        ("127.0.0.1:\u00b2", False),
        ("127.0.0.1:" + "9" * 5000, False),
        (None, False),
    ],
)
def test_a_host_is_known_by_its_whole_name(header: str | None, known: bool) -> None:
    assert GUARD.knows_host(header) is known


@spec("mcpx identity hosts")
@pytest.mark.parametrize("guard", [Guard.of("FD00::5", [], []), Guard.of("", ["fd00::5"], [])])
def test_an_ipv6_address_is_known_as_urls_have_it(guard: Guard) -> None:
    assert guard.knows_host("[fd00::5]:8080")
    assert guard.lets_in("http://[fd00::5]:8080", "[fd00::5]:8080", "ws")


def test_listening_on_every_address_makes_no_name_of_it() -> None:
    assert not Guard.of("0.0.0.0", [], []).knows_host("0.0.0.0:8080")


@spec("mcpx identity origins")
@pytest.mark.parametrize(
    ("origin", "host", "scheme", "let_in"),
    [
        (None, "chat.example", "wss", True),
        ("https://chat.example", "chat.example", "wss", True),
        ("https://chat.example:443", "chat.example", "wss", True),
        ("http://chat.example", "chat.example", "wss", False),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "ws", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", "ws", False),
        ("http://localhost:8080", "127.0.0.1:8080", "ws", False),
        ("http://[::1]:8080", "[::1]:8080", "ws", True),
        ("https://app.example", "127.0.0.1:8080", "ws", True),
        ("https://app.example:8443", "127.0.0.1:8080", "ws", False),
        ("http://localhost:5173", "127.0.0.1:8080", "ws", True),
        ("null", "127.0.0.1:8080", "ws", False),
        ("", "127.0.0.1:8080", "ws", False),
        ("https://app.example/", "127.0.0.1:8080", "ws", False),
        ("https://app.example@evil.example", "127.0.0.1:8080", "ws", False),
        ("file://", "127.0.0.1:8080", "ws", False),
    ],
)
def test_a_page_is_let_in_by_scheme_host_and_port(
    origin: str | None, host: str, scheme: str, let_in: bool
) -> None:
    assert GUARD.lets_in(origin, host, scheme) is let_in


@pytest.mark.parametrize(
    "text", ["", "null", "https://", "https://a:99999", "javascript:x", "https://a/b", "https://u:p@a"]
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None
