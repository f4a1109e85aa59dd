"""The tables of a report, as texts, and the notices above them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deblur.metrics import PSNR, MetricInfo
from deblur.reporting.answers import Answer, Interval
from deblur.reporting.configurations import Configuration, TestSetting
from deblur.reporting.results import STATES, Run, Sweep, infos_of
from deblur.runs.conditions import common_conditions
from deblur.text import counted

EXTREMES = 3  # best and worst test images that are named
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class TextTable:
    """A table; the first `texts` columns are words, the others numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    marked: frozenset[int] = frozenset()  # the rows that stand out

    def of_sweeps(self, sweeps: Sequence[Sweep]) -> "TextTable":
        """Return the table without its first column, the sweep, if there is only one."""
        if len(sweeps) > 1:
            return self
        return TextTable(self.columns[1:], [row[1:] for row in self.rows], self.texts - 1, self.marked)


def number(value: float | None, digits: str) -> str:
    """Return a number as a text, or a dash for none."""
    return NOTHING if value is None else f"{value:{digits}}"


def interval(found: Interval | None, digits: str = ".2f") -> str:
    """Return an interval as a text, or a dash for none."""
    return NOTHING if found is None else f"{found.low:{digits}} to {found.high:{digits}}"


def seconds(value: float | None) -> str:
    """Return a time as a text with its unit."""
    if value is None:
        return NOTHING
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def over_seeds(configuration: Configuration, key: str, digits: str) -> str:
    """Return the mean over test images and seeds, with the deviation of several seeds."""
    text, deviation = number(configuration.mean(key), digits), configuration.deviation(key)
    return text if deviation is None else f"{text} ± {deviation:{digits.lstrip('+')}}"


def answer_table(answers: Sequence[Answer]) -> TextTable:
    """Return the best configuration of each test setting."""
    others = _others([one.best for one in answers])
    columns = (
        "blur", "best", PSNR.info.heading, "95 % interval", *(info.heading for info in others), "gain [dB]",
        "95 % interval", "above the second [dB]", "95 % interval", "not significantly different",
    )  # fmt: skip
    rows = [
        (
            one.test_setting.heading,
            one.best.name,
            over_seeds(one.best, "psnr", PSNR.info.digits),
            interval(one.psnr),
            *(over_seeds(one.best, info.name, info.digits) for info in others),
            over_seeds(one.best, "gain", "+.2f"),
            interval(one.gain, "+.2f"),
            *_above_the_second(one),
            "; ".join(competitor.configuration.name for competitor in one.not_significant) or NOTHING,
        )
        for one in answers
    ]
    return TextTable(columns, rows, texts=2)


def _above_the_second(found: Answer) -> tuple[str, str]:
    if not found.competitors:
        return NOTHING, NOTHING
    second = found.competitors[0]
    return number(second.difference, ".2f"), interval(second.interval)


def test_setting_table(test_settings: Sequence[TestSetting]) -> TextTable:
    """Return on what the configurations of each test setting were tested, as far as the test settings differ in it.

    If the headings of the test settings name all blurs, the table has no blurs.
    """
    tests = [test_setting.measured_on for test_setting in test_settings]
    differing = common_conditions(tests)[1]
    if all(one.heading.startswith(test.get("blur", "")) for one, test in zip(test_settings, tests, strict=True)):
        differing = [item for item in differing if item != "blur"]
    rows = [
        (test_setting.heading, *(test.get(item, NOTHING) for item in differing))
        for test_setting, test in zip(test_settings, tests, strict=True)
    ]
    columns = ("test setting", *differing)
    return TextTable(columns, rows if differing else [], texts=len(columns))


def configuration_table(found: Answer) -> TextTable:
    """Return all finished configurations of a test setting, the best first."""
    infos = [PSNR.info, *_others([found.best, *(competitor.configuration for competitor in found.competitors)])]
    folds = ("folds",) if found.best.folds is not None else ()
    columns = ("configuration", "seeds", *folds, *(info.heading for info in infos), "gain [dB]", "degraded",
               "below the best [dB]", "95 % interval", "significant")  # fmt: skip
    rows = [(*_means(found.best, infos), NOTHING, NOTHING, "best")]
    rows += [
        (
            *_means(competitor.configuration, infos),
            number(competitor.difference, ".2f"),
            interval(competitor.interval),
            "yes" if competitor.is_significant else "no",
        )
        for competitor in found.competitors
    ]
    return TextTable(columns, rows, marked=frozenset({0}))


