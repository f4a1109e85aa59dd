"""Image files that hardly any program writes, made without the code under test, and what they show."""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 23, 30
Tag = tuple[int, Sequence[Any]]  # type and values

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 7, 12, 16
_LETTERS = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "I", UNDEFINED: "B", DOUBLE: "d", LONG8: "Q"}


def levels(bits: int, *shape: int, seed: int = 0) -> NDArray[Any]:
    """Levels of some bits that vary slowly, with a little noise, and reach both ends."""
    generator = np.random.default_rng(seed)
    down, across = np.mgrid[: shape[0], : shape[1]]
    waves = np.sin(down / 7 + seed) * np.cos(across / 9)
    waves = waves.reshape(*waves.shape, *[1] * (len(shape) - 2)) * np.ones(shape) * np.linspace(1, 0.6, shape[-1])
    drawn = 0.5 + 0.45 * waves + generator.normal(0, 0.02, shape)
    made = np.rint(np.clip(drawn, 0, 1) * (2**bits - 1)).astype(np.uint16 if bits > 8 else np.uint8)
    made.flat[:2] = (0, 2**bits - 1)
    return made


def full_range(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Levels of fewer bits, scaled to 8."""
    return values if bits in (8, 16) else (values * (255 // (2**bits - 1))).astype(np.uint8)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn by quarters and mirror: another way than the code's."""
    turns = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}
    quarters, mirrored = turns[orientation]
    turned = np.rot90(pixels, quarters)
    return turned[:, ::-1] if mirrored else turned


