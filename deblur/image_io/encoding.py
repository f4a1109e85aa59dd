"""Encode what Pillow cannot: PNG with chunks and 16 bits of ours, TIFF that keeps depth, alpha and metadata alike."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.image_io.formats.metadata import Resolution
from deblur.image_io.formats.png import SIGNATURE, chunks
from deblur.image_io.formats.quiet import without_warnings
from deblur.image_io.images import Levels

_BLOCK_BYTES: Final = 2**20  # compressed at once

_PNG_COLOR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_PNG_LEFT: Final = 1  # the filter that stores a pixel's difference from the one to its left

# Tags of TIFF and their values
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC = 0x0100, 0x0101, 0x0102, 0x0103, 0x0106
_STRIP_OFFSETS, _SAMPLES_PER_PIXEL, _ROWS_PER_STRIP, _STRIP_BYTES = 0x0111, 0x0115, 0x0116, 0x0117
_HORIZONTAL_RESOLUTION, _VERTICAL_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_PLANES, _PREDICTOR, _EXTRA_SAMPLES = 0x011C, 0x013D, 0x0152
_DEFLATE, _LEFT_DIFFERENCE, _INTERLEAVED, _STRAIGHT_ALPHA = 8, 2, 1, 2
_BLACK_IS_ZERO, _RGB = 1, 2
_UNITS: Final = {None: 1, "inch": 2, "cm": 3}


def encode_png(pixels: Levels, described: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """Encode a PNG of 8 or 16 bits a channel.

    Args:
        pixels: (H, W, C): gray, gray and alpha, RGB, or RGB and alpha.
        described: kinds and data of further chunks, which are written before the pixels.
    """
    further = [png_chunk(kind, data) for kind, data in described]
    if pixels.dtype == np.uint16:
        height, width, channels = pixels.shape
        header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOR_TYPES[channels], 0, 0, 0)
        data = [png_chunk(b"IDAT", block) for block in _png_data(pixels.astype(np.uint16, copy=False))]
        return b"".join([SIGNATURE, png_chunk(b"IHDR", header), *further, *data, png_chunk(b"IEND", b"")])
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
    header_chunk, *others = [chunk.stored for chunk in chunks(content.getvalue())]
    return b"".join([SIGNATURE, header_chunk, *further, *others])


def encode_tiff(pixels: Levels, tags: dict[int, Any], resolution: Resolution | None) -> bytes:
    """Encode a TIFF of 8 or 16 bits a channel, compressed without loss.

    Args:
        pixels: (H, W, C): gray, gray and alpha, RGB, or RGB and alpha.
        tags: what else the file says, by its tags; folders of tags are dictionaries.
        resolution: pixels per unit of length.
    """
    height, width, channels = pixels.shape
    has_alpha, is_color = channels in (2, 4), channels >= 3
    rows = max(1, _BLOCK_BYTES // (width * channels * pixels.itemsize))
    strips = [_tiff_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    with without_warnings():  # of odd tags
        directory = ImageFileDirectory_v2(prefix=b"II")
        for tag, value in tags.items():
            directory[tag] = value
        directory[_WIDTH], directory[_HEIGHT] = width, height
        directory[_SAMPLES_PER_PIXEL], directory[_BITS_PER_SAMPLE] = channels, (8 * pixels.itemsize,) * channels
        directory[_PHOTOMETRIC] = _RGB if is_color else _BLACK_IS_ZERO
        if has_alpha:
            directory[_EXTRA_SAMPLES] = _STRAIGHT_ALPHA
        directory[_COMPRESSION], directory[_PREDICTOR], directory[_PLANES] = _DEFLATE, _LEFT_DIFFERENCE, _INTERLEAVED
        if resolution is not None:
            directory[_HORIZONTAL_RESOLUTION], directory[_VERTICAL_RESOLUTION] = resolution.across, resolution.down
            directory[_RESOLUTION_UNIT] = _UNITS[resolution.unit]
        directory[_ROWS_PER_STRIP], directory[_STRIP_BYTES] = min(rows, height), tuple(sizes)
        # The places of the strips are counted from the end of the tags: Pillow adds where that is.
        directory[_STRIP_OFFSETS] = tuple(int(place) for place in np.cumsum([0, *sizes[:-1]]))
        content = io.BytesIO()
        directory.save(content)
    return b"".join([content.getvalue(), *strips])


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_data(pixels: NDArray[np.uint16]) -> Iterator[bytes]:
    """Give the compressed rows in parts; each row is filtered, byte by byte."""
    height, width, channels = pixels.shape
    compressor = zlib.compressobj()
    pixel_bytes = 2 * channels
    rows = max(1, _BLOCK_BYTES // (width * pixel_bytes))
    for top in range(0, height, rows):
        levels = pixels[top : top + rows].astype(">u2", order="C")
        values = levels.view(np.uint8).reshape(len(levels), width * pixel_bytes)
        filtered = np.empty((len(levels), 1 + width * pixel_bytes), np.uint8)
        filtered[:, 0] = _PNG_LEFT
        filtered[:, 1 : 1 + pixel_bytes] = values[:, :pixel_bytes]
        np.subtract(values[:, pixel_bytes:], values[:, :-pixel_bytes], out=filtered[:, 1 + pixel_bytes :])
        yield compressor.compress(filtered.data)
    yield compressor.flush()


def _tiff_strip(pixels: Levels) -> bytes:
    differences = pixels.astype(pixels.dtype.newbyteorder("<"), order="C")
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=differences[:, 1:])
    return zlib.compress(differences.data)
