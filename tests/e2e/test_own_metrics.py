"""A metric and a loss that are registered once are found in all that a command writes; so are a user's own."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from deblur import evaluate, report
from deblur.losses import LOSSES, Loss
from deblur.metrics import METRICS, Metric, MetricInfo
from deblur.train import main

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "my_metrics.py"
SMALL = (
    "data.max_images=16",
    "data.patch_size=32",
    "data.eval_crop=64",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "model.kernel_sizes=[5,3]",
    "model.widths=[4]",
    "callbacks=none",
)


class WorstPixel(Metric):
    info = MetricInfo("worst_pixel", "Worst pixel", "levels", higher_is_better=False, decimals=1)

    def compute(self, restored: Tensor, sharp: Tensor) -> Tensor:
        return 255 * (restored - sharp).abs().amax(dim=(1, 2, 3))


class Fourth(Loss):
    name = "fourth"

    def compute(self, restored: Tensor, sharp: Tensor) -> Tensor:
        return (restored - sharp).pow(4).mean()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "worst_pixel", WorstPixel())
    monkeypatch.setitem(LOSSES, "fourth", Fourth())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(EXAMPLE, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_files(run: Path, name: str, heading: str) -> None:
    """Look for a metric in all files of a run and in the report of its sweep."""
    metrics = json.loads((run / "metrics.json").read_text())
    images, history = rows(run / "images.csv"), rows(run / "history.csv")
    assert metrics["test"][name] == pytest.approx(sum(float(row[name]) for row in images) / len(images))
    assert metrics["test"][f"input_{name}"] == pytest.approx(
        sum(float(row[f"input_{name}"]) for row in images) / len(images)
    )
    assert metrics["val"][name] == float(history[-1][f"val/{name}"])
    scalars = EventAccumulator(str(run)).Reload().Tags()["scalars"]
    assert {f"val/{name}", f"test/{name}", f"test/input_{name}", "val/loss"} <= set(scalars)
    assert heading in (run / "train.log").read_text()
    assert report.main([run.parent.name]) == 0
    written = (run.parent / "report" / "report.html").read_text()
    assert heading in written
    assert f"{heading.partition(' [')[0]} blurred" in written
    assert (run.parent / "report" / f"curves_{name}.png").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("registered")
def test_one_registration_suffices(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("loss=fourth", "metrics=[psnr,worst_pixel]", "sweep=mine", f"paths.cache_root={cache_root}")
    assert main([*SMALL, *chosen]) == 0
    (run,) = (path.parent for path in elsewhere.rglob("metrics.json"))
    check_files(run, "worst_pixel", "Worst pixel [levels] (lower is better)")
    metrics = json.loads((run / "metrics.json").read_text())
    assert "ssim" not in metrics["test"]
    assert 0 < metrics["val"]["loss"] < metrics["val"]["worst_pixel"]
    capsys.readouterr()
    assert evaluate.main([f"run={run}", "accelerator=cpu", f"paths.cache_root={cache_root}", "output=again"]) == 0
    assert "Worst pixel [levels] (lower is better)" in capsys.readouterr().out
    (boundary,) = json.loads(Path("again/metrics.json").read_text())["boundaries"].values()
    (means,) = boundary["restorers"].values()
    assert means["worst_pixel"] == metrics["test"]["worst_pixel"]
    monkeypatch.delitem(METRICS, "worst_pixel")
    assert main([*SMALL, *chosen]) == 2
    assert (
        "metrics=worst_pixel is not allowed: give psnr, ssim, psnr_y, ssim_y, ms_ssim, vif or mse."
        in capsys.readouterr().err
    )


def test_a_metric_and_a_loss_of_the_users_own(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("loss=my_metrics.EdgeLoss", "metrics=[ssim,my_metrics.Sharpness]", "sweep=own")
    cache = f"paths.cache_root={cache_root}"
    assert main([*SMALL, *chosen, cache]) == 2
    assert "trusted=[my_metrics]" in capsys.readouterr().err
    assert main([*SMALL, *chosen, "trusted=[my_metrics]", cache]) == 0
    (run,) = (path.parent for path in elsewhere.rglob("metrics.json"))
    check_files(run, "sharpness", "Sharpness")
    assert "psnr is measured as well" in (run / "train.log").read_text()
    stored = json.loads((run / "metrics.json").read_text())["metrics"]
    assert stored.keys() == {"sharpness"}
    assert stored["sharpness"]["decimals"] == 5
    capsys.readouterr()
    again = (f"run={run}", "accelerator=cpu", cache, "output=again")
    assert evaluate.main([*again]) == 2
    assert "trusted=[my_metrics]" in capsys.readouterr().err
    assert evaluate.main([*again, "metrics=[psnr,vif]"]) == 0
    assert "VIF" in capsys.readouterr().out
    assert evaluate.main([*again, "trusted=[my_metrics]"]) == 0
    assert "Sharpness" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sweep_with_a_misspelt_class_starts_no_run(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in ("loss=mse,my_metrics.EdgeLos", "loss=mse,hubr", "metrics=[psnr],[psnr,my_metrics.Sharpnes]"):
        words = ["-m", value, "trusted=[my_metrics]", "sweep=none", f"paths.cache_root={cache_root}"]
        assert main([*SMALL, *words]) == 2
        said = capsys.readouterr().err
        assert value.partition("=")[0] in said
        assert value.rpartition(",")[2].rstrip("]") in said
        assert not list(elsewhere.rglob("status.json"))
