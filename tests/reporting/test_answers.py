from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deblur.reporting.answers import Answer, answer, mean_interval
from deblur.reporting.configurations import arrange
from deblur.reporting.results import read_sweep
from deblur.reporting.tables import answer_table, notices

Files = Callable[..., Path]

NOISE = np.random.default_rng(0).normal(0, 0.3, 40)
HARD = np.random.default_rng(1).normal(0, 2.0, 40)  # how much harder some images are than others, for every network


def answers(*folders: Path) -> list[Answer]:
    return [
        one
        for test_setting in arrange([read_sweep(folder) for folder in folders]).test_settings
        if (one := answer(test_setting))
    ]


def test_configurations_are_compared_image_by_image(make_measured: Files, sweep: Path) -> None:
    make_measured("a", HARD + 3.2)
    make_measured("b", HARD + 3.0 + NOISE / 10, lr=0.0001)  # 0.2 dB is little beside 2 dB between the images
    make_measured("c", HARD + 3.2 + NOISE - NOISE.mean() - 0.001, lr=0.01)
    (found,) = answers(sweep)
    assert found.best.name == "srcnn_915, lr 0.001"
    assert [(competitor.configuration.name, competitor.is_significant) for competitor in found.competitors] == [
        ("srcnn_915, lr 0.01", False),
        ("srcnn_915, lr 0.0001", True),
    ]
    assert found.competitors[1].difference == pytest.approx(0.2 - NOISE.mean() / 10)
    assert found.gain is not None
    assert found.best.mean("gain") in found.gain
    assert found.gain.high - found.gain.low > 0.8
    assert "srcnn_915, lr 0.001 restores best" in found.sentence
    assert "Not significantly different: srcnn_915, lr 0.01 (0.00 dB below" in found.sentence
    assert "lr 0.0001" not in found.sentence


def test_values_are_averaged_over_seeds_first(make_measured: Files, sweep: Path) -> None:
    make_measured("a0", [1.0, 2.0, 6.0])
    make_measured("a1", [3.0, 4.0, 2.0], seed=1)
    (found,) = answers(sweep)
    assert found.best.per_image("gain").tolist() == [2.0, 3.0, 4.0]
    assert (found.best.mean("gain"), found.best.mean("psnr")) == (3.0, 23.0)
    assert found.best.deviation("gain") == 0.0
    assert found.gain is not None
    assert 2.0 <= found.gain.low < 3.0 < found.gain.high <= 4.0


def test_the_deviation_over_seeds_is_that_of_their_means(make_measured: Files, sweep: Path) -> None:
    for seed, gain in enumerate([1.0, 2.0, 3.0]):
        make_measured(f"run-{seed}", [gain, gain + 1], seed=seed)
    assert answers(sweep)[0].best.deviation("psnr") == pytest.approx(1.0)


def test_an_infinite_psnr_is_left_out_and_counted(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0, None])
    make_measured("b", [0.5, 1.0, 99.0], lr=0.01)
    (found,) = answers(sweep)
    assert found.best.name == "srcnn_915, lr 0.001"
    assert found.best.mean("gain") == 1.5
    assert found.competitors[0].difference == 0.75
    assert found.test_setting.left_out == 1
    assert "1 test image with an infinite PSNR left out." in found.sentence


def test_the_best_is_chosen_on_the_images_that_all_configurations_share(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [0.5, 0.4, None])
    make_measured("b", [1.0, 2.0, -5.0], lr=0.01)
    assert answers(sweep)[0].best.hyperparameters == "lr 0.01"


def test_a_run_without_a_table_of_images_is_compared_by_its_mean_alone(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [2.0, 3.0])
    (make_measured("b", [1.0, 2.0], lr=0.01) / "images.csv").unlink()
    (found,) = answers(sweep)
    assert (found.competitors[0].difference, found.competitors[0].interval) == (1.0, None)
    assert "srcnn_915, lr 0.01 (not compared image by image)" in found.sentence


def test_one_test_image_tells_nothing_apart(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [2.0])
    make_measured("b", [1.0], lr=0.01)
    (found,) = answers(sweep)
    assert (found.gain, found.competitors[0].interval) == (None, None)
    assert found.sentence.endswith("With 1 test image to compare, no difference can be significant.")


def test_equal_differences_are_significant_and_equal_results_are_not(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [2.0, 3.0])
    make_measured("b", [1.0, 2.0], lr=0.01)
    make_measured("c", [2.0, 3.0], lr=0.1)
    (found,) = answers(sweep)
    assert {
        competitor.configuration.hyperparameters: competitor.is_significant for competitor in found.competitors
    } == {
        "lr 0.01": True,
        "lr 0.1": False,
    }


