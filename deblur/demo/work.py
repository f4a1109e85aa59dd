"""The networks to choose from; reading, blurring and restoring an image, without the page."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur import FAMILIES, Degradation, Slider
from deblur.blur.degradation import SHARED_PARAMETERS
from deblur.blur.kernel_file import kernel_levels, read_kernel
from deblur.blur.kernels import Psf
from deblur.choices import PRETRAINED, Accelerator, Color
from deblur.demo.wording import shortened
from deblur.errors import UserError
from deblur.estimation import BlurEstimate, blur_text, estimate, kernel_text, most_blurred
from deblur.image_io.decoding import eight_bits, printable
from deblur.image_io.images import DecodedImage, Levels, Metadata, refuse_unfit
from deblur.image_io.reading import read_image
from deblur.inference.advice import Examined, applied_text, examine
from deblur.inference.blind import restore_blindly, shown_kernel
from deblur.inference.panels import detail_around, kernel_panel
from deblur.inference.pixels import visible
from deblur.inference.places import plan
from deblur.inference.pretrained import pretrained_file
from deblur.inference.restorer import Advance, Restorer, load
from deblur.inference.scaling import FULL
from deblur.inference.simulation import Gain, degraded, drawn, gain, reference
from deblur.synthesis.faces import draw

FACES: Final = 100  # to choose from
PREVIEW_MEGAPIXELS: Final = 2.0  # of an image on the screen; the download has all pixels
DETAIL_SIDE: Final = 512  # px, of the detail that is shown at full size beside a reduced preview
KERNEL_SIDE: Final = 240  # px, least side of a kernel on the screen
_OWN: Final = "own"  # name of the user's network among the others
_KERNEL: Final = "kernel"  # what messages of `read_kernel` call a file before its name is put there
_ANY: Final = "any blur"
_LABELS: Final = {  # of the pretrained networks
    "default": _ANY,
    "defocus": "defocus: blur without a direction",
    "motion": "motion along a straight line",
    "unrolled": f"{_ANY} whose kernel is known",
}
_DRAWN_FOR: Final = "demo"  # one name for all images: what is drawn changes with the settings alone
_FACES_SEED: Final = 1_000_003  # of a collection that no training of this project draws from
_SHIFTED: Final = "The kernel is known up to a shift, so that the result can be moved by some pixels."
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
            run: folder, file or address on the Hub of the user's network.
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

    @property
    def blind_choices(self) -> list[tuple[str, str]]:
        """What the page shows for each non-blind network that is given an estimated kernel, and the network's name."""
        non_blind = {name: network for name, network in self._loaded.items() if network.needs_kernel}
        whose = {name: _network_label(name, network) if name == _OWN else _ANY for name, network in non_blind.items()}
        return [(f"{label}, kernel estimated (blind)", name) for name, label in whose.items()]

    def get(self, name: str) -> Restorer:
        """Return a network by its name.

        Raises:
            UserError: for a name that is not among `choices`.
        """
        if name not in self._loaded:
            raise UserError(f"There is no network {name}: choose one of {', '.join(self._loaded)}.")
        return self._loaded[name]


def _network_label(name: str, network: Restorer) -> str:
    """Return the label of a network; a pretrained one that of the blur that it removes."""
    if name == _OWN:
        return f"{shortened(network.name)} (your own network{', for color images' if network.channels > 1 else ''})"
    return _LABELS[name]


@dataclass(frozen=True, eq=False)
class Outcome:
    """An image before and after.

    Attributes:
        before: the input of the network.
        after: its output.
        remarks: sentences about the result.
        blur: of the image before, if it has been estimated.
        kernel: of that blur, or a sheet of its kernels (of even sides), if it has been estimated.
        color: how the colors were restored by a network for gray images; None is its own choice.
    """

    before: DecodedImage
    after: DecodedImage
    remarks: tuple[str, ...]
    blur: BlurEstimate | None = None
    kernel: Psf | None = None
    color: Color | None = None


