"""Frames over TLS: there is no writer past the transport, and everything else is as it is without."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.transport import FramedConnection
from gateway.transport.frames import text_frame
from gateway.transport.keepalive import Keepalive
from gateway.transport.writers import PlainWriter
from tests.gateway.transport.wire import Owned, Recorder


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that nobody vouches for, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("size", [1, 200_000])
def test_each_frame_leaves_when_the_other_side_takes_it(
    run: Callable[[Coroutine[Any, Any, None]], None], size: int, certificate: Path
) -> None:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=str(certificate))

    async def main() -> None:
        made: asyncio.Future[FramedConnection] = asyncio.get_running_loop().create_future()

        lost = asyncio.Event()

        class Ear(Recorder):
            def ended(self, code: int) -> None:
                super().ended(code)
                lost.set()

        class Made(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connection = FramedConnection(
                    cast("asyncio.Transport", transport),
                    Ear(),
                    Owned(),
                    Keepalive(0, 0),
                    max_size=99,
                    max_waiting=1 << 40,
                )
                connection.take_over()
                made.set_result(connection)

        server = await asyncio.get_running_loop().create_server(Made, "127.0.0.1", 0, ssl=ours)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=theirs, server_hostname="localhost"
        )
        async with asyncio.timeout(30):
            connection = await made
            assert isinstance(connection.write, PlainWriter)
            frames = [text_frame(b"%d " % number + b"x" * size) for number in range(20)]
            for frame in frames[:10]:  # one at a time
                connection.write(frame)
                assert await reader.readexactly(len(frame)) == frame
            for frame in frames[10:]:  # and faster than it reads
                connection.write(frame)
            rest = b"".join(frames[10:])
            assert await reader.readexactly(len(rest)) == rest
            await asyncio.sleep(0)
            assert connection.waiting_bytes == 0
            writer.close()
            await writer.wait_closed()
            await lost.wait()
        server.close()
        await server.wait_closed()

    run(main())
