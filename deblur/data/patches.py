"""Cached gray images -> mirrored and blurred images of a training -> batches of patches.

Every random number comes from (seed, epoch, index), none from a global generator: the patches are the same for any
number of loader processes and after a resume.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler, get_worker_info

from deblur.blur import Degradation
from deblur.blur.images import Crop, pad_symmetric
from deblur.blur.transforms import mirrored_and_degraded
from deblur.data.datasets import Images, Sample, WienerPrefilter, wiener_estimate_of

EpochAndIndex = tuple[int, int]
Mirror = tuple[bool, bool]  # left-right, top-bottom
Patches = Mapping[str, NDArray[Any]]
"""By name: `sharp` and `blurred`, and `wiener_estimate` if one is wanted."""

ANNOUNCED: Final = 32  # images ahead
MIRRORS: Final[tuple[Mirror, ...]] = ((False, False), (True, False), (False, True), (True, True))


class EpochSampler(Sampler[EpochAndIndex]):
    """The training images in a new order each epoch, a function of (seed, epoch).

    If several processes share a training, each takes its part of the same order; the first images come twice if the
    parts would not be equal.
    """

    def __init__(
        self,
        indices: Sequence[int],
        seed: int,
        rank: int = 0,
        processes: int = 1,
        announce: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        """Start at epoch 0.

        Args:
            indices: The training images.
            seed: Of the order.
            rank: Which process this is.
            processes: How many share the training.
            announce: Called with images some time before they are asked for.
        """
        self._announce = announce
        self._indices = np.asarray(indices)
        self._seed = seed
        self._rank = rank
        self._processes = processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration belongs to; Lightning calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of images for this process."""
        return -(-len(self._indices) // self._processes)

    def __iter__(self) -> Iterator[EpochAndIndex]:
        """Yield each image of this process once."""
        order = np.random.default_rng(np.random.SeedSequence([self._seed, self._epoch])).permutation(self._indices)
        part = np.resize(order, len(self) * self._processes)[self._rank :: self._processes]
        epoch = self._epoch
        for place, index in enumerate(part.tolist()):
            if self._announce is not None and place % ANNOUNCED == 0:
                self._announce(part[place : place + 2 * ANNOUNCED].tolist())
            yield epoch, index


class TrainingImages:
    """The crop of each image, mirrored as asked for and then degraded, and its Wiener estimate.

    A degradation that draws nothing gives the same pixels each time, so its results are kept if they fit into memory:
    one per image, and one more per mirror image that the blur treats differently. Loader processes keep nothing: each
    would keep all of it.
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
            images: The sharp images.
            inputs: What is degraded, of the same sizes.
            indices: Which of them are asked for.
            degradation: What blurs the inputs.
            seed: Of what is drawn.
            crop: What is kept of each image.
            context: Further pixels around the blurred crop, its mirror image [px].
            mirrored: Whether mirror images are asked for.
            memory_limit: Results are kept if they all take no more [bytes].
            prefilter: Makes the Wiener estimate, if one is wanted.
        """
        self._images = images
        self._inputs = inputs
        self._degradation = degradation
        self._seed = seed
        self._crop = crop
        self._context = context
        self._prefilter = prefilter
        self._pipelines = {mirror: mirrored_and_degraded(mirror, degradation, crop) for mirror in MIRRORS}
        self._kept: dict[tuple[int, Mirror], Patches] = {}
        self._commutes = degradation.commutes_with_mirroring
        ways = 2 ** self._commutes.count(False) if mirrored else 1
        self._keeps = degradation.is_fixed and self._size(indices, ways) <= memory_limit

    def __call__(self, epoch: int, index: int, mirror: Mirror) -> Patches:
        """Return an image of one epoch, mirrored left-right and top-bottom if asked for; read-only.

        Returns:
            `sharp` (1, H, W) and `blurred` (1, H + 2 context, W + 2 context) in uint8, and if one is wanted,
            `wiener_estimate` (planes, H + 2 context, W + 2 context) in float16.
        """
        # If the blur treats both the same, the blurred image is mirrored: it serves twice.
        before, after = (
            (mirror[0] and self._commutes[0] is late, mirror[1] and self._commutes[1] is late) for late in (False, True)
        )
        key = index, before
        image = self._kept.get(key)
        if image is None:
            image = self._make(epoch, index, before)
            if self._keeps and get_worker_info() is None:
                self._kept[key] = image
        turn = (..., slice(None, None, -1 if after[1] else 1), slice(None, None, -1 if after[0] else 1))
        return {name: planes[turn] for name, planes in image.items()}

    def _make(self, epoch: int, index: int, mirror: Mirror) -> Patches:
        sampled = self._degradation.sample(np.random.default_rng(np.random.SeedSequence([self._seed, epoch, index])))
        sharp = self._images[index]
        given = sharp if self._inputs is self._images else self._inputs[index]  # read from the disk once
        made = self._pipelines[mirror](image=given, sharp=sharp, sampled=sampled)
        blurred, sharp = made["image"], self._crop.cut(made["sharp"])
        planes = {"blurred": pad_symmetric(blurred, self._context)[None], "sharp": sharp[None]}
        if self._prefilter is not None:
            prepared = wiener_estimate_of(blurred, sampled.kernel.psf, self._prefilter)
            planes["wiener_estimate"] = pad_symmetric(prepared.astype(np.float16), self._context)
        return planes

    def _size(self, indices: Sequence[int], ways: int) -> int:
        """Return the bytes needed to keep all blurred crops, Wiener estimates and mirrored sharp crops."""
        around = 2 * self._context
        deep = 1 + (0 if self._prefilter is None else 2 * self._prefilter.planes)  # bytes per pixel
        total = 0
        for index in indices:
            height, width = self._crop.shape(self._images.shapes[index])
            total += ways * deep * (height + around) * (width + around) + (ways - 1) * height * width
        return total


class EpochDraws(NamedTuple):
    """What an epoch draws for all images at once: a generator per image takes longer than its patches.

    Attributes:
        epoch: Which one.
        mirrors: (images,) indices of MIRRORS.
        places: (images, patches, 2), where each patch lies in the room that it has, from 0 to below 1.
    """

    epoch: int
    mirrors: NDArray[np.intp]
    places: NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int, epoch: int, images: int, patches: int) -> "EpochDraws":
        """Draw for images 0 to `images` - 1."""
        # A child of the seed, which itself gives the order of the images.
        rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]).spawn(1)[0])
        return cls(epoch, rng.integers(0, len(MIRRORS), images), rng.random((images, patches, 2)))


