"""Bring a result onto the sharp image, as a protocol says, and cut both."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.evaluation.protocols.cases import Pixels
from deblur.evaluation.protocols.protocol import EccAlignment, Protocol, ShiftAlignment
from deblur.luma import LUMA_WEIGHTS

_BLACK: Final = 1e-12  # energy of an image below which its brightness cannot be scaled


@dataclass(frozen=True, eq=False)
class Aligned:
    """A result and the sharp image, of one shape, ready to be measured.

    Attributes:
        restored: in [0, 1], but for the overshoot of a bicubic interpolation.
        sharp: in [0, 1]; 0 outside the mask.
        mask: (H, W) bool, the pixels that count; None for all.
        columns: what the alignment found, for the table of all cases.
    """

    restored: Pixels
    sharp: Pixels
    mask: NDArray[np.bool_] | None
    columns: dict[str, float | bool]


def aligned(restored: Pixels, sharp: Pixels, protocol: Protocol) -> Aligned:
    """Clip, round, align and cut a result as a protocol says.

    Args:
        restored: (H, W) or (H, W, 3).
        sharp: of the same shape, in [0, 1].
        protocol: fixes how.
    """
    clipped = np.clip(restored, 0, 1, dtype=np.float32)
    if protocol.rounds_result:
        clipped = np.rint(clipped * np.float32(255)) / np.float32(255)
    if isinstance(protocol.alignment, ShiftAlignment):
        return _by_shift(clipped, sharp, protocol.cut, protocol.alignment)
    if isinstance(protocol.alignment, EccAlignment):
        return _by_ecc(_cut(clipped, protocol.cut), _cut(sharp, protocol.cut), protocol.alignment)
    return Aligned(_cut(clipped, protocol.cut), _cut(sharp, protocol.cut), None, {})


def _cut(image: Pixels, margin: int) -> Pixels:
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]


def _by_shift(restored: Pixels, sharp: Pixels, cut: int, alignment: ShiftAlignment) -> Aligned:
    """Return the shifted result of the least squared error.

    The result is cut by less than the sharp image, so that each shift compares the same pixels of the sharp one.
    """
    reach = alignment.max_shift
    wide, target = _cut(restored, cut - reach), _cut(sharp, cut)
    height, width = target.shape[:2]
    best: tuple[float, Pixels, float, float] | None = None
    for down in range(alignment.steps):
        for right in range(alignment.steps):
            moved = _interpolated(wide, down / alignment.steps, right / alignment.steps)
            for top in range(moved.shape[0] - height + 1):
                for left in range(moved.shape[1] - width + 1):
                    part = moved[top : top + height, left : left + width]
                    difference = (part - target).ravel()
                    error = float(difference @ difference)
                    if best is None or error < best[0]:
                        best = (
                            error,
                            part,
                            top + down / alignment.steps - reach,
                            left + right / alignment.steps - reach,
                        )
    if best is None:
        raise ValueError(f"an image of {restored.shape} is too small for a cut of {cut} px")
    return Aligned(np.ascontiguousarray(best[1]), target, None, {"shift_down": best[2], "shift_right": best[3]})


def _interpolated(image: Pixels, down: float, right: float) -> Pixels:
    """Return the values between pixels, bilinear: one row less if `down` is above 0, one column less likewise."""
    rows = image if down == 0 else np.float32(1 - down) * image[:-1] + np.float32(down) * image[1:]
    if right == 0:
        return rows
    return np.float32(1 - right) * rows[:, :-1] + np.float32(right) * rows[:, 1:]


def _by_ecc(restored: Pixels, sharp: Pixels, alignment: EccAlignment) -> Aligned:
    """Register a result by a homography; without one that can be found it stays where it is."""
    energy = float(np.sum(np.square(restored, dtype=np.float64)))
    scale = float(np.sum(sharp * restored, dtype=np.float64)) / energy if energy > _BLACK else 1.0
    scaled = (np.float32(scale) * restored).astype(np.float32)
    transform = np.eye(3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, alignment.iterations, 0.0)
    is_found = True
    try:
        _, found = cv2.findTransformECC(
            _gray(sharp),
            _gray(scaled),
            transform,
            cv2.MOTION_HOMOGRAPHY,
            criteria,
            None,
            alignment.smoothing,  # type: ignore[call-overload] # its stub knows no missing mask
        )
        transform = found
    except cv2.error:  # it did not converge, or an image is flat
        transform, is_found = np.eye(3, dtype=np.float32), False
    size = (sharp.shape[1], sharp.shape[0])
    warped = cv2.warpPerspective(
        scaled, transform, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    covered = cv2.warpPerspective(
        np.ones(sharp.shape[:2], np.float32),
        transform,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    mask: NDArray[np.bool_] = covered > 0
    if not mask.any():  # a homography that leaves nothing is none
        warped, mask, is_found = scaled, np.ones(sharp.shape[:2], np.bool_), False
    shown = mask if sharp.ndim == 2 else mask[..., None]
    columns: dict[str, float | bool] = {"registered": is_found, "covered": float(mask.mean())}
    return Aligned(np.where(shown, warped, 0).astype(np.float32), np.where(shown, sharp, 0), mask, columns)


def _gray(image: Pixels) -> Pixels:
    return image if image.ndim == 2 else np.asarray(image @ np.asarray(LUMA_WEIGHTS, np.float32), dtype=np.float32)
