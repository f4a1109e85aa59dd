"""Hair, from the back of the head to the fringe."""

import math
from dataclasses import dataclass

import numpy as np

from deblur.synthesis import happens, pick
from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.geometry import SIDES, Point, as_points, bezier, join, mirror, symmetric


@dataclass(frozen=True)
class HairColors:
    """Gray levels of hair in shadow, in even light and in bright light."""

    dark: float
    mid: float
    light: float


def random_hair_colors(rng: np.random.RandomState) -> HairColors:
    """Draw the gray levels: dark, medium or light hair, all equally likely."""
    mid = pick(rng, rng.uniform(30, 85), rng.uniform(85, 170), rng.uniform(150, 228))
    dark = mid * rng.uniform(0.5, 0.8)
    light = min(mid + rng.uniform(15, 60), 255)
    return HairColors(dark, mid, light)


def _draw_lock(
    canvas: Canvas,
    rng: np.random.RandomState,
    colors: HairColors,
    ends: tuple[Point, Point],
    bend: float,
    half_width: float,
    line: float = 0.8,
    strands: int = 3,
) -> None:
    """Draw a tapered lock of hair with a few strands in it.

    Args:
        canvas: to draw on.
        rng: of the details.
        colors: of the hair.
        ends: its wide root and its tip, in face units.
        bend: distance of its middle from the straight line between them.
        half_width: at the root.
        line: width of its outline relative to the style's line.
        strands: their mean number.
    """
    root, tip = as_points(*ends)
    way_x, way_y = (tip - root).tolist()
    length = math.hypot(way_x, way_y) + 1e-6
    aside = np.array([-way_y / length, way_x / length])
    middle = root + np.array([way_x, way_y]) * rng.uniform(0.45, 0.65) + aside * bend
    to_edge = aside * half_width
    to_belly = to_edge * 1.1
    left = bezier(root - to_edge, middle - to_belly, tip)
    right = bezier(root + to_edge, middle + to_belly, tip)

    level = colors.mid + rng.normal(0, 6)
    end_level = pick(rng, colors.dark, colors.light, colors.mid)
    angle = math.degrees(math.atan2(way_y, way_x))
    texture = canvas.textures.streaks
    outline = join(left, right[::-1])
    canvas.fill(outline, level, end_level, angle=angle, line=0, texture=texture, color=canvas.palette.hair)
    for _ in range(rng.poisson(strands)):
        weight = rng.uniform(0.1, 0.9)
        start = rng.randint(0, 8)
        piece = slice(start, start + rng.randint(4, 10))
        strand = left[piece] * weight + right[piece] * (1 - weight)
        strand_level = pick(rng, colors.dark, colors.mid + rng.normal(0, 25), colors.light, canvas.ink)
        canvas.stroke(strand, strand_level, rng.uniform(0.3, 1.3))
    for edge in (left, right):
        canvas.stroke(edge, canvas.ink, line * rng.uniform(0.5, 1.2))


