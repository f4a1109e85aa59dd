import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_settings import SETTINGS, module_of
from image_files import noise, write_images
from numpy.typing import NDArray
from PIL import Image

from deblur.blur import Box, NoBlur
from deblur.data import DeblurDataModule, PairsData
from deblur.data.pairs import find_pairs
from deblur.errors import UserError
from deblur.image_io.decoding import digest


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stand in for a blur that no option draws: it can be undone in the tests."""
    return 255 - image


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Thirty sharp PNG images, some in a folder within, and their blurred BMP images."""
    sharp, other = tmp_path / "sharp", tmp_path / "blurred"
    write_images(sharp, 20, height=12)
    write_images(sharp / "more", 10, first=20, height=12)
    for path in sorted(sharp.rglob("*.png")):
        target = (other / path.relative_to(sharp)).with_suffix(".bmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blurred(np.asarray(Image.open(path)))).save(target)
    return sharp, other


def data(trees: tuple[Path, Path], cache_root: Path, degradation: Any = None, **changes: Any) -> DeblurDataModule:
    sharp, other = map(str, trees)
    module = module_of(
        PairsData,
        degradation or NoBlur(),
        sharp=sharp,
        blurred=other,
        cache_root=str(cache_root),
        **({"max_images": None} | SETTINGS | changes),
    )
    module.setup()
    return module


# Matching


def test_files_are_matched_by_name_without_suffix(trees: tuple[Path, Path]) -> None:
    pairs = find_pairs(*trees)
    assert len(pairs) == 30
    assert list(pairs) == sorted(pairs)
    assert pairs["000.png"] == "000.bmp"
    assert pairs["more/025.png"] == "more/025.bmp"


def test_dots_within_a_name_belong_to_it(tmp_path: Path) -> None:
    for name in ("sharp/a.1.png", "sharp/a.2.png", "blurred/a.1.jpg", "blurred/a.2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_pairs(tmp_path / "sharp", tmp_path / "blurred") == {"a.1.png": "a.1.jpg", "a.2.png": "a.2.jpg"}


@pytest.mark.parametrize("side", [0, 1])
def test_two_files_of_one_name_are_named(trees: tuple[Path, Path], side: int) -> None:
    (trees[side] / "more" / "021.webp").touch()
    with pytest.raises(UserError, match=r"more/021\.(png|bmp), more/021\.webp have the same name but for") as caught:
        find_pairs(*trees)
    assert str(caught.value).startswith(("data.sharp: ", "data.blurred: ")[side])


@pytest.mark.parametrize(("side", "key"), [(0, "data.blurred"), (1, "data.sharp")])
def test_images_without_a_partner_are_counted_and_the_first_named(
    trees: tuple[Path, Path], side: int, key: str
) -> None:
    for path in sorted(trees[side].glob("*"))[:7]:
        path.unlink()
    with pytest.raises(UserError) as caught:
        find_pairs(*trees)
    suffix = "bmp" if side == 0 else "png"
    names = ", ".join(f"00{index}.{suffix}" for index in range(5))
    assert str(caught.value).startswith(f"{key}: 7 of 30 images have no partner of the same name")
    assert f": {names} and 2 more. " in str(caught.value)


@pytest.mark.parametrize(("side", "key"), [(0, "data.sharp"), (1, "data.blurred")])
def test_a_folder_without_images_is_named_by_its_key(
    tmp_path: Path, trees: tuple[Path, Path], side: int, key: str
) -> None:
    (tmp_path / "empty").mkdir()
    folders = [*trees]
    folders[side] = tmp_path / "empty"
    with pytest.raises(UserError, match=rf"^{key}: there is no image in .*empty"):
        find_pairs(*folders)


# Caches


def test_the_two_images_of_a_pair_stay_together(trees: tuple[Path, Path], cache_root: Path) -> None:
    module = data(trees, cache_root)
    assert len(module.images) == len(module.inputs) == 30
    for index, name in enumerate(module.images.names):
        sharp = np.asarray(Image.open(trees[0] / name))
        np.testing.assert_array_equal(module.images[index], sharp)
        np.testing.assert_array_equal(module.inputs[index], blurred(sharp))
        assert module.images.digests[index] == digest(sharp)


def test_a_pair_with_a_bad_image_is_left_out_and_counted(trees: tuple[Path, Path], cache_root: Path) -> None:
    (trees[0] / "003.png").write_text("no image")
    (trees[1] / "005.bmp").write_bytes(b"")
    (trees[0] / "007.png").write_bytes(b"")
    (trees[1] / "007.bmp").write_bytes(b"")
    with pytest.raises(UserError, match=r"^data.max_bad_fraction: 3 of 30 images .* a share of 0.09 is allowed"):
        data(trees, cache_root, max_bad_fraction=0.09)
    module = data(trees, cache_root, max_bad_fraction=0.1)
    assert [(image.name, image.reason) for image in module.images.bad] == [
        ("003.png", "is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image"),
        ("005.bmp", "is empty (0 bytes) (the blurred image)"),
        ("007.png", "is empty (0 bytes)"),
    ]
    assert len(module.images) == 27
    for index in range(27):
        np.testing.assert_array_equal(module.inputs[index], blurred(module.images[index]))


def test_no_good_pair_is_refused(tmp_path: Path, cache_root: Path) -> None:
    for name in ("sharp/a.png", "blurred/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no image")
    with pytest.raises(UserError, match=r"^data: none of the 1 images of .*sharp, blurred in .*blurred, can be used"):
        data((tmp_path / "sharp", tmp_path / "blurred"), cache_root, max_bad_fraction=1)


def test_a_pair_of_two_sizes_is_named(trees: tuple[Path, Path], cache_root: Path) -> None:
    Image.fromarray(noise(20, 11)).save(trees[1] / "004.bmp")
    with pytest.raises(UserError) as caught:
        data(trees, cache_root)
    assert str(caught.value) == (
        "data.blurred: 1 of 30 images are of another size than their sharp ones: 004.bmp is 11x20, 004.png 11x13. "
        "Give pairs of equal sizes."
    )


def test_splits_go_by_the_sharp_images_and_the_fingerprint_covers_both(
    trees: tuple[Path, Path], cache_root: Path
) -> None:
    first = data(trees, cache_root)
    image = np.asarray(Image.open(trees[1] / "000.bmp")).copy()
    image[0, 0] ^= 1
    Image.fromarray(image).save(trees[1] / "000.bmp")
    second = data(trees, cache_root)
    assert first.splits == second.splits
    assert first.images.fingerprint != second.images.fingerprint
    assert first.inputs.fingerprint != second.inputs.fingerprint
    assert second.images.was_built  # one of the two was
    third = data(trees, cache_root)
    assert not third.images.was_built
    assert third.images.fingerprint == second.images.fingerprint


def test_some_of_the_pairs(trees: tuple[Path, Path], cache_root: Path) -> None:
    for path in (trees[0] / "000.png", trees[1] / "001.bmp"):
        path.write_text("no image")
    chosen = [data(trees, cache_root, max_images=10, seed=seed, max_bad_fraction=1).images for seed in (0, 0, 1)]
    assert [len(images) + len(images.bad) for images in chosen] == [10, 10, 10]
    assert chosen[0].names == chosen[1].names != chosen[2].names
    assert set(data(trees, cache_root, max_images=9, max_bad_fraction=1).images.names) < {
        *chosen[0].names,
        *(f"{Path(bad.name).stem}.png" for bad in chosen[0].bad),
    }


def test_a_pickled_part_of_a_cache_is_equal(trees: tuple[Path, Path], cache_root: Path) -> None:
    module = data(trees, cache_root)
    for cache in (module.images.subset([7, 2]), module.images):
        copy = pickle.loads(pickle.dumps(cache))
        assert (copy.names, copy.shapes, copy.digests) == (cache.names, cache.shapes, cache.digests)
        assert (copy.bad, copy.fingerprint, copy.was_built) == (cache.bad, cache.fingerprint, cache.was_built)
        for index in range(len(cache)):
            np.testing.assert_array_equal(copy[index], cache[index])
    part = module.images.subset([7, 2])
    assert part.names == (module.images.names[7], module.images.names[2])
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(part)).subset([1])))
    np.testing.assert_array_equal(again[0], module.images[2])


