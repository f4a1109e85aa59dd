from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from deblur.training.loggers import CSV

ROWS = [{"epoch": epoch, "step": epoch * 10, "lr": 0.1, "train/loss": 0.5, "val/psnr": 20.0} for epoch in (1, 2)]
WHOLE = """step,val/psnr,train/loss,lr-Adam,test/psnr
9,20.0,0.5,,
10,,,0.1,
19,20.0,0.5,,
20,,,0.1,
29,20.0,0.5,,
30,,,,21.0
"""


def train(logger: CSV, epochs: range) -> None:
    """Log as a training does: after each epoch a checkpoint is written, and the next epoch begins."""
    for epoch in epochs:
        logger.log_metrics({"val/psnr": 20.0, "epoch": epoch}, epoch * 10 + 9)
        logger.log_metrics({"train/loss": 0.5}, epoch * 10 + 9)
        logger.sync()
        if epoch < 2:
            logger.log_metrics({"lr-Adam": 0.1}, epoch * 10 + 10)


def finish(logger: CSV) -> None:
    train(logger, range(2, 3))
    logger.log_metrics({"test/psnr": 21.0, "epoch": 3}, 30)
    logger.finish(30)


@pytest.mark.parametrize("damage", ["none", "ahead", "behind", "gone", "cut"])
def test_a_resumed_run_has_each_row_once(tmp_path: Path, damage: str) -> None:
    path, first = tmp_path / "metrics.csv", CSV(tmp_path)
    first.log_settings({})
    train(first, range(1 if damage == "behind" else 2))
    if damage == "ahead":  # killed between the table and the checkpoint of the third epoch
        train(first, range(2, 3))
    first.abandon(is_stopped=True)
    if damage == "gone":
        path.unlink()
    if damage == "cut":
        path.write_text(path.read_text()[:30])
    second = CSV(tmp_path)
    second.resume(None, 20, ROWS)
    second.log_settings({})
    second.log_metrics({"lr-Adam": 0.1}, 20)
    finish(second)
    found = {tuple(line.split(",")) for line in path.read_text().splitlines()[1:]}
    steps = [line.partition(",")[0] for line in path.read_text().splitlines()[1:]]
    assert len(set(steps)) == len(steps)
    if damage in ("none", "ahead"):
        assert path.read_text() == WHOLE
    else:  # the rate is no part of what a checkpoint holds
        assert {"9", "19", "20", "29", "30"} <= set(steps)
        assert all(row.count("20.0") == 1 for row in found if row[0] in ("9", "19", "29"))


def test_a_run_that_starts_over_has_no_old_rows(tmp_path: Path) -> None:
    old = CSV(tmp_path)
    old.log_settings({})
    train(old, range(2))
    new = CSV(tmp_path)
    new.log_settings({})
    train(new, range(1))
    assert (tmp_path / "metrics.csv").read_text() == "step,val/psnr,train/loss\n9,20.0,0.5\n"


def test_other_processes_of_a_run_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = CSV(tmp_path)
    logger.log_settings({})
    train(logger, range(2))
    logger.finish(20)
    logger.abandon(is_stopped=False)
    assert not list(tmp_path.iterdir())
