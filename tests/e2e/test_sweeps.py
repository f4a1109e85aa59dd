"""Sweeps as users start them: processes, signals, files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deblur.runs import state_of

pytestmark = pytest.mark.slow

SMALL = (
    "data.max_images=16",
    "data.patch_size=32",
    "data.eval_crop=64",
    "model.kernel_sizes=[5,3]",
    "model.widths=[6]",
    "trainer.max_epochs=2",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)
AXES = ("-m", "blur=gaussian,box", "optimizer.lr=1e-3,1e-2", "sweep=four")
BOMB = """
from lightning.pytorch import Callback

class Bomb(Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.optimizers[0].param_groups[0]["lr"] == 0.01:
            raise RuntimeError("boom")
"""


class Sweeps:
    """Starts sweeps in an output folder of their own."""

    def __init__(self, place: Path, cache: Path) -> None:
        self.folder = place / "outputs" / "sweeps" / "four"
        self.place = place
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}

    def start(self, *words: str, program: str = "train") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"deblur.{program}", *words],
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, program: str = "train") -> tuple[int, str, str]:
        process = self.start(*words, program=program)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def tests(self) -> dict[str, Any]:
        """Return the test means of every finished run."""
        return {
            path.parent.name: json.loads(path.read_text())["test"]
            for path in sorted(self.folder.glob("*/metrics.json"))
        }

    def states(self) -> dict[str, str | None]:
        return {path.parent.name: state_of(path.parent) for path in sorted(self.folder.glob("*/status.json"))}

    def files(self, run: str) -> dict[str, int]:
        """Return when each file of a run was last written."""
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / run).rglob("*") if path.name != ".lock"}

    def has_a_report(self) -> bool:
        return all((self.folder / "report" / name).is_file() for name in ("results.csv", "report.md", "report.html"))


@pytest.fixture
def sweeps(tmp_path: Path, cache_root: Path) -> Sweeps:
    return Sweeps(tmp_path, cache_root)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """A sweep of four runs that nothing has disturbed; tests look at it but do not change its results."""
    place = Sweeps(tmp_path_factory.mktemp("whole"), cache_root)
    code, out, err = place.run(*AXES, *SMALL)
    assert (code, err) == (0, "")
    assert "4 runs in " in out
    assert [line for line in out.splitlines() if line.startswith("4/4  srcnn_915-box-lr_0.01")]
    return place


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def stopped() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that end with the test, whatever happens in it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_grid_ends_with_its_table_and_its_report(whole: Sweeps) -> None:
    assert len(whole.tests()) == 4
    assert set(whole.states().values()) == {"done"}
    assert whole.has_a_report()
    noted = json.loads((whole.folder / "sweep.json").read_text())
    assert sorted(noted["runs"]) == sorted(whole.states())
    assert noted["commands"][0].startswith("python -m deblur.train -m blur=gaussian,box")


def test_the_same_command_again_changes_no_run(whole: Sweeps) -> None:
    before = {run: whole.files(run) for run in whole.states()}
    code, out, _ = whole.run(*AXES, *SMALL)
    assert code == 0
    assert "4 done already" in out
    assert {run: whole.files(run) for run in whole.states()} == before


def test_a_wider_command_adds_runs(whole: Sweeps) -> None:
    before = {run: whole.files(run) for run in whole.states()}
    wider = [word.replace("gaussian,box", "gaussian,box,none") for word in AXES]
    code, out, _ = whole.run(*wider, *SMALL)
    assert code == 0
    assert "6 runs in " in out
    assert "4 done already" in out
    assert len(whole.tests()) == 6
    assert {run: whole.files(run) for run in before} == before
    noted = json.loads((whole.folder / "sweep.json").read_text())
    assert len(noted["runs"]) == 6
    assert len(noted["commands"]) == 2


def test_other_images_are_refused_before_the_first_run(whole: Sweeps) -> None:
    code, _, err = whole.run(*AXES, *SMALL[1:], "data.max_images=17")
    assert code == 2
    assert "so no job of this sweep was started: the sweep four was made with data.max_images=16" in err
    assert "data.max_images=17: choose another name with sweep=NAME." in err


def test_a_failing_run_stops_no_other(sweeps: Sweeps, tmp_path: Path) -> None:
    (tmp_path / "bombs.py").write_text(BOMB)
    words = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]")
    code, out, err = sweeps.run(*words)
    assert code == 1
    assert err == ""
    failed = [run for run in sweeps.states() if "lr_0.01" in run]
    assert [state for _, state in sorted(sweeps.states().items())] == ["done", "failed", "done", "failed"]
    for run in failed:
        log = (sweeps.folder / run / "train.log").read_text()
        assert "Traceback" in log
        assert 'raise RuntimeError("boom")' in log
        assert f"{run}  failed: RuntimeError: boom" in out
    assert sweeps.has_a_report()
    assert "boom" in (sweeps.folder / "report" / "report.html").read_text()

    (tmp_path / "bombs.py").write_text(BOMB.replace("0.01", "-1"))  # what made them fail is mended
    code, out, _ = sweeps.run(*words)
    assert code == 0
    assert "2 done already" in out
    assert set(sweeps.states().values()) == {"done"}


def test_fail_fast_starts_no_run_after_a_failure(sweeps: Sweeps, tmp_path: Path) -> None:
    (tmp_path / "bombs.py").write_text(BOMB)
    words = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]", "fail_fast=true")
    code, _, _ = sweeps.run(*words)
    assert code == 1
    assert sorted(sweeps.states().values()) == ["done", "failed"]
    # Given again, the command tries the failed run again: it stops at a new failure, not at the old one.
    (tmp_path / "bombs.py").write_text(BOMB.replace("0.01", "-1"))
    assert sweeps.run(*words)[0] == 0
    assert list(sweeps.states().values()) == ["done"] * 4


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_sweep_goes_on_to_the_same_results(
    sweeps: Sweeps, whole: Sweeps, stopped: list[subprocess.Popen[str]], how: signal.Signals
) -> None:
    words = (*AXES, *SMALL[:-3], "trainer.max_epochs=6", *SMALL[-2:])
    undisturbed = Sweeps(whole.folder.parents[2] / how.name, Path(whole.environment["XDG_CACHE_HOME"]))
    undisturbed.place.mkdir()
    assert undisturbed.run(*words)[0] == 0

    process = sweeps.start(*words)
    stopped.append(process)

    def second_is_under_way() -> bool:
        histories = sorted(sweeps.folder.glob("*/history.csv"), key=lambda path: path.stat().st_mtime)
        return len(sweeps.tests()) == 1 and len(histories) == 2 and len(histories[1].read_text().splitlines()) >= 3

    wait_for(second_is_under_way)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert sorted(filter(None, sweeps.states().values())) == ["done", "interrupted"]
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert "1 of 4 runs are done. The same command goes on with the sweep." in out
    done, interrupted = sorted(sweeps.states(), key=lambda run: sweeps.states()[run] or "")
    before = sweeps.files(done)

    code, out, _ = sweeps.run("sweep=four", program="report")
    assert code == 0
    assert "interrupted" in out

    code, out, _ = sweeps.run(*words)
    assert code == 0
    assert "1 done already" in out
    assert sweeps.files(done) == before
    assert "Going on after epoch" in (sweeps.folder / interrupted / "train.log").read_text()
    assert sweeps.tests() == undisturbed.tests()


def test_two_sweeps_at_once_share_the_work(sweeps: Sweeps, stopped: list[subprocess.Popen[str]]) -> None:
    words = (*AXES, *SMALL[:-3], "trainer.max_epochs=8", *SMALL[-2:])
    first = sweeps.start(*words)
    stopped.append(first)
    wait_for(lambda: bool(list(sweeps.folder.glob("*/history.csv"))))
    second = sweeps.start(*words)
    stopped.append(second)
    ends = [process.communicate(timeout=300) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert "is alive in another process, and left to it." in ends[1][0]
    assert len(sweeps.tests()) == 4
    assert set(sweeps.states().values()) == {"done"}
    for run in sweeps.states():
        log = (sweeps.folder / run / "train.log").read_text()
        assert log.count("Testing the weights of the best epoch") == 1, run
    assert sweeps.has_a_report()


def test_a_changed_configuration_is_refused_and_can_be_replaced(sweeps: Sweeps, tmp_path: Path) -> None:
    option = tmp_path / "own" / "loss_of" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("# @package _global_\nloss: mse\n")
    words = ("--config-dir", "own", "+loss_of=mine", *AXES[1:], *SMALL, "-m")
    assert sweeps.run(*words)[0] == 0
    before = sweeps.tests()
    option.write_text("# @package _global_\nloss: l1\n")
    code, _, err = sweeps.run(*words)
    assert code == 2
    assert "so no job of this sweep was started: The run " in err
    assert "was made with another configuration (loss differ): choose another sweep name, or replace it with " in err
    assert sweeps.tests() == before

    assert sweeps.run(*words, "overwrite=true")[0] == 0
    after = sweeps.tests()
    assert after.keys() == before.keys()
    assert all(after[run] != before[run] for run in after)
    files = {run: sweeps.files(run) for run in after}
    assert sweeps.run(*words, "overwrite=true")[0] == 0  # what is done with this configuration stays
    assert {run: sweeps.files(run) for run in after} == files


@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"),
    ],
)
def test_launchers_train_the_same_runs(sweeps: Sweeps, whole: Sweeps, launcher: tuple[str, ...]) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher[0].partition('=')[2].split('_')[0]}_launcher")
    code, out, err = sweeps.run(*AXES, *SMALL, *launcher)
    assert (code, err) == (0, "")
    assert sum(line.startswith(("1/4", "2/4", "3/4", "4/4")) for line in out.splitlines()) == 4
    theirs = whole.tests()
    assert sweeps.tests() == {run: theirs[run] for run in sweeps.tests()}
    assert len(sweeps.tests()) == 4
    assert sweeps.has_a_report()


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_tell_of_failures(sweeps: Sweeps, tmp_path: Path, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    (tmp_path / "bombs.py").write_text(BOMB)
    words = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]")
    code, out, _ = sweeps.run(*words, f"hydra/launcher={launcher}")
    assert code == 1
    assert sorted(filter(None, sweeps.states().values())) == ["done", "done", "failed", "failed"]
    assert out.count("failed: RuntimeError: boom") == 2


def test_joblib_shares_the_cores_among_its_processes(sweeps: Sweeps) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sweeps.environment.pop("OMP_NUM_THREADS")
    words = (*AXES, *SMALL, "data.num_workers=1")  # loader processes within joblib's
    assert sweeps.run(*words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")[0] == 0
    cores = len(os.sched_getaffinity(0))
    threads = {json.loads(path.read_text())["threads"] for path in sweeps.folder.glob("*/metrics.json")}
    assert threads == {max(1, cores // 2)}
