"""What is said of the blur that is seen in an image, of the network that restores it, and of what would help more."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from deblur.choices import BLIND
from deblur.estimation import BlurEstimate, Kind, blur_text, estimate, trained_widths
from deblur.estimation.network import FIELD
from deblur.estimation.training import Widths
from deblur.estimation.wording import px
from deblur.image_io.decoding import printable
from deblur.image_io.images import DecodedImage
from deblur.inference.pixels import visible
from deblur.inference.pretrained import pretrained_settings
from deblur.inference.scaling import FULL
from deblur.text import Lines, counted, lines, one_line

SMALLEST_SCALE: Final = 1 / 16
TOLERANCE: Final = 1.25  # how much wider, or narrower, than in the training a blur may seem: estimates are not exact
MOST_LINES: Final = 5  # images of which each has its own line
SURE: Final = 0.6  # probability of a kind, from which on networks of another kind are advised against
_NAMES: Final[Mapping[Kind, str]] = {
    "none": "no blur",
    "defocus": "defocus",
    "motion": "motion blur",
    "shake": "camera shake",
}


def scale_for(blur: BlurEstimate, settings: Mapping[str, Any]) -> float:
    """Return the scale at which a network can restore an image.

    Args:
        blur: of the image.
        settings: of the network's training, with the section `blur`.

    Returns:
        1 unless the blur is wider than that of the training, then the largest 1/2, 1/3, ... 1/16 at which it is not; 1
        as well if the blur of the training is not known.
    """
    trained = trained_widths(settings["blur"])
    if blur.kind == "none" or not trained:
        return FULL
    widest = _widest(blur.kind, trained)
    if blur.width <= TOLERANCE * widest:
        return FULL
    return max(1 / math.ceil(blur.width / widest), SMALLEST_SCALE)


def seen_text(
    blur: BlurEstimate, network: str, settings: Mapping[str, Any], scale: float, *, is_chosen: bool = True
) -> str:
    """Return sentences on the blur of an image, and on what a network could do about it.

    Args:
        blur: of the image.
        network: the name of the network.
        settings: of its training, with the section `blur`.
        scale: at which the image was restored.
        is_chosen: whether the scale was chosen from the estimate; otherwise it was asked for.
    """
    sentences = [f"{blur_text(blur)}.", _scale_text(blur, settings, scale, is_chosen)]
    return " ".join(filter(None, [*sentences, _advice(blur, one_line(network), settings, scale)]))


def _scale_text(blur: BlurEstimate, settings: Mapping[str, Any], scale: float, is_chosen: bool) -> str:
    if scale == FULL:
        return ""
    said = f"Restored at {scale_name(scale)} of its size"
    trained = trained_widths(settings["blur"])
    if not is_chosen or not trained or blur.kind == "none":
        return f"{said}."
    return f"{said}, where it is as wide as the blur of the training, {px(_widest(blur.kind, trained))} at most."


def _advice(blur: BlurEstimate, network: str, settings: Mapping[str, Any], scale: float) -> str:
    """Return sentences on why a network will not help, and on what would; empty if it may."""
    trained = trained_widths(settings["blur"])
    kind = blur.kind
    if kind == "none":
        return "It is sharp already: a network can hardly improve it."
    if trained is None or blur.probability < SURE:
        return ""
    if kind not in trained:
        better = [name for name in BLIND if name != network and _covers(pretrained_settings(name), kind)]
        named = f"--network {' or '.join(better)} was" if better else "no pretrained network was"
        return (
            f"The network {network} was not trained on {_NAMES[kind]} and will hardly help: {named}; with its kernel, "
            "a non-blind network restores it best."
        )
    narrowest, widest = trained[kind]
    if scale * blur.width > TOLERANCE * widest:
        wanted = scale_for(blur, settings)
        at = f"--scale {wanted:.2g}, or without --scale" if wanted < scale else "no scale"
        return (
            f"The network {network} was trained on blurs of at most {px(widest)} and will hardly help at this size: "
            f"restore it at {at}, or with its kernel and a non-blind network."
        )
    if scale * blur.width * TOLERANCE < narrowest:
        return (
            f"The network {network} was trained on blurs of at least {px(narrowest)} and may sharpen too much: take a "
            "network that was trained on weaker blur."
        )
    return ""


class Seen:
    """What is seen of the blur of several images that one network restores."""

    def __init__(self, network: str, settings: Mapping[str, Any], scale: float | None) -> None:
        """Begin without images.

        Args:
            network: its name.
            settings: of its training, with the section `blur`.
            scale: at which all images are restored; None chooses one for each image.
        """
        self._network = network
        self._settings = settings
        self._scale = scale
        self._texts: dict[str, str] = {}
        self._kinds: Counter[Kind] = Counter()
        self._reduced = 0

    def scale_of(self, name: str, image: DecodedImage) -> float:
        """Estimate the blur of an image, and return the scale at which to restore it."""
        if min(image.pixels.shape[:2]) < FIELD:
            self._texts[name] = f"too small for an estimate of its blur, which needs {FIELD} px a side."
            return FULL if self._scale is None else self._scale
        found = estimate(visible(image.pixels, image.alpha))
        scale = scale_for(found, self._settings) if self._scale is None else self._scale
        self._texts[name] = seen_text(found, self._network, self._settings, scale, is_chosen=self._scale is None)
        self._kinds[found.kind] += 1
        self._reduced += scale < FULL
        return scale

    def report(self) -> Lines:
        """Return a line for each of a few images, or a line for all of many; no line without an image."""
        if len(self._texts) <= MOST_LINES:
            return lines(*(f"{printable(name)}: {text}" for name, text in self._texts.items()))
        kinds = [f"{_NAMES[kind]} in {count}" for kind, count in self._kinds.most_common()]
        small = len(self._texts) - self._kinds.total()
        kinds += [f"{counted(small, 'image', 'images')} too small for an estimate"] if small else []
        reduced = counted(self._reduced, "image was", "images were")
        return lines(f"Seen: {', '.join(kinds)}. {reduced} restored at a smaller size.")


def scale_name(scale: float) -> str:
    """Return a scale as text: `1/3`, or a number if it is no such fraction."""
    whole = round(1 / scale)
    return f"1/{whole}" if math.isclose(scale * whole, 1, rel_tol=1e-3) else f"{scale:g}"


def _widest(kind: Kind, trained: Widths) -> float:
    """Return the widest blur of a training, of a kind if it was trained on that [px]."""
    return trained[kind][1] if kind in trained else max(high for _, high in trained.values())


def _covers(settings: Mapping[str, Any], kind: Kind) -> bool:
    trained = trained_widths(settings["blur"])
    return trained is not None and kind in trained
