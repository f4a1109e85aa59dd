"""Color through the data: decoding, cache, splits, samples and patches."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caches import content
from data_settings import SETTINGS
from decoded_files import png_16
from image_files import write_images
from noise_images import Noise
from numpy.typing import NDArray
from PIL import Image

from deblur.blur import Box, Motion
from deblur.blur.images import Crop, image_of, planes_of
from deblur.choices import DataColor
from deblur.config.schema import OwnData
from deblur.data import DeblurDataModule, FolderData, ImageSource, PairsData, SyntheticData
from deblur.data.cache import open_cache
from deblur.data.datasets import EvaluationDataset, collate_images
from deblur.data.patches import TrainingDataset
from deblur.data.sources import FilesSource
from deblur.errors import UserError
from deblur.image_io.decoding import digest, luma, read_gray, read_rgb_and_gray
from deblur.inference.checkpoints import digest_of


class Colors:
    """Images of noise, each channel for itself."""

    channels = 3

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
    rgb = open_cache(FolderData(colors), root, color="rgb", memory_limit=memory_limit)
    gray = open_cache(FolderData(colors), root, memory_limit=memory_limit)
    assert (rgb.channels, gray.channels) == (3, 1)
    assert rgb.names == gray.names
    assert rgb.shapes == gray.shapes
    for index, name in enumerate(rgb.names):
        np.testing.assert_array_equal(rgb[index], read_rgb_and_gray(colors / name)[0])
        np.testing.assert_array_equal(luma(rgb[index]), gray[index])
        assert not rgb[index].flags.writeable
    assert rgb.digests == gray.digests  # so the splits are those of gray images
    assert rgb.fingerprint != gray.fingerprint
    assert rgb.held_bytes == (3 * gray.held_bytes if memory_limit else 0)
    copy = pickle.loads(pickle.dumps(rgb.subset([2, 0])))
    np.testing.assert_array_equal(copy[1], rgb[0])
    assert not open_cache(FolderData(colors), root, color="rgb").was_built


def test_a_changed_color_of_the_same_luma_is_noticed(colors: Path, root: Path) -> None:
    source = FolderData(colors)
    cache = open_cache(source, root, color="rgb")
    expected = content(cache)
    file = next(root.glob("*-color/pixels.npy"))
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
    source = PairsData(tmp_path / "sharp", tmp_path / "blur")
    np.testing.assert_array_equal(source.decode_rgb(1)[0], Colors()[1])
    np.testing.assert_array_equal(source.blurred.decode_rgb(1)[0], Colors()[2])


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
    source = FolderData(colors)
    open_cache(source, root, color="rgb")
    index = next(root.glob("*-color/index.json"))
    index.write_text(index.read_text().replace('"channels": 3', '"channels": 2'))
    assert open_cache(source, root, color="rgb").was_built


def test_drawn_images_in_color_have_the_gray_ones_as_luma() -> None:
    source = SyntheticData(4, leaves=0.5, seed=2)
    for index in range(4):
        image, gray = source.decode_rgb(index)
        assert np.ptp(image, axis=2).max() > 30  # it is not gray
        np.testing.assert_array_equal(luma(image), source.decode(index))
        np.testing.assert_array_equal(gray, source.decode(index))


def color_files(root: Path, bits: int) -> Path:
    """Write 24 smooth color images; the luma of those of 16 bits differs if each channel is rounded before."""
    root.mkdir()
    y, x = np.mgrid[:40, :48]
    for index in range(24):
        levels = np.stack([1000 * index + 701 * x + 13 * y, 997 * y + 3 * x, 350 * (x + y) + index], axis=2)
        if bits == 16:
            (root / f"{index:02d}.png").write_bytes(png_16(levels.astype(np.uint16)))
        else:
            Image.fromarray((levels >> 8).astype(np.uint8)).save(root / f"{index:02d}.png")
    return root


@pytest.mark.parametrize("bits", [8, 16])
def test_splits_and_seen_images_are_those_of_gray_images(tmp_path: Path, bits: int) -> None:
    root = color_files(tmp_path / "colors", bits)
    source, settings = FolderData(root), OwnData.model_validate({"_target_": "any", **SETTINGS})
    modules = {}
    for color in ("gray", "rgb"):
        modules[color] = DeblurDataModule(
            source, Box(3), settings.model_copy(update={"color": color}), cache_root=str(tmp_path / "cache")
        )
        modules[color].setup()
    gray, rgb = modules["gray"], modules["rgb"]
    assert rgb.images.channels == 3
    gray_of_files = [read_gray(root / name) for name in source.names]
    if bits == 16:  # the case is one in which the luma of the RGB image would not do
        assert any((luma(rgb.images[i]) != image).any() for i, image in enumerate(gray_of_files))
    assert rgb.images.digests == gray.images.digests == tuple(map(digest, gray_of_files))
    assert rgb.splits == gray.splits
    seen = {digest_of(gray.images.digests[i]) for i in (*gray.splits.train, *gray.splits.val)}
    assert {i for i, one in enumerate(rgb.images.digests) if digest_of(one) in seen} == {
        *gray.splits.train,
        *gray.splits.val,
    }


class HalfData(FolderData):
    """A custom class that changes the gray images of files and not the colors."""

    def decode(self, index: int) -> NDArray[np.uint8]:
        return super().decode(index)[::2, ::2]


class HalfColors(HalfData):
    """The same, of both."""

    def cache_key(self) -> str:
        return f"half-{super().cache_key()}"

    def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rgb, _ = super().decode_rgb(index)
        return np.ascontiguousarray(rgb[::2, ::2]), self.decode(index)


class NamedFiles(FilesSource):
    """A custom class that knows nothing of color."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, ["0.png", "1.png", "2.png"])


