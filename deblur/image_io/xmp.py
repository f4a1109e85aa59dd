"""XMP of an upright, restored copy: without references to lost parts of the file."""

import re
from collections.abc import Iterator
from typing import Final
from xml.dom import minidom
from xml.dom.minidom import Element, Node
from xml.parsers.expat import ExpatError

_ANY: Final = None

# By namespace, the names that need data behind the image, or that show the old image; None for all names
_BOUND: Final[dict[str, tuple[str, ...] | None]] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": _ANY,
    "http://ns.apple.com/HDRGainMap/1.0/": _ANY,
    "http://ns.apple.com/pixeldatainfo/1.0/": _ANY,
    "http://ns.google.com/photos/1.0/container/": _ANY,
    "http://ns.google.com/photos/1.0/container/item/": _ANY,
    "http://ns.google.com/photos/dd/1.0/container/": _ANY,
    "http://ns.google.com/photos/dd/1.0/device/": _ANY,
    "http://ns.google.com/photos/1.0/camera/": ("MotionPhoto", "MicroVideo"),
    "http://ns.adobe.com/xap/1.0/": ("Thumbnails",),
}
# The same for the extension of XMP in a JPEG
_IN_EXTENSION: Final[dict[str, tuple[str, ...] | None]] = {
    "http://ns.adobe.com/xmp/note/": ("HasExtendedXMP",),
    "http://ns.google.com/photos/1.0/depthmap/": _ANY,
    "http://ns.google.com/photos/1.0/image/": _ANY,
    "http://ns.google.com/photos/1.0/audio/": _ANY,
}
_LARGEST: Final = 2**23  # bytes: 8 MiB
_DECLARATIONS: Final = "http://www.w3.org/2000/xmlns/"
_AREA: Final = "http://ns.adobe.com/xmp/sType/Area#"  # of a face, in parts of width and height

_ASSIGNED: Final = rb"\s*(?:=\s*[\"']|>)\s*"
_ORIENTATION: Final = re.compile(rb"(tiff:Orientation" + _ASSIGNED + rb")\d+")
_SIZES: Final = (
    re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)" + _ASSIGNED + rb")\d+"),
    re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)" + _ASSIGNED + rb")\d+"),
)
_RESOLUTIONS: Final = re.compile(rb"tiff:([XY])Resolution")


def corrected_xmp(xmp: bytes, orientation: int, *, is_turned: bool) -> bytes | None:
    """Return the XMP of upright pixels, without thumbnails and references to data behind the image.

    Args:
        xmp: XMP in UTF-8.
        orientation: of the stored pixels.
        is_turned: whether by a quarter, so that the resolutions change places.

    Returns:
        None if something has to be left out, and the XMP is no XML.
    """
    if _mentions(xmp, _BOUND) or (orientation != 1 and _AREA.encode() in xmp):
        cleaned = _without(xmp, _BOUND, orientation)
        if cleaned is None:
            return None
        xmp = cleaned
    xmp = _ORIENTATION.sub(rb"\g<1>1", xmp)
    if is_turned:
        xmp = _RESOLUTIONS.sub(lambda found: b"tiff:%sResolution" % {b"X": b"Y", b"Y": b"X"}[found[1]], xmp)
    return xmp


def without_extension(xmp: bytes) -> bytes | None:
    """Return XMP without references to its extension; None if it is no XML."""
    return _without(xmp, _IN_EXTENSION, 1) if _mentions(xmp, _IN_EXTENSION) else xmp


def sized_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Return XMP with the size of the written image, if it states a size."""
    for pattern, value in zip(_SIZES, (width, height), strict=True):
        xmp = pattern.sub(rb"\g<1>%d" % value, xmp)
    return xmp


def _mentions(xmp: bytes, bound: dict[str, tuple[str, ...] | None]) -> bool:
    """Return whether bound names may occur; XMP without them keeps every byte."""
    return any(
        space.encode() in xmp and (names is None or any(name.encode() in xmp for name in names))
        for space, names in bound.items()
    )


def _without(xmp: bytes, bound: dict[str, tuple[str, ...] | None], orientation: int) -> bytes | None:
    # Entities, which XMP does not need, can fill the memory.
    if b"<!DOCTYPE" in xmp or b"<!ENTITY" in xmp or len(xmp) > _LARGEST:
        return None
    try:
        document = minidom.parseString(xmp.strip(b"\0 \t\r\n"))
        for element in list(_elements(document)):
            _clean(element, bound)
        if orientation != 1:
            for element in _elements(document):
                _turn_area(element, orientation)
        return b"".join(str(node.toxml()).encode() for node in document.childNodes)
    except (ExpatError, ValueError, RecursionError):
        return None


def _elements(node: Node) -> Iterator[Element]:
    for child in list(node.childNodes):
        if child.nodeType == Node.ELEMENT_NODE:
            yield child
            yield from _elements(child)


def _clean(element: Element, bound: dict[str, tuple[str, ...] | None]) -> None:
    """Remove bound attributes of an element and bound elements within it."""
    for (space, name), attribute in list(element.attributes.itemsNS()):
        value = attribute if isinstance(attribute, str) else attribute.value
        if _is_bound(bound, space, name) or (
            space == _DECLARATIONS and bound.get(value, ()) is _ANY and value in bound
        ):
            element.removeAttributeNS(space, name)
    for child in list(element.childNodes):
        if child.nodeType == Node.ELEMENT_NODE and _is_bound(bound, child.namespaceURI, child.localName):
            element.removeChild(child)


def _is_bound(bound: dict[str, tuple[str, ...] | None], space: str | None, name: str) -> bool:
    if space not in bound:
        return False
    names = bound[space]
    return names is None or name.startswith(names)


def _turn_area(element: Element, orientation: int) -> None:
    """Turn the center and the sides of an area, which are fractions of the stored width and height."""
    values = {name: element.getAttributeNS(_AREA, name) for name in ("x", "y", "w", "h")}
    try:
        x, y = float(values["x"]), float(values["y"])
    except ValueError:
        return
    swapped = orientation in (5, 6, 7, 8)
    if swapped:
        x, y = y, x
    if orientation in (3, 4, 7, 8):
        y = 1 - y
    if orientation in (2, 3, 6, 7):
        x = 1 - x
    sides = (values["h"], values["w"]) if swapped else (values["w"], values["h"])
    for name, value in zip(("x", "y", "w", "h"), (f"{x:.6g}", f"{y:.6g}", *sides), strict=True):
        if values[name]:
            attribute = element.getAttributeNodeNS(_AREA, name)
            if attribute is not None:
                attribute.value = value
