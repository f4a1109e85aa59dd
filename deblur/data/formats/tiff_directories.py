"""The directories of a TIFF: which of its images is the picture, and which are its thumbnails."""

import io
from collections.abc import Iterator
from typing import Any, Final

from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from deblur.data.formats.kinds import refuse_raw

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
_MOST_DIRECTORIES: Final = 1000


class Directory:
    """One image of a TIFF: its tags, of any type and number of values, damaged ones left out.

    Pillow warns of odd tags: whoever opens images keeps that quiet.
    """

    def __init__(self, tags: ImageFileDirectory_v2) -> None:
        """Take the tags as Pillow has read them."""
        self._tags = tags
        self._values: dict[int, Any] = {}
        self.offset = int(tags.offset)
        self.order: bytes = tags.prefix

    def __contains__(self, tag: int) -> bool:
        """Whether there is a tag, damaged or not."""
        return tag in self._tags

    def value(self, tag: int) -> Any:
        """Return what a tag says, as Pillow gives it; None if it is missing or damaged."""
        if tag not in self._values:
            try:
                self._values[tag] = self._tags.get(tag)
            except Exception:  # a wrong type or number of values can raise nearly anything
                self._values[tag] = None
        return self._values[tag]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; none if it is missing or says something else."""
        value = self.value(tag)
        values = tuple(value) if isinstance(value, tuple | list | bytes) else (value,)
        return tuple(values) if all(type(one) is int for one in values) else ()

    def number(self, tag: int, default: int) -> int:
        """Return the first whole number of a tag."""
        return next(iter(self.numbers(tag)), default)

    def reals(self, tag: int) -> tuple[float, ...]:
        """Return the numbers of a tag; none if it is missing, or one of them is infinite."""
        value = self.value(tag)
        values = value if isinstance(value, tuple) else (value,)
        if any(isinstance(one, IFDRational) and not one.denominator for one in values):
            return ()
        return tuple(map(float, values)) if all(isinstance(one, int | float | IFDRational) for one in values) else ()

    def data(self, tag: int) -> bytes | None:
        """Return the bytes of a tag, whatever type it claims to have; None if it is missing or empty."""
        value = self.value(tag)
        if isinstance(value, tuple) and len(value) == 1:
            (value,) = value
        if isinstance(value, str):
            return value.encode("latin-1", "replace") or None
        if isinstance(value, bytes):
            return value or None
        numbers = self.numbers(tag)  # IPTC often claims to be numbers of 32 bits
        is_little = self.order == b"II"
        if not numbers or not all(0 <= number < 2**32 for number in numbers):
            return None
        return b"".join(number.to_bytes(4, "little" if is_little else "big") for number in numbers)

    @property
    def area(self) -> int:
        """Width by height [px]."""
        return self.number(WIDTH, 0) * self.number(HEIGHT, 0)

    @property
    def is_reduced(self) -> bool:
        """Whether this is a smaller version of another image."""
        return bool(self.number(SUBFILE_TYPE, 0) & _REDUCED) or self.number(OLD_SUBFILE_TYPE, 0) == _OLD_REDUCED

    @property
    def is_mask(self) -> bool:
        """Whether this tells where another image is transparent."""
        return bool(self.number(SUBFILE_TYPE, 0) & _MASK) or self.number(PHOTOMETRIC, -1) == MASK

    @property
    def is_raw(self) -> bool:
        """Whether this is what a camera's sensor has measured."""
        return _DNG_VERSION in self or self.number(PHOTOMETRIC, -1) in (_COLOR_FILTER_ARRAY, _LINEAR_RAW)


class Directories:
    """The directories of a TIFF.

    Attributes:
        chosen: the full image: the first that is no thumbnail and no mask.
        pages: number of such images.
        has_mask: whether another says where it is transparent.
    """

    def __init__(self, content: bytes) -> None:
        """Read all directories.

        Raises:
            UnreadableKindError: The file is a camera's raw file.
            ValueError: There is no directory.
            Exception: Anything that Pillow raises for damaged tags.
        """
        self._file = io.BytesIO(content)
        is_big = b"+" in content[2:4]
        self._header = content[: 16 if is_big else 8]
        found = list(self._chain())
        within = [inner for directory in found for inner in self._within(directory)]
        if not found:
            raise ValueError("truncated before its first directory")
        if any(directory.is_raw for directory in found + within):
            refuse_raw()
        images = [directory for directory in found if not directory.is_mask and directory.area]
        full = [directory for directory in images if not directory.is_reduced]
        if not full:  # the full image of a thumbnail can stand in a directory within the thumbnail's
            full = [one for one in within if not one.is_reduced and not one.is_mask and one.area]
        self.pages = max(1, len(full))
        self.chosen = full[0] if full else max(images or found, key=lambda directory: directory.area)
        self.has_mask = any(directory.is_mask for directory in found + within if directory is not self.chosen)

    def _chain(self) -> Iterator[Directory]:
        following = ImageFileDirectory_v2(self._header).next
        seen: set[int] = set()
        while following and following not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(following)
            tags = self._loaded(following)
            if tags is None:
                return
            yield Directory(tags)
            following = tags.next

    def _within(self, directory: Directory) -> Iterator[Directory]:
        for offset in directory.numbers(SUB_DIRECTORIES)[:_MOST_DIRECTORIES]:
            tags = self._loaded(offset)
            if tags is not None:
                yield Directory(tags)

    def _loaded(self, offset: int) -> ImageFileDirectory_v2 | None:
        """Read the directory at a place; None if none can stand there."""
        if not 0 < offset < self._file.getbuffer().nbytes:
            return None
        tags = ImageFileDirectory_v2(self._header)
        self._file.seek(offset)
        tags.load(self._file)
        return tags if len(tags) else None
