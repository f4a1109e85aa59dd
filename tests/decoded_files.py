"""Image files that the tests of this folder write, without the code under test, and what they compare."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.image_io.images import DecodedImage

HEIGHT, WIDTH = 23, 31  # odd and not square, to catch swaps
SIZES = [(1, 1), (1, 9), (7, 1), (HEIGHT, WIDTH)]
ICC_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/>\xc3\xa9</x:xmpmeta>'
# By suffix, the options with which Pillow stores exactly
LOSSLESS = {"png": {}, "bmp": {}, "tif": {}, "webp": {"lossless": True, "exact": True}}
PNG_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}

# Tags of EXIF
MAKE, ORIENTATION, CAMERA, PLACE, TAKEN, LATITUDE_REFERENCE = 0x010F, 0x0112, 0x8769, 0x8825, 0x9003, 1


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def deep_noise(*shape: int, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 65536, shape, dtype=np.uint16)


def smooth(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Colors that vary slowly, which lossy formats keep well."""
    down, across = np.mgrid[:height, :width]
    waves = [np.sin(down / 9 + across / (7 + channel)) for channel in range(3)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def exif(orientation: int = 1) -> Image.Exif:
    """EXIF with a maker, a time and a place."""
    made = Image.Exif()
    made[MAKE], made[ORIENTATION] = "A maker", orientation
    made.get_ifd(CAMERA)[TAKEN] = "2020:02:03 04:05:06"
    made.get_ifd(PLACE)[LATITUDE_REFERENCE] = "N"
    return made


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_16(pixels: NDArray[np.uint16], extra: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel, unfiltered, with more chunks after its header."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOR_TYPES[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_that_claims(width: int, height: int) -> bytes:
    """A gray PNG of a few bytes with any size in its header."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(9))) + png_chunk(b"IEND", b"")


def upright(pixels: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Turn by quarters and mirror: another way than the code's."""
    quarters, mirrored = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}[
        orientation
    ]
    turned = np.rot90(pixels, quarters)
    return turned[:, ::-1] if mirrored else turned


def tiff_16(levels: NDArray[np.uint16], order: bytes = b"II", **tags: object) -> bytes:
    """A TIFF of one strip, not compressed."""
    height, width, channels = levels.shape
    names = {"photometric": 0x0106, "extra": 0x0152, "planes": 0x011C, "orientation": 0x0112}
    directory = ImageFileDirectory_v2(prefix=order)
    data = levels.astype("<u2" if order == b"II" else ">u2").tobytes()
    settings = {256: width, 257: height, 258: (16,) * channels, 259: 1, 262: 2 if channels >= 3 else 1, 273: 0}
    settings |= {277: channels, 278: height, 279: len(data)} | {names[name]: value for name, value in tags.items()}
    for tag, value in settings.items():
        directory[tag] = value
    content = io.BytesIO()
    directory.save(content)
    return content.getvalue() + data


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def same(decoded: DecodedImage, pixels: NDArray[np.generic], alpha: NDArray[np.generic] | None = None) -> None:
    assert decoded.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.pixels.flags.c_contiguous
    assert (decoded.alpha is None) == (alpha is None)
    if alpha is not None:
        assert decoded.alpha is not None
        assert decoded.alpha.dtype == pixels.dtype
        np.testing.assert_array_equal(decoded.alpha, alpha)
