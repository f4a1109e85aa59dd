"""Cached gray images -> blurred and sharp samples for validation and test; the order of a training."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from deblur.blur import Degradation, Sampled
from deblur.blur.kernels import Weights
from deblur.data.crops import Frame
from deblur.text import as_bytes

GrayImage = NDArray[np.uint8]
Sample = dict[str, Any]
EpochAndIndex = tuple[int, int]

ANNOUNCED = 32  # images ahead


class Images(Protocol):
    """Named gray images (H, W)."""

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102 # the class says it

    @property
    def shapes(self) -> Sequence[tuple[int, int]]: ...  # noqa: D102 # the class says it

    def __getitem__(self, index: int, /) -> GrayImage: ...  # noqa: D105 # the class says it


class Preparation(Protocol):
    """What makes the guide of a whole blurred picture, for a network that wants one."""

    @property
    def planes(self) -> int: ...  # noqa: D102 # how many a guide has

    def __call__(self, blurred: NDArray[np.float32], kernel: Weights, /) -> NDArray[np.float32]:
        """Return the guide (planes, H, W) of a picture (H, W) in [0, 1] and of the kernel that blurred it."""
        ...


def guide_of(blurred: GrayImage, kernel: Weights, preparation: Preparation) -> NDArray[np.float32]:
    """Return the guide (planes, H, W) of a blurred picture in grey levels."""
    return preparation(blurred.astype(np.float32) / np.float32(255), kernel)


class EvaluationDataset(Dataset[Sample]):
    """Whole images, or a frame within them, degraded in the same way every time.

    A sample holds `sharp` and `blurred` (1, H, W) uint8, the image's `name`, its `kernel`, and in `degradation` how it
    was blurred; in `guide` (planes, H, W) float32 what was prepared for a network that wants it.
    What is drawn depends on the seed and the name alone, so that networks are compared on the same pixels.
    """

    def __init__(
        self,
        images: Images,
        indices: Sequence[int],
        degradation: Degradation,
        *,
        seed: int,
        frame: Frame,
        inputs: Images | None = None,
        preparation: Preparation | None = None,
    ) -> None:
        """Describe the samples.

        Args:
            images: where the sharp images come from.
            indices: which of them.
            degradation: what blurs the inputs.
            seed: of what is drawn.
            frame: what is seen of each image.
            inputs: what is degraded, of the same sizes as the sharp images; None degrades these.
            preparation: makes the guide, where one is wanted.
        """
        self._images = images
        self._inputs = images if inputs is None else inputs
        self._indices = indices
        self._degradation = degradation
        self._seed = seed
        self._frame = frame
        self._preparation = preparation

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._indices)

    def __getitem__(self, position: int) -> Sample:
        """Return one degraded image."""
        index = self._indices[position]
        name = self._images.names[index]
        key = int.from_bytes(hashlib.sha256(as_bytes(name)).digest()[:8])
        sampled = self._degradation.sample(np.random.default_rng(np.random.SeedSequence([self._seed, key])))
        sharp = self._images[index]
        given = sharp if self._inputs is self._images else self._inputs[index]  # read from the disk once
        sample: Sample = {
            "sharp": self._frame.cut(sharp)[None],
            "blurred": self._frame.degrade(given, self._degradation, sampled)[None],
            "name": name,
            "degradation": describe(sampled),
            "kernel": sampled.kernel.weights,
        }
        if self._preparation is not None:
            sample["guide"] = guide_of(sample["blurred"][0], sampled.kernel.weights, self._preparation)
        return sample


class EpochSampler(Sampler[EpochAndIndex]):
    """The training images in a new order each epoch, a function of (seed, epoch).

    Where several processes share a training, each takes its part of the same order; the first images come twice where
    the parts would not be equal.
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
            indices: the training images.
            seed: of the order.
            rank: which process this is.
            processes: how many share the training.
            announce: is told of images some time before they are asked for.
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


def batches_of_one_shape(shapes: Sequence[tuple[int, int]], size: int) -> list[list[int]]:
    """Group positions, in order, into batches of at most `size` neighbours of the same shape."""
    batches: list[list[int]] = []
    for position, shape in enumerate(shapes):
        if batches and len(batches[-1]) < size and shapes[batches[-1][-1]] == shape:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches


def collate_images(samples: Sequence[Sample]) -> dict[str, Any]:
    """Stack images of one shape to (N, 1, H, W), uint8, and their guides; list what else the samples say."""
    pictures = [key for key in ("blurred", "sharp", "guide") if key in samples[0]]
    stacked: dict[str, Any] = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in pictures}
    return {
        **stacked,
        "name": [sample["name"] for sample in samples],
        "degradation": [sample["degradation"] for sample in samples],
        "kernel": [sample["kernel"] for sample in samples],
    }


def as_float(pixels: torch.Tensor) -> torch.Tensor:
    """Return grey levels as float32 in [0, 1], and what is floating point already as float32."""
    return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.float()


def describe(sampled: Sampled) -> Mapping[str, Any]:
    """Return how an image was degraded, as columns of a table."""
    return {
        "blur": sampled.family,
        **sampled.parameters,
        "noise_sigma": sampled.noise_sigma,
        "jpeg_quality": sampled.jpeg_quality,
    }


def single_thread_opencv() -> None:
    """Keep OpenCV from starting threads: at these image sizes they cost time, and in forked processes they can hang."""
    cv2.setNumThreads(0)
