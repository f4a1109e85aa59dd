"""TIFF files: samples of any layout and compression by libtiff, and their meaning."""

import ctypes
import functools
import io
import struct
import sys
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, _imaging

from deblur.image_io.formats import tiff_directories as tags
from deblur.image_io.formats.container import Container, Levels, Raster, UnreadableKindError, open_with_pillow, straight
from deblur.image_io.formats.exif import described, exif_of, orientation_of
from deblur.image_io.formats.metadata import IPTC, UNITS, Metadata, Resolution, kept_resources, resolution_of
from deblur.image_io.formats.tiff_directories import Directories
from deblur.text import counted

_NONE, _OLD_JPEG, _JPEG, _PACKBITS = 1, 6, 7, 32773  # compressions; the first is also the predictor of none
# Compressions that libtiff can hold, and those that a build of it may lack, by their names
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677})
_OPTIONAL: Final = {34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}
_UNREAD: Final = {
    **dict.fromkeys((9, 10, 34661), "JBIG"),
    **dict.fromkeys((22610, 34934), "JPEG XR"),
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    32766: "NeXT's coding",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
}
_SPACES: Final = {8: "Lab", 9: "Lab", 10: "Lab", 32844: "LogL", 32845: "LogLuv"}  # by photometric interpretation
_COLORS: Final = {tags.RGB: 3, tags.YCBCR: 3, tags.CMYK: 4}  # samples of color, if not 1
_UNSIGNED, _SIGNED = 1, 2  # sample formats
_FRACTIONS: Final = frozenset({3, 5, 6})  # the latter two complex
_NO_EXTRA, _ASSOCIATED, _STRAIGHT, _COREL_DRAW = 0, 1, 2, 999  # extra samples
_ALPHAS: Final = (_ASSOCIATED, _STRAIGHT, _COREL_DRAW)
_SEPARATE: Final = 2  # a value of planes
# Tags of YCbCr and the values for which it is that of a JPEG: coefficients of BT.601, levels of full range
_USUAL_YCBCR: Final = {tags.COEFFICIENTS: (0.299, 0.587, 0.114), tags.BLACK_AND_WHITE: (0, 255, 128, 255, 128, 255)}
_ROUNDING: Final = 1e-3  # of such numbers

# By the bits of a gray or indexed sample, Pillow's mode and raw mode
_GRAY: Final = {1: ("1", "1"), 2: ("L", "L;2"), 4: ("L", "L;4"), 8: ("L", "L"), 16: ("I;16", "I;16N")}
_INDEXED: Final = {1: ("P", "P;1"), 2: ("P", "P;2"), 4: ("P", "P;4"), 8: ("P", "P"), 16: ("I;16", "I;16N")}
# By the number of samples of 8 bits, modes whose bytes are those samples, the first four of more
_MODES_OF_8: Final = {2: "LA", 3: "RGB", 4: "RGBA", 5: "RGBAX", 6: "RGBAXX"}
_SAMPLES_OF_8: Final = {samples: (raw.rstrip("X"), raw) for samples, raw in _MODES_OF_8.items()}
_MOST_SAMPLES: Final = 4  # of a pixel of Pillow
_UPPER, _LOWER = ("L", "B") if sys.byteorder == "little" else ("B", "L")  # of samples of 16 bits in native order

_SHORT, _LONG, _BYTES = 3, 4, 7  # types of tags
_COPIED_TAGS: Final = (tags.WIDTH, tags.HEIGHT, tags.COMPRESSION, tags.FILL_ORDER, tags.PREDICTOR, 292, 293)


