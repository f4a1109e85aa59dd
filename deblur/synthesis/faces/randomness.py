"""The random numbers behind a face, and two ways to decide with them."""

from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")

# A larger number takes two 32-bit words, and then two different pairs could share one stream.
SEED_LIMIT = 2**32


def random_stream(seed: int, index: int) -> np.random.RandomState:
    """Start the stream of random numbers of one face.

    NumPy promises that the streams of `RandomState` never change (NEP 19), so every machine and every NumPy release
    draws the same faces. The newer `Generator` gives no such promise. For the same reason the order of the draws is
    part of the drawing: one more or one less changes everything that is drawn after it.

    Args:
        seed: Number of the collection of faces, in [0, 2**32).
        index: Number of the face in its collection, in [0, 2**32).

    Raises:
        ValueError: The seed or the index is outside its range.
    """
    for name, number in (("seed", seed), ("index", index)):
        if not 0 <= number < SEED_LIMIT:
            raise ValueError(f"The {name} of a face must be in [0, 2**32), not {number}.")
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, index])))


def pick(rng: np.random.RandomState, *choices: Choice) -> Choice:
    """Return one of the choices, all equally likely."""
    return choices[rng.randint(len(choices))]


def happens(rng: np.random.RandomState, probability: float) -> bool:
    """Decide whether something of the given probability, in [0, 1], happens."""
    return rng.rand() < probability
