"""The best configuration of each test setting, and what is not significantly different from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deblur.reporting.configurations import Configuration, TestSetting, Values
from deblur.reporting.intervals import Interval, mean_interval
from deblur.text import counted


@dataclass(frozen=True)
class Competitor:
    """Another configuration beside the best: how far below it is, image by image."""

    configuration: Configuration
    difference: float | None  # [dB], best minus this one
    interval: Interval | None  # None where there are fewer than two images to compare

    @property
    def is_significant(self) -> bool:
        """Tell whether the test images suffice to call it worse than the best."""
        return self.interval is not None and 0.0 not in self.interval


@dataclass(frozen=True)
class Answer:
    """What a test setting's finished runs tell."""

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
        parts = [f"{self.test_setting.label}: {self._what()}{self._gain()}."]
        if not self.competitors:
            parts.append("There is no other finished configuration to compare with.")
        elif len(self.best.images) < 2 and not any(competitor.is_significant for competitor in self.competitors):
            compared = counted(len(self.best.images), "test image")
            parts.append(f"With {compared} to compare, no difference can be significant.")
        elif self.not_significant:
            parts.append(f"Not significantly different: {'; '.join(map(_told, self.not_significant))}.")
        else:
            count = len(self.competitors)
            others = "the other configuration" if count == 1 else f"each of the {count} other configurations"
            parts.append(f"It is significantly better than {others}.")
        if self.test_setting.left_out:
            parts.append(f"{counted(self.test_setting.left_out, 'test image')} with an infinite PSNR left out.")
        return " ".join(parts)

    def _what(self) -> str:
        psnr = self.best.mean("psnr")
        name = f"{self.best.name} restores best" if self.competitors else self.best.name
        return name if psnr is None else f"{name}, {psnr:.2f} dB"

    def _gain(self) -> str:
        gain = self.best.mean("gain")
        if gain is None:
            return ""
        if gain < 0:
            text = f", which is {-gain:.2f} dB worse than the blurred input"
        else:
            text = f", {gain:.2f} dB above the blurred input"
        if self.gain is None:
            return text
        beyond = "; no gain can be told from it" if 0.0 in self.gain else ""
        return f"{text} (95 % interval of the gain {self.gain.low:+.2f} to {self.gain.high:+.2f}{beyond})"


def answer(test_setting: TestSetting) -> Answer | None:
    """Compare the finished configurations of a test setting, image by image; None where no run is done."""
    if not test_setting.done:
        return None
    best = _best(test_setting.done)
    competitors = [_competitor(best, configuration) for configuration in test_setting.done if configuration is not best]
    competitors.sort(key=lambda competitor: math.inf if competitor.difference is None else competitor.difference)
    return Answer(
        test_setting,
        best,
        mean_interval(best.per_image("psnr")),
        mean_interval(best.per_image("gain")),
        competitors,
    )


def _best(configurations: Sequence[Configuration]) -> Configuration:
    """Return the configuration of the highest mean PSNR over images finite in all configurations, else over its own."""
    values = [configuration.per_image("psnr") for configuration in configurations]
    if len({configuration.images for configuration in configurations}) == 1:
        common = np.isfinite(np.array(values)).all(axis=0)
        if common.any():
            return configurations[int(np.argmax([np.mean(one[common]) for one in values]))]
    return max(
        configurations, key=lambda configuration: -math.inf if (mean := configuration.mean("psnr")) is None else mean
    )


def _competitor(best: Configuration, configuration: Configuration) -> Competitor:
    differences = paired(best, configuration)
    if not differences.size:
        means = best.mean("psnr"), configuration.mean("psnr")
        return Competitor(configuration, None if means[0] is None or means[1] is None else means[0] - means[1], None)
    return Competitor(configuration, float(np.mean(differences)), mean_interval(differences))


def paired(one: Configuration, other: Configuration) -> Values:
    """Return the PSNR of one configuration minus that of another for each test image that is finite in both [dB]."""
    if one.images != other.images:
        return np.empty(0)
    differences = one.per_image("psnr") - other.per_image("psnr")
    return differences[np.isfinite(differences)]


def _told(competitor: Competitor) -> str:
    if competitor.difference is None or competitor.interval is None:
        return f"{competitor.configuration.name} (not compared image by image)"
    low, high = competitor.interval
    return (
        f"{competitor.configuration.name} ({competitor.difference:.2f} dB below, 95 % interval {low:.2f} to {high:.2f})"
    )
