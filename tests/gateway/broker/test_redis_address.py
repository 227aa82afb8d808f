"""Where Redis is said to be, over TLS and by name; and that no secret shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.broker.redis_address import Address, Form, Login, Place
from gateway.broker.redis_broker import RedisBroker
from gateway.errors import BrokerUnavailable
from tests.gateway.broker.hearing import Hearing
from tests.redis_server import free_port, running_redis


@pytest.mark.parametrize(
    ("url", "form", "servers"),
    [
        ("redis://", Form.SERVER, ["127.0.0.1:6379"]),
        ("redis://example.org/3", Form.SERVER, ["example.org:6379"]),
        ("redis://[::1]:7000", Form.SERVER, ["[::1]:7000"]),
        ("unix:///run/redis.sock", Form.SERVER, ["/run/redis.sock"]),
        ("redis+sentinel://a,b:1,[::1]/ours/2", Form.SENTINEL, ["a:26379", "b:1", "[::1]:26379"]),
        ("redis+cluster://a:1,b", Form.CLUSTER, ["a:1", "b:6379"]),
    ],
)
def test_an_address_names_servers(url: str, form: Form, servers: list[str]) -> None:
    place = Place.parse(url)

    assert (place.form, [str(server) for server in place.servers]) == (form, servers)


def test_user_and_password_are_those_of_redis_and_not_of_its_sentinels() -> None:
    login = Login(sentinel_password="guard")
    place = Place.parse("redis+sentinel://ann:s%40cret@a/ours/2", login)

    assert place.redis.at("h", 1) == Address("h", 1, username="ann", password="s@cret", database=2)
    assert [(each.username, each.password) for each in place.servers] == [(None, "guard")]
    assert "cret" not in f"{place} {place!r} {login!r}"
    assert "guard" not in f"{place} {place!r} {login!r}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "redis",
        "",
        "redis://host:port",
        "redis://host:99999",
        "redis://a,b",
        "redis://::1",
        "redis://host/abc",
        "redis://host/0?ssl_cert_reqs=none",
        "redis+sentinel://a",
        "redis+cluster://a/1",
        "rediss+unix://a",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Place.parse(url)


@pytest.mark.parametrize("url", ["redis://ann:geheim@h:x", "redis://:geheim@h/x", "geheim://ann:geheim@h"])
def test_what_is_said_of_a_bad_address_holds_no_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        Place.parse(url)
    assert "geheim" not in str(refused.value)


def test_a_password_is_given_once() -> None:
    with pytest.raises(ValueError, match="another"):
        Place.parse("redis://:one@h", Login(password="two"))
    with pytest.raises(ValueError, match="another"):
        Place.parse("redis://ann@h", Login(username="bob"))


def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.pem"):
        Place.parse("rediss://h", Login(ca_file=tmp_path / "missing.pem"))


@dataclass(frozen=True, slots=True)
class Certificates:
    """Who vouches, a certificate for 127.0.0.1, and its key."""

    ca: Path
    cert: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make a CA and one certificate for both ends, valid for an hour."""
    now = dt.datetime.now(dt.UTC)
    ca_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test's own")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])

    def builder(subject: x509.Name) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
        )

    ca = (
        builder(issuer)
        .public_key(ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, SHA256())
    )
    cert = (
        builder(name)
        .public_key(key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(ca_key, SHA256())
    )
    made = Certificates(directory / "ca.pem", directory / "redis.pem", directory / "redis.key")
    made.ca.write_bytes(ca.public_bytes(Encoding.PEM))
    made.cert.write_bytes(cert.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@pytest.mark.redis
async def test_over_tls_both_ends_show_a_certificate_and_a_user_logs_in(tmp_path: Path) -> None:
    made, port = make_certificates(tmp_path), free_port()
    tls = (
        *("--tls-port", str(port), "--tls-ca-cert-file", str(made.ca)),
        *("--tls-cert-file", str(made.cert), "--tls-key-file", str(made.key)),
    )
    rights = ("+@all", "-@dangerous", "+info", "+config|get", "+cluster")  # as docs/operations.md has them
    user = ("--user", "mcpx", "on", ">geheim", "~mcpx:*", "&mcpx:*", *rights, "--user", "default", "off")
    with running_redis(tmp_path, options=(*tls, *user)):
        url = f"rediss://127.0.0.1:{port}"
        login = Login(
            username="mcpx", password="geheim", ca_file=made.ca, cert_file=made.cert, key_file=made.key
        )
        broker = RedisBroker(url, login=login, secret=b"k" * 32)
        node = Hearing("n1", broker)
        await broker.start("n1", node)
        try:
            await node.enter("ops")
            node.say(await node.join("alice"), "in private")
            await node.until_said("in private")
            assert "geheim" not in str(broker.description)
        finally:
            await broker.stop()

        for wrong, why in (
            (Login("mcpx", "geheim"), "certificate"),
            (Login("mcpx", "geheim", ca_file=made.ca), "Redis at"),
            (Login("mcpx", "falsch", ca_file=made.ca, cert_file=made.cert, key_file=made.key), "WRONGPASS"),
        ):
            refused = RedisBroker(url, login=wrong)
            with pytest.raises(BrokerUnavailable, match=why):
                await refused.start("n1", Hearing("n1", refused))
