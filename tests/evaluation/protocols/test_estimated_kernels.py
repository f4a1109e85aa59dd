"""Error ratios of estimated kernels, in the layout of the photographs of Levin et al. and on these themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
from protocol_layouts import Measure

import deblur
from deblur.blur import Kernel, convolve
from deblur.evaluation.protocols.estimated import error_ratio, estimated, notes, success_figure
from deblur.files import write_png
from deblur.synthesis.leaves import draw


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """One drawn image and one kernel, as the data set has them."""
    psf = deblur.kernel("trajectory", seed=4, extent=9, shake=0.5)
    sharp = np.ascontiguousarray(draw(9003, 0)[:160, :161])
    write_png(tmp_path / "im1.png", sharp)
    write_png(tmp_path / "im1_kernel1_img.png", np.rint(convolve(sharp, Kernel(psf))).astype(np.uint8))
    np.save(tmp_path / "kernel1.npy", psf)
    return tmp_path


def test_a_protocol_gives_error_ratios_and_a_figure(drawn: Path, measured: Measure, tmp_path: Path) -> None:
    found = measured("protocol=levin2009", "protocol.blind=true", f"data.root={drawn}", "baseline=[wiener]")
    assert [row["method"] for row in found.results if row["kind"] == "measured"] == [
        "wiener",
        "wiener, estimated kernel",
    ]
    known, blind = found.rows
    assert known["error_ratio"] == ""
    ratio = float(blind["error_ratio"])
    assert ratio == pytest.approx(10 ** ((float(known["psnr"]) - float(blind["psnr"])) / 10), rel=1e-4)
    assert float(blind["estimate_seconds"]) > 0
    assert "error ratio at most 2 on" in " ".join(found.shown.split())
    assert (tmp_path / "out" / "error_ratio.png").read_bytes().startswith(b"\x89PNG")
    assert json.dumps(found.summary["settings"]["blind"]) == "true"


def test_without_blind_there_are_no_error_ratios(drawn: Path, measured: Measure, tmp_path: Path) -> None:
    found = measured("protocol=levin2009", f"data.root={drawn}", "baseline=[wiener]")
    assert "error_ratio" not in found.rows[0]
    assert not (tmp_path / "out" / "error_ratio.png").exists()


def test_an_error_ratio_is_that_of_squared_errors() -> None:
    assert error_ratio(20, 30) == pytest.approx(10)
    assert error_ratio(30, 30) == 1


def test_the_counts_of_a_method_are_of_its_own_images() -> None:
    rows = [{"restorer": "known"}] + [
        {"restorer": "blind", "error_ratio": ratio, "confidence": 1.0, "estimate_seconds": 2.0}
        for ratio in (1.5, 2.5, 9)
    ]
    assert "blind: error ratio at most 2 on 1 of 3 images and at most 3 on 2 of 3 images; median 2.50." in notes(rows)
    assert success_figure(rows).alt == "blind: 33% up to 2."


def test_an_image_without_a_kernel_is_left_as_it_is() -> None:
    np.testing.assert_array_equal(estimated(np.full((128, 128), 0.5, np.float32)).psf, np.ones((1, 1)))


@pytest.mark.slow
def test_levins_photographs_have_small_error_ratios(levin: Path, measured: Measure) -> None:
    found = measured(
        "protocol=levin2009", "protocol.blind=true", f"data.root={levin}", "run=unrolled", "protocol.max_images=1"
    )
    ratios = [float(row["error_ratio"]) for row in found.rows if row["error_ratio"]]
    assert len(ratios) == 8
    assert np.median(ratios) < 1.6