def _others(configurations: Iterable[Configuration]) -> list[MetricInfo]:
    """Return the metrics other than the PSNR."""
    return infos_of(run for configuration in configurations for run in configuration.done)[1:]


def _means(configuration: Configuration, infos: Sequence[MetricInfo]) -> tuple[str, ...]:
    return (
        configuration.name,
        str(configuration.seeds),
        *(() if configuration.folds is None else (f"{configuration.folds[0]} of {configuration.folds[1]}",)),
        *(over_seeds(configuration, info.name, info.digits) for info in infos),
        over_seeds(configuration, "gain", "+.2f"),
        number(configuration.average("test.degraded"), ".1%"),
    )


def extremes_table(answers: Sequence[Answer]) -> TextTable:
    """Return the test images that the best configuration of each test setting has its largest and smallest gains on."""
    rows = []
    for one in answers:
        configuration = one.best
        gains = configuration.per_image("gain")
        known = [int(index) for index in np.argsort(-gains, kind="stable") if np.isfinite(gains[index])]
        count = min(EXTREMES, len(known) // 2) or len(known)
        chosen = [("largest", index) for index in known[:count]]
        chosen += [("smallest", index) for index in known[::-1][:count] if len(known) > 1]
        for kind, index in chosen:
            shown = [f"{configuration.per_image(key)[index]:.2f}" for key in ("input_psnr", "psnr")]
            rows.append((one.test_setting.heading, kind, configuration.images[index], *shown, f"{gains[index]:+.2f}"))
    columns = ("blur", "gain", "test image", "blurred [dB]", "restored [dB]", "gain [dB]")
    return TextTable(columns, rows, texts=3)


def cost_table(test_settings: Sequence[TestSetting]) -> TextTable:
    """Return what each network of each size costs, on each machine that trained it."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for test_setting in test_settings:
        for configuration in test_setting.done:
            for run in configuration.done:
                # Networks of one name have several sizes if a setting of them differs, or the color of the images.
                name = configuration.model
                if run.config.get("data.color") == "rgb" and " RGB" not in name:
                    name += " RGB"
                size = [number(run.number(f"model.{key}"), ",.0f") for key in ("parameters", "macs_per_pixel")]
                field = number(run.number("model.receptive_field"), ".0f")
                device = str(run.metrics.get("device.name") or run.metrics.get("device.accelerator") or NOTHING)
                threads, precision = (str(run.metrics.get(key, NOTHING)) for key in ("threads", "precision"))
                groups.setdefault((name, device, threads, precision, *size, field), []).append(run)
    columns = ("network", "device", "threads", "precision", "parameters", "MACs per pixel", "receptive field [px]",
               "training", "test images per second", "runs")  # fmt: skip
    rows = []
    for machine, runs in groups.items():
        speeds = [speed for run in runs if (speed := _images_per_second(run)) is not None]
        rate = number(float(np.median(speeds)) if speeds else None, ".1f")
        rows.append((*machine, _training_time(runs), rate, str(len(runs))))
    return TextTable(columns, rows, texts=4)


def _training_time(runs: Sequence[Run]) -> str:
    times = [time for run in runs if (time := run.training_seconds) is not None]
    if not times:
        return NOTHING
    middle, low, high = seconds(float(np.median(times))), seconds(min(times)), seconds(max(times))
    return middle if low == high else f"{middle} ({low} to {high})"


def _images_per_second(run: Run) -> float | None:
    images, time = run.number("test.images"), run.number("seconds.test")
    return images / time if images and time else None


def unfinished_table(sweeps: Sequence[Sweep]) -> TextTable:
    """Return the runs without a result, and why; those that a search has paused are not to have one."""
    rows = [
        (run.sweep, run.name, run.state, str(run.status.get("epoch") or NOTHING), _reason(run))
        for sweep in sweeps
        for run in sweep.runs
        if not run.measured and run.state != "paused"
    ]
    return TextTable(("sweep", "run", "state", "epochs finished", "error"), rows, texts=5).of_sweeps(sweeps)


def _reason(run: Run) -> str:
    return "there are no results in its folder" if run.state == "done" else run.error or NOTHING


def run_table(sweeps: Sequence[Sweep]) -> TextTable:
    """Return all runs, with what they were tested on as far as they differ in it."""
    runs = [run for sweep in sweeps for run in sweep.runs]
    differing, others = common_conditions([run.measured_on for run in runs])[1], infos_of(runs)[1:]
    digits = {"test.input_psnr": ".2f", "test.psnr": ".2f", "test.gain": "+.2f"}
    digits |= {f"test.{prefix}{info.name}": info.digits for info in others for prefix in ("input_", "")}
    digits |= {"test.degraded": ".1%", "val.psnr": ".2f", "val.epoch": ".0f"}
    compared = (f"{info.label} {image}" for info in others for image in ("blurred", "restored"))
    columns = ("sweep", "run", "state", *differing, "blurred [dB]", "restored [dB]", "gain [dB]", *compared,
               "degraded", "validation PSNR [dB]", "best epoch", "training")  # fmt: skip
    rows = []
    for sweep in sweeps:
        for run in sweep.runs:
            values = {key: run.number(key) for key in digits}
            shown = (number(values[key], text) for key, text in digits.items())
            tested = (run.measured_on.get(item, NOTHING) for item in differing)
            rows.append((run.sweep, run.name, run.state, *tested, *shown, seconds(run.training_seconds)))
    return TextTable(columns, rows, texts=3 + len(differing)).of_sweeps(sweeps)


def origin_table(sweeps: Sequence[Sweep]) -> TextTable:
    """Return versions, commit, device and images of the finished runs, a row for each."""
    runs = _measured(sweeps)
    splits = {"train": "training", "val": "validation", "test": "test"}
    names = _versions(runs)
    names |= {"git.commit": "git commit", "git.changed": "uncommitted changes", "data.fingerprint": "data fingerprint"}
    names |= {f"data.counts.{split}": f"{name} images" for split, name in splits.items()}
    names |= {"data.left_out": "unreadable images left out"}
    names |= {f"data.too_small.{split}": f"{name} images too small for the run" for split, name in splits.items()}
    names |= {"device.accelerator": "accelerator", "device.name": "device", "device.devices": "devices per run"}
    names |= {"threads": "threads", "precision": "precision of the training"}
    rows = []
    for key, name in names.items():
        values = Counter(_shown(run.metrics[key]) for run in runs if run.metrics.get(key) is not None)
        if not values or (key.startswith("data.too_small.") and set(values) == {"0"}):
            continue
        shares = [f"{value} ({count} of {len(runs)} runs)" for value, count in values.items()]
        rows.append((name, "; ".join(shares if len(values) > 1 else values)))
    return TextTable(("what", "value"), rows, texts=2)


def _measured(sweeps: Sequence[Sweep]) -> list[Run]:
    return [run for sweep in sweeps for run in sweep.runs if run.measured]


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    """Return the libraries whose versions are known, by the keys of metrics.json."""
    return {key: key.removeprefix("versions.") for run in runs for key in run.metrics if key.startswith("versions.")}


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def notices(sweeps: Sequence[Sweep], test_settings: Sequence[TestSetting]) -> list[str]:
    """Return what a reader must know before the answer."""
    states = sum((sweep.states for sweep in sweeps), Counter())
    del states["paused"]  # by a search, which continues better ones
    total, runs = states.total(), _measured(sweeps)
    found = []
    if len(runs) < total:
        done = f"{len(runs)} of {counted(total, 'run')} {'is' if 1 in (total, len(runs)) else 'are'} done"
        others = ", ".join(f"{states[state]} {state}" for state in STATES[1:] if states[state])
        found.append(f"{done}; the answer can change{f' ({others})' if others else ''}.")
    found += _differences(runs)
    if any(run.metrics.get("git.changed") for run in runs):
        found.append("Some runs were made from a checkout with uncommitted changes, which the commit does not contain.")
    labels: dict[str, list[str]] = {}
    for test_setting in test_settings:
        labels.setdefault(test_setting.blur, []).append(test_setting.heading)
    found += [
        f"The runs on {blur} were tested on different images, or on images degraded differently; they are compared "
        f"only if both are the same: {'; '.join(alike)}."
        for blur, alike in labels.items()
        if len(alike) > 1
    ]
    return found


def _differences(runs: Sequence[Run]) -> list[str]:
    named = {key: f"version of {library}" for key, library in _versions(runs).items()} | {
        "git.commit": "git commit",
        "data.fingerprint": "images (fingerprint)",
        "device.name": "device",
        "threads": "number of threads",
        "precision": "precision of the training",
    }
    found = []
    for key, name in named.items():
        values = Counter(str(run.metrics[key])[:40] for run in runs if run.metrics.get(key) is not None)
        if len(values) > 1:
            listed = ", ".join(f"{value} ({count})" for value, count in values.items())
            found.append(f"The runs differ in the {name}: {listed}.")
    return found
