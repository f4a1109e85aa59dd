"""What an image's copy says beside its pixels: true of the copy, and fit for its format."""

from dataclasses import replace
from typing import Final

from deblur.image_io.formats.exif import Size, corrected_exif, resolution_in
from deblur.image_io.formats.metadata import Metadata, Resolution, Unit, resolution_of
from deblur.image_io.orientation import QUARTERS
from deblur.image_io.xmp import corrected_xmp

_UNITS: Final[dict[int, Unit | None]] = {1: None, 2: "inch", 3: "cm"}


def corrected_metadata(metadata: Metadata, orientation: int, stored: Size) -> Metadata:
    """Return what is still true of an image whose pixels have been turned upright.

    Args:
        metadata: of its file.
        orientation: that the pixels had.
        stored: size before they were turned.

    Returns:
        The metadata; what is damaged is left out and named in `lost`.
    """
    is_turned = orientation in QUARTERS
    lost = list(metadata.lost)
    exif, xmp = metadata.exif, metadata.xmp
    resolution = metadata.resolution or _resolution_in(exif)
    if exif is not None:
        try:
            exif = corrected_exif(exif, orientation, stored)
        except ValueError as error:
            exif = None
            lost.append(f"the EXIF, which is damaged ({error})")
    if xmp is not None:
        xmp = corrected_xmp(xmp, orientation, is_turned=is_turned)
        if xmp is None:
            lost.append("the XMP, which is damaged")
    return replace(
        metadata,
        exif=exif,
        xmp=xmp,
        xmp_extension=metadata.xmp_extension if xmp else None,
        resolution=resolution.turned() if resolution and is_turned else resolution,
        lost=tuple(lost),
    )


def _resolution_in(exif: bytes | None) -> Resolution | None:
    found = resolution_in(exif) if exif else None
    return resolution_of(found[0], found[1], _UNITS.get(found[2], "inch")) if found else None
