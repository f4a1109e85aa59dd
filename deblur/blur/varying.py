"""Blur that varies over the image: a camera that rolls during the exposure, defocus that grows to a side."""

import math
from collections.abc import Mapping
from typing import ClassVar, Final, Unpack

import numpy as np

from deblur.blur import kernels
from deblur.blur.degradation import AfterBlur, Degradation, DrawnKernel
from deblur.blur.families import HALF_AND_TWICE, register
from deblur.blur.kernel_fields import KernelField, Shape
from deblur.blur.kernels import Psf
from deblur.blur.parameters import Parameter, ScalarOrPair, Slider, Text
from deblur.blur.trajectories import Path, diameter, rasterize_all, trajectory

ROTATION: Final = "rotation"
DEFOCUS: Final = "defocus"
ANY_KIND: Final = "any"

PATH_STEPS: Final = 64
"""Positions of a path: the kernels of all nodes are made of it, and this many suffice up to an extent of some 50 px."""


class Rotation(KernelField):
    """The kernels of a camera that shifts and rolls about a point during the exposure.

    At the time t the place x of the image is moved by s(t) + r(t) J (x - c): s is the shift, r the angle of the roll,
    which is small, J a turn by 90 degrees and c the center of the roll. These are the three movements of A. Gupta et
    al., "Single image deblurring using motion density functions", ECCV 2010: turns about the other two axes look nearly
    like shifts. The mean movement is left out at each place: it would distort the image without blurring it.
    """

    def __init__(self, shift: Path, roll: Psf, center: tuple[float, float], extent: float, variation: float) -> None:
        """Set the movement.

        Args:
            shift: Path (x, y) of the camera without the roll, shape (steps, 2), of extent 1.
            roll: Angle at the same times, shape (steps,), with a difference of 1 between the smallest and the largest.
            center: Place (x, y) that does not move in the roll, from -1 at the left or upper edge to 1 at the other.
            extent: Extent of the longest path in the image [px].
            variation: Share of the roll in the movement: 0 is the shift alone, 1 the roll alone.
        """
        super().__init__()
        self._shift, self._roll = shift * (1 - variation), roll * variation
        self._center, self._extent = np.asarray(center), extent

    def kernels(self, shape: Shape, rows: Psf, columns: Psf) -> Psf:
        """Return the kernels of the paths at the places of a grid, (R, C, size, size)."""
        places = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        found = rasterize_all(self._paths(shape, places) * self._scale(shape))
        return found.reshape(len(rows), len(columns), *found.shape[1:])

    def changes(self, shape: Shape) -> tuple[float, float]:
        """Return how far the end of a path moves in relation to its middle, along both sides of the image [px]."""
        mean = (self._roll[:-1] + self._roll[1:]).mean() / 2
        per_px = self._scale(shape) * np.abs(self._roll - mean).max() / self._lever(shape)
        height, width = shape
        return float(per_px * (height - 1)), float(per_px * (width - 1))

    def _paths(self, shape: Shape, places: Psf) -> Psf:
        """Return the path at each place (x, y) [px], shape (places, steps, 2), not scaled."""
        x, y = ((places - self._middle(shape)) / self._lever(shape)).T
        turned = np.stack([-y, x], axis=1)
        paths: Psf = self._shift + self._roll[:, np.newaxis] * turned[:, np.newaxis]
        return paths

    def _scale(self, shape: Shape) -> float:
        """Return the factor of all paths with which the longest of the image has the extent."""
        # The extent of a path is a convex function of the place: it is largest at a corner.
        longest = max(map(diameter, self._paths(shape, _corners(shape))))
        return self._extent / (longest or 1.0)  # a single pixel may be the center of the roll

    def _middle(self, shape: Shape) -> Psf:
        """Return the place (x, y) of the center of the roll [px]."""
        middle: Psf = _corners(shape)[-1] / 2 * (1 + self._center)
        return middle

    def _lever(self, shape: Shape) -> float:
        """Return the distance from the center of the roll to the farthest corner [px]; 1 for a single pixel."""
        return float(np.linalg.norm(_corners(shape) - self._middle(shape), axis=1).max()) or 1.0