def test_the_lead_of_the_best_is_stated(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [2.0, 3.0])
    make_measured("b", [1.0, 2.0], lr=0.01)
    closest = "srcnn_915, lr 0.01 (1.00 dB below, 95 % interval 1.00 to 1.00)."
    assert answers(sweep)[0].sentence.endswith(f"It is significantly better than {closest}")
    make_measured("c", [0.0, 1.0], lr=0.1)
    (found,) = answers(sweep)
    assert found.sentence.endswith(f"It is significantly better than all 2 others; the closest is {closest}")
    row = dict(zip(answer_table([found]).columns, answer_table([found]).rows[0], strict=True))
    assert row["above the second [dB]"] == "1.00"


def test_degradation_is_called_so(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [-1.0, -2.0, -1.5])
    sentence = answers(sweep)[0].sentence
    assert sentence.startswith("box: srcnn_915, 18.50 dB, which is 1.50 dB worse than the blurred input")
    assert sentence.endswith("There is no other finished configuration to compare with.")


def test_a_gain_that_may_be_none_is_called_so(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [-1.0, 1.2, -0.9, 1.1])
    assert "not significantly different from 0" in answers(sweep)[0].sentence


def test_another_blur_is_another_problem(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    make_measured("b", [1.0, 2.0], blur="gaussian")
    assert [(one.test_setting.label, one.competitors) for one in answers(sweep)] == [("gaussian", []), ("box", [])]


def test_two_sweeps_of_the_same_images_are_compared(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    other = sweep.parent / "other"
    make_measured("a", [2.0, 2.5], into=other)
    (found,) = answers(sweep, other)
    assert (found.best.name, [competitor.configuration.name for competitor in found.competitors]) == (
        "srcnn_915, other",
        ["srcnn_915, grid"],
    )


@pytest.mark.parametrize("images", [["x.png", "y.png"], ["face-00.png", "face-01.png"]])
def test_two_sweeps_of_different_images_are_not(make_measured: Files, sweep: Path, images: list[str]) -> None:
    make_measured("a", [1.0, 2.0])
    other = sweep.parent / "other"
    make_measured("a", [2.0, 2.5], images, into=other)
    found = answers(sweep, other)
    assert [(one.test_setting.label, one.competitors) for one in found] == [
        ("box, sweep grid", []),
        ("box, sweep other", []),
    ]
    said = notices([read_sweep(sweep), read_sweep(other)], [one.test_setting for one in found])
    assert any(notice.startswith("The runs on box were tested on different images") for notice in said)


def test_images_degraded_in_another_way_are_not_compared(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    table = make_measured("b", [1.0, 2.0], lr=0.01) / "images.csv"
    table.write_text(table.read_text().replace(",20.0,", ",20.5,"))
    assert len(answers(sweep)) == 2


def test_an_unfinished_run_belongs_to_the_problem_of_the_others(
    make_run: Files, make_measured: Files, sweep: Path
) -> None:
    make_measured("b", [1.0, 2.0])
    make_run("a", "interrupted", lr=0.01)
    (test_setting,) = arrange([read_sweep(sweep)]).test_settings
    assert [
        (configuration.hyperparameters, len(configuration.done)) for configuration in test_setting.configurations
    ] == [
        ("lr 0.001", 1),
        ("lr 0.01", 0),
    ]


@pytest.mark.parametrize("key", ["versions.torch", "precision", "threads"])
def test_runs_of_different_kinds_are_noticed(make_measured: Files, sweep: Path, key: str) -> None:
    import json

    for name, value in (("a", "old"), ("b", "new")):
        path = make_measured(name, [1.0, 2.0], seed=ord(name)) / "metrics.json"
        metrics = json.loads(path.read_text())
        section, _, last = key.rpartition(".")
        (metrics.setdefault(section, {}) if section else metrics)[last] = value
        path.write_text(json.dumps(metrics))
    (said,) = notices([read_sweep(sweep)], [])
    assert said.startswith("The runs differ in the ")
    assert said.endswith(": old (1), new (1).")


def test_the_interval_of_a_normal_sample_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(3.0, 0.5, 400)
    found = mean_interval(values)
    assert found is not None
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert 3.0 in found
    assert 3.2 not in found


def test_95_of_100_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    holding = [2.0 in found for _ in range(100) if (found := mean_interval(rng.exponential(2.0, 60)))]
    assert len(holding) == 100
    assert 88 <= sum(holding) <= 99


def test_a_second_call_says_the_same() -> None:
    values = np.random.default_rng(3).normal(size=30)
    assert mean_interval(values) == mean_interval(values)


def test_equal_values_are_an_interval_of_no_width() -> None:
    assert mean_interval(np.full(5, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [np.inf, 2.0, np.nan]])
def test_one_image_tells_nothing_of_others(values: list[float]) -> None:
    assert mean_interval(np.array(values)) is None


def test_what_is_not_finite_is_left_out() -> None:
    values = np.random.default_rng(4).normal(size=20)
    assert mean_interval(np.append(values, [np.nan, np.inf])) == mean_interval(values)


@pytest.mark.filterwarnings("error")
def test_two_values_have_an_interval_between_them() -> None:
    found = mean_interval(np.array([1.0, 2.0]))
    assert found is not None
    assert (found.low, found.high) == (1.0, 2.0)
