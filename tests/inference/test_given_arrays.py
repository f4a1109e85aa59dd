"""What Python gives: images of Pillow, arrays of every type, settings."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from odd_images import HEIGHT, WIDTH, levels
from PIL import Image
from PIL.Image import Image as PillowImage

import deblur
from deblur import restore
from deblur.errors import UserError
from deblur.inference.pixels import DUST, as_pixels
from deblur.inference.restorer import Restorer

COLORS = levels(8, HEIGHT, WIDTH, 3)
GRAY = COLORS[..., 0].copy()


@pytest.fixture(scope="module")
def restorer(identity: Path) -> Restorer:
    return deblur.load(identity, accelerator="cpu", precision="32-true")


# Images of Pillow


def converted(mode: str) -> tuple[PillowImage, np.ndarray[Any, Any]]:
    """An image of a mode, and the levels of gray or RGB that it shows."""
    image = Image.fromarray(COLORS)
    if mode == "P":
        palette = image.quantize(20)
        return palette, np.asarray(palette.convert("RGB"))
    if mode == "P with a transparent entry":
        palette = image.quantize(20)
        palette.info["transparency"] = 3
        return palette, np.asarray(palette.convert("RGBA"))
    if mode == "PA":
        palette = image.quantize(20).convert("PA")
        return palette, np.asarray(palette.convert("RGBA"))
    if mode == "1":
        bits = image.convert("1")
        return bits, np.asarray(bits.convert("L"))
    if mode == "I;16":
        deep = levels(16, HEIGHT, WIDTH, 1)[..., 0]
        return Image.fromarray(deep), deep
    if mode == "I;16B":
        deep = levels(16, HEIGHT, WIDTH, 1)[..., 0]
        return Image.frombytes("I;16B", (WIDTH, HEIGHT), deep.astype(">u2").tobytes()), deep
    if mode in ("La", "RGBa"):
        straight = image.convert("LA" if mode == "La" else "RGBA")
        made = straight.convert(mode)
        return made, np.asarray(made.convert(straight.mode))
    made = image.convert(mode)
    return made, np.asarray(made if mode in ("L", "LA", "RGB", "RGBA") else made.convert("RGB"))


@pytest.mark.parametrize(
    "mode",
    [
        "L",
        "LA",
        "RGB",
        "RGBA",
        "1",
        "P",
        "P with a transparent entry",
        "PA",
        "I;16",
        "I;16B",
        "La",
        "RGBa",
        "YCbCr",
        "HSV",
        "RGBX",
    ],
)
def test_an_image_of_pillow_is_what_it_shows(restorer: Restorer, mode: str) -> None:
    image, expected = converted(mode)
    restored = restorer(image)
    assert restored.shape == expected.shape
    assert restored.dtype == expected.dtype
    np.testing.assert_array_equal(restored, expected)
    assert restorer.count(image) == restorer.count(expected)


def test_an_image_of_fractions_is_one_if_they_are_levels(restorer: Restorer) -> None:
    np.testing.assert_allclose(restorer(Image.fromarray((GRAY / 255).astype(np.float32))), GRAY / 255, atol=1e-6)
    with pytest.raises(ValueError, match=r"values in \[0, 1\], not from 0 to 244: divide 8-bit levels by 255"):
        restorer(Image.fromarray(GRAY.astype(np.float32)))


@pytest.mark.parametrize(
    ("mode", "said"),
    [("CMYK", "mode CMYK, the inks of a print"), ("LAB", "mode LAB, Lab colors"), ("I", "mode I, whole numbers of 32")],
)
def test_numbers_that_are_no_levels_are_refused(restorer: Restorer, mode: str, said: str) -> None:
    image = Image.new(mode, (5, 4))
    for call in (restorer, restorer.count):
        with pytest.raises(ValueError, match=said):
            call(image)


# Arrays


@pytest.mark.parametrize("kind", [">u2", "<u2", ">f4", ">f8", "f2"])
def test_every_byte_order_and_width(restorer: Restorer, kind: str) -> None:
    image = (levels(16, HEIGHT, WIDTH, 3) if "u" in kind else COLORS / 255).astype(kind)
    restored = restorer(image)
    assert restored.dtype == np.dtype(kind)
    np.testing.assert_allclose(restored.astype(float), image.astype(float), atol=0 if "u" in kind else 1e-3)


def test_views_and_arrays_that_may_not_be_written(restorer: Restorer) -> None:
    fixed = COLORS.copy()
    fixed.flags.writeable = False
    for image in (COLORS[::-1, ::-2], COLORS.transpose(1, 0, 2), np.asfortranarray(COLORS), fixed, COLORS[..., ::-1]):
        np.testing.assert_array_equal(restorer(image), image)


@pytest.mark.parametrize("dust", [1e-7, 1e-9, DUST / 2])
def test_dust_of_rounding_is_clipped(restorer: Restorer, dust: float) -> None:
    image = np.clip(COLORS / 255, 0, 1)
    image[0, 0], image[1, 1] = 1 + dust, -dust
    restored = restorer(image)
    assert restored.dtype == np.float64
    assert 0 <= restored.min() <= restored.max() <= 1
    np.testing.assert_allclose(restored, np.clip(image, 0, 1), atol=1e-6)
    assert image[0, 0, 0] == 1 + dust  # what was given stays


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (GRAY.astype(np.float64), r"not from 0 to 244: divide 8-bit levels by 255, and 16-bit ones by 65535"),
        (GRAY / 255 - 0.5, r"not from -0\.5 to 0\.456863: scale or clip it"),
        (np.where(GRAY > 100, 1 + 2 * DUST, 0), r"not from 0 to 1\.0002: scale or clip it"),
        (np.full((4, 5), np.nan), "NaN or infinite"),
        (np.where(GRAY > 100, np.nan, GRAY / 255), "NaN or infinite"),
        (np.full((4, 5), np.inf), "NaN or infinite"),
        (GRAY > 100, "uint8, uint16 or floating point in .0, 1., not bool"),
        (GRAY.astype(np.uint32), "not uint32"),
        (GRAY.astype(np.int64), "not int64"),
        (GRAY.astype(np.int8), "not int8"),
        (GRAY.astype(object), "not object"),
        (GRAY.astype(complex), "not complex128"),
        (np.array([["a", "b"]]), "not <U1"),
        (np.zeros((0, 5), np.uint8), r"not \(0, 5\)"),
        (np.zeros((5, 0, 3), np.uint8), r"not \(5, 0, 3\)"),
        (np.zeros((4, 5, 0), np.uint8), r"not \(4, 5, 0\)"),
        (np.zeros((3, 40, 50), np.uint8), r"with 1 to 4 channels, not \(3, 40, 50\)"),
        (np.zeros((1, 4, 5, 3), np.uint8), r"not \(1, 4, 5, 3\)"),
        (np.uint8(7), r"not \(\)"),
        ("photo.jpg", r"not \(\)"),
        (None, r"not \(\)"),
        ([[1, 2], [3]], "NumPy makes none of this list"),
        ([[1, 2], [3, 4]], "not int64"),
    ],
)
def test_what_is_no_image_is_told_what_is_expected(restorer: Restorer, image: Any, said: str) -> None:
    for call in (restorer, restorer.count):
        with pytest.raises(ValueError, match=said) as caught:
            call(image)
        assert "\n" not in str(caught.value)


def test_tensors_of_torch(restorer: Restorer) -> None:
    np.testing.assert_array_equal(restorer(torch.from_numpy(COLORS)), COLORS)
    np.testing.assert_allclose(restorer(torch.from_numpy(GRAY / 255)), GRAY / 255, atol=1e-6)
    with pytest.raises(ValueError, match="NumPy makes none of this Tensor"):
        restorer(torch.from_numpy(GRAY / 255).requires_grad_())
    with pytest.raises(ValueError, match="NumPy makes none of this Tensor"):
        restorer(torch.zeros(4, 5, dtype=torch.bfloat16))


def test_an_array_without_anything_to_change_is_not_copied() -> None:
    assert as_pixels(GRAY) is GRAY


# Settings


CHOICES = {
    "accelerator": ["cuda", "CPU", "", None, 0, ["cpu"], "tpu"],
    "precision": ["16", 16, "bf16", "32", "64-true", None, "16-mixed"],
    "color": ["rgb", "gray", "Luma", "", 1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in CHOICES.items() for value in values])
def test_settings_are_those_of_the_command_line(
    identity: Path, restorer: Restorer, name: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = rf"^{name}={re.escape(str(value))} is not allowed: give .*\.$"
    if name == "color":
        for call in (restorer, restorer.count):
            with pytest.raises(ValueError, match=pattern):
                call(GRAY, color=value)
    else:
        with pytest.raises(UserError, match=pattern):
            deblur.load(identity, **{name: value})
    if isinstance(value, str) and value:
        assert restore.main(["a.png", f"--{name}={value}"]) == 2
        assert f"Invalid value for '--{name}': '{value}' is not one of " in capsys.readouterr().err


def test_settings_are_checked_before_the_network_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="accelerator=cuda is not allowed"):
        deblur.load(tmp_path / "absent.onnx", accelerator="cuda")  # type: ignore[arg-type] # a wrong value


def test_trusted_modules_are_a_list(identity: Path) -> None:
    with pytest.raises(UserError, match=r"trusted=my_nets is not allowed: give a list of module names, .*'my_nets'"):
        deblur.load(identity, trusted="my_nets")
