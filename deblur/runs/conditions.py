"""Test conditions of a run as text: its images, their crop and boundary, the blur and noise."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from deblur.config.identity import flatten, is_within
from deblur.text import counted

PLACES: Final = ("data.root", "data.sharp", "data.blurred", "blur.path")
"""Settings that are paths on one machine, of which texts show the last name only."""

ITEMS: Final = ("data", "seed", "fold", "images", "boundary", "crop", "fingerprint", "blur", "camera", "noise", "JPEG")
"""The items of `conditions_of`, in this order."""
BLUR_ITEMS: Final = ("blur", "camera", "noise", "JPEG")
IMAGE_ITEMS: Final = tuple(item for item in ITEMS if item not in BLUR_ITEMS)

_NOT_OF_FAMILY = ("camera", "noise_sigma", "jpeg_quality")
_CAMERA = "camera."  # what the keys of a camera start with
_NO_CAMERA = "no camera"
_NEUTRAL = {"exposure": 1, "highlights": 1, "shot_noise": 0, "read_noise": 0}  # values that change nothing
_MOST_VALUES = 6  # that a sentence lists
_FINGERPRINT_DIGITS = 8
_NETWORK_SUFFIXES = (".ckpt", ".safetensors")
_CHECKPOINTS, _BEST = "checkpoints", "best"  # folder in a run's folder, and the file of its best epoch there

Items = Mapping[str, str]


def conditions_of(
    config: Mapping[str, Any], counts: Mapping[str, Any] | None = None, fingerprint: str | None = None
) -> dict[str, str]:
    """Return the test conditions of a run by the names of `ITEMS`, without unknown ones.

    Args:
        config: the run's configuration, or its sections `data` and `blur`.
        counts: number of images of each split.
        fingerprint: of the images.
    """
    flat = flatten(config)
    data = {key.removeprefix("data."): value for key, value in flat.items() if key.startswith("data.")}
    blur = {key.removeprefix("blur."): value for key, value in flat.items() if key.startswith("blur.")}
    crop, camera = data.get("eval_crop"), camera_text(blur)
    texts = (
        _data_text(data) if data else "",
        f"seed {data['seed']}" if "seed" in data else "",
        f"fold {data['fold']} of {data['folds']}" if data.get("folds") else "",
        _counts(counts or {}),
        f"{data.get('boundary', 'symmetric')} boundary" if data else "",  # the only one of older versions
        ("" if "eval_crop" not in data else f"center crop of {crop} px" if crop else "whole images"),
        f"fingerprint {fingerprint[:_FINGERPRINT_DIGITS]}" if fingerprint else "",
        "as the pairs are" if "blurred" in data and blur.get("name") == "none" else blur_text(blur),
        camera,
        _after_blur(
            blur,
            "noise_sigma",
            "no noise on encoded values" if "noise" in camera else "no noise",
            "noise of {} gray levels",
        ),
        _after_blur(blur, "jpeg_quality", "no JPEG", "JPEG quality {}"),
    )
    return {item: text for item, text in zip(ITEMS, texts, strict=True) if text}


def blur_text(blur: Mapping[str, Any]) -> str:
    """Return a blur family and its parameters, such as `motion (length 15 px, angle 0 degrees)`.

    Args:
        blur: its settings, nested or flat; camera, noise and JPEG are left out.
    """
    flat = flatten(blur)
    if not flat:
        return ""
    name = _name(flat)
    families = dict.fromkeys(key.split(".")[1] for key in flat if key.startswith("families."))
    if families:
        parts = [part for family in families if (part := _family(family, flat))]
        return f"{name} ({'; '.join(parts)})" if parts else name
    shown = _parameters({key: value for key, value in flat.items() if not is_within(key, _NOT_OF_FAMILY)})
    return f"{name} ({', '.join(shown)})" if shown else name


def camera_text(blur: Mapping[str, Any]) -> str:
    """Return the camera of a blur, such as `camera in linear light, exposure 0.7 to 1.4`; empty if it has none.

    Args:
        blur: its settings, nested or flat. Stages that change nothing are left out.
    """
    camera = {key.removeprefix(_CAMERA): value for key, value in flatten(blur).items() if key.startswith(_CAMERA)}
    if not camera:
        return ""
    stages = [
        f"{key.replace('_', ' ')} {value_text(camera[key], is_range=True)}"
        for key, neutral in _NEUTRAL.items()
        if camera.get(key, neutral) != neutral
    ]
    brightens = any(key in text for text in stages for key in ("exposure", "highlights"))
    stages += ["clipped before the blur"] if brightens and not camera.get("saturation", True) else []
    return ", ".join([f"camera in {'linear light' if camera.get('linear') else 'encoded values'}", *stages])


def with_unit(key: str, text: str) -> str:
    """Return the value of a blur parameter, such as `sigma` or `families.gaussian.sigma`, with its unit."""
    from deblur.blur.families import parameter_units  # OpenCV is slow to import

    return f"{text} {parameter_units().get(key.rpartition('.')[2], '')}".rstrip()


def value_text(value: Any, *, is_range: bool = False) -> str:
    """Return the value of a setting as a short text.

    Args:
        value: of any kind.
        is_range: whether a number between the two of a pair is drawn.
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


