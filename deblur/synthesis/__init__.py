"""Images drawn by a program. The same seed and index always draw the same image.

Images are drawn in gray levels and, if asked for, in color: the luma of a color image is exactly the gray image.
"""

from typing import Final, TypeVar

import numpy as np

from deblur.choices import DataColor, refusal

IMAGE_SIZE: Final = 256  # px
OVERSAMPLING: Final = 2  # canvas pixels per image pixel, along one edge
CANVAS_SIZE: Final = IMAGE_SIZE * OVERSAMPLING  # px
SEED_LIMIT: Final = 2**32  # a larger number takes two 32-bit words: two pairs could share one stream

_COLOR_STREAM: Final = 1

Choice = TypeVar("Choice")


def random_stream(seed: int, index: int, stream: int = 0) -> np.random.RandomState:
    """Start the stream of random numbers of one image.

    NumPy promises that the streams of `RandomState` never change (NEP 19), unlike those of the newer `Generator`: every
    machine and NumPy release draws the same images. The order of the draws is part of the drawing: one more or one less
    changes everything that is drawn after it.

    Args:
        seed: number of the collection of images, in [0, 2**32).
        index: number of the image in its collection, in [0, 2**32).
        stream: 0 for the stream of the gray levels, another number for a stream that is independent of it.

    Raises:
        ValueError: if the seed or the index is outside its range.
    """
    for name, number in (("seed", seed), ("index", index)):
        if not 0 <= number < SEED_LIMIT:
            raise ValueError(f"The {name} of a drawn image must be in [0, 2**32), not {number}.")
    # NumPy fills up short entropies with zeros: [seed, index, 0] starts the same stream as [seed, index].
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, index, stream])))


def color_stream(seed: int, index: int, color: DataColor) -> np.random.RandomState | None:
    """Start the stream of the colors of one image; None for a gray image.

    Raises:
        ValueError: if the color is neither `gray` nor `rgb`, and as `random_stream`.
    """
    if refused := refusal("color", color, DataColor):
        raise ValueError(refused)
    return random_stream(seed, index, _COLOR_STREAM) if color == "rgb" else None


def pick(rng: np.random.RandomState, *choices: Choice) -> Choice:
    """Return one of the choices, all equally likely."""
    return choices[rng.randint(len(choices))]


def happens(rng: np.random.RandomState, probability: float) -> bool:
    """Return whether something of the given probability, in [0, 1], happens."""
    return rng.rand() < probability
