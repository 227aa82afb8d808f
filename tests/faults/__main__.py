"""`python -m tests.faults`: inject every fault so many times, and print what came of each."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.scale import FULL, SHORT, Scale
from tests.faults.stage import Stage, staged


async def run(rounds: int, scale: Scale, chosen: set[str]) -> int:
    """Run the rounds; return how many times something was not as promised."""
    began, injected, failed, lost = time.monotonic(), 0, 0, 0
    sent = accepted = refused = 0
    with tempfile.TemporaryDirectory(prefix="mcpx-faults-") as directory:
        for number in range(1, rounds + 1):
            async with AsyncExitStack() as stack:
                stage: Stage | None = None
                for name, fault in FAULTS:
                    if chosen and name not in chosen:
                        continue
                    if stage is None:
                        where = Path(tempfile.mkdtemp(dir=directory))
                        stage = await stack.enter_async_context(staged(where))
                    injected += 1
                    started = time.monotonic()
                    try:
                        outcome = await fault(stage, scale)
                    except Exception as error:  # noqa: BLE001  # the other faults are still to be tried
                        failed += 1
                        print(f"{number}/{rounds} {name:4} FAILED: {fault.__doc__}", flush=True)
                        if isinstance(error, AssertionError):
                            print(f"    {error}", flush=True)
                        else:
                            traceback.print_exc()
                        await stack.aclose()
                        stage = None  # whatever state that one is in
                        continue
                    took = time.monotonic() - started
                    print(f"{number}/{rounds} {name:4} {outcome} [{took:.0f} s]", flush=True)
                    sent, accepted = sent + outcome.sent, accepted + outcome.accepted
                    refused, lost = refused + outcome.refused, lost + outcome.lost
    print(
        f"faults: {injected} injected in {rounds} rounds, {injected - failed} as promised, {failed} not; "
        f"envelopes sent {sent}, accepted {accepted}, refused {refused}, lost={lost}; "
        f"{time.monotonic() - began:.0f} s"
    )
    return failed


def main() -> int:
    """Read the command line, run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="a little of each fault")
    parser.add_argument("faults", nargs="*", help="such as X1 X8; all without")
    arguments = parser.parse_args()
    scale = SHORT if arguments.short else FULL
    return 1 if asyncio.run(run(arguments.rounds, scale, set(arguments.faults))) else 0


if __name__ == "__main__":
    sys.exit(main())
