from collections.abc import Callable
from pathlib import Path

import pytest
from study_runs import write_run

from deblur.reporting.results import Run
from studies.srcnn_2022.matching import IN_THE_STUDYS_WAY, OURS, alike, distinct, select
from studies.srcnn_2022.published import Place

Read = Callable[..., list[Run]]
GAINS = (1.0, 2.0, 3.0)


def test_a_whole_number_is_the_same_setting_as_a_float(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "a", GAINS, scale=1.0)
    write_run(tmp_path / "b", GAINS, scale=1)
    one, other = runs_of(tmp_path / "a", tmp_path / "b")
    assert alike(one, other)
    assert distinct([one, other]) == [one]


def test_where_the_images_lie_is_no_difference(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS)
    write_run(tmp_path, GAINS, settings={"root": "elsewhere"})
    assert alike(*runs_of(tmp_path))


def test_a_setting_that_an_older_version_did_not_write_is_no_difference(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS)
    write_run(tmp_path, GAINS, settings={"boundary": "symmetric"})
    write_run(tmp_path, GAINS, settings={"boundary": "valid"})
    old, real, symmetric = runs_of(tmp_path)
    assert alike(old, symmetric)
    assert not alike(symmetric, real)


def test_runs_differ_in_settings_and_in_images(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS)
    write_run(tmp_path, GAINS, settings={"flips": False})
    write_run(tmp_path, GAINS, seed=1)
    write_run(tmp_path, GAINS, seed=2, fingerprint="0" * 64)
    first, unflipped, second, elsewhere = runs_of(tmp_path)
    assert not alike(first, unflipped)
    assert alike(first, unflipped, "data.flips")
    assert not alike(first, second)
    assert alike(first, second, "seed")
    assert not alike(first, elsewhere, "seed")


def test_configurations_are_filled_from_any_sweep(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "one", GAINS)
    write_run(tmp_path / "one", GAINS, model="srcnn_9315", blur="motion", lr=0.0001)
    write_run(tmp_path / "two", GAINS)  # the same as the first
    write_run(tmp_path / "two", GAINS, seed=1)
    write_run(tmp_path / "two", GAINS, model="original_915")
    found = select(runs_of(tmp_path / "one", tmp_path / "two"), OURS)
    assert {
        place: [run.config["seed"] for run in configuration] for place, configuration in found.configurations.items()
    } == {
        Place("box", "9-1-5", 0.001): [0, 1],
        Place("motion", "9-3-1-5", 0.0001): [0],
    }
    assert (found.rates, found.left_out) == ([0.001, 0.0001], "")


def test_configurations_agree_in_their_other_settings(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, settings={"flips": False})
    write_run(tmp_path, GAINS)
    write_run(tmp_path, GAINS, blur="motion")
    write_run(tmp_path, GAINS, scale=0.1)
    found = select(runs_of(tmp_path), OURS)
    assert list(found.configurations) == [Place("box", "9-1-5", 0.001), Place("motion", "9-1-5", 0.001)]
    assert all(run.config["data.flips"] for run in found.runs)
    assert found.left_out == (
        "2 further finished runs of these networks are not in the tables: 1 differs in last_layer_lr_scale; 1 differs "
        "in flips."
    )
    write_run(tmp_path, GAINS, scale=0.1, blur="gaussian", fingerprint="0" * 64)
    assert "; 1 differs in last_layer_lr_scale and the images." in select(runs_of(tmp_path), OURS).left_out


def test_a_run_whose_psnr_is_not_defined_fills_nothing(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, no_psnr=[0, 2], exact=1)
    write_run(tmp_path, GAINS, no_psnr=[1], exact=1, seed=1)
    found = select(runs_of(tmp_path), OURS)
    assert [run.config["seed"] for run in found.runs] == [1]
    assert found.left_out == (
        "1 further finished run of these networks is not in the tables: 1 has test images whose PSNR is not defined."
    )


def test_a_defined_run_stands_for_its_undefined_double(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "a", GAINS, no_psnr=[0])
    write_run(tmp_path / "b", GAINS)
    assert [run.sweep for run in select(runs_of(tmp_path / "a", tmp_path / "b"), OURS).runs] == ["b"]


@pytest.mark.parametrize("change", [{"size": 9}, {"noise_sigma": 2.0}, {"jpeg_quality": 80}])
def test_another_strength_is_another_problem(tmp_path: Path, runs_of: Read, change: dict[str, float]) -> None:
    import json

    path = write_run(tmp_path, GAINS) / "config.yaml"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"blur": config["blur"] | change}))
    assert select(runs_of(tmp_path), OURS).configurations == {}


def test_runs_without_a_result_fill_nothing(tmp_path: Path, runs_of: Read) -> None:
    (write_run(tmp_path, GAINS) / "metrics.json").unlink()
    assert select(runs_of(tmp_path), OURS).configurations == {}
    assert select(runs_of(tmp_path), IN_THE_STUDYS_WAY).runs == []
