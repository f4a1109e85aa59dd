"""Color through the data: decoding, cache, splits, samples and patches."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from caches import content
from image_files import write_images
from noise_images import Noise
from numpy.typing import NDArray
from PIL import Image

from deblur.blur import Box, Motion
from deblur.blur.images import Crop, image_of, planes_of
from deblur.choices import DataColor
from deblur.data import FolderData, ImageSource, PairsData, SyntheticData
from deblur.data.cache import open_cache
from deblur.data.datasets import EvaluationDataset, collate_images
from deblur.data.patches import TrainingDataset
from deblur.image_io.decoding import digest, luma, read_rgb


class Colors:
    """Images of noise, each channel for itself."""

    def __init__(self, count: int = 4, shape: tuple[int, int] = (40, 48)) -> None:
        self.names = [f"{index}.png" for index in range(count)]
        self.shapes = [shape] * count

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return np.random.default_rng(index).integers(0, 256, (*self.shapes[index], 3), dtype=np.uint8)


class OneImage(ImageSource):
    """An image that is decoded in the one or the other way."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    @property
    def names(self) -> Sequence[str]:
        return ["one"]

    def cache_key(self) -> str:
        return digest(self._pixels)

    def decode(self, index: int) -> NDArray[np.uint8]:  # noqa: ARG002 # there is one
        return self._pixels


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """A folder of three images in color and a gray one."""
    root = tmp_path / "colors"
    root.mkdir()
    for index in range(3):
        Image.fromarray(Colors()[index]).save(root / f"{index}.png")
    write_images(root / "gray", 1)
    return root


@pytest.mark.parametrize("memory_limit", [0, 2**20])
def test_a_cache_holds_colors_and_shares_its_digests_with_gray(colors: Path, root: Path, memory_limit: int) -> None:
    rgb = open_cache(FolderData(colors, color="rgb"), root, color="rgb", memory_limit=memory_limit)
    gray = open_cache(FolderData(colors), root, memory_limit=memory_limit)
    assert (rgb.channels, gray.channels) == (3, 1)
    assert rgb.names == gray.names
    assert rgb.shapes == gray.shapes
    for index, name in enumerate(rgb.names):
        np.testing.assert_array_equal(rgb[index], read_rgb(colors / name))
        np.testing.assert_array_equal(luma(rgb[index]), gray[index])
        assert not rgb[index].flags.writeable
    assert rgb.digests == gray.digests  # so the splits are those of gray images
    assert rgb.fingerprint != gray.fingerprint
    assert rgb.held_bytes == (3 * gray.held_bytes if memory_limit else 0)
    copy = pickle.loads(pickle.dumps(rgb.subset([2, 0])))
    np.testing.assert_array_equal(copy[1], rgb[0])
    assert not open_cache(FolderData(colors, color="rgb"), root, color="rgb").was_built


def test_a_changed_color_of_the_same_luma_is_noticed(colors: Path, root: Path) -> None:
    source = FolderData(colors, color="rgb")
    cache = open_cache(source, root, color="rgb")
    expected = content(cache)
    file = next(root.glob("*-rgb/pixels.npy"))
    levels = np.load(file)
    first = levels[: 40 * 48 * 3].reshape(-1, 3)
    luma_before = luma(first.reshape(40, 48, 3))
    first[:, 2] ^= 1  # the weight of blue is so small that the luma of most pixels stays
    assert (luma(first.reshape(40, 48, 3)) == luma_before).mean() > 0.8
    np.save(file, levels)
    repaired = open_cache(source, root, color="rgb")
    assert repaired.was_built
    assert content(repaired) == expected


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_a_source_need_not_decode_what_is_wanted(root: Path, color: DataColor) -> None:
    rgb = Colors()[0]
    gray = luma(rgb)
    wanted = {"gray": [gray, gray], "rgb": [rgb, np.dstack([gray] * 3)]}[color]
    for pixels, expected in zip([rgb, gray], wanted, strict=True):
        cache = open_cache(OneImage(pixels), root, color=color)
        np.testing.assert_array_equal(cache[0], expected)


def test_colors_that_share_their_luma_are_of_one_digest_and_of_two_fingerprints(root: Path) -> None:
    red, gray = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 100
    gray[:] = luma(red)[..., None]
    first, second = (open_cache(OneImage(pixels), root, color="rgb") for pixels in (red, gray))
    assert first.digests == second.digests
    assert first.fingerprint != second.fingerprint


