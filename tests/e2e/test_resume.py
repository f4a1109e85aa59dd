"""Runs that were interrupted, and go on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from workplaces import SMALL, Workplace

from deblur.train import main


def copy_interrupted(finished: Workplace, workplace: Workplace, **status: str) -> None:
    """Copy a run to where no other is, with a status that says it was interrupted."""
    shutil.copytree(finished.run, workplace.root / "copy")
    changed = workplace.read("status.json") | {"state": "interrupted"} | status
    (workplace.run / "status.json").write_text(json.dumps(changed))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    finished: Workplace, workplace: Workplace, tmp_path: Path, workers: int
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    assert workplace.train(*SMALL, *stop, f"data.num_workers={workers}") == 130
    status = workplace.read("status.json")
    assert (status["state"], status["epoch"]) == ("interrupted", 1)
    assert torch.load(workplace.run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    assert not (workplace.run / "metrics.json").exists()

    assert main([f"resume={workplace.run}"]) == 2  # the run needs a module that this command does not trust
    assert workplace.resume("trusted=[watchers]") == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    without_time = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in place.rows("history.csv")]
        for place in (workplace, finished)
    ]
    assert without_time[0] == without_time[1]
    steps = [event.step for event in EventAccumulator(str(workplace.run)).Reload().Scalars("val/psnr")]
    assert sorted(steps) == [2, 5, 8]  # files of the same second are read in any order


@pytest.mark.parametrize(
    "words",
    [
        ("scheduler=plateau", "scheduler.patience=0", "scheduler.mode=max"),
        ("scheduler=plateau", "scheduler.patience=0", "scheduler.mode=max", "+trainer.check_val_every_n_epoch=3"),
        ("scheduler=onecycle",),
        ("scheduler=cosine", "callbacks=[default,ema,early_stopping]"),
    ],
)
def test_schedules_and_averages_go_on(tmp_path: Path, cache_root: Path, words: tuple[str, ...]) -> None:
    flag = tmp_path / "flag"
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    whole, stopped = (Workplace(tmp_path / name, cache_root) for name in ("whole", "stopped"))
    assert whole.train(*words, *SMALL, *stop) == 0
    flag.touch()
    assert stopped.train(*words, *SMALL, *stop) == 130
    moved = tmp_path / "moved"
    shutil.move(stopped.run, moved)
    assert main([f"resume={moved}", "trusted=[watchers]"]) == 0
    stopped.root = moved
    assert stopped.read("metrics.json")["test"] == whole.read("metrics.json")["test"]
    rates = [[row["lr"] for row in place.rows("history.csv")] for place in (stopped, whole)]
    assert rates[0] == rates[1]


def test_a_run_that_was_stopped_in_its_test_is_finished(finished: Workplace, workplace: Workplace) -> None:
    copy_interrupted(finished, workplace)
    (workplace.run / "metrics.json").unlink()
    assert workplace.resume() == 0
    assert workplace.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
    assert workplace.read("metrics.json")["val"] == finished.read("metrics.json")["val"]


def test_other_images_are_refused(
    finished: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(finished, workplace, data="others")
    assert workplace.resume() == 2
    assert "The images have changed" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_a_sentence(
    finished: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(finished, workplace)
    (workplace.run / "checkpoints" / "last.ckpt").write_bytes(b"nothing")
    assert workplace.resume() == 2
    assert "last.ckpt is no checkpoint of this program, or is damaged" in capsys.readouterr().err


def test_a_finished_run_is_not_resumed(finished: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert finished.resume() == 2
    assert "is done: there is nothing to resume" in capsys.readouterr().err
