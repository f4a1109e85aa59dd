"""Numbers for a symmetric and for a valid boundary."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deblur.evaluation.session import _means
from deblur.metrics import PSNR, measured_columns

Evaluate = Callable[..., Any]


@pytest.mark.slow
def test_networks_and_baselines_are_measured_with_both_boundaries(run: Path, evaluated: Evaluate) -> None:
    found = evaluated(f"run={run}", "baseline=[none,dct_wiener]", "data.eval_crop=null")
    boundaries = found.summary["boundaries"]
    assert list(boundaries) == ["symmetric", "valid"]
    assert [boundary["margin"] for boundary in boundaries.values()] == [[3, 3], [3, 3]]  # of a box of 7 px
    symmetric, real = (boundary["restorers"] for boundary in boundaries.values())
    assert list(symmetric) == list(real)
    network = next(name for name in real if name not in ("none", "dct_wiener"))
    gains = {name: (symmetric[name]["gain"], real[name]["gain"]) for name in real}
    assert gains["none"] == (0, 0)
    assert gains["dct_wiener"][0] > gains["dct_wiener"][1] + 1  # it relies on the mirror image
    assert gains[network][0] == pytest.approx(gains[network][1], abs=0.2)  # it sees 7 px
    psnrs = {
        name: [row["psnr"] for row in found.rows if (row["boundary"], row["restorer"]) == ("valid", name)]
        for name in real
    }
    for name in ("none", "dct_wiener"):
        above = [ours > theirs for ours, theirs in zip(psnrs[network], psnrs[name], strict=True)]
        assert real[name]["network_above"] == sum(above) / len(above)
    assert "network_above" not in real[network]
    assert {(row["boundary"], row["restorer"]) for row in found.rows} == {(b, r) for b in boundaries for r in real}


def test_a_tie_is_not_above() -> None:
    values = dict.fromkeys((*measured_columns([PSNR.info]), "images"), 1.0)
    psnrs = {"net": [20.0, 21.0, 22.0, math.inf], "same": [20.0, 20.0, 23.0, math.inf], "none": [1.0] * 4}
    rows = [{**values, "restorer": name, "psnr": psnr} for name, ours in psnrs.items() for psnr in ours]
    means = _means(rows, [PSNR.info], list(psnrs), ["net"])
    assert [means[name].get("network_above") for name in psnrs] == [None, 0.25, 1.0]


@pytest.mark.slow
def test_one_boundary_is_that_of_the_data(run: Path, evaluated: Evaluate) -> None:
    real = evaluated(f"run={run}", "data.boundary=valid", "data.eval_crop=null").summary
    both = evaluated(f"run={run}", "both_boundaries=true", "data.eval_crop=null").summary
    assert list(real["boundaries"]) == ["valid"]
    assert real["boundaries"]["valid"] == both["boundaries"]["valid"]
    alone = evaluated(f"run={run}", "baseline=[dct_wiener]", "both_boundaries=false").summary
    assert list(alone["boundaries"]) == ["symmetric"]


def test_without_a_blur_there_is_no_boundary_to_tell_apart(evaluated: Evaluate) -> None:
    summary = evaluated("baseline=[dct_wiener]", "blur=none", "data.max_images=12").summary
    assert list(summary["boundaries"]) == ["symmetric"]


def test_a_frame_that_the_blur_leaves_nothing_of_is_refused(refused: Callable[..., str]) -> None:
    overrides = ("baseline=[none]", "both_boundaries=true", "blur=box", "blur.size=257", "data.max_images=12")
    assert refused(*overrides) == (
        "A valid boundary leaves nothing of the images: the blur takes 128 px of each side, so that an image needs at "
        "least 257x257 px, and the largest is 256x256 px. Take a smaller blur, larger images or both_boundaries=false."
    )
    assert refused(*overrides[:1], *overrides[2:], "both_boundaries=false", "data.boundary=valid").endswith(
        "or data.boundary=symmetric."
    )


def test_a_circular_boundary_is_measured_alone(evaluated: Evaluate) -> None:
    overrides = ("baseline=[none,dct_wiener,wiener]", "data.max_images=12", "data.boundary=circular")
    found = evaluated(*overrides, "blur=motion", "blur.angle=30", "data.eval_crop=64").summary
    assert found["measured_on"]["boundary"] == "circular boundary"
    assert list(found["boundaries"]) == ["circular"]
    measured = found["boundaries"]["circular"]
    assert measured["margin"] == [0, 0]
    assert measured["baselines"]["dct_wiener"]["method"] == "fft"
    assert measured["restorers"]["dct_wiener"]["gain"] > 8  # no approximation at the boundary
    assert measured["restorers"]["wiener"]["gain"] > 8


def test_both_boundaries_are_the_other_two_also_for_circular_data(evaluated: Evaluate) -> None:
    overrides = ("baseline=[none]", "data.max_images=12", "data.boundary=circular", "data.eval_crop=64")
    assert list(evaluated(*overrides, "both_boundaries=true").summary["boundaries"]) == ["symmetric", "valid"]


def test_baselines_say_that_they_use_linear_light(evaluated: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["baseline=[none,dct_wiener]", "blur=box", "data.max_images=12", "both_boundaries=false"]
    found = evaluated(*overrides, "blur/camera=linear")
    assert found.summary["boundaries"]["symmetric"]["baselines"]["dct_wiener"]["space"] == "linear light"
    table = capsys.readouterr().out
    assert "dct_wiener, in linear light" in table
    assert "none, in linear light" not in table
    assert "space" not in evaluated(*overrides).summary["boundaries"]["symmetric"]["baselines"]["dct_wiener"]
    assert "linear light" not in capsys.readouterr().out
