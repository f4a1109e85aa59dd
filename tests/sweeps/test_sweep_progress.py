import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from constructed import constructed
from damages import WAYS, damage

from deblur.sweeps.progress import seconds_left, watching
from deblur.sweeps.sweep import ISSUED, Job, Sweep

BASIC = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
JOBLIB = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", "n_jobs": 2}
LOCAL = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"}
TEST = {"psnr": 26.0, "input_psnr": 21.0, "gain": 5.0}


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Four runs of one network, of which the first is done and the second was interrupted."""
    monkeypatch.setattr("deblur.sweeps.progress.SECONDS_BETWEEN_LOOKS", 0.02)
    config = constructed({"model": {"name": "net"}, "trainer": {"max_epochs": 10}})
    made = Sweep(tmp_path, tuple(Job((name,), config, tmp_path / name) for name in "abcd"))
    write(tmp_path / "a", "done", ended=1, epochs=10)
    write(tmp_path / "b", "interrupted", ended=1, epochs=4)
    return made


def write(run: Path, state: str, ended: int | None, epochs: int, error: str | None = None) -> None:
    """Write the files of a run, 6 s an epoch; `ended` stands for a time."""
    run.mkdir(exist_ok=True)
    rows = "".join(f"{epoch},6.0\n" for epoch in range(epochs))
    (run / "history.csv").write_text(f"epoch,seconds\n{rows}")
    seconds = {"data": 1.0, "fit": 60.0, "test": 2.0}
    (run / "metrics.json").write_text(json.dumps({"test": TEST, "seconds": seconds}))
    status = {"state": state, "ended": None if ended is None else f"{ended}", "epoch": epochs, "error": error}
    (run / "status.json").write_text(json.dumps(status))


def lines(capsys: pytest.CaptureFixture[str], count: int) -> list[str]:
    """Return what was said, once there are so many lines."""
    said: list[str] = []
    deadline = time.monotonic() + 10
    while len(said) < count and time.monotonic() < deadline:
        said += capsys.readouterr().out.splitlines()
        time.sleep(0.01)
    return said


def test_each_run_that_ends_gets_one_line(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(["-m"]) as watch:
        watch.start(sweep, BASIC)
        assert lines(capsys, 1) == [f"4 runs in {sweep.folder}, 1 done already. Each writes its train.log there."]
        write(sweep.folder / "b", "done", ended=2, epochs=10)
        assert lines(capsys, 1) == ["2/4  b  21.00 -> 26.00 dB (+5.00) in 63 s  about 2 min left"]
        write(sweep.folder / "c", "running", ended=None, epochs=9)
        write(sweep.folder / "d", "failed", ended=3, epochs=0, error="boom")
        assert lines(capsys, 1) == ["3/4  d  failed: boom  about 6 s left"]
        write(sweep.folder / "c", "interrupted", ended=4, epochs=9)
        assert lines(capsys, 1) == ["4/4  c  interrupted"]
        assert watch.sweep is sweep
    assert capsys.readouterr().out == ""


def test_several_at_once_take_less_time(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    with watching([]) as watch:
        watch.start(sweep, JOBLIB)
        lines(capsys, 1)
        write(sweep.folder / "b", "failed", ended=2, epochs=0, error="boom")
        assert lines(capsys, 1) == ["2/4  b  failed: boom  about 60 s left"]


@pytest.mark.parametrize(("launcher", "at_once"), [(BASIC, 1), (JOBLIB, 2), (LOCAL, 3)])
def test_processes_share_the_cores(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, launcher: dict[str, object], at_once: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("deblur.sweeps.progress._cores", lambda: 12)
    with watching([]) as watch:
        watch.start(sweep, launcher)  # three of the four runs are open
        assert os.environ.get("OMP_NUM_THREADS") == (None if at_once == 1 else str(12 // at_once))
        assert ISSUED in os.environ
    assert not {"OMP_NUM_THREADS", ISSUED} & os.environ.keys()


def test_a_number_of_threads_that_the_user_has_chosen_stays(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with watching([]) as watch:
        watch.start(sweep, JOBLIB)
        assert os.environ["OMP_NUM_THREADS"] == "5"
    assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.slow) if way == "huge" else way for way in WAYS])
def test_damaged_files_end_no_watch(sweep: Sweep, capsys: pytest.CaptureFixture[str], way: str) -> None:
    with watching([]) as watch:
        watch.start(sweep, BASIC)
        lines(capsys, 1)
        write(sweep.folder / "c", "running", ended=None, epochs=2)
        for name in ("status.json", "history.csv", "metrics.json"):
            damage(sweep.folder / "c" / name, way)
        damage(sweep.folder / "a" / "history.csv", way)
        write(sweep.folder / "d", "done", ended=2, epochs=10)
        damage(sweep.folder / "d" / "metrics.json", way)
        (said,) = lines(capsys, 1)
        assert said.startswith("2/4  d  done  about ")
        damage(sweep.folder / "b" / "history.csv", way)
        write(sweep.folder / "e", "done", ended=2, epochs=10)
        shutil.copy(sweep.folder / "e" / "status.json", sweep.folder / "b" / "status.json")
        assert lines(capsys, 1)[0].startswith("3/4  b  21.00 -> 26.00 dB (+5.00) in 63 s")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content",
    [
        {"state": "done", "ended": 5},
        {"state": 7, "ended": "2"},
        {"state": "failed", "ended": "2", "error": ["a"]},
        {"state": "failed", "ended": "2", "epoch": "x"},
        ["done"],
    ],
)
def test_values_of_other_kinds_end_no_watch(sweep: Sweep, capsys: pytest.CaptureFixture[str], content: object) -> None:
    with watching([]) as watch:
        watch.start(sweep, BASIC)
        lines(capsys, 1)
        (sweep.folder / "c").mkdir()
        (sweep.folder / "c" / "status.json").write_text(json.dumps(content))
        write(sweep.folder / "d", "failed", ended=2, epochs=0, error="boom")
        assert lines(capsys, 1)[0].startswith("2/4  d  failed: boom")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Two runs of a small network and two of a large one, 10 epochs each."""
    return [
        Job((), constructed({"model": {"name": name}, "trainer": {"max_epochs": 10}}), tmp_path / f"{name}_{number}")
        for name in ("small", "large")
        for number in range(2)
    ]


