"""Write an image in the format of its name, with the metadata of its file."""

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.errors import UserError
from deblur.files import write_output
from deblur.image_io.decoding import printable
from deblur.image_io.formats import jpeg
from deblur.image_io.formats import tiff_directories as tiff
from deblur.image_io.formats.exif import EXIF_PREFIX, resolution_in, sized_exif, tags_of
from deblur.image_io.formats.metadata import (
    IPTC,
    METERS_PER_INCH,
    UNITS,
    ColorSpace,
    Metadata,
    Resolution,
    resource_blocks,
    without_warnings,
)
from deblur.image_io.formats.png import SIGNATURE, XMP_KEYWORD, chunks
from deblur.image_io.images import DecodedImage, Levels, output_format, refuse_unfit
from deblur.image_io.profiles import fitting_profile
from deblur.image_io.xmp import sized_xmp, without_extension

_LOSSY_QUALITY: Final = 95  # of 100, for pixels without a quality to keep
_BLOCK_BYTES: Final = 2**20  # compressed at once
_SEGMENT_BYTES: Final = 65_533  # of data in a segment of a JPEG
_EXTENDED_PART: Final = _SEGMENT_BYTES - len(jpeg.EXTENDED_XMP_PREFIX) - jpeg.EXTENDED_XMP_HEADER.size
_ICC_PART: Final = _SEGMENT_BYTES - len(jpeg.ICC_PREFIX) - 2
_COARSEST_STEP: Final = 255  # of the quantization of a baseline JPEG
_JFIF_UNIT: Final = 13  # place of the unit of the resolution in a JPEG, before its values
_JFIF_UNITS: Final = {None: 0, "inch": 1, "cm": 2}
_MATRIX_OF_BT2020: Final = 9  # in ITU-T H.273, for images of other primaries
_COMMENT: Final = b"Comment"  # keyword of a PNG's text
_IDENTITY_OF_EXTENSION: Final = re.compile(rb"HasExtendedXMP\W{1,4}([0-9A-Fa-f]{32})")
_LARGEST_DENSITY: Final = 65_535  # of a JPEG
_NO_RESOLUTION: Final = (0, 0)  # of a BMP, for which Pillow would invent one
_PNG_COLOR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_PNG_LEFT: Final = 1  # the filter that stores a pixel's difference from the one to its left
_DEFLATE, _LEFT_DIFFERENCE, _INTERLEAVED, _STRAIGHT_ALPHA = 8, 2, 1, 2  # values of tags of TIFF
_TIFF_UNITS: Final = {unit: number for number, unit in UNITS.items()}

# Formats that have no place for a kind of metadata
_COLOR_ALONE: Final = ("WEBP", "AVIF")
_NO_RESOLUTIONS: Final = ("WEBP", "AVIF", "HEIF")
_IPTC_HOLDERS: Final = ("JPEG", "TIFF")


def write_image(path: Path, image: DecodedImage) -> tuple[str, ...]:
    """Write an image in one move: the file is never incomplete, and none is left if writing fails.

    PNG and TIFF hold the pixels exactly, and so does WebP, unless they come from a lossy file. A JPEG that was a JPEG
    keeps its quantization tables and chroma subsampling; other lossy files have a quality of 95, with full chroma
    (4:4:4). A gray image becomes a color one in WebP and AVIF. An alpha that is opaque everywhere is left out if
    the format has none.

    Args:
        path: File to write; its folder is made.
        image: The image.

    Returns:
        Parts of the file that was read that the copy does not hold: `the IPTC records, which WEBP cannot hold`.

    Raises:
        UserError: The suffix is unknown, the format cannot hold the image (see `refuse_unfit`), or the file cannot be
            written.
    """
    refuse_unfit(image, path)
    return write_fitting(path, image)


def write_fitting(path: Path, image: DecodedImage) -> tuple[str, ...]:
    """Write an image for which `refuse_unfit` has been called; see `write_image`."""
    file_format = output_format(path)
    name = printable(str(path))
    try:
        job = _job(image, file_format)
        content = _ENCODERS[file_format](job)
    # Such as Pillow's ValueError for a side that is too long, and struct.error for numbers beyond 32 bits.
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        raise UserError(f"{name} cannot be encoded as {file_format} ({error}): name a .png file instead.") from error
    try:
        write_output(path, content)
    except OSError as error:
        raise UserError(
            f"{name} cannot be written ({error.strerror}): name a folder where you may write and where there is space."
        ) from error
    return tuple(job.lost)


class _Job(NamedTuple):
    """An image with the metadata and the channels of its copy."""

    image: DecodedImage
    metadata: Metadata
    channels: Levels  # (H, W, C)
    lost: list[str]  # metadata that the copy cannot hold; encoders add theirs


