"""ICC profiles that fit the pixels of a copy, also made from a color space by numbers."""

import math
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.image_io.formats.metadata import ColorSpace

_HEADER: Final = 128  # bytes of a profile before its tags
_SPACE, _CONNECTION, _SIGNATURE = slice(16, 20), slice(20, 24), slice(36, 40)
_GRAY, _RGB = b"GRAY", b"RGB "

_D50: Final = np.array([0.9642, 1.0, 0.8249])
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

# x and y of white, red, green and blue
_SRGB: Final = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_PRIMARIES: Final = {  # by their number in ITU-T H.273
    1: _SRGB,
    4: (0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (0.3127, 0.329, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (0.3127, 0.329, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (0.3127, 0.329, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (0.3127, 0.329, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
_UNSPECIFIED: Final = 2
_NAMES_OF_HDR: Final = {16: "PQ", 18: "HLG"}  # transfer functions that no profile of ours describes

# Transfer functions as parameters of ICC: gamma alone, or gamma, a, b, c and d of its third kind
_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_VIDEO_CURVE: Final = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: Final[dict[int, tuple[float, ...]]] = {
    1: _VIDEO_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: _VIDEO_CURVE,
    8: (1.0,),
    13: _SRGB_CURVE,
    14: _VIDEO_CURVE,
    15: _VIDEO_CURVE,
}
_LIKE_SRGB: Final = frozenset({1, 6, _UNSPECIFIED, 13, 14, 15})  # shown as sRGB by viewers without a profile
_GAMMA_TOLERANCE, _POINT_TOLERANCE = 0.005, 0.002


def fitting_profile(
    profile: bytes | None, color: ColorSpace | None, *, was_gray: bool, is_gray: bool
) -> tuple[bytes | None, str | None]:
    """Return a profile for the pixels that are written.

    Args:
        profile: of the file that was read.
        color: that file's color space by numbers, if the format of the copy does not hold it.
        was_gray: whether gray pixels were read.
        is_gray: whether they are written as such, and not as RGB of three equal channels.

    Returns:
        The profile, None for pixels of sRGB; and the name of what cannot be described by a profile, if any.
    """
    if profile is not None:
        is_profile = len(profile) > _HEADER and profile[_SIGNATURE] == b"acsp"
        if not is_profile:
            return None, "the ICC profile, which is damaged"
        space = profile[_SPACE]
        if space == (_GRAY if is_gray else _RGB):
            return profile, None
        widened = _widened(profile) if space == _GRAY and was_gray else None
        if widened is not None:
            return widened, None
        named = space.decode("latin-1").strip()
        return None, f"the ICC profile, which is one of {named} and not of {'gray' if is_gray else 'RGB'}"
    if color is None or hdr_of(color) is not None:
        return None, None
    if color.cicp is not None and color.cicp[1] not in (*_CURVES, _UNSPECIFIED):
        return None, f"the transfer function {color.cicp[1]} (ITU-T H.273)"
    points, curve = _described(color)
    if points is None and curve is None:
        return None, None
    return _profile(points or _SRGB, curve or _SRGB_CURVE, is_gray=is_gray), None


def hdr_of(color: ColorSpace | None) -> str | None:
    """Return the name of a transfer function of high dynamic range, which no profile describes; None for others."""
    if color is None or color.cicp is None:
        return None
    return _NAMES_OF_HDR.get(color.cicp[1])


def _described(color: ColorSpace) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return white and primaries, and the curve, each None if it is that of sRGB."""
    if color.cicp is not None:
        primaries, transfer, *_ = color.cicp
        if primaries in (1, _UNSPECIFIED) and transfer in _LIKE_SRGB:
            return None, None
        return _PRIMARIES.get(primaries), _CURVES.get(transfer)
    if color.intent is not None:
        return None, None
    points, curve = color.chromaticities, None
    if color.gamma is not None and color.gamma > 0 and not math.isclose(color.gamma, 0.45455, abs_tol=_GAMMA_TOLERANCE):
        curve = (1 / color.gamma,)
    if points is not None and (np.allclose(points, _SRGB, atol=_POINT_TOLERANCE) or not _are_possible(points)):
        points = None
    return points, curve


def _are_possible(points: tuple[float, ...]) -> bool:
    """Return whether white and primaries span a space of colors."""
    if len(points) != 8 or min(points[1::2]) <= 0:
        return False
    return bool(abs(np.linalg.det(_columns(points[2:]))) > 1e-6)


def _columns(points: tuple[float, ...]) -> NDArray[np.float64]:
    """Return X, Y and Z of points of x and y, with Y = 1, as columns."""
    return np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in zip(points[::2], points[1::2], strict=True)]).T


def _profile(points: tuple[float, ...], curve: tuple[float, ...], *, is_gray: bool) -> bytes:
    """Return a profile of a display (ICC.1:2022) of a matrix and one curve."""
    kind = 0 if len(curve) == 1 else 3
    parametric = b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _fixed(curve)
    tags = {b"chad": b"sf32" + bytes(4) + _fixed(_adaptation(points).ravel())}
    if is_gray:
        return _with_tags(tags | {b"kTRC": parametric}, _GRAY)
    return _with_tags(tags | _matrix(points, parametric), _RGB)


def _widened(profile: bytes) -> bytes | None:
    """Return the RGB profile whose equal channels look as in a gray profile; None if that has no curve."""
    curve = _tag(profile, b"kTRC") if profile[_CONNECTION] == b"XYZ " else None
    return None if curve is None else _with_tags(_matrix(_SRGB, curve), _RGB)


def _adaptation(points: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix that adapts colors of some white to D50 (Bradford)."""
    white = _columns(points[:2])[:, 0]
    scales = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scales @ _BRADFORD)


def _matrix(points: tuple[float, ...], curve: bytes) -> dict[bytes, bytes]:
    """Return the tags of primaries and of their curves."""
    columns = _columns(points[2:])
    primaries = _adaptation(points) @ (columns * np.linalg.solve(columns, _columns(points[:2])[:, 0]))
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: b"XYZ " + bytes(4) + _fixed(primaries[:, index]) for index, name in enumerate(names)}
    return tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)


def _tag(profile: bytes, name: bytes) -> bytes | None:
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    for place in range(_HEADER + 4, min(_HEADER + 4 + 12 * count, len(profile) - 11), 12):
        found, start, size = struct.unpack_from(">4sII", profile, place)
        if found == name:
            return profile[start : start + size] if start + size <= len(profile) else None
    return None


def _with_tags(tags: dict[bytes, bytes], space: bytes) -> bytes:
    """Return a profile with some tags, and the mandatory ones."""
    tags = tags | {
        b"desc": _text("RGB" if space == _RGB else "Gray"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(_D50),
    }
    start = _HEADER + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sI4s4sQI12s4s16s28s",
        start + len(body), b"", 0x04400000, b"mntr", space, b"XYZ ", 2024, 1, 1, 0, 0, 0, b"acsp", b"", 0, b"", b"",
        0, 0, _fixed(_D50), b"", b"", b"",
    )  # fmt: skip
    return header + struct.pack(">I", len(tags)) + table + body


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _fixed(values: "NDArray[np.float64] | tuple[float, ...]") -> bytes:
    """Return numbers as ICC's s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))
