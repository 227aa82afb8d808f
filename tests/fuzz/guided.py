"""One target under atheris, which sees how far into the code an input gets (`-m tests.fuzz.guided NAME`)."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]  # it has no types

with atheris.instrument_imports(include=["schemas", "capabilities"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
