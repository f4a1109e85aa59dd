"""Cached gray images -> whole images of a training, mirrored and blurred."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import albumentations
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from deblur.blur import Degradation, Sampled
from deblur.blur.kernels import Psf
from deblur.blur.transforms import Degrade
from deblur.data.crops import Crop, pad_symmetric
from deblur.data.datasets import Images, WienerPrefilter, wiener_estimate_of

GrayImage = NDArray[np.uint8]
Mirror = tuple[bool, bool]  # left-right, top-bottom

MIRRORS: tuple[Mirror, ...] = ((False, False), (True, False), (False, True), (True, True))


class TrainingImage(NamedTuple):
    """One image of one epoch; read-only.

    Attributes:
        blurred: (H + 2 context, W + 2 context).
        sharp: (H, W).
        wiener_estimate: (planes, H + 2 context, W + 2 context) in float16, where one is wanted.
    """

    blurred: GrayImage
    sharp: GrayImage
    wiener_estimate: NDArray[np.float16] | None

    def mirrored(self, mirror: Mirror) -> "TrainingImage":
        """Return the image mirrored left-right, and top-bottom."""
        turn = (..., slice(None, None, -1 if mirror[1] else 1), slice(None, None, -1 if mirror[0] else 1))
        return TrainingImage(
            self.blurred[turn], self.sharp[turn], None if self.wiener_estimate is None else self.wiener_estimate[turn]
        )


class TrainingImages:
    """The frame of each image, mirrored as asked for and then degraded, and the Wiener estimate made of that.

    A degradation that draws nothing gives the same pixels each time, so its results are kept, where they fit into
    memory: one for each image, and one more for each mirror image that the blur treats differently. Loader processes
    keep nothing: each would keep all of it.
    """

    def __init__(
        self,
        images: Images,
        inputs: Images,
        indices: Sequence[int],
        degradation: Degradation,
        *,
        seed: int,
        crop: Crop,
        context: int,
        mirrored: bool,
        memory_limit: int,
        prefilter: WienerPrefilter | None = None,
    ) -> None:
        """Describe the images.

        Args:
            images: where the sharp ones come from.
            inputs: what is degraded, of the same sizes.
            indices: which of them are asked for.
            degradation: what blurs the inputs.
            seed: of what is drawn.
            crop: what is seen of each image.
            context: further pixels around the blurred frame, its mirror image [px].
            mirrored: whether mirror images are asked for.
            memory_limit: results are kept if they all take no more [bytes].
            prefilter: makes the Wiener estimate, where one is wanted.
        """
        self._images = images
        self._inputs = inputs
        self._seed = seed
        self._crop = crop
        self._context = context
        self._prefilter = prefilter
        self._pipelines = {mirror: _pipeline(mirror, degradation) for mirror in MIRRORS}
        self._kept: dict[tuple[int, Mirror], TrainingImage] = {}
        self._commutes = degradation.commutes_with_mirroring
        ways = 2 ** self._commutes.count(False) if mirrored else 1
        self._keeps = degradation.is_fixed and self._size(indices, ways) <= memory_limit

    def __call__(self, epoch: int, index: int, mirror: Mirror) -> TrainingImage:
        """Return an image of one epoch.

        Args:
            epoch: of what is drawn.
            index: of the image.
            mirror: whether it is mirrored left-right, and top-bottom.
        """
        # Where the blur treats both the same, the blurred image is mirrored: it serves twice.
        before, after = (
            (mirror[0] and self._commutes[0] is late, mirror[1] and self._commutes[1] is late) for late in (False, True)
        )
        key = index, before
        image = self._kept.get(key)
        if image is None:
            image = self._make(epoch, index, before)
            if self._keeps and get_worker_info() is None:
                self._kept[key] = image
        return image if after == (False, False) else image.mirrored(after)

    def _make(self, epoch: int, index: int, mirror: Mirror) -> TrainingImage:
        state = np.random.SeedSequence([self._seed, epoch, index])
        pipeline = self._pipelines[mirror]
        pipeline.set_random_state(np.random.default_rng(state), random.Random(int(state.generate_state(1)[0])))
        sharp = self._images[index]
        given = sharp if self._inputs is self._images else self._inputs[index]  # read from the disk once
        made = pipeline(image=given, sharp=sharp)
        blurred, sharp = self._crop.cut(made["image"]), self._crop.cut(made["sharp"])
        wiener_estimate = None
        if self._prefilter is not None:
            around = ((0, 0), *[(self._context, self._context)] * 2)
            prepared = wiener_estimate_of(blurred, _kernel(made), self._prefilter).astype(np.float16)
            wiener_estimate = np.pad(prepared, around, mode="symmetric")
        return TrainingImage(pad_symmetric(blurred, self._context), sharp, wiener_estimate)

    def _size(self, indices: Sequence[int], ways: int) -> int:
        """Return the bytes needed to keep all blurred crops, Wiener estimates and mirrored sharp crops."""
        around = 2 * self._context
        deep = 1 + (0 if self._prefilter is None else 2 * self._prefilter.planes)  # bytes a pixel
        total = 0
        for index in indices:
            height, width = self._crop.shape(self._images.shapes[index])
            total += ways * deep * (height + around) * (width + around) + (ways - 1) * height * width
        return total


def _pipeline(mirror: Mirror, degradation: Degradation) -> albumentations.Compose:
    flips = (albumentations.HorizontalFlip(p=1.0), albumentations.VerticalFlip(p=1.0))
    wanted = [flip for flip, is_wanted in zip(flips, mirror, strict=True) if is_wanted]
    steps = [*wanted, Degrade(degradation)]
    return albumentations.Compose(steps, additional_targets={"sharp": "mask"}, save_applied_params=True)


def _kernel(made: dict[str, Any]) -> Psf:
    """Return the kernel that the last step of a pipeline has drawn."""
    _, drawn = made["applied_transforms"][-1]
    sampled: Sampled = drawn["sampled"]
    return sampled.kernel.psf
