"""The texts of the page about networks and results."""

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from deblur.blur import NoBlur
from deblur.blur.families import parameter_units
from deblur.choices import Color
from deblur.inference.simulation import Gain
from deblur.runs.conditions import camera_text

LONGEST_NAME: Final = 60  # characters of a name that the page shows
UNKNOWN_GAIN: Final = (
    "The gain cannot be known without the sharp image: judge by eye, or measure it on a sharp image under Simulate a "
    "blur."
)
_NAMES: Final = {"noise_sigma": "noise", "jpeg_quality": "JPEG quality"}
_NOT_SAID: Final = ("_target_", "name", "sha256", "families", "weight", "camera")


def shortened(name: str) -> str:
    """Return a name of any origin, such as a file's, in one line of at most `LONGEST_NAME` characters."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}\u2026"


def plain(text: str) -> str:
    """Return a text of any origin as Markdown and HTML that only shows it."""
    shown = (letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    return "".join(letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in shown)


def paragraphs(texts: Sequence[str], *, is_usage_error: bool = False) -> str:
    """Return texts of any origin as Markdown, the first of them bold; those of an error are marked as such."""
    first, *others = (plain(text) for text in texts if text)
    shown = "\n\n".join([f"**{first}**", *others])
    return f'<div class="usage_error">\n\n{shown}\n\n</div>' if is_usage_error else shown


def restored_text(name: str, network: str) -> str:
    """Return a sentence on a photo that was restored as it is, by a network of a name."""
    return f"{shortened(name)} was restored by the network {shortened(network)}."


def estimated_text(name: str, network: str) -> str:
    """Return a sentence on a photo that was restored by its estimated kernel, by a network of a name."""
    return f"{shortened(name)} was restored by the network {shortened(network)}, with a kernel estimated from it."


def left_text(name: str) -> str:
    """Return a sentence on a photo that was not restored."""
    return f"{shortened(name)} was left as it is."


def kernel_label(height: int, width: int) -> str:
    """Return the caption of a kernel of a size [px], or of a sheet of kernels, whose sides are even."""
    if height % 2 == 0:
        return "Kernels over the photo, enlarged"
    return f"Kernel of {width}x{height} px, enlarged"


def simulated_text(name: str, blur: str | None, network: str) -> str:
    """Return a sentence on a simulation.

    Args:
        name: of the image.
        blur: applied to it, as `blur_text` returns it, or None.
        network: its name.
    """
    done = "was not blurred" if blur is None else f"was blurred by {blur}"
    return f"{shortened(name)} {done}, then restored by the network {shortened(network)}."


def color_text(channels: int, *, is_color: bool, color: Color | None = None) -> str:
    """Return a sentence on what was restored of the colors; empty for a gray image and a network for gray images.

    Args:
        channels: of the network's images, 1 or 3.
        is_color: whether the image is a color image.
        color: how a network for gray images restored the colors; None is `luma`.
    """
    if channels == 1 and is_color and color == "channels":
        return "The network is for gray images: red, green and blue were restored one by one."
    if channels == 1:
        return "The network is for gray images: the luma was restored, the colors were kept." if is_color else ""
    if is_color:
        return "Red, green and blue were restored at once."
    return "The image is gray and the network is for color images: the luma of its result was taken."


def result_text(gain: Gain, *, of_luma: bool = False) -> str:
    """Return a sentence on the gain of a network, which is that of the luma if it restores no colors."""
    psnr = "PSNR of the luma" if of_luma else "PSNR"
    if math.isinf(gain.blurred):
        changed = "left it as it is" if math.isinf(gain.restored) else f"took it to a {psnr} of {gain.restored:.2f} dB"
        return (
            f"The image before equals the sharp one, and the network {changed}: a stronger blur shows what it is for."
        )
    if math.isinf(gain.restored):
        return f"{psnr} before: {gain.blurred:.2f} dB. After, the image equals the sharp one."
    return f"{psnr} before: {gain.blurred:.2f} dB, after: {gain.restored:.2f} dB, gain: {gain.difference:+.2f} dB."


def training_text(settings: Mapping[str, Any]) -> str:
    """Return a sentence on the blur that a network was trained on.

    Args:
        settings: of its training, with the section `blur`; empty if they are not known.
    """
    if "blur" not in settings:
        return "On which blur the network was trained is not known."
    blur = settings["blur"]
    families: Mapping[str, Any] = blur.get("families") or {}
    chosen = {name: family for name, family in families.items() if family is not None and family.get("weight", 1) > 0}
    drawn = [blur_text(name, family) for name, family in chosen.items()]
    if drawn:
        shared = _parameters(blur)
        text = ", ".join(drawn) + (f", all with {shared}" if shared else "")
    else:
        text = blur_text(blur.get("name") or str(blur.get("_target_", "unknown")).rpartition(".")[2], blur)
    camera = camera_text(blur)
    text += f"; {camera}" if camera else ""
    return f"The network was trained on this blur: {text}. Others it removes worse, or not at all."


def blur_text(name: str, parameters: Mapping[str, Any]) -> str:
    """Return a blur by its name or label, with its parameters and their units."""
    text = _parameters(parameters)
    named = "no blur" if name == NoBlur.family else name
    return f"{named} ({text})" if text else named


def _parameters(section: Mapping[str, Any]) -> str:
    units = parameter_units()
    return ", ".join(
        f"{_NAMES.get(key, key)} {_shown(value)}{_short(units.get(key, ''))}"
        for key, value in sorted(section.items(), key=lambda item: item[0] in _NAMES)  # what follows the blur, last
        if key not in _NOT_SAID and value is not None and not (key == "noise_sigma" and value == 0)
    )


def _short(unit: str) -> str:
    """Return the unit behind a number: `°`, or the unit without what it is a part of."""
    return "°" if unit == "degrees" else f" {unit.partition(' of ')[0]}".rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    if isinstance(value, int | float):
        return f"{value:g}"
    return PurePath(str(value)).name  # of a kernel's file
