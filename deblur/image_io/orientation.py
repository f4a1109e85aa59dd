"""The orientation in an image's metadata, and turning pixels upright by it."""

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

ORIENTATION: Final = 0x0112  # the tag of TIFF and EXIF
UPRIGHT: Final = 1  # its value for pixels that are shown as they are stored
QUARTERS: Final = (5, 6, 7, 8)  # its values for pixels that are turned by a quarter, so that width and height change

BYTE_ORDERS: Final = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}  # by the first bytes of EXIF
ENTRY_BYTES: Final = 12  # of a tag
_WHOLE_NUMBERS: Final = {1: "B", 3: "H", 4: "I"}  # by the type of a tag
_IN_XMP: Final = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*(\d)")

Level = TypeVar("Level", bound=np.generic)


class Entry(NamedTuple):
    """A tag in EXIF: the type of its values, their number, and where they stand if they fit in it."""

    tag: int
    type: int
    number: int
    place: int


def entries(exif: bytes | bytearray, start: int, order: str) -> Iterator[Entry]:
    """Give the tags of a folder in EXIF.

    Raises:
        struct.error: They do not fit in it.
    """
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for place in range(start + 2, start + 2 + ENTRY_BYTES * count, ENTRY_BYTES):
        tag, kind, values = struct.unpack_from(f"{order}HHI", exif, place)
        yield Entry(tag, kind, values, place + 8)


def orientation_of(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Return the orientation of an image, 1 to 8, or what else its metadata say.

    Args:
        exif: EXIF from its byte order mark on.
        xmp: what counts if EXIF does not say it.

    Returns:
        1 if nothing says it, or what does is damaged.
    """
    in_exif = _in_exif(exif or b"")
    if in_exif is not None:
        return in_exif
    found = _IN_XMP.search(xmp or b"")
    return int(found[1]) if found else UPRIGHT


def _in_exif(exif: bytes) -> int | None:
    order = BYTE_ORDERS.get(exif[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        for entry in entries(exif, start, order):
            if entry.tag == ORIENTATION and entry.type in _WHOLE_NUMBERS and entry.number >= 1:
                (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[entry.type], exif, entry.place)
                return int(value)
    except struct.error:
        pass
    return None


def upright(pixels: NDArray[Level], stored: int) -> NDArray[Level]:
    """Turn pixels as a viewer shows them.

    Args:
        pixels: (H, W) or (H, W, C) as stored.
        stored: their orientation; a value that EXIF does not know leaves them as they are.

    Returns:
        A view of the pixels, of shape (H, W), (W, H), (H, W, C) or (W, H, C).
    """
    if stored in QUARTERS:
        pixels = pixels.swapaxes(0, 1)
    if stored in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if stored in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
