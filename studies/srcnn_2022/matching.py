"""Which runs belong together: by what they did, not by the sweep that they are in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deblur.config.identity import is_within
from deblur.reporting.answers import Answer
from deblur.reporting.labels import plain, short_key, varying
from deblur.reporting.results import Run, name_of
from studies.srcnn_2022.published import Place

OURS = {"srcnn_915": "9-1-5", "srcnn_9315": "9-3-1-5", "srcnn_91115": "9-1-1-1-5"}
IN_THE_STUDYS_WAY = {"original_915": "9-1-5", "original_9315": "9-3-1-5", "original_91115": "9-1-1-1-5"}
SHAPE = ("model.name", "model.kernel_sizes", "model.widths")  # the settings in which SRCNNs differ
_OF_A_CONFIGURATION = (*SHAPE, "blur", "optimizer.lr", "seed")  # in what the runs of one table may differ

# The study's blurs; those of other strengths are other test settings.
_STUDY_BLURS: dict[str, dict[str, float]] = {
    "gaussian": {"blur.sigma": 3.0},
    "box": {"blur.size": 7.0},
    "motion": {"blur.length": 15.0, "blur.angle": 0.0},
}
# The paths of images, which their fingerprint identifies.
PLACES = ("data.name", "data.root", "data.sharp", "data.blurred")


def alike(one: Run, other: Run, *without: str) -> bool:
    """Return whether two runs have the same settings and images.

    Args:
        one: a run.
        other: another.
        without: keys, or sections of keys, in which they may differ.
    """
    return _may_have_same_images(one, other) and not varying([_settings(run, without) for run in (one, other)])


def distinct(runs: Sequence[Run]) -> list[Run]:
    """Return the runs without those that repeat an earlier one, as sweeps that share a run do."""
    found: list[Run] = []
    for run in runs:
        if not any(alike(run, other) for other in found):
            found.append(run)
    return found


def in_order(answers: Sequence[Answer], blurs: Sequence[str]) -> list[Answer]:
    """Return the test settings in the order of their blurs; other blurs come last."""

    def rank(answer: Answer) -> int:
        blur = name_of(answer.best.done[0], "blur")
        return blurs.index(blur) if blur in blurs else len(blurs)

    return sorted(answers, key=rank)


@dataclass(frozen=True)
class Selection:
    """Runs that fill configurations of the study's grid; those of one configuration differ in their seeds.

    Attributes:
        configurations: the runs of each configuration.
        others: how many further finished runs of these networks there are, by what they differ in from the
            configurations.
        undefined: how many further ones have test images whose PSNR is not defined.
    """

    configurations: Mapping[Place, Sequence[Run]] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    undefined: int = 0

    @property
    def runs(self) -> list[Run]:
        """All runs of all configurations."""
        return [run for configuration in self.configurations.values() for run in configuration]

    @property
    def rates(self) -> list[float]:
        """The learning rates, the highest first."""
        return sorted({place.rate for place in self.configurations}, reverse=True)

    @property
    def left_out(self) -> str:
        """Which finished runs of these networks are in no configuration and why; may be empty."""
        parts = [f"{count} {'differs' if count == 1 else 'differ'} in {keys}" for keys, count in self.others.items()]
        if self.undefined:
            verb = "has" if self.undefined == 1 else "have"
            parts.append(f"{self.undefined} {verb} test images whose PSNR is not defined")
        total = self.undefined + sum(self.others.values())
        runs = "run of these networks is" if total == 1 else "runs of these networks are"
        return f"{total} further finished {runs} not in the tables: {'; '.join(parts)}." if parts else ""


def select(runs: Sequence[Run], networks: Mapping[str, str]) -> Selection:
    """Return the finished runs of some networks on the study's blurs that can stand in one table.

    They agree in all settings but network, blur, learning rate and seed, and in their images; the PSNR of all their
    test images is defined. Of several such sets of runs, the one that fills most configurations is taken.

    Args:
        runs: any.
        networks: the study's name of each network, by that of the model.
    """
    tested = [run for run in runs if run.images and _is_of_the_study(run, networks)]
    known = distinct([run for run in tested if not run.has_undefined])
    groups: list[list[Run]] = []
    for run in known:
        group = next((one for one in groups if alike(one[0], run, *_OF_A_CONFIGURATION)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    configurations = max((_configurations(group, networks) for group in groups), key=len, default={})
    taken = [run for configuration in configurations.values() for run in configuration]
    others = Counter(
        _apart(run, configurations.get(_place(run, networks), []), taken)
        for run in known
        if not any(run is other for other in taken)
    )
    return Selection(configurations, others, len(distinct([run for run in tested if run.has_undefined])))


def _apart(run: Run, configuration: Sequence[Run], taken: Sequence[Run]) -> str:
    """Return in what a run differs from those of its configuration, or else from those of the other configurations."""
    other, without = (configuration[0], ("seed",)) if configuration else (taken[0], _OF_A_CONFIGURATION)
    keys = varying([_settings(one, without) for one in (run, other)])
    found = sorted(short_key(key, keys) or "kernel_sizes" for key in keys)
    if not _may_have_same_images(run, other):
        found.append("the images")
    return " and ".join(found) or "settings that older versions did not write"


def _place(run: Run, networks: Mapping[str, str]) -> Place:
    return Place(name_of(run, "blur"), networks[name_of(run, "model")], float(run.config["optimizer.lr"]))


def _configurations(runs: Sequence[Run], networks: Mapping[str, str]) -> dict[Place, list[Run]]:
    configurations: dict[Place, list[Run]] = {}
    for run in runs:
        configuration = configurations.setdefault(_place(run, networks), [])
        if not configuration or alike(configuration[0], run, "seed"):
            configuration.append(run)
    return configurations


def _may_have_same_images(one: Run, other: Run) -> bool:
    return len({one.fingerprint, other.fingerprint} - {None}) <= 1


def _is_of_the_study(run: Run, networks: Mapping[str, str]) -> bool:
    wanted = _STUDY_BLURS.get(name_of(run, "blur"))
    if wanted is None or name_of(run, "model") not in networks:
        return False
    is_clean = run.config.get("blur.noise_sigma") in (0, None) and run.config.get("blur.jpeg_quality") is None
    return is_clean and all(run.config.get(key) == value for key, value in wanted.items())


def _settings(run: Run, without: Sequence[str]) -> dict[str, Any]:
    left_out = (*PLACES, *without)
    return {key: plain(value) for key, value in run.settings.items() if not is_within(key, left_out)}
