"""A campaign of odd files: each is restored rightly, or refused in one sentence."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from odd_images import Odd, odd_images
from PIL import Image

from deblur.errors import UserError
from deblur.image_io.images import is_transparent
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image

ALL = list(odd_images())
FAST = ALL[::9]
HOLDS_ALL = {"bmp": "png", "avif": "png"}  # for copies of images that BMP has no place for, and of lossy ones


def test_the_campaign_is_large() -> None:
    assert len(ALL) >= 500
    assert len({odd.name for odd in ALL}) == len(ALL)
    assert sum(odd.pixels is None for odd in ALL) >= 15


@pytest.mark.parametrize("odd", FAST, ids=lambda odd: odd.name)
def test_some_of_the_campaign(tmp_path: Path, odd: Odd, capfd: pytest.CaptureFixture[str]) -> None:
    check(tmp_path, odd)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("odd", ALL, ids=lambda odd: odd.name)
def test_all_of_the_campaign(tmp_path: Path, odd: Odd, capfd: pytest.CaptureFixture[str]) -> None:
    check(tmp_path, odd)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_campaign_in_one_command(command: Callable[..., Any], identity: Path, tmp_path: Path) -> None:
    """A folder of all files through a network that gives what it gets; the copies show what the files do."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for odd in ALL:
        (source / odd.name).write_bytes(odd.content)
    told = command(f"{source}", f"--output={target}", f"--network={identity}", "--precision=32-true")
    refused = [line for line in told.err.splitlines() if line.startswith("error: ")][:-1]
    written = {path.name for path in target.iterdir()}
    unfit = {odd.name for odd in ALL if odd.pixels is not None and odd.name not in written}
    assert len(refused) == len(ALL) - len(written)
    assert {name.partition("-")[0] for name in unfit} <= {"bmp"}  # of alpha, or of more than 8 bits
    for odd in ALL:
        if odd.name in written:
            assert odd.pixels is not None
            same(read_image(target / odd.name).pixels, odd, exact=odd.exact)


def check(folder: Path, odd: Odd) -> None:
    path = folder / odd.name
    path.write_bytes(odd.content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if odd.pixels is None:
            assert odd.refusal is not None
            with pytest.raises(UserError) as refused:
                read_image(path)
            sentence = str(refused.value)
            assert odd.refusal in sentence
            assert sentence.startswith(str(path))
            assert "\n" not in sentence
            assert "damaged" not in sentence
            return
        decoded = read_image(path)
    same(decoded.pixels, odd, exact=True)  # what is decoded is what Pillow, or the maker of the file, says
    assert (decoded.alpha is None) == (odd.alpha is None)
    if odd.alpha is not None:
        assert decoded.alpha is not None
        np.testing.assert_array_equal(decoded.alpha, odd.alpha)
    suffix = path.suffix
    if suffix == ".avif" or (suffix == ".bmp" and (is_transparent(decoded) or decoded.pixels.dtype == np.uint16)):
        suffix = ".png"
    copy = folder / f"copy{suffix}"
    lost = write_image(copy, decoded)
    assert not any("damaged" in what for what in lost)
    back = read_image(copy)
    same(back.pixels, odd, exact=odd.exact or suffix == ".png")
    same_by_another(copy, odd, exact=odd.exact or suffix == ".png")
    if odd.alpha is not None and is_transparent(decoded):
        assert back.alpha is not None
        np.testing.assert_array_equal(back.alpha, odd.alpha)
    facts = dict(odd.facts)
    if "dpi" in facts and suffix != ".webp":
        dpi = facts["dpi"]
        assert (back.metadata.dpi is None) == (dpi is None)
        assert dpi is None or back.metadata.dpi == pytest.approx(dpi, rel=2e-3)
    if "icc" in facts:
        assert back.metadata.icc_profile == facts["icc"]
    if "maker" in facts:
        assert told_by_another(copy) == (facts["maker"], 1)
    if "text" in facts:
        told = [*back.metadata.comments, *(data for _, data in back.metadata.texts)]
        assert any(facts["text"].encode() in one for one in told)


def same(pixels: NDArray[Any], odd: Odd, *, exact: bool) -> None:
    assert odd.pixels is not None
    assert pixels.shape == odd.pixels.shape
    assert pixels.dtype == odd.pixels.dtype
    if exact:
        np.testing.assert_array_equal(pixels, odd.pixels)
    else:
        assert np.abs(pixels.astype(float) - odd.pixels).mean() < 4


def same_by_another(copy: Path, odd: Odd, *, exact: bool) -> None:
    """Compare with what another decoder than that of the code under test makes of the copy."""
    assert odd.pixels is not None
    if copy.suffix == ".tif":
        found = tifffile.imread(copy)
        found = found if found.ndim == 2 or odd.pixels.ndim == 3 else found[..., 0]
    elif copy.suffix == ".png" and odd.pixels.ndim == 2 and odd.alpha is not None:
        return  # OpenCV has no gray with alpha
    else:
        stored = cv2.imdecode(np.frombuffer(copy.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        found = stored if stored.ndim == 2 else stored[..., 2::-1]
    same(found if odd.pixels.ndim == 2 else found[..., :3], odd, exact=exact)


def told_by_another(copy: Path) -> tuple[str, int]:
    """Return the maker and the orientation of a copy; Pillow does not open every TIFF."""
    if copy.suffix == ".tif":
        with tifffile.TiffFile(copy) as file:
            tags = file.pages[0].tags
            return tags.valueof(0x010F), tags.valueof(0x0112) or 1
    with Image.open(copy) as stored:
        return stored.getexif()[0x010F], stored.getexif().get(0x0112, 1)