def draw_back_hair(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw the hair behind the head, short or long; three in ten drawings add twin tails."""
    length = pick(rng, rng.uniform(0.7, 1.2), rng.uniform(1.4, 3.2))
    half_width = rng.uniform(1.15, 1.5)
    half = bezier((0, -1.5), (1.1, -1.5), (half_width * 1.15, -0.4), (half_width, length), count=20)
    streaks, color = canvas.textures.streaks, canvas.palette.hair
    canvas.fill(symmetric(half), colors.mid, colors.dark, texture=streaks, color=color)
    shadowed = HairColors(dark=colors.dark * 0.8, mid=colors.dark, light=colors.mid)
    for _ in range(rng.randint(10, 24)):
        x = rng.uniform(-1, 1) * half_width
        root = (x * 0.8, rng.uniform(-0.9, 0.3))
        tip = (x * rng.uniform(0.9, 1.3), length + rng.normal(0.1, 0.2))
        _draw_lock(canvas, rng, shadowed, (root, tip), rng.normal(0, 0.15), rng.uniform(0.06, 0.2), line=0.7)
    if happens(rng, 0.3):
        _draw_twin_tails(canvas, rng, colors)


def _draw_twin_tails(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    tip_x, tip_y = rng.uniform(1.4, 2.3), rng.uniform(1.0, 2.6)
    bend = rng.uniform(-0.5, 0.1)
    for side in SIDES:
        for _ in range(6):
            root = (side * 1.1 + rng.normal(0, 0.06), -0.6)
            tip = (side * tip_x + rng.normal(0, 0.15), tip_y + rng.normal(0, 0.25))
            _draw_lock(canvas, rng, colors, (root, tip), side * bend, rng.uniform(0.1, 0.25))


def draw_front_hair(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw the hair over the forehead and at the sides of the face."""
    hairline = rng.uniform(-0.95, -0.6)  # y of its highest point
    parting = rng.uniform(-0.5, 0.5)  # x
    fringe_locks = rng.randint(5, 12)
    crown = bezier((-1.1, 0.1), (-1.25, -1.62), (0, -1.62), count=18)
    forehead = bezier((1.1, 0.1), (1, -0.6), (0.5, -0.85), (0, hairline))
    cap = join(crown, mirror(crown)[1:], forehead[1:], mirror(forehead)[1:-1])
    end_level = pick(rng, colors.dark, colors.light)
    canvas.fill(cap, colors.mid, end_level, texture=canvas.textures.streaks, color=canvas.palette.hair)
    _draw_parted_strands(canvas, rng, colors, parting)
    _draw_fringe(canvas, rng, colors, parting, fringe_locks)
    _draw_side_locks(canvas, rng, colors)
    if happens(rng, 0.55):
        _draw_highlight(canvas, rng, colors)
    for _ in range(rng.poisson(1.5)):  # stray hairs
        x = rng.uniform(-0.8, 0.8)
        end = (x * 1.4 + rng.normal(0, 0.3), -1.6)
        canvas.stroke(bezier((x, -1.3), (x * 1.4, -1.8), end), colors.dark, 1.3, color=canvas.palette.hair)


def _draw_parted_strands(canvas: Canvas, rng: np.random.RandomState, colors: HairColors, parting: float) -> None:
    for _ in range(rng.randint(10, 36)):
        x = rng.uniform(-1, 1)
        bow = (parting + (x - parting) * 0.8, -1.3)
        whole = bezier((parting + 0.1 * x, -1.38), bow, (x * 1.05, -0.5 + 0.3 * x * x))
        start = rng.randint(0, 7)
        strand = whole[start : start + rng.randint(4, 9)]
        varied = colors.mid + rng.normal(0, 20)
        level = pick(rng, colors.dark, varied, colors.light, colors.dark * 0.8)
        canvas.stroke(strand, level, rng.uniform(0.3, 1.3))


def _draw_fringe(canvas: Canvas, rng: np.random.RandomState, colors: HairColors, parting: float, count: int) -> None:
    """Draw the locks over the forehead, from the sides to the parting: the middle ones lie on top."""
    tips_x = np.linspace(-1.0, 1.0, count) + rng.normal(0, 0.05, count)
    width = 1.7 / count
    length = rng.uniform(-0.1, 0.25)
    for x in tips_x[np.argsort(-np.abs(tips_x - parting))].tolist():
        root = (parting + (x - parting) * 0.6, -1.1 - 0.25 * (1 - x * x))
        tip_x = x + rng.normal(0, 0.12)
        tip_y = length + rng.normal(-0.1, 0.12) + 0.5 * max(abs(x) - 0.5, 0)
        bend = rng.normal(0, 0.1) + 0.12 * (1 if x > parting else -1)
        half_width = width * rng.uniform(0.6, 1.1)
        _draw_lock(canvas, rng, colors, (root, (tip_x, tip_y)), bend, half_width, line=0.9, strands=4)


def _draw_side_locks(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw one to three locks in front of each ear."""
    for side in SIDES:
        for _ in range(rng.randint(1, 4)):
            tip = (side * rng.uniform(0.85, 1.15), rng.uniform(0.4, 1.7))
            bend = -side * rng.uniform(0.05, 0.35)
            half_width = rng.uniform(0.06, 0.16)
            _draw_lock(canvas, rng, colors, ((side * 0.9, -0.75), tip), bend, half_width, line=1.0, strands=4)


def _draw_highlight(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw the zigzag band of light around the crown."""
    count = rng.randint(8, 20) * 2
    x = np.linspace(-0.85, 0.85, count)
    y = -1.05 + 0.25 * x * x
    down, up = rng.uniform(0.04, 0.2, count), -rng.uniform(0.02, 0.14, count)
    teeth = np.where(np.arange(count) % 2, down, up)
    lower_edge = np.stack([x, y + teeth], axis=1)
    upper_edge = np.stack([x, y + teeth * 0.2 - 0.03], axis=1)
    level = colors.light + rng.uniform(10, 70)
    band, opacity = join(lower_edge, upper_edge[::-1]), rng.uniform(0.3, 0.9)
    canvas.fill(band, level, opacity=opacity, line=0, color=canvas.palette.hair_light)
