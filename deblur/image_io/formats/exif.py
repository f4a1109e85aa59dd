"""EXIF: the orientation of an image, and the EXIF of its upright, restored copy."""

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.image_io.formats.metadata import UNITS, Resolution, resolution_of, without_warnings

UPRIGHT: Final = 1  # orientation of pixels that are shown as they are stored
QUARTERS: Final = (5, 6, 7, 8)  # orientations of pixels that are turned by a quarter: width and height change places

EXIF_PREFIX: Final = b"Exif\0\0"
_EXIF_FOLDER, _GPS_FOLDER, _INTEROPERABILITY_FOLDER = 0x8769, 0x8825, 0xA005

_ORIENTATION: Final = 0x0112
_IN_XMP: Final = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*(\d)")
_BYTE_ORDERS: Final = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}  # by the first bytes of EXIF
_ENTRY_BYTES: Final = 12  # of a tag
_WHOLE_NUMBERS: Final = {1: "B", 3: "H", 4: "I"}  # by the type of a tag

_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128  # resolution
_FOCAL_ACROSS, _FOCAL_DOWN = 0xA20E, 0xA20F  # resolution of the sensor
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214  # in pixels as stored
# By folder, the tags of width and of height
_SIZES: Final = {0: (0x0100, 0x0101), _EXIF_FOLDER: (0xA002, 0xA003), _INTEROPERABILITY_FOLDER: (0x1001, 0x1002)}
_THUMBNAIL: Final = (0x0201, 0x0202)  # place and size of a JPEG
_START_OF_JPEG: Final = b"\xff\xd8"
_SHORT, _LONG, _RATIONAL = 3, 4, 5  # types of values
_LARGEST_SHORT: Final = 65_535

# Tags of the main folder that describe an image, not the layout of its file: names, makers, times, authors, ratings,
# titles of Windows, and places on the map. A TIFF holds them among its own.
_DESCRIPTIVE: Final = frozenset(
    {269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 0x4746, 0x4749, *range(0x9C9B, 0x9CA0)}
    | {33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113, 50708}
)
# Tags of the layout of a file, and of metadata that are kept elsewhere (XMP, IPTC, Photoshop, ICC profile)
_STRUCTURAL: Final = frozenset(
    {*range(254, 267), 273, 274, *range(277, 285), *range(288, 302), 317, 318, 319, *range(320, 348), *range(512, 533)}
    | {700, 33421, 33422, 33723, 34377, 34675, _EXIF_FOLDER, _GPS_FOLDER, _INTEROPERABILITY_FOLDER, 59932}
)
_LAYERS: Final = 37724  # of Photoshop: the image as it was, in parts

Size = tuple[int, int]  # width and height [px]
Level = TypeVar("Level", bound=np.generic)


class _Entry(NamedTuple):
    """A tag: the type of its values, their number, and their place if they fit in it."""

    tag: int
    type: int
    number: int
    place: int


def _entries(exif: bytes | bytearray, start: int, order: str) -> Iterator[_Entry]:
    """Yield the tags of a folder; raise struct.error if they do not fit in the EXIF."""
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for place in range(start + 2, start + 2 + _ENTRY_BYTES * count, _ENTRY_BYTES):
        tag, kind, values = struct.unpack_from(f"{order}HHI", exif, place)
        yield _Entry(tag, kind, values, place + 8)


