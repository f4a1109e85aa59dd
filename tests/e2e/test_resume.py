"""Runs that were interrupted, and go on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from small_trainings import SMALLEST
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


def assert_resumed_equals_uninterrupted(tmp_path: Path, cache_root: Path, *words: str) -> None:
    """Train once without and once with an interruption in the second epoch, after which the folder is moved."""
    flag = tmp_path / "flag"
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    whole, stopped = (Workplace(tmp_path / name, cache_root) for name in ("whole", "stopped"))
    assert whole.train(*words, *stop) == 0
    flag.touch()
    assert stopped.train(*words, *stop) == 130
    moved = tmp_path / "moved"
    shutil.move(stopped.run, moved)
    assert main([f"resume={moved}", "trusted=[watchers]"]) == 0
    stopped.root = moved
    both = (stopped, whole)
    for part in ("test", "val"):
        assert stopped.read("metrics.json")[part] == whole.read("metrics.json")[part]
    assert stopped.rows("images.csv") == whole.rows("images.csv")
    histories = [[row | {"seconds": ""} for row in place.rows("history.csv")] for place in both]
    assert histories[0] == histories[1]
    for name in ("best", "last"):
        held = [torch.load(place.run / "checkpoints" / f"{name}.ckpt", weights_only=True) for place in both]
        for part in ("state_dict", "current_model_state"):
            weights = [content.get(part, {}) for content in held]
            assert weights[0].keys() == weights[1].keys()
            assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


EVERY_SECOND_STEP = ("+trainer.accumulate_grad_batches=2", "data.batch_size=8")
SCHEDULERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "cosine": ("scheduler=cosine",),
    "onecycle": ("scheduler=onecycle",),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "scheduler.mode=max"),
    "of torch, each step": (
        "scheduler=cosine",
        "scheduler._target_=torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
        "~scheduler.T_max",
        "+scheduler.T_0=4",
        "+scheduler.interval=step",
    ),
}


@pytest.mark.parametrize(
    "words",
    [
        (*SCHEDULERS["plateau"], "+trainer.check_val_every_n_epoch=3"),
        (*SCHEDULERS["onecycle"], "data.num_workers=1"),
        (*SCHEDULERS["cosine"], "callbacks=[default,ema,early_stopping]", "data.num_workers=1"),
    ],
)
def test_schedules_and_averages_go_on(tmp_path: Path, cache_root: Path, words: tuple[str, ...]) -> None:
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *words, *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("more", [(), EVERY_SECOND_STEP], ids=["each step", "every second step"])
def test_every_schedule_goes_on_with_any_number_of_loader_processes(
    tmp_path: Path, cache_root: Path, scheduler: str, workers: int, more: tuple[str, ...]
) -> None:
    words = (*SCHEDULERS[scheduler], *more, f"data.num_workers={workers}")
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *words, *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("experiment=wiener", "blur=box"), ("experiment=known_kernel",)])
def test_presets_with_a_loader_process_go_on(tmp_path: Path, cache_root: Path, words: tuple[str, ...]) -> None:
    network = ("model.kernel_sizes=[5,3]", "model.widths=[4]", "model.dropout=0.2")
    small = ("data.max_images=16", "data.patch_size=16", "data.eval_crop=48", "trainer.max_epochs=3")
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *words, *small, *network, *SMALLEST[-2:])


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
