"""The faults, by the numbers under which operators and developers know them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.faults import dependencies, node_faults, redis_faults, surroundings
from tests.faults.scale import Scale
from tests.faults.stage import Stage
from tests.faults.talk import Outcome

Fault = Callable[[Stage, Scale], Awaitable[Outcome]]
"""Injects a fault where all is well, and leaves it so; raises if something is not as promised."""

FAULTS: Final[tuple[tuple[str, Fault], ...]] = (
    ("X1", redis_faults.x1_redis_killed),
    ("X1b", redis_faults.x1_forgetful_redis_killed),
    ("X2", redis_faults.x2_redis_stopped),
    ("X3", redis_faults.x3_link_silent),
    ("X4", redis_faults.x4_links_cut),
    ("X6", redis_faults.x6_redis_refuses),
    ("X7", node_faults.x7_node_told_to_end),
    ("X8", node_faults.x8_node_killed),
    ("X9", node_faults.x9_loop_blocked),
    ("X10", node_faults.x10_wall_clock_jumps),
    ("X11", node_faults.x11_descriptors_used_up),
    ("X12", surroundings.x12_nothing_can_be_written),
    ("X13", redis_faults.x13_half_a_redis_each),
    ("X14", surroundings.x14_keys_do_not_come),
    ("X14b", dependencies.x14_model_fails),
    ("X14c", dependencies.x14_rules_stall),
    ("X14d", dependencies.x14_server_hangs),
    ("X15", surroundings.x15_bad_configuration),
)
