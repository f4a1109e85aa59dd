"""The files of docs/extending.md, run from a folder outside the package."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from deblur.train import main

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SMALL = (
    "data.max_images=16",
    "data.patch_size=32",
    "data.eval_crop=64",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def train(cache_root: Path, *overrides: str) -> int:
    return main(["--config-dir", "conf", *overrides, *SMALL, f"paths.cache_root={cache_root}"])


def test_the_examples_run(elsewhere: Path, cache_root: Path) -> None:
    assert train(cache_root, "model=small_chain", "blur=cross", "trusted=[my_networks,my_blurs]") == 0
    (metrics,) = elsewhere.rglob("metrics.json")
    assert json.loads(metrics.read_text())["model"]["receptive_field"] == 15
    with (metrics.parent / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["blur"] for row in rows} == {"cross"}
    assert all(2 <= float(row["arm"]) <= 6 for row in rows)
    assert metrics.parent.parent.name.startswith("small_chain-cross-lr_0.001-")


def test_a_module_that_is_not_named_is_not_imported(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "my_nets_unnamed.py").write_text("raise SystemExit('imported')")
    assert train(cache_root, "model=small_chain", "model._target_=my_nets_unnamed.Net") == 2
    assert "trusted=[my_nets_unnamed]" in capsys.readouterr().err
    assert not list(elsewhere.rglob("status.json"))
