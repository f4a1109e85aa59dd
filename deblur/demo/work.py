"""Blur an image and restore it: what the page does, without the page."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from deblur.blur import FAMILIES, Degradation, Parameter, Slider
from deblur.blur.degradation import SHARED_PARAMETERS
from deblur.choices import DEFAULT_MAX_MEGAPIXELS
from deblur.errors import UserError
from deblur.image_io.gray import eight_bits, printable
from deblur.image_io.images import DecodedImage, Levels
from deblur.image_io.reading import read_image
from deblur.inference.restorer import Restorer
from deblur.inference.simulation import Gain, degraded, drawn, gain
from deblur.synthesis.faces import draw

FACES: Final = 100  # to choose from
LARGEST_READ: Final = DEFAULT_MAX_MEGAPIXELS  # megapixels; what is larger than the page works on is made smaller
_OPTION: Final = "--max-megapixels"
_DRAWN_FOR: Final = "demo"  # one name for all images: what is drawn changes with the settings alone
_FACES_SEED: Final = 1_000_003  # of a collection that no training of this project draws from
_BYTES_PER_PIXEL: Final = 8  # four channels of 16 bits, not compressed
_BYTES_BESIDE_PIXELS: Final = 2**20  # metadata


NOISE: Final = SHARED_PARAMETERS["noise_sigma"]
NOISE_SLIDER: Final = Slider(0, 25, step=0.5, start=0)


@dataclass(frozen=True, eq=False)
class Outcome:
    """An image before and after.

    Attributes:
        before: what the network was given.
        after: what it made of it.
        gain: how near both are to the sharp image; None where that is not known.
    """

    before: DecodedImage
    after: DecodedImage
    gain: Gain | None


def largest_upload(max_megapixels: float) -> int:
    """Return the size of the largest file that an image of so many megapixels needs [bytes]."""
    return int(max_megapixels * 1e6) * _BYTES_PER_PIXEL + _BYTES_BESIDE_PIXELS


def sample_face(number: int) -> DecodedImage:
    """Draw one of the sample faces, gray; the first is 1.

    Raises:
        UserError: for a number that is none of them.
    """
    if number not in range(1, FACES + 1):
        raise UserError(f"There is no face {number}: choose one from 1 to {FACES}.")
    return DecodedImage(draw(_FACES_SEED, number - 1), None, "PNG")


def read_upload(path: Path, max_megapixels: float) -> DecodedImage:
    """Read an image that somebody dropped on the page.

    Raises:
        UserError: as `read_image` does, in words for who sees the page alone: of the file, it tells the name.
    """
    try:
        return read_image(path, max_megapixels)
    except UserError as error:
        text = str(error).replace(printable(str(path)), printable(path.name))
        if f"raise {_OPTION}" in text:  # which nobody can set in a browser
            text = f"{text.rpartition(': ')[0]}: save it smaller, or cut out the part that matters, and drop that."
        raise UserError(text) from error


def fitted(image: DecodedImage, max_megapixels: float) -> DecodedImage:
    """Return an image, made smaller where it is larger than the page works on.

    Each new pixel is the mean of those that it covers, as a camera with larger ones would see them.
    """
    height, width = image.pixels.shape[:2]
    most = max_megapixels * 1e6
    if height * width <= most:
        return image
    import cv2  # here: few images need it

    scale = math.sqrt(most / (height * width))
    rows = max(1, int(min(height * scale, most)))
    size = max(1, int(min(width * scale, most / rows))), rows  # one pixel wide, it cannot become narrower

    def smaller(plane: Levels) -> Levels:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), plane.dtype)

    return replace(image, pixels=smaller(image.pixels), alpha=None if image.alpha is None else smaller(image.alpha))


def families() -> dict[str, dict[str, Slider]]:
    """Return the families of blurs to choose from, each with a slider for each of its parameters by name."""
    found = {
        name: {key: one.slider for key, one in family.parameters.items() if one.slider is not None}
        for name, family in FAMILIES.items()
    }
    return {name: sliders for name, sliders in found.items() if sliders and len(sliders) == len(_parameters(name))}


def blur_of(family: str, strengths: Mapping[str, float], noise_sigma: float) -> Degradation:
    """Make the blur that was chosen.

    Args:
        family: one of `families`.
        strengths: its parameters by name; others are left out.
        noise_sigma: standard deviation of the noise [gray levels of 255].

    Raises:
        UserError: for another family, or for values that it cannot have.
    """
    known = families()
    if family not in known:
        raise UserError(f"There is no blur {family}: choose {', '.join(known)}.")
    chosen = {name: strengths[name] for name in known[family]}
    for name, value in chosen.items():
        _refuse_outside(known[family][name], value, title_of(family, name))
    _refuse_outside(NOISE_SLIDER, noise_sigma, NOISE.title)
    make: Callable[..., Degradation] = FAMILIES[family]
    try:
        return make(**chosen, noise_sigma=noise_sigma)
    except ValueError as error:
        raise UserError(f"{label_of(family)}: {error}") from error


def label_of(family: str) -> str:
    """Return the name of a family on the page."""
    return FAMILIES[family].label or family


def title_of(family: str, parameter: str) -> str:
    """Return what a parameter of a family is called on the page."""
    return _parameters(family)[parameter].title


def _parameters(family: str) -> Mapping[str, Parameter]:
    return FAMILIES[family].parameters


def _refuse_outside(slider: Slider, value: float, title: str) -> None:
    if not slider.lowest <= value <= slider.highest:
        raise UserError(f"{title}: {value:g} is not from {slider.lowest:g} to {slider.highest:g}.")


def blur_and_restore(
    image: DecodedImage, restorer: Restorer, blur: Degradation | None = None, *, is_sharp: bool = False
) -> Outcome:
    """Blur an image, or leave it as it is, and restore it.

    Args:
        image: to restore. Where it is blurred, 16 bits become 8, as in training; its alpha stays as it is.
        restorer: the network; of a color image it restores the luma.
        blur: what is done to the image first.
        is_sharp: whether the image is known to be sharp, so that a result can be compared with it. One that is
            blurred here is taken as sharp.

    Returns:
        Both images, with the metadata of the given one.

    Raises:
        UserError: where the network has to be told what blurred an image, and nobody knows.
    """
    before = image if blur is None else _blurred(image, blur)
    kernel = None
    if restorer.needs_kernel:
        if blur is None:
            raise UserError(
                f"The network {restorer.name} has to be told what blurred an image, which nobody knows of this one: "
                "choose another network, or have an image blurred here."
            )
        kernel = drawn(blur, _DRAWN_FOR).kernel.psf
    after = restorer.restore_image(before, kernel=kernel)
    if blur is None and not is_sharp:
        return Outcome(before, after, None)
    found = gain(*(eight_bits(each.pixels) for each in (before, after, image)))
    return Outcome(before, after, found)


def _blurred(image: DecodedImage, blur: Degradation) -> DecodedImage:
    alpha = None if image.alpha is None else eight_bits(image.alpha)
    return replace(image, pixels=degraded(eight_bits(image.pixels), blur, _DRAWN_FOR), alpha=alpha)
