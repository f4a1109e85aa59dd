"""Where the numbers come from: commands, versions, images; and what a reader must know of them."""

from collections import Counter
from collections.abc import Sequence

from deblur.reporting.configurations import TestSetting
from deblur.reporting.results import STATES, Run, Sweep
from deblur.reporting.tables import TextTable
from deblur.text import counted

_ONE_FOR_ALL = {
    "git.commit": "git commit",
    "data.fingerprint": "images (fingerprint)",
    "device.name": "device",
    "threads": "number of threads",
    "precision": "precision of the training",
}


def origin_table(sweeps: Sequence[Sweep]) -> TextTable:
    """Return versions, commit, device and images of the finished runs: one line a value."""
    runs = _measured(sweeps)
    version_keys = dict.fromkeys(key for run in runs for key in run.metrics if key.startswith("versions."))
    names = {key: key.removeprefix("versions.") for key in version_keys}
    names |= {"git.commit": "git commit", "git.changed": "uncommitted changes", "data.fingerprint": "data fingerprint"}
    names |= {f"data.counts.{split}": f"{split} images" for split in ("train", "val", "test")}
    names |= {"data.left_out": "unreadable images left out"}
    names |= {f"data.too_small.{split}": f"{split} images too small for the run" for split in ("train", "val", "test")}
    names |= {"device.accelerator": "accelerator", "device.name": "device", "device.devices": "devices a run"}
    names |= {"threads": "threads", "precision": "precision of the training"}
    rows = []
    for key, name in names.items():
        values = Counter(_shown(run.metrics[key]) for run in runs if run.metrics.get(key) is not None)
        if key.startswith("data.too_small.") and set(values) == {"0"}:
            continue
        texts = [
            value if len(values) == 1 else f"{value} ({count} of {len(runs)} runs)" for value, count in values.items()
        ]
        if texts:
            rows.append((name, "; ".join(texts)))
    return TextTable(("what", "value"), rows, texts=2)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def notices(sweeps: Sequence[Sweep], test_settings: Sequence[TestSetting]) -> list[str]:
    """Return what a reader must know before the answer."""
    total = sum(sum(sweep.states.values()) for sweep in sweeps)
    runs = _measured(sweeps)
    found = []
    if len(runs) < total:
        done = f"{len(runs)} of {counted(total, 'run')} {'is' if 1 in (total, len(runs)) else 'are'} done"
        states = sum((sweep.states for sweep in sweeps), Counter())
        others = ", ".join(f"{states[state]} {state}" for state in STATES[1:] if states[state])
        found.append(f"{done}; the answer can change{f' ({others})' if others else ''}.")
    found += _differences(runs)
    if any(run.metrics.get("git.changed") for run in runs):
        found.append("Some runs were made from a checkout with uncommitted changes: the commit does not tell all.")
    found += _different_images(test_settings)
    return found


def _differences(runs: Sequence[Run]) -> list[str]:
    versions = dict.fromkeys(key for run in runs for key in run.metrics if key.startswith("versions."))
    named = {key: f"version of {key.removeprefix('versions.')}" for key in versions} | _ONE_FOR_ALL
    found = []
    for key, name in named.items():
        values = Counter(str(run.metrics[key])[:40] for run in runs if run.metrics.get(key) is not None)
        if len(values) > 1:
            listed = ", ".join(f"{value} ({count})" for value, count in values.items())
            found.append(f"The runs differ in the {name}: {listed}.")
    return found


def _different_images(test_settings: Sequence[TestSetting]) -> list[str]:
    """Tell which test settings share their blur and not their test images."""
    groups: dict[str, list[str]] = {}
    for test_setting in test_settings:
        groups.setdefault(test_setting.blur, []).append(test_setting.label)
    return [
        f"The runs on {blur} were tested on different images, or on images degraded differently; they are "
        f"compared only where both are the same: {'; '.join(labels)}."
        for blur, labels in groups.items()
        if len(labels) > 1
    ]


def _measured(sweeps: Sequence[Sweep]) -> list[Run]:
    return [run for sweep in sweeps for run in sweep.runs if run.measured]
