"""Cached gray images -> whole pictures of a training, mirrored and blurred."""

import random
from collections.abc import Sequence

import albumentations
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from deblur.blur import Degradation
from deblur.blur.transforms import Degrade
from deblur.data.datasets import Images
from deblur.data.frames import Frame, pad_symmetric

GrayImage = NDArray[np.uint8]
Mirror = tuple[bool, bool]  # left-right, top-bottom

MIRRORS: tuple[Mirror, ...] = ((False, False), (True, False), (False, True), (True, True))


class TrainingPictures:
    """The frame of each picture, mirrored as asked for and then degraded: blurred and sharp.

    A degradation that draws nothing gives the same pixels each time, so its results are kept, where they fit into
    memory: one for each picture, and one more for each mirror image that the blur treats differently. Loader processes
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
        frame: Frame,
        context: int,
        mirrored: bool,
        memory_limit: int,
    ) -> None:
        """Describe the pictures.

        Args:
            images: where the sharp ones come from.
            inputs: what is degraded, of the same sizes.
            indices: which of them are asked for.
            degradation: what blurs the inputs.
            seed: of what is drawn.
            frame: what is seen of each picture.
            context: further pixels around the blurred frame, its mirror image [px].
            mirrored: whether mirror images are asked for.
            memory_limit: results are kept if they all take no more [bytes].
        """
        self._images = images
        self._inputs = inputs
        self._seed = seed
        self._frame = frame
        self._context = context
        self._pipelines = {mirror: _pipeline(mirror, degradation) for mirror in MIRRORS}
        self._kept: dict[tuple[int, Mirror], tuple[GrayImage, GrayImage]] = {}
        self._commutes = degradation.commutes_with_mirroring
        ways = 2 ** self._commutes.count(False) if mirrored else 1
        self._keeps = degradation.is_fixed and self._size(indices, ways) <= memory_limit

    def __call__(self, epoch: int, index: int, mirror: Mirror) -> tuple[GrayImage, GrayImage]:
        """Return a picture of one epoch.

        Args:
            epoch: of what is drawn.
            index: of the image.
            mirror: whether it is mirrored left-right, and top-bottom.

        Returns:
            blurred (H + 2 context, W + 2 context) and sharp (H, W); read-only.
        """
        # Where the blur treats both the same, the blurred image is mirrored: it serves twice.
        before, after = (
            (mirror[0] and self._commutes[0] is late, mirror[1] and self._commutes[1] is late) for late in (False, True)
        )
        key = index, before
        picture = self._kept.get(key)
        if picture is None:
            picture = self._make(epoch, index, before)
            if self._keeps and get_worker_info() is None:
                self._kept[key] = picture
        if after == (False, False):
            return picture
        turn = (slice(None, None, -1 if after[1] else 1), slice(None, None, -1 if after[0] else 1))
        return picture[0][turn], picture[1][turn]

    def _make(self, epoch: int, index: int, mirror: Mirror) -> tuple[GrayImage, GrayImage]:
        state = np.random.SeedSequence([self._seed, epoch, index])
        pipeline = self._pipelines[mirror]
        pipeline.set_random_state(np.random.default_rng(state), random.Random(int(state.generate_state(1)[0])))
        made = pipeline(image=self._inputs[index], sharp=self._images[index])
        return pad_symmetric(self._frame.cut(made["image"]), self._context), self._frame.cut(made["sharp"])

    def _size(self, indices: Sequence[int], ways: int) -> int:
        """Return what keeping everything takes: the blurred frames, and the sharp ones that are mirrored [bytes]."""
        around = 2 * self._context
        total = 0
        for index in indices:
            height, width = self._frame.shape(self._images.shapes[index])
            total += ways * (height + around) * (width + around) + (ways - 1) * height * width
        return total


def _pipeline(mirror: Mirror, degradation: Degradation) -> albumentations.Compose:
    flips = (albumentations.HorizontalFlip(p=1.0), albumentations.VerticalFlip(p=1.0))
    wanted = [flip for flip, is_wanted in zip(flips, mirror, strict=True) if is_wanted]
    return albumentations.Compose([*wanted, Degrade(degradation)], additional_targets={"sharp": "mask"})
