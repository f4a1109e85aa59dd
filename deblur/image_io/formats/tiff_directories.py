"""The directories of a TIFF: their tags, and which of them is the full image."""

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from PIL.TiffImagePlugin import IFDRational

from deblur.image_io.formats.container import raw_error

# Tags
SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 266, 273, 274, 277, 278, 279
ACROSS, DOWN, PLANES, UNIT, PREDICTOR, PALETTE = 282, 283, 284, 296, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, SUB_DIRECTORIES = 322, 323, 324, 325, 330
COEFFICIENTS, SUBSAMPLING, BLACK_AND_WHITE = 529, 530, 532
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, XMP, IPTC, PHOTOSHOP, ICC_PROFILE = 338, 339, 347, 700, 33723, 34377, 34675

# Values of photometric interpretation
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, INDEXED, MASK, CMYK, YCBCR = 0, 1, 2, 3, 4, 5, 6
_COLOR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
_DNG_VERSION: Final = 50706  # a tag that only raw files have

_REDUCED, _MASK = 1, 4  # bits of the subfile type
_OLD_REDUCED: Final = 2
_OLD_JPEG: Final = 6  # a compression
_MOST_DIRECTORIES: Final = 1000  # within another
_MOST_TAGS: Final = 100_000  # of all directories, which in a hostile file can overlap

# By the number of a type, the letter with which its values are unpacked; a fraction has two of them
_BYTES, _ASCII, _UNDEFINED = 1, 2, 7
_FRACTIONS: Final = {5: "I", 10: "i"}
_WHOLE: Final = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LETTERS: Final = {_BYTES: "B", _ASCII: "B", _UNDEFINED: "B", 11: "f", 12: "d", **_WHOLE, **_FRACTIONS}


class _Layout(NamedTuple):
    """How a TIFF writes numbers; BigTIFF has those of 64 bits."""

    order: str
    counter: str
    entry: struct.Struct
    word: str

    @property
    def word_bytes(self) -> int:
        return struct.calcsize(f"={self.word}")


