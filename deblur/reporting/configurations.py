"""Runs grouped by test setting (images and degradation), then by configuration (network and training)."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur.reporting.labels import (
    LONGEST_LABEL,
    blur_settings,
    describe,
    frozen,
    image_settings,
    labels_with_names,
    numbered,
    other_settings,
    plain,
    shortened,
    varying,
)
from deblur.reporting.results import Run, Sweep, name_of
from deblur.runs.conditions import common_conditions, place_text

Values = NDArray[np.float64]

SAME_INPUT = 0.01  # [dB] by which the blurred images of two runs may differ and still be the same


@dataclass(frozen=True)
class Configuration:
    """A network trained in one way, on one test setting; its runs differ in their seeds, and in their folds.

    With folds, each fold has test images of its own, and means are over the folds.
    """

    model: str
    hyperparameters: str  # the other settings that vary, such as `lr 0.001`; may be empty
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The label of the configuration."""
        return ", ".join(filter(None, (self.model, self.hyperparameters)))

    @property
    def done(self) -> list[Run]:
        """The runs that have a result."""
        return [run for run in self.runs if run.measured]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The names of the test images, fold by fold."""
        return tuple(name for runs in self._by_fold for name in runs[0].images)

    @cached_property
    def _by_fold(self) -> list[list[Run]]:
        """The runs that have a result, those of each fold together; without folds, in one list."""
        found: dict[tuple[int, int], list[Run]] = {}
        for run in self.done:
            found.setdefault(fold_of(run) or (0, 1), []).append(run)
        return [found[fold] for fold in sorted(found)]

    @property
    def folds(self) -> tuple[int, int] | None:
        """How many folds have a result, and into how many the images are divided; None without folds."""
        fold = fold_of(self.done[0]) if self.done else None
        return None if fold is None else (len(self._by_fold), fold[1])

    @property
    def seeds(self) -> int:
        """How many seeds have a result; with folds, the largest number of a fold."""
        return max(map(len, self._by_fold), default=0)

    def per_image(self, key: str) -> Values:
        """Return the value of each test image, averaged over the seeds; nan if one was infinite."""
        each = [self._each_seed(key, runs) for runs in self._by_fold]
        if not each or not all(values.size for values in each):
            return np.empty(0)
        return np.concatenate([values.mean(axis=0) for values in each])

    def _each_seed(self, key: str, runs: Sequence[Run]) -> Values:
        """Return the value of each test image of a fold with each seed; none if a run has not measured it."""
        values = [[run.images[name].get(key) for name in runs[0].images] for run in runs if run.images]
        return np.empty(0) if any(None in seed for seed in values) else np.array(values)

    def each_fold(self, values: Values) -> list[float]:
        """Return the mean of each fold of one number per test image; those that are not finite are left out."""
        ends = np.cumsum([len(runs[0].images) for runs in self._by_fold])
        parts = [part[np.isfinite(part)] for part in np.split(values, ends[:-1])]
        return [float(np.mean(part)) for part in parts if part.size]

    def mean(self, key: str) -> float | None:
        """Return the mean over test images and seeds; with folds, over the means of the folds."""
        values = self.per_image(key)
        if self.folds is not None and values.size:
            means = self.each_fold(values)
            return float(np.mean(means)) if means else self.average(f"test.{key}")
        finite = values[np.isfinite(values)]
        return float(np.mean(finite)) if finite.size else self.average(f"test.{key}")

    def average(self, key: str) -> float | None:
        """Return the mean over seeds of a number of metrics.json."""
        known = self._numbers(key)
        return float(np.mean(known)) if known else None

    def _numbers(self, key: str) -> list[float]:
        return [number for run in self.done if (number := run.number(key)) is not None]

    def deviation(self, key: str) -> float | None:
        """Return the standard deviation over seeds of the means; None with fewer than two seeds.

        The means are those of `mean`, over the images that are finite for all seeds. With folds, it is that over folds.
        """
        if self.folds is not None:
            means = self.each_fold(self.per_image(key)) if self.per_image(key).size else []
            return float(np.std(means, ddof=1)) if len(means) > 1 else None
        values = self._each_seed(key, self.done)
        finite = np.isfinite(values).all(axis=0) if values.size else np.empty(0)
        known = list(values[:, finite].mean(axis=1)) if finite.any() else self._numbers(f"test.{key}")
        return float(np.std(known, ddof=1)) if len(known) > 1 else None


@dataclass
class TestSetting:
    """The test images of a data set, degraded in one way; only configurations of one test setting are compared."""

    label: str
    blur: str  # the label of the blur; test settings of the same blur differ in their images
    configurations: list[Configuration]

    @property
    def done(self) -> list[Configuration]:
        """The configurations that have a result."""
        return [configuration for configuration in self.configurations if configuration.done]

    @property
    def measured_on(self) -> dict[str, str]:
        """What is known of the test images and their blur, in words; less of runs without a result."""
        runs = [run for configuration in self.configurations for run in configuration.runs]
        return common_conditions([run.measured_on for run in runs])[0]

    @property
    def heading(self) -> str:
        """The label with the strength of the blur, such as `gaussian (sigma 3 px)`, if the label does not name it."""
        described = self.measured_on.get("blur", "")
        name = described.partition(" (")[0]
        rest = self.label.removeprefix(name)
        if len(described) > LONGEST_LABEL or rest == self.label or (rest and not rest.startswith(", ")):
            return self.label
        return described + rest

    @property
    def left_out(self) -> int:
        """How many test images have an infinite PSNR in some configuration."""
        found = set()
        for one in self.done:
            finite = np.isfinite(one.per_image("psnr") + one.per_image("gain"))
            found |= {name for name, is_finite in zip(one.images, finite, strict=True) if not is_finite}
        return len(found)


@dataclass(frozen=True)
class Table:
    """All test settings of some sweeps, with the labels of rows and columns in order."""

    test_settings: list[TestSetting]
    models: list[str]
    hyperparameter_labels: list[str]
    settings: dict[Run, dict[str, Any]]  # of results.csv

    @property
    def configurations(self) -> list[Configuration]:
        """Those of all test settings."""
        return [configuration for test_setting in self.test_settings for configuration in test_setting.configurations]

    @property
    def runs(self) -> list[Run]:
        """Those of all configurations."""
        return [run for configuration in self.configurations for run in configuration.runs]


def arrange(sweeps: Sequence[Sweep]) -> Table:
    """Sort the runs of sweeps into test settings and configurations; a missing run belongs to none."""
    runs = sorted((run for sweep in sweeps for run in sweep.runs if run.config), key=_order(sweeps))
    groups = _by_test_setting(runs)
    blur_of, model_of = labels_with_names(runs, "blur"), labels_with_names(runs, "model")
    blur_labels = [blur_of[group[0]] for group in groups]
    hyperparameters_of = _hyperparameter_labels(runs, are_several=len(sweeps) > 1)
    test_settings = []
    for label, blur, group in zip(_test_setting_labels(blur_labels, groups), blur_labels, groups, strict=True):
        configurations: dict[tuple[str, str], Configuration] = {}
        for run in group:
            labels = model_of[run], hyperparameters_of[run]
            configurations.setdefault(labels, Configuration(*labels)).runs.append(run)
        test_settings.append(TestSetting(label, blur, list(configurations.values())))
    return Table(
        test_settings,
        list(dict.fromkeys(model_of.values())),
        list(dict.fromkeys(hyperparameters_of.values())),
        _stated_settings(runs),
    )


def _order(sweeps: Sequence[Sweep]) -> Callable[[Run], tuple[Any, ...]]:
    """Return the key that sorts runs in the order of their sweep, else by blur, size of network and learning rate."""
    places = {run: place for sweep in sweeps if sweep.is_ordered for place, run in enumerate(sweep.runs)}
    from deblur.blur import FAMILIES  # OpenCV

    names, families = [sweep.name for sweep in sweeps], list(FAMILIES)
    sizes: dict[str, float] = {}
    for run in (run for sweep in sweeps for run in sweep.runs):
        size = run.number("model.parameters")
        if size is not None:
            sizes.setdefault(name_of(run, "model"), size)

    def key(run: Run) -> tuple[Any, ...]:
        blur, model, lr = name_of(run, "blur"), name_of(run, "model"), run.config.get("optimizer.lr")
        rank = families.index(blur) if blur in families else len(families)
        rate = float(lr) if isinstance(lr, int | float) else math.inf
        place, size = places.get(run, math.inf), sizes.get(model, math.inf)
        return names.index(run.sweep), place, rank, blur, size, model, rate, run.name

    return key


def _by_test_setting(runs: Sequence[Run]) -> list[list[Run]]:
    groups: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: not run.images):  # those with images first: they define a test setting
        for group in groups:
            if not varying([blur_settings(group[0]), blur_settings(run)]) and _fits(group, run):
                group.append(run)
                break
        else:
            groups.append([run])
    places = {run: place for place, run in enumerate(runs)}
    for group in groups:
        group.sort(key=places.__getitem__)
    return sorted(groups, key=lambda group: places[group[0]])


def fold_of(run: Run) -> tuple[int, int] | None:
    """Return the fold that a run was tested on, and how many there are; None without folds."""
    fold, folds = run.config.get("data.fold"), run.config.get("data.folds")
    return (fold, folds) if isinstance(fold, int) and isinstance(folds, int) and folds > 1 else None


def _fits(group: Sequence[Run], run: Run) -> bool:
    """Return whether a run belongs to a test setting: it has its images, or another fold of them."""
    same_fold = next((one for one in group if fold_of(one) == fold_of(run)), None)
    if same_fold is None:
        return _are_folds(group[0], run)
    return (have_same_images if run.images else _may_have_same_images)(same_fold, run)


def _are_folds(one: Run, other: Run) -> bool:
    """Return whether two runs were tested on folds of one division of the same images."""
    if fold_of(one) is None or fold_of(other) is None or len({one.fingerprint, other.fingerprint} - {None}) > 1:
        return False
    each = [{key: value for key, value in image_settings(run).items() if key != "data.fold"} for run in (one, other)]
    return not varying(each)


def have_same_images(one: Run, other: Run) -> bool:
    """Return whether two runs were tested on the same images: by names, fingerprint and PSNR of the blurred images."""
    if one.images.keys() != other.images.keys() or len({one.fingerprint, other.fingerprint} - {None}) > 1:
        return False
    first, second = ([run.images[name]["input_psnr"] for name in one.images] for run in (one, other))
    return bool(np.allclose(first, second, rtol=0, atol=SAME_INPUT, equal_nan=True))


def _may_have_same_images(one: Run, other: Run) -> bool:
    """Return whether a run without results is to be tested on the images of another."""
    if one.fingerprint and other.fingerprint and one.fingerprint != other.fingerprint:
        return False
    return not varying([image_settings(one), image_settings(other)])


def _test_setting_labels(labels: Sequence[str], groups: Sequence[Sequence[Run]]) -> list[str]:
    """Return a label for each test setting: its blur, and what distinguishes it from others of the same blur."""
    made = list(labels)
    for label in {label for label in labels if labels.count(label) > 1}:
        alike = [index for index, other in enumerate(labels) if other == label]
        images = [image_settings(groups[index][0]) for index in alike]
        shown = (
            "data.color",
            "data.max_images",
            "data.seed",
            "data.folds",
            "data.boundary",
            "data.eval_crop",
            "data.name",
        )
        varied = [key for key in varying(images) if key in shown]
        ways = (
            [describe(one, varied) for one in images],
            ["sweep " + ", ".join(dict.fromkeys(run.sweep for run in groups[index])) for index in alike],
            [f"images {(groups[index][0].fingerprint or '')[:8]}" for index in alike],
            [f"images {number}" for number in range(1, len(alike) + 1)],
        )
        extra = next(way for way in ways if len(set(way)) == len(alike))
        for index, text in zip(alike, extra, strict=True):
            made[index] = shortened(", ".join(filter(None, (label, text))))
    return made


def _hyperparameter_labels(runs: Sequence[Run], *, are_several: bool) -> dict[Run, str]:
    varied = varying([other_settings(run) for run in runs])
    labels: dict[Run, str] = {}
    taken: dict[str, Hashable] = {}
    for run in runs:
        settings = other_settings(run)
        label = shortened(", ".join(filter(None, (run.sweep if are_several else "", describe(settings, varied)))))
        values = frozen({key: settings.get(key) for key in varied} | {"sweep": run.sweep})
        labels[run] = numbered(label, values, taken)
    return labels


def _stated_settings(runs: Sequence[Run]) -> dict[Run, dict[str, Any]]:
    """Return the settings of the blur and the images, and those that vary over all runs.

    Those that every row of results.csv has are left out; of a place on one machine, the last name is stated.
    """
    in_every_row = ("model.name", "blur.name", "optimizer.lr", "seed")
    always = dict.fromkeys(key for run in runs for key in (*blur_settings(run), *image_settings(run)))
    varied = varying([{key: plain(value) for key, value in run.settings.items()} for run in runs])
    keys = [key for key in (always | dict.fromkeys(varied)) if key not in in_every_row]
    return {run: {key: place_text(key, run.settings[key]) for key in keys if key in run.settings} for run in runs}
