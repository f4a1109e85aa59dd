"""Images that somebody else blurred: nobody tells the kernel, and what needs it is refused."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from small_trainings import SMALLEST

from deblur import evaluate, train
from deblur.files import write_png
from deblur.synthesis.faces import draw

Refuse = Callable[..., str]
Evaluate = Callable[..., Any]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Words for twelve faces and the same ones under a box of 5 px."""
    place = tmp_path_factory.mktemp("pairs")
    for index in range(12):
        face = draw(5, index)[:64, :64].copy()
        write_png(place / "sharp" / f"{index}.png", face)
        write_png(place / "blurred" / f"{index}.png", cv2.blur(face, (5, 5), borderType=cv2.BORDER_REFLECT))
    return ("data=pairs", f"data.sharp={place / 'sharp'}", f"data.blurred={place / 'blurred'}")


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("baseline=[wiener]",), "baseline=[wiener] needs the kernel of each image"),
        (("baseline=[none,richardson_lucy]",), "baseline=[richardson_lucy] needs the kernel"),
        (("baseline=[dct_wiener,wiener]", "blur=box"), "baseline=[dct_wiener,wiener] needs the kernel"),
        (("both_boundaries=true", "baseline=[none]"), "both_boundaries=true needs the sharp scene beyond the boundary"),
    ],
)
def test_what_needs_the_kernel_is_refused(
    refused: Refuse, pairs: tuple[str, ...], overrides: tuple[str, ...], named: str
) -> None:
    assert refused(*pairs, *overrides).startswith(named)


def test_a_run_on_pairs_is_not_compared_with_them_either(
    pairs: tuple[str, ...], refused: Refuse, evaluated: Evaluate, tmp_path: Path, cache_root: Path
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert train.main([*pairs, *SMALLEST, "trainer.max_epochs=1", *places]) == 0
    (run,) = (path.parent for path in tmp_path.rglob("status.json"))
    assert refused(f"run={run}", "baseline=[wiener]").startswith("baseline=[wiener] needs the kernel")
    rows = evaluated(f"run={run}", "baseline=[none]").rows
    assert {row["restorer"] for row in rows} == {run.parent.name, "none"}
    assert all(float(row["gain"]) == 0 for row in rows if row["restorer"] == "none")


@pytest.mark.slow
def test_the_best_linear_filters_are_learned_from_pairs(
    pairs: tuple[str, ...], tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They need no kernel; that of the same blur made here is the same filter, rounding of the images aside."""
    sharp = pairs[1].partition("=")[2]
    gains = {}
    for name, overrides in {
        "pairs": pairs,
        "known": ("data=folder", f"data.root={sharp}", "blur=box", "blur.size=5"),
    }.items():
        places = (f"paths.cache_root={cache_root}", f"output={tmp_path / name}")
        assert evaluate.main(["optimal_linear=true", *overrides, "accelerator=cpu", *places]) == 0
        with (tmp_path / name / "filters.csv").open(newline="") as file:
            gains[name] = {int(row["size"]): float(row["gain"]) for row in csv.DictReader(file)}
    assert "as the pairs are: the best linear filter of each size" in capsys.readouterr().out
    assert gains["pairs"][9] > 3
    assert gains["pairs"][9] == pytest.approx(gains["known"][9], abs=0.5)


def test_a_network_that_is_pretrained_is_evaluated_by_its_name(evaluated: Evaluate) -> None:
    rows = evaluated(
        "run=motion", "data.color=rgb", "data.seed=7", "data.max_images=9", "data.eval_crop=96", "both_boundaries=false"
    ).rows
    assert {row["restorer"] for row in rows} == {"motion"}
