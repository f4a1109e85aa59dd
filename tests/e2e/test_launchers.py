"""Sweeps whose runs are started by joblib and submitit."""

import json
import os
from pathlib import Path

import pytest
import torch
from sampling import exhaustive
from small_trainings import without
from sweep_processes import AXES, BOMB, SMALL, Sweeps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Sweeps:
    """The same sweep, its runs trained one after the other."""
    place = Sweeps(tmp_path_factory.mktemp("one_by_one"), cache_root)
    assert place.run(*AXES, *SMALL)[0] == 0
    return place


@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"),
    ],
)
def test_launchers_train_the_same_runs(sweeps: Sweeps, one_by_one: Sweeps, launcher: tuple[str, ...]) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher[0].partition('=')[2].split('_')[0]}_launcher")
    code, out, err = sweeps.run(*AXES, *SMALL, *launcher)
    assert (code, err) == (0, "")
    assert sum(line.startswith(("1/4", "2/4", "3/4", "4/4")) for line in out.splitlines()) == 4
    assert len(sweeps.tests()) == 4
    assert sweeps.tests() == one_by_one.tests()
    assert sweeps.has_a_report()


@pytest.mark.parametrize("launcher", ["joblib", exhaustive("submitit_local")])
def test_launchers_report_failures(sweeps: Sweeps, tmp_path: Path, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    (tmp_path / "bombs.py").write_text(BOMB)
    overrides = (*AXES, *SMALL, "+callbacks.bomb._target_=bombs.Bomb", "trusted=[bombs]")
    code, out, _ = sweeps.run(*overrides, f"hydra/launcher={launcher}")
    assert code == 1
    assert sorted(filter(None, sweeps.states().values())) == ["done", "done", "failed", "failed"]
    assert out.count("failed: RuntimeError: boom") == 2


@pytest.mark.parametrize("launcher", ["joblib", exhaustive("submitit_local")])
def test_launchers_share_the_cores_among_their_processes(sweeps: Sweeps, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    sweeps.environment.pop("OMP_NUM_THREADS")
    overrides = (*AXES, *SMALL, "data.num_workers=1")  # loader processes within theirs
    assert sweeps.run(*overrides, f"hydra/launcher={launcher}")[0] == 0
    cores = len(os.sched_getaffinity(0))
    at_once = 4 if launcher == "submitit_local" else min(4, cores)
    threads = {json.loads(path.read_text())["threads"] for path in sweeps.folder.glob("*/metrics.json")}
    assert threads == {max(1, cores // at_once)}


def test_a_run_that_cannot_begin_says_so_in_its_files(sweeps: Sweeps) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    on_gpu = (*without(SMALL, "trainer.accelerator"), "trainer.accelerator=gpu")
    overrides = ("-m", "blur=box", "optimizer.lr=1e-3", "sweep=four", *on_gpu)
    code, out, _ = sweeps.run(*overrides, "hydra/launcher=submitit_local")
    assert code == 1
    assert "failed: trainer.accelerator=gpu needs a device that torch" in out
    (log,) = sweeps.folder.glob("*/train.log")
    assert "trainer.accelerator=gpu needs a device" in log.read_text()
