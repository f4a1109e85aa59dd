"""What a run was tested on, in words: which images, cut and blurred how."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from deblur.config.identity import flatten
from deblur.text import counted

PLACES: Final = ("data.root", "data.sharp", "data.blurred", "blur.path")
"""Settings that are places on one machine: the last name of each is enough to know it by."""

ITEMS: Final = ("data", "seed", "images", "boundary", "crop", "fingerprint", "blur", "noise", "JPEG")
"""What is told of a test, in this order."""
OF_BLUR: Final = ("blur", "noise", "JPEG")
OF_IMAGES: Final = tuple(item for item in ITEMS if item not in OF_BLUR)

_AFTER_BLUR = ("noise_sigma", "jpeg_quality")
_MOST_VALUES = 6  # that a sentence names
_FINGERPRINT_DIGITS = 8

Items = Mapping[str, str]


def measured_on(
    config: Mapping[str, Any], counts: Mapping[str, Any] | None = None, fingerprint: str | None = None
) -> dict[str, str]:
    """Return what is known of the images of a run and of their blur, by the names of `ITEMS`.

    Args:
        config: the run's configuration, or the sections `data` and `blur` of it.
        counts: how many images each split has.
        fingerprint: of the images.
    """
    flat = flatten(config)
    data = {key.removeprefix("data."): value for key, value in flat.items() if key.startswith("data.")}
    blur = {key.removeprefix("blur."): value for key, value in flat.items() if key.startswith("blur.")}
    found = _images(data) | {
        "images": _counts(counts or {}),
        "fingerprint": f"fingerprint {fingerprint[:_FINGERPRINT_DIGITS]}" if fingerprint else "",
        "blur": "as the pairs are" if "blurred" in data and blur.get("name") == "none" else blur_text(blur),
        "noise": _after_blur(blur, "noise_sigma", "no noise", "noise of {} gray levels"),
        "JPEG": _after_blur(blur, "jpeg_quality", "no JPEG", "JPEG quality {}"),
    }
    return {item: found[item] for item in ITEMS if found[item]}


def blur_text(blur: Mapping[str, Any]) -> str:
    """Return a family of blurs and its parameters, such as `motion (length 15 px, angle 0 degrees)`.

    Args:
        blur: its settings, nested or flat, without what follows the blur.
    """
    flat = flatten(blur)
    if not flat:
        return ""
    name = _name(flat)
    families = dict.fromkeys(key.split(".")[1] for key in flat if key.startswith("families."))
    if families:
        parts = [part for family in families if (part := _family(family, flat))]
        return f"{name} ({'; '.join(parts)})" if parts else name
    shown = _parameters({key: value for key, value in flat.items() if key not in _AFTER_BLUR})
    return f"{name} ({', '.join(shown)})" if shown else name


def with_unit(key: str, text: str) -> str:
    """Return the value of a parameter of a blur with its unit.

    Args:
        key: of the parameter, such as `sigma` or `families.gaussian.sigma`.
        text: the value.
    """
    from deblur.blur.families import parameter_units  # OpenCV

    return f"{text} {parameter_units().get(key.rpartition('.')[2], '')}".rstrip()


def value_text(value: Any, *, is_range: bool = False) -> str:
    """Return the value of a setting as a short text.

    Args:
        value: of any kind.
        is_range: whether a pair of numbers means that one between them is drawn.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    if isinstance(value, list | tuple):
        between = " to " if is_range and len(value) == 2 else "-"
        return between.join(value_text(one, is_range=is_range) for one in value)
    return " ".join(str(value).split())


def shared(tests: Sequence[Items]) -> tuple[dict[str, str], list[str]]:
    """Return what some tests have in common, and the names of what they differ in; what one does not tell is no matter.

    Args:
        tests: what `measured_on` returned for each.
    """
    values = {item: list(dict.fromkeys(one[item] for one in tests if item in one)) for item in ITEMS}
    common = {item: known[0] for item, known in values.items() if len(known) == 1}
    return common, [item for item, known in values.items() if len(known) > 1]