class GrowingDefocus(KernelField):
    """Disks that grow linearly from one side of the image to the other, as on a plane that leaves the focus."""

    def __init__(self, direction: float, extent: float, variation: float) -> None:
        """Set the disks.

        Args:
            direction: In which the disks grow [degrees, counter-clockwise].
            extent: Diameter of the largest disk in the image [px].
            variation: By which share of it the smallest one is smaller, 0 to 1.
        """
        super().__init__()
        # y is counted downwards
        self._towards = np.array([math.cos(math.radians(direction)), -math.sin(math.radians(direction))])
        self._radius, self._variation = extent / 2, variation

    def kernels(self, shape: Shape, rows: Psf, columns: Psf) -> Psf:
        """Return the disks at the places of a grid, (R, C, size, size)."""
        along = np.add.outer(rows * self._towards[1], columns * self._towards[0])
        ends = _corners(shape) @ self._towards
        grown = (along - ends.min()) / (np.ptp(ends) or 1.0)
        radii = self._radius * (1 - self._variation * (1 - grown))
        disks = [kernels.disk(max(radius, kernels.IDENTITY_RADIUS)) for radius in radii.ravel().tolist()]
        side = max(map(len, disks))
        stacked = np.stack([np.pad(disk, (side - len(disk)) // 2) for disk in disks])
        return stacked.reshape(len(rows), len(columns), side, side)

    def changes(self, shape: Shape) -> tuple[float, float]:
        """Return how much the radius grows along both sides of the image [px]."""
        length = np.ptp(_corners(shape) @ self._towards) or 1.0
        (height, width), (x, y) = shape, np.abs(self._towards)
        per_px = self._radius * self._variation / length
        return float(per_px * y * (height - 1)), float(per_px * x * (width - 1))


def _corners(shape: Shape) -> Psf:
    """Return the places (x, y) of the four corner pixels, that at the lower right last, (4, 2) [px]."""
    bottom, right = shape[0] - 1, shape[1] - 1
    return np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], dtype=np.float64)


@register
class Varying(Degradation):
    """A kernel that changes from place to place: of a camera that rolls, or of defocus that grows to a side.

    No part of the image is blurred more than by `extent`, and one corner is, whatever the size of the image.
    """

    family = "varying"
    label = "Varying"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "extent": Parameter(
            "Extent of the widest kernel",
            1,
            100,
            unit="px",
            in_mixture=(5.0, 20.0),
            factors=HALF_AND_TWICE,
            slider=Slider(1, 41, step=1, start=15),
        ),
        "variation": Parameter(
            "Variation",
            0,
            1,
            remark="0 is the same kernel everywhere",
            in_mixture=(0.5, 1.0),
            slider=Slider(0, 1, step=0.05, start=1),
        ),
        "shake": Parameter(
            "Shake",
            0,
            1,
            remark="of a rolling camera, 0 is steady, 1 very unsteady",
            in_mixture=(0.0, 1.0),
            slider=Slider(0, 1, step=0.05, start=0.5),
        ),
    }
    texts: ClassVar[Mapping[str, Text]] = {
        "kind": Text(
            f"{ROTATION}, {DEFOCUS}, or {ANY_KIND} for one of the two per image",
            rf"{ROTATION}|{DEFOCUS}|{ANY_KIND}",
            in_mixture=ANY_KIND,
        )
    }

    def __init__(
        self,
        extent: ScalarOrPair,
        variation: ScalarOrPair,
        shake: ScalarOrPair,
        kind: str = ANY_KIND,
        **after: Unpack[AfterBlur],
    ) -> None:
        """Set what is drawn for each image.

        Args:
            extent: Of the widest kernel in an image: the largest distance between two points of the path of a camera,
                or the diameter of a disk [px].
            variation: How much kernels change, from 0 to 1. Of a rotation the share of the roll, with which kernels
                grow from its center on, compared with the shift; of defocus the share by which disks shrink.
            shake: Of a camera, as of `Trajectory`.
            kind: `rotation`, `defocus`, or `any` to draw one of them.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            ValueError: A value is outside what is allowed.
        """
        super().__init__(**after)
        self.extent = self.parameters["extent"].interval("extent", extent)
        self.variation = self.parameters["variation"].interval("variation", variation)
        self.shake = self.parameters["shake"].interval("shake", shake)
        if kind not in (ROTATION, DEFOCUS, ANY_KIND):
            raise ValueError(f"kind is {kind}; it must be {self.texts['kind'].allowed}.")
        self.kind = kind

    @property
    def varies_over_image(self) -> bool:
        """Always."""
        return True

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw the parameters, the kind if it is any, and a field of kernels."""
        # All is drawn whatever the kind: a rotation of the kind any is that of the kind rotation.
        extent, variation, shake = self.extent.draw(rng), self.variation.draw(rng), self.shake.draw(rng)
        is_rotation = bool(rng.random() < 0.5) if self.kind == ANY_KIND else self.kind == ROTATION
        drawn: dict[str, float | str] = {"extent": extent, "variation": variation}
        if not is_rotation:
            direction = rng.uniform(0, 360)
            field: KernelField = GrowingDefocus(direction, extent, variation)
            return DrawnKernel(field, self.family, {"kind": DEFOCUS, **drawn})
        shift = trajectory(rng, 1.0, shake, PATH_STEPS)
        center = rng.uniform(-1, 1), rng.uniform(-1, 1)
        field = Rotation(shift, _angles(rng, shake), center, extent, variation)
        return DrawnKernel(field, self.family, {"kind": ROTATION, **drawn, "shake": shake})

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The size for a camera that rests at one end of its path for nearly all of the exposure."""
        size = 2 * math.ceil(self.extent.high) + 1
        return size, size


def _angles(rng: np.random.Generator, shake: float) -> Psf:
    """Draw the angle of a roll at each time: a path as that of the shift, along its main direction."""
    path = trajectory(rng, 1.0, shake, PATH_STEPS)
    centered = path - path.mean(axis=0)
    angles: Psf = centered @ np.linalg.eigh(centered.T @ centered)[1][:, -1]
    return angles / np.ptp(angles)
