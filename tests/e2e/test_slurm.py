"""Sweeps as jobs of Slurm, by submitit; the commands of Slurm are stand-ins that run the jobs on this machine."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_stand_in
from slurm_stand_in import STATE
from small_trainings import without
from sweep_processes import SMALL, Sweeps

pytestmark = pytest.mark.slow

TWO = ("-m", "blur=gaussian,box", "sweep=four", *without(SMALL, "trainer.max_epochs"), "trainer.max_epochs=40")
SLURM = (
    "hydra/launcher=submitit_slurm",
    "hydra.launcher.partition=gpu",
    "hydra.launcher.gpus_per_node=1",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.array_parallelism=2",
    "hydra.launcher.timeout_min=120",
    "hydra.launcher.max_num_timeout=3",
    "+hydra.launcher.additional_parameters.requeue=true",
)
PATIENCE = 240.0  # s


@pytest.fixture
def cluster(sweeps: Sweeps, tmp_path: Path) -> Iterator[Path]:
    """The folder of the queue of stand-ins that the command of a sweep finds."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    sweeps.environment |= slurm_stand_in.install(tmp_path / "slurm")
    queue = Path(sweeps.environment[STATE])
    yield queue
    slurm_stand_in.end(queue)


def test_a_sweep_is_an_array_and_a_preempted_job_resumes_to_the_same_result(
    sweeps: Sweeps, cluster: Path, tmp_path: Path, cache_root: Path
) -> None:
    command = sweeps.start(*TWO, *SLURM)
    deadline = time.monotonic() + PATIENCE
    while not any(len(path.read_text().splitlines()) > 3 for path in sweeps.folder.glob("*-box-*/history.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(slurm_stand_in.jobs(cluster)["1000_1"], signal.SIGUSR2)  # as Slurm does before it takes the node
    out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, err) == (0, "")
    assert out.count("-seed_0  ") == 2  # a line per run, not one per start of its job
    assert sweeps.has_a_report()
    assert (cluster / "requeued_1000_1").exists()
    (log,) = sweeps.folder.glob("*-box-*/train.log")
    assert "Resuming after epoch" in log.read_text()
    given = slurm_stand_in.flags((cluster / "script_1000").read_text())
    assert given["array"] == "0-1%2"
    assert given["signal"] == "USR2@120"
    assert {"gpus-per-node": "1", "cpus-per-task": "1", "partition": "gpu", "time": "120"}.items() <= given.items()
    assert "requeue" in given
    undisturbed = Sweeps(tmp_path / "undisturbed", cache_root)
    undisturbed.place.mkdir()
    assert undisturbed.run(*TWO)[0] == 0
    assert sweeps.tests() == undisturbed.tests()