def test_a_source_of_files_is_asked_for_colors(colors: Path, root: Path) -> None:
    settings = OwnData.model_validate({"_target_": "any", **SETTINGS, "color": "rgb"})
    for source in (FolderData(colors), NamedFiles(colors)):
        data = DeblurDataModule(source, Box(3), settings, cache_root=str(root))
        data.setup()
        np.testing.assert_array_equal(data.images[1], Colors()[1])
    data = DeblurDataModule(HalfData(colors), Box(3), settings, cache_root=str(root))
    with pytest.raises(UserError, match=r"data\.color=rgb: HalfData overrides decode and not decode_rgb, by which F"):
        data.setup()
    np.testing.assert_array_equal(open_cache(HalfColors(colors), root, color="rgb")[1], Colors()[1][::2, ::2])


def test_gray_images_in_color_are_announced(
    colors: Path, root: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    write_images(tmp_path / "gray", 3)
    sentence = "data.color=rgb: the images of {} are gray, and each is repeated to three equal channels."
    for _ in ("decoded", "opened again"):
        caplog.clear()
        assert (np.ptp(open_cache(FolderData(tmp_path / "gray"), root, color="rgb")[0], axis=2) == 0).all()
        assert caplog.text.count(sentence.format(tmp_path / "gray")) == 1
    caplog.clear()
    open_cache(FolderData(tmp_path / "gray"), root)
    open_cache(FolderData(colors), root, color="rgb")  # three of four are in color
    assert "are gray" not in caplog.text


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((4, 5, 1), np.uint8), r"an array of shape (4, 5, 1) and type uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"an array of shape (4, 5, 4) and type uint8"),
        (np.zeros((3, 4, 5), np.uint8), r"an array of shape (3, 4, 5) and type uint8"),
        (np.zeros((4, 0), np.uint8), r"an array of shape (4, 0) and type uint8"),
        (np.zeros((4, 5)), r"an array of shape (4, 5) and type float64"),
        ([[1, 2], [3, 4]], "an object of type list"),
        (None, "an object of type NoneType"),
    ],
)
def test_what_is_no_image_is_a_sentence(root: Path, color: DataColor, pixels: Any, found: str) -> None:
    source = OneImage(np.zeros((1, 1), np.uint8))
    source._pixels, key = pixels, source.cache_key()
    source.cache_key = lambda: key  # type: ignore[method-assign] # the digest is that of an image
    with pytest.raises(UserError) as caught:
        open_cache(source, root, color=color)
    assert str(caught.value).startswith(f"data: OneImage decodes one to {found}: it must return an array in uint8")


def test_a_gray_image_of_another_size_than_its_colors_is_a_sentence(root: Path) -> None:
    class Torn(OneImage):
        def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
            return super().decode_rgb(index)[0], np.zeros((2, 2), np.uint8)

    with pytest.raises(UserError, match=r"Torn\.decode_rgb returns arrays of shapes"):
        open_cache(Torn(Colors()[0]), root, color="rgb")
