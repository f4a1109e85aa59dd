"""What the page says of networks and results."""

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from deblur.blur import NoBlur
from deblur.blur.families import parameter_units
from deblur.inference.simulation import Gain

LONGEST_NAME: Final = 60  # characters of a name that the page shows
UNKNOWN_GAIN: Final = (
    "How much nearer to the truth it is cannot be known without the sharp image: look at it, or blur a sharp image "
    "here and see."
)
_NAMES: Final = {"noise_sigma": "noise", "jpeg_quality": "JPEG quality"}
_NOT_SAID: Final = ("_target_", "name", "sha256", "families", "weight")


def shortened(name: str) -> str:
    """Return a name of any origin, such as a file's, as the page shows it: in one line, and not too long."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}\u2026"


def plain(text: str) -> str:
    """Return a text of any origin as Markdown and HTML that shows it, and does nothing else."""
    shown = (letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    return "".join(letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in shown)


def paragraphs(texts: Sequence[str], *, is_usage_error: bool = False) -> str:
    """Return texts of any origin as Markdown, the first of them bold.

    Args:
        texts: sentences.
        is_usage_error: whether they tell what went wrong.
    """
    first, *others = (plain(text) for text in texts if text)
    shown = "\n\n".join([f"**{first}**", *others])
    return f'<div class="usage_error">\n\n{shown}\n\n</div>' if is_usage_error else shown


def work_text(name: str, blur: str | None, network: str) -> str:
    """Return a sentence on what was done.

    Args:
        name: of the image.
        blur: what was done to it first, as `blur_text` tells it; None where nothing was.
        network: its name.
    """
    shown, by = shortened(name), f"by the network {shortened(network)}"
    if blur is None:
        return f"{shown} was restored as it is {by}: no blur was added."
    return f"{shown} was blurred first, by {blur}, then restored {by}."


def blur_text(label: str, parameters: Mapping[str, float]) -> str:
    """Return a blur by its label, with its parameters and their units."""
    return _with_parameters(label, parameters)


def resized_text(before: tuple[int, int], after: tuple[int, int], max_megapixels: float) -> str:
    """Return a sentence on an image that was made smaller; an empty text where it was not.

    Args:
        before: height and width [px].
        after: the same, as it was restored.
        max_megapixels: what the page works on.
    """
    if before == after:
        return ""
    return (
        f"The image has {before[1]}x{before[0]} px. This page works on up to {max_megapixels:g} megapixels, so it "
        f"was reduced to {after[1]}x{after[0]} px first."
    )


def result_text(gain: Gain | None) -> str:
    """Return a sentence on what a network gained."""
    if gain is None:
        return UNKNOWN_GAIN
    if math.isinf(gain.blurred):
        changed = "left it as it is" if math.isinf(gain.restored) else f"took it to a PSNR of {gain.restored:.2f} dB"
        return (
            f"The image before equals the sharp one, and the network {changed}: a stronger blur shows what it is for."
        )
    if math.isinf(gain.restored):
        return f"PSNR before: {gain.blurred:.2f} dB. After, the image equals the sharp one."
    return f"PSNR before: {gain.blurred:.2f} dB, after: {gain.restored:.2f} dB, gain: {gain.difference:+.2f} dB."


def training_text(settings: Mapping[str, Any]) -> str:
    """Return a sentence on the blur that a network was trained on.

    Args:
        settings: of its training, with the section `blur`.
    """
    blur = settings["blur"]
    families: Mapping[str, Any] = blur.get("families") or {}
    named = [_with_parameters(name, family) for name, family in families.items() if _is_drawn(family)]
    told = _with_parameters(_name_of(blur), blur)
    if named:
        own = _parameters(blur)
        told = ", ".join(named) + (f", all with {own}" if own else "")
    return f"The network was trained on this blur: {told}. Others it removes worse, or not at all."


def _is_drawn(family: Mapping[str, Any] | None) -> bool:
    return family is not None and bool(family.get("weight", 1) > 0)


def _name_of(blur: Mapping[str, Any]) -> str:
    return str(blur.get("name") or str(blur.get("_target_", "unknown")).rpartition(".")[2])


def _with_parameters(name: str, section: Mapping[str, Any]) -> str:
    told = _parameters(section)
    named = "no blur" if name == NoBlur.family else name
    return f"{named} ({told})" if told else named


def _parameters(section: Mapping[str, Any]) -> str:
    units = parameter_units()
    return ", ".join(
        f"{_NAMES.get(key, key)} {_shown(value)}{_short(units.get(key, ''))}"
        for key, value in sorted(section.items(), key=lambda item: item[0] in _NAMES)  # what follows the blur, last
        if key not in _NOT_SAID and value is not None and not (key == "noise_sigma" and value == 0)
    )


def _short(unit: str) -> str:
    """Return what follows a number: `°` for degrees, else the unit without what it is a part of."""
    return "°" if unit == "degrees" else f" {unit.partition(' of ')[0]}".rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    if isinstance(value, int | float):
        return f"{value:g}"
    return PurePath(str(value)).name  # of a kernel's file
