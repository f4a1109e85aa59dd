"""BMP files: those that Pillow reads, and all others whose channels are bit fields."""

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deblur.image_io.formats.container import Levels, PillowContainer, Raster, UnreadableKindError
from deblur.image_io.formats.metadata import Metadata, Resolution, per_inch, resolution_of

_FILE_HEADER: Final = 14  # bytes
_INFO_HEADER: Final = struct.Struct("<IiiHHIIiiII")
_PLACE_OF_PIXELS: Final = 10  # in the file
_V5_HEADER: Final = 124  # bytes; the only header with an ICC profile
_BIT_FIELDS, _BIT_FIELDS_WITH_ALPHA = 3, 6  # ways to store
_EMBEDDED: Final = {4: "is a BMP that holds a JPEG", 5: "is a BMP that holds a PNG"}
_EMBEDDED_PROFILE: Final = b"DEBM"  # the four letters MBED, as a number of little-endian order
_UNSUPPORTED: Final = ("Unsupported BMP", "invalid palette size")  # Pillow's errors for the kinds that it lacks
_HEADER_SIZES: Final = (12, 40, 52, 56, 64, 108, 124)
_OLD_HEADER: Final = 12  # bytes; its palette has 3 bytes a color instead of 4


class _Header(NamedTuple):
    """The header of Windows 3 and later."""

    size: int
    width: int
    height: int  # negative if the first row is the upper one
    planes: int
    bits: int
    compression: int
    data_bytes: int
    across: int
    down: int
    colors: int
    important: int


class BmpFile(PillowContainer):
    """A BMP that has been opened."""

    format = "BMP"

    def __init__(self, content: bytes) -> None:
        """Read the header; raise UnreadableKindError, or what Pillow raises for a damaged file."""
        self._content = content
        self._header: _Header | None = None
        self._masks: tuple[int, ...] | None = None  # of channels that Pillow does not decode
        if len(content) >= _FILE_HEADER + _INFO_HEADER.size and content[_FILE_HEADER] >= _INFO_HEADER.size:
            self._header = _Header(*_INFO_HEADER.unpack_from(content, _FILE_HEADER))
            if self._header.compression in _EMBEDDED:
                raise UnreadableKindError(_EMBEDDED[self._header.compression])
        try:
            super().__init__(content)
        except OSError as error:
            if not str(error).startswith(_UNSUPPORTED):
                raise
            self._masks = self._bit_fields()
            if self._masks is None or self._header is None:
                raise UnreadableKindError(f"is a BMP of an unusual kind ({error})") from error
            self.width, self.height = self._header.width, abs(self._header.height)

    def decoded(self) -> Raster:
        """Decode the pixels."""
        return super().decoded() if self._masks is None else self._decoded_fields()

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of pixels that Pillow decodes."""
        return super().opaque_luma() if self._masks is None else None

    def metadata(self) -> Metadata:
        """Return the resolution and the ICC profile."""
        return Metadata(icc_profile=self._profile(), resolution=self._resolution())

    def _loaded(self) -> Image.Image:
        try:
            return super()._loaded()
        except (OSError, ValueError) as error:
            if str(error).startswith(_UNSUPPORTED):
                raise UnreadableKindError(f"is a BMP of an unusual kind ({error})") from error
            raise

    def _bit_fields(self) -> tuple[int, ...] | None:
        """Return the bits of red, green, blue and alpha in a pixel; None for other files and overlapping bits."""
        header = self._header
        if header is None or header.compression not in (_BIT_FIELDS, _BIT_FIELDS_WITH_ALPHA):
            return None
        has_alpha = header.size >= 56 or header.compression == _BIT_FIELDS_WITH_ALPHA
        stored = self._content[_FILE_HEADER + _INFO_HEADER.size :][: 16 if has_alpha else 12]
        if header.bits not in (16, 32) or header.width < 1 or len(stored) < 12:
            return None
        masks = struct.unpack(f"<{len(stored) // 4}I", stored)
        is_usable = all(_is_run(mask) for mask in masks[:3]) and all(_is_run(mask) or not mask for mask in masks[3:])
        is_disjoint = sum(mask.bit_count() for mask in masks) == sum(masks).bit_count() and sum(masks) < 2**header.bits
        return masks if is_usable and is_disjoint else None

    def _decoded_fields(self) -> Raster:
        """Decode channels of any bits; those of more than 8 become 16."""
        header, masks = self._header, self._masks
        assert header is not None
        assert masks is not None
        start = int.from_bytes(self._content[_PLACE_OF_PIXELS : _PLACE_OF_PIXELS + 4], "little")
        row_bytes = (self.width * header.bits // 8 + 3) // 4 * 4
        stored = self._content[start : start + row_bytes * self.height]
        if len(stored) < row_bytes * self.height:
            raise ValueError("truncated")
        rows = np.frombuffer(stored, np.uint8).reshape(self.height, row_bytes)
        pixels = rows[:, : self.width * header.bits // 8].copy().view(f"<u{header.bits // 8}")
        pixels = pixels if header.height < 0 else pixels[::-1]
        deepest = max(mask.bit_count() for mask in masks)
        channels = [_channel(pixels, mask, 16 if deepest > 8 else 8) for mask in masks if mask]
        return Raster(np.stack(channels[:3], axis=-1), channels[3] if len(channels) == 4 else None)

    def _resolution(self) -> Resolution | None:
        header = self._header
        if header is None:
            return None
        return resolution_of(per_inch(header.across), per_inch(header.down), "inch")

    def _profile(self) -> bytes | None:
        if self._header is None or self._header.size < _V5_HEADER:
            return None
        kind, place, size = struct.unpack_from("<56x4s52xII", self._content, _FILE_HEADER)
        if kind != _EMBEDDED_PROFILE:
            return None
        return self._content[_FILE_HEADER + place :][:size] or None


def with_file_header(content: bytes) -> bytes | None:
    """Return a BMP from one without a file header, as .dib files can be; None for anything else."""
    size = int.from_bytes(content[:4], "little")
    if size not in _HEADER_SIZES or len(content) < _FILE_HEADER + size:
        return None
    if size == _OLD_HEADER:
        bits, masks, colors = content[10], 0, 0
    else:
        header = _Header(*_INFO_HEADER.unpack_from(content))
        fields = {_BIT_FIELDS: 12, _BIT_FIELDS_WITH_ALPHA: 16}
        masks = fields.get(header.compression, 0) if size == _INFO_HEADER.size else 0
        bits, colors = header.bits, header.colors
    colors = colors or (2**bits if bits <= 8 else 0)
    start = _FILE_HEADER + size + masks + colors * (3 if size == _OLD_HEADER else 4)
    return b"BM" + struct.pack("<IHHI", _FILE_HEADER + len(content), 0, 0, start) + content


def _is_run(mask: int) -> bool:
    """Return whether the bits of a mask are adjacent."""
    lowest = mask & -mask
    return mask > 0 and (mask // lowest + 1).bit_count() == 1 and mask.bit_count() <= 16


def _channel(pixels: NDArray[Any], mask: int, bits: int) -> Levels:
    """Return the bits of a mask, scaled to the full range of 8 or 16 bits."""
    lowest = mask & -mask
    values = (pixels.astype(np.uint64) & mask) // lowest
    largest, full = mask // lowest, 2**bits - 1
    scaled = (values * full + largest // 2) // largest
    levels: Levels = scaled.astype(np.uint16 if bits == 16 else np.uint8)
    return levels
