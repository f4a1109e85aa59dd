"""The networks to choose from; blurring and restoring an image, without the page."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from deblur.blur import FAMILIES, Degradation, Slider
from deblur.blur.degradation import SHARED_PARAMETERS
from deblur.choices import DEFAULT_MAX_MEGAPIXELS, PRETRAINED, Accelerator
from deblur.demo.wording import shortened
from deblur.errors import UserError
from deblur.image_io.decoding import eight_bits, printable
from deblur.image_io.images import DecodedImage, Levels
from deblur.image_io.reading import read_image
from deblur.inference.pretrained import pretrained_file
from deblur.inference.restorer import Restorer, load
from deblur.inference.simulation import Gain, degraded, drawn, gain, reference
from deblur.synthesis.faces import draw

FACES: Final = 100  # to choose from
LARGEST_READ: Final = DEFAULT_MAX_MEGAPIXELS  # megapixels; what is larger than the page works on is made smaller
_OWN: Final = "own"  # name of the user's network among the others
_MIXTURE: Final = "mixed: any of these, or camera shake"
_DRAWN_FOR: Final = "demo"  # one name for all images: what is drawn changes with the settings alone
_FACES_SEED: Final = 1_000_003  # of a collection that no training of this project draws from
_BYTES_PER_PIXEL: Final = 8  # four channels of 16 bits, not compressed
_BYTES_BESIDE_PIXELS: Final = 2**20  # metadata

NOISE: Final = SHARED_PARAMETERS["noise_sigma"]
NOISE_SLIDER: Final = Slider(0, 25, step=0.5, start=0)


class Networks:
    """The pretrained networks, and one of the user's, which comes first.

    Attributes:
        absent: the pretrained networks whose files this installation lacks.
        missing: a sentence about them for the terminal; empty if there are none.
        trusted: modules whose classes may be built.
    """

    def __init__(self, run: str | None = None, accelerator: Accelerator = "auto", trusted: Sequence[str] = ()) -> None:
        """Load the networks, so that an error in one is reported on the terminal, before there is a page.

        Args:
            run: folder or file of the user's network.
            accelerator: where to compute.
            trusted: modules whose classes may be built.

        Raises:
            UserError: if there is no network at all, or as `load` does.
        """
        self.trusted = trusted
        self.absent = [name for name in PRETRAINED if not pretrained_file(name).is_file()]
        self.missing = ""
        if self.absent:
            names = ", ".join(self.absent)
            self.missing = f"This installation lacks the files of these networks: {names}. Install the package again."
        places = {} if run is None else {_OWN: run}
        places |= {name: name for name in PRETRAINED if name not in self.absent}
        if not places:
            raise UserError(f"{self.missing} Give a network of your own with --network DIR.")
        self._loaded = {name: load(place, accelerator=accelerator, trusted=trusted) for name, place in places.items()}

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What the page shows for each network, and its name."""
        return [(_network_label(name, network), name) for name, network in self._loaded.items()]

    def get(self, name: str) -> Restorer:
        """Return a network by its name.

        Raises:
            UserError: for a name that is not among `choices`.
        """
        if name not in self._loaded:
            raise UserError(f"There is no network {name}: choose one of {', '.join(self._loaded)}.")
        return self._loaded[name]


def _network_label(name: str, network: Restorer) -> str:
    """Return the label of a network; a pretrained one has the name of the family of blurs that it removes."""
    if name == _OWN:
        return f"{shortened(network.name)} (your own network{', for color images' if network.channels > 1 else ''})"
    if name not in FAMILIES:
        return _MIXTURE
    cause = FAMILIES[name].cause
    return f"{name} blur: {cause}" if cause else f"{name} blur"


@dataclass(frozen=True, eq=False)
class Outcome:
    """An image before and after.

    Attributes:
        before: the input of the network.
        after: its output.
        gain: in PSNR; None if the sharp image is not known.
    """

    before: DecodedImage
    after: DecodedImage
    gain: Gain | None


def largest_upload(max_megapixels: float) -> int:
    """Return the size of the largest file that an image of so many megapixels needs [bytes]."""
    return int(max_megapixels * 1e6) * _BYTES_PER_PIXEL + _BYTES_BESIDE_PIXELS


