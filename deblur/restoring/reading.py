"""Read a picture file with all that its restored copy keeps."""

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from PIL.TiffImagePlugin import TiffImageFile

from deblur.data.images import (
    FORMATS,
    GRAY_16_BIT_MODES,
    UNUSABLE_MODES,
    BadImageError,
    gray_of_16_bits,
    printable,
    reason_for,
)
from deblur.data.orientation import orientation, upright
from deblur.errors import UserError
from deblur.restoring.metadata import read_metadata
from deblur.restoring.pictures import Compression, Levels, Picture

DEFAULT_MAX_MEGAPIXELS: Final = 100.0  # beyond it, some gigabytes of memory and many minutes

_GRAY_MODES: Final = frozenset({"1", "L", "LA"})
_COLOUR_MODES: Final = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"})
_PNG_BIT_DEPTH, _PNG_COLOUR_TYPE = 24, 25  # where they stand in the file
_PNG_GRAY_WITH_ALPHA = 4  # a colour type
_BITS_PER_SAMPLE, _SUBFILE_TYPE = 0x0102, 0x00FE  # tags of TIFF
_REDUCED = 1  # bit of the subfile type: a smaller version of another page
_WEBP_START = 12  # bytes before the first chunk
_MPO = "MPO"  # Pillow's name of a JPEG with others behind it, such as a phone's depth or brightness map

_ADVICE: Final = "give an undamaged BMP, JPEG, PNG, TIFF or WebP picture"
_PLAIN: Final = "save it with 8 or 16 bits a channel as gray or RGB, and give that file"


