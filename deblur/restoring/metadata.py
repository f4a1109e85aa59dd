"""What picture files say beside their pixels: taken from one format, fit for another."""

import logging
import re
import struct
import warnings
from typing import Any, Final

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from deblur.data.orientation import ORIENTATION, UPRIGHT
from deblur.restoring.pictures import Metadata

# Tags of TIFF and EXIF
_XMP, _ICC_PROFILE, _EXIF_FOLDER, _GPS_FOLDER, _INTEROPERABILITY_FOLDER = 0x02BC, 0x8773, 0x8769, 0x8825, 0xA005
# Those that describe a picture, not how its file is laid out: description, maker, model, software, date, artist, host,
# rating (two), copyright. A TIFF holds them among its own.
_DESCRIPTIVE_TAGS: Final = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298)
_SHORT: Final = 3  # the type of a tag's value: a whole number of 16 bits
_ENTRY_BYTES: Final = 12  # of a tag
_RESOLUTIONS: Final = (1, 65_535)  # px per inch, that every format can hold

_EXIF_PREFIX: Final = b"Exif\0\0"
_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)\d+")

_log = logging.getLogger(__name__)


def read_metadata(image: Image.Image, name: str, turned: bool) -> Metadata:
    """Take what a loaded picture says beside its pixels.

    Args:
        image: The picture, before it is closed.
        name: Of its file, for messages.
        turned: Whether its pixels are turned by a quarter, so that its two resolutions change places.

    Returns:
        The metadata without what is damaged, which is logged.
    """
    dpi = _resolution(image)
    return Metadata(
        exif=_exif(image, name),
        xmp=_xmp(image),
        icc_profile=image.info.get("icc_profile") or None,
        dpi=(dpi[1], dpi[0]) if dpi and turned else dpi,
    )


def prefixed(exif: bytes | None) -> bytes:
    """Return EXIF as JPEG and WebP want it in Pillow; nothing stays nothing."""
    return _EXIF_PREFIX + exif if exif else b""


def tiff_tags(metadata: Metadata) -> dict[int, Any]:
    """Return the tags of a TIFF that say the same as the metadata; its EXIF becomes dictionaries of tags.

    EXIF with values that cannot be written are left out, which is logged.
    """
    tags: dict[int, Any] = {}
    if metadata.exif:
        try:
            tags = _written_tags(metadata.exif)
        except Exception as error:  # as in `_exif`
            _log.warning("the picture's EXIF is damaged and left out (%s)", error)
    if metadata.xmp:
        tags[_XMP] = metadata.xmp
    if metadata.icc_profile:
        tags[_ICC_PROFILE] = metadata.icc_profile
    return tags


def _written_tags(exif: bytes) -> dict[int, Any]:
    """Return the tags in EXIF; raises anything where a TIFF of them cannot be written."""
    loaded, trial = Image.Exif(), ImageFileDirectory_v2()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded.load(_EXIF_PREFIX + exif)
        tags = _described(loaded)
        for tag, value in tags.items():
            trial[tag] = value
        trial.tobytes()
    return tags


def _exif(image: Image.Image, name: str) -> bytes | None:
    try:
        if isinstance(image, TiffImageFile):
            exif = Image.Exif()
            for tag, value in _described(image.getexif()).items():
                if isinstance(value, dict):
                    exif.get_ifd(tag).update(value)
                else:
                    exif[tag] = value
            return exif.tobytes().removeprefix(_EXIF_PREFIX) if len(exif) or exif.get_ifd(_EXIF_FOLDER) else None
        stored: bytes = image.info.get("exif", b"").removeprefix(_EXIF_PREFIX)
        return _upright_exif(stored) if stored else None
    # Metadata that a camera or an editor wrote wrongly can raise nearly anything, and are no reason to refuse it.
    except Exception as error:
        _log.warning("%s: its EXIF is damaged and left out (%s)", name, error)
        return None


def _upright_exif(exif: bytes) -> bytes:
    """Say in EXIF that the pixels are upright, and let go of the thumbnail, which shows the picture as it was.

    All other bytes stay where they are: what camera makers write refers to places in them.

    Raises:
        ValueError: for what is no EXIF.
    """
    order = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}.get(exif[:4])
    if order is None:
        raise ValueError("no byte order")
    changed = bytearray(exif)
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        end = start + 2 + _ENTRY_BYTES * count
        for place in range(start + 2, end, _ENTRY_BYTES):
            (tag,) = struct.unpack_from(f"{order}H", exif, place)
            if tag == ORIENTATION:
                struct.pack_into(f"{order}HHIHH", changed, place, ORIENTATION, _SHORT, 1, UPRIGHT, 0)
        if end + 4 <= len(exif):
            struct.pack_into(f"{order}I", changed, end, 0)  # where the thumbnail's tags would follow
    except struct.error as error:
        raise ValueError("its tags do not fit in it") from error
    return bytes(changed)


def _described(exif: Image.Exif) -> dict[int, Any]:
    """Return the tags that say something of the picture, with those of the camera and the place in dictionaries."""
    tags = {tag: exif[tag] for tag in _DESCRIPTIVE_TAGS if tag in exif}
    for folder in (_EXIF_FOLDER, _GPS_FOLDER):
        # The tags for interoperability are another folder, whose place in the file would be wrong in a new one.
        inner = {tag: value for tag, value in exif.get_ifd(folder).items() if tag != _INTEROPERABILITY_FOLDER}
        if inner:
            tags[folder] = inner
    return tags


def _xmp(image: Image.Image) -> bytes | None:
    stored = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if stored is None and isinstance(image, TiffImageFile):
        stored = image.tag_v2.get(_XMP)
    xmp = stored.encode() if isinstance(stored, str) else stored
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) and xmp else None


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    lowest, highest = _RESOLUTIONS
    usable = all(lowest <= value <= highest for value in (across, down))
    return (across, down) if usable else None