def in_sentences(tests: Sequence[Items]) -> list[str]:
    """Return what some tests were made on, in two sentences: their data, and their blur."""
    told = []
    for heading, items in (("Data", OF_IMAGES), ("Blur", OF_BLUR)):
        parts = [part for item in items if (part := _either(tests, item))]
        if parts:
            told.append(f"{heading}: {'; '.join(parts)}.")
    return told


def place_text(key: str, value: Any) -> Any:
    """Return the value of a setting; of a place on one machine its last name alone."""
    return PurePath(value).name if key in PLACES and isinstance(value, str) else value


def _either(tests: Sequence[Items], item: str) -> str:
    values = list(dict.fromkeys(one[item] for one in tests if item in one))
    if len(values) > _MOST_VALUES:
        return f"{len(values)} kinds of {item}" if item in OF_BLUR else f"{item}: {len(values)} different"
    return " or ".join(values)


def _images(data: Mapping[str, Any]) -> dict[str, str]:
    found = dict.fromkeys(ITEMS, "")
    if not data:
        return found
    places = [place for key in ("root", "sharp", "blurred") if (place := data.get(key))]
    name = " ".join([_name(data), *(PurePath(str(place)).name for place in places[:1])])
    if len(places) > 1:
        name += f" and {PurePath(str(places[1])).name}"
    leaves = data.get("leaves")
    if isinstance(leaves, int | float) and leaves > 0:
        name += f" with {leaves:.0%} dead leaves"
    crop = data.get("eval_crop")
    found |= {"data": name, "seed": f"seed {data['seed']}" if "seed" in data else ""}
    found["boundary"] = f"{data.get('boundary', 'symmetric')} boundary"  # older versions knew this one alone
    if "eval_crop" in data:
        found["crop"] = f"middle {crop} px" if crop else "whole images"
    return found


def _counts(counts: Mapping[str, Any]) -> str:
    known = {split: counts[split] for split in ("train", "val", "test") if isinstance(counts.get(split), int)}
    overrides = {"train": "to train", "val": "to validate", "test": "to test"}
    parts = [f"{count} {overrides[split]}" for split, count in known.items()]
    if parts:
        first = next(iter(known))
        parts[0] = f"{counted(known[first], 'image')} {overrides[first]}"
    return ", ".join(parts)


def _name(section: Mapping[str, Any]) -> str:
    return str(section.get("name") or str(section.get("_target_", "")).rpartition(".")[2] or "unknown")


def _family(family: str, flat: Mapping[str, Any]) -> str:
    """Return a family of a mixture with its parameters; nothing where it is not drawn."""
    start = f"families.{family}."
    own = {key.removeprefix(start): value for key, value in flat.items() if key.startswith(start)}
    weight = own.pop("weight", 1)
    if not weight or flat.get(f"families.{family}", 0) is None:
        return ""
    shown = _parameters(own)
    if weight != 1:
        shown.append(f"weight {value_text(weight)}")
    return " ".join([family, ", ".join(shown)]).strip()


def _parameters(settings: Mapping[str, Any]) -> list[str]:
    shown = []
    for key, value in settings.items():
        if key in ("name", "_target_") or value is None:
            continue
        text = value_text(place_text(f"blur.{key}", value), is_range=True)
        if key == "sha256":
            text = text[:_FINGERPRINT_DIGITS]
        shown.append(f"{key} {with_unit(key, text)}")
    return shown


def _after_blur(blur: Mapping[str, Any], key: str, without: str, text: str) -> str:
    """Return what follows a blur; nothing where a blur of somebody's own does not tell."""
    if key not in blur:
        return ""
    if not blur[key]:
        return without
    told = text.format(value_text(blur[key], is_range=True))
    return told.removesuffix("s") if blur[key] == 1 else told