def _job(image: DecodedImage, file_format: str) -> _Job:
    """Prepare the channels and the metadata of a copy."""
    metadata, (height, width) = image.metadata, image.pixels.shape[:2]
    channels = image.pixels.reshape(height, width, -1)
    if image.alpha is not None and file_format not in ("JPEG", "BMP"):
        channels = np.concatenate([channels, image.alpha[..., None]], axis=-1)
    unheld: list[str] = []
    lost = list(metadata.lost)
    was_gray = image.pixels.ndim == 2
    keeps_color = file_format == "PNG"
    color = None if keeps_color else metadata.color
    is_gray = was_gray and file_format not in _COLOR_ALONE
    profile, unfit = fitting_profile(metadata.icc_profile, color, was_gray=was_gray, is_gray=is_gray)
    lost += [unfit] if unfit else []
    changes: dict[str, Any] = {"icc_profile": profile, "color": metadata.color if keeps_color else None}
    if metadata.exif:
        changes["exif"] = sized_exif(metadata.exif, (width, height))
    if metadata.xmp:
        changes["xmp"] = sized_xmp(metadata.xmp, width, height)
        if metadata.xmp_extension and file_format != "JPEG":
            changes |= {"xmp": without_extension(changes["xmp"]), "xmp_extension": None}
            unheld.append("the extension of the XMP")
    if file_format == "BMP":
        named = {"exif": "the EXIF", "xmp": "the XMP", "icc_profile": "the color profile"}
        held = {key: changes.get(key, getattr(metadata, key)) for key in named}
        unheld += [what for key, what in named.items() if held[key]]
        changes |= dict.fromkeys(named)
    if metadata.photoshop and file_format not in _IPTC_HOLDERS:
        is_iptc = any(number == IPTC for number, _ in metadata.photoshop)
        unheld.append("the IPTC records" if is_iptc else "the rights of Photoshop")
    resolution = metadata.resolution
    if resolution and (file_format in _NO_RESOLUTIONS or (file_format == "BMP" and resolution.unit is None)):
        changes["resolution"] = None
        if file_format == "BMP" or resolution_in(metadata.exif) is None:
            unheld.append("the resolution" if resolution.unit else "the shape of a pixel")
    if metadata.comments and file_format not in ("JPEG", "PNG"):
        unheld.append("the comment")
    if metadata.texts and file_format != "PNG":
        names = [data.partition(b"\0")[0].decode("latin-1") for _, data in metadata.texts]
        others = [name for name in dict.fromkeys(names) if name != _COMMENT.decode() or file_format != "JPEG"]
        unheld += [f"the text {printable(name)!r}" for name in others]
    lost += [f"{what}, which {file_format} cannot hold" for what in unheld]
    return _Job(image, replace(metadata, **changes), channels, lost)


def _encode_png(job: _Job) -> bytes:
    metadata = job.metadata
    described = _color_chunks(metadata)
    if metadata.resolution:
        described.append((b"pHYs", _per_meter(metadata.resolution)))
    if metadata.exif:
        described.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        described.append((b"iTXt", XMP_KEYWORD + bytes(5) + metadata.xmp))
    described += [(b"tEXt", _COMMENT + b"\0" + comment.replace(b"\0", b"")) for comment in metadata.comments]
    described += metadata.texts
    return _png_of(job.channels, described)


def _color_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Return kinds and data of the chunks of a PNG's color space."""
    color = metadata.color or ColorSpace()
    found: list[tuple[bytes, bytes]] = []
    if color.cicp is not None:
        found.append((b"cICP", bytes(color.cicp)))
    if metadata.icc_profile:
        found.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc_profile)))
    elif color.intent is not None:
        found.append((b"sRGB", bytes([color.intent])))
    if color.gamma is not None:
        found.append((b"gAMA", struct.pack(">I", round(color.gamma * 100_000))))
    if color.chromaticities is not None:
        found.append((b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in color.chromaticities))))
    if color.mastering is not None:
        found.append((b"mDCV", color.mastering))
    if color.light is not None:
        found.append((b"cLLI", color.light))
    return found


def _per_meter(resolution: Resolution) -> bytes:
    per_inch = resolution.per_inch
    if per_inch is None:
        return struct.pack(">IIB", *_whole_ratio(resolution), 0)
    return struct.pack(">IIB", *(round(value / METERS_PER_INCH) for value in per_inch), 1)


def _whole_ratio(resolution: Resolution) -> tuple[int, int]:
    """Return two whole numbers of 16 bits in the ratio of a resolution."""
    values = (resolution.across, resolution.down)
    if all(value == round(value) for value in values):
        return round(values[0]), round(values[1])
    factor = 10_000 / max(values)
    return max(1, round(values[0] * factor)), max(1, round(values[1] * factor))