def read_picture(path: Path, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> Picture:
    """Read a PNG, JPEG, WebP, BMP or TIFF file; its content decides which, not its name.

    Pixels of 8 and 16 bits a channel are given as they are stored, turned upright by the orientation in EXIF. Pictures
    of 1, 2 or 4 bits and of a palette become 8-bit gray or colour; a transparent colour becomes alpha. Of a JPEG with
    others behind it (MPO), as phones write, the first is read.

    Refused are animations and files of several pages, of which a restored file would silently lose all but one, and
    CMYK, whose colours depend on a printer.

    Args:
        path: File to read.
        max_megapixels: Largest number of pixels, of the header, in millions.

    Raises:
        UserError: The file is missing, cannot be read, is damaged, cut short or empty, is no picture of these formats,
            is larger than allowed, or of a kind that is refused. Its text is one sentence.
    """
    name = printable(str(path))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{name} is a folder or a device, not a picture: {_ADVICE}.")
        if status.st_size == 0:
            raise BadImageError("is empty (0 bytes)")
        with path.open("rb") as file, _without_warnings_and_limit(), Image.open(file, formats=FORMATS) as image:
            _refuse_large(image, name, max_megapixels)
            _refuse_pages(image, name)
            return _picture(image, path)
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{name} does not exist: {_ADVICE}.") from error
    # As in `deblur.data.images.read_gray`: a damaged file can raise nearly anything from a decoder.
    except Exception as error:
        reason = str(error) if isinstance(error, BadImageError) else reason_for(error)
        unreadable = isinstance(error, OSError) and error.errno is not None
        advice = "make it readable, or give another file" if unreadable else _ADVICE
        raise UserError(f"{name} {reason}: {advice}.") from error


@contextmanager
def _without_warnings_and_limit() -> Iterator[None]:
    """Let Pillow open any size: its own limit knows no setting of ours, and raises before the size is known."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which cannot change a pixel
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _refuse_large(image: Image.Image, name: str, max_megapixels: float) -> None:
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise UserError(
            f"{name} has {width}x{height} px, {width * height / 1e6:.1f} megapixels, where {max_megapixels:g} are "
            "allowed: give a smaller picture, or raise max_megapixels."
        )


def _refuse_pages(image: Image.Image, name: str) -> None:
    frames: int = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == _MPO:
        return
    if not isinstance(image, TiffImageFile):
        raise UserError(f"{name} is an animation of {frames} pictures: save the one to restore as a file of its own.")
    pages = 1
    for index in range(1, frames):
        image.seek(index)
        pages += not image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED  # thumbnails are no pages
    image.seek(0)
    if pages > 1:
        raise UserError(f"{name} has {pages} pages: save those to restore as files of their own.")


def _picture(image: Image.Image, path: Path) -> Picture:
    image.load()  # a TIFF is turned upright by it, and forgets its orientation
    name = printable(str(path))
    pixels, alpha = _decoded(image, path)
    stored = orientation(image)
    turned = upright(pixels, stored)
    return Picture(
        pixels=np.ascontiguousarray(turned),
        alpha=None if alpha is None else np.ascontiguousarray(upright(alpha, stored)),
        format="JPEG" if image.format == _MPO else str(image.format),
        metadata=read_metadata(image, name, turned=stored in (5, 6, 7, 8)),
        compression=_compression(image, path),
    )


def _decoded(image: Image.Image, path: Path) -> tuple[Levels, Levels | None]:
    """Return the pixels and the alpha of a loaded picture as they are stored."""
    if image.mode in GRAY_16_BIT_MODES:
        levels = gray_of_16_bits(image)
        transparent = image.info.get("transparency")  # one level of a PNG that stands for nothing
        return levels, None if transparent is None else np.where(levels == transparent, 0, 65535).astype(np.uint16)
    if image.mode == "CMYK":
        raise UserError(
            f"{printable(str(path))} has the CMYK colours of a print: convert it to RGB, and give that file."
        )
    if image.mode not in _GRAY_MODES | _COLOUR_MODES:
        reason = UNUSABLE_MODES.get(image.mode, f"has colours of an unknown kind (mode {image.mode})")
        raise UserError(f"{printable(str(path))} {reason}: {_PLAIN}.")
    if _bits(image, path) == 16:
        return _decoded_by_opencv(image, path)
    kind = "L" if image.mode in _GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return np.asarray(image.convert(kind)), None
    with_alpha = np.asarray(image.convert(f"{kind}A"))
    pixels = with_alpha[..., 0] if kind == "L" else with_alpha[..., :3]
    return pixels, with_alpha[..., -1]


def _bits(image: Image.Image, path: Path) -> int:
    """Return the bits of a channel in the file, of which Pillow gives 8."""
    if image.format == "PNG":
        return _byte(path, _PNG_BIT_DEPTH)
    return max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) if isinstance(image, TiffImageFile) else 8


def _byte(path: Path, place: int) -> int:
    with path.open("rb") as file:
        file.seek(place)
        return file.read(1)[0]


def _decoded_by_opencv(image: Image.Image, path: Path) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Decode colours of 16 bits, of which Pillow keeps the upper 8.

    These are compared: what OpenCV misreads, such as a TIFF of separate planes, is refused.
    """
    import cv2  # here: few pictures need it

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it would name each unknown tag
    try:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)
    upper = np.asarray(image)
    if stored is None or not _agree(stored, upper):
        raise UserError(
            f"{printable(str(path))} holds its 16-bit colours in an unusual way: save it as a 16-bit PNG, "
            "and give that file."
        )
    levels = stored.astype(np.uint16, copy=False)
    is_gray = image.format == "PNG" and _byte(path, _PNG_COLOUR_TYPE) == _PNG_GRAY_WITH_ALPHA
    has_alpha = upper.shape[2] == 4 or "transparency" in image.info
    return levels[..., 0] if is_gray else levels[..., 2::-1], levels[..., 3] if has_alpha else None


def _agree(stored: NDArray[Any], upper: NDArray[np.uint8]) -> bool:
    """Tell whether blue, green, red and alpha of 16 bits have the upper bits of red, green, blue and alpha."""
    if stored.dtype != np.uint16 or stored.ndim != 3 or stored.shape[:2] != upper.shape[:2]:
        return False
    order = (2, 1, 0, 3)[: upper.shape[2]]
    return stored.shape[2] > max(order) and all(
        np.array_equal(stored[..., place] >> 8, upper[..., channel]) for channel, place in enumerate(order)
    )


def _compression(image: Image.Image, path: Path) -> Compression:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
        subsampling = JpegImagePlugin.get_sampling(image)  # -1 for gray and for unusual ones
        return Compression(lossless=False, jpeg_tables=tables or None, jpeg_subsampling=max(subsampling, 0))
    return Compression(lossless=image.format != "WEBP" or _is_lossless_webp(path))


def _is_lossless_webp(path: Path) -> bool:
    """Tell whether a WebP holds a chunk of exact pixels; Pillow does not."""
    with path.open("rb") as file:
        file.seek(_WEBP_START)
        while len(header := file.read(8)) == 8:
            if header[:4] == b"VP8L":
                return True
            size = int.from_bytes(header[4:], "little")
            file.seek(size + size % 2, 1)
    return False
