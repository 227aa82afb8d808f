"""Participants' connections: what a WebSocket door does for them, and what they see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from capabilities import CapabilitySet, ParticipantClaims
from gateway.broker.protocol import BrokerUnavailable
from gateway.core import Member, Mode
from gateway.node import AccessRevoked
from schemas import PROTOCOL, CloseCode
from tests.history import Closed, Denied, Heard, Left, Opening, Sent

if TYPE_CHECKING:
    from tests.simulation.nodes import NodeProcess
    from tests.simulation.world import World

BEHIND_S: Final = 0.4
"""How long what is queued may wait."""

SAID_IN_S: Final = 1.5
"""After something has ended by itself, until everybody knows."""

HANDSHAKE_S: Final = 1.5
"""How long a join may take."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a participant comes with."""

    participant: str
    base: tuple[str, ...]
    jti: str
    iat: int
    ends: float | None = None
    """Loop time; `None`: much later."""


class Connection:
    """One connection: its participant's end, and the door that serves it in a node's process."""

    def __init__(
        self, world: World, process: NodeProcess, name: str, token: Token, topic: str, mode: Mode
    ) -> None:
        self.world, self.process, self.name = world, process, name
        self.token, self.topic, self.mode = token, topic, mode
        self.member: Member | None = None
        self.is_over = False
        """As its participant sees it."""
        self.is_joining = False
        self.outbox = Outbox(self)

    @property
    def is_open(self) -> bool:
        return self.member is not None and not self.is_over

    def open(self, *, mind_changes: bool = False) -> None:
        """Ask to join; with `mind_changes` be gone when the handshake is answered."""
        world, token = self.world, self.token
        world.note(
            Opening(
                at=world.loop.time(),
                connection=self.name,
                participant=token.participant,
                topic=self.topic,
                base=token.base,
                mode=str(self.mode),
                jti=token.jti,
                iat=token.iat,
                expires=token.ends,
                node=self.process.name,
            )
        )
        if token.ends is not None:
            world.not_before = max(world.not_before, token.ends + SAID_IN_S)
        self.is_joining = True
        world.loop.create_task(self._join(mind_changes=mind_changes), context=self.process.context)

    def send(
        self,
        id: str,
        kind: str,
        *,
        sender: str = "",
        to: Sequence[str] = (),
        size: int = 0,
        read: bool = True,
    ) -> None:
        """Send an envelope; without `read` it arrives together with the next."""
        envelope: dict[str, object] = {
            "protocol": PROTOCOL,
            "id": id,
            "from": sender or self.token.participant,
            "kind": kind,
            "payload": {"text": "x" * size},
        }
        if to:
            envelope["to"] = list(to)
        text = json.dumps(envelope, separators=(",", ":"))
        world = self.world
        world.note(
            Sent(
                at=world.loop.time(),
                connection=self.name,
                id=id,
                text=text,
                is_too_large=len(text) > world.conditions.max_envelope_bytes,
            )
        )
        self.process.inbox.append((self, text.encode()))
        if read:
            world.loop.call_soon(self.process.read, context=self.process.context)

    def leave(self) -> None:
        """Go away."""
        if not self.is_over:
            self.is_over = True
            self.world.note(Left(at=self.world.loop.time(), connection=self.name))
            self.world.loop.call_soon(self.ended, context=self.process.context)

    def over(self, code: int | None) -> None:
        """See the connection end; without a code, without a word."""
        if not self.is_over:
            self.is_over = True
            self.world.note(Closed(at=self.world.loop.time(), connection=self.name, code=code))

    # The door, within the node's process

    async def _join(self, *, mind_changes: bool) -> None:
        try:
            why = await self._why_not_in(mind_changes=mind_changes)
        finally:
            self.is_joining = False
        if why:
            self.is_over = True
            self.world.note(Denied(at=self.world.loop.time(), connection=self.name, why=why))

    async def _why_not_in(self, *, mind_changes: bool) -> str:
        world, node, token = self.world, self.process.node, self.token
        if token.ends is not None and token.ends <= world.loop.time():
            return "expired"
        ends = token.ends if token.ends is not None else 1e6
        claims = ParticipantClaims(
            token.participant,
            ("*",),
            CapabilitySet.of(token.base),
            (),
            token.jti,
            float(token.iat),
            world.clock.now() - world.loop.time() + ends,
        )
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                admission = await node.admit(self.topic, claims)
            if mind_changes:
                node.dismiss(admission)
                return "gone"
            async with asyncio.timeout(HANDSHAKE_S):
                self.member = await node.join(admission, self.mode, self.outbox)
        except AccessRevoked:
            return "revoked"
        except (BrokerUnavailable, TimeoutError):
            return "unavailable"
        if self.is_over:  # gone while it joined
            node.leave(self.member)
        else:
            self.outbox.attach()
        return ""

    def ended(self) -> None:
        """The socket is closed."""
        if self.member is not None:
            self.process.node.leave(self.member)


@dataclass(slots=True, eq=False)
class Outbox:
    """A connection's queue (`gateway.core.Outbox`), and how its participant reads it."""

    connection: Connection
    is_attached: bool = False
    is_slow: bool = False
    _queued: list[bytes] = field(default_factory=list)
    _since: float = 0.0
    _code: CloseCode | None = None

    @property
    def waiting_bytes(self) -> int:
        return sum(map(len, self._queued))

    def attach(self) -> None:
        """There is a socket to write to from here on."""
        self.is_attached = True
        if not self.is_slow:
            self._drain()
        if self._code is not None:
            self._finish(self._code)

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        assert frames.endswith(envelopes[-1]), "the frames are other envelopes"
        if self._code is not None:
            return
        if not self._queued:
            self._since = self.connection.world.loop.time()
        self._queued += envelopes
        if self.is_attached and not self.is_slow:
            self._drain()

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        self.send(head + envelopes[0], envelopes)

    def close(self, code: CloseCode) -> None:
        if self._code is None:
            self._code = code
            if self.is_attached:
                self._finish(code)

    def is_behind(self) -> bool:
        return self.is_slow and bool(self._queued) and self._now() - self._since > BEHIND_S

    def read_again(self) -> None:
        """Its participant, who was slow, reads all that waits."""
        self.is_slow = False
        if self.is_attached:
            self._drain()

    def _now(self) -> float:
        return self.connection.world.loop.time()

    def _drain(self) -> None:
        queued, self._queued = self._queued, []
        world, name = self.connection.world, self.connection.name
        if not self.connection.is_over:
            for data in queued:
                world.note(Heard(at=world.loop.time(), connection=name, text=data.decode()))

    def _finish(self, code: CloseCode) -> None:
        connection = self.connection
        if code is CloseCode.SLOW_CONSUMER:
            self._queued.clear()
        self._drain()
        connection.over(int(code))
        connection.world.loop.call_soon(connection.ended, context=connection.process.context)
