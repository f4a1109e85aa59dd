"""Fields of kernels at given nodes: what each pixel gets, and the field of a part of an image."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from deblur.blur.kernel_fields import blurred
from deblur.blur.kernels import Psf
from deblur.blur.node_kernels import NodeKernels

SHAPE = (41, 57)
REACH = 2


def field(rows: int = 3, columns: int = 2) -> NodeKernels:
    psfs = np.random.default_rng(0).random((rows, columns, 2 * REACH + 1, 2 * REACH + 1))
    places = np.array([5.0, 21.5, 33.0])[:rows], np.array([12.0, 40.0])[:columns]
    return NodeKernels(*places, psfs / psfs.sum(axis=(2, 3), keepdims=True))


def image() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE, np.float32)


def own_kernels(given: NodeKernels) -> Psf:
    return given.kernels(SHAPE, np.arange(SHAPE[0], dtype=np.float64), np.arange(SHAPE[1], dtype=np.float64))


@pytest.mark.parametrize(("rows", "columns"), [(3, 2), (1, 2), (3, 1), (1, 1)])
def test_each_pixel_has_the_kernel_between_its_nodes(rows: int, columns: int) -> None:
    given = field(rows, columns)
    own = own_kernels(given)
    np.testing.assert_allclose(own.sum(axis=(2, 3)), 1)
    windows = sliding_window_view(np.pad(image(), REACH, mode="symmetric"), own.shape[2:])
    wanted = np.einsum("ijkl,ijkl->ij", windows, own[..., ::-1, ::-1])
    np.testing.assert_allclose(blurred(image(), given), wanted, atol=1e-5)


def test_kernels_are_those_of_the_nodes_there_and_beyond_the_outer_ones() -> None:
    given = field()
    found = given.kernels(SHAPE, np.array([0.0, 33.0, 40.0]), np.array([12.0, 26.0]))
    np.testing.assert_allclose(found[:2, 0], given.psfs[[0, 2], 0])
    np.testing.assert_allclose(found[2, 0], given.psfs[2, 0])
    np.testing.assert_allclose(found[1, 1], given.psfs[2].mean(axis=0))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((0, 41), (0, 57)), ((0, 4), (50, 57)), ((6, 20), (13, 30)), ((5, 22), (12, 13)), ((30, 41), (3, 41))],
)
def test_a_part_of_an_image_keeps_its_kernels(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    given = field()
    part = given.within(slice(*rows), slice(*columns))
    places = [np.arange(stop - start, dtype=np.float64) for start, stop in (rows, columns)]
    shape = len(places[0]), len(places[1])
    np.testing.assert_allclose(
        part.kernels(shape, *places), own_kernels(given)[slice(*rows), slice(*columns)], atol=1e-12
    )
    assert blurred(np.ones(shape, np.float32), part) == pytest.approx(1, abs=1e-5)
