"""Draws what an evaluation found: risk against coverage, and stated against true probability."""

from __future__ import annotations

from pathlib import Path

from router_agent.evaluation import Report
from router_agent.scoring import risk_coverage


def draw(report: Report, folder: Path) -> list[Path]:
    """
    Write `risk-coverage.png` and `calibration.png` into a folder; return their paths.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    curve = risk_coverage(report.judged)
    figure, axes = plt.subplots(figsize=(6, 4), dpi=110)
    axes.plot([100 * one.coverage for one in curve], [100 * (1 - one.precision) for one in curve])
    axes.set(xlabel="acted on, % of all requests", ylabel="wrong among them, %", title="Risk and coverage")
    axes.grid(visible=True, alpha=0.3)
    first = folder / "risk-coverage.png"
    figure.savefig(first, metadata={"Software": None})
    plt.close(figure)
    figure, axes = plt.subplots(figsize=(5, 5), dpi=110)
    stated, true, sizes = [], [], []
    for number in range(10):
        inside = [
            one
            for one in report.judged
            if one.acted and number / 10 <= one.confidence < (number + 1) / 10 + (number == 9)
        ]
        if inside:
            stated.append(sum(one.confidence for one in inside) / len(inside))
            true.append(sum(one.full and one.wants_call for one in inside) / len(inside))
            sizes.append(len(inside))
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.plot(stated, true, color="tab:blue")
    axes.scatter(stated, true, s=[10 + size for size in sizes])
    axes.set(
        xlabel="stated confidence", ylabel="right in full", title="Calibration", xlim=(0, 1), ylim=(0, 1)
    )
    axes.grid(visible=True, alpha=0.3)
    second = folder / "calibration.png"
    figure.savefig(second, metadata={"Software": None})
    plt.close(figure)
    return [first, second]
