"""Node, as it comes with Playwright: the page's rules are tested where no browser is needed."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

import playwright

UNIT: Final = Path(__file__).parent / "unit"
NODE: Final = Path(playwright.__file__).parent / "driver" / "node"
"""One known version, whatever the machine has or lacks."""

_WITHIN_S: Final = 60.0


async def run_node(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run Node to its end; return its exit status, and what it wrote to both outputs."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), *arguments, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT, cwd=UNIT
    )
    async with asyncio.timeout(_WITHIN_S):
        output, _ = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, output.decode()
