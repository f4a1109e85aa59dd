"""Records of W&B, as its own definitions read them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_folders import in_wandb

from deblur.errors import UserError
from deblur.training.loggers import WandB
from deblur.training.loggers.run_logger import RunPlace

wandb = pytest.importorskip("wandb", reason="needs the extra [wandb]")

pytestmark = pytest.mark.slow  # W&B takes seconds to start its process

ROWS = [{"epoch": epoch, "step": epoch * 10, "train/loss": 0.5, "val/psnr": 20.0 + epoch} for epoch in (1, 2)]
PSNR = [("val/psnr", 9, 21.0), ("val/psnr", 19, 22.0), ("val/psnr", 29, 23.0)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def new(run: Path, *, after: int = 0) -> WandB:
    logger = WandB(run)
    logger.enter(RunPlace("box", None, run.parent))
    if after:
        logger.resume(None, after * 10, ROWS[:after])
    return logger


def begun(run: Path, epochs: int, *, after: int = 0) -> WandB:
    """Return the logger of a training of so many epochs that resumes after some."""
    logger = new(run, after=after)
    logger.log_settings({"lr": 1e-3, "set/epochs": epochs})
    return logger


def train(logger: WandB, *epochs: int) -> None:
    for epoch in epochs:
        logger.log_image("val/comparison", np.full((8, 8), epoch, np.uint8), epoch * 10)
        logger.log_metrics({"train/loss": 0.5, "val/psnr": 20.0 + epoch}, epoch * 10 - 1)
        logger.sync()


def folders(run: Path) -> list[dict[str, Any]]:
    return [in_wandb(path) for path in sorted((run / "wandb").glob("*run-*"))]


def psnr(found: dict[str, Any]) -> list[tuple[str, int, float]]:
    return [row for row in found["rows"] if row[0] == "val/psnr"]


def test_a_finished_run_that_is_made_longer_is_a_new_run_and_the_old_one_stays(run: Path) -> None:
    shorter = begun(run, 2)
    train(shorter, 1, 2)
    identity = shorter.version
    shorter.finish(20)
    longer = begun(run, 3, after=2)
    train(longer, 3)
    assert longer.version != identity
    longer.finish(30)
    old, new_one = sorted(folders(run), key=lambda one: one["id"] != identity)
    assert (old["settings"]["epochs"], new_one["settings"]["epochs"]) == (2, 3)
    assert (psnr(old), psnr(new_one)) == (PSNR[:2], PSNR)
    assert [len(one["images"]) for one in (old, new_one)] == [2, 1]


def test_an_interrupted_run_that_is_made_longer_continues(run: Path) -> None:
    shorter = begun(run, 2)
    identity = shorter.version
    train(shorter, 1)
    shorter.abandon(is_stopped=True)
    longer = begun(run, 3, after=1)
    train(longer, 2, 3)
    longer.finish(30)
    (found,) = folders(run)
    assert (found["id"], found["settings"]["epochs"]) == (identity, 3)
    assert psnr(found) == PSNR
    assert len(found["images"]) == 3


def test_a_training_from_the_start_does_not_continue_what_is_lost(run: Path) -> None:
    lost = begun(run, 2)
    identity = lost.version
    train(lost, 1, 2)
    lost.abandon(is_stopped=True)
    again = begun(run, 2)  # none of its checkpoints could be used
    train(again, 1)
    again.abandon(is_stopped=True)
    (found,) = folders(run)
    assert found["id"] != identity
    assert psnr(found) == PSNR[:1]


def test_an_earlier_folder_stays_until_a_new_one_holds_all_of_it(run: Path) -> None:
    first = begun(run, 3)
    train(first, 1, 2)
    first.abandon(is_stopped=True)
    copy = run / "wandb" / "until_done" / "rows.json"
    content = copy.read_text()
    copy.unlink()
    copy.mkdir()  # in its place nothing can be written
    broken = new(run, after=2)
    with pytest.raises(OSError, match=r"rows\.json"):
        broken.log_settings({"lr": 1e-3, "set/epochs": 3})
    broken.abandon(is_stopped=False)
    (found,) = folders(run)
    assert psnr(found) == PSNR[:2]
    copy.rmdir()
    copy.write_text(content)
    stopped = begun(run, 3, after=2)
    stopped.abandon(is_stopped=True)
    (found,) = folders(run)
    assert psnr(found) == PSNR[:2]
    assert len(found["images"]) == 2


def own_processes() -> Iterator[int]:
    """Yield the ids of the processes that this one has started."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has just ended
            continue
        if parent == str(os.getpid()):
            yield int(path.parent.name)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_process_of_wandb_that_died_is_a_sentence_and_the_next_run_has_another(run: Path, tmp_path: Path) -> None:
    wandb.teardown()
    logger = begun(run, 3)
    (process,) = (one for one in own_processes() if b"wandb-core" in Path(f"/proc/{one}/cmdline").read_bytes())
    os.kill(process, signal.SIGKILL)
    with pytest.raises(UserError, match=r"^W&B cannot record the run \("):
        train(logger, *range(1, 1000))  # until it notices
    logger.abandon(is_stopped=False)
    other = tmp_path / "other"
    other.mkdir()
    following = begun(other, 3)
    train(following, 1)
    following.finish(10)
    (found,) = folders(other)
    assert psnr(found) == PSNR[:1]
