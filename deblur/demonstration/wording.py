"""What the page says of networks and results."""

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from deblur.blur import NoBlur
from deblur.restoring.simulation import Gain

UNKNOWN_GAIN: Final = (
    "How much nearer to the truth it is cannot be known without the sharp picture: look at it, or blur a sharp picture "
    "here and see."
)
_UNITS: Final = {
    "sigma": " px",
    "size": " px",
    "length": " px",
    "angle": "°",
    "radius": " px",
    "extent": " px",
    "noise_sigma": " grey levels",
}
_NAMES: Final = {"noise_sigma": "noise", "jpeg_quality": "JPEG quality"}
_NOT_SAID: Final = ("_target_", "name", "sha256", "families", "weight")


def result_in_words(gain: Gain | None) -> str:
    """Return a sentence on what a network gained."""
    if gain is None:
        return UNKNOWN_GAIN
    if math.isinf(gain.blurred):
        changed = "left it as it is" if math.isinf(gain.restored) else f"took it to a PSNR of {gain.restored:.2f} dB"
        return (
            f"The picture before equals the sharp one, and the network {changed}: a stronger blur shows what it is for."
        )
    if math.isinf(gain.restored):
        return f"PSNR before: {gain.blurred:.2f} dB. After, the picture equals the sharp one."
    return f"PSNR before: {gain.blurred:.2f} dB, after: {gain.restored:.2f} dB, gain: {gain.difference:+.2f} dB."


def training_in_words(settings: Mapping[str, Any]) -> str:
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
    return ", ".join(
        f"{_NAMES.get(key, key)} {_shown(value)}{_UNITS.get(key, '')}"
        for key, value in sorted(section.items(), key=lambda item: item[0] in _NAMES)  # what follows the blur, last
        if key not in _NOT_SAID and value is not None and not (key == "noise_sigma" and value == 0)
    )


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    if isinstance(value, int | float):
        return f"{value:g}"
    return PurePath(str(value)).name  # of a kernel's file
