"""The trials of a search: how they are drawn, compared and promoted."""

from pathlib import Path

import pytest
from run_files import write_table

from deblur.config.search import RANGES
from deblur.sweeps.sampling import Observation, next_settings
from deblur.sweeps.search import Trial, _TrialFailed, promoted, value_after

SPACE = {
    "optimizer.lr": RANGES["log"].model_validate({"log": [1e-5, 1e-1]}),
    "model.dropout": RANGES["linear"].model_validate({"linear": [0, 0.5]}),
    "data.patches_per_image": RANGES["int"].model_validate({"int": [1, 3]}),
    "model.kernel_sizes": RANGES["choice"].model_validate({"choice": [[9, 1, 5], [9, 3, 5]]}),
}


def drawn(seed: int, count: int) -> list[Observation]:
    """Draw trials whose value is larger the nearer their learning rate is to 1e-3; every fifth one fails."""
    earlier: list[Observation] = []
    for number in range(count):
        settings = next_settings(SPACE, seed, earlier)
        earlier.append(Observation(settings, None if number % 5 == 4 else -abs(settings["optimizer.lr"] - 1e-3)))
    return earlier


def test_settings_depend_on_the_seed_and_the_earlier_trials_alone() -> None:
    first = drawn(3, 14)
    assert drawn(3, 14) == first
    assert [next_settings(SPACE, 3, first[:number]) for number in (5, 13)] == [first[5].settings, first[13].settings]
    assert drawn(4, 3) != first[:3]
    for settings, _ in first:
        assert 1e-5 <= settings["optimizer.lr"] <= 1e-1
        assert settings["optimizer.lr"] == float(f"{settings['optimizer.lr']:.4g}")
        assert settings["data.patches_per_image"] in (1, 2, 3)
        assert settings["model.kernel_sizes"] in ("[9,1,5]", "[9,3,5]")


def trial(value: float | None, run: str = "", error: str | None = None) -> Trial:
    return Trial({}, run or f"{value}", {} if value is None else {2: value}, error)


def test_the_best_of_a_rung_are_promoted() -> None:
    trials = [trial(1.0), trial(None, "x", "failed"), trial(3.0), trial(2.0), trial(5.0, error="later"), trial(0.5)]
    assert promoted(trials, 2, 3) == [trials[2], trials[3]]
    assert promoted(trials, 2, 2) == [trials[2], trials[3], trials[0]]
    assert promoted(trials, 2, 10) == [trials[2]]
    assert promoted(trials[1:2], 2, 2) == []


def test_of_equal_trials_the_first_is_promoted_and_a_run_once() -> None:
    trials = [trial(1.0, "a"), trial(1.0, "b"), trial(1.0, "a"), trial(0.0, "c")]
    assert promoted(trials, 2, 2) == trials[:2]
    assert promoted(trials, 2, 4) == trials[:1]


def test_the_value_is_that_of_the_best_epoch_so_far(tmp_path: Path) -> None:
    assert value_after(tmp_path, 1, 1) is None
    psnr = (20.0, 22.0, 21.0, None)
    rows = [{"epoch": epoch, "val/psnr": value, "val/loss": value} for epoch, value in enumerate(psnr, 1)]
    write_table(tmp_path / "history.csv", rows)
    assert [value_after(tmp_path, epochs, 1) for epochs in (1, 2, 3, 5)] == [20.0, 22.0, 22.0, None]
    with pytest.raises(_TrialFailed, match="not a finite number after 4 epochs"):
        value_after(tmp_path, 4, 1)
    assert value_after(tmp_path, 4, 3) == 21.0  # without a validation in the others
