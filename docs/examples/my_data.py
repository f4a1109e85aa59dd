"""A custom data set: the images of one NumPy file."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from deblur.data import ImageSource


class ArrayData(ImageSource):
    """The images of a .npy file with an array in uint8, (N, H, W) gray or (N, H, W, 3) RGB."""

    def __init__(self, file: Path, max_images: int | None = None) -> None:
        self.file = file
        self.max_images = max_images

    @cached_property
    def images(self) -> np.ndarray:
        return np.load(self.file, mmap_mode="r")[: self.max_images]

    @property
    def names(self) -> Sequence[str]:
        return [f"{index:06d}" for index in range(len(self.images))]

    def cache_key(self) -> str:
        return hashlib.sha256(self.images.tobytes()).hexdigest()

    def decode(self, index: int) -> np.ndarray:
        return self.images[index]
