"""Puts the training corpus together: public data sets that were fetched before, and the generator."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from router_agent.training.cases import Case
from router_agent.training.contents import content_cases
from router_agent.training.generator import generate
from router_agent.training.hwu import hwu_cases
from router_agent.training.metatool import metatool_cases
from router_agent.training.schemas import Bank
from router_agent.training.seal import seal_cases, seal_spoken

SHARES = {"seal": 4000, "spoken": 2500, "hwu": 7000, "metatool": 8000, "generated": 12_000}
"""Cases of each kind in a corpus; fewer where a data set is absent or smaller."""
CALIBRATED = {"seal": 300, "spoken": 60, "strange": 200, "generated": 180, "hwu": 90, "metatool": 70}
"""Cases of each kind that a gate is fitted to, besides `content_cases`; training never showed most tools."""


def corpus(folder: Path | None, seed: int, scale: float = 1.0) -> list[Case]:
    """
    The cases to train on, shuffled; the same for the same folder and seed.

    Without a folder there are generated cases alone. Data sets whose files are missing from
    the folder are passed over; what is held back for measuring is not among the cases.
    """
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    bank = Bank.load()
    out = list(generate(seed, round(SHARES["generated"] * scale), bank))
    for name, cases in _public(folder, seed, bank).items():
        found = list(cases)
        out += draw.sample(found, min(len(found), round(SHARES[name] * scale)))
    draw.shuffle(out)
    return out


def held_back(folder: Path, seed: int, trained: Sequence[Case] = ()) -> dict[str, list[Case]]:
    """Cases that are never trained on, by the name of what they measure; `gate` is for calibration."""
    out: dict[str, list[Case]] = {"generated": list(generate(seed + 1_000_003, 400))}
    if (folder / "hwu64_utterances.jsonl").exists():
        lower = [case for case in hwu_cases(folder, seed, held_back=True) if case.expected]
        out["all_optional"] = list(islice(lower, 0, None, 4))
    if (folder / "metatool_queries.csv").exists():
        for shown in (7, 150):
            cases = list(metatool_cases(folder, seed, held_back=True, tools_shown=shown))
            out[f"among_{shown}"] = list(islice(cases, 0, None, 3))
            strange = list(metatool_cases(folder, seed, strange=True, tools_shown=shown))
            if strange:
                out[f"strange_{shown}"] = strange[:: max(1, len(strange) // 300)]
    return out | {
        "gate": _for_the_gate(folder, seed, [*trained, *(one for set_ in out.values() for one in set_)])
    }


def _for_the_gate(folder: Path, seed: int, used: Sequence[Case]) -> list[Case]:
    """Cases to calibrate with: neither trained on nor measured by."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    known = {case.id for case in used if case.id} | {case.intent.lower() for case in used}
    found: dict[str, Iterable[Case]] = dict(_public(folder, seed, Bank.load()))
    found["generated"] = generate(seed + 2_000_003, CALIBRATED["generated"])
    if "hwu" in found:
        found["hwu"] = hwu_cases(folder, seed, held_back=True)
    if "metatool" in found:
        found["metatool"] = metatool_cases(folder, seed, held_back=True)
        found["strange"] = metatool_cases(folder, seed, strange=True)
    out: list[Case] = []
    for name, cases in found.items():
        free = [case for case in cases if case.id not in known and case.intent.lower() not in known]
        out += draw.sample(free, min(len(free), CALIBRATED[name]))
    out += content_cases(seed, out)
    draw.shuffle(out)
    return out


def _public(folder: Path | None, seed: int, bank: Bank) -> dict[str, Iterator[Case]]:
    out: dict[str, Iterator[Case]] = {}
    if folder is None:
        return out
    if (folder / "seal_tools_tools.jsonl").exists():
        out["seal"] = seal_cases(folder, seed)
        out["spoken"] = seal_spoken(folder, seed, bank)
    if (folder / "hwu64_utterances.jsonl").exists():
        out["hwu"] = hwu_cases(folder, seed)
    if (folder / "metatool_queries.csv").exists():
        out["metatool"] = metatool_cases(folder, seed)
    return out
