"""Tests of models need the extras `router` and `router-train`; without them they are left out, aloud."""

from __future__ import annotations

from importlib.util import find_spec

MISSING = [name for name in ("llama_cpp", "gguf", "numpy") if find_spec(name) is None]
collect_ignore = (
    [
        "test_llama.py",
        "test_llama_reasoning.py",
        "test_model_in_topic.py",
        "test_encoder.py",
        "test_shipped.py",
        "test_decoding.py",
    ]
    if MISSING
    else []
)


def pytest_report_header() -> list[str]:
    return [f"tests of models left out: no {', '.join(MISSING)}"] if MISSING else []
