"""Cached images -> mirrored and blurred images of a training -> batches of patches.

Every random number comes from (seed, epoch, index), none from a global generator: the patches are the same for any
number of loader processes and after a resume.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler, get_worker_info

from deblur.blur import Degradation, Sampled, exposed
from deblur.blur.images import AnyImage, Crop, as_float, pad_symmetric, planes_of
from deblur.blur.kernels import Psf
from deblur.blur.transforms import mirrored_and_degraded
from deblur.data.datasets import Images, Sample, stacked_kernels

EpochAndIndex = tuple[int, int]
Mirror = tuple[bool, bool]  # left-right, top-bottom
Patches = Mapping[str, NDArray[Any]]
"""By name: `sharp` and `blurred`; `psf` and `noise_sigma` with known kernels."""

ROUNDING_VARIANCE: Final = 1 / 12  # of the error of rounding to 8 bits [gray levels of 255, squared]

ANNOUNCED: Final = 32  # images ahead
MIRRORS: Final[tuple[Mirror, ...]] = ((False, False), (True, False), (False, True), (True, True))


@dataclass(eq=False)
class EpochSampler(Sampler[EpochAndIndex]):
    """The training images in a new order each epoch, a function of (seed, epoch).

    If several processes share a training, each takes its part of the same order; the first images come twice if the
    parts would not be equal.

    Attributes:
        indices: The training images.
        seed: Of the order.
        rank: Which process this is.
        processes: How many share the training.
        announce: Called with images some time before they are needed.
        epoch: Which epoch the next iteration belongs to.
    """

    indices: Sequence[int]
    seed: int
    rank: int = 0
    processes: int = 1
    announce: Callable[[Sequence[int]], None] | None = None
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of images for this process."""
        return -(-len(self.indices) // self.processes)

    def __iter__(self) -> Iterator[EpochAndIndex]:
        """Yield each image of this process once."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch]))
        order = rng.permutation(np.asarray(self.indices))
        part = np.resize(order, len(self) * self.processes)[self.rank :: self.processes]
        epoch = self.epoch
        for place, index in enumerate(part.tolist()):
            if self.announce is not None and place % ANNOUNCED == 0:
                self.announce(part[place : place + 2 * ANNOUNCED].tolist())
            yield epoch, index


@functools.lru_cache(maxsize=1)
def _epoch_draws(seed: int, epoch: int, images: int, patches: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Draw for all images of an epoch at once: a generator per image takes longer than its patches.

    Returns:
        Indices of MIRRORS, (images,), and the place of each patch in its room, from 0 to below 1, (images, patches, 2).
    """
    # A child of the seed, which itself gives the order of the images.
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]).spawn(1)[0])
    return rng.integers(0, len(MIRRORS), images), rng.random((images, patches, 2))