def test_pairs_are_read_in_color(tmp_path: Path) -> None:
    for kind, shift in (("sharp", 0), ("blur", 1)):
        (tmp_path / kind).mkdir()
        for index in range(3):
            Image.fromarray(Colors()[index + shift]).save(tmp_path / kind / f"{index}.png")
    source = PairsData(tmp_path / "sharp", tmp_path / "blur", color="rgb")
    np.testing.assert_array_equal(source.decode(1), Colors()[1])
    np.testing.assert_array_equal(source.blurred.decode(1), Colors()[2])


def test_a_sample_holds_the_planes_of_the_degraded_colors() -> None:
    images, blur = Colors(), Box(5)
    dataset = EvaluationDataset(images, [2, 3], blur, seed=0, crop=Crop(crop=32))
    sample = dataset[0]
    assert sample["sharp"].shape == sample["blurred"].shape == (3, 32, 32)
    np.testing.assert_array_equal(image_of(sample["sharp"]), images[2][4:36, 8:40])
    for channel in range(3):
        plane = np.ascontiguousarray(images[2][4:36, 8:40, channel])
        np.testing.assert_array_equal(
            sample["blurred"][channel], blur.apply(plane, blur.sample(np.random.default_rng()))
        )
    batch = collate_images([sample, dataset[1]])
    assert batch["blurred"].shape == (2, 3, 32, 32)


@pytest.mark.parametrize("blur", [Box(5), Motion([3, 9], [0, 180], noise_sigma=2)], ids=["kept", "drawn"])
def test_patches_of_colors_are_cut_at_one_place(blur: Box | Motion) -> None:
    images = Colors()
    dataset = TrainingDataset(
        images,
        images,
        range(4),
        blur,
        seed=1,
        crop=Crop(),
        context=3,
        patch_size=8,
        patches_per_image=2,
        flips=True,
        memory_limit=2**22,
    )
    patches = dataset.__getitems__([(0, 1), (0, 2)])
    assert patches["sharp"].shape == (4, 3, 8, 8)
    assert patches["blurred"].shape == (4, 3, 14, 14)
    whole = images[1]
    ways = [whole[::vertical, ::horizontal] for vertical in (1, -1) for horizontal in (1, -1)]
    windows = [np.lib.stride_tricks.sliding_window_view(way, (8, 8, 3))[:, :, 0] for way in ways]
    for patch in patches["sharp"][:2]:
        assert any((one == image_of(patch)).all(axis=(2, 3, 4)).any() for one in windows)
    again = dataset.__getitems__([(0, 1), (0, 2)])
    for name, values in patches.items():
        np.testing.assert_array_equal(values, again[name])


def test_what_is_kept_of_colors_takes_three_times_the_memory() -> None:
    sizes = []
    for images in (Noise(4, (40, 48)), Colors()):
        dataset = TrainingDataset(
            images,
            images,
            range(4),
            Box(5),
            seed=1,
            crop=Crop(),
            context=3,
            patch_size=8,
            patches_per_image=2,
            flips=True,
            memory_limit=0,
        )
        sizes.append(dataset._size())
    assert sizes[1] == 3 * sizes[0]


def test_planes_and_images_are_each_others_inverse() -> None:
    for image in (Colors()[0], Colors()[0][..., 1]):
        planes = planes_of(image)
        assert planes.shape == (1 if image.ndim == 2 else 3, 40, 48)
        np.testing.assert_array_equal(image_of(planes), image)


def test_a_damaged_index_of_colors_is_refused(colors: Path, root: Path) -> None:
    source = FolderData(colors, color="rgb")
    open_cache(source, root, color="rgb")
    index = next(root.glob("*-rgb/index.json"))
    index.write_text(index.read_text().replace('"channels": 3', '"channels": 2'))
    assert open_cache(source, root, color="rgb").was_built


def test_drawn_images_in_color_have_the_gray_ones_as_luma() -> None:
    rgb, gray = (SyntheticData(4, leaves=0.5, seed=2, color=color) for color in ("rgb", "gray"))
    assert rgb.names == gray.names
    assert rgb.cache_key() != gray.cache_key()
    for index in range(4):
        image = rgb.decode(index)
        assert np.ptp(image, axis=2).max() > 30  # it is not gray
        np.testing.assert_array_equal(luma(image), gray.decode(index))


def test_what_a_source_of_gray_images_left_in_a_cache_is_no_color(colors: Path, root: Path) -> None:
    gray = open_cache(FolderData(colors), root, color="rgb")
    assert np.ptp(gray[0], axis=2).max() == 0
    rgb = open_cache(FolderData(colors, color="rgb"), root, color="rgb")
    np.testing.assert_array_equal(rgb[0], read_rgb(colors / rgb.names[0]))
    assert FolderData(colors, color="rgb").cache_key() != FolderData(colors).cache_key()
