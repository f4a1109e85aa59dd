"""Runs of a cross-validation in a report: folds are no settings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from run_files import INPUT, write_history, write_report

from deblur.reporting import read_findings
from deblur.reporting.answers import fold_interval
from deblur.reporting.tables import configuration_table

Files = Callable[..., Path]
STUDENT = 4.302653  # 97.5 % quantile of Student's distribution with two degrees of freedom


@pytest.fixture
def crossed(make_measured: Files, sweep: Path) -> Path:
    """Two settings on three folds of two images each; gains 1, 2 and 3 dB, and half a dB less."""
    for lr, less in ((0.001, 0.0), (0.0001, 0.5)):
        for fold in range(3):
            names = [f"face-{2 * fold + place}.png" for place in range(2)]
            gains = [fold + 1 - less - 0.1, fold + 1 - less + 0.1]
            run = make_measured(f"lr_{lr}-fold_{fold}", gains, names, lr=lr)
            text = (run / "config.yaml").read_text()
            (run / "config.yaml").write_text(text.replace("100}", f"100, folds: 3, fold: {fold}}}"))
            write_history(run, [fold + 0.5, fold + 1.0])
    return sweep


def test_folds_are_averaged(crossed: Path) -> None:
    findings = read_findings([crossed])
    (answer,) = findings.answers
    assert answer.test_setting.label == "box"
    assert [one.hyperparameters for one in findings.table.configurations] == ["lr 0.0001", "lr 0.001"]
    best = answer.best
    assert (best.hyperparameters, best.folds, best.seeds) == ("lr 0.001", (3, 3), 1)
    assert len(best.images) == 6
    assert best.mean("gain") == pytest.approx(2.0)
    assert best.mean("psnr") == pytest.approx(INPUT + 2.0)
    assert best.deviation("gain") == pytest.approx(1.0)
    half = STUDENT * ((1 / 3 + 1 / 2) * 1.0) ** 0.5
    assert answer.gain == pytest.approx((2.0 - half, 2.0 + half), abs=1e-5)
    (other,) = answer.competitors
    assert other.difference == pytest.approx(0.5)
    assert other.interval == pytest.approx((0.5, 0.5))


def test_a_missing_fold_is_counted_and_not_compared(crossed: Path) -> None:
    status = crossed / "lr_0.0001-fold_1" / "status.json"
    status.write_text(json.dumps({"state": "failed", "epoch": 1, "error": "boom"}))
    (answer,) = read_findings([crossed]).answers
    table = configuration_table(answer)
    assert [row[table.columns.index("folds")] for row in table.rows] == ["3 of 3", "2 of 3"]
    assert answer.competitors[0].interval is None


def test_other_numbers_of_folds_are_other_images(crossed: Path) -> None:
    for run in crossed.glob("lr_0.0001-*"):
        text = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(text.replace("folds: 3", "folds: 4"))
    assert [one.label for one in read_findings([crossed]).table.test_settings] == ["box, folds 4", "box, folds 3"]


def test_the_page_says_how_folds_are_averaged(crossed: Path, tmp_path: Path) -> None:
    page = write_report([crossed], tmp_path / "report").read_text()
    assert "with the correction of\nNadeau and Bengio (2003)" in page
    assert "Lines are means over the folds" in page
    assert "22.00 ± 1.00" in page


def test_two_folds_are_the_fewest_with_an_interval() -> None:
    assert fold_interval([1.0], 5) is None
    narrow, wide = fold_interval([1.0, 2.0, 3.0], 10), fold_interval([1.0, 2.0, 3.0], 3)
    assert narrow is not None
    assert wide is not None
    assert wide.low < narrow.low < 2.0 < narrow.high < wide.high