@dataclass(eq=False)
class TrainingDataset(Dataset[Sample]):
    """Patches of mirrored and blurred images, by (epoch, index).

    The whole image is blurred before patches are cut, so that they are true at their boundaries; at the edge of the
    crop, the blurred image is extended by its mirror image, as networks extend a whole image, whatever the boundary of
    the blur.

    A degradation that draws nothing gives the same pixels each time, so its results are kept if they fit into memory:
    one per image, and one more per mirror image that the blur treats differently. Loader processes keep nothing: each
    would keep all of it.

    Attributes:
        images: The sharp images, those of other splits included.
        inputs: What is degraded, of the same sizes.
        indices: Which of them are asked for.
        degradation: What blurs the inputs.
        seed: Of what is drawn: kernels and noise, flips, patch positions.
        crop: What is kept of each image.
        context: Further pixels of the blurred image on each side of a patch [px].
        patch_size: Side of a sharp patch [px]; None takes the whole crop as the one patch.
        patches_per_image: Patches from an image; not used for whole crops.
        flips: Mirror images at random in both directions.
        memory_limit: Results are kept if they all take no more [bytes].
        known_kernels: Whether patches come with their kernel and their noise.
        fresh: Returns the image to train on in an epoch in place of one of `indices`; None trains on the images.
    """

    images: Images
    inputs: Images
    indices: Sequence[int]
    degradation: Degradation
    _: KW_ONLY
    seed: int
    crop: Crop
    context: int
    patch_size: int | None
    patches_per_image: int
    flips: bool
    memory_limit: int
    known_kernels: bool = False
    fresh: Callable[[int, int], AnyImage] | None = None

    def __post_init__(self) -> None:
        """Prepare the pipelines, and find out whether results are kept."""
        self._pipelines = {mirror: mirrored_and_degraded(mirror, self.degradation, self.crop) for mirror in MIRRORS}
        self._kept: dict[tuple[int, Mirror], Patches] = {}
        self._commutes = self.degradation.commutes_with_mirroring
        self._keeps = self.fresh is None and self.degradation.is_fixed and self._size() <= self.memory_limit

    def __getitem__(self, position: EpochAndIndex) -> Sample:
        """Return the patches of one image, as `__getitems__` does."""
        return dict(self.__getitems__([position]))

    def __getitems__(self, positions: Sequence[EpochAndIndex]) -> Patches:
        """Return the patches of several images at once, which is what a loader asks for.

        Returns:
            `sharp` (N, C, S, S) and `blurred` (N, C, S + 2 context, S + 2 context) in uint8. C is 1 for gray and 3 for
            RGB. With known kernels, `psf` (N, K, L) in float32, with zeros around the smaller ones, and `noise_sigma`
            (N,) in float32 [gray levels of 255].
        """
        whole = [self._image(*position) for position in positions]
        known: Patches = {}
        if self.known_kernels:
            noise = [image["noise_sigma"].item() for image in whole]
            known = self._known([image["psf"] for image in whole], noise)
            whole = [{name: image[name] for name in image if name not in known} for image in whole]
        return {**self._cut(positions, whole), **known}

    def _known(self, kernels: Sequence[Psf], noise: Sequence[float]) -> Patches:
        """Return the kernel and the noise [gray levels of 255] of each patch, from those of each image."""
        repeats = 1 if self.patch_size is None else self.patches_per_image
        return {
            "psf": np.repeat(stacked_kernels(kernels), repeats, axis=0),
            "noise_sigma": np.repeat(noise, repeats).astype(np.float32),
        }

    def _cut(self, positions: Sequence[EpochAndIndex], whole: Sequence[Patches]) -> Patches:
        """Return the patches of whole images, (planes, H, W) by name."""
        names = whole[0].keys()
        if self.patch_size is None:
            return {name: np.stack([planes[name] for planes in whole]) for name in names}
        sides = {name: self.patch_size + (0 if name == "sharp" else 2 * self.context) for name in names}
        count = len(whole) * self.patches_per_image
        patches = {
            name: np.empty((count, len(planes), sides[name], sides[name]), planes.dtype)
            for name, planes in whole[0].items()
        }
        patch = 0
        for (epoch, index), image in zip(positions, whole, strict=True):
            room = np.array(image["sharp"].shape[1:]) - self.patch_size + 1
            places = self._drawn(epoch)[1][index] * room
            for top, left in places.astype(np.intp).tolist():
                for name, planes in image.items():
                    patches[name][patch] = planes[:, top : top + sides[name], left : left + sides[name]]
                patch += 1
        return patches

    def _image(self, epoch: int, index: int) -> Patches:
        """Return the whole crop of an image, mirrored as drawn; read-only."""
        mirror = self._mirror(epoch, index)
        # If the blur treats both the same, the blurred image is mirrored: it serves twice.
        before, after = (
            (mirror[0] and self._commutes[0] is late, mirror[1] and self._commutes[1] is late) for late in (False, True)
        )
        image = self._kept.get((index, before))
        if image is None:
            image = self._degraded(epoch, index, before)
            if self._keeps and get_worker_info() is None:
                self._kept[index, before] = image
        turn = (..., slice(None, None, -1 if after[1] else 1), slice(None, None, -1 if after[0] else 1))
        return {name: planes[turn] for name, planes in image.items()}

    def _mirror(self, epoch: int, index: int) -> Mirror:
        return MIRRORS[self._drawn(epoch)[0][index] if self.flips else 0]

    def _source(self, epoch: int, index: int) -> tuple[Sampled, AnyImage, AnyImage]:
        """Return what is drawn for an image, the sharp image, and what is degraded."""
        sampled = self.degradation.sample(np.random.default_rng(np.random.SeedSequence([self.seed, epoch, index])))
        sharp = self.images[index] if self.fresh is None else self.fresh(epoch, index)
        return sampled, sharp, sharp if self.inputs is self.images else self.inputs[index]  # read from the disk once

    def _degraded(self, epoch: int, index: int, mirror: Mirror) -> Patches:
        sampled, sharp, given = self._source(epoch, index)
        made = self._pipelines[mirror](image=given, sharp=sharp, sampled=sampled)
        blurred, sharp = made["image"], exposed(self.crop.cut(made["sharp"]), self.degradation, sampled)
        planes = {"blurred": pad_symmetric(planes_of(blurred), self.context), "sharp": planes_of(sharp)}
        if self.known_kernels and sampled.psf is not None:
            planes["psf"] = sampled.psf
            planes["noise_sigma"] = np.full((1, 1), self._noise_sigma(blurred, sampled))
        return planes

    def _noise_sigma(self, blurred: AnyImage, sampled: Sampled) -> float:
        """Return the noise of an image [gray levels of 255]: as drawn, or estimated if it is not white."""
        if sampled.psf is not None and (sampled.jpeg_quality is not None or self.degradation.camera is not None):
            from deblur.wiener.noise import noise_sigma_of  # SciPy

            return noise_sigma_of(planes_of(as_float(blurred)), sampled.psf)
        return drawn_noise(sampled)

    def _drawn(self, epoch: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        return _epoch_draws(self.seed, epoch, len(self.images.names), self.patches_per_image)

    def _size(self) -> int:
        """Return the bytes needed to keep all blurred crops, and mirrored or exposed sharp crops."""
        ways = 2 ** self._commutes.count(False) if self.flips else 1
        copies = ways - (self.degradation.camera is None)  # a camera makes sharp crops of its own
        total = 0
        for index in self.indices:
            height, width = self.crop.shape(self.images.shapes[index])
            around = (height + 2 * self.context) * (width + 2 * self.context)
            total += ways * around + copies * height * width
        return self.images.channels * total


def drawn_noise(sampled: Sampled) -> float:
    """Return the noise of an image without camera and JPEG, the rounding included [gray levels of 255]."""
    return math.sqrt(sampled.noise_sigma**2 + ROUNDING_VARIANCE)


def collate_patches(patches: Any) -> dict[str, torch.Tensor]:
    """Turn the `Patches` of `TrainingDataset.__getitems__`, for which a loader's type is a list, into tensors."""
    return {name: torch.from_numpy(values) for name, values in patches.items()}
