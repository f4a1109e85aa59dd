"""Cached images -> blurred and sharp samples for validation and test, and their batches."""

import hashlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from deblur.blur import Degradation, Sampled, degrade, exposed
from deblur.blur.images import AnyImage, Crop, planes_of
from deblur.blur.images import as_float as array_as_float
from deblur.blur.kernels import Psf
from deblur.text import as_bytes

Sample = dict[str, Any]


class Images(Protocol):
    """Named images, all gray (H, W) or all RGB (H, W, 3)."""

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102 # the class says it

    @property
    def shapes(self) -> Sequence[tuple[int, int]]: ...  # noqa: D102 # the class says it

    @property
    def channels(self) -> int: ...  # noqa: D102 # 1 for gray, 3 for RGB

    def __getitem__(self, index: int, /) -> AnyImage: ...  # noqa: D105 # the class says it


def stacked_kernels(kernels: Sequence[Psf]) -> NDArray[np.float32]:
    """Stack kernels (K, L) of odd sides to (N, K, L), with zeros around the smaller ones."""
    height, width = (max(sides) for sides in zip(*(kernel.shape for kernel in kernels), strict=True))
    stacked = np.zeros((len(kernels), height, width), np.float32)
    for place, kernel in zip(stacked, kernels, strict=True):
        top, left = (height - kernel.shape[0]) // 2, (width - kernel.shape[1]) // 2
        place[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return stacked


@dataclass(eq=False)
class EvaluationDataset(Dataset[Sample]):
    """Whole images, or a crop of each, degraded in the same way every time.

    A sample holds `sharp` and `blurred` (C, H, W) uint8, the image's `name`, its `kernel`, None if that varies over the
    image, and in `degradation` how it was blurred; if the network takes the kernel, also `noise_sigma`, the estimated
    noise [gray levels of 255]. C is 1 for gray and 3 for RGB images. A camera exposes `sharp` as well.
    What is drawn depends on the seed and the name alone, so that networks are compared on the same pixels.

    Attributes:
        images: The sharp images.
        indices: Which of them.
        degradation: What blurs the inputs.
        seed: Of what is drawn.
        crop: What is measured of each image.
        inputs: What is degraded, of the same sizes as the sharp images; None degrades these.
        known_kernels: Whether the noise is estimated, for a network that takes the kernel.
    """

    images: Images
    indices: Sequence[int]
    degradation: Degradation
    _: KW_ONLY
    seed: int
    crop: Crop
    inputs: Images | None = None
    known_kernels: bool = False

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indices)

    def __getitem__(self, position: int) -> Sample:
        """Return one degraded image."""
        index = self.indices[position]
        name = self.images.names[index]
        sampled = self.degradation.sample(np.random.default_rng(np.random.SeedSequence([self.seed, key_of(name)])))
        sharp = self.images[index]
        # The same image is read from the disk once.
        given = sharp if self.inputs is None or self.inputs is self.images else self.inputs[index]
        blurred = degrade(given, self.degradation, sampled, self.crop)
        sample: Sample = {
            "sharp": planes_of(exposed(self.crop.cut(sharp), self.degradation, sampled)),
            "blurred": planes_of(blurred),
            "name": name,
            "degradation": _described(self.degradation, sampled),
            "kernel": sampled.psf,
        }
        if self.known_kernels and sampled.psf is not None:
            from deblur.wiener.noise import noise_sigma_of  # SciPy

            sample["noise_sigma"] = noise_sigma_of(planes_of(array_as_float(blurred)), sampled.psf)
        return sample


def key_of(name: str) -> int:
    """Return a number of 64 bits that depends on the name of an image alone."""
    return int.from_bytes(hashlib.sha256(as_bytes(name)).digest()[:8])


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
    """Stack images of one shape to (N, C, H, W), uint8; list everything else.

    For a network that takes the kernel, the kernels are stacked as well, to `psf` (N, K, L) float32, and the noise to
    `noise_sigma` (N,) float32.
    """
    stacked = ("blurred", "sharp")
    listed = ("name", "degradation", "kernel")
    batch: dict[str, Any] = {
        **{key: torch.from_numpy(np.stack([one[key] for one in samples])) for key in stacked},
        **{key: [one[key] for one in samples] for key in listed},
    }
    if "noise_sigma" in samples[0]:
        batch["psf"] = torch.from_numpy(stacked_kernels(batch["kernel"]))
        batch["noise_sigma"] = torch.tensor([one["noise_sigma"] for one in samples], dtype=torch.float32)
    return batch


def as_float(pixels: torch.Tensor) -> torch.Tensor:
    """Return levels of 255 as float32 in [0, 1], and what is floating point already as float32."""
    return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.float()


def _described(degradation: Degradation, sampled: Sampled) -> dict[str, Any]:
    """Return how an image was degraded, as columns of a table; those of a camera only if there is one."""
    camera = degradation.camera_of(sampled)
    return {
        "blur": sampled.family,
        **sampled.parameters,
        **({} if camera is None else camera.columns),
        "noise_sigma": sampled.noise_sigma,
        "jpeg_quality": sampled.jpeg_quality,
    }