@dataclass(frozen=True)
class LeftAlone:
    """A photo that is better left as it is.

    Attributes:
        remarks: sentences on why.
    """

    remarks: tuple[str, ...]


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


def read_kernel_file(path: Path) -> Psf:
    """Read the kernel in a file that somebody dropped on the page, for a non-blind network.

    Raises:
        UserError: as `read_kernel` does, with the name of the file alone.
    """
    try:
        return read_kernel(path, _KERNEL).psf
    except UserError as error:
        raise UserError(str(error).replace(f"{_KERNEL}={path}", path.name)) from error


def preview(image: DecodedImage, max_megapixels: float = PREVIEW_MEGAPIXELS) -> DecodedImage:
    """Return an image for the screen: in 8 bits, with the metadata of its colors, reduced by averaging if it is large.

    Args:
        image: of any size.
        max_megapixels: the largest result.
    """
    height, width = image.pixels.shape[:2]
    most = max_megapixels * 1e6
    scale = math.sqrt(min(1.0, most / (height * width)))
    rows = max(1, int(min(height * scale, most)))
    size = max(1, int(min(width * scale, most / rows))), rows  # one pixel wide, it cannot become narrower

    def shown(plane: Levels) -> NDArray[np.uint8]:
        return eight_bits(plane if scale == 1 else np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA)))

    return _for_screen(image, shown)


def details(outcome: Outcome) -> tuple[DecodedImage, DecodedImage] | None:
    """Return the most blurred detail of an image before and after, at full size.

    Returns:
        Both details in 8 bits; None if previews show the images at full size.
    """
    before, after = outcome.before, outcome.after
    height, width = before.pixels.shape[:2]
    if height * width <= PREVIEW_MEGAPIXELS * 1e6:
        return None
    blur = outcome.blur or estimate(visible(before.pixels, before.alpha))
    rows, columns = detail_around(*most_blurred(blur.map, DETAIL_SIDE), before.pixels.shape, DETAIL_SIDE)

    def cut(plane: Levels) -> NDArray[np.uint8]:
        return eight_bits(plane[rows, columns])

    return _for_screen(before, cut), _for_screen(after, cut)


def _for_screen(image: DecodedImage, shown: Callable[[Levels], NDArray[np.uint8]]) -> DecodedImage:
    alpha = None if image.alpha is None else shown(image.alpha)
    of_colors = Metadata(icc_profile=image.metadata.icc_profile, color=image.metadata.color)
    return replace(image, pixels=shown(image.pixels), alpha=alpha, metadata=of_colors)


