from pathlib import Path
from typing import Any

import pytest
from constructed import constructed
from damages import WAYS, damage

from deblur.sweeps.estimate import seconds_left
from deblur.sweeps.sweep import Job


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
