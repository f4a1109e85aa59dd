"""The documentation on a code host and on the site: links, notebooks."""

import json
import re
from pathlib import Path

import pytest

from scripts.site_hooks import notebook_text, site_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / "deblur").rglob("*.md"),
    ]
)
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def texts(path: Path) -> str:
    """Return the prose of a page: without blocks of code."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"(?ms)^ {0,3}```.*?^ {0,3}```", "", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found = set()
    for title in re.findall(r"(?m)^#{1,6} (.*)$", texts(path)):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_of_the_repository(page: Path) -> None:
    for target, anchor in LINK.findall(texts(page)):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{target} in {page}"
        if anchor and path.name != "configuration.md":  # whose tables are made for the site
            assert anchor in anchors(path), f"{target}#{anchor} in {page}"


def test_links_of_the_site() -> None:
    text = "[a](networks.md#b) [b](../README.md) [c](../conf/train.yaml) [d](how_to/train.md) [e](https://f.org/g.md)"
    assert site_text(text, "docs/limits.md", "limits.md") == (
        "[a](networks.md#b) [b](index.md) [c](source/conf/train.yaml.md) [d](how_to/train.md) [e](https://f.org/g.md)"
    )
    assert site_text("[a](../networks.md)", "docs/how_to/train.md", "how_to/train.md") == "[a](../networks.md)"
    assert site_text("![a](docs/images/astronaut.jpg)", "README.md", "index.md") == "![a](images/astronaut.jpg)"
    assert site_text("[a](docs/notebooks/your_photo.ipynb)", "README.md", "index.md") == "[a](notebooks/your_photo.md)"
    assert site_text("[a](conf)", "README.md", "index.md") == "[a](source/conf/index.md)"


def test_code_is_left_as_it_is() -> None:
    text = "```python\nx = f[0](README.md)\n```\n"
    assert site_text(text, "README.md", "index.md") == text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_a_notebook_as_a_page() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["a = 1\n", "a"]},
    ]
    page = notebook_text({"cells": cells}, "x.ipynb")
    assert page.startswith("# Title\n")
    assert "(x.ipynb)" in page
    assert page.endswith("```python\na = 1\na\n```\n")
