"""Training images that the device blurs: the processor draws, mirrors and cuts, the device convolves and records.

The processor makes windows of the sharp images, around each patch, with all that was drawn (`WindowDataset`). The
device makes of them what `TrainingDataset` would have given (`degraded`), but for the order of a sum: a pixel can be
rounded to the next gray level.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deblur.blur import exposed
from deblur.blur.camera import WHITE, sensor_noise
from deblur.blur.degradation import Sampled, encoded_noise
from deblur.blur.images import padded, planes_of
from deblur.blur.kernels import Psf
from deblur.config.on_device import DEGRADING
from deblur.data.patches import EpochAndIndex, Patches, TrainingDataset, drawn_noise
from deblur.errors import UserError
from deblur.light import encoded
from deblur.mirroring import mirror_index

Draw = Callable[[int, tuple[int, ...]], NDArray[np.float32]]

WINDOWS: Final = "windows"
"""The key of a batch that `degraded` has yet to blur."""


@dataclass(eq=False)
class WindowDataset(TrainingDataset):
    """Windows of mirrored sharp images by (epoch, index), with what was drawn; the patches are those of the base class.

    Nothing is kept: what is left to the processor is cheap.
    """

    def __post_init__(self) -> None:
        """Refuse what the device does not compute.

        Raises:
            UserError: As `Degradation.require_tensors`.
        """
        super().__post_init__()
        self.degradation.require_tensors(*DEGRADING, noise_is_known=self.known_kernels)

    def __getitems__(self, positions: Sequence[EpochAndIndex]) -> Patches:
        """Return the windows of several images at once.

        Returns:
            Of P patches of N images, with blurred patches of (B, B) px, B = S + 2 context:

            - `sharp` (P, C, S, S) and `windows` (P, C, B + 2 reach rows, B + 2 reach columns), uint8;
            - `kernels` (N, 1 + 2 reach rows, 1 + 2 reach columns), turned by 180 degrees;
            - with a context, `rows` and `columns` (P, B): which blurred pixel of the window is at each place;
            - with noise, `noise` (P, C, B, B) and `noise_deviation` (N,) [gray levels of 255];
            - with a camera, `light` of each gray level (N, 256); with noise of its sensor, `sensor_noise` (P, C, B, B),
              `shot_noise` and `read_noise` (N,);
            - with known kernels, `psf` and `noise_sigma` as in the base class.
        """
        made: list[Patches] = []
        samples: list[Sampled] = []
        for position in positions:
            sampled, windows = self._windows(*position)
            samples.append(sampled)
            made.append(windows)
        known: Patches = {}
        if self.known_kernels:
            kernels = [sampled.psf for sampled in samples if sampled.psf is not None]
            known = self._known(kernels, [drawn_noise(sampled) for sampled in samples])
        return {**{name: np.concatenate([each[name] for each in made]) for name in made[0]}, **known}

    def _windows(self, epoch: int, index: int) -> tuple[Sampled, Patches]:
        """Return what is drawn for an image, and what it adds to a batch, by patch or with a first axis of length 1."""
        sampled, sharp, given = self._source(epoch, index)
        left_right, top_bottom = self._mirror(epoch, index)
        turn = (slice(None, None, -1 if top_bottom else 1), slice(None, None, -1 if left_right else 1))
        crop, context, reach = self.crop, self.context, self.degradation.reach
        # What `degrade` blurs: the crop, or with a valid boundary the whole image.
        planes = np.ascontiguousarray(planes_of(given[turn] if crop.boundary == "valid" else crop.cut(given[turn])))
        height, width = crop.shape((given.shape[0], given.shape[1]))
        above, before = (planes.shape[1] - height) // 2, (planes.shape[2] - width) // 2  # outside of the crop
        tall, wide = (height, width) if self.patch_size is None else (self.patch_size, self.patch_size)
        places = [(0, 0)]
        if self.patch_size is not None:
            room = np.array([height - tall, width - wide]) + 1
            places = [(top, left) for top, left in (self._drawn(epoch)[1][index] * room).astype(np.intp).tolist()]

        def cut(image: NDArray[Any], around: tuple[int, int], top: int = above, left: int = before) -> NDArray[Any]:
            """Cut the patches and `around` px on each side of them out of planes that begin so many px before these."""
            rows, columns = tall + 2 * around[0], wide + 2 * around[1]
            return np.stack([image[:, y + top : y + top + rows, x + left : x + left + columns] for y, x in places])

        wider = (reach[0] + context, reach[1] + context)
        exposed_sharp = exposed(np.ascontiguousarray(crop.cut(sharp[turn])), self.degradation, sampled)
        made: dict[str, NDArray[Any]] = {
            "sharp": cut(planes_of(exposed_sharp), (0, 0), 0, 0),
            WINDOWS: cut(padded(planes, crop.extension, *wider), wider),
            "kernels": self._kernel(sampled.psf),
        }
        if context:
            for name, side, size, part in (("rows", tall, height, 0), ("columns", wide, width, 1)):
                firsts = np.array([place[part] for place in places])[:, None] - context
                made[name] = mirror_index(firsts + np.arange(side + 2 * context), size, np.minimum) - firsts

        def noise(draw: Draw, is_drawn: bool) -> NDArray[np.float32]:
            """Return the noise of the patches: that of the whole planes, as if they were blurred here."""
            shape, seeds = planes.shape[1:], range(sampled.noise_seed, sampled.noise_seed + len(planes))
            field = np.stack([draw(seed, shape) if is_drawn else np.zeros(shape, np.float32) for seed in seeds])
            return cut(np.pad(field, [(0, 0), (context, context), (context, context)]), (context, context))

        if self.degradation.noise_sigma.high > 0:
            made["noise"] = noise(encoded_noise, sampled.noise_sigma > 0)
            made["noise_deviation"] = np.array([sampled.noise_sigma], np.float32)
        camera = self.degradation.camera_of(sampled)
        if camera is not None and self.degradation.camera is not None:
            made["light"] = camera.light(np.arange(WHITE + 1, dtype=np.uint8)[None])
            if self.degradation.camera.has_noise:
                made["sensor_noise"] = noise(sensor_noise, camera.has_noise)
                made["shot_noise"] = np.array([camera.shot_noise], np.float32)
                made["read_noise"] = np.array([camera.read_noise], np.float32)
        return sampled, made

    def _kernel(self, psf: Psf | None) -> NDArray[np.float32]:
        """Return a kernel as a correlation needs it, with zeros up to the largest size, (1, height, width)."""
        height, width = (1 + 2 * side for side in self.degradation.reach)
        if psf is None or psf.shape[0] > height or psf.shape[1] > width:
            found = "a field of kernels" if psf is None else f"a kernel of {psf.shape[1]}x{psf.shape[0]} px"
            raise UserError(
                f"{type(self.degradation).__name__} has drawn {found}, and its max_kernel_size allows one of "
                f"{width}x{height} px: change the class, or take {DEGRADING[1]}."
            )
        rows, columns = (height - psf.shape[0]) // 2, (width - psf.shape[1]) // 2
        return np.pad(psf[::-1, ::-1], [(rows, rows), (columns, columns)])[None].astype(np.float32)


def degraded(batch: Mapping[str, Any], *, linear: bool) -> dict[str, Any]:
    """Blur and record the windows of a batch, on the device on which they lie.

    Args:
        batch: What `WindowDataset` made, as tensors.
        linear: Whether a camera blurs linear light.

    Returns:
        `blurred` (P, C, S + 2 context, S + 2 context) in [0, 1], of 256 levels; `sharp` and what is known of the
        kernels as they are.
    """
    windows, kernels = batch[WINDOWS], batch["kernels"]

    def by_image(planes: Tensor) -> Tensor:  # (P, C, ...) -> (N, P / N * C, ...)
        return planes.reshape(len(kernels), -1, *planes.shape[2:])

    levels = by_image(windows)
    if "light" in batch:
        values = batch["light"].gather(1, levels.flatten(1).long()).view(levels.shape)
    else:
        values = levels.float()
    # Each image is a group with its kernel; its patches and channels are what a convolution takes for a batch.
    values = F.conv2d(values.transpose(0, 1), kernels[:, None], groups=len(kernels)).transpose(0, 1)
    if "sensor_noise" in batch:
        shot, read = (batch[name][:, None, None, None] * WHITE for name in ("shot_noise", "read_noise"))
        deviation = (values.clamp(min=0) * shot + read.square()).sqrt()
        values = values + deviation * by_image(batch["sensor_noise"])
    if "light" in batch:
        values = values.clamp(0, WHITE)
        values = WHITE * encoded(values / WHITE) if linear else values
    if "noise" in batch:
        values = values + by_image(batch["noise"]) * batch["noise_deviation"][:, None, None, None]
    blurred = values.round().clamp(0, WHITE).div(WHITE)
    blurred = blurred.reshape(*windows.shape[:2], *blurred.shape[2:])
    if "rows" in batch:  # beyond the crop, the blurred image continues as its mirror image
        blurred = blurred.take_along_dim(batch["rows"][:, None, :, None], 2)
        blurred = blurred.take_along_dim(batch["columns"][:, None, None, :], 3)
    kept = ("sharp", "psf", "noise_sigma")
    return {"blurred": blurred, **{name: batch[name] for name in kept if name in batch}}
