"""Runs that were interrupted, and resume."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from run_content import content_of, tensorboard_of
from sampling import exhaustive
from small_trainings import SEEDS, SMALLEST_DATA, STEEP, UNROLLED_MODEL, without
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from workplaces import SMALL, Workplace

from deblur.runs.records import read_config
from deblur.train import main
from deblur.training.events import PATTERN, read_records


def copy_interrupted(finished: Workplace, workplace: Workplace, **status: str) -> None:
    """Copy a run to where no other is, with a status that says it was interrupted."""
    shutil.copytree(finished.run, workplace.root / "copy")
    changed = workplace.read("status.json") | {"state": "interrupted"} | status
    (workplace.run / "status.json").write_text(json.dumps(changed))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_run_resumes_as_if_nothing_had_happened(
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
    assert tensorboard_of(workplace.run) == tensorboard_of(finished.run)


def assert_resumed_equals_uninterrupted(tmp_path: Path, cache_root: Path, *overrides: str) -> None:
    """Train once without and once with an interruption in the second epoch, after which the folder is moved."""
    flag = tmp_path / "flag"
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    whole, stopped = (Workplace(tmp_path / name, cache_root) for name in ("whole", "stopped"))
    assert whole.train(*overrides, *stop) == 0
    flag.touch()
    assert stopped.train(*overrides, *stop) == 130
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


STOPPED_EARLY = (
    "callbacks=[default,early_stopping]",
    "callbacks.early_stopping.patience=1",
    "callbacks.early_stopping.min_delta=100",  # the second epoch is the last one
)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [2, 4])
def test_a_run_killed_after_its_early_stop_is_not_trained_on(workplace: Workplace, epochs: int) -> None:
    assert workplace.train(*SMALL, *STOPPED_EARLY, f"trainer.max_epochs={epochs}") == 0
    before = content_of(workplace.run)
    assert before["status"] == ("done", 2, None)
    for name in ("metrics.json", "images.csv"):
        (workplace.run / name).unlink()
    shutil.rmtree(workplace.run / "samples")
    status = workplace.read("status.json") | {"state": "interrupted"}
    (workplace.run / "status.json").write_text(json.dumps(status))
    assert workplace.resume() == 0
    assert content_of(workplace.run) == before


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        (*SCHEDULERS["plateau"], "+trainer.check_val_every_n_epoch=3"),
        (*SCHEDULERS["onecycle"], "data.num_workers=1"),
        (*SCHEDULERS["cosine"], "callbacks=[default,ema,early_stopping]", "data.num_workers=1"),
        (*SCHEDULERS["cosine"], "data.color=rgb", "data.num_workers=1"),
        ("data.degrade_on=device", "blur=motion_random", "blur/camera=photo", "data.num_workers=1"),
    ],
)
def test_schedules_and_averages_resume(tmp_path: Path, cache_root: Path, overrides: tuple[str, ...]) -> None:
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *overrides, *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, exhaustive(1), exhaustive(2)])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("more", [(), EVERY_SECOND_STEP], ids=["each step", "every second step"])
def test_every_schedule_resumes_with_any_number_of_loader_processes(
    tmp_path: Path, cache_root: Path, scheduler: str, workers: int, more: tuple[str, ...]
) -> None:
    overrides = (*SCHEDULERS[scheduler], *more, f"data.num_workers={workers}")
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *overrides, *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [("experiment=one_kernel", "blur=box"), ("experiment=known_kernel",)])
def test_presets_of_the_known_kernel_resume(tmp_path: Path, cache_root: Path, overrides: tuple[str, ...]) -> None:
    small = ("data.max_images=16", "trainer.max_epochs=3", *SMALLEST_DATA, *UNROLLED_MODEL[2:])
    assert_resumed_equals_uninterrupted(tmp_path, cache_root, *overrides, *small)


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


UNEVEN = (STEEP, *(word.replace("max_epochs=3", "max_epochs=4") for word in SMALL), "optimizer.lr=3e-3")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A finished run whose third of four epochs is the best one; tests do not change it."""
    for seed in SEEDS:
        place = Workplace(tmp_path_factory.mktemp("uneven"), cache_root)
        assert place.train(*UNEVEN, f"seed={seed}") == 0
        if torch.load(place.run / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] == 2:
            return place
    pytest.fail("no seed has the third epoch as the best one")