def orientation_of(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Return the orientation of an image by EXIF (from its byte order mark on), or else by XMP.

    Returns:
        1 to 8, or another stored number; 1 if there is none, or it is damaged.
    """
    order = _BYTE_ORDERS.get((exif or b"")[:4])
    try:
        if exif and order is not None:
            (start,) = struct.unpack_from(f"{order}I", exif, 4)
            for entry in _entries(exif, start, order):
                if entry.tag == _ORIENTATION and entry.type in _WHOLE_NUMBERS and entry.number >= 1:
                    (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[entry.type], exif, entry.place)
                    return int(value)
    except struct.error:
        pass
    found = _IN_XMP.search(xmp or b"")
    return int(found[1]) if found else UPRIGHT


def upright(pixels: NDArray[Level], stored: int) -> NDArray[Level]:
    """Return pixels (H, W) or (H, W, C) as a viewer shows those of an orientation; unknown ones change nothing."""
    if stored in QUARTERS:
        pixels = pixels.swapaxes(0, 1)
    if stored in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if stored in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def corrected_exif(exif: bytes, orientation: int, stored: Size) -> bytes:
    """Return the EXIF of an image that has been turned upright, without the thumbnail, which shows the old image.

    Resolutions and the place of the subject turn with the pixels. All other bytes keep their places, to which the notes
    of camera makers refer.

    Args:
        exif: EXIF from its byte order mark on.
        orientation: of the stored pixels.
        stored: their size.

    Raises:
        ValueError: if it is no EXIF.
    """
    changed = _Changed(exif)
    for entry in changed.folder(0):
        if entry.tag == _ORIENTATION:
            changed.set(entry, _SHORT, UPRIGHT)
    changed.without_thumbnail()
    if orientation in QUARTERS:
        changed.swap(0, _ACROSS, _DOWN)
        changed.swap(_EXIF_FOLDER, _FOCAL_ACROSS, _FOCAL_DOWN)
    if orientation in range(2, 9):
        for entry in changed.folder(_EXIF_FOLDER):
            if entry.tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
                changed.rewrite(entry, lambda values: _upright_area(values, orientation, stored))
    return bytes(changed.content)


def sized_exif(exif: bytes, size: Size) -> bytes:
    """Return EXIF with the size of the written image, if it states a size; damaged EXIF stays as it is."""
    try:
        changed = _Changed(exif)
        for folder, tags in _SIZES.items():
            for entry in changed.folder(folder):
                if entry.tag in tags and entry.type in (_SHORT, _LONG) and entry.number == 1:
                    value = size[tags.index(entry.tag)]
                    changed.set(entry, _LONG if value > _LARGEST_SHORT else entry.type, value)
    except ValueError:
        return exif
    return bytes(changed.content)


def resolution_in(exif: bytes | None) -> Resolution | None:
    """Return the resolution that EXIF states; None if there is none."""
    if not exif:
        return None
    try:
        loaded = _loaded(exif)
        return resolution_of(float(loaded[_ACROSS]), float(loaded[_DOWN]), UNITS.get(int(loaded.get(_UNIT, 2)), "inch"))
    except Exception:  # of damaged metadata
        return None


def _loaded(exif: bytes) -> Image.Exif:
    loaded = Image.Exif()
    with without_warnings():
        loaded.load(EXIF_PREFIX + exif)
    return loaded


def described(
    value: Callable[[int], Any], present: Iterable[int], folder: Callable[[int], Mapping[int, Any]]
) -> tuple[dict[int, Any], tuple[str, ...]]:
    """Return the tags of a TIFF that describe the image, folders as dictionaries, and the names of those left out.

    Unknown tags are left out: they may refer to places in the file. `value` returns the value of one of the `present`
    tags, and `folder` the tags of a folder.
    """
    found = set(present)
    tags = {tag: value(tag) for tag in found & _DESCRIPTIVE}
    for number in (_EXIF_FOLDER, _GPS_FOLDER):
        # The folder of interoperability is left out: its place would be wrong in a new file.
        inner = {tag: what for tag, what in folder(number).items() if tag != _INTEROPERABILITY_FOLDER}
        if inner:
            tags[number] = inner
    private = sorted(found - _DESCRIPTIVE - _STRUCTURAL - {_LAYERS})
    lost = ["the layers of Photoshop"] if _LAYERS in found else []
    if private:
        lost.append(f"the tags {', '.join(map(str, private))} of the TIFF")
    return tags, tuple(lost)


def exif_of(tags: dict[int, Any]) -> bytes | None:
    """Return EXIF of some tags, folders as dictionaries; raise what Pillow raises for values that it cannot write."""
    if not tags:
        return None
    made = Image.Exif()
    with without_warnings():
        for tag, value in tags.items():
            if isinstance(value, dict):
                made.get_ifd(tag).update(value)
            else:
                made[tag] = value
        return made.tobytes().removeprefix(EXIF_PREFIX)


def tags_of(exif: bytes) -> tuple[dict[int, Any], tuple[str, ...]]:
    """Return EXIF as tags of a TIFF, and the names of those left out; raise what Pillow raises for others."""
    trial = ImageFileDirectory_v2()
    with without_warnings():
        loaded = _loaded(exif)
        tags, lost = described(loaded.get, loaded, loaded.get_ifd)
        for tag, value in tags.items():
            trial[tag] = value
        trial.tobytes()
    return tags, lost


class _Changed:
    """EXIF whose values are changed in place."""

    def __init__(self, exif: bytes) -> None:
        order = _BYTE_ORDERS.get(exif[:4])
        if order is None:
            raise ValueError("no byte order")
        self.content = bytearray(exif)
        self._order = order
        self._main = self._unpack("I", 4)
        self._end = self._main + 2 + _ENTRY_BYTES * self._unpack("H", self._main)
        if self._end > len(exif):
            raise ValueError("its tags do not fit in it")

    def folder(self, folder: int) -> list[_Entry]:
        """Return the entries of a folder, 0 for the main one; none if it is missing or damaged."""
        if folder == 0:
            return list(_entries(self.content, self._main, self._order))
        within = self.folder(_EXIF_FOLDER if folder == _INTEROPERABILITY_FOLDER else 0)
        for entry in within:
            if entry.tag == folder:
                try:
                    return list(_entries(self.content, self._unpack("I", entry.place), self._order))
                except (ValueError, struct.error):
                    return []
        return []

    def set(self, entry: _Entry, kind: int, value: int) -> None:
        """Give a tag one whole number."""
        letters = "HHIHH" if kind == _SHORT else "HHII"
        values = (entry.tag, kind, 1, value, 0)[: len(letters)]
        struct.pack_into(self._order + letters, self.content, entry.place - 8, *values)

    def swap(self, folder: int, one: int, other: int) -> None:
        """Let two fractions change places."""
        found = {
            entry.tag: entry.place for entry in self.folder(folder) if (entry.type, entry.number) == (_RATIONAL, 1)
        }
        if one in found and other in found:
            places = [slice(found[tag], found[tag] + 4) for tag in (one, other)]
            first, second = (self.content[place] for place in places)
            self.content[places[0]], self.content[places[1]] = second, first

    def rewrite(self, entry: _Entry, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> None:
        """Change the whole numbers of a tag."""
        if entry.type != _SHORT or not 2 <= entry.number <= 4:
            return
        try:
            place = entry.place if entry.number == 2 else self._unpack("I", entry.place)
            layout = f"{self._order}{entry.number}H"
            values = change(struct.unpack_from(layout, self.content, place))
            struct.pack_into(layout, self.content, place, *values)
        except struct.error:
            return

    def without_thumbnail(self) -> None:
        """Detach the folder after the main one, that of the thumbnail, whose JPEG is blanked, or cut off at the end."""
        if self._end + 4 > len(self.content):
            return
        place = self._unpack("I", self._end)
        struct.pack_into(f"{self._order}I", self.content, self._end, 0)
        try:
            found = {entry.tag: entry.place for entry in _entries(self.content, place, self._order)}
            start, size = (self._unpack("I", found[tag]) for tag in _THUMBNAIL)
        except (KeyError, ValueError, struct.error):
            return
        if self.content[start : start + 2] != _START_OF_JPEG or start < 8:
            return
        if start + size >= len(self.content):
            del self.content[start:]
        else:
            self.content[start : start + size] = bytes(size)

    def _unpack(self, letter: str, place: int) -> int:
        try:
            (value,) = struct.unpack_from(self._order + letter, self.content, place)
        except struct.error as error:
            raise ValueError("its tags do not fit in it") from error
        return int(value)


def _upright_area(values: tuple[int, ...], orientation: int, stored: Size) -> tuple[int, ...]:
    """Return the center, and the diameter or the sides, of an area in upright pixels."""
    (across, down), further = values[:2], values[2:]
    width, height = stored
    if orientation in QUARTERS:
        across, down, width, height = down, across, height, width
        further = further[::-1]
    if orientation in (3, 4, 7, 8):
        down = max(height - 1 - down, 0)
    if orientation in (2, 3, 6, 7):
        across = max(width - 1 - across, 0)
    return (across, down, *further)
