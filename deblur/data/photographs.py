"""Photographs that come with scikit-image: natural images for which nothing is downloaded."""

import importlib.util
from pathlib import Path

from deblur.data.sources import FilesSource, choose
from deblur.errors import UserError

# Files in scikit-image's wheel that are photographs and that its documentation (`skimage.data`) says to be free:
PHOTOGRAPHS = (
    "astronaut.png",  # public domain, NASA
    "brick.png",  # CC0
    "camera.png",  # CC0, Lav Varshney
    "chelsea.png",  # CC0, Stefan van der Walt
    "coffee.png",  # CC0, Rachel Michetti
    "coins.png",  # no known copyright restrictions, Brooklyn Museum
    "grass.png",  # CC0
    "gravel.png",  # CC0
    "hubble_deep_field.jpg",  # public domain, NASA
    "retina.jpg",  # CC0, Mikael Häggström
    "rocket.jpg",  # public domain, SpaceX
)


def photographs(max_images: int | None, seed: int) -> FilesSource:
    """Name the photographs that come with scikit-image, of 384x303 to 1411x1411 px; most are in color.

    Args:
        max_images: How many to choose; null takes all.
        seed: Chooses them.

    Raises:
        UserError: scikit-image is not installed.
    """
    found = importlib.util.find_spec("skimage")  # finding is enough: an import takes a second
    if found is None or found.origin is None:
        raise UserError(
            "data=photos takes the photographs that come with scikit-image, which is not installed: "
            "run pip install scikit-image."
        )
    return FilesSource(Path(found.origin).parent / "data", choose(PHOTOGRAPHS, max_images, seed))