# PNG

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_rows(pixels: NDArray[Any], bits: int) -> bytes:
    if pixels.size == 0:
        return b""
    flat = pixels.reshape(len(pixels), -1)
    if bits == 16:
        packed = flat.astype(">u2").view(np.uint8)
    else:
        digits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        packed = np.packbits(digits.reshape(len(flat), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def png(
    pixels: NDArray[Any],
    bits: int = 8,
    color_type: int | None = None,
    *,
    interlaced: bool = False,
    before: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG of samples (H, W, C), unfiltered, with further chunks before its pixels."""
    channels = pixels.shape[2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if color_type is None else color_type
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, kind, 0, 0, interlaced)
    if interlaced:
        rows = b"".join(_png_rows(pixels[top::down, left::across], bits) for top, left, down, across in _ADAM7)
    else:
        rows = _png_rows(pixels, bits)
    further = b"".join(itertools.starmap(png_chunk, before))
    data = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + further + data + png_chunk(b"IEND", b"")


# TIFF


def _values(sign: str, tag: Tag) -> bytes:
    kind, values = tag
    return struct.pack(f"{sign}{len(values)}{_LETTERS[kind]}", *values)


def tiff_file(
    directories: Sequence[Mapping[int, Tag]], data: bytes = b"", *, order: str = "<", big: bool = False
) -> bytes:
    """A TIFF of directories, each following the last; values of tags 273, 324 and 330 count from the data's start.

    Data stand before the directories.
    """
    start = 16 if big else 8
    body = bytearray(data)
    word, entry, count_letter = ("Q", 20, "Q") if big else ("I", 12, "H")
    places: list[int] = []
    linked: list[int] = []
    for tags in directories:
        body += bytes(-(start + len(body)) % 2)
        places.append(start + len(body))
        size = struct.calcsize(f"={count_letter}") + entry * len(tags) + struct.calcsize(f"={word}")
        behind = places[-1] + size
        table, further = b"", b""
        for number, (kind, values) in sorted(tags.items()):
            shifted = [value + start for value in values] if number in (273, 324) else values
            packed = _values(order, (kind, shifted))
            slot = struct.calcsize(f"={word}")
            count = len(values) // 2 if kind == RATIONAL else len(values)
            if len(packed) > slot:
                place = behind + len(further)
                further += packed + b"\0" * (len(packed) % 2)
                packed = struct.pack(order + word, place)
            table += struct.pack(f"{order}HH{word}", number, kind, count) + packed.ljust(slot, b"\0")
        linked.append(places[-1] + struct.calcsize(f"={count_letter}") + len(table) - start)
        body += struct.pack(order + count_letter, len(tags)) + table + bytes(slot) + further
    for place, following in zip(linked, places[1:], strict=False):
        struct.pack_into(order + word, body, place, following)
    mark = b"II" if order == "<" else b"MM"
    header = (
        mark + struct.pack(f"{order}HHHQ", 43, 8, 0, places[0])
        if big
        else mark + struct.pack(f"{order}HI", 42, places[0])
    )
    return header + bytes(body)


def _packed(rows: NDArray[Any], bits: int, order: str) -> bytes:
    flat = rows.reshape(len(rows), -1)
    if bits == 16:
        return flat.astype(f"{order}u2").tobytes()
    if bits == 8:
        return flat.astype(np.uint8).tobytes()
    digits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    return np.packbits(digits.reshape(len(flat), -1), axis=1).tobytes()


def packbits(data: bytes) -> bytes:
    """Literal runs alone."""
    parts = [data[place : place + 128] for place in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


COMPRESSORS = {1: bytes, 8: zlib.compress, 32946: zlib.compress, 32773: packbits}


def tiff(
    samples: NDArray[Any],
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    big: bool = False,
    compression: int = 1,
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int = 7,
    tags: Mapping[int, Tag] | None = None,
) -> bytes:
    """A TIFF of samples (H, W, S) in strips of some rows, or in tiles of a width and a height."""
    height, width, count = samples.shape
    planes = [samples[..., index : index + 1] for index in range(count)] if planar else [samples]
    parts = []
    for plane in planes:
        if tile is None:
            parts += [_packed(plane[top : top + rows], bits, order) for top in range(0, height, rows)]
            continue
        across, down = tile
        for top, left in itertools.product(range(0, height, down), range(0, width, across)):
            part = plane[top : top + down, left : left + across]
            filled = np.zeros((down, across, part.shape[2]), part.dtype)
            filled[: part.shape[0], : part.shape[1]] = part
            parts.append(_packed(filled, bits, order))
    parts = [COMPRESSORS[compression](part) for part in parts]
    sizes = [len(part) for part in parts]
    starts = [int(place) for place in np.cumsum([0, *sizes[:-1]])]
    made: dict[int, Tag] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * count),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        277: (SHORT, [count]),
        284: (SHORT, [2 if planar else 1]),
    }
    if tile is None:
        made |= {273: (LONG, starts), 278: (LONG, [rows]), 279: (LONG, sizes)}
    else:
        made |= {322: (LONG, [tile[0]]), 323: (LONG, [tile[1]]), 324: (LONG, starts), 325: (LONG, sizes)}
    return tiff_file([made | dict(tags or {})], b"".join(parts), order=order, big=big)


def rational(value: float) -> Tag:
    return RATIONAL, [round(value * 100), 100]


# BMP


def bmp_fields(
    pixels: NDArray[Any], masks: Sequence[int], bits: int, header_bytes: int = 56, *, down: bool = False
) -> bytes:
    """A BMP whose channels (H, W, C), of the bits of their masks, are bit fields."""
    overrides = np.zeros(pixels.shape[:2], np.uint32)
    for channel, mask in enumerate(masks[: pixels.shape[2]]):
        overrides |= pixels[..., channel].astype(np.uint32) * np.uint32(mask & -mask)
    row = overrides.astype(f"<u{bits // 8}")
    padding = -row.shape[1] * (bits // 8) % 4
    ordered = row if down else row[::-1]
    data = b"".join(line.tobytes() + bytes(padding) for line in ordered)
    height, width = pixels.shape[:2]
    masks_here = struct.pack("<4I", *[*masks, 0, 0][:4])
    extra = masks_here[: max(header_bytes - 40, 0)] if header_bytes > 40 else masks_here[:12]
    size = 14 + 40 + len(extra) + max(header_bytes - 56, 0)
    info = struct.pack(
        "<IiiHHIIiiII", header_bytes, width, -height if down else height, 1, bits, 3, len(data), 0, 0, 0, 0
    )
    return (
        b"BM" + struct.pack("<IHHI", size + len(data), 0, 0, size) + info + extra + bytes(size - 54 - len(extra)) + data
    )


# JPEG


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments behind its first, JFIF."""
    place = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:place] + b"".join(segments) + jpeg[place:]


# The campaign


@dataclass(frozen=True)
class Odd:
    """A file, and what it shows.

    Attributes:
        name: of the file; it tells what is odd.
        content: of the file.
        pixels: upright, gray (H, W) or RGB (H, W, 3); None for a file that is to be refused.
        alpha: (H, W), or None.
        refusal: part of the sentence that refuses it.
        exact: whether the pixels have to be found exactly, as in a file without loss.
        facts: what its copy has to say: `dpi`, `icc`, `maker`, `text`.
    """

    name: str
    content: bytes
    pixels: NDArray[Any] | None
    alpha: NDArray[Any] | None = None
    refusal: str | None = None
    exact: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


def exif(orientation: int, maker: str = "A maker") -> bytes:
    made = Image.Exif()
    made[0x010F], made[0x0112] = maker, orientation
    return made.tobytes().removeprefix(b"Exif\0\0")


def odd_images() -> Iterator[Odd]:
    """Give the files of the campaign."""
    yield from _odd_pngs()
    yield from _odd_tiffs()
    yield from _odd_jpegs()
    yield from _odd_others()


def _png_depths() -> Iterator[tuple[int, int]]:
    yield from ((0, bits) for bits in (1, 2, 4, 8, 16))
    yield from ((3, bits) for bits in (1, 2, 4, 8))
    yield from itertools.product((2, 4, 6), (8, 16))


def _odd_pngs() -> Iterator[Odd]:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    variants = itertools.product(_png_depths(), (False, True), (False, True), (1, 6))
    for number, ((kind, bits), interlaced, hides, orientation) in enumerate(variants):
        if hides and kind in (4, 6):
            continue
        samples = levels(bits, HEIGHT, WIDTH, PNG_CHANNELS[kind], seed=number)
        before: list[tuple[bytes, bytes]] = [(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))]
        facts: dict[str, Any] = {"dpi": (300, 150)[:: -1 if orientation == 6 else 1], "text": "Title"}
        before.append((b"tEXt", b"Title\0of an image"))
        before.append((b"eXIf", exif(orientation)))
        facts["maker"] = "A maker"
        if kind not in (0, 4):
            before.insert(0, (b"iCCP", b"p\0\0" + zlib.compress(profile)))
            facts["icc"] = profile
        top = np.iinfo(np.uint16 if bits == 16 else np.uint8).max
        alpha: NDArray[Any] | None = None
        if kind == 3:
            palette = levels(8, 2**bits, 1, 3, seed=number)[:, 0]
            before.append((b"PLTE", palette.tobytes()))
            pixels = palette[samples[..., 0]]
            if hides:
                table = np.full(2**bits, 255, np.uint8)
                table[:2] = (0, 100)
                before.append((b"tRNS", bytes([0, 100])))
                alpha = table[samples[..., 0]]
        else:
            pixels = full_range(samples[..., :3] if kind in (2, 6) else samples[..., 0], bits)
            alpha = full_range(samples[..., -1], bits) if kind in (4, 6) else None
            if hides:
                chosen = samples[3, 5]
                before.append((b"tRNS", struct.pack(f">{len(chosen)}H", *chosen)))
                matches = (samples == chosen).all(axis=-1)
                alpha = np.where(matches, 0, top).astype(pixels.dtype)
        content = png(samples, bits, kind, interlaced=interlaced, before=before)
        name = f"png-color{kind}-{bits}bit{'-adam7' * interlaced}{'-tRNS' * hides}-turn{orientation}.png"
        turned = upright(pixels, orientation)
        yield Odd(name, content, turned, None if alpha is None else upright(alpha, orientation), facts=facts)


def _tiff_kinds() -> Iterator[tuple[str, int, int, int, int | None]]:
    """Give names, bits, photometric interpretations, samples, and what the extra sample is."""
    for bits in (1, 2, 4, 8, 16):
        yield f"white-is-zero-{bits}", bits, 0, 1, None
        yield f"gray-{bits}", bits, 1, 1, None
    for bits in (8, 16):
        for extra, name in ((0, "other"), (1, "associated"), (2, "straight")):
            yield f"gray-{name}-{bits}", bits, 1, 2, extra
            yield f"white-is-zero-{name}-{bits}", bits, 0, 2, extra
            yield f"rgb-{name}-{bits}", bits, 2, 4, extra
        yield f"rgb-{bits}", bits, 2, 3, None
    for bits in (1, 2, 4, 8):
        yield f"palette-{bits}", bits, 3, 1, None


def _odd_tiffs() -> Iterator[Odd]:
    layouts = (
        ("<", False, 1, False, None),
        (">", False, 8, False, None),
        ("<", True, 32773, False, (16, 16)),
        (">", True, 1, False, (32, 16)),
        ("<", False, 8, True, None),
        (">", False, 1, True, (16, 32)),
    )
    for number, ((name, bits, photometric, count, extra), layout) in enumerate(
        itertools.product(_tiff_kinds(), layouts)
    ):
        order, big, compression, planar, tile = layout
        if planar and count == 1:
            continue
        orientation = 1 + number % 8
        samples = levels(bits, HEIGHT, WIDTH, count, seed=number)
        if extra == 1:  # colors are at most as large as the alpha that they are multiplied by
            samples = np.minimum(samples, samples[..., -1:])
        tags: dict[int, Tag] = {
            274: (SHORT, [orientation]),
            282: rational(300),
            283: rational(150),
            296: (SHORT, [2]),
            271: (ASCII, b"A maker\0"),
        }
        if extra is not None:
            tags[338] = (SHORT, [extra])
        whole = full_range(samples, bits)
        top = int(np.iinfo(whole.dtype).max)
        if photometric == 3:
            palette = levels(8, 2**bits, 1, 3, seed=number)[:, 0]
            tags[320] = (SHORT, (palette.T.astype(int) * 257).ravel().tolist())
            pixels = palette[samples[..., 0]]
        else:
            colors = 3 if photometric == 2 else 1
            pixels = whole[..., 0] if colors == 1 else whole[..., :3]
            pixels = top - pixels if photometric == 0 else pixels
        alpha = whole[..., -1] if extra in (1, 2) else None
        if extra == 1 and alpha is not None:
            divisor = np.maximum(alpha, 1).astype(np.int64)
            divisor = divisor[..., None] if pixels.ndim == 3 else divisor
            pixels = np.minimum(pixels.astype(np.int64) * top // divisor, top).astype(whole.dtype)
        content = tiff(
            samples,
            bits,
            photometric,
            order=order,
            big=big,
            compression=compression,
            planar=planar,
            tile=tile,
            tags=tags,
        )
        kind = f"{name}-{'little' if order == '<' else 'big'}{'-bigtiff' * big}-c{compression}{'-planar' * planar}"
        file = f"tiff-{kind}{'-tiles' * (tile is not None)}-turn{orientation}.tif"
        dpi = (150, 300) if orientation >= 5 else (300, 150)
        yield Odd(
            file,
            content,
            upright(pixels, orientation),
            None if alpha is None else upright(alpha, orientation),
            facts={"dpi": dpi, "maker": "A maker"},
        )
    for name, bits, sample_format, expected in (
        ("floats", 32, 3, "fractional"),
        ("halves", 16, 3, "fractional"),
        ("signed", 16, 2, "whole numbers with a sign"),
        ("whole", 32, 1, "32 bits"),
        ("twelve", 12, 1, "12 bits"),
    ):
        tags = {339: (SHORT, [sample_format]), 258: (SHORT, [bits])}
        content = tiff(levels(16, HEIGHT, 4 * WIDTH, 1), 16, 1, tags=tags)
        yield Odd(f"tiff-{name}.tif", content, None, refusal=expected)
    for number, name in ((34712, "JPEG 2000"), (34887, "LERC"), (50002, "JPEG XL"), (50001, "WebP"), (34661, "JBIG")):
        content = tiff(levels(8, HEIGHT, WIDTH, 3), 8, 2, tags={259: (SHORT, [number])})
        yield Odd(f"tiff-compressed-{number}.tif", content, None, refusal=f"compressed with {name}")
    for number, name in ((5, "CMYK"), (8, "Lab")):
        content = tiff(levels(8, HEIGHT, WIDTH, 4 if number == 5 else 3), 8, number)
        yield Odd(f"tiff-space-{number}.tif", content, None, refusal=name)


def _odd_jpegs() -> Iterator[Odd]:
    image = Image.fromarray(levels(8, HEIGHT, WIDTH, 3))
    for orientation, gray, progressive, sampling, unit in itertools.product(
        range(1, 9), (False, True), (False, True), (0, 1, 2), (0, 1, 2)
    ):
        if gray and sampling:
            continue
        shown = image.convert("L") if gray else image
        options = {} if gray else {"subsampling": sampling}
        content = bytearray(
            encoded(shown, "JPEG", quality=92, progressive=progressive, exif=b"Exif\0\0" + exif(orientation), **options)
        )
        content[13:18] = struct.pack(">BHH", unit, 300, 150)  # the resolution in JFIF
        whole = with_segments(bytes(content), jpeg_segment(0xFE, b"a comment"))
        name = (
            f"jpeg-{'gray' if gray else f'color{sampling}'}{'-progressive' * progressive}-u{unit}-turn{orientation}.jpg"
        )
        found = np.asarray(Image.open(io.BytesIO(bytes(content))))
        values = (150, 300) if orientation >= 5 else (300, 150)
        dpi = None if unit == 0 else tuple(value * (2.54 if unit == 2 else 1) for value in values)
        facts = {"dpi": dpi, "maker": "A maker", "text": "a comment"}
        yield Odd(name, whole, upright(found, orientation), exact=False, facts=facts)
    plain = encoded(image, "JPEG")
    frame = plain.index(b"\xff\xc0")
    for marker, expected in ((0xC5, "hierarchical"), (0xCB, "lossless, arithmetic"), (0xCF, "hierarchical")):
        changed = plain[: frame + 1] + bytes([marker]) + plain[frame + 2 :]
        yield Odd(f"jpeg-marker-{marker:x}.jpg", changed, None, refusal=expected)
    for bits in (12, 16):
        changed = plain[: frame + 4] + bytes([bits]) + plain[frame + 5 :]
        yield Odd(f"jpeg-{bits}-bits.jpg", changed, None, refusal=f"{bits} bits")
    inks = encoded(image.convert("CMYK"), "JPEG")
    yield Odd("jpeg-cmyk.jpg", inks, None, refusal="CMYK")


def _odd_others() -> Iterator[Odd]:
    rgba = levels(8, HEIGHT, WIDTH, 4)
    for orientation, alpha, lossless in itertools.product(range(1, 9), (False, True), (True, False)):
        image = Image.fromarray(rgba if alpha else rgba[..., :3])
        options = {"lossless": True, "exact": True} if lossless else {"quality": 90}
        content = encoded(image, "WEBP", exif=b"Exif\0\0" + exif(orientation), **options)
        found = np.asarray(Image.open(io.BytesIO(content)))
        name = f"webp-{'rgba' if alpha else 'rgb'}{'-lossless' * lossless}-turn{orientation}.webp"
        opacity = upright(found[..., 3], orientation) if alpha else None
        yield Odd(
            name, content, upright(found[..., :3], orientation), opacity, exact=lossless, facts={"maker": "A maker"}
        )
    masks = {
        "565": (16, (0xF800, 0x07E0, 0x001F)),
        "555": (16, (0x7C00, 0x03E0, 0x001F)),
        "444": (16, (0x0F00, 0x00F0, 0x000F)),
        "4444": (16, (0x0F00, 0x00F0, 0x000F, 0xF000)),
        "rgb32": (32, (0x000000FF, 0x0000FF00, 0x00FF0000)),
        "bgr32": (32, (0x00FF0000, 0x0000FF00, 0x000000FF)),
        "shifted": (32, (0x3FC00000, 0x00FF0000 >> 2, 0x000000FF)),
        "777": (32, (0x001FC000, 0x00003F80, 0x0000007F)),
        "8888": (32, (0xFF000000, 0x00FF0000, 0x0000FF00, 0x000000FF)),
        "16-8-8": (32, (0xFF000000, 0x00FFFF00, 0x000000FF)),
    }
    for (name, (bits, fields)), header, down in itertools.product(masks.items(), (40, 56, 108, 124), (False, True)):
        if header == 40 and len(fields) == 4:
            continue
        widths = [mask.bit_count() for mask in fields]
        samples = [levels(width, HEIGHT, WIDTH, 1, seed=width)[..., 0] for width in widths]
        content = bmp_fields(np.stack([s.astype(np.uint32) for s in samples], axis=-1), fields, bits, header, down=down)
        top = 65535 if max(widths) > 8 else 255
        half = 0 if name in ("565", "555") else 0.5  # Pillow, which decodes these, rounds down
        scaled = [
            np.floor(s.astype(np.float64) * top / (2**width - 1) + half).astype(np.uint16 if top > 255 else np.uint8)
            for s, width in zip(samples, widths, strict=True)
        ]
        opacity = scaled[3] if len(scaled) == 4 else None
        odd = f"bmp-{name}-h{header}{'-down' * down}.bmp"
        yield Odd(odd, content, np.stack(scaled[:3], axis=-1), opacity)
    for mode in ("1", "L", "P", "RGB"):
        image = Image.fromarray(rgba[..., :3])
        shown = image.quantize(30) if mode == "P" else image.convert(mode)
        content = encoded(shown, "BMP", dpi=(300, 150))
        kind = "L" if mode in ("1", "L") else "RGB"
        yield Odd(f"bmp-{mode}.bmp", content, np.asarray(shown.convert(kind)), facts={"dpi": (300, 150)})
    for orientation in range(1, 9):
        content = encoded(Image.fromarray(rgba), "AVIF", exif=b"Exif\0\0" + exif(orientation), quality=80)
        found = np.asarray(Image.open(io.BytesIO(content)))
        yield Odd(
            f"avif-turn{orientation}.avif",
            content,
            upright(found[..., :3], orientation),
            upright(found[..., 3], orientation),
            exact=False,
        )


def ultra_hdr() -> bytes:
    """A JPEG with a gain map behind it, as phones write it."""
    colors = levels(8, HEIGHT, WIDTH, 3)
    gain_map = encoded(Image.fromarray(colors[::2, ::2, 0]), "JPEG")
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="3"'
        b' xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        b' xmlns:Item="http://ns.google.com/photos/1.0/container/item/" dc:source="kept">'
        b'<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary"/>'
        b'</rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="%d"/></rdf:li>'
        b"</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>" % len(gain_map)
    )
    base = encoded(Image.fromarray(colors), "JPEG", xmp=xmp)
    return with_segments(base, jpeg_segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))) + gain_map
