"""Evaluations of few images, of images smaller than the training's patches, and of mixed sizes."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import deblur
from deblur import evaluate
from deblur.evaluation.matrix import matrix_table

Evaluate = Callable[..., Any]
Refuse = Callable[..., str]


def write(root: Path, *shapes: tuple[int, int]) -> str:
    root.mkdir(exist_ok=True)
    for index, shape in enumerate(shapes):
        pixels = np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{index}.png")
    return f"data.root={root}"


def only(summary: dict[str, Any]) -> dict[str, Any]:
    (boundary,) = summary["boundaries"].values()
    (means,) = boundary["restorers"].values()
    return dict(means)


def test_images_smaller_than_a_training_patch_are_measured(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    root = write(tmp_path / "small", (20, 31), (31, 20), (7, 9), (64, 64))  # the patches are of 32 px
    found = evaluated(f"run={run}", "data=folder", root)
    assert [row["name"] for row in found.rows] == ["0.png", "1.png", "2.png", "3.png"]
    assert found.summary["small_left_out"] == 0
    assert found.summary["data"]["left_out"] == 0
    means = only(found.summary)
    assert (means["images"], means["without_ssim"]) == (4, 1)
    assert [row["ssim"] == "" for row in found.rows] == [False, False, True, False]
    # What a training would do with these images decides nothing.
    large = evaluated(f"run={run}", "data=folder", root, "data.patch_size=512", "data.patches_per_image=1")
    assert only(large.summary) == means
    assert large.summary["data"]["fingerprint"] == found.summary["data"]["fingerprint"]


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_is_enough(run: Path, evaluated: Evaluate, tmp_path: Path, count: int) -> None:
    root = write(tmp_path / "few", *[(40, 50)] * count)
    found = evaluated(f"run={run}", "data=folder", root)
    assert (found.summary["split"], only(found.summary)["images"]) == ("all", count)
    beside = evaluated(f"run={run}", "data=folder", root, "baseline=[none]", "both_boundaries=false")
    assert {row["restorer"] for row in beside.rows} > {"none"}
    assert len(beside.rows) == 2 * count
    assert len(evaluated("baseline=[none]", "both_boundaries=false", "data=folder", root).rows) == count


def test_one_of_many_images_is_enough(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    root = write(tmp_path / "many", *[(40, 50)] * 9)
    assert len(evaluated(f"run={run}", "data=folder", root, "data.max_images=1").rows) == 1
    for name in range(1, 9):  # one image nine times
        shutil.copy(tmp_path / "many" / "0.png", tmp_path / "many" / f"{name}.png")
    assert len(evaluated(f"run={run}", "data=folder", root).rows) == 9


def test_one_pair_is_enough(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    sharp, blurred = (write(tmp_path / name, (40, 50)).partition("=")[2] for name in ("sharp", "blurred"))
    found = evaluated(f"run={run}", "data=pairs", f"data.sharp={sharp}", f"data.blurred={blurred}")
    assert [row["name"] for row in found.rows] == ["0.png"]


def test_what_needs_a_division_of_few_images_is_refused(run: Path, refused: Refuse, tmp_path: Path) -> None:
    root = write(tmp_path / "few", (40, 50), (40, 50))
    assert refused(f"run={run}", "data=folder", root, "split=test").startswith(
        "data: 2 images, 2 of them distinct, cannot be divided into training, validation and test sets."
    )
    assert refused(f"run={run}", "data=folder", root, "baseline=[dct_wiener]") == (
        "baseline=[dct_wiener] is tuned on training images, and there is none: of 2 images not even three are "
        "distinct. Add images, or leave out the baseline."
    )


def test_one_image_that_the_network_has_seen_is_refused(
    run: Path, evaluated: Evaluate, refused: Refuse, tmp_path: Path
) -> None:
    from deblur.synthesis.faces import draw

    seen = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["seen_images"]
    from deblur.image_io.decoding import digest
    from deblur.inference.checkpoints import digest_of

    known = next(index for index in range(16) if digest_of(digest(draw(0, index))) in seen)
    (tmp_path / "one").mkdir()
    Image.fromarray(draw(0, known)).save(tmp_path / "one" / "a.png")
    overrides = (f"run={run}", "data=folder", f"data.root={tmp_path / 'one'}")
    assert "trained or validated on all of these images" in refused(*overrides)
    Image.fromarray(draw(9, 0)).save(tmp_path / "one" / "b.png")
    found = evaluated(*overrides)
    assert ([row["name"] for row in found.rows], found.summary["seen_left_out"]) == (["b.png"], 1)


def test_what_a_real_boundary_leaves_nothing_of_is_left_out_and_counted(
    run: Path, evaluated: Evaluate, refused: Refuse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path / "mixed", (40, 50), (6, 50), (7, 50), (40, 5))
    overrides = (f"run={run}", "data=folder", root)
    assert refused(*overrides, "data.boundary=valid", "blur.size=41") == (
        "A valid boundary leaves nothing of the images: the blur takes 20 px of each side, so that an image needs at "
        "least 41x41 px, and the largest is 50x40 px. Take a smaller blur, larger images or data.boundary=symmetric."
    )
    found = evaluated(*overrides, "data.boundary=valid")  # of a box of 7 px
    said = " ".join(capsys.readouterr().out.split())
    assert [row["name"] for row in found.rows] == ["0.png", "2.png"]
    assert found.summary["small_left_out"] == 2
    assert "2 images (all), without 2 that are too small for a valid boundary, 1 of them without SSIM" in said
    both = evaluated(*overrides, "both_boundaries=true")  # the same images for both
    assert [(row["boundary"], row["name"]) for row in both.rows] == [
        (boundary, name) for boundary in ("symmetric", "valid") for name in ("0.png", "2.png")
    ]
    assert both.summary["small_left_out"] == 2


def test_a_run_on_other_sizes_is_crossed_without_what_is_left_out(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A box of 7 px leaves nothing of half of the images within a valid boundary, one of 15 px nothing of any."""
    (box,) = trained.glob("sweeps/two/*-box-*")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "notes.txt").touch()
    write(tmp_path / "images", *[(13 if index % 2 else 6, 14) for index in range(20)])
    shutil.copytree(box, tmp_path / "run")
    config = yaml.safe_load((box / "config.yaml").read_text())
    data = {**config["data"], "_target_": "deblur.data.FolderData", "name": "folder", "root": str(tmp_path / "images")}
    del data["leaves"], data["fresh"]
    (tmp_path / "run" / "config.yaml").write_text(
        yaml.safe_dump({**config, "data": {**data, "max_images": None, "boundary": "valid"}})
    )
    asked = deblur.compose("evaluate", ["sweep=two", "matrix=true", f"paths.cache_root={tmp_path / 'cache'}"])
    with caplog.at_level(logging.WARNING):
        rows = matrix_table([tmp_path / "run"], asked, torch.device("cpu"), deblur.compose("train"))
    assert [row["condition"] for row in rows] == [
        "size 3",
        "size 7",
        "noise 2",
        "noise 8",
        "JPEG 95",
        "JPEG 75",
        "JPEG 50",
        "sharp",
        "gaussian, sigma 0.5",
        "JPEG 75",
    ]
    counts = {row["condition"]: row["images"] for row in rows}
    assert counts["size 3"] == 3
    assert 0 < counts["size 7"] < 3
    left_out, *others = [record.getMessage() for record in caplog.records]
    assert "1 file in" in left_out  # once for all conditions
    assert others == ["box, size 15, is left out of the table: a valid boundary leaves nothing of any test image."]
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_filters_are_measured_on_what_is_left(tmp_path: Path, cache_root: Path) -> None:
    root = write(tmp_path / "images", *[(12 + index, 40) for index in range(24)])
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert (
        evaluate.main(
            ["optimal_linear=true", "data=folder", root, "blur=box", "blur.size=15", "accelerator=cpu", *places]
        )
        == 0
    )
    assert (tmp_path / "out" / "filters.csv").read_text().count("\n") > 10


def test_the_images_of_an_evaluation_are_described(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    root = write(tmp_path / "few", (40, 50), (41, 50), (42, 50))
    found = evaluated(f"run={run}", "data=folder", root)
    assert found.summary["data"]["images"] == 3
    assert json.loads((found.folder / "metrics.json").read_text()) == found.summary