# Batches


@pytest.mark.parametrize("workers", [0, 2])
def test_patches_are_cut_from_the_same_place_of_both(trees: tuple[Path, Path], cache_root: Path, workers: int) -> None:
    for batch in data(trees, cache_root, num_workers=workers).train_dataloader():
        np.testing.assert_array_equal(batch["blurred"], 255 - batch["sharp"])


def test_given_images_are_evaluated_as_they_are(trees: tuple[Path, Path], cache_root: Path) -> None:
    for batch in data(trees, cache_root).test_dataloader():
        np.testing.assert_array_equal(batch["blurred"], 255 - batch["sharp"])
        assert batch["sharp"].shape[2:] == (10, 10)
        assert {row["blur"] for row in batch["degradation"]} == {"none"}


def test_blur_and_noise_come_on_top_of_the_given_images(trees: tuple[Path, Path], cache_root: Path) -> None:
    blur = Box(3)
    sample = data(trees, cache_root, blur, eval_crop=None).evaluation_dataset([4])[0]
    expected = blur.apply(255 - sample["sharp"][0], blur.sample(np.random.default_rng(0)))
    np.testing.assert_array_equal(sample["blurred"][0], expected)
    noisy = data(trees, cache_root, NoBlur(noise_sigma=5)).evaluation_dataset([4])[0]
    difference = noisy["blurred"].astype(int) - (255 - noisy["sharp"].astype(int))
    assert 2 < difference.std() < 8
