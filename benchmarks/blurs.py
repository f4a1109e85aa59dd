"""Our blurs compared with plain OpenCV and the transforms of albumentations."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row
from benchmarks.timing import interleaved
from deblur.blur import Box, Degradation, Disk, Gaussian, Kernel, KernelFile, Mixed, Motion, Trajectory
from deblur.blur.transforms import Degrade
from deblur.data.cache import ImageCache

GrayImage = NDArray[np.uint8]
Way = Callable[[GrayImage], object]

IMAGES = 50  # blurred in one repeat
FIXED: dict[str, Degradation] = {"gaussian": Gaussian(3.0), "box": Box(7), "motion": Motion(15, 0)}
MIXED = Mixed({"gaussian": {}, "box": {}, "motion": {}, "disk": {}})


def families(scratch: Path) -> Iterator[tuple[str, Degradation, Way, Any]]:
    """Give blurs, plain OpenCV that does the same, and the transform of albumentations that comes nearest."""
    boundary = cv2.BORDER_REFLECT
    wander = np.zeros((31, 31))  # a shaken camera: the path of a random walk
    for row, column in (15 + np.random.default_rng(0).integers(-1, 2, (60, 2)).cumsum(axis=0).clip(-15, 15)).tolist():
        wander[row, column] += 1
    np.save(scratch / "kernel.npy", wander / wander.sum())
    shifted = {"allow_shifted": False, "direction_range": (0, 0), "p": 1}
    defocus, motion = (
        albumentations.Defocus((5, 5), p=1),
        albumentations.MotionBlur((5, 25), angle_range=(0, 180), **shifted),
    )
    spread = [
        albumentations.GaussianBlur(0, (1, 3), p=1),
        albumentations.Blur((3, 9), p=1),
        motion,
        albumentations.Defocus((1, 5), p=1),
    ]
    filtered = {
        "motion, 0 degrees": (FIXED["motion"], albumentations.MotionBlur((15, 15), angle_range=(0, 0), **shifted)),
        "motion, 30 degrees": (Motion(15, 30), albumentations.MotionBlur((15, 15), angle_range=(30, 30), **shifted)),
        "disk": (Disk(5.0), defocus),
        "kernel from a file": (KernelFile(str(scratch / "kernel.npy")), None),
        "motion_random": (Motion((5.0, 25.0), (0.0, 180.0)), motion),
        "trajectory": (Trajectory((5.0, 25.0), (0.0, 1.0)), None),
        "mixed": (MIXED, albumentations.OneOf(spread, p=1)),
    }
    gaussian, box = FIXED["gaussian"], FIXED["box"]
    yield (
        "gaussian",
        gaussian,
        lambda x: cv2.GaussianBlur(x, (25, 25), 3.0, borderType=boundary),
        albumentations.GaussianBlur((25, 25), (3, 3), p=1),
    )
    yield "box", box, lambda x: cv2.blur(x, (7, 7), borderType=boundary), albumentations.Blur((7, 7), p=1)
    for name, (degradation, theirs) in filtered.items():
        yield name, degradation, filter_by(degradation), theirs


def filter_by(degradation: Degradation) -> Way:
    """Return how plain OpenCV applies the kernels of a degradation; those that do not vary are drawn once."""
    rng = np.random.default_rng(0)
    drawn = cast("Kernel", degradation.draw_kernel(rng).kernel)
    fixed = drawn.mirrored if degradation.draw_kernel(rng).kernel is drawn else None

    def apply(image: GrayImage) -> object:
        kernel = cast("Kernel", degradation.draw_kernel(rng).kernel).mirrored if fixed is None else fixed
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)

    return apply


def degrade(degradation: Degradation, rng: np.random.Generator, images: Sequence[GrayImage]) -> list[GrayImage]:
    """Blur images as training does, each with its own kernel."""
    return [degradation.apply(image, degradation.sample(rng)) for image in images]


def filter_all(way: Way, images: Sequence[GrayImage]) -> list[object]:
    """Blur images in a plain way."""
    return [way(image) for image in images]


def transform(ours_or_theirs: Any, images: Sequence[GrayImage]) -> list[Any]:
    """Blur images with a transform of albumentations."""
    return [ours_or_theirs(image=image) for image in images]


def blurring(faces: ImageCache, scratch: Path) -> list[Row]:
    """Compare our blurs with plain OpenCV, and as transforms with those of albumentations."""
    images = [faces[index].copy() for index in range(IMAGES)]
    rows = []
    for name, degradation, plain, theirs in families(scratch):
        ways: list[Callable[[], object]] = [
            partial(degrade, degradation, np.random.default_rng(0), images),
            partial(filter_all, plain, images),
            partial(transform, Degrade(degradation), images),
        ]
        if theirs is not None:
            ways.append(partial(transform, theirs, images))
        rates = interleaved(ways, IMAGES)
        rate, ratio = rates[3] if theirs is not None else (None, None)
        row = {"blur": name, "deblur [images/s]": rates[0][0], "OpenCV [images/s]": rates[1][0]}
        row["deblur / OpenCV"] = 1 / rates[1][1]
        row |= {"deblur, as a transform": rates[2][0], "albumentations": rate}
        rows.append(row | {"transforms: deblur / albumentations": ratio and rates[2][1] / ratio})
    return rows
