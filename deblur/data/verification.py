"""Whether the files of a cache are those that were written: a note of their state, and a comparison of all pixels."""

import json
import logging
from contextlib import suppress
from pathlib import Path

from deblur.data.index import Index
from deblur.data.pixels import PixelFile, State
from deblur.files import write_json
from deblur.image_io.gray import digest

NOTE = "verified.json"

_log = logging.getLogger(__name__)


def note(folder: Path, index_digest: str, state: State) -> None:
    """Write down in which state the files of a cache are known to be right.

    Args:
        folder: The cache.
        index_digest: Of the bytes of its index file.
        state: Of its pixel file.

    Raises:
        OSError: The folder cannot be written.
    """
    write_json(folder / NOTE, {"index": index_digest, "pixels": state})


def ensure(folder: Path, index: Index, pixels: PixelFile) -> None:
    """Compare the files of a cache with the note; if they differ, compare every image with its digest.

    They differ after a copy of the cache to another place as well: then all images are compared once, at nearly 1 GB/s.

    Args:
        folder: The cache.
        index: What its index file says.
        pixels: Its pixel file.

    Raises:
        OSError, ValueError: An image has other pixels than when it was decoded.
    """
    if _noted(folder) == {"index": index.digest_of_file, "pixels": pixels.state}:
        return
    _log.info("Comparing the %d images of the cache %s with their digests.", len(index.names), folder)
    for name, shape, start, expected in zip(index.names, index.shapes, index.offsets, index.digests, strict=True):
        found = digest(pixels.read(start, shape[0] * shape[1]).reshape(shape))
        if found != expected:
            raise ValueError(f"{name} has other pixels than when it was decoded")
    with suppress(OSError):  # of a folder that may only be read: the next process compares them again
        note(folder, index.digest_of_file, pixels.state)


def _noted(folder: Path) -> object:
    try:
        return json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
