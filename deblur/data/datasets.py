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
from deblur.blur.kernels import Psf
from deblur.data.crops import Crop
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


class WienerPrefilter(Protocol):
    """What makes the Wiener estimate of a whole blurred image, for a network that wants one."""

    @property
    def planes(self) -> int: ...  # noqa: D102 # how many a Wiener estimate has

    def __call__(self, blurred: NDArray[np.float32], kernel: Psf, /) -> NDArray[np.float32]:
        """Return the Wiener estimate (planes, H, W) of an image (H, W) in [0, 1] and of the kernel that blurred it."""
        ...


def wiener_estimate_of(blurred: GrayImage, kernel: Psf, prefilter: WienerPrefilter) -> NDArray[np.float32]:
    """Return the Wiener estimate (planes, H, W) of a blurred image in gray levels."""
    return prefilter(blurred.astype(np.float32) / np.float32(255), kernel)


class EvaluationDataset(Dataset[Sample]):
    """Whole images, or a frame within them, degraded in the same way every time.

    A sample holds `sharp` and `blurred` (1, H, W) uint8, the image's `name`, its `kernel`, and in `degradation` how it
    was blurred; in `wiener_estimate` (planes, H, W) float32 what was prepared for a network that wants it.
    What is drawn depends on the seed and the name alone, so that networks are compared on the same pixels.
    """

    def __init__(
        self,
        images: Images,
        indices: Sequence[int],
        degradation: Degradation,
        *,
        seed: int,
        crop: Crop,
        inputs: Images | None = None,
        prefilter: WienerPrefilter | None = None,
    ) -> None:
        """Describe the samples.

        Args:
            images: where the sharp images come from.
            indices: which of them.
            degradation: what blurs the inputs.
            seed: of what is drawn.
            crop: what is seen of each image.
            inputs: what is degraded, of the same sizes as the sharp images; None degrades these.
            prefilter: makes the Wiener estimate, where one is wanted.
        """
        self._images = images
        self._inputs = images if inputs is None else inputs
        self._indices = indices
        self._degradation = degradation
        self._seed = seed
        self._crop = crop
        self._prefilter = prefilter

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
            "sharp": self._crop.cut(sharp)[None],
            "blurred": self._crop.degrade(given, self._degradation, sampled)[None],
            "name": name,
            "degradation": describe(sampled),
            "kernel": sampled.kernel.psf,
        }
        if self._prefilter is not None:
            sample["wiener_estimate"] = wiener_estimate_of(sample["blurred"][0], sampled.kernel.psf, self._prefilter)
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
    """Group positions, in order, into batches of at most `size` neighbors of the same shape."""
    batches: list[list[int]] = []
    for position, shape in enumerate(shapes):
        if batches and len(batches[-1]) < size and shapes[batches[-1][-1]] == shape:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches


def collate_images(samples: Sequence[Sample]) -> dict[str, Any]:
    """Stack images of one shape to (N, 1, H, W), uint8, and their Wiener estimates; list what else the samples say."""
    images = [key for key in ("blurred", "sharp", "wiener_estimate") if key in samples[0]]
    stacked: dict[str, Any] = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in images}
    return {
        **stacked,
        "name": [sample["name"] for sample in samples],
        "degradation": [sample["degradation"] for sample in samples],
        "kernel": [sample["kernel"] for sample in samples],
    }


def as_float(pixels: torch.Tensor) -> torch.Tensor:
    """Return gray levels as float32 in [0, 1], and what is floating point already as float32."""
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