class TrainingDataset(Dataset[Sample]):
    """Patches of mirrored and blurred images, by (epoch, index).

    The whole image is blurred before patches are cut, so that they are true at their boundaries; at the edge of the
    crop, the blurred image is extended by its mirror image.
    """

    def __init__(
        self,
        images: TrainingImages,
        count: int,
        *,
        seed: int,
        patch_size: int | None,
        patches_per_image: int,
        context: int,
        flips: bool,
    ) -> None:
        """Describe the samples.

        Args:
            images: What patches are cut from.
            count: Of all images, those of other splits included.
            seed: Of flips and patch positions.
            patch_size: Side of a sharp patch [px]; None takes the whole crop as the one patch.
            patches_per_image: Patches from an image; read only if they are smaller than the crop.
            context: Further pixels of the blurred image on each side of a patch, which the images bring.
            flips: Mirror images at random in both directions.
        """
        self._images = images
        self._count = count
        self._seed = seed
        self._patch_size = patch_size
        self._patches_per_image = patches_per_image
        self._context = context
        self._flips = flips
        self._draws: EpochDraws | None = None

    def __getitem__(self, position: EpochAndIndex) -> Sample:
        """Return the patches of one image, as `__getitems__` does."""
        return dict(self.__getitems__([position]))

    def __getitems__(self, positions: Sequence[EpochAndIndex]) -> Patches:
        """Return the patches of several images at once, which is what a loader asks for.

        Returns:
            `sharp` (N, 1, S, S) and `blurred` (N, 1, S + 2 context, S + 2 context) in uint8, and if the images
            bring one, `wiener_estimate` (N, planes, S + 2 context, S + 2 context) in float16.
        """
        whole = [self._image(*position) for position in positions]
        names = whole[0].keys()
        if self._patch_size is None:
            return {name: np.stack([planes[name] for planes in whole]) for name in names}
        sides = {name: self._patch_size + (0 if name == "sharp" else 2 * self._context) for name in names}
        count = len(whole) * self._patches_per_image
        patches = {
            name: np.empty((count, len(planes), sides[name], sides[name]), planes.dtype)
            for name, planes in whole[0].items()
        }
        patch = 0
        for (epoch, index), image in zip(positions, whole, strict=True):
            room = np.array(image["sharp"].shape[1:]) - self._patch_size + 1
            places = self._drawn(epoch).places[index] * room
            for top, left in places.astype(np.intp).tolist():
                for name, planes in image.items():
                    patches[name][patch] = planes[:, top : top + sides[name], left : left + sides[name]]
                patch += 1
        return patches

    def _image(self, epoch: int, index: int) -> Patches:
        return self._images(epoch, index, MIRRORS[self._drawn(epoch).mirrors[index] if self._flips else 0])

    def _drawn(self, epoch: int) -> EpochDraws:
        if self._draws is None or self._draws.epoch != epoch:
            self._draws = EpochDraws.draw(self._seed, epoch, self._count, self._patches_per_image)
        return self._draws


def collate_patches(patches: Any) -> dict[str, torch.Tensor]:
    """Turn the `Patches` of `TrainingDataset.__getitems__`, for which a loader's type is a list, into tensors."""
    return {name: torch.from_numpy(values) for name, values in patches.items()}
