"""Sweeps as users start them: processes, signals, files."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sampling import exhaustive
from small_trainings import without
from sweep_processes import AXES, BOMB, SMALL, Sweeps
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

pytestmark = pytest.mark.slow

LONGER = tuple(word.replace("max_epochs=2", "max_epochs=6") for word in SMALL)
GATE = """
import time
from pathlib import Path
from lightning.pytorch import Callback

class Gate(Callback):
    def on_train_start(self, trainer, module):
        while not Path("open").exists():
            time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """A sweep of four runs that nothing has disturbed; tests look at it but do not change its results."""
    place = Sweeps(tmp_path_factory.mktemp("whole"), cache_root)
    code, out, err = place.run(*AXES, *SMALL)
    assert (code, err) == (0, "")
    assert "4 runs in " in out
    assert [line for line in out.splitlines() if line.startswith("4/4  srcnn_915-box-lr_0.01")]
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """A sweep of longer runs that nothing has disturbed."""
    place = Sweeps(tmp_path_factory.mktemp("undisturbed"), cache_root)
    assert place.run(*AXES, *LONGER)[0] == 0
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


def test_tensorboard_can_filter_the_runs_by_what_they_vary(whole: Sweeps) -> None:
    seen = {}
    for run, test in whole.tests().items():
        events = EventAccumulator(str(whole.folder / run))
        events.Reload()
        assert "val/psnr" in events.Tags()["scalars"]
        assert [event.value for event in events.Scalars("test/psnr")] == pytest.approx([test["psnr"]])
        content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
        seen[run] = (hparams["model"].string_value, hparams["blur"].string_value, hparams["lr"].number_value)
    assert sorted(seen.values()) == [
        ("srcnn_915", blur, rate) for blur in ("box", "gaussian") for rate in (0.001, 0.01)
    ]
    assert all(run.startswith(f"{model}-{blur}-lr_{rate}-") for run, (model, blur, rate) in seen.items())


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
    code, _, err = whole.run(*AXES, *without(SMALL, "data.max_images"), "data.max_images=17")
    assert code == 2
    assert "so no job of this sweep was started: the sweep four was made with data.max_images=16" in err
    assert "data.max_images=17: choose another name with sweep=NAME." in err


def test_a_failing_run_stops_no_other(sweeps: Sweeps, tmp_path: Path) -> None:
    (tmp_path / "bombs.py").write_text(BOMB)
    overrides = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]")
    code, out, err = sweeps.run(*overrides)
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

    (tmp_path / "bombs.py").write_text(BOMB.replace("0.01", "-1"))  # the cause of their failure is fixed
    code, out, _ = sweeps.run(*overrides)
    assert code == 0
    assert "2 done already" in out
    assert set(sweeps.states().values()) == {"done"}


def test_fail_fast_starts_no_run_after_a_failure(sweeps: Sweeps, tmp_path: Path) -> None:
    (tmp_path / "bombs.py").write_text(BOMB)
    overrides = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]", "fail_fast=true")
    code, _, _ = sweeps.run(*overrides)
    assert code == 1
    assert sorted(sweeps.states().values()) == ["done", "failed"]
    # Given again, the command tries the failed run again: it stops at a new failure, not at the old one.
    (tmp_path / "bombs.py").write_text(BOMB.replace("0.01", "-1"))
    assert sweeps.run(*overrides)[0] == 0
    assert list(sweeps.states().values()) == ["done"] * 4


@pytest.mark.parametrize("how", [exhaustive(signal.SIGKILL), signal.SIGINT])
def test_a_stopped_sweep_resumes_to_the_same_results(
    sweeps: Sweeps, undisturbed: Sweeps, stopped: list[subprocess.Popen[str]], how: signal.Signals
) -> None:
    process = sweeps.start(*AXES, *LONGER)
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
        assert "1 of 4 runs are done. The same command resumes the sweep." in out
    done, interrupted = sorted(sweeps.states(), key=lambda run: sweeps.states()[run] or "")
    before = sweeps.files(done)

    code, out, _ = sweeps.run("four", program="report")
    assert code == 0
    assert "interrupted" in out

    code, out, _ = sweeps.run(*AXES, *LONGER)
    assert code == 0
    assert "1 done already" in out
    assert sweeps.files(done) == before
    assert "Resuming after epoch" in (sweeps.folder / interrupted / "train.log").read_text()
    assert sweeps.tests() == undisturbed.tests()


def test_two_sweeps_at_once_share_the_work(
    sweeps: Sweeps, tmp_path: Path, stopped: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "gates.py").write_text(GATE)
    overrides = (*AXES, *SMALL, "+callbacks.gate._target_=gates.Gate", "trusted=[gates]")
    for runs in (1, 2):
        stopped.append(sweeps.start(*overrides))
        wait_for(lambda runs=runs: len(sweeps.states()) == runs)
    (tmp_path / "open").touch()
    ends = [process.communicate(timeout=300) for process in stopped]
    # Who ends first may leave a run that the other still trains.
    assert sorted(process.returncode for process in stopped) in ([0, 0], [0, 1])
    assert "left to another process: " in ends[1][0]
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
    overrides = ("--config-dir", "own", "+loss_of=mine", *AXES[1:], *SMALL, "-m")
    assert sweeps.run(*overrides)[0] == 0
    before = sweeps.tests()
    option.write_text("# @package _global_\nloss: l1\n")
    code, _, err = sweeps.run(*overrides)
    assert code == 2
    assert "so no job of this sweep was started: The run " in err
    assert "was made with another configuration (loss differ): choose another sweep name, or replace it with " in err
    assert sweeps.tests() == before

    assert sweeps.run(*overrides, "overwrite=true")[0] == 0
    after = sweeps.tests()
    assert after.keys() == before.keys()
    assert all(after[run] != before[run] for run in after)
    files = {run: sweeps.files(run) for run in after}
    assert sweeps.run(*overrides, "overwrite=true")[0] == 0  # what is done with this configuration stays
    assert {run: sweeps.files(run) for run in after} == files
