"""
An MCP server for mail: sends by SMTP, and reads and searches a maildir.

    python -m router_agent.domains.mail --maildir mail --sender ann@mcpx.example [--smtp localhost:25]

Without `--smtp` it has a post office of its own: an SMTP server on a free port of this machine
that takes mail for any address and puts it into the maildir. No mail leaves the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import mailbox
import re
import smtplib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Annotated, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.finding import Text, best_of
from router_agent.domains.hints import READS, SENDS

MOST_MESSAGES: Final = 500
"""Of the newest that are searched."""
MOST_BYTES: Final = 256 * 1024
MOST_CHARACTERS: Final = 20_000
SENT_WITHIN_S: Final = 10.0

_HEADERS: Final = HeaderRegistry()
for _name in ("from", "to", "date"):
    # The library raises on odd addresses and dates, which anybody may send: they are read as plain text.
    del _HEADERS.registry[_name]
_READING: Final = policy.default.clone(header_factory=_HEADERS)

Address = Annotated[
    str,
    Field(
        description="Email address of the recipient, such as 'john@example.com'",
        pattern=r"^[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}$",
    ),
]


class Heading(TypedDict):
    """One message without its text."""

    number: int
    """1 is the oldest."""
    sender: str
    subject: str
    date: str


class Message(Heading):
    """One message."""

    to: str
    body: str


class Mail:
    """One maildir, and the SMTP server that takes what is sent."""

    def __init__(self, maildir: Path, sender: str, smtp: tuple[str, int] | None = None) -> None:
        """Without an SMTP server, `smtp` must be set before anything is sent."""
        self.maildir = maildir
        self._box = mailbox.Maildir(maildir, create=True)
        self._lock = threading.Lock()  # tools run in threads, and a maildir keeps a list of its own
        self._sender = sender
        self.smtp = smtp

    def send(self, to: str, subject: str, body: str) -> str:
        """
        Send a message and return its id.

        Raises:
            ToolError: the SMTP server cannot be reached or does not take it.
        """
        assert self.smtp is not None
        message = EmailMessage(policy.SMTP)
        try:
            message["From"], message["To"], message["Subject"] = self._sender, to, subject
        except ValueError as error:  # a line break would begin a header of the caller's own
            raise ToolError(f"That cannot stand in the head of a message: {error}") from error
        message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain="mcpx.invalid")
        message.set_content(body)
        try:
            with smtplib.SMTP(*self.smtp, timeout=SENT_WITHIN_S) as server:
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise ToolError(f"The mail server did not take it: {type(error).__name__}") from error
        return str(message["Message-ID"])

    def read(self, number: int) -> Message:
        """
        Return a message by its number.

        Raises:
            ToolError: there is none.
        """
        keys = self._keys()
        if not 0 < number <= len(keys):
            raise ToolError(f"There is no message {number}; there are {len(keys)}")
        return self._message(number, keys[number - 1])

    def newest(self) -> list[Message]:
        """Return the newest messages, the newest first."""
        numbered = list(enumerate(self._keys(), 1))[-MOST_MESSAGES:]
        return [self._message(number, key) for number, key in reversed(numbered)]

    def _keys(self) -> list[str]:
        with self._lock:
            keys = self._box.keys()
        return sorted(keys, key=lambda key: [int(one) for one in re.findall(r"\d+", key)])

    def _message(self, number: int, key: str) -> Message:
        with self._lock, self._box.get_file(key) as file:
            message = message_from_bytes(file.read(MOST_BYTES), policy=_READING)
        assert isinstance(message, EmailMessage)
        part = message.get_body(("plain",))
        try:
            text = str(part.get_content()) if part is not None else ""
        except (LookupError, ValueError):
            text = "(a text in a code that this server does not know)"
        if len(text) > MOST_CHARACTERS:
            text = f"{text[:MOST_CHARACTERS]}… ({len(text)} characters)"
        return {
            "number": number,
            "sender": str(message["From"] or ""),
            "to": str(message["To"] or ""),
            "subject": str(message["Subject"] or ""),
            "date": str(message["Date"] or ""),
            "body": text,
        }


@asynccontextmanager
async def post_office(maildir: Path) -> AsyncIterator[tuple[str, int]]:
    """Run an SMTP server that puts all mail into a maildir; yields where it listens."""
    from aiosmtpd.handlers import Mailbox
    from aiosmtpd.smtp import SMTP

    loop, handler = asyncio.get_running_loop(), Mailbox(maildir)
    server = await loop.create_server(
        lambda: SMTP(handler, data_size_limit=MOST_BYTES, hostname="mcpx.invalid", loop=loop), "127.0.0.1", 0
    )
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()  # and not waited for: a client that stays would hold up the end


def mail_server(mail: Mail) -> MCPServer:
    """Return the server for one maildir; a post office runs beside it where it has no SMTP server."""
    is_alone = mail.smtp is None

    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        if not is_alone:
            yield
            return
        async with post_office(mail.maildir) as mail.smtp:
            yield

    server = MCPServer("mail", instructions="Sends, reads and searches mail.", lifespan=lifespan)

    @server.tool(annotations=SENDS)
    def send_email(
        to: Address,
        body: Annotated[str, Field(description="Text of the message", max_length=MOST_CHARACTERS)],
        subject: Annotated[str, Field(description="Subject line", max_length=200)] = "",
    ) -> str:
        """Send an email."""
        return f"Sent to {to} as {mail.send(to, subject, body)}"

    @server.tool(annotations=READS)
    def read_email(
        number: Annotated[int, Field(description="Number of the email; 1 is the oldest", ge=1)],
    ) -> Message:
        """Read an email."""
        return mail.read(number)

    @server.tool(annotations=READS)
    def search_emails(
        query: Annotated[str, Field(description="What the emails are about", min_length=1, max_length=400)],
    ) -> list[Heading]:
        """Search emails."""
        messages = {str(one["number"]): one for one in mail.newest()}
        texts = (Text(key, one["subject"], f"{one['sender']} {one['body']}") for key, one in messages.items())
        return [
            {
                "number": messages[one.key]["number"],
                "sender": messages[one.key]["sender"],
                "subject": one.title,
                "date": messages[one.key]["date"],
            }
            for one in best_of(texts, query, 20)
        ]

    return server


def _address(said: str) -> tuple[str, int]:
    host, _, port = said.rpartition(":")
    if not host:
        raise ValueError(said)
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a maildir over MCP, and send mail by SMTP.")
    parser.add_argument("--maildir", type=Path, required=True)
    parser.add_argument("--sender", required=True, help="the address that mail is sent from")
    parser.add_argument(
        "--smtp", type=_address, metavar="HOST:PORT", help="else a post office of its own, on this machine"
    )
    given = parser.parse_args()
    mail_server(Mail(given.maildir, given.sender, given.smtp)).run()
