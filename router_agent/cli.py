"""`mcpx-router`: predictions in bulk, evaluation, calibration; and the making of the encoder."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from router_agent.calibration import calibrate as fit_gate
from router_agent.cases import prediction_of, read_cases, write_lines
from router_agent.core import EVERY_CALL, Encoder, Router
from router_agent.errors import RouterError
from router_agent.evaluation import evaluate, lines_of
from router_agent.opening import StrategyName, encoder_named, open_router
from router_agent.options import AdapterOption, ModelOption, StrategyOption, adapters_of
from schemas import McpxError

app = typer.Typer(
    name="mcpx-router",
    help="Measure the router, and make its models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

CasesOption = Annotated[
    list[Path], typer.Option("--cases", metavar="FILE.jsonl", help="Cases; may be given several times.")
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder", metavar="auto|none|FILE.gguf", help="The encoder: the one that ships, none, or this."
    ),
]
GateOption = Annotated[Path | None, typer.Option("--gate", metavar="FILE.json", help="Another gate.")]


def _opened(
    encoder: Encoder | None,
    gate: Path | None,
    strategy: StrategyName | None,
    model: Path | None,
    adapter: Sequence[str] | None,
) -> Router:
    """A router to be measured: it acts on all that is wanted and complete."""
    return open_router(
        encoder=encoder,
        gate=gate,
        policy=EVERY_CALL,
        model=model,
        adapters=adapters_of(adapter),
        strategy=strategy,
    )


@app.command()
def predict(
    cases: Annotated[
        Path, typer.Option("--cases", metavar="FILE.jsonl", help="Cases; `expected` is not read.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PRED.jsonl", help="Where predictions go.")],
    encoder: EncoderOption = "auto",
    gate: GateOption = None,
    strategy: StrategyOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
) -> None:
    """Route every case of a file, and write one prediction a line."""
    reader = encoder_named(encoder)
    router = _opened(reader, gate, strategy, model, adapter)
    listed = list(read_cases(cases))
    with _progress() as progress:
        task = progress.add_task("routing", total=len(listed))

        def rows() -> object:
            for case in listed:
                if reader is not None:
                    reader.prepare(case.catalogue)
                yield prediction_of(case.id, router.route(case.intent, case.catalogue, case.today))
                progress.advance(task)

        count = write_lines(out, rows())  # type: ignore[arg-type]  # a generator of dictionaries
    Console(stderr=True).print(f"{count} predictions in {out}")


@app.command("eval")
def evaluate_cases(
    cases: CasesOption,
    encoder: EncoderOption = "auto",
    gate: GateOption = None,
    strategy: StrategyOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    plots: Annotated[Path | None, typer.Option("--plots", metavar="FOLDER", help="Draw PNGs here.")] = None,
) -> None:
    """Route cases, and print how often that is right, how sure it was, and how long it took."""
    reader = encoder_named(encoder)
    router = _opened(reader, gate, strategy, model, adapter)
    listed = [case for path in cases for case in read_cases(path)]
    with _progress() as progress:
        task = progress.add_task("routing", total=len(listed))
        report = evaluate(
            router, listed, lambda: progress.advance(task), reader.prepare if reader is not None else None
        )
    sys.stdout.write("\n".join(lines_of(report)) + "\n")
    if plots is not None:
        from router_agent.plots import draw

        for path in draw(report, plots):
            Console(stderr=True).print(f"drawn: {path}")


@app.command()
def calibrate(
    cases: CasesOption,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.json", help="The gate; other kinds in it are kept.")
    ],
    encoder: EncoderOption = "auto",
    seed: Annotated[int, typer.Option(help="Same seed, same gate.")] = 1,
) -> None:
    """Fit the gate to cases; with an encoder and without are two gates in one file."""
    reader = encoder_named(encoder)
    listed = [case for path in cases for case in read_cases(path)]
    with _progress() as progress:
        task = progress.add_task("calibrating", total=len(listed))
        gate = fit_gate(listed, reader, seed, lambda: progress.advance(task))
    gates = json.loads(out.read_text("utf-8")) if out.exists() else {}
    gates["words" if reader is None else "encoder"] = gate.json()
    out.write_text(json.dumps(gates, indent=2, sort_keys=True) + "\n", "utf-8")
    Console(stderr=True).print(f"calibration error {gate.right.error:.3f}; gate in {out}")


def _with_training() -> typer.Typer:
    """Add the making of models, where that part is installed."""
    try:
        from router_agent.training.commands import add_to
    except ImportError:
        return app
    add_to(app)
    return app


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `mcpx-router` and return its exit status."""
    try:
        _with_training()(args=list(arguments) if arguments is not None else None, prog_name="mcpx-router")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except (RouterError, McpxError) as error:
        Console(stderr=True).print(f"Error: {error}", style="bold red")
        return 1
    return 0