def sample_face(number: int, channels: int = 1) -> DecodedImage:
    """Draw one of the sample faces; the first is 1.

    Args:
        number: of the face.
        channels: of the network that restores it: 1 draws it in gray, 3 in color.

    Raises:
        UserError: for another number.
    """
    if number not in range(1, FACES + 1):
        raise UserError(f"There is no face {number}: choose one from 1 to {FACES}.")
    return DecodedImage(draw(_FACES_SEED, number - 1, "gray" if channels == 1 else "rgb"), None, "PNG")


def read_upload(path: Path, max_megapixels: float) -> DecodedImage:
    """Read an image that somebody dropped on the page.

    Raises:
        UserError: as `read_image` does, for a reader of the page: with the name of the file alone.
    """
    try:
        return read_image(path, max_megapixels)
    except UserError as error:
        text = str(error).replace(printable(str(path)), printable(path.name))
        if "raise --max-megapixels" in text:  # which nobody can set in a browser
            text = f"{text.rpartition(': ')[0]}: save it smaller, or cut out the part that matters, and drop that."
        raise UserError(text) from error


def fitted(image: DecodedImage, max_megapixels: float) -> DecodedImage:
    """Return an image, reduced by averaging if it is larger than the page restores."""
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
    """Return the families of blurs to choose from, each with the sliders of its parameters by name."""
    found = {
        name: {key: one.slider for key, one in family.parameters.items() if one.slider is not None}
        for name, family in FAMILIES.items()
    }
    return {name: each for name, each in found.items() if each and len(each) == len(FAMILIES[name].parameters)}


def blur_of(family: str, strengths: Mapping[str, float], noise_sigma: float) -> Degradation:
    """Make the blur that was chosen.

    Args:
        family: one of `families`.
        strengths: its parameters by name; others are left out.
        noise_sigma: standard deviation of the noise [gray levels of 255].

    Raises:
        UserError: for another family, or for values that are not allowed.
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
    """Return the name of a parameter of a family on the page."""
    return FAMILIES[family].parameters[parameter].title


def _refuse_outside(slider: Slider, value: float, title: str) -> None:
    if not slider.lowest <= value <= slider.highest:
        raise UserError(f"{title}: {value:g} is not from {slider.lowest:g} to {slider.highest:g}.")


def blur_and_restore(
    image: DecodedImage, restorer: Restorer, blur: Degradation | None = None, *, is_sharp: bool = False
) -> Outcome:
    """Blur an image, or leave it as it is, and restore it.

    Args:
        image: to restore. If it is blurred, 16 bits become 8, as in training; its alpha stays as it is.
        restorer: the network; of a color image, one for gray images restores the luma.
        blur: applied to the image first.
        is_sharp: whether the image is known to be sharp, so that a result can be compared with it; one that is blurred
            here is.

    Returns:
        Both images, with the metadata of the given one.

    Raises:
        UserError: if the network needs the kernel and no blur is applied here.
    """
    before = image if blur is None else _blurred(image, blur)
    kernel = None
    if restorer.needs_kernel:
        if blur is None:
            raise UserError(
                f"The network {restorer.name} needs the kernel that blurred an image, which is not known of this one: "
                "choose another network, or have an image blurred here."
            )
        blur.require_one_kernel(f"The network {restorer.name}")
        kernel = drawn(blur, _DRAWN_FOR).psf
    after = restorer.restore_image(before, kernel=kernel)
    if blur is None and not is_sharp:
        return Outcome(before, after, None)
    sharp = eight_bits(image.pixels)
    compared_with = sharp if blur is None else reference(sharp, blur, _DRAWN_FOR)
    of_luma = restorer.channels == 1
    found = gain(eight_bits(before.pixels), eight_bits(after.pixels), compared_with, of_luma=of_luma)
    return Outcome(before, after, found)


def _blurred(image: DecodedImage, blur: Degradation) -> DecodedImage:
    alpha = None if image.alpha is None else eight_bits(image.alpha)
    return replace(image, pixels=degraded(eight_bits(image.pixels), blur, _DRAWN_FOR), alpha=alpha)
