"""Keeps llama.cpp from writing to an operator's stderr."""

from __future__ import annotations

import ctypes

import llama_cpp


def _quiet(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """What llama.cpp tells goes nowhere."""


_SILENT = llama_cpp.llama_log_callback(_quiet)
"""Kept for as long as the process lives: llama.cpp calls it whenever it likes."""


def silence() -> None:
    """Take llama.cpp's log away from stderr, for the whole process."""
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