@pytest.mark.parametrize("damaged", [("last.ckpt",), ("best.ckpt",), ("last.ckpt", "best.ckpt")])
def test_a_run_with_damaged_checkpoints_ends_as_if_nothing_had_happened(
    uneven: Workplace, workplace: Workplace, damaged: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(uneven, workplace)
    for name in damaged:
        path = workplace.run / "checkpoints" / name
        path.write_bytes(path.read_bytes()[:5000])
    assert workplace.resume() == 0
    output = capsys.readouterr().out
    assert f"{damaged[0]} is no checkpoint of this program, or is damaged" in output
    assert ("is trained from the start" in output) == ("best.ckpt" in damaged)
    assert content_of(workplace.run) == content_of(uneven.run)


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff\xfe", b"epoch,step,lr,train/loss\n0,3,0.0"])
@pytest.mark.parametrize("epochs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_damaged_history_is_written_again(
    finished: Workplace, workplace: Workplace, tmp_path: Path, content: bytes | None, epochs: int
) -> None:
    if epochs == 3:
        copy_interrupted(finished, workplace)
    else:
        (tmp_path / "flag").touch()
        stop = ("+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
        assert workplace.train(*SMALL, *stop, f"+callbacks.stop.flag='{tmp_path / 'flag'}'") == 130
    history = workplace.run / "history.csv"
    history.unlink()
    if content is not None:
        history.write_bytes(content)
    status = workplace.read("status.json") | {"epoch": 7}
    (workplace.run / "status.json").write_text(json.dumps(status))
    assert workplace.resume("trusted=[watchers]") == 0
    found, expected = content_of(workplace.run), content_of(finished.run)
    assert [found[key] for key in ("history", "metrics", "status")] == [
        expected[key] for key in ("history", "metrics", "status")
    ]


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damaged_events_come_back_but_for_the_images(
    finished: Workplace, workplace: Workplace, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(finished, workplace)
    (events,) = workplace.run.glob("events.out.tfevents.*")
    if damage == "gone":
        events.unlink()
    else:
        events.write_bytes(events.read_bytes()[: 20_000 if damage == "cut" else 0])
    assert workplace.resume() == 0
    assert "The TensorBoard events in" in capsys.readouterr().out
    assert tensorboard_of(workplace.run)["scalars"] == tensorboard_of(finished.run)["scalars"]
    assert len(list(workplace.run.glob("events.out.tfevents.*"))) == 1


def test_a_checkpoint_of_another_run_is_not_taken_for_ones_own(
    finished: Workplace, uneven: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(finished, workplace)
    shutil.copy(uneven.run / "checkpoints" / "last.ckpt", workplace.run / "checkpoints" / "last.ckpt")
    assert workplace.resume() == 0
    output = capsys.readouterr().out
    assert "last.ckpt is of another training (optimizer.lr, scheduler" in output
    assert " differ). The run is not" in output
    assert content_of(workplace.run) == content_of(finished.run)


def test_nothing_is_left_of_processes_that_were_killed(finished: Workplace, workplace: Workplace) -> None:
    copy_interrupted(finished, workplace)
    for name in ("checkpoints/.last.ckpt.other_host-17.abcdefgh.partial", ".status.json.host-1.00000000.partial"):
        (workplace.run / name).write_bytes(b"half a file")
    assert workplace.resume() == 0
    assert content_of(workplace.run)["files"] == content_of(finished.run)["files"]


def test_a_finished_run_is_not_resumed(finished: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert finished.resume() == 2
    assert "is done: there is nothing to resume" in capsys.readouterr().err


def assert_equal_but_for_a_comparison_grid(longer: Workplace, whole: Workplace) -> None:
    """The shorter run has shown its last epoch in TensorBoard, which is not the last one of the longer."""
    found, expected = content_of(longer.run), content_of(whole.run)
    for content in (found, expected):
        del content["events"], content["tensorboard"]["images"]
    assert found == expected
    assert longer.read("status.json")["config_hash"] == whole.read("status.json")["config_hash"]
    assert read_config(longer.run) == read_config(whole.run) | {"paths": read_config(longer.run)["paths"]}
    settings = [hparams_of(place.run) for place in (longer, whole)]
    assert settings[0] == settings[1] == [6]


def hparams_of(run: Path) -> list[float]:
    """Return the epochs in TensorBoard's settings of a run, once for each time that they are written."""
    (events,) = run.glob(PATTERN)
    return [
        HParamsPluginData.FromString(value.metadata.plugin_data.content)
        .session_start_info.hparams["set/epochs"]
        .number_value
        for record in read_records(events)
        for value in record.event.summary.value
        if value.tag == metadata.SESSION_START_INFO_TAG
    ]


LONGER_RUNS = {
    "constant": (),
    "plateau": (*SCHEDULERS["plateau"], "data.num_workers=1"),
    "averages": ("callbacks=[default,ema]", "data.color=rgb"),
}


@pytest.mark.parametrize(
    "overrides",
    [
        LONGER_RUNS["constant"],
        *(pytest.param(LONGER_RUNS[name], marks=pytest.mark.slow) for name in ("plateau", "averages")),
    ],
)
def test_a_run_that_is_made_longer_equals_one_that_was_as_long_from_the_start(
    tmp_path: Path, cache_root: Path, overrides: tuple[str, ...]
) -> None:
    small = (*without(SMALL, "trainer.max_epochs"), *overrides)
    whole, longer = (Workplace(tmp_path / name, cache_root) for name in ("whole", "longer"))
    assert whole.train(*small, "trainer.max_epochs=6") == 0
    assert longer.train(*small, "trainer.max_epochs=3") == 0
    assert longer.resume("trainer.max_epochs=6") == 0
    assert_equal_but_for_a_comparison_grid(longer, whole)


def test_a_longer_run_of_other_images_leaves_the_finished_one(
    finished: Workplace, workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_interrupted(finished, workplace, data="others", state="done")
    kept = ("config.yaml", "metrics.json", "images.csv", "history.csv", "checkpoints/last.ckpt")
    before = [(workplace.run / name).read_bytes() for name in kept], workplace.read("status.json")
    assert workplace.resume("trainer.max_epochs=6") == 2
    assert "The images have changed" in capsys.readouterr().err
    assert ([(workplace.run / name).read_bytes() for name in kept], workplace.read("status.json")) == before


def test_a_cosine_is_not_made_longer(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    short = (*without(SMALL, "trainer.max_epochs"), "trainer.max_epochs=1")
    assert workplace.train(*short, "scheduler=cosine", "logger=none") == 0
    assert workplace.resume("trainer.max_epochs=2") == 2
    error = capsys.readouterr().err
    assert "its schedule CosineAnnealingLR is laid out over its 1 epoch, and over 2 " in error
    assert error.endswith(f"weights={workplace.run}.\n")
    assert (
        workplace.train(*short, f"weights={workplace.run}", "logger=none", "seed=1") == 0
    )  # which the sentence advises
