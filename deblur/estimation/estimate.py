"""The blur of a whole image, from the outputs of the network at its places and at several scales of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.estimation.network import (
    FIELD,
    INPUTS,
    KINDS,
    TEMPERATURE,
    Floats,
    outputs_of,
    pretrained_weights,
    spectra,
)
from deblur.luma import LUMA_WEIGHTS
from deblur.srgb import decoded

Kind: TypeAlias = Literal["none", "defocus", "motion", "shake"]

DIAMETER: Final = 4.0
"""Diameter of a disk by the standard deviation along one axis; 95 % of a gaussian lie within it along one axis."""

LENGTH: Final = math.sqrt(12)
"""Length of a line by the standard deviation along it."""

LEVELS: Final = (1, 2, 4, 8)  # by how much the image is reduced
ACCEPTED_SPREAD: Final = 3.5  # px of a level, standard deviation; a wider kernel is measured on the next level
SMALLEST_LEVEL: Final = 96  # px, shorter side of the smallest level
AROUND: Final = 2  # windows to each side of a place whose spectra the width at the place is estimated from

_BLOCK_ROWS: Final = 256  # whose luma is computed at once


@dataclass(frozen=True, eq=False)
class BlurMap:
    """Widths of the blur at places of an image.

    Attributes:
        widths: (rows, columns) [px]; see `BlurEstimate.width`.
        weights: how well each place shows the blur, (rows, columns), above 0.
        first: row, and column, of the center of the first place [px].
        step: between places [px].
    """

    widths: Floats
    weights: Floats
    first: float
    step: float


@dataclass(frozen=True)
class BlurEstimate:
    """The blur of an image.

    Attributes:
        kind: none, defocus (a lens out of focus, and every round blur), motion (along a straight line) or shake (along
            another path of the camera).
        probability: of the kind, in [0, 1].
        probabilities: of each kind.
        width: of the kernel in its widest direction [px]. For motion and shake it is the length of an even line of the
            same standard deviation, 3.5 standard deviations; for defocus the diameter of such a disk, 4 standard
            deviations, which is 4 sigma of a gaussian. 0 for none.
        angle: of the motion [degrees], counter-clockwise, in [0, 180); None for other kinds.
        level: by how much the image was reduced where its kernel was measured.
        map: widths over the image.
    """

    kind: Kind
    probability: float
    probabilities: Mapping[Kind, float]
    width: float
    angle: float | None
    level: int
    map: BlurMap = field(repr=False, compare=False)

    @property
    def length(self) -> float | None:
        """The length of the motion [px]; None for other kinds."""
        return self.width if self.kind == "motion" else None


def estimate(pixels: NDArray[Any]) -> BlurEstimate:
    """Estimate the blur of an image.

    The network measures kernels with a standard deviation of up to 3.5 px, a disk with a diameter of 14 px. If it finds
    a wider kernel, it is applied to the image reduced by 2, 4 and 8. It is given the mean of the logarithms of the
    spectra of windows all over the image, in which the image's own detail averages out and the kernel's spectrum stays.

    Args:
        pixels: gray (H, W) or RGB (H, W, 3), from 1x1; uint8 or uint16 of full range, or floating point in [0, 1].
    """
    luma = luma_of(pixels)
    levels = [level for level in LEVELS if level == 1 or min(luma.shape) / level >= SMALLEST_LEVEL]
    found = _Measured(luma, levels[0])
    for level in levels[1:]:
        if found.spread <= ACCEPTED_SPREAD:
            break
        found = _Measured(luma, level)
    probabilities = found.probabilities
    kind = max(probabilities, key=lambda one: probabilities[one])
    factor = LENGTH if kind in ("motion", "shake") else DIAMETER
    return BlurEstimate(
        kind,
        probabilities[kind],
        probabilities,
        0.0 if kind == "none" else factor * found.spread * found.level,
        found.angle if kind == "motion" else None,
        found.level,
        found.map(factor),
    )


def local_spreads(luma: Floats) -> BlurMap:
    """Estimate the standard deviations of the kernel in its widest direction over an image at its full size.

    Args:
        luma: (H, W) in [0, 1].

    Returns:
        The standard deviations as widths [px]; those above about 6 px are too small.
    """
    return _Measured(luma, LEVELS[0]).map(1.0)


class _Measured:
    """What the network says of an image at one level."""

    def __init__(self, luma: Floats, level: int) -> None:
        """Compute the spectra of a level, and the outputs for their mean."""
        self.level = level
        self._weights = pretrained_weights()
        plane = _reduced(luma, level)
        missing = [max(FIELD - side, 0) for side in plane.shape]
        if any(missing):
            plane = np.pad(plane, [(one // 2, one - one // 2) for one in missing], mode="symmetric")
        self._spectra = spectra(plane)
        mean = np.average(self._spectra.logs.reshape(-1, INPUTS), axis=0, weights=self._spectra.weights.ravel())
        self._outputs = outputs_of(self._weights, mean[None].astype(np.float32))

    @property
    def spread(self) -> float:
        """Standard deviation of the kernel in its widest direction [px of the level]."""
        return math.exp(float(self._outputs.spreads[0, 0]))

    @property
    def angle(self) -> float:
        """Angle of the widest direction [degrees], counter-clockwise, in [0, 180)."""
        cosine, sine = self._outputs.directions[0].tolist()
        return math.degrees(math.atan2(sine, cosine)) / 2 % 180

    @property
    def probabilities(self) -> dict[Kind, float]:
        """The probability of each kind; on a reduced level, a finer one has shown that there is a blur."""
        scores = self._outputs.scores[0].astype(np.float64) / float(self._weights[TEMPERATURE][0])
        if self.level > 1:
            scores[KINDS.index("none")] = -np.inf
        shares = np.exp(scores - scores.max())
        return dict(zip(KINDS, (shares / shares.sum()).tolist(), strict=True))

    def map(self, factor: float) -> BlurMap:
        """Return the widths around each window, by a factor from the standard deviation."""
        import cv2

        logs, weights, step = self._spectra
        side = 2 * AROUND + 1
        sums = cv2.blur(weights, (side, side), borderType=cv2.BORDER_REFLECT)
        spreads = np.empty(weights.shape, np.float32)
        for row in range(len(weights)):  # the means of all rows at once would be a second copy of the spectra
            rows = slice(max(0, row - AROUND), row + AROUND + 1)
            column_sums = (logs[rows] * weights[rows, :, None]).sum(axis=0)
            totals = cv2.blur(column_sums.T, (side, 1), borderType=cv2.BORDER_REFLECT).T
            shares = cv2.blur(weights[rows].sum(axis=0)[None], (side, 1), borderType=cv2.BORDER_REFLECT)[0]
            spreads[row] = outputs_of(self._weights, np.asarray(totals / shares[:, None], np.float32)).spreads[:, 0]
        widths = np.float32(factor * self.level) * np.exp(spreads)
        return BlurMap(np.asarray(widths, np.float32), np.asarray(sums), self.level * FIELD / 2, self.level * step)


def luma_of(pixels: NDArray[Any]) -> Floats:
    """Return the luma of an image in [0, 1]."""
    return _weighted(pixels, lambda levels: levels)


def light_of(pixels: NDArray[Any]) -> Floats:
    """Return the luma of the linear light of an image, in [0, 1]: a kernel of linear light blurs it like each color."""
    return _weighted(pixels, decoded)


def _weighted(pixels: NDArray[Any], curve: Callable[[Floats], Floats]) -> Floats:
    white = 1 if np.issubdtype(pixels.dtype, np.floating) else np.iinfo(pixels.dtype).max
    weights = np.array(LUMA_WEIGHTS, np.float32)
    plane = np.empty(pixels.shape[:2], np.float32)
    for top in range(0, len(plane), _BLOCK_ROWS):
        rows = slice(top, top + _BLOCK_ROWS)
        block = curve(pixels[rows].astype(np.float32) / np.float32(white))
        plane[rows] = block @ weights if pixels.ndim == 3 else block
    return plane


def plane_of(pixels: NDArray[Any], *, is_linear: bool) -> Floats:
    """Return the plane in which a kernel is estimated: the luma of an image or of its linear light, in [0, 1]."""
    return light_of(pixels) if is_linear else luma_of(pixels)


def _reduced(plane: Floats, level: int) -> Floats:
    """Return a plane whose pixels are the means of squares of a side of `level` px."""
    if level == 1:
        return plane
    import cv2

    size = plane.shape[1] // level, plane.shape[0] // level
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
