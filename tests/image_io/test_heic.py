"""HEIC, which pillow-heif reads."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from odd_images import HEIGHT, WIDTH, levels, upright
from PIL import Image, ImageCms

from deblur.errors import UserError
from deblur.image_io.decoding import DECODER_VERSION, read_gray
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image

pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif, the extra heif")

COLORS = levels(8, 2 * HEIGHT, 2 * WIDTH, 3)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def heic(pixels: NDArray[Any], mode: str, **options: Any) -> bytes:
    content = io.BytesIO()
    size = (pixels.shape[1], pixels.shape[0])
    pillow_heif.encode(mode, size, np.ascontiguousarray(pixels).tobytes(), content, quality=95, chroma=444, **options)
    return content.getvalue()


def write(folder: Path, content: bytes) -> Path:
    (folder / "a.heic").write_bytes(content)
    return folder / "a.heic"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_of_a_phone(tmp_path: Path, orientation: int) -> None:
    made = Image.Exif()
    made[0x010F], made[0x0112] = "A maker", orientation
    path = write(tmp_path, heic(COLORS, "RGB", exif=made.tobytes(), icc_profile=PROFILE))
    decoded = read_image(path)
    assert (decoded.format, decoded.pixels.dtype) == ("HEIF", np.uint8)
    assert np.abs(decoded.pixels.astype(int) - upright(COLORS, orientation)).mean() < 6
    assert decoded.metadata.icc_profile == PROFILE
    for suffix in ("heic", "jpg", "png", "tif", "webp", "avif"):
        write_image(tmp_path / f"b.{suffix}", decoded)
        back = read_image(tmp_path / f"b.{suffix}")
        assert np.abs(back.pixels.astype(int) - decoded.pixels).mean() < 6
        assert back.metadata.icc_profile == PROFILE
        assert back.metadata.exif is not None
    assert read_gray(path).shape == decoded.pixels.shape[:2]


def test_alpha_gray_and_ten_bits(tmp_path: Path) -> None:
    rgba = levels(8, HEIGHT, WIDTH, 4)
    decoded = read_image(write(tmp_path, heic(rgba, "RGBA")))
    assert decoded.alpha is not None
    assert np.abs(decoded.alpha.astype(int) - rgba[..., 3]).mean() < 3
    gray = read_image(write(tmp_path, heic(COLORS[..., 0], "L")))
    assert np.abs(gray.pixels.astype(int) - COLORS[..., 0]).mean() < 3
    deep = levels(16, HEIGHT, WIDTH, 3)
    decoded = read_image(write(tmp_path, heic(deep, "RGB;16")))
    assert decoded.pixels.dtype == np.uint16
    assert np.abs(decoded.pixels.astype(int) - deep).mean() < 3 * 257
    assert decoded.pixels.max() > 65_000  # white is white
    assert write_image(tmp_path / "b.heic", decoded) == ()
    assert read_image(tmp_path / "b.heic").pixels.dtype == np.uint16
    with pytest.raises(UserError, match="JPEG holds 8 bits a channel"):
        write_image(tmp_path / "b.jpg", decoded)


def test_high_dynamic_range_stays_in_heic_and_png(tmp_path: Path) -> None:
    numbers = {"color_primaries": 9, "transfer_characteristics": 18, "matrix_coefficients": 9, "full_range_flag": 1}
    decoded = read_image(write(tmp_path, heic(levels(16, HEIGHT, WIDTH, 3), "RGB;16", **numbers)))
    for suffix in ("heic", "png"):
        write_image(tmp_path / f"b.{suffix}", decoded)
        color = read_image(tmp_path / f"b.{suffix}").metadata.color
        assert color is not None
        assert color.cicp == (9, 18, 0, 1)
    with pytest.raises(UserError, match=r"high dynamic range \(HLG\)"):
        write_image(tmp_path / "b.tif", decoded)


def test_the_primary_image_is_read(tmp_path: Path) -> None:
    file = pillow_heif.from_pillow(Image.fromarray(255 - COLORS))
    file.add_from_pillow(Image.fromarray(COLORS))
    file.save(tmp_path / "a.heic", quality=95, chroma=444, primary_index=1)
    decoded = read_image(tmp_path / "a.heic")
    assert np.abs(decoded.pixels.astype(int) - COLORS).mean() < 3
    assert decoded.metadata.lost == ("the images beside the primary one",)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    content = heic(COLORS, "RGB")
    for length in (40, 300, len(content) // 2):
        with pytest.raises(UserError, match=r"a\.heic (is|cannot)"):
            read_image(write(tmp_path, content[:length]))


def test_the_cache_knows_which_decoder_read_it() -> None:
    assert "heif" in DECODER_VERSION
