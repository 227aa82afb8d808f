"""The matrices of these tests are small: BLAS's threads would wait for each other, and for all that runs."""

from __future__ import annotations

import os

from tests.one_topic import shared_gateway, topic

__all__ = ["shared_gateway", "topic"]

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is first imported, by some test below