class _Layout(NamedTuple):
    """How the samples of an image are stored."""

    compression: int
    photometric: int
    bits: int
    samples: int
    extra: tuple[int, ...]
    is_separate: bool

    @property
    def colors(self) -> int:
        """How many samples are color."""
        return _COLORS.get(self.photometric, 1)

    @property
    def alpha(self) -> int | None:
        """The place of the sample that is alpha; None if there is none."""
        return next((self.colors + place for place, kind in enumerate(self.extra) if kind in _ALPHAS), None)

    @property
    def is_multiplied(self) -> bool:
        """Whether colors are multiplied by alpha."""
        return self.alpha is not None and self.extra[self.alpha - self.colors] == _ASSOCIATED

    @property
    def needed(self) -> int:
        """How many samples have to be read."""
        return self.colors if self.alpha is None else self.alpha + 1


class TiffFile(Container):
    """A TIFF that has been opened: its full image, not its thumbnails."""

    format = "TIFF"

    def __init__(self, content: bytes) -> None:
        """Read the directories; raise UnreadableKindError, or ValueError if they are damaged."""
        self._content = content
        directories = Directories(content)
        self.directory = directories.chosen
        self.pages = directories.pages
        self._has_mask = directories.has_mask
        self.width, self.height = (self.directory.number(tag, 0) for tag in (tags.WIDTH, tags.HEIGHT))
        if self.width < 1 or self.height < 1:
            raise ValueError("it has no size")
        self._layout = self._checked_layout()
        self.space = "cmyk" if self._layout.photometric == tags.CMYK else "color"

    @property
    def orientation(self) -> int:
        """Orientation by the tag of TIFF, or else by XMP."""
        stored = self.directory.numbers(tags.ORIENTATION)
        return stored[0] if stored else orientation_of(None, self.directory.data(tags.XMP))

    def decoded(self) -> Raster:
        """Decode the samples, and convert them by their meaning."""
        layout = self._layout
        if layout.photometric == tags.INDEXED:
            return self._indexed()
        samples = self._samples()
        if layout.photometric == tags.YCBCR:
            return Raster(samples[..., :3])
        if layout.photometric == tags.CMYK:
            return Raster(_rgb_of_inks(samples))
        if layout.photometric == tags.WHITE_IS_ZERO:
            samples[..., 0] = np.iinfo(samples.dtype).max - samples[..., 0]
        pixels = np.ascontiguousarray(samples[..., 0] if layout.colors == 1 else samples[..., :3])
        if layout.alpha is None:
            return Raster(pixels)
        alpha = np.ascontiguousarray(samples[..., layout.alpha])
        return Raster(straight(pixels, alpha) if layout.is_multiplied else pixels, alpha)

    def metadata(self) -> Metadata:
        """Return the metadata of the tags."""
        directory = self.directory
        exif, lost = self._exif()
        if self._has_mask:
            lost += ("the transparency mask",)
        iptc = directory.data(tags.IPTC)
        resources = dict(kept_resources(directory.data(tags.PHOTOSHOP) or b""))
        if iptc is not None and _iptc(iptc) is not None:
            resources[IPTC] = _iptc(iptc) or b""
        return Metadata(
            exif=exif,
            xmp=directory.data(tags.XMP),
            icc_profile=directory.data(tags.ICC_PROFILE),
            resolution=self._resolution(),
            photoshop=tuple(resources.items()),
            lost=lost,
        )

    def _exif(self) -> tuple[bytes | None, tuple[str, ...]]:
        """Return the tags that describe the image as EXIF, and the names of those left out."""
        try:
            described_tags, lost = described(self.directory.value, list(self.directory), self._folder)
            return exif_of(described_tags), lost
        except Exception as error:  # of wrongly written metadata, which are no reason to refuse the image
            return None, (f"the EXIF, which is damaged ({error})",)

    def _folder(self, tag: int) -> dict[int, Any]:
        """Return the tags of a folder to which a tag refers."""
        folder = self.directory.folder(tag)
        return {} if folder is None else {inner: folder.value(inner) for inner in folder}

    def _resolution(self) -> Resolution | None:
        found = [self.directory.reals(tag)[:1] for tag in (tags.ACROSS, tags.DOWN)]
        if not all(found):
            return None
        return resolution_of(found[0][0], found[1][0], UNITS.get(self.directory.number(tags.UNIT, 2)))

    def _checked_layout(self) -> _Layout:
        """Return the layout of the samples, or raise UnreadableKindError."""
        directory = self.directory
        compression = directory.number(tags.COMPRESSION, _NONE)
        usual = tags.RGB if directory.number(tags.SAMPLES, 1) >= 3 else tags.WHITE_IS_ZERO
        photometric = directory.number(tags.PHOTOMETRIC, usual)
        if compression == _OLD_JPEG:
            photometric = tags.YCBCR
        if compression not in _COMPRESSIONS and compression not in _OPTIONAL:
            name = _UNREAD.get(compression, f"an unknown method ({compression})")
            raise UnreadableKindError(f"is a TIFF compressed with {name}")
        if compression == _PACKBITS and directory.number(tags.PREDICTOR, _NONE) != _NONE:  # which libtiff overlooks
            raise UnreadableKindError("is a TIFF compressed with PackBits behind a predictor")
        if photometric in _SPACES:
            raise UnreadableKindError(f"is a TIFF of {_SPACES[photometric]} colors")
        colors = _COLORS.get(photometric, 1)
        samples = directory.number(tags.SAMPLES, colors if compression == _OLD_JPEG else 1)
        if samples == 1 and photometric == tags.YCBCR:
            photometric, colors = tags.BLACK_IS_ZERO, 1
        bits = set(directory.numbers(tags.BITS)[: max(samples, 1)]) or {8 if compression == _OLD_JPEG else 1}
        formats = set(directory.numbers(tags.SAMPLE_FORMAT)) or {_UNSIGNED}
        extra = directory.numbers(tags.EXTRA_SAMPLES)[: max(samples - colors, 0)]
        if not extra and samples == colors + 1 and photometric in (tags.RGB, tags.WHITE_IS_ZERO, tags.BLACK_IS_ZERO):
            extra = (_STRAIGHT,)  # if its meaning is not stated
        if photometric not in (*range(4), tags.CMYK, tags.YCBCR) or samples < colors or len(bits) > 1:
            shown = "/".join(map(str, directory.numbers(tags.BITS)[:8]))
            raise UnreadableKindError(
                f"is a TIFF of an unusual kind (photometric interpretation {photometric}, {samples} channels of "
                f"{shown} bits)"
            )
        _refuse_levels_without_white(formats, min(bits))
        is_separate = samples > 1 and directory.number(tags.PLANES, 1) == _SEPARATE
        layout = _Layout(compression, photometric, min(bits), samples, extra, is_separate)
        if not _is_readable(layout):
            raise UnreadableKindError(f"is a TIFF of {counted(samples, 'channel', 'channels')} of {layout.bits} bits")
        return layout

    def _indexed(self) -> Raster:
        """Return the colors of indices into a palette."""
        layout = self._layout
        if layout.samples == 1:
            index = self._decode(*_INDEXED[layout.bits], *self._as_libtiff_takes_it())
            alpha = None
        else:
            samples = self._samples()
            index = samples[..., 0]
            alpha = None if layout.alpha is None else np.ascontiguousarray(samples[..., layout.alpha])
        stored = np.array(self.directory.numbers(tags.PALETTE), np.int64)
        entries = 2**layout.bits
        if len(stored) < 3 * entries:
            raise ValueError("its palette is too short")
        palette = stored[: 3 * entries].reshape(3, entries).T
        if palette.max() > 255:  # some writers store 8 bits in the 16 of an entry
            palette = palette >> 8
        return Raster(palette.astype(np.uint8)[index], alpha)

    def _samples(self) -> NDArray[Any]:
        """Return the samples (H, W, S) as unsigned numbers of 8 or 16 bits, of which fewer are scaled to 8."""
        layout = self._layout
        if layout.photometric == tags.YCBCR:
            return self._rgb_of_ycbcr()
        if layout.is_separate:
            return np.stack([self._plane(index) for index in range(layout.needed)], axis=-1)
        content, offset = self._as_libtiff_takes_it()
        if layout.samples == 1:
            gray = self._decode(*_GRAY[layout.bits], content, offset)
            return _levels(gray)[..., None]
        if layout.bits == 8:
            return self._decode(*_SAMPLES_OF_8[layout.samples], content, offset)
        if layout.samples == 2:
            pairs = self._decode("RGBA", "RGBA", content, offset)  # the bytes of two samples in native order
            levels: NDArray[np.uint16] = pairs.view(np.uint16)
            return levels
        mode = {3: "RGB", 4: "RGBA"}[layout.samples]
        # In the other byte order, the lower bytes stand where Pillow looks for the upper ones.
        upper, lower = (self._decode(mode, f"{mode};16{order}", content, offset) for order in (_UPPER, _LOWER))
        combined: NDArray[np.uint16] = upper.astype(np.uint16) << 8 | lower
        return combined

    def _rgb_of_ycbcr(self) -> NDArray[np.uint8]:
        """Return RGB: by libjpeg, by Pillow if each pixel has its own chroma of the usual levels, or by libtiff."""
        layout, directory = self._layout, self.directory
        if layout.compression in (_JPEG, _OLD_JPEG):
            by_libjpeg = layout.compression == _JPEG and not layout.is_separate
            return self._decode("RGB", "RGB" if by_libjpeg else "RGBX")
        stored = [(directory.reals(tag), usual) for tag, usual in _USUAL_YCBCR.items() if tag in directory]
        is_usual = all(
            len(found) == len(usual) and np.allclose(found, usual, atol=_ROUNDING) for found, usual in stored
        )
        if directory.numbers(tags.SUBSAMPLING) != (1, 1) or not is_usual:
            return self._decode("RGB", "RGBX")
        if layout.is_separate:
            samples = np.stack([self._plane(index) for index in range(3)], axis=-1)
        else:
            samples = self._decode(*_SAMPLES_OF_8[layout.samples], self._of_segments(layout.samples), 0)[..., :3]
        whole = np.ascontiguousarray(samples).tobytes()
        return np.asarray(Image.frombytes("YCbCr", (self.width, self.height), whole).convert("RGB"))

    def _plane(self, index: int) -> Levels:
        """Return one of the planes in which samples are stored separately, as a gray image."""
        content = self._of_segments(samples=1, plane=index)
        return _levels(self._decode(*_GRAY[self._layout.bits], content, 0))

    def _as_libtiff_takes_it(self) -> tuple[bytes, int]:
        """Return a file and the place of the image's directory in it.

        If nothing is compressed, the file is rewritten: the sizes of strips, on which libtiff relies, are often wrong
        or missing.
        """
        if self._layout.compression == _NONE and self.directory.numbers(tags.STRIP_OFFSETS):
            return self._of_segments(self._layout.samples), 0
        return self._content, self.directory.offset

    def _of_segments(self, samples: int, plane: int = 0) -> bytes:
        """Return a TIFF of some of the strips or tiles."""
        directory, layout = self.directory, self._layout
        is_tiled = not directory.numbers(tags.STRIP_OFFSETS)
        offsets = directory.numbers(tags.TILE_OFFSETS if is_tiled else tags.STRIP_OFFSETS)
        sizes = directory.numbers(tags.TILE_BYTES if is_tiled else tags.STRIP_BYTES)
        if is_tiled:
            wide, high = (directory.number(tag, 0) for tag in (tags.TILE_WIDTH, tags.TILE_HEIGHT))
            if min(wide, high) < 1:
                raise ValueError("its tiles have no size")
            rows = [high] * (-(-self.width // wide) * -(-self.height // high))
            shape = {tags.TILE_WIDTH: wide, tags.TILE_HEIGHT: high}
        else:
            wide = self.width
            high = min(directory.number(tags.ROWS_PER_STRIP, self.height) or self.height, self.height)
            rows = [min(high, self.height - top) for top in range(0, self.height, high)]
            shape = {tags.ROWS_PER_STRIP: high}
        count = len(rows)
        first = plane * count
        if layout.compression == _NONE:
            row_bytes = (wide * samples * layout.bits + 7) // 8
            sizes = (0,) * first + tuple(each * row_bytes for each in rows)
        chosen = list(zip(offsets[first : first + count], sizes[first : first + count], strict=False))
        if len(chosen) < count or any(place < 0 or place + size > len(self._content) for place, size in chosen):
            raise ValueError("truncated")
        values: dict[int, tuple[int, tuple[int, ...]]] = {
            tag: (_LONG, directory.numbers(tag)[:1]) for tag in _COPIED_TAGS if directory.numbers(tag)
        }
        values[tags.BITS] = (_SHORT, (layout.bits,) * samples)
        values[tags.PHOTOMETRIC] = (_SHORT, (tags.RGB if samples >= 3 else tags.BLACK_IS_ZERO,))
        values[tags.SAMPLES] = (_SHORT, (samples,))
        if samples not in (1, 3):
            values[tags.EXTRA_SAMPLES] = (_SHORT, (_NO_EXTRA,) * (samples - (3 if samples > 3 else 1)))
        values |= {tag: (_LONG, (value,)) for tag, value in shape.items()}
        tables = directory.data(tags.JPEG_TABLES)
        if tables:
            values[tags.JPEG_TABLES] = (_BYTES, tuple(tables))
        parts = [self._content[place : place + size] for place, size in chosen]
        keys = (tags.TILE_OFFSETS, tags.TILE_BYTES) if is_tiled else (tags.STRIP_OFFSETS, tags.STRIP_BYTES)
        return _tiff_of(directory.order, values, *keys, parts)

    def _decode(self, mode: str, rawmode: str, content: bytes | None = None, offset: int | None = None) -> NDArray[Any]:
        """Return the pixels that libtiff decodes, as Pillow stores those of a mode."""
        _silence_libtiff()
        try:
            image = _Samples(
                self._content if content is None else content,
                mode,
                (self.width, self.height),
                (rawmode, *_further_arguments(), self.directory.offset if offset is None else offset),
            )
            return np.array(image)
        except OSError as error:
            name = _OPTIONAL.get(self._layout.compression)
            if name is not None:  # damaged, or of a method that libtiff lacks
                raise UnreadableKindError(f"is a TIFF compressed with {name}, which libtiff cannot decode") from error
            raise


class _Samples(ImageFile.ImageFile):
    """An image of a TIFF whose samples Pillow copies in a given layout, not in that of its own table."""

    def __init__(self, content: bytes, mode: str, size: tuple[int, int], arguments: tuple[Any, ...]) -> None:
        self._asked = mode, size, arguments
        self._bytes = len(content)
        super().__init__(io.BytesIO(content))

    def _open(self) -> None:
        self._mode, self._size, arguments = self._asked
        self.decodermaxblock = self._bytes  # libtiff wants the whole file at once
        self.tile = [ImageFile._Tile("libtiff", (0, 0, *self._size), 0, arguments)]


def _is_readable(layout: _Layout) -> bool:
    """Return whether Pillow can return the samples of a layout unchanged."""
    if layout.photometric == tags.INDEXED:
        return layout.bits in _INDEXED if layout.samples == 1 else layout.bits == 8 and layout.samples in _SAMPLES_OF_8
    if layout.photometric == tags.YCBCR:
        return layout.bits == 8
    if layout.samples == 1 or layout.is_separate:
        return layout.bits in _GRAY
    if layout.needed > _MOST_SAMPLES:
        return False
    return (
        layout.samples in _SAMPLES_OF_8 if layout.bits == 8 else layout.bits == 16 and layout.samples <= _MOST_SAMPLES
    )


def _refuse_levels_without_white(formats: set[int], bits: int) -> None:
    """Refuse levels without a defined white: fractions, numbers with a sign, and those of 32 bits."""
    if formats & _FRACTIONS:
        raise UnreadableKindError(f"has fractional numbers ({bits} bits), and no white level is defined for them")
    # Those of 8 bits are read as unsigned: some writers declare a sign for all levels.
    if (_SIGNED in formats and bits > 8) or bits > 16:
        raise UnreadableKindError("has whole numbers with a sign or of 32 bits, and no white level is defined for them")
    if bits not in (1, 2, 4, 8, 16):
        raise UnreadableKindError(f"has {bits} bits a level, neither 8 nor 16")


def _levels(gray: NDArray[Any]) -> NDArray[Any]:
    """Return gray pixels of Pillow as 8 or 16 bits."""
    if gray.dtype == np.bool_:
        return gray.astype(np.uint8) * np.uint8(255)
    return gray.astype(gray.dtype.newbyteorder("="), copy=False)


def _rgb_of_inks(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Return RGB from CMYK by Pillow, without a profile."""
    inks = samples[..., :4] if samples.dtype == np.uint8 else (samples[..., :4] >> 8).astype(np.uint8)
    height, width = inks.shape[:2]
    return np.asarray(Image.frombytes("CMYK", (width, height), np.ascontiguousarray(inks).tobytes()).convert("RGB"))


def _iptc(stored: bytes) -> bytes | None:
    """Return IPTC records, whose bytes some writers swap in fours; None for anything else."""
    if stored.startswith(b"\x1c"):
        return stored
    swapped = b"".join(stored[place : place + 4][::-1] for place in range(0, len(stored), 4))
    return swapped if swapped.startswith(b"\x1c") else None


def _tiff_of(
    order: bytes, values: dict[int, tuple[int, tuple[int, ...]]], places: int, sizes: int, parts: list[bytes]
) -> bytes:
    """Return a TIFF of one image from its tags and the bytes of its strips or tiles."""
    sign = "<" if order == b"II" else ">"
    starts = np.cumsum([8, *map(len, parts)]).tolist()
    values = values | {places: (_LONG, tuple(starts[:-1])), sizes: (_LONG, tuple(map(len, parts)))}
    start = starts[-1] + starts[-1] % 2
    behind = start + 2 + 12 * len(values) + 4
    entries, further = [], b""
    for tag, (kind, numbers) in sorted(values.items()):
        letter = {_SHORT: "H", _LONG: "I", _BYTES: "B"}[kind]
        data = struct.pack(f"{sign}{len(numbers)}{letter}", *numbers)
        if len(data) > 4:
            place = behind + len(further)
            further += data + b"\0" * (len(data) % 2)
            data = struct.pack(f"{sign}I", place)
        entries.append(struct.pack(f"{sign}HHI", tag, kind, len(numbers)) + data.ljust(4, b"\0"))
    header = order + struct.pack(f"{sign}HI", 42, start)
    directory = struct.pack(f"{sign}H", len(entries)) + b"".join(entries) + bytes(4)
    return b"".join([header, *parts, b"\0" * (start - starts[-1]), directory, further])


@functools.cache
def _further_arguments() -> tuple[Any, ...]:
    """Return the arguments of Pillow's decoder between the raw mode and the place of the directory.

    They differ between versions, and are therefore taken from an image that Pillow opens by itself.
    """
    content = io.BytesIO()
    Image.new("L", (1, 1)).save(content, "TIFF", compression="tiff_lzw")
    image = open_with_pillow(content.getvalue(), "TIFF")
    assert isinstance(image, ImageFile.ImageFile)
    arguments = image.tile[0].args
    assert isinstance(arguments, tuple)
    return arguments[1:-1]


@functools.cache
def _silence_libtiff() -> None:
    """Keep Pillow's libtiff from writing errors without a file name to standard error.

    Pillow does so for warnings alone. If the library cannot be found, as on Windows, nothing changes.
    """
    try:
        library = ctypes.CDLL(_imaging.__file__)
        set_handler = library.TIFFSetErrorHandler
    except (OSError, AttributeError):
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)
