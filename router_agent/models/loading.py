"""Loads a GGUF into llama.cpp: on the processor alone, and without a word on an operator's stderr."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp

from router_agent.models.gguf_header import NotGguf


def _quiet(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """What llama.cpp tells goes nowhere."""


_SILENT = llama_cpp.llama_log_callback(_quiet)
"""Kept for as long as the process lives: llama.cpp calls it whenever it likes."""


def load(path: Path, how: llama_cpp.llama_context_params, threads: int) -> tuple[Any, Any]:
    """
    Return llama.cpp's model and a context of it; who asked frees both, the context first.

    Raises:
        NotGguf: llama.cpp makes nothing of the file.
    """
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))  # for the whole process
    llama_cpp.llama_backend_init()
    wanted = llama_cpp.llama_model_default_params()
    wanted.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), wanted)
    if not model:
        raise NotGguf(f"llama.cpp does not load {path.name}")
    how.n_threads = how.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, how)
    if not context:
        llama_cpp.llama_model_free(model)
        raise NotGguf(f"llama.cpp makes no context for {path.name}")
    return model, context
