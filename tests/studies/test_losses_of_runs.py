import math
from collections.abc import Callable
from pathlib import Path

import pytest
from study_runs import write_run

from deblur.reporting.results import Run
from deblur.reporting.tables import NOTHING, TextTable
from studies.srcnn_2022.loss_tables import (
    configurations_of,
    losses,
    mse_table,
    psnr_of,
    psnr_table,
    seeds_sentence,
    share_table,
)
from studies.srcnn_2022.matching import OURS, select
from studies.srcnn_2022.published import read_published

Read = Callable[..., list[Run]]
INPUTS = (10.0, 20.0)  # [dB]: MSE 0.1 and 0.01, in the mean 0.055
GAINS = (10.0, 10.0)  # MSE 0.01 and 0.001, in the mean 0.0055


def row(table: TextTable, blur: str, network: str) -> list[str]:
    (found,) = [list(one) for one in table.rows if tuple(one[:2]) == (blur, network)]
    return found[2:]


def test_an_mse_follows_from_the_psnr_of_each_image(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, inputs=INPUTS, losses=(0.5, 0.25))
    found = losses(runs_of(tmp_path))
    assert (found.test, found.test_input) == (pytest.approx(0.0055), pytest.approx(0.055))
    assert found.test_share == pytest.approx(0.1)
    assert (found.psnr, found.input_psnr) == (pytest.approx(25), pytest.approx(15))
    assert found.validation == 0.25
    assert found.validation_share == pytest.approx(0.25 / 0.055)
    assert (found.epochs, found.seeds) == (2, 1)


def test_seeds_are_averaged(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, (10.0, 10.0), inputs=INPUTS, losses=(0.2,))
    write_run(tmp_path, (0.0, 0.0), inputs=INPUTS, losses=(0.4,), seed=1)
    found = losses(runs_of(tmp_path))
    assert found.test == pytest.approx((0.0055 + 0.055) / 2)
    assert found.validation == pytest.approx(0.3)


def test_an_image_without_error_is_an_mse_of_zero(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, inputs=INPUTS, no_psnr=[1], exact=1)
    found = losses(runs_of(tmp_path))
    assert found.test == pytest.approx(0.005)
    assert found.psnr == pytest.approx(20)


def test_a_validation_loss_that_is_not_finite_is_not_known(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, inputs=INPUTS)
    write_run(tmp_path, GAINS, inputs=INPUTS, losses=(0.5, math.nan), seed=1)
    found = losses(runs_of(tmp_path))
    assert (found.validation, found.validation_share) == (None, None)


def test_configurations_of_several_seeds_are_named(tmp_path: Path, runs_of: Read) -> None:
    def stated() -> str:
        return seeds_sentence(configurations_of(select(runs_of(tmp_path), OURS)))

    write_run(tmp_path, GAINS, inputs=INPUTS)
    assert stated() == "Each configuration was trained once."
    write_run(tmp_path, GAINS, inputs=INPUTS, seed=1)
    assert stated() == "Each configuration is the mean of 2 seeds."
    write_run(tmp_path, GAINS, inputs=INPUTS, model="srcnn_9315", lr=0.0001)
    assert stated() == "Means of 2 seeds: 9-1-5 on box blur at 0.001. Each other configuration was trained once."


def test_the_psnr_of_an_mse() -> None:
    assert psnr_of(0.001) == pytest.approx(30)
    assert psnr_of(0) == math.inf


def test_both_stand_side_by_side(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, inputs=INPUTS, losses=(0.011,))
    write_run(tmp_path, (0.0, 0.0), inputs=INPUTS, losses=(0.055,), lr=0.0001)
    published, configurations = read_published(), configurations_of(select(runs_of(tmp_path), OURS))
    shares = share_table(published, configurations)
    assert list(shares.columns[2:]) == [
        "study 0.0001",
        "study 0.00005",
        "ours 0.001, validation",
        "ours 0.0001, validation",
        "ours 0.001, test",
        "ours 0.0001, test",
    ]
    assert len(shares.rows) == 12
    assert row(shares, "box", "9-1-5") == ["71.3 %", "56.1 %", "20.0 %", "100.0 %", "10.0 %", "100.0 %"]
    assert row(shares, "box", "9-3-1-5") == ["49.1 %", "52.6 %", NOTHING, NOTHING, NOTHING, NOTHING]
    assert row(shares, "motion", "blurred input")[:3] == ["100.0 %", "100.0 %", NOTHING]
    assert {one[0] for one in share_table(published, configurations, {"motion"}).rows} == {"motion"}
    table = mse_table(published, configurations)
    assert row(table, "box", "9-1-5") == ["0.00610", "0.00480", "0.01100", "0.05500", "0.00550", "0.05500"]
    assert row(table, "box", "blurred input") == ["0.00856", "0.00856", NOTHING, NOTHING, "0.05500", "0.05500"]
    decibels = psnr_table(published, configurations)
    assert list(decibels.columns[-2:]) == ["ours 0.001, PSNR", "ours 0.0001, PSNR"]
    assert row(decibels, "box", "9-1-5")[:2] == ["22.15", "23.19"]
    assert row(decibels, "box", "9-1-5")[4:] == ["22.60", "12.60", "25.00", "15.00"]
    assert row(decibels, "box", "blurred input")[4:] == ["12.60", "12.60", "15.00", "15.00"]
