"""Which settings distinguish runs, and the short texts for them."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from deblur.config.identity import is_within
from deblur.reporting.results import Run, name_of
from deblur.runs.conditions import place_text, value_text
from deblur.text import one_line

Settings = Mapping[str, Any]

LONGEST_LABEL = 60  # characters
# Keys of `data` that decide which images are tested and how they are degraded; the others belong to the training.
_IMAGES = (
    "data._target_",
    "data.blurred",
    "data.blurred_folder",
    "data.boundary",
    "data.color",
    "data.eval_crop",
    "data.fold",
    "data.folds",
    "data.group_by",
    "data.leaves",
    "data.max_bad_fraction",
    "data.max_images",
    "data.max_test_images",
    "data.name",
    "data.root",
    "data.seed",
    "data.sharp",
    "data.sharp_folder",
)
_CAMERA = "blur.camera"
_NOT_IN_A_LABEL = ("data.eval_batch_size", "seed")


def blur_settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run's degradation, without places on one machine."""
    own = {key: value for key, value in run.settings.items() if key.startswith("blur.")}
    found = {key: place_text(key, plain(value)) for key, value in own.items()}
    if isinstance(found.get("blur.sha256"), str):
        found["blur.sha256"] = found["blur.sha256"][:8]
    return found


def model_settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run's network."""
    return {key: plain(value) for key, value in run.settings.items() if key.startswith("model.")}


def image_settings(run: Run) -> dict[str, Any]:
    """Return the settings that select a run's test images."""
    return {key: plain(run.settings[key]) for key in _IMAGES if key in run.settings}


def other_settings(run: Run) -> dict[str, Any]:
    """Return the settings of the training: all but network, blur, images and seed."""
    left_out = (*_IMAGES, *_NOT_IN_A_LABEL, "model", "blur")
    found = {key: plain(value) for key, value in run.settings.items() if not is_within(key, left_out)}
    # `scheduler: null` is one of the classes that a scheduler can have: none.
    return {f"{key}._target_" if key == "scheduler" else key: value for key, value in found.items()}


def plain(value: Any) -> Any:
    """Return a whole number as a float, in lists too: 1 and 1.0 are one value, written by different commands."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def labels_with_names(runs: Sequence[Run], group: str) -> dict[Run, str]:
    """Return the label of each run's model or blur: its name, and what varies among those of that name."""
    settings = blur_settings if group == "blur" else model_settings
    made: dict[Run, str] = {}
    taken: dict[str, Hashable] = {}
    for run in runs:
        same_name = [settings(other) for other in runs if name_of(other, group) == name_of(run, group)]
        own = settings(run)
        varied = [key for key in varying(same_name) if key != f"{group}.name"]
        described = _described_with_camera(own, same_name, varied) if group == "blur" else describe(own, varied)
        label = shortened(" ".join(filter(None, (name_of(run, group), described))))
        labeled = frozen({key: own.get(key) for key in (f"{group}.name", *varied)})
        made[run] = numbered(label, labeled, taken)
    return made


def _described_with_camera(own: Settings, variants: Sequence[Settings], varied: Sequence[str]) -> str:
    """Return the values of the varied keys of a blur as a text, such as `no camera, jpeg_quality none`.

    Where some variants have a camera and others have none, that is said first. Of the camera, only what varies among
    cameras follows: all of its settings would be cut before they end.
    """
    cameras = [camera for one in variants if (camera := _camera_of(one))]
    if len(cameras) in (0, len(variants)):
        return describe(own, varied)
    among_cameras = varying(cameras)
    kept = [key for key in varied if not is_within(key, (_CAMERA,)) or key in among_cameras]
    return ", ".join(filter(None, ("camera" if _camera_of(own) else "no camera", describe(own, kept))))


def _camera_of(settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key.startswith(f"{_CAMERA}.")}


def numbered(label: str, settings: Hashable, taken: dict[str, Hashable]) -> str:
    """Return a label that no other settings have; a number follows one that was cut to the same text.

    Args:
        label: a short text.
        settings: what it stands for.
        taken: the labels so far, and what each stands for; the new one is added.
    """
    found, number = label, 2
    while taken.setdefault(found, settings) != settings:
        found = f"{label} ({number})"
        number += 1
    return found


def varying(variants: Sequence[Settings]) -> list[str]:
    """Return the keys whose values differ among variants, the learning rate first.

    The arguments of a class differ only if variants of the same class differ in them. A key that a variant lacks is
    one that an older version did not write, or of a camera, which the variant does not have.
    """
    keys = dict.fromkeys(key for variant in variants for key in variant)
    return sorted((key for key in keys if _varies(key, variants)), key=lambda key: key != "optimizer.lr")


def _varies(key: str, variants: Sequence[Settings]) -> bool:
    if key.endswith("._target_") or is_within(key, (_CAMERA,)):
        return len({repr(variant.get(key)) for variant in variants}) > 1
    of_class = f"{key.rpartition('.')[0]}._target_"
    values: dict[Any, set[str]] = {}
    for variant in variants:
        if key in variant:
            values.setdefault(variant.get(of_class), set()).add(repr(variant[key]))
    return any(len(different) > 1 for different in values.values())


def describe(variant: Settings, varied: Sequence[str]) -> str:
    """Return the values of the varied keys as a text, such as `lr 0.001, loss l1`."""
    shown = (key for key in varied if key in variant or key.endswith("._target_"))
    return ", ".join(f"{short_key(key, varied)}{_value(key, variant.get(key))}" for key in shown)


def short_key(key: str, among: Iterable[str]) -> str:
    """Return the last part of a key, or the whole key if another one ends so."""
    section, _, last = key.rpartition(".")
    if last == "_target_":
        return section
    if key == "model.kernel_sizes":
        return ""
    return key if any(other != key and other.rpartition(".")[2] == last for other in among) else last


def _value(key: str, value: Any) -> str:
    if key.endswith("._target_"):
        value = "none" if value is None else str(value).rpartition(".")[2]
    if key == "weights":
        value = place_text(key, value)  # shortened only here: two networks of one name are two settings
    text = value_text(value, is_range=key.startswith("blur."))
    return text if key == "model.kernel_sizes" else f" {text}"


def shortened(text: str) -> str:
    """Return a label in one line, at most as long as a heading can be."""
    text = one_line(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def frozen(settings: Settings) -> Hashable:
    """Return settings as a key of a dictionary."""
    return tuple(sorted((key, repr(value)) for key, value in settings.items()))
