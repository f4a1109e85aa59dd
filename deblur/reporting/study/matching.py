"""Which runs belong together: by what they did, not by the sweep that they are in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deblur.reporting.labels import varying
from deblur.reporting.results import Run, name_of
from deblur.reporting.study.published import Place
from deblur.runs import is_within

OURS = {"srcnn_915": "9-1-5", "srcnn_9315": "9-3-1-5", "srcnn_91115": "9-1-1-1-5"}
IN_THE_STUDYS_WAY = {"original_915": "9-1-5", "original_9315": "9-3-1-5", "original_91115": "9-1-1-1-5"}
SHAPE = ("model.name", "model.kernel_sizes", "model.widths")  # what tells one SRCNN from another

# The study's blurs; those of other strengths are other problems.
_STUDY_BLURS: dict[str, dict[str, float]] = {
    "gaussian": {"blur.sigma": 3.0},
    "box": {"blur.size": 7.0},
    "motion": {"blur.length": 15.0, "blur.angle": 0.0},
}
# Where images lie; which they are is told by their fingerprint.
_PLACES = ("data.name", "data.root", "data.sharp", "data.blurred")


def alike(one: Run, other: Run, *without: str) -> bool:
    """Tell whether two runs have the same settings and images.

    Args:
        one: a run.
        other: another.
        without: keys, or sections of keys, in which they may differ.
    """
    if len({one.fingerprint, other.fingerprint} - {None}) > 1:
        return False
    return not varying([_settings(run, without) for run in (one, other)])


def distinct(runs: Sequence[Run]) -> list[Run]:
    """Return the runs without those that repeat an earlier one, as sweeps that share a run do."""
    found: list[Run] = []
    for run in runs:
        if not any(alike(run, other) for other in found):
            found.append(run)
    return found


@dataclass(frozen=True)
class Selection:
    """Runs that fill cells of the study's grid; those of one cell differ in their seeds."""

    cells: Mapping[Place, Sequence[Run]] = field(default_factory=dict)
    left_out: int = 0  # finished runs of these networks, whose other settings or images are not those of most cells

    @property
    def runs(self) -> list[Run]:
        """All runs of all cells."""
        return [run for cell in self.cells.values() for run in cell]

    @property
    def rates(self) -> list[float]:
        """The learning rates, the highest first."""
        return sorted({place.rate for place in self.cells}, reverse=True)


def select(runs: Sequence[Run], networks: Mapping[str, str]) -> Selection:
    """Return the finished runs of some networks on the study's blurs that can stand in one table.

    They agree in all settings but network, blur, rate and seed, and in their images. Where there are several such
    sets of runs, the one that fills most cells is taken.

    Args:
        runs: any.
        networks: the study's name of each network, by that of the model.
    """
    known = distinct([run for run in runs if run.images and _is_of_the_study(run, networks)])
    groups: list[list[Run]] = []
    for run in known:
        group = next((one for one in groups if alike(one[0], run, *SHAPE, "blur", "optimizer.lr", "seed")), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    filled = [_cells(group, networks) for group in groups]
    cells = max(filled, key=len, default={})
    return Selection(cells, len(known) - sum(map(len, cells.values())))


def _cells(runs: Sequence[Run], networks: Mapping[str, str]) -> dict[Place, list[Run]]:
    cells: dict[Place, list[Run]] = {}
    for run in runs:
        place = Place(name_of(run, "blur"), networks[name_of(run, "model")], float(run.config["optimizer.lr"]))
        cell = cells.setdefault(place, [])
        if not cell or alike(cell[0], run, "seed"):
            cell.append(run)
    return cells


def _is_of_the_study(run: Run, networks: Mapping[str, str]) -> bool:
    wanted = _STUDY_BLURS.get(name_of(run, "blur"))
    if wanted is None or name_of(run, "model") not in networks:
        return False
    is_clean = run.config.get("blur.noise_sigma") in (0, None) and run.config.get("blur.jpeg_quality") is None
    return is_clean and all(run.config.get(key) == value for key, value in wanted.items())


def _settings(run: Run, without: Sequence[str]) -> dict[str, Any]:
    left_out = (*_PLACES, *without)
    return {key: plain(value) for key, value in run.settings.items() if not is_within(key, left_out)}


def plain(value: Any) -> Any:
    """Return a whole number as a float: 1 and 1.0 are one value, written by different commands."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
