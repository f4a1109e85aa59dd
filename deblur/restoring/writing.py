"""Write a picture in the format that its name asks for, with what was kept of its file."""

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deblur.data.images import printable
from deblur.errors import UserError
from deblur.files import write_bytes
from deblur.restoring.encoding import encode_png_16, encode_tiff
from deblur.restoring.metadata import prefixed, tiff_tags
from deblur.restoring.pictures import Levels, Picture, output_format, refuse_unfit

_LOSSY_QUALITY: Final = 95  # of 100, for what has no quality of its own to keep
_JPEG_SEGMENT_BYTES: Final = 65_533
_JPEG_XMP_PREFIX: Final = b"http://ns.adobe.com/xap/1.0/\0"

_log = logging.getLogger(__name__)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture in one move: nobody sees half of it, and nothing stays of it where writing fails.

    PNG and TIFF hold the pixels exactly, and so does WebP, unless they come from a lossy file. A JPEG that was a JPEG
    keeps its quantisation tables and chroma subsampling; other lossy files have a quality of 95, in JPEG with full
    chroma (4:4:4). A gray picture becomes a colour one in WebP. An alpha that is opaque everywhere is left out where
    the format has none. Metadata that the format cannot hold are left out and logged.

    Args:
        path: File to write; its folder is made.
        picture: What to write.

    Raises:
        UserError: The suffix is unknown, the format cannot hold the picture (see `refuse_unfit`), or the file cannot be
            written.
    """
    refuse_unfit(picture, path)
    file_format = output_format(path)
    name = f"output={printable(str(path))}"
    _name_losses(picture, file_format, name)
    try:
        content = _ENCODERS[file_format](picture)
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be encoded as {file_format} ({error}): name a .png file instead.") from error
    try:
        write_bytes(path, content)
    except OSError as error:
        raise UserError(
            f"{name} cannot be written ({error.strerror}): name a folder where you may write and where there is space."
        ) from error


def _encode_png(picture: Picture) -> bytes:
    metadata, text = picture.metadata, PngInfo()
    if metadata.xmp:
        text.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode(errors="replace"))
    options = _options(
        pnginfo=text if metadata.xmp else None, exif=metadata.exif, icc_profile=metadata.icc_profile, dpi=metadata.dpi
    )
    if picture.pixels.dtype == np.uint16:
        return encode_png_16(_with_alpha(picture).astype(np.uint16, copy=False), **options)
    return _encoded(_with_alpha(picture), "PNG", options)


def _encode_tiff(picture: Picture) -> bytes:
    return encode_tiff(_with_alpha(picture), tiff_tags(picture.metadata), picture.metadata.dpi)


def _encode_webp(picture: Picture) -> bytes:
    metadata = picture.metadata
    options = _options(exif=prefixed(metadata.exif), icc_profile=metadata.icc_profile, xmp=metadata.xmp)
    # `exact` keeps the colours of pixels that are not seen.
    quality = {"lossless": True, "exact": True} if picture.compression.lossless else {"quality": _LOSSY_QUALITY}
    return _encoded(_with_alpha(picture), "WEBP", options | quality)


def _encode_jpeg(picture: Picture) -> bytes:
    metadata, compression = picture.metadata, picture.compression
    options = _options(
        exif=prefixed(metadata.exif) if _fits_in_jpeg(metadata.exif) else None,
        xmp=metadata.xmp if _fits_in_jpeg(metadata.xmp) else None,
        icc_profile=metadata.icc_profile,
        dpi=metadata.dpi,
    )
    if compression.jpeg_tables:
        options |= {"qtables": compression.jpeg_tables, "subsampling": compression.jpeg_subsampling}
    else:
        options |= {"quality": _LOSSY_QUALITY, "subsampling": 0}
    return _encoded(picture.pixels, "JPEG", options)


def _encode_bmp(picture: Picture) -> bytes:
    return _encoded(picture.pixels, "BMP", _options(dpi=picture.metadata.dpi))


_ENCODERS: Final[dict[str, Callable[[Picture], bytes]]] = {
    "PNG": _encode_png,
    "TIFF": _encode_tiff,
    "WEBP": _encode_webp,
    "JPEG": _encode_jpeg,
    "BMP": _encode_bmp,
}


def _encoded(pixels: Levels, file_format: str, options: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    is_gray = pixels.ndim == 3 and pixels.shape[2] == 1
    Image.fromarray(pixels[..., 0] if is_gray else pixels).save(content, file_format, **options)
    return content.getvalue()


def _with_alpha(picture: Picture) -> Levels:
    """Return the channels of a picture and its alpha as (H, W, C)."""
    channels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[..., None]
    return channels if picture.alpha is None else np.concatenate([channels, picture.alpha[..., None]], axis=-1)


def _options(**options: Any) -> dict[str, Any]:
    """Return the options that say something."""
    return {key: value for key, value in options.items() if value}


def _fits_in_jpeg(metadata: bytes | None) -> bool:
    return metadata is None or len(metadata) + len(_JPEG_XMP_PREFIX) <= _JPEG_SEGMENT_BYTES


def _name_losses(picture: Picture, file_format: str, name: str) -> None:
    """Log what the format cannot hold of the metadata."""
    metadata = picture.metadata
    lost = []
    if file_format == "BMP":
        kept = {"EXIF": metadata.exif, "XMP": metadata.xmp, "the colour profile": metadata.icc_profile}
        lost = [kind for kind, value in kept.items() if value]
    elif file_format == "WEBP" and metadata.dpi:
        lost = ["the resolution"]
    elif file_format == "JPEG":
        lost = [kind for kind, value in (("EXIF", metadata.exif), ("XMP", metadata.xmp)) if not _fits_in_jpeg(value)]
    if lost:
        _log.warning("%s: %s cannot hold %s of the picture, left out", name, file_format, " and ".join(lost))
