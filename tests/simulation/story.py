"""What happens in one history: conditions, and steps drawn one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from gateway.core import Mode
from tests.simulation import faults
from tests.simulation.admins import Admins
from tests.simulation.faults import Faults
from tests.simulation.members import Connection, Token
from tests.simulation.world import Conditions

if TYPE_CHECKING:
    from tests.simulation.world import World

_PEOPLE: Final = ("ann", "bob", "cid", "dee", "eve")
_BASES: Final = (("chat", "x/a"), ("chat", "x/a", "x/b"), ("chat",), ("x/*", "chat"))
_KINDS: Final = ("chat", "chat", "x/a", "x/b", "x/c")
_GAPS: Final = (0.0, 0.0, 0.0, 0.1, 0.5, 2.0, 5.0, 20.0)
"""Between steps, in delays of a wire."""


def draw_conditions(random: Random) -> Conditions:
    """Each history has a few of the things that could be, so that each also happens without the rest."""
    is_shared = random.random() < 0.65
    possible = faults.NAMES if is_shared else faults.WITHOUT_REDIS
    chosen = frozenset(random.sample(possible, min(len(possible), random.choice((0, 1, 1, 2, 3)))))
    return Conditions(
        is_shared=is_shared,
        nodes=random.choice((1, 2, 2, 3)) if is_shared else 1,
        topics=random.choice((1, 1, 1, 2)),
        delay_s=random.choice((0.0001, 0.001, 0.01, 0.05)),
        kept_entries=random.choice((1000, 1000, 12)),
        kept_s=random.choice((60.0, 2.0)),
        rate=random.choice((1e6, 1e6, 8.0)),
        faults=chosen,
        steps=random.choice((15, 25, 40)),
    )


class Story:
    """One history's actors."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random
        self._admins, self._faults = Admins(world), Faults(world)
        self._brief = 0
        actions: dict[Callable[[], None], float] = {
            self._join: 5,
            self._send: 12,
            self._leave: 2,
            self._change: 3,
            self._revoke: 0.5,
            self._disconnect: 0.3,
            self._slow: 0.4,
        }
        if world.conditions.faults:
            actions[self._fault] = 2.5
        # Each history dwells on some of it.
        self._actions = list(actions)
        self._weights = [weight * self._random.choice((0.3, 1, 1, 3)) for weight in actions.values()]

    async def unfold(self) -> None:
        """Begin, go on, heal, and come to rest with whoever is still there."""
        world, random = self._world, self._random
        for _ in range(world.conditions.nodes):
            world.start_node()
        await asyncio.gather(*(process.starting for process in world.processes))
        for _ in range(3):
            self._join()
        for _ in range(world.conditions.steps):
            await asyncio.sleep(self._gap())
            random.choices(self._actions, self._weights)[0]()
        self._faults.is_ending = True
        self._faults.heal()
        for connection in world.connections:
            connection.outbox.read_again()
        await world.settle()

    def _gap(self) -> float:
        random, delay = self._random, self._world.conditions.delay_s
        if random.random() < 0.05:
            return random.uniform(0.1, 1.0)
        return random.choice(_GAPS) * delay * (0.5 + random.random())

    async def end(self) -> None:
        """Everybody goes, some by themselves, some with their node."""
        for connection in self._world.open_connections:
            if self._random.random() < 0.8:
                connection.leave()

    # What participants do

    def _token(self) -> Token:
        random, world = self._random, self._world
        who = random.choice(_PEOPLE[: random.choice((2, 3, 5))])
        before = [each.token for each in world.connections if each.token.participant == who]
        if before and random.random() < 0.5:
            return random.choice(before)
        ends = world.loop.time() + random.uniform(0.2, 3.0) if random.random() < 0.1 else None
        return Token(who, random.choice(_BASES), world.number("j"), int(world.clock.now()), ends)

    def _join(self) -> None:
        serving = self._world.serving
        if not serving:
            return
        random = self._random
        mode = Mode.DIRECTED if random.random() < 0.2 else Mode.ALL
        topic = random.choice(self._world.topics)
        connection = self._world.connect(self._token(), topic, mode, random.choice(serving))
        connection.open(mind_changes=random.random() < 0.05)

    def _somebody(self) -> Connection | None:
        there = [each for each in self._world.open_connections if each.process in self._world.processes]
        return self._random.choice(there) if there else None

    def _send(self) -> None:
        connection, random = self._somebody(), self._random
        if connection is None:
            return
        times = random.choice((1, 1, 2, 5))
        for nth in range(times):
            how = random.random()
            connection.send(
                self._world.number("m"),
                "system/presence" if 0.95 < how < 0.97 else random.choice(_KINDS),
                sender=random.choice(_PEOPLE) if how > 0.97 else "",
                to=random.sample(_PEOPLE, 2) if 0.6 < how < 0.8 else (),
                size=3000 if 0.94 < how < 0.95 else random.choice((0, 10)),
                read=nth == times - 1,
            )

    def _leave(self) -> None:
        world = self._world
        leaving = [
            each for each in world.connections if not each.is_over and (each.is_open or each.is_joining)
        ]
        if leaving:
            self._random.choice(leaving).leave()

    def _slow(self) -> None:
        connection = self._somebody()
        if connection is not None:
            connection.outbox.is_slow = True
            if self._random.random() < 0.5:
                seconds = self._random.choice((0.1, 0.6, 2.0))
                self._world.loop.call_outside(seconds, connection.outbox.read_again)

    # What admins do

    def _change(self) -> None:
        serving, random = self._world.serving, self._random
        if not serving:
            return
        topic = random.choice((None, *self._world.topics))
        who, process = random.choice(_PEOPLE), random.choice(serving)
        if random.random() < 0.1:
            self._brief += 1  # a pattern that nothing else is said about
            pattern, ttl_s = f"x/brief{self._brief}", random.uniform(0.1, 1.5)
            self._admins.change(process, "add", who, topic, pattern, ttl_s)
            return
        for _ in range(random.choice((1, 1, 2))):  # two admins at once, perhaps at two nodes
            act = random.choice(("add", "remove", "remove", "revert"))
            pattern = random.choice(("x/a", "x/b", "x/c"))
            self._admins.change(random.choice(serving), act, who, topic, pattern)

    def _revoke(self) -> None:
        serving, random, connection = self._world.serving, self._random, self._somebody()
        if not serving or connection is None:
            return
        topic = random.choice((None, connection.topic))
        token, process = connection.token, random.choice(serving)
        if random.random() < 0.5:
            self._admins.revoke(process, jti=token.jti, participant=None, topic=topic)
        else:
            self._admins.revoke(process, jti=None, participant=token.participant, topic=topic)

    def _disconnect(self) -> None:
        serving, connection = self._world.serving, self._somebody()
        if serving and connection is not None:
            topic = self._random.choice((None, connection.topic))
            self._admins.disconnect(self._random.choice(serving), connection.token.participant, topic)

    # What goes wrong

    def _fault(self) -> None:
        self._faults.begin(self._random.choice(sorted(self._world.conditions.faults)))
