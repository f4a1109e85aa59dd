"""Image files that the tests of this folder write."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deblur.data import FolderData

HEIGHT, WIDTH = 37, 53  # odd and not square, to catch swaps


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    return rgb[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A gray PNG of a few bytes with any size in its header."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(9))) + png_chunk(b"IEND", b"")


def write_images(root: Path, count: int, first: int = 0, height: int = 9, width: int = 11) -> None:
    """Write numbered images of mixed heights."""
    root.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        Image.fromarray(noise(height + index % 3, width, seed=index)).save(root / f"{index:03d}.png")


def write_bad_files(root: Path, count: int) -> None:
    for index in range(count):
        (root / f"bad{index:02d}.png").write_text("no image")


def folder(root: Path, max_images: int | None = None, seed: int = 0) -> FolderData:
    return FolderData(root, max_images, seed)
