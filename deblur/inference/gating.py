"""The pretrained gate, and images that are blended with their restored selves."""

import functools
import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from deblur.errors import UserError
from deblur.estimation import visibility
from deblur.estimation.estimate import luma_of
from deblur.inference.blending import mixed, strips
from deblur.inference.levels import BT601, Pixels, as_unit
from deblur.inference.pretrained import FOLDER
from deblur.inference.tiles import Plane
from deblur.metrics.images import luma
from deblur.models.gate import CELL, Gate

FILE: Final = FOLDER / "gate.safetensors"
KEY: Final = "calibration"  # of the metadata in the file
MOST: Final = 0.9
"""Largest weight: networks that were trained on drawn images correct photographs somewhat too much."""


@dataclass(frozen=True)
class CalibratedGate:
    """A trained gate, and how its weights are used.

    Attributes:
        gate: the network.
        low: weights up to it become 0.
        high: weights from it on become `MOST`; those between the two are stretched.
        share: of the sharp images of the calibration, that it was to leave alone.
    """

    gate: Gate
    low: float
    high: float
    share: float

    def weights(self, image: Tensor, restored: Tensor, spread: float | None = None) -> Tensor:
        """Return the weight of the correction at each pixel.

        Args:
            image: gray or RGB (N, C, H, W) in [0, 1], of any size.
            restored: of the same shape, in [0, 1].
            spread: as in `gated`.

        Returns:
            (N, 1, H, W) in [0, `MOST`], interpolated between the centers of the gate's cells.
        """
        height, width = image.shape[2:]
        gray = luma(image)
        cells = self.of_cells(gray, luma(restored))
        if spread is not None:
            seen = [visibility(np.ascontiguousarray(plane.numpy()), spread, CELL) for plane in gray[:, 0]]
            cells = cells * torch.from_numpy(np.stack(seen))[:, None]
        enlarged = F.interpolate(cells, scale_factor=CELL, mode="bilinear")
        return enlarged[..., :height, :width]

    def of_cells(self, image: Tensor, restored: Tensor) -> Tensor:
        """Return the weight of each cell; the last ones of a row or column may extend beyond the image.

        Args:
            image: luma (N, 1, H, W) in [0, 1], of any size.
            restored: of the same shape.

        Returns:
            (N, 1, H / CELL, W / CELL), rounded up, in [0, `MOST`].
        """
        height, width = image.shape[2:]
        missing = (0, -width % CELL, 0, -height % CELL)
        whole, correction = (F.pad(plane, missing, mode="replicate") for plane in (image, restored - image))
        return self.of_padded(whole, correction)

    def of_padded(self, image: Tensor, correction: Tensor) -> Tensor:
        """Return the weight of each cell, (N, 1, H / CELL, W / CELL) in [0, `MOST`]; for arguments see `Gate`."""
        return MOST * stretched(self.gate(image, correction), self.low, self.high)


def stretched(weights: Tensor, low: float, high: float) -> Tensor:
    """Return weights of any shape that are 0 up to one value, 1 from another one on, and linear between them."""
    return ((weights - low) / (high - low)).clamp(0, 1)


@functools.cache
def pretrained_gate() -> CalibratedGate:
    """Load the gate of the package.

    Raises:
        UserError: if the installation lacks its file.
    """
    if not FILE.is_file():
        raise UserError(
            f"This installation lacks the file {FILE}: install the package again, or set a strength from 0 to 1."
        )
    gate = Gate().eval()
    with safe_open(FILE, framework="pt") as file:
        found = json.loads(file.metadata()[KEY])
        gate.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 # it is no mapping
    return CalibratedGate(gate, found["low"], found["high"], found["share"])


def gated(pixels: Pixels, restored: Pixels, gate: CalibratedGate, spread: float | None = None) -> tuple[Pixels, float]:
    """Blend an image with its restored self, at each place by the weight of the gate.

    Strips of the image are weighed one after the other, each with its surroundings: the weights are those of the whole
    image.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restored: of the same shape and type.
        gate: what weighs the correction.
        spread: from which on a blur is visible to the network, see `visibility`; where it is not, nothing is applied.
            None leaves all to the gate.

    Returns:
        New pixels of the same shape and type, and the applied fraction of the correction: the mean weight, in which
        each pixel counts by its squared correction. It is 1 if there is no correction.
    """
    height, width = pixels.shape[:2]
    with torch.inference_mode():
        cells = torch.cat([_weighed(pixels, restored, rows, gate) for rows in strips(height, width, CELL)], dim=2)
        if spread is not None:
            cells *= torch.from_numpy(visibility(luma_of(pixels), spread, CELL))
        blended = np.empty_like(pixels)
        applied, total = 0.0, 0.0
        for rows in strips(height, width, CELL):
            weights = _enlarged(cells, rows)[: rows.stop - rows.start, :width]
            squares = np.square(_luma(restored[rows]) - _luma(pixels[rows]), dtype=np.float64)
            applied, total = applied + float((weights * squares).sum()), total + float(squares.sum())
            blended[rows] = mixed(pixels[rows], restored[rows], weights)
    return blended, applied / total if total else 1.0


def _weighed(pixels: Pixels, restored: Pixels, rows: slice, gate: CalibratedGate) -> Tensor:
    """Return the weights (1, 1, h, w) of the cells of a strip."""
    top = max(rows.start - Gate.halo, 0)
    surrounded = slice(top, rows.stop + Gate.halo)
    image, after = (torch.from_numpy(_luma(one[surrounded]))[None, None] for one in (pixels, restored))
    first = (rows.start - top) // CELL
    return gate.of_cells(image, after)[:, :, first : first + -(-(rows.stop - rows.start) // CELL)]


def _enlarged(cells: Tensor, rows: slice) -> Plane:
    """Return the weights of the pixels of a strip, (H, W) or more, from those of all cells of the image."""
    first, last = rows.start // CELL, -(-rows.stop // CELL)
    top = max(first - 1, 0)
    enlarged = F.interpolate(cells[:, :, top : last + 1], scale_factor=CELL, mode="bilinear")[0, 0]
    return np.asarray(enlarged[(first - top) * CELL :].numpy(), np.float32)


def _luma(pixels: Pixels) -> Plane:
    unit = as_unit(pixels)
    return np.ascontiguousarray(unit if unit.ndim == 2 else unit @ BT601)
