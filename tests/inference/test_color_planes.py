import numpy as np
import pytest
import torch
from decoded_files import deep_noise, noise
from numpy.typing import NDArray
from PIL import Image

from deblur.choices import Color
from deblur.inference.pixels import Plane, plane_count, restore_pixels
from deblur.inference.tiles import TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.models import SRCNN

COLORS: list[Color] = ["luma", "channels"]
MAKERS = {"8 bits": noise, "16 bits": deep_noise}
BT601 = np.array([0.299, 0.587, 0.114])


def identity(plane: Plane) -> Plane:
    return plane


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("bits", MAKERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (31, 17), (31, 17, 3), (300, 700, 3)])
def test_an_identity_gives_the_same_pixels(shape: tuple[int, ...], bits: str, color: Color) -> None:
    pixels = MAKERS[bits](*shape)
    before = pixels.copy()
    restored = restore_pixels(pixels, identity, color)
    assert restored.dtype == pixels.dtype
    np.testing.assert_array_equal(restored, before)
    np.testing.assert_array_equal(pixels, before)
    assert not np.shares_memory(restored, pixels)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("levels", [np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16)])
def test_an_identity_keeps_every_level(levels: NDArray[np.uint8 | np.uint16], color: Color) -> None:
    np.testing.assert_array_equal(restore_pixels(levels[None], identity, color), levels[None])
    gray = np.repeat(levels[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(restore_pixels(gray, identity, color), gray)


@pytest.mark.parametrize("color", COLORS)
def test_an_identity_network_in_tiles(color: Color) -> None:
    network = SRCNN((5, 3), (4,))
    for parameter in network.parameters():  # it corrects nothing
        parameter.data.zero_()
    tiled = TiledNetwork(TorchNetwork(network, torch.device("cpu")), 16)
    for pixels in (noise(37, 41, 3), deep_noise(37, 41, 3), deep_noise(37, 41)):
        np.testing.assert_array_equal(restore_pixels(pixels, tiled.restore, color), pixels)


def seen_planes(pixels: NDArray[np.uint8 | np.uint16], color: Color) -> list[Plane]:
    seen: list[Plane] = []

    def remember(plane: Plane) -> Plane:
        assert plane.dtype == np.float32
        seen.append(plane.copy())
        return plane

    restore_pixels(pixels, remember, color)
    assert len(seen) == plane_count(pixels, color)
    return seen


@pytest.mark.parametrize("bits", MAKERS)
def test_planes_are_luma_or_channels(bits: str) -> None:
    pixels = MAKERS[bits](20, 30, 3)
    white = np.iinfo(pixels.dtype).max
    (luma,) = seen_planes(pixels, "luma")
    np.testing.assert_allclose(luma, pixels @ BT601 / white, rtol=0, atol=1e-6)
    for channel, plane in enumerate(seen_planes(pixels, "channels")):
        np.testing.assert_allclose(plane, pixels[..., channel] / white, rtol=0, atol=1e-7)
    for color in COLORS:
        (gray,) = seen_planes(pixels[..., 0], color)
        np.testing.assert_allclose(gray, pixels[..., 0] / white, rtol=0, atol=1e-7)


def test_luma_is_that_of_training() -> None:
    pixels = noise(20, 30, 3)
    (luma,) = seen_planes(pixels, "luma")
    assert np.abs(luma * 255 - np.asarray(Image.fromarray(pixels).convert("L"))).max() <= 0.51


def test_a_restored_luma_keeps_the_chroma() -> None:
    pixels = 20000 + deep_noise(300, 30, 3) // 4  # far from the ends of the range
    restored = restore_pixels(pixels, lambda plane: plane * 0.9 + 0.05)
    before, after = pixels / 65535, restored / 65535
    np.testing.assert_allclose(after @ BT601, before @ BT601 * 0.9 + 0.05, rtol=0, atol=1e-5)
    for channel in (0, 2):  # Cr and Cb are differences from the luma
        chroma = before[..., channel] - before @ BT601
        np.testing.assert_allclose(after[..., channel] - after @ BT601, chroma, rtol=0, atol=2e-5)


def test_channels_are_restored_each_on_its_own() -> None:
    pixels = noise(9, 8, 3)
    factors = iter([0.25, 0.5, 1.0])
    restored = restore_pixels(pixels, lambda plane: plane * np.float32(next(factors)), "channels")
    np.testing.assert_array_equal(restored, np.rint(pixels * [0.25, 0.5, 1.0]))


@pytest.mark.parametrize("bits", MAKERS)
@pytest.mark.parametrize("color", COLORS)
def test_what_leaves_the_range_is_clipped(color: Color, bits: str) -> None:
    gray = MAKERS[bits](9, 8)
    white = np.iinfo(gray.dtype).max
    for pixels in (gray, np.repeat(gray[..., None], 3, axis=2)):
        assert (restore_pixels(pixels, lambda plane: plane + 3, color) == white).all()
        assert (restore_pixels(pixels, lambda plane: plane - 3, color) == 0).all()


def test_a_color_that_leaves_the_gamut_is_clipped_in_each_channel() -> None:
    pixels = np.array([[[250, 20, 20]]], np.uint8)
    (luma,) = seen_planes(pixels, "luma")
    restored = restore_pixels(pixels, lambda plane: plane + np.float32(40 / 255))
    np.testing.assert_array_equal(restored, [[[255, 60, 60]]])
    # A luma beyond white is white before its chroma is added.
    restored = restore_pixels(pixels, lambda plane: plane + 9)
    lift = 255 * (1 - luma[0, 0])
    np.testing.assert_array_equal(restored, np.rint([[[255, 20 + lift, 20 + lift]]]))


def test_a_level_is_rounded_to_the_nearest() -> None:
    pixels = np.full((2, 2, 3), 100, np.uint8)
    for change, expected in ((0.4, 100), (0.6, 101), (-0.4, 100), (-0.6, 99)):
        for color in COLORS:
            moved = restore_pixels(pixels, lambda plane, by=change: plane + np.float32(by / 255), color)
            assert (moved == expected).all()
