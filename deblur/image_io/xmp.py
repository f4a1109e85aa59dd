"""XMP of an image that has been turned upright and restored: without what refers to lost parts of its file."""

import re
from collections.abc import Iterator
from typing import Final
from xml.dom import minidom
from xml.dom.minidom import Element, Node
from xml.parsers.expat import ExpatError

_ANY: Final = None

# By namespace, the names that only make sense with data behind the image, or that show it as it was; None for all
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
# The same for what stands in the extension of XMP in a JPEG
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
    """Say in XMP that the pixels are upright; leave out what refers to data behind the image, and thumbnails.

    Args:
        xmp: XMP in UTF-8.
        orientation: that the pixels had.
        is_turned: whether by a quarter, so that the resolutions change places.

    Returns:
        None for what cannot be read as XML although something has to be left out of it.
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
    """Leave out of XMP what refers to its extension; None for what cannot be read as XML."""
    return _without(xmp, _IN_EXTENSION, 1) if _mentions(xmp, _IN_EXTENSION) else xmp


def sized_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Say the size of the written image where XMP says one."""
    for pattern, value in zip(_SIZES, (width, height), strict=True):
        xmp = pattern.sub(rb"\g<1>%d" % value, xmp)
    return xmp


def _mentions(xmp: bytes, bound: dict[str, tuple[str, ...] | None]) -> bool:
    """Whether bound names may occur, so that others need not be read as XML and keep every byte."""
    return any(
        space.encode() in xmp and (names is None or any(name.encode() in xmp for name in names))
        for space, names in bound.items()
    )


def _without(xmp: bytes, bound: dict[str, tuple[str, ...] | None], orientation: int) -> bytes | None:
    # XMP has no entities of its own, which can fill the memory, and is not as large.
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
    """Turn the center and the sides of an area, which are parts of width and height as stored."""
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
