"""Blur by a field of kernels, compared with the kernel of each pixel."""

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from deblur.blur import Kernel, KernelField, convolve, kernel_fields, kernels
from deblur.blur.images import Extension
from deblur.blur.kernel_fields import blurred
from deblur.blur.kernels import GrayImage, Psf
from deblur.blur.varying import GrowingDefocus, Varying

LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
SHAPES = [(37, 31), (20, 45), (1, 29), (23, 1), (1, 1), (2, 3)]
BOUNDARIES: list[Extension] = ["symmetric", "circular"]
MODES: dict[str, Any] = {"symmetric": "symmetric", "circular": "wrap"}


class Constant(KernelField):
    """The same kernel everywhere, at several nodes all the same."""

    def __init__(self, psf: Psf) -> None:
        super().__init__()
        self._psf = psf

    def kernels(self, shape: tuple[int, int], rows: Psf, columns: Psf) -> Psf:  # noqa: ARG002 # as all fields
        side = max(self._psf.shape)
        margins = [((side - size) // 2,) * 2 for size in self._psf.shape]
        return np.tile(np.pad(self._psf, margins), (len(rows), len(columns), 1, 1))

    def changes(self, shape: tuple[int, int]) -> tuple[float, float]:  # noqa: ARG002 # as all fields
        return 2.5, 3.5


class Mixed(Constant):
    """A kernel that becomes another one, linearly from the top left to the bottom right."""

    def kernels(self, shape: tuple[int, int], rows: Psf, columns: Psf) -> Psf:
        share = np.add.outer(0.6 * rows / shape[0], 0.4 * columns / shape[1])[..., np.newaxis, np.newaxis]
        return (1 - share) * self._psf + share * self._psf.T[::-1]


def random_image(shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def gathered(image: GrayImage, field: KernelField, boundary: Extension) -> Psf:
    """Average each pixel by its own kernel, by definition."""
    height, width = image.shape
    own = field.kernels((height, width), np.arange(height), np.arange(width))
    half = own.shape[-1] // 2
    padded = np.pad(image.astype(np.float64), half, mode=MODES[boundary])
    return np.einsum("ijkl,ijkl->ij", sliding_window_view(padded, own.shape[2:]), own[..., ::-1, ::-1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "psf",
    [LOPSIDED, kernels.box(5), kernels.motion(15, 30), kernels.disk(7), kernels.identity()],
    ids=["lopsided", "box", "motion", "disk", "identity"],
)
def test_equal_kernels_are_one_convolution(psf: Psf, kind: type, boundary: Extension, shape: tuple[int, int]) -> None:
    image = random_image(shape).astype(kind)
    expected = convolve(image, Kernel(psf), boundary)
    np.testing.assert_allclose(blurred(image, Constant(psf), boundary), expected, atol=2e-3)
    np.testing.assert_array_equal(blurred(image, Kernel(psf), boundary), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kernels_that_change_linearly_are_interpolated_without_error(
    boundary: Extension, shape: tuple[int, int]
) -> None:
    image, field = random_image(shape), Mixed(LOPSIDED)
    np.testing.assert_allclose(blurred(image, field, boundary), gathered(image, field, boundary), atol=1e-3)
    if min(shape) > 2:
        swapped = gathered(image, Mixed(LOPSIDED.T.copy()), boundary)
        assert np.abs(swapped - gathered(image, field, boundary)).max() > 1


FIELDS = {
    "roll": Varying(9, 1, 0, "rotation"),
    "unsteady": Varying(12, 0.7, 1, "rotation"),
    "defocus": Varying(9, 1, 0, "defocus"),
    "wide defocus": Varying(16, 0.6, 0, "defocus"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_nodes_are_dense_enough(name: str, textured_image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    # Stripes and edges of full contrast: much more detail than in a photograph
    image = np.ascontiguousarray(textured_image[30:75, 40:79])
    errors: dict[float, list[float]] = {1: [], 3: []}
    strengths = []
    for seed in range(4):
        field = FIELDS[name].sample(np.random.default_rng(seed)).kernel
        assert isinstance(field, KernelField)
        exact = gathered(image, field, "symmetric")
        strengths.append(np.square(exact - image).mean())
        for step in errors:
            monkeypatch.setattr(kernel_fields, "STEP", step)
            field._kept = None
            errors[step].append(np.square(blurred(image, field) - exact).mean())
    fine, coarse = (np.sqrt(np.mean(each)) for each in errors.values())
    assert fine < 0.12 * np.sqrt(np.mean(strengths))
    assert fine < 2.5  # gray levels
    assert fine < 0.7 * coarse


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_image_stays_constant(name: str, boundary: Extension, shape: tuple[int, int]) -> None:
    field = FIELDS[name].sample(np.random.default_rng(0)).kernel
    np.testing.assert_allclose(blurred(np.full(shape, 255, np.uint8), field, boundary), 255, atol=1e-3)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_image_continues_beyond_its_boundary_as_it_is_told(boundary: Extension) -> None:
    image, field = random_image((24, 19)), GrowingDefocus(30, 8, 0.2)
    exact = {each: gathered(image, field, each) for each in BOUNDARIES}
    found = blurred(image, field, boundary)
    assert np.sqrt(np.square(found - exact[boundary]).mean()) < 1.5
    other = exact["circular" if boundary == "symmetric" else "symmetric"]
    assert np.sqrt(np.square(found - other).mean()) > 4


def test_kernels_of_the_nodes_serve_all_planes_of_an_image() -> None:
    field = Constant(LOPSIDED)
    first = field.grid((20, 30))
    assert field.grid((20, 30)) is first
    assert [len(each) for each in (first.rows, first.columns, first.taps)] == [4, 5, 20]
    assert field.grid((30, 20)) is not first
    for windows, size in ((first.rows, 20), (first.columns, 30)):
        total = np.zeros(size)
        for window in windows:
            total[window.start : window.start + len(window.weights)] += window.weights
        np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4), np.int32)]
)
def test_other_arrays_are_refused(image: Any) -> None:
    with pytest.raises(ValueError, match="must be uint8 or float32 of shape"):
        blurred(image, Constant(LOPSIDED))
