"""The ablation of the drawn dead leaves: its images, and its table of a small sweep."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from deblur.errors import UserError
from deblur.image_io.decoding import luma
from deblur.synthesis.faces import draw as draw_face
from deblur.synthesis.leaves import draw
from deblur.train import main as train
from studies.ingredients import PARTS, LeavesData, _row


def test_images_lack_one_part_and_are_otherwise_those_of_the_drawing() -> None:
    complete = LeavesData(3, seed=5)
    np.testing.assert_array_equal(complete.decode(2), draw(5, 2))
    without = LeavesData(3, "micro_textures", seed=5)
    assert not np.array_equal(without.decode(2), complete.decode(2))
    colors, gray = without.decode_rgb(1)
    np.testing.assert_array_equal(luma(colors), gray)
    np.testing.assert_array_equal(gray, without.decode(1))
    assert without.cache_key() != complete.cache_key() != LeavesData(4, seed=5).cache_key()


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.without=lenses is not allowed: give nothing, smooth_shapes, "):
        LeavesData(3, "lenses")


def test_differences_are_those_of_the_same_photographs() -> None:
    complete = np.array([[20.0, 30.0, 25.0, 27.0]])
    row = _row("lens", complete - [[0.1, 0.3, 0.1, -0.1]], complete)
    # A mean of -0.1 and a standard deviation of sqrt(0.08 / 3)
    assert row == {
        "without": "lens",
        "PSNR [dB]": "25.40",
        "difference": "-0.10 ± 0.16",
        "of each seed": "-0.10",
        "complete is better on": "3 of 4",
    }
    assert _row("nothing", complete, complete)["difference"] is None


def test_the_photographs_of_several_seeds_are_not_counted_twice() -> None:
    complete = np.array([[20.0, 30.0, 25.0, 27.0], [21.0, 31.0, 24.0, 27.0]])
    changes = np.array([[-0.1, -0.3, -0.1, 0.1], [-0.3, -0.1, -0.3, 0.3]])
    row = _row("lens", complete + changes, complete)
    assert row["difference"] == "-0.10 ± 0.20"  # of the means over the seeds: -0.2, -0.2, -0.2 and 0.2
    assert row["of each seed"] == "-0.10, -0.10"


@pytest.mark.slow
def test_a_sweep_makes_a_table(tmp_path: Path, cache_root: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        cv2.imwrite(str(images / f"{index}.png"), draw_face(1, index))
    own = [
        "data._target_=studies.ingredients.LeavesData",
        "~data.leaves",
        "~data.fresh",
        "trusted=[studies.ingredients]",
    ]
    small = [
        "data.max_images=12",
        "data.eval_crop=64",
        "trainer.max_epochs=1",
        "model.kernel_sizes=[3,3]",
        "model.widths=[4]",
    ]
    paths = [f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}"]
    sweep = ["-m", "sweep=ingredients", f"+data.without=nothing,{PARTS[-1]}", "seed=0,1"]
    assert train([*sweep, *own, *small, *paths]) == 0
    command = [sys.executable, "-m", "studies.ingredients"]
    given = [str(tmp_path / "sweeps" / "ingredients"), f"data.root={images}"]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Trained without one part, PSNR on 3 photographs" in done.stdout
    assert PARTS[-1] in done.stdout
    refused = subprocess.run([*command, str(tmp_path), given[1]], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "has no run with data.without=nothing: add it to the sweep." in refused.stderr
