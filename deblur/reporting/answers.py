"""The best cell of each problem, and what cannot be told apart from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deblur.reporting.cells import Cell, Problem, Values
from deblur.reporting.intervals import Interval, mean_interval
from deblur.text import counted


@dataclass(frozen=True)
class Rival:
    """Another cell beside the best: how far below it is, image by image."""

    cell: Cell
    difference: float | None  # [dB], best minus this one
    interval: Interval | None  # None where there are fewer than two images to compare

    @property
    def is_apart(self) -> bool:
        """Tell whether the test images suffice to call it worse than the best."""
        return self.interval is not None and 0.0 not in self.interval


@dataclass(frozen=True)
class Answer:
    """What a problem's finished runs tell."""

    problem: Problem
    best: Cell
    psnr: Interval | None
    gain: Interval | None
    rivals: list[Rival]

    @property
    def not_apart(self) -> list[Rival]:
        """The cells that cannot be told apart from the best."""
        return [rival for rival in self.rivals if not rival.is_apart]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        parts = [f"{self.problem.label}: {self._what()}{self._gain()}."]
        if not self.rivals:
            parts.append("There is no other finished cell to compare with.")
        elif len(self.best.images) < 2 and not any(rival.is_apart for rival in self.rivals):
            parts.append(f"With {counted(len(self.best.images), 'test image')} to compare, no cell can be told apart.")
        elif self.not_apart:
            parts.append(f"Cannot be told apart from it: {'; '.join(map(_told, self.not_apart))}.")
        else:
            others = "the other cell" if len(self.rivals) == 1 else f"each of the {len(self.rivals)} other cells"
            parts.append(f"It is told apart from {others}.")
        if self.problem.left_out:
            parts.append(f"{counted(self.problem.left_out, 'test image')} with an infinite PSNR left out.")
        return " ".join(parts)

    def _what(self) -> str:
        psnr = self.best.mean("psnr")
        name = f"{self.best.name} restores best" if self.rivals else self.best.name
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


def answer(problem: Problem) -> Answer | None:
    """Compare the finished cells of a problem, image by image; None where no run is done."""
    if not problem.done:
        return None
    best = _best(problem.done)
    rivals = [_rival(best, cell) for cell in problem.done if cell is not best]
    rivals.sort(key=lambda rival: math.inf if rival.difference is None else rival.difference)
    return Answer(
        problem,
        best,
        mean_interval(best.per_image("psnr")),
        mean_interval(best.per_image("gain")),
        rivals,
    )


def _best(cells: Sequence[Cell]) -> Cell:
    """Return the cell of the highest mean PSNR over the images that are finite in all cells, else over its own."""
    values = [cell.per_image("psnr") for cell in cells]
    if len({cell.images for cell in cells}) == 1:
        common = np.isfinite(np.array(values)).all(axis=0)
        if common.any():
            return cells[int(np.argmax([np.mean(one[common]) for one in values]))]
    return max(cells, key=lambda cell: -math.inf if (mean := cell.mean("psnr")) is None else mean)


def _rival(best: Cell, cell: Cell) -> Rival:
    differences = paired(best, cell)
    if not differences.size:
        means = best.mean("psnr"), cell.mean("psnr")
        return Rival(cell, None if means[0] is None or means[1] is None else means[0] - means[1], None)
    return Rival(cell, float(np.mean(differences)), mean_interval(differences))


def paired(one: Cell, other: Cell) -> Values:
    """Return the PSNR of one cell minus that of another for each test image that is finite in both [dB]."""
    if one.images != other.images:
        return np.empty(0)
    differences = one.per_image("psnr") - other.per_image("psnr")
    return differences[np.isfinite(differences)]


def _told(rival: Rival) -> str:
    if rival.difference is None or rival.interval is None:
        return f"{rival.cell.name} (not compared image by image)"
    low, high = rival.interval
    return f"{rival.cell.name} ({rival.difference:.2f} dB below, 95 % interval {low:.2f} to {high:.2f})"
