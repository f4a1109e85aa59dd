"""What is said of the blur that is seen in an image, of the network that restores it, and of what would help more."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deblur.choices import BLIND, listed_names
from deblur.estimation import BlurEstimate, Kind, blur_text, estimate, trained_widths
from deblur.estimation.network import FIELD
from deblur.estimation.training import Widths
from deblur.estimation.wording import KIND_NAMES, px
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
LITTLE: Final = 0.5  # fraction of the correction below which it is reported


@dataclass(frozen=True)
class Examined:
    """What is seen of an image before a network restores it.

    Attributes:
        blur: its blur; None if it is too small for an estimate.
        scale: at which it is to be restored.
        text: sentences on the blur, and on what the network could do about it.
    """

    blur: BlurEstimate | None
    scale: float
    text: str


def examine(image: DecodedImage, network: str, settings: Mapping[str, Any], scale: float | None = None) -> Examined:
    """Estimate the blur of an image.

    Args:
        image: of any size.
        network: the name of the network that is to restore it.
        settings: of its training, with the section `blur`; empty if they are not known.
        scale: at which the image is to be restored; None chooses one for its blur.
    """
    if min(image.pixels.shape[:2]) < FIELD:
        text = f"too small for an estimate of its blur, which needs {FIELD} px a side."
        return Examined(None, FULL if scale is None else scale, text)
    blur = estimate(visible(image.pixels, image.alpha))
    chosen = scale_for(blur, settings) if scale is None else scale
    return Examined(blur, chosen, seen_text(blur, network, settings, chosen, is_chosen=scale is None))


def applied_text(fraction: float) -> str:
    """Return a sentence on the fraction of a network's correction that the gate has applied; empty if it is most."""
    return "" if fraction >= LITTLE else f"{fraction:.0%} of the network's correction was applied."


def scale_for(blur: BlurEstimate, settings: Mapping[str, Any]) -> float:
    """Return the scale at which a network can restore an image.

    Args:
        blur: of the image.
        settings: of the network's training, with the section `blur`.

    Returns:
        1 unless the blur is wider than that of the training, then the largest 1/2, 1/3, ... 1/16 at which it is not; 1
        as well if the blur of the training is not known.
    """
    trained = trained_widths(settings.get("blur", {}))
    if blur.kind == "none" or not trained:
        return FULL
    widest = _widest(blur.kind, trained)
    return max(1 / max(1, math.ceil(blur.width / widest)), SMALLEST_SCALE)


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
    trained = trained_widths(settings.get("blur", {}))
    if not is_chosen or not trained or blur.kind == "none":
        return f"{said}."
    return f"{said}, where it is as wide as the blur of the training, {px(_widest(blur.kind, trained))} at most."


def _advice(blur: BlurEstimate, network: str, settings: Mapping[str, Any], scale: float) -> str:
    """Return sentences on why a network will not help, and on what would; empty if it may."""
    trained = trained_widths(settings.get("blur", {}))
    kind = blur.kind
    if kind == "none":
        return "It is sharp already: a network can hardly improve it."
    if trained is None or blur.probability < SURE:
        return ""
    if kind not in trained:
        better = [name for name in BLIND if name != network and _covers(pretrained_settings(name), kind)]
        named = "no pretrained network was" if not better else f"{listed_names(better)} would fit"
        return (
            f"The network {network} was not trained on {KIND_NAMES[kind]} and will hardly help: {named}; with its "
            "kernel, a non-blind network restores it best."
        )
    narrowest, widest = trained[kind]
    if scale * blur.width > TOLERANCE * widest:
        wanted = scale_for(blur, settings)
        smaller = f"restore it at a scale of {wanted:.2g}, or " if wanted < scale else "restore it "
        return (
            f"The network {network} was trained on blurs of at most {px(widest)} and will hardly help at this size: "
            f"{smaller}with its kernel and a non-blind network."
        )
    if scale * blur.width * TOLERANCE < narrowest:
        return (
            f"The network {network} was trained on blurs of at least {px(narrowest)} and may sharpen too much: take a "
            "network that was trained on weaker blur."
        )
    return ""


class Report:
    """What was seen of several images that one network restores, and how much of its correction was applied."""

    def __init__(self, *, is_gated: bool) -> None:
        """Begin without images; a fraction that no gate has decided is not reported."""
        self._is_gated = is_gated
        self._examined: dict[str, Examined] = {}
        self._few: dict[str, str] = {}

    def add(self, name: str, examined: Examined, applied: float) -> None:
        """Add an image by its name, with the fraction of the correction that was applied."""
        self._examined[name] = examined
        if self._is_gated and (text := applied_text(applied)):
            self._few[name] = f"{text.removesuffix('.')}; --strength 1 applies all of it."

    def lines(self) -> Lines:
        """Return a line for each of a few images, or some lines for all of many; no line without an image."""
        if len(self._examined) <= MOST_LINES:
            said = {name: (examined.text, self._few.get(name, "")) for name, examined in self._examined.items()}
            return lines(*(f"{printable(name)}: {' '.join(filter(None, texts))}" for name, texts in said.items()))
        blurs = [examined.blur for examined in self._examined.values()]
        counts = Counter(blur.kind for blur in blurs if blur is not None)
        kinds = [f"{KIND_NAMES[kind]} in {count}" for kind, count in counts.most_common()]
        small = len(blurs) - counts.total()
        kinds += [f"{counted(small, 'image', 'images')} too small for an estimate"] if small else []
        reduced = sum(examined.scale < FULL for examined in self._examined.values())
        few = (
            f"To {len(self._few)} of {len(blurs)} images, less than {LITTLE:.0%} of the network's correction was "
            "applied; --strength 1 applies all of it."
        )
        return lines(
            f"Seen: {', '.join(kinds)}. {counted(reduced, 'image was', 'images were')} restored at a smaller size.",
            *([few] if self._few else []),
        )


def scale_name(scale: float) -> str:
    """Return a scale as text: `1/3`, or a number if it is no such fraction."""
    whole = round(1 / scale)
    return f"1/{whole}" if math.isclose(scale * whole, 1, rel_tol=1e-3) else f"{scale:g}"


def _widest(kind: Kind, trained: Widths) -> float:
    """Return the widest blur of a training, of a kind if it was trained on that [px]."""
    return trained[kind][1] if kind in trained else max(high for _, high in trained.values())


def _covers(settings: Mapping[str, Any], kind: Kind) -> bool:
    trained = trained_widths(settings.get("blur", {}))
    return trained is not None and kind in trained
