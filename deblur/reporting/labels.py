"""Which settings tell runs apart, and the short texts for them."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from deblur.reporting.results import Run, name_of
from deblur.runs import is_within

Settings = Mapping[str, Any]

LONGEST_LABEL = 60  # characters
# Keys of `data` that decide which images are tested and how they are degraded; the others belong to the training.
_IMAGES = (
    "data._target_",
    "data.blurred",
    "data.blurred_folder",
    "data.border",
    "data.eval_crop",
    "data.group_by",
    "data.max_bad_fraction",
    "data.max_images",
    "data.name",
    "data.root",
    "data.seed",
    "data.sharp",
    "data.sharp_folder",
)
_NOT_IN_A_LABEL = ("data.eval_batch_size", "seed")


def blur_settings(run: Run) -> dict[str, Any]:
    """Return what decides a run's degradation, without places on one machine."""
    found = {key: value for key, value in run.settings.items() if key.startswith("blur.")}
    for key in ("blur.path", "blur.sha256"):
        if isinstance(found.get(key), str):
            found[key] = PurePath(found[key]).name if key == "blur.path" else found[key][:8]
    return found


def model_settings(run: Run) -> dict[str, Any]:
    """Return what decides a run's network."""
    return {key: value for key, value in run.settings.items() if key.startswith("model.")}


def image_settings(run: Run) -> dict[str, Any]:
    """Return what decides which images a run sees."""
    return {key: run.settings[key] for key in _IMAGES if key in run.settings}


def other_settings(run: Run) -> dict[str, Any]:
    """Return the settings of the training: all but network, blur, images and seed."""
    left_out = (*_IMAGES, *_NOT_IN_A_LABEL, "model", "blur")
    found = {key: value for key, value in run.settings.items() if not is_within(key, left_out)}
    # `scheduler: null` is one of the classes that a scheduler can have: none.
    return {f"{key}._target_" if key == "scheduler" else key: value for key, value in found.items()}


def labels_with_names(runs: Sequence[Run], group: str) -> dict[Hashable, str]:
    """Return a label for each variant of a group: its name, and what varies among those of that name."""
    settings = blur_settings if group == "blur" else model_settings
    made: dict[Hashable, str] = {}
    for run in runs:
        same_name = [settings(other) for other in runs if name_of(other, group) == name_of(run, group)]
        own = settings(run)
        varied = [key for key in varying(same_name) if key != f"{group}.name"]
        made[frozen(own)] = shortened(" ".join(filter(None, (name_of(run, group), describe(own, varied)))))
    return made


def varying(variants: Sequence[Settings]) -> list[str]:
    """Return the keys whose values differ among variants, the learning rate first.

    The arguments of a class count as differing only where variants of the same class differ in them. A key that a
    variant lacks is one that an older version did not write.
    """
    keys = dict.fromkeys(key for variant in variants for key in variant)
    found = [key for key in keys if _varies(key, variants)]
    return sorted(found, key=lambda key: key != "optimizer.lr")


def _varies(key: str, variants: Sequence[Settings]) -> bool:
    section = key.rpartition(".")[0]
    if key.endswith("._target_"):
        return len({repr(variant.get(key)) for variant in variants}) > 1
    values: dict[Any, set[str]] = {}
    for variant in variants:
        if key in variant:
            values.setdefault(variant.get(f"{section}._target_"), set()).add(repr(variant[key]))
    return any(len(different) > 1 for different in values.values())


def describe(variant: Settings, varied: Sequence[str]) -> str:
    """Return the values of the varied keys as a text, such as `lr 0.001, loss l1`."""
    return ", ".join(f"{short_key(key, varied)}{_value(key, variant)}" for key in varied if _is_told(key, variant))


def short_key(key: str, among: Iterable[str]) -> str:
    """Return the last part of a key, or as much as tells it from the other keys."""
    section, _, last = key.rpartition(".")
    if last == "_target_":
        return section
    if key == "model.kernel_sizes":
        return ""
    return key if any(other != key and other.rpartition(".")[2] == last for other in among) else last


def _is_told(key: str, variant: Settings) -> bool:
    return key in variant or key.endswith("._target_")


def _value(key: str, variant: Settings) -> str:
    value = variant.get(key)
    if key.endswith("._target_"):
        value = "none" if value is None else str(value).rpartition(".")[2]
    text = shown(value, is_range=key.startswith("blur."))
    return text if key == "model.kernel_sizes" else f" {text}"


def shown(value: Any, is_range: bool = False) -> str:
    """Return a value of a setting as a short text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else str(value)
    if isinstance(value, list):
        return (" to " if is_range and len(value) == 2 else "-").join(shown(one) for one in value)
    return " ".join(str(value).split())


def shortened(text: str) -> str:
    """Return a label that is not longer than a heading can be."""
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def frozen(settings: Settings) -> Hashable:
    """Return settings as a key of a dictionary."""
    return tuple(sorted((key, repr(value)) for key, value in settings.items()))
