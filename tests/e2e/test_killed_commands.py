"""Commands that are killed while other processes work for them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sampling import exhaustive
from sweep_processes import AXES, SMALL, Sweeps

pytestmark = pytest.mark.slow

LONGER = tuple(word.replace("max_epochs=2", "max_epochs=12") for word in SMALL)
SECONDS = 30.0  # after which no process may be left; a killed training needs a moment on a busy machine


def session(number: int) -> list[str]:
    """Return the commands of the processes of a session that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, _, of, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(of) == number and state not in "ZX":
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start commands in sessions of their own, which end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(place: Sweeps, *overrides: str) -> "subprocess.Popen[str]":
        processes.append(place.start(*overrides, new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        while session(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """The same sweep, which nothing has disturbed."""
    place = Sweeps(tmp_path_factory.mktemp("undisturbed"), cache_root)
    assert place.run(*AXES, *LONGER)[0] == 0
    return place


def epochs(folder: Path) -> list[int]:
    return [len(path.read_text().splitlines()) - 1 for path in folder.rglob("history.csv")]


@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        exhaustive(("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"), is_one=True),
    ],
)
def test_runs_end_with_their_command_and_resume_to_the_same_results(
    sweeps: Sweeps,
    undisturbed: Sweeps,
    started: Callable[..., "subprocess.Popen[str]"],
    launcher: tuple[str, ...],
) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher[0].partition('=')[2].split('_')[0]}_launcher")
    command = started(sweeps, *AXES, *LONGER, *launcher)
    assert wait_for(lambda: sum(count >= 2 for count in epochs(sweeps.folder)) >= 2, 240)
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert wait_for(lambda: not session(command.pid), SECONDS), session(command.pid)
    assert "interrupted" in sweeps.states().values()
    assert "running" not in sweeps.states().values()
    code, out, err = sweeps.run(*AXES, *LONGER)
    assert (code, err) == (0, "")
    assert "4 runs in " in out
    assert sweeps.tests() == undisturbed.tests()


@pytest.mark.parametrize("overrides", [("data.num_workers=2",), ("trainer=ddp", "trainer.devices=2")])
def test_loaders_and_further_devices_end_with_their_run(
    sweeps: Sweeps, tmp_path: Path, started: Callable[..., "subprocess.Popen[str]"], overrides: tuple[str, ...]
) -> None:
    long = tuple(word.replace("max_epochs=12", "max_epochs=2000") for word in LONGER)
    command = started(sweeps, *long, "data.eval_batch_size=1", *overrides)
    assert wait_for(lambda: any(count >= 1 for count in epochs(tmp_path / "outputs")), 240)
    assert len(session(command.pid)) > 1
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert wait_for(lambda: not session(command.pid), SECONDS), session(command.pid)