def train(job: Job, *seconds: float) -> None:
    job.folder.mkdir()
    rows = [f"{epoch},{each}" for epoch, each in enumerate(seconds)]
    (job.folder / "history.csv").write_text("\n".join(["epoch,seconds", *rows]) + "\n")


def left(jobs: list[Job], epochs: list[Any], at_once: int = 1) -> float | None:
    still = {job: {} if epoch is None else {"epoch": epoch} for job, epoch in zip(jobs, epochs, strict=True)}
    return seconds_left(jobs, {job: status for job, status in still.items() if status.get("epoch") != 10}, at_once)


def test_nothing_is_known_before_the_first_epoch_has_ended(jobs: list[Job]) -> None:
    assert left(jobs, [None, None, None, None]) is None
    train(jobs[0])
    assert left(jobs, [0, None, None, None]) is None


def test_an_unknown_network_is_taken_for_an_average_one(jobs: list[Job]) -> None:
    train(jobs[0], 2.0, 4.0)
    assert left(jobs, [2, None, None, None]) == pytest.approx(3 * (8 + 30))


def test_a_network_is_taken_for_what_it_was(jobs: list[Job]) -> None:
    train(jobs[0], *[2.0] * 10)
    train(jobs[2], 5.0, 7.0)
    assert left(jobs, [10, None, 2, None]) == pytest.approx(2 * 10 + 6 * 8 + 6 * 10)


def test_several_at_once_share_the_time(jobs: list[Job]) -> None:
    train(jobs[0], 2.0)
    assert left(jobs, [1, None, None, None], at_once=2) == pytest.approx(39.0)


def test_nothing_is_left_at_the_end(jobs: list[Job]) -> None:
    train(jobs[0], *[2.0] * 10)
    assert left(jobs, [10, 10, 10, 10]) == 0


@pytest.mark.parametrize("way", [way for way in WAYS if way != "cut"])  # whose first epochs are as they were
def test_a_damaged_history_counts_for_nothing(jobs: list[Job], way: str) -> None:
    train(jobs[0], *[2.0] * 10)
    train(jobs[1], *[4.0] * 10)
    damage(jobs[1].folder / "history.csv", way)
    assert left(jobs, [10, 0, 10, 10]) == pytest.approx(20.0)


@pytest.mark.parametrize("seconds", ["x", "", "nan", "inf"])
def test_an_epoch_without_its_time_counts_for_nothing(jobs: list[Job], seconds: str) -> None:
    train(jobs[0], *[2.0] * 10)
    train(jobs[1])
    (jobs[1].folder / "history.csv").write_text(f"epoch,seconds\n0,{seconds}\n")
    assert left(jobs, [10, 0, 10, 10]) == pytest.approx(20.0)