def kernel_images(kernel: Psf) -> tuple[DecodedImage, DecodedImage]:
    """Return a kernel enlarged for the screen, and as the file that restores with it."""
    panel = kernel_panel(kernel, -(-KERNEL_SIDE // min(kernel.shape)))
    return DecodedImage(panel, None, "PNG"), DecodedImage(kernel_levels(kernel), None, "PNG")


def download_place(upload: Path, image: DecodedImage, folder: Path) -> tuple[Path, str]:
    """Return the file for a restored image, named as by `deblur restore`, and a sentence about its format.

    The format is that of the upload if it can hold the image, otherwise PNG, which the sentence says.
    """
    target = folder / plan([upload], None)[0].target.name
    try:
        refuse_unfit(image, target)
    except UserError as error:
        reason = str(error).replace(printable(str(target)), printable(target.name)).rpartition("; ")[0]
        return target.with_suffix(".png"), f"The download is a PNG file: {reason}."
    return target, ""


def kernel_place(upload: Path, folder: Path) -> Path:
    """Return the file for the kernel of a photo, named as by `deblur restore --blind`."""
    return folder / plan([upload], None)[0].sibling("kernel", ".png").name


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


def examined(image: DecodedImage, restorer: Restorer) -> Examined | None:
    """Return what is seen of a photo before a network restores it; None for a network that is given the kernel."""
    if restorer.needs_kernel:
        return None
    return examine(image, shortened(restorer.name), restorer.settings)


def restore(
    image: DecodedImage,
    restorer: Restorer,
    kernel: Psf | None = None,
    advance: Advance | None = None,
    seen: Examined | None = None,
) -> Outcome:
    """Restore an image as it is.

    Args:
        image: to restore, of any size.
        restorer: the network; of a color image, one for gray images restores the luma.
        kernel: of the blur, for a non-blind network; None for others.
        advance: called after each tile; `Restorer.count` returns their number.
        seen: what is seen of the image, with the scale at which it is restored; None restores it at full size.

    Returns:
        Both images, with the metadata of the given one.

    Raises:
        UserError: if the network needs the kernel, and there is none.
    """
    if restorer.needs_kernel and kernel is None:
        raise UserError(
            f"The network {restorer.name} needs the kernel that blurred the image: drop its file, or choose another "
            "network."
        )
    applied: list[float] = []
    scale = FULL if seen is None else seen.scale
    after = restorer.restore_image(image, advance=advance, kernel=kernel, scale=scale, applied=applied.append)
    said = "" if seen is None else _sentence(seen.text)
    remarks = tuple(filter(None, [said, *map(applied_text, applied), restorer.caveat]))
    return Outcome(image, after, remarks, None if seen is None else seen.blur)


def restore_estimated(
    image: DecodedImage, restorer: Restorer, begin: Callable[[int], Advance | None] | None = None
) -> Outcome | LeftAlone:
    """Restore a photo by the kernel that is estimated from it, if that improves it.

    Args:
        image: to restore, of any size.
        restorer: a non-blind network.
        begin: as in `restore_blindly`.

    Returns:
        Both images, with the metadata of the given one, and the kernel; or why the photo is left as it is.
    """
    found = restore_blindly(restorer, image, begin=begin)
    estimate = found.estimate
    seen = "" if estimate.blur is None else f"{_sentence(blur_text(estimate.blur))}."
    if found.restored is None:
        return LeftAlone(tuple(filter(None, [found.refusal, seen])))
    said = f"{kernel_text(estimate)}; the result explains {found.explained:.0%} of the photo."
    return Outcome(
        image,
        found.restored,
        (*filter(None, [seen]), said, _SHIFTED),
        estimate.blur,
        shown_kernel(estimate),
        found.color,
    )


def blur_and_restore(
    image: DecodedImage, restorer: Restorer, blur: Degradation | None = None, advance: Advance | None = None
) -> tuple[Outcome, Gain]:
    """Blur a sharp image, restore it, and measure the gain.

    Args:
        image: the sharp one. If it is blurred, 16 bits become 8, as in training; its alpha stays as it is.
        restorer: the network; of a color image, one for gray images restores the luma.
        blur: applied to the image; None shows what the network does to a sharp image.
        advance: as in `restore`.

    Returns:
        The blurred and the restored image, with the metadata of the sharp one, and the gain.

    Raises:
        UserError: if the network needs one kernel for the whole image, and the blur has none.
    """
    before = image if blur is None else _blurred(image, blur)
    kernel = None
    if restorer.needs_kernel:
        if blur is None:
            raise UserError(
                f"The network {restorer.name} needs the kernel of a blur: choose a blur, or another network."
            )
        blur.require_one_kernel(f"The network {restorer.name}")
        kernel = drawn(blur, _DRAWN_FOR).psf
    outcome = restore(before, restorer, kernel, advance)
    sharp = eight_bits(image.pixels)
    compared_with = sharp if blur is None else reference(sharp, blur, _DRAWN_FOR)
    of_luma = restorer.channels == 1
    return outcome, gain(eight_bits(before.pixels), eight_bits(outcome.after.pixels), compared_with, of_luma=of_luma)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _blurred(image: DecodedImage, blur: Degradation) -> DecodedImage:
    alpha = None if image.alpha is None else eight_bits(image.alpha)
    return replace(image, pixels=degraded(eight_bits(image.pixels), blur, _DRAWN_FOR), alpha=alpha)
