"""Whole trainings that begin with the weights of an earlier one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from small_trainings import UNROLLED_MODEL
from workplaces import SMALL, Workplace

from deblur import train
from deblur.export.session import export
from deblur.inference.trained import load_trained
from deblur.runs.records import read_config
from deblur.synthesis.faces import draw

pytestmark = pytest.mark.slow

Shown = pytest.CaptureFixture[str]
STILL = "optimizer.lr=1e-30"  # no step changes a weight
UNROLLED = (*(word for word in SMALL if not word.startswith("model.")), *UNROLLED_MODEL)


def checkpoint(place: Workplace, name: str = "best") -> dict[str, Any]:
    content: dict[str, Any] = torch.load(place.run / "checkpoints" / f"{name}.ckpt")
    return content


@pytest.fixture
def another(tmp_path: Path, cache_root: Path) -> Callable[[str], Workplace]:
    return lambda name: Workplace(tmp_path / name, cache_root)


@pytest.mark.parametrize("kind", ["run", "checkpoint", "safetensors"])
def test_the_first_validation_is_that_of_the_trained_network(
    finished: Workplace, workplace: Workplace, tmp_path: Path, kind: str
) -> None:
    weights = {"run": finished.run, "checkpoint": finished.run / "checkpoints" / "best.ckpt"}.get(kind)
    if weights is None:
        weights = export(str(finished.run), "safetensors", output=tmp_path / "net.safetensors").file
    assert workplace.train(*SMALL, STILL, f"weights={weights}") == 0
    before, after = (place.read("metrics.json") for place in (finished, workplace))
    for part in ("test", "val"):
        ignored = {"epoch"}
        assert {key: value for key, value in after[part].items() if key not in ignored} == {
            key: value for key, value in before[part].items() if key not in ignored
        }
    name = load_trained(finished.run).name
    assert after["weights"] == {"origins": [name], "seen_left_out": 0}
    assert f"weights   trained on from {weights}" in (workplace.run / "train.log").read_text()
    assert checkpoint(workplace)["seen_images"] == checkpoint(finished)["seen_images"]
    exported = export(str(workplace.run), "safetensors", output=tmp_path / "on")
    assert f"| Trained on from | {name} |" in exported.card.read_text()
    assert load_trained(exported.file).origins == (name,)
    assert str(finished.root) not in exported.file.read_bytes().decode(errors="replace")


def test_optimizer_scheduler_averages_and_epochs_begin_again(finished: Workplace, workplace: Workplace) -> None:
    overrides = ("callbacks=[default,ema]", "scheduler=onecycle", "optimizer.lr=0.002")
    assert workplace.train(*SMALL, *overrides, f"weights={finished.run}") == 0
    history = workplace.rows("history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert history[0]["step"] == finished.rows("history.csv")[0]["step"]
    assert max(float(row["lr"]) for row in history) <= 0.002
    states = checkpoint(workplace, "last")["optimizer_states"][0]["state"]
    assert {int(state["step"]) for state in states.values()} == {int(history[-1]["step"])}
    assert checkpoint(workplace)["state_dict"].keys() == checkpoint(finished)["state_dict"].keys()


def test_a_training_with_weights_differs_from_one_without(finished: Workplace, workplace: Workplace) -> None:
    assert workplace.train(*SMALL, f"weights={finished.run}") == 0
    first, second = (place.rows("history.csv")[0]["val/psnr"] for place in (finished, workplace))
    assert float(second) > float(first)


@pytest.mark.parametrize("small", [SMALL, UNROLLED], ids=["SRCNN", "unrolled"])
def test_a_resumed_run_needs_the_weights_no_longer(
    another: Callable[[str], Workplace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small: tuple[str, ...],
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    first, whole, stopped = (another(name) for name in ("first", "whole", "stopped"))
    assert first.train(*small, "data.seed=1") == 0
    flag = tmp_path / "flag"
    stopping = ("+callbacks.stop._target_=watchers.StopOnce", f"+callbacks.stop.flag={flag}", "trusted=[watchers]")
    overrides = (*small, *stopping, f"weights={first.run}")
    assert whole.train(*overrides) == 0
    flag.touch()
    assert stopped.train(*overrides) == 130
    first.run.rename(tmp_path / "gone")
    assert stopped.resume("trusted=[watchers]") == 0
    for name in ("test", "val", "weights"):
        assert stopped.read("metrics.json")[name] == whole.read("metrics.json")[name]
    for key, value in checkpoint(whole, "last")["state_dict"].items():
        assert torch.equal(checkpoint(stopped, "last")["state_dict"][key], value)
    for key in ("seen_images", "trained_on_from"):
        assert checkpoint(stopped, "last")[key] == checkpoint(whole, "last")[key]


def test_a_run_without_an_epoch_says_that_its_weights_are_gone(
    another: Callable[[str], Workplace], tmp_path: Path, capsys: Shown
) -> None:
    first, second = another("first"), another("second")
    assert first.train(*SMALL) == 0
    assert second.train(*SMALL, f"weights={first.run}") == 0
    (second.run / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    (second.run / "checkpoints" / "best.ckpt").write_bytes(b"damaged")
    (second.run / "metrics.json").unlink()
    status = second.run / "status.json"
    status.write_text(status.read_text().replace('"done"', '"interrupted"'))
    weights = first.run
    first.run.rename(tmp_path / "gone")
    capsys.readouterr()
    assert second.resume() == 2
    assert f"weights={weights} does not exist: give" in capsys.readouterr().err
    (tmp_path / "gone").rename(weights)
    assert second.resume() == 0
    assert second.read("metrics.json")["test"]["psnr"] > first.read("metrics.json")["test"]["psnr"] - 0.5


def test_images_that_the_earlier_training_saw_are_not_tested_on(
    another: Callable[[str], Workplace], tmp_path: Path
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    for folder, count in ((few, 20), (many, 40)):
        folder.mkdir()
        for index in range(count):
            Image.fromarray(draw(0, index)[:96, :80]).save(folder / f"{index}.png")
    overrides = [word for word in SMALL if not word.startswith("data.max_images")]
    first, second = another("first"), another("second")
    assert first.train(*overrides, "data=folder", f"data.root={few}") == 0
    assert second.train(*overrides, "data=folder", f"data.root={many}", f"weights={first.run}", "data.seed=1") == 0
    metrics, seen = second.read("metrics.json"), set(checkpoint(first)["seen_images"])
    left_out = metrics["weights"]["seen_left_out"]
    assert 0 < left_out < 6
    assert metrics["data"]["counts"]["test"] == metrics["test"]["images"] == 6 - left_out
    assert f"The test is without {left_out} image" in (second.run / "train.log").read_text()
    assert len(second.rows("images.csv")) == 6 - left_out
    assert seen < set(checkpoint(second)["seen_images"])


def test_nothing_is_written_for_weights_that_do_not_fit(
    finished: Workplace, workplace: Workplace, capsys: Shown
) -> None:
    fitting = [word for word in SMALL if not word.startswith("model.widths")]
    named = ["sweep=some"]
    for overrides in ([], ["dry_run=true"], named, ["-m", "seed=0,1", *named], ["-m", "seed=0,1", "dry_run=true"]):
        capsys.readouterr()
        assert workplace.train(*fitting, "model.widths=[7]", f"weights={finished.run}", *overrides) == 2
        said = capsys.readouterr()
        assert (
            "holds a network of SRCNN with widths=[6], and the command builds one of SRCNN with widths=[7]" in said.err
        )
        assert not workplace.root.exists()
    assert workplace.train(*SMALL, "-m", f"weights=null,{finished.run},absent") == 2
    assert "absent does not exist: give the name of a pretrained network" in capsys.readouterr().err
    assert not workplace.root.exists()


def test_a_sweep_over_weights_names_its_runs_apart(
    finished: Workplace, workplace: Workplace, tmp_path: Path, capsys: Shown
) -> None:
    copy = export(str(finished.run), "safetensors", output=tmp_path / "net.safetensors").file
    command = (*SMALL, "trainer.max_epochs=1", "-m", f"weights=null,{copy}", "sweep=some")
    assert workplace.train(*command) == 0
    runs = sorted(path.parent.name for path in workplace.root.rglob("metrics.json"))
    assert len(runs) == 2
    stored = [read_config(workplace.root / "sweeps" / "some" / name)["weights"] for name in runs]
    assert sorted(stored, key=str) == [str(copy), None]
    report = (workplace.root / "sweeps" / "some" / "report" / "report.md").read_text()
    assert "weights net" in report
    assert "weights none" in report
    copy.unlink()  # which the finished runs need no longer
    capsys.readouterr()
    assert (
        train.main([f"paths.output_root={workplace.root}", f"paths.cache_root={workplace.cache_root}", *command]) == 0
    )
