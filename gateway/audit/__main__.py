"""`python -m gateway.audit verify FILE`: 0 intact, 1 broken or unreadable, 2 usage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from gateway.audit.log import verify


def main(arguments: list[str], out: TextIO, err: TextIO) -> int:
    """Run the command and return its exit status."""
    match arguments:
        case ["verify", name]:
            try:
                verification = verify(Path(name))
            except OSError as error:
                err.write(f"{name}: {error.strerror}\n")
                return 1
            (out if verification.is_intact else err).write(f"{name}: {verification}\n")
            return 0 if verification.is_intact else 1
        case _:
            err.write("usage: python -m gateway.audit verify FILE\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