def _encode_tiff(job: _Job) -> bytes:
    metadata = job.metadata
    tags: dict[int, Any] = {}
    if metadata.exif:
        try:
            tags, lost = tags_of(metadata.exif)
            job.lost.extend(lost)
        except Exception as error:  # of wrongly written metadata
            job.lost.append(f"the EXIF, which is damaged ({error})")
    resources = dict(metadata.photoshop)
    further = {
        tiff.XMP: metadata.xmp,
        tiff.ICC_PROFILE: metadata.icc_profile,
        tiff.IPTC: resources.pop(IPTC, None),
        tiff.PHOTOSHOP: resource_blocks(tuple(resources.items())),
    }
    tags |= {tag: value for tag, value in further.items() if value}
    return encode_tiff(job.channels, tags, metadata.resolution)


def _encode_webp(job: _Job) -> bytes:
    # `exact` keeps the colors of transparent pixels.
    is_lossless = job.image.compression.lossless
    quality = {"lossless": True, "exact": True} if is_lossless else {"quality": _LOSSY_QUALITY}
    return _by_pillow(job.channels, "WEBP", _described(job.metadata) | quality)


def _encode_avif(job: _Job) -> bytes:
    quality = {"quality": _LOSSY_QUALITY, "subsampling": "4:4:4"}
    described = _described(job.metadata)
    try:
        with without_warnings():  # of EXIF, which Pillow reads
            return _by_pillow(job.channels, "AVIF", described | quality)
    except Exception as error:  # of wrongly written metadata
        if described.pop("exif", None) is None:
            raise
        content = _by_pillow(job.channels, "AVIF", described | quality)
        job.lost.append(f"the EXIF, which is damaged ({error})")
        return content


def _encode_heif(job: _Job) -> bytes:
    import pillow_heif  # here: few images need it

    channels = job.channels
    height, width, count = channels.shape
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[count] + (";16" if channels.dtype == np.uint16 else "")
    options = _described(job.metadata) | {"quality": _LOSSY_QUALITY, "chroma": 444}
    color = job.image.metadata.color
    if color and color.cicp:
        names = ("color_primaries", "transfer_characteristics")
        options |= dict(zip(names, color.cicp[:2], strict=True)) | {"matrix_coefficients": _MATRIX_OF_BT2020}
    content = io.BytesIO()
    pillow_heif.encode(mode, (width, height), np.ascontiguousarray(channels).tobytes(), content, **options)
    return content.getvalue()


def _encode_jpeg(job: _Job) -> bytes:
    metadata, compression = job.metadata, job.image.compression
    options: dict[str, Any] = {"extra": _jpeg_segments(metadata, job.lost)}
    if compression.jpeg_tables:
        tables = [[min(step, _COARSEST_STEP) for step in table] for table in compression.jpeg_tables]
        options |= {"qtables": tables, "subsampling": compression.jpeg_subsampling}
    else:
        options |= {"quality": _LOSSY_QUALITY, "subsampling": 0}
    content = bytearray(_by_pillow(job.channels, "JPEG", options))
    resolution = metadata.resolution
    if resolution:
        values = (round(resolution.across), round(resolution.down)) if resolution.unit else _whole_ratio(resolution)
        if all(0 < value <= _LARGEST_DENSITY for value in values):
            struct.pack_into(">BHH", content, _JFIF_UNIT, _JFIF_UNITS[resolution.unit], *values)
        else:
            job.lost.append("the resolution, which JPEG cannot hold")
    return bytes(content)


def _jpeg_segments(metadata: Metadata, lost: list[str]) -> bytes:
    """Return the segments of a JPEG's metadata, and add the names of those that do not fit."""
    found: list[tuple[int, bytes]] = []
    xmp = metadata.xmp
    texts = [data.partition(b"\0") for kind, data in metadata.texts if kind == b"tEXt"]
    comments = (*metadata.comments, *(text for keyword, _, text in texts if keyword == _COMMENT))
    single = [
        (0xE1, EXIF_PREFIX, metadata.exif, "the EXIF"),
        (0xE1, jpeg.XMP_PREFIX, xmp, "the XMP"),
        (0xED, jpeg.PHOTOSHOP_PREFIX, resource_blocks(metadata.photoshop), "the IPTC records"),
        *((0xFE, b"", comment, "the comment") for comment in comments),
    ]
    for marker, prefix, data, what in single:
        if data and len(prefix) + len(data) > _SEGMENT_BYTES:
            lost.append(f"{what}, which JPEG cannot hold")
        elif data:
            found.append((marker, prefix + data))
    extension = metadata.xmp_extension or b""
    identity = _IDENTITY_OF_EXTENSION.search(xmp or b"")
    if identity and (0xE1, jpeg.XMP_PREFIX + (xmp or b"")) in found:
        for place in range(0, len(extension), _EXTENDED_PART):
            header = jpeg.EXTENDED_XMP_HEADER.pack(identity[1], len(extension), place)
            found.append((0xE1, jpeg.EXTENDED_XMP_PREFIX + header + extension[place : place + _EXTENDED_PART]))
    profile = metadata.icc_profile or b""
    parts = [profile[place : place + _ICC_PART] for place in range(0, len(profile), _ICC_PART)]
    found += [(0xE2, jpeg.ICC_PREFIX + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, 1)]
    return b"".join(bytes([0xFF, marker]) + struct.pack(">H", 2 + len(data)) + data for marker, data in found)


