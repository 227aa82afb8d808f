"""What the pages show is what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as a browser links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            lost.append(target)

    assert lost == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/how-to-*.md")), ids=lambda page: page.stem)
def test_a_shown_example_is_the_file_that_is_tested(page: Path) -> None:
    shown = re.findall(
        r"`(docs/examples/\w+\.py)`:\n\n```python\n(.*?)```", page.read_text(), flags=re.DOTALL
    )

    assert shown
    for name, text in shown:
        assert text == (ROOT / name).read_text(), f"{page.name} shows an old {name}"


def test_every_decision_is_in_the_index_and_short() -> None:
    directory = ROOT / "docs" / "decisions"
    index = (directory / "README.md").read_text()
    for record in sorted(directory.glob("0*.md")):
        text = record.read_text()

        assert record.name in index
        assert text.startswith(f"# {int(record.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequence")), record.name
        assert len(text.splitlines()) <= 40, record.name


def test_the_makefile_names_its_targets() -> None:
    listing = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    for target in ("install", "run", "test", "lint", "types", "contracts", "bench", "mutate", "lock"):
        assert re.search(rf"\b{target}\b", listing), target


def test_the_settings_page_has_every_setting() -> None:
    source = (ROOT / "gateway" / "variables.py").read_text()
    settings = set(re.findall(r'^    "(MCPX_[A-Z_]+)": ', source, flags=re.MULTILINE))
    page = (ROOT / "docs" / "operations.md").read_text()

    assert settings
    assert {name for name in settings if f"`{name}`" not in page} == set()
