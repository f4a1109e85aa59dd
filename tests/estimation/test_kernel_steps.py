"""The steps of blind deconvolution, each by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.blur import Kernel, convolve
from deblur.blur.kernels import Psf
from deblur.estimation.kernel_steps import (
    KernelFit,
    canvas,
    centroid,
    gradients,
    sketch,
    strong_edges,
    tidied,
)
from deblur.synthesis.leaves import draw

SEED = 9002  # of dead leaves
HOOK = np.zeros((9, 9))
HOOK[1:7, 2] = (1, 2, 1, 1, 3, 2)
HOOK[6, 2:8] = (2, 1, 1, 2, 2, 1)
HOOK /= HOOK.sum()


def plane(height: int = 141, width: int = 167) -> np.ndarray:
    return np.ascontiguousarray(draw(SEED, 0)[:height, :width], np.float32) / np.float32(255)


def blurred(sharp: np.ndarray, psf: Psf) -> np.ndarray:
    return convolve(np.ascontiguousarray(sharp, np.float32), Kernel(psf))


def test_the_edges_of_the_sharp_image_give_the_kernel() -> None:
    sharp, reach = plane(), 7
    given_plane = canvas(blurred(sharp, HOOK), reach)
    inner = np.zeros(given_plane.plane.shape, np.bool_)
    inner[20:120, 20:140] = True
    true_edges = [np.where(inner, one, 0) for one in gradients(canvas(sharp, reach).plane)]
    start = np.full((2 * reach + 1, 2 * reach + 1), 1 / (2 * reach + 1) ** 2, np.float32)
    found = KernelFit(given_plane, reach).kernel((true_edges[0], true_edges[1]), start)
    assert found is not None
    wanted = tidied(np.pad(HOOK, reach - 4).astype(np.float32))
    assert wanted is not None
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95


def test_without_edges_there_is_no_kernel() -> None:
    flat = np.full((64, 80), 0.5, np.float32)
    nothing = np.zeros_like(canvas(flat, 3).plane)
    assert KernelFit(canvas(flat, 3), 3).kernel((nothing, nothing), np.full((7, 7), 1 / 49, np.float32)) is None


def test_a_canvas_begins_with_its_plane_and_continues_periodically_without_a_step() -> None:
    image = np.linspace(0, 1, 61, dtype=np.float32)[:, None] * np.ones((1, 47), np.float32)
    made = canvas(image, 8)
    np.testing.assert_array_equal(made.plane[made.rows, made.columns], image)
    across, down = gradients(made.plane)
    assert max(np.abs(across).max(), np.abs(down).max()) < 0.2  # the step from the last row to the first one is 1


def test_a_sketch_is_sharper_than_the_blurred_image_that_it_explains() -> None:
    psf = np.full((1, 7), 1 / 7)
    image = np.zeros((96, 96), np.float32)
    image[30:70, 30:70] = 0.8
    made = canvas(blurred(image, psf), 3)
    drawn = sketch(made, np.pad(psf, ((3, 3), (0, 0))).astype(np.float32), 8e-3)[made.rows, made.columns]
    steps = [np.abs(np.diff(one, axis=1)).max() for one in (drawn, made.plane[made.rows, made.columns])]
    assert steps[0] > 3 * steps[1]  # of 7 steps of the blurred edge, the sketch makes about one
    again = blurred(drawn, psf)
    assert np.abs(again - made.plane[made.rows, made.columns]).mean() < 0.01


def test_only_usable_places_have_edges_and_a_threshold_keeps_the_strongest() -> None:
    image = canvas(plane(), 3).plane
    usable = np.zeros(image.shape, np.bool_)
    usable[30:80, 40:90] = True
    across, down, threshold = strong_edges(image, usable, 3, None)
    squares = across**2 + down**2
    assert not squares[~usable].any()
    assert squares[squares > 0].min() >= threshold
    fewer = strong_edges(image, usable, 3, 4 * threshold)
    assert np.count_nonzero(fewer[0]) < np.count_nonzero(across)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_tidied_kernels_are_kernels(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    rough = rng.normal(size=(2 * reach + 1, 2 * reach + 1)).astype(np.float32) ** 3
    found = tidied(rough)
    if found is None:
        assert rough.max() <= 0
        return
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.shape == rough.shape


def test_a_tidied_kernel_is_centered_and_has_no_small_parts() -> None:
    rough = np.zeros((21, 21), np.float32)
    rough[3:9, 4] = 1
    rough[15, 15] = 0.2  # apart from the others, 3 % of the sum
    found = tidied(rough)
    assert found is not None
    assert np.count_nonzero(found) == 6
    assert np.abs(centroid(found)).max() <= 0.5 + 1e-6
    assert tidied(np.zeros((5, 5), np.float32)) is None