def common_conditions(tests: Sequence[Items]) -> tuple[dict[str, str], list[str]]:
    """Return the conditions that tests share, and the names of those that differ; unknown ones count as equal.

    Args:
        tests: the results of `conditions_of`.
    """
    tests = _with_camera(tests)
    values = {item: list(dict.fromkeys(one[item] for one in tests if item in one)) for item in ITEMS}
    common = {item: known[0] for item, known in values.items() if len(known) == 1}
    return common, [item for item, known in values.items() if len(known) > 1]


def condition_sentences(tests: Sequence[Items]) -> list[str]:
    """Return the conditions of tests in two sentences: their data, and their blur."""
    tests = _with_camera(tests)
    sentences = []
    for heading, items in (("Data", IMAGE_ITEMS), ("Blur", BLUR_ITEMS)):
        parts = [part for item in items if (part := _either(tests, item))]
        if parts:
            sentences.append(f"{heading}: {'; '.join(parts)}.")
    return sentences


def place_text(key: str, value: Any) -> Any:
    """Return the value of a setting; of a path only its last name, of a trained network its short name."""
    if key == "weights" and isinstance(value, str):
        return network_text(value)
    return PurePath(value).name if key in PLACES and isinstance(value, str) else value


def network_text(weights: str) -> str:
    """Return a short name of a trained network: that of its run, or of its file.

    Args:
        weights: the name of a pretrained network, or a path, which need not exist any more.
    """
    path = PurePath(weights)
    if path.suffix in _NETWORK_SUFFIXES and path.parent.name != _CHECKPOINTS:
        return path.stem
    run = path.parent.parent if path.suffix in _NETWORK_SUFFIXES else path
    name = run.parent.name if run.parent.parent.name == "runs" else run.name
    return name if path.stem == _BEST or run == path else f"{name} ({path.stem})"


def _with_camera(tests: Sequence[Items]) -> Sequence[Items]:
    """Return tests of which each says that it has no camera, if another one has a camera."""
    if not any("camera" in one for one in tests):
        return tests
    return [{**one, "camera": one.get("camera", _NO_CAMERA)} if "blur" in one else one for one in tests]


def _either(tests: Sequence[Items], item: str) -> str:
    values = list(dict.fromkeys(one[item] for one in tests if item in one))
    if len(values) > _MOST_VALUES:
        return f"{len(values)} kinds of {item}" if item in BLUR_ITEMS else f"{item}: {len(values)} different"
    return " or ".join(values)


def _data_text(data: Mapping[str, Any]) -> str:
    places = [PurePath(str(place)).name for key in ("root", "sharp", "blurred") if (place := data.get(key))]
    text = f"{_name(data)} {' and '.join(places[:2])}".rstrip()
    if data.get("color") == "rgb":
        text += " in RGB"
    leaves = data.get("leaves")
    return f"{text} with {leaves:.0%} dead leaves" if isinstance(leaves, int | float) and leaves > 0 else text


def _counts(counts: Mapping[str, Any]) -> str:
    verbs = {"train": "to train", "val": "to validate", "test": "to test"}
    known = [(counts[split], verb) for split, verb in verbs.items() if isinstance(counts.get(split), int)]
    return ", ".join(
        f"{count if index else counted(count, 'image')} {verb}" for index, (count, verb) in enumerate(known)
    )


def _name(section: Mapping[str, Any]) -> str:
    return str(section.get("name") or str(section.get("_target_", "")).rpartition(".")[2] or "unknown")


def _family(family: str, flat: Mapping[str, Any]) -> str:
    """Return a family of a mixture with its parameters; nothing if it is not drawn."""
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
    """Return the noise or JPEG quality of a blur; nothing if a custom blur has no such setting."""
    if key not in blur:
        return ""
    if not blur[key]:
        return without
    shown = text.format(value_text(blur[key], is_range=True))
    return shown.removesuffix("s") if blur[key] == 1 else shown
