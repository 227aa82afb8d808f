"""What can go wrong with nodes, wires and Redis, and how it ends again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.nodes import TIMES

if TYPE_CHECKING:
    from tests.simulation.world import World


_STANDSTILL: Final = "standstill"


class Faults:
    """The faults of one history: each is begun by name and ends by itself, or when all are healed."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random
        self._undo: dict[str, Callable[[], None]] = {}
        self._backup: tuple[dict[bytes, Any], int] | None = None

    def heal(self) -> None:
        """End all that is going on."""
        left_alone: set[str] = set()
        while name := next((each for each in self._undo if each not in left_alone), ""):
            if name.startswith(_STANDSTILL) and self._random.random() < 0.5:
                left_alone.add(name)  # it ends by itself, perhaps when others have taken the node for dead
                continue
            end = self._undo.pop(name)
            self._world.explain(f"{name} is over")
            end()  # which may begin the next

    def begin(self, name: str) -> None:
        """Begin a fault, unless it is going on."""
        if name not in self._undo:
            _FAULTS[name](self)

    def _for_a_while(self, name: str, seconds: float, undo: Callable[[], None]) -> None:
        self._world.explain(f"{name} begins")
        self._undo[name] = undo

        def end() -> None:
            if self._undo.get(name) is undo:
                del self._undo[name]
                self._world.explain(f"{name} is over")
                undo()

        self._world.loop.call_outside(seconds, end)

    def _seconds(self) -> float:
        """Mostly short of what the broker waits for, sometimes long."""
        return self._random.choice((0.05, 0.3, 0.7, 1.2, 2.5, 4.5)) * (0.5 + self._random.random())

    # Wires

    def _reset(self) -> None:
        wires = self._world.redis.wires
        if wires:
            wire = self._random.choice(wires)
            self._world.explain(f"the wire of {wire.client} breaks")
            wire.reset()

    def _stall(self) -> None:
        wires = self._world.redis.wires
        if wires:
            wire = self._random.choice(wires)
            up, down = self._random.choice(((True, True), (True, False), (False, True)))
            wire.stall(up=up, down=down)
            self._for_a_while(
                f"a stall of the wire of {wire.client}",
                self._seconds(),
                lambda: wire.stall(up=False, down=False),
            )

    # Redis

    def _outage(self) -> None:
        redis = self._world.redis
        if redis.is_up:
            redis.stop()
            self._for_a_while("outage", self._seconds(), redis.start)

    def _going_back(self) -> None:
        redis = self._world.redis
        if not redis.is_up:
            return
        if self._backup is None:
            self._backup = self._world.backup()
            return
        backup, self._backup = self._backup, None

        def go_back() -> None:
            # One made since is of a history that is over: to have first that lost and then all
            # between it and now is beyond what anybody is promised.
            self._backup = None
            self._world.go_back(backup)

        def stop() -> None:
            redis.stop()
            self._for_a_while(name, self._seconds(), go_back)

        name = "outage, after which Redis is as it was before"
        if self._random.random() < 0.5:
            stop()
            return
        # What it takes from now on is asked for again, of one that has forgotten it.
        backup = self._world.backup()
        for wire in redis.wires:
            wire.stall(up=False, down=True)
        for connection in self._world.open_connections:
            if connection.process in self._world.processes:
                connection.send(self._world.number("m"), "chat")
        seconds = self._world.conditions.delay_s * 4 + self._random.choice((0.01, 0.1))
        self._for_a_while(f"silence before an {name}", seconds, stop)

    def _silence(self) -> None:
        redis = self._world.redis
        redis.is_silent = True
        for wire in redis.wires:
            wire.stall(up=True, down=True)

        def end() -> None:
            redis.is_silent = False
            for wire in redis.wires:
                wire.stall(up=False, down=False)

        self._for_a_while("silence of Redis", self._seconds(), end)

    def _fullness(self) -> None:
        full = self._world.redis.data if self._world.conditions.is_shared else self._world.disk
        full.is_full = True
        self._for_a_while("fullness", self._seconds(), lambda: setattr(full, "is_full", False))

    def _mischief(self) -> None:
        redis = self._world.redis
        redis.mischief = 0.3
        self._for_a_while("mischief in publishing", self._seconds(), lambda: setattr(redis, "mischief", 0.0))

    # Nodes

    def _kill(self) -> None:
        serving = self._world.serving
        if serving:
            self._random.choice(serving).kill()
            self._replace()

    def _stop(self) -> None:
        serving = self._world.serving
        if serving:
            self._random.choice(serving).stop()
            self._replace()

    def _freeze(self) -> None:
        serving = self._world.serving
        if serving:
            process = self._random.choice(serving)
            process.freeze()
            seconds = self._random.choice((self._seconds(), TIMES.lease * 2))
            self._for_a_while(f"{_STANDSTILL} of {process.name}", seconds, process.thaw)

    def _replace(self) -> None:
        async def later() -> None:
            await asyncio.sleep(self._random.choice((0.0, 0.5, 2.0)))
            if not self._world.conditions.is_shared:
                await self._world.wait_nobody_runs()  # there is only one at a time
            if not self.is_ending:
                self._world.start_node()

        self._world.loop.create_task(later(), context=self._world.loop.outside)

    is_ending = False
    """Whether nobody is to be started any more."""


_FAULTS: Final[dict[str, Callable[[Faults], None]]] = {
    "reset": Faults._reset,
    "stall": Faults._stall,
    "outage": Faults._outage,
    "going back": Faults._going_back,
    "silence": Faults._silence,
    "fullness": Faults._fullness,
    "mischief": Faults._mischief,
    "kill": Faults._kill,
    "stop": Faults._stop,
    "freeze": Faults._freeze,
}

WITHOUT_REDIS: Final = ("stop", "kill", "freeze", "fullness")
NAMES: Final = tuple(_FAULTS)
