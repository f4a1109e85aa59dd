"""The best configuration of each test setting, and which others are not significantly different from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur.reporting.configurations import Configuration, TestSetting, Values
from deblur.text import counted

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 0  # of the resampling: a second report has the same numbers
NUMBERS_AT_ONCE = 2_000_000  # resampled values held in memory, 16 MB


class Interval(NamedTuple):
    """A confidence interval of a mean."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        """Return whether a number lies within."""
        return isinstance(value, int | float) and self.low <= value <= self.high


def mean_interval(values: NDArray[np.float64]) -> Interval | None:
    """Return the 95 % interval of a mean by the bias-corrected and accelerated bootstrap (Efron 1987).

    Args:
        values: one number per image (N,); those that are not finite are left out.

    Returns:
        None if fewer than two numbers are left.
    """
    from scipy.stats import bootstrap  # type: ignore[import-untyped] # it has no types

    values = values[np.isfinite(values)]
    if values.size < 2:
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    for method in ("BCa", "percentile"):  # the first is undefined for some samples of few different values
        found = bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=max(1, NUMBERS_AT_ONCE // values.size),
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(SEED),
        ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return Interval(float(found.low), float(found.high))


def fold_interval(means: Sequence[float], folds: int) -> Interval | None:
    """Return the 95 % interval of the mean over folds by Student's distribution, corrected for shared training images.

    Args:
        means: one number per fold that has a result.
        folds: into how many the images are divided. Two trainings share most of their images, so that the variance of
            the mean is larger than that of independent ones: by the ratio of test to other images, as Nadeau and
            Bengio (2003, Inference for the generalization error) estimate it.

    Returns:
        None with fewer than two folds.
    """
    from scipy.stats import t

    count = len(means)
    if count < 2:
        return None
    half = t.ppf((1 + CONFIDENCE) / 2, count - 1) * math.sqrt((1 / count + 1 / (folds - 1)) * np.var(means, ddof=1))
    return Interval(float(np.mean(means) - half), float(np.mean(means) + half))


def _interval_of(configuration: Configuration, values: Values) -> Interval | None:
    """Return the interval of a mean of one number per test image, over the folds if there are any."""
    if configuration.folds is None:
        return mean_interval(values)
    return fold_interval(configuration.each_fold(values), configuration.folds[1]) if values.size else None


@dataclass(frozen=True)
class Competitor:
    """Another configuration than the best, compared with it image by image."""

    configuration: Configuration
    difference: float | None  # [dB], best minus this one
    interval: Interval | None  # None if there are fewer than two images to compare

    @property
    def is_significant(self) -> bool:
        """Whether the test images suffice to call it worse than the best."""
        return self.interval is not None and 0.0 not in self.interval

    @property
    def text(self) -> str:
        """Its name, and how far it is below the best."""
        name = self.configuration.name
        if self.difference is None or self.interval is None:
            return f"{name} (not compared image by image)"
        low, high = self.interval
        return f"{name} ({self.difference:.2f} dB below, 95 % interval {low:.2f} to {high:.2f})"


@dataclass(frozen=True)
class Answer:
    """The result of a test setting's finished runs."""

    test_setting: TestSetting
    best: Configuration
    psnr: Interval | None
    gain: Interval | None
    competitors: list[Competitor]

    @property
    def not_significant(self) -> list[Competitor]:
        """The configurations that are not significantly different from the best."""
        return [competitor for competitor in self.competitors if not competitor.is_significant]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        parts = [f"{self.test_setting.heading}: {self._best_text()}{self._gain_text()}."]
        if not self.competitors:
            parts.append("There is no other finished configuration to compare with.")
        elif len(self.best.images) < 2 and not any(competitor.is_significant for competitor in self.competitors):
            compared = counted(len(self.best.images), "test image")
            parts.append(f"With {compared} to compare, no difference can be significant.")
        elif self.not_significant:
            others = "; ".join(competitor.text for competitor in self.not_significant)
            parts.append(f"Not significantly different: {others}.")
        else:
            count, closest = len(self.competitors), self.competitors[0].text
            if count == 1:
                parts.append(f"It is significantly better than {closest}.")
            else:
                parts.append(f"It is significantly better than all {count} others; the closest is {closest}.")
        if self.test_setting.left_out:
            parts.append(f"{counted(self.test_setting.left_out, 'test image')} with an infinite PSNR left out.")
        return " ".join(parts)

    def _best_text(self) -> str:
        psnr = self.best.mean("psnr")
        name = f"{self.best.name} restores best" if self.competitors else self.best.name
        return name if psnr is None else f"{name}, {psnr:.2f} dB"

    def _gain_text(self) -> str:
        gain = self.best.mean("gain")
        if gain is None:
            return ""
        if gain < 0:
            text = f", which is {-gain:.2f} dB worse than the blurred input"
        else:
            text = f", {gain:.2f} dB above the blurred input"
        if self.gain is None:
            return text
        beyond = "; not significantly different from 0" if 0.0 in self.gain else ""
        return f"{text} (95 % interval of the gain {self.gain.low:+.2f} to {self.gain.high:+.2f}{beyond})"


def answer(test_setting: TestSetting) -> Answer | None:
    """Compare the finished configurations of a test setting, image by image; None if no run is done."""
    if not test_setting.done:
        return None
    best = _best(test_setting.done)
    competitors = [_competitor(best, configuration) for configuration in test_setting.done if configuration is not best]
    competitors.sort(key=lambda competitor: math.inf if competitor.difference is None else competitor.difference)
    psnr, gain = (_interval_of(best, best.per_image(key)) for key in ("psnr", "gain"))
    return Answer(test_setting, best, psnr, gain, competitors)


def _best(configurations: Sequence[Configuration]) -> Configuration:
    """Return the configuration of the highest mean PSNR over images finite in all configurations, else over its own."""
    has_folds = any(configuration.folds is not None for configuration in configurations)
    if not has_folds and len({configuration.images for configuration in configurations}) == 1:
        values = np.array([configuration.per_image("psnr") for configuration in configurations])
        common = np.isfinite(values).all(axis=0)
        if common.any():
            return configurations[int(np.argmax([np.mean(one[common]) for one in values]))]
    return max(configurations, key=lambda one: -math.inf if (mean := one.mean("psnr")) is None else mean)


def _competitor(best: Configuration, configuration: Configuration) -> Competitor:
    differences = paired(best, configuration)
    if differences.size and best.folds is not None:
        every = best.per_image("psnr") - configuration.per_image("psnr")
        return Competitor(configuration, float(np.mean(best.each_fold(every))), _interval_of(best, every))
    if differences.size:
        return Competitor(configuration, float(np.mean(differences)), mean_interval(differences))
    means = best.mean("psnr"), configuration.mean("psnr")
    return Competitor(configuration, None if means[0] is None or means[1] is None else means[0] - means[1], None)


def paired(one: Configuration, other: Configuration) -> Values:
    """Return the PSNR of one configuration minus that of another for each test image that is finite in both [dB]."""
    if one.images != other.images:
        return np.empty(0)
    differences = one.per_image("psnr") - other.per_image("psnr")
    return differences[np.isfinite(differences)]