def _encode_bmp(job: _Job) -> bytes:
    return _by_pillow(job.channels, "BMP", {"dpi": job.metadata.dpi or _NO_RESOLUTION})


_ENCODERS: Final[dict[str, Callable[[_Job], bytes]]] = {
    "PNG": _encode_png,
    "TIFF": _encode_tiff,
    "WEBP": _encode_webp,
    "JPEG": _encode_jpeg,
    "BMP": _encode_bmp,
    "AVIF": _encode_avif,
    "HEIF": _encode_heif,
}


def _described(metadata: Metadata) -> dict[str, Any]:
    """Return metadata as the encoders of WebP, AVIF and HEIC take them."""
    exif = EXIF_PREFIX + metadata.exif if metadata.exif else None
    described = {"exif": exif, "xmp": metadata.xmp, "icc_profile": metadata.icc_profile}
    return {key: value for key, value in described.items() if value}


def _by_pillow(channels: Levels, file_format: str, options: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(channels[..., 0] if channels.shape[2] == 1 else channels)
    image.save(content, file_format, **options)
    return content.getvalue()


def _png_of(pixels: Levels, described: list[tuple[bytes, bytes]]) -> bytes:
    """Encode a PNG of 8 or 16 bits a channel (H, W, C), with further chunks before the pixels."""
    further = [_png_chunk(kind, data) for kind, data in described]
    if pixels.dtype == np.uint16:
        height, width, channels = pixels.shape
        header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOR_TYPES[channels], 0, 0, 0)
        data = [_png_chunk(b"IDAT", block) for block in _png_data(pixels.astype(np.uint16, copy=False))]
        return b"".join([SIGNATURE, _png_chunk(b"IHDR", header), *further, *data, _png_chunk(b"IEND", b"")])
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
    header_chunk, *others = [chunk.stored for chunk in chunks(content.getvalue())]
    return b"".join([SIGNATURE, header_chunk, *further, *others])


def encode_tiff(pixels: Levels, tags: dict[int, Any], resolution: Resolution | None) -> bytes:
    """Encode a TIFF of 8 or 16 bits a channel (H, W, C), without loss; folders in `tags` are dictionaries."""
    height, width, channels = pixels.shape
    has_alpha, is_color = channels in (2, 4), channels >= 3
    rows = max(1, _BLOCK_BYTES // (width * channels * pixels.itemsize))
    strips = [_tiff_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    with without_warnings():  # of odd tags
        directory = ImageFileDirectory_v2(prefix=b"II")
        for tag, value in tags.items():
            directory[tag] = value
        directory[tiff.WIDTH], directory[tiff.HEIGHT] = width, height
        directory[tiff.SAMPLES], directory[tiff.BITS] = channels, (8 * pixels.itemsize,) * channels
        directory[tiff.PHOTOMETRIC] = tiff.RGB if is_color else tiff.BLACK_IS_ZERO
        if has_alpha:
            directory[tiff.EXTRA_SAMPLES] = _STRAIGHT_ALPHA
        directory[tiff.COMPRESSION], directory[tiff.PREDICTOR], directory[tiff.PLANES] = (
            _DEFLATE,
            _LEFT_DIFFERENCE,
            _INTERLEAVED,
        )
        if resolution is not None:
            directory[tiff.ACROSS], directory[tiff.DOWN] = resolution.across, resolution.down
            directory[tiff.UNIT] = _TIFF_UNITS[resolution.unit]
        directory[tiff.ROWS_PER_STRIP], directory[tiff.STRIP_BYTES] = min(rows, height), tuple(sizes)
        # The places of the strips are relative to the end of the tags: Pillow adds that place.
        directory[tiff.STRIP_OFFSETS] = tuple(int(place) for place in np.cumsum([0, *sizes[:-1]]))
        content = io.BytesIO()
        directory.save(content)
    return b"".join([content.getvalue(), *strips])


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_data(pixels: NDArray[np.uint16]) -> Iterator[bytes]:
    """Yield the compressed rows in parts; each row is filtered, byte by byte."""
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