class Directory:
    """One image of a TIFF, or a folder of tags: those that do not fit in the file are left out."""

    def __init__(self, content: bytes, offset: int, layout: _Layout) -> None:
        """Read the tags at a place; raise struct.error if there is no directory."""
        self.offset = offset
        self.order = b"II" if layout.order == "<" else b"MM"
        self._layout = layout
        self._content = content
        self._stored: dict[int, tuple[int, int, int]] = {}  # types, numbers and places of values by tag
        (count,) = struct.unpack_from(layout.order + layout.counter, content, offset)
        start = offset + struct.calcsize(f"={layout.counter}")
        self.entries = min(count, (len(content) - start) // layout.entry.size)
        for place in range(start, start + min(self.entries, _MOST_TAGS) * layout.entry.size, layout.entry.size):
            tag, kind, number = layout.entry.unpack_from(content, place)
            slot = place + layout.entry.size - layout.word_bytes
            size = number * self._size(kind)
            if size > layout.word_bytes:
                (slot,) = struct.unpack_from(layout.order + layout.word, content, slot)
            if size > 0 and slot + size <= len(content):
                self._stored.setdefault(tag, (kind, number, slot))
        end = start + count * layout.entry.size
        self.following = 0
        if end + layout.word_bytes <= len(content):
            (self.following,) = struct.unpack_from(layout.order + layout.word, content, end)

    @staticmethod
    def _size(kind: int) -> int:
        letter = _LETTERS.get(kind)
        return 0 if letter is None else struct.calcsize(f"={letter}") * (2 if kind in _FRACTIONS else 1)

    def __contains__(self, tag: int) -> bool:
        """Return whether there is a tag."""
        return tag in self._stored

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the tags."""
        return iter(self._stored)

    def _unpacked(self, tag: int) -> tuple[Any, ...]:
        """Return the plain values of a tag; those of fractions are numerators and denominators in turn."""
        if tag not in self._stored:
            return ()
        kind, number, place = self._stored[tag]
        letters = number * (2 if kind in _FRACTIONS else 1)
        return struct.unpack_from(f"{self._layout.order}{letters}{_LETTERS[kind]}", self._content, place)

    def value(self, tag: int) -> Any:
        """Return the value of a tag as Pillow writes it: text, bytes, a number or several; None if it is missing."""
        if tag not in self._stored:
            return None
        kind, number, place = self._stored[tag]
        if kind in (_BYTES, _UNDEFINED):
            return self._content[place : place + number]
        if kind == _ASCII:
            return self._content[place : place + number].removesuffix(b"\0").decode("latin-1")
        values = self._unpacked(tag)
        if kind in _FRACTIONS:
            values = tuple(IFDRational(*pair) for pair in zip(values[::2], values[1::2], strict=True))
        return values[0] if number == 1 else values

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none if it is missing or of another type."""
        if tag not in self._stored or self._stored[tag][0] in _FRACTIONS:
            return ()
        values = self._unpacked(tag)
        return values if all(isinstance(value, int) for value in values[:1]) else ()

    def number(self, tag: int, default: int) -> int:
        """Return the first whole number of a tag."""
        return next(iter(self.numbers(tag)), default)

    def reals(self, tag: int) -> tuple[float, ...]:
        """Return the numbers of a tag; none if it is missing, or one of them is infinite."""
        values = self._unpacked(tag)
        if tag in self._stored and self._stored[tag][0] in _FRACTIONS:
            if not all(values[1::2]):
                return ()
            return tuple(above / below for above, below in zip(values[::2], values[1::2], strict=True))
        return tuple(map(float, values))

    def data(self, tag: int) -> bytes | None:
        """Return the stored bytes of a tag, whatever its type; None if it is missing."""
        if tag not in self._stored:
            return None
        kind, number, place = self._stored[tag]
        return self._content[place : place + number * self._size(kind)]

    def folder(self, tag: int) -> "Directory | None":
        """Return the folder of tags to which a tag refers; None if there is none."""
        return _directory(self._content, self.number(tag, 0), self._layout)

    @property
    def area(self) -> int:
        """Width by height [px]."""
        return self.number(WIDTH, 0) * self.number(HEIGHT, 0)

    @property
    def is_reduced(self) -> bool:
        """Whether this is a smaller version of another image."""
        return bool(self.number(SUBFILE_TYPE, 0) & _REDUCED) or self.number(OLD_SUBFILE_TYPE, 0) == _OLD_REDUCED

    @property
    def is_old_jpeg(self) -> bool:
        """Whether this is a JPEG as in TIFF 6.0, and as the thumbnails in EXIF."""
        return self.number(COMPRESSION, 1) == _OLD_JPEG

    @property
    def is_mask(self) -> bool:
        """Whether this is the transparency of another image."""
        return bool(self.number(SUBFILE_TYPE, 0) & _MASK) or self.number(PHOTOMETRIC, -1) == MASK

    @property
    def is_raw(self) -> bool:
        """Whether this is the measurement of a camera's sensor."""
        return _DNG_VERSION in self or self.number(PHOTOMETRIC, -1) in (_COLOR_FILTER_ARRAY, _LINEAR_RAW)


class Directories:
    """The directories of a TIFF.

    Attributes:
        chosen: the full image: the first that is no thumbnail and no mask.
        pages: number of such images.
        has_mask: whether another is its transparency.
    """

    def __init__(self, content: bytes) -> None:
        """Read all directories; raise ValueError if there is none, and UnreadableKindError for a raw file."""
        self._content = content
        self._layout, first = _header(content)
        self._tags_left = _MOST_TAGS
        found = list(self._chain(first))
        within = [inner for directory in found for inner in self._within(directory)]
        if not found:
            raise ValueError("truncated before its first directory")
        if any(directory.is_raw for directory in found + within):
            raise raw_error()
        images = [directory for directory in found if not directory.is_mask and directory.area]
        full = [directory for directory in images if not directory.is_reduced]
        if full and not full[0].is_old_jpeg:  # EXIF has its thumbnail in a second directory, of this compression alone
            full = [directory for directory in full if not directory.is_old_jpeg]
        if not full:  # the full image of a thumbnail can stand in a directory within the thumbnail's
            full = [one for one in within if not one.is_reduced and not one.is_mask and one.area]
        self.pages = max(1, len(full))
        self.chosen = full[0] if full else max(images or found, key=lambda directory: directory.area)
        self.has_mask = any(directory.is_mask for directory in found + within if directory is not self.chosen)

    def _chain(self, following: int) -> Iterator[Directory]:
        seen: set[int] = set()
        while following not in seen:
            seen.add(following)
            directory = self._directory(following)
            if directory is None:
                return
            yield directory
            following = directory.following

    def _within(self, directory: Directory) -> Iterator[Directory]:
        for offset in directory.numbers(SUB_DIRECTORIES)[:_MOST_DIRECTORIES]:
            inner = self._directory(offset)
            if inner is not None:
                yield inner

    def _directory(self, offset: int) -> Directory | None:
        """Return the directory at a place; None if there is none, or if all have more tags than are read."""
        directory = _directory(self._content, offset, self._layout) if self._tags_left > 0 else None
        self._tags_left -= 1 if directory is None else 1 + directory.entries
        return directory


def _header(content: bytes) -> tuple[_Layout, int]:
    """Return how the numbers of a TIFF are written, and the place of its first directory."""
    order = "<" if content.startswith(b"II") else ">"
    is_big = b"+" in content[2:4]
    if len(content) < (16 if is_big else 8):
        raise ValueError("truncated in its header")
    if is_big:
        layout = _Layout(order, "Q", struct.Struct(f"{order}HHQ8x"), "Q")
        return layout, struct.unpack_from(f"{order}Q", content, 8)[0]
    layout = _Layout(order, "H", struct.Struct(f"{order}HHI4x"), "I")
    return layout, struct.unpack_from(f"{order}I", content, 4)[0]


def _directory(content: bytes, offset: int, layout: _Layout) -> Directory | None:
    """Return the directory at a place; None if there is none."""
    if not 0 < offset < len(content):
        return None
    try:
        directory = Directory(content, offset, layout)
    except struct.error:
        return None
    return directory if any(True for _ in directory) else None
