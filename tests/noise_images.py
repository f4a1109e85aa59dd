"""Images that lie in memory, as a cache gives them."""

import numpy as np
from numpy.typing import NDArray


class Noise:
    """A few named images of random gray, of different sizes."""

    channels = 1

    def __init__(self, count: int = 6, shape: tuple[int, int] = (50, 43), growth: int = 0) -> None:
        rng = np.random.default_rng(0)
        self.names = [f"folder/{index}.png" for index in range(count)]
        self._images = [
            rng.integers(0, 256, (shape[0] + growth * index, shape[1]), dtype=np.uint8) for index in range(count)
        ]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        return [image.shape for image in self._images]

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self._images[index]
