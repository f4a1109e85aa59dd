"""Dead leaves: images of random shapes that occlude one another, with the edges and contrasts of photographs.

Shapes of all sizes fall on one another until they cover the image. If their number falls with the cube of their size,
the image has the same statistics at every scale, as natural images do: A. Lee, D. Mumford and J. Huang, "Occlusion
models for natural images", International Journal of Computer Vision 41, 2001. Networks trained on such images restore
photographs nearly as well as those trained on photographs: R. Achddou, Y. Gousseau and S. Ladjal, "Synthetic images as
a regularity prior for image restoration neural networks", SSVM 2021. Unlike theirs, the gray levels are drawn, not
taken from photographs, and shapes may be textured and lit from one side.

In color, each shape has a chromaticity, (R - Y) / Y and (B - Y) / Y: that of its image plus a deviation. Colors of
natural images vary independently of the luma, most between yellow and blue and symmetrically around their mean: D.
Ruderman, T. Cronin and C.-C. Chiao, "Statistics of cone responses to natural images", Journal of the Optical Society of
America A 15, 1998. With the deviations below, images are about as colorful as the photographs of CBSD68; the tails
are heavier than those of a normal distribution, as there, so that a few shapes are vivid.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.synthesis import CANVAS_SIZE, IMAGE_SIZE, OVERSAMPLING, color_stream, happens, random_stream
from deblur.synthesis.colors import with_differences

Plane = NDArray[np.float32]

LAYERS: Final = 5.0  # area of all shapes per area of the image: exp(-5), less than a hundredth, stays bare
DEFOCUSED_FRACTION: Final = 0.5  # of the images: not every soft edge of a photograph is to be sharpened
DEFOCUS: Final = (0.5, 5.0)  # standard deviation of the blur of the background [image px]
LEAST_RADIUS: Final = (1.5, 15.0)  # of an image's smallest shapes [image px]
LARGEST_RADIUS: Final = (40.0, 200.0)  # [image px]
LEAST_TEXTURED: Final = 6.0  # radius [image px]; smaller shapes have one gray level each
TEXTURED_FRACTION: Final = 0.5
CONTRAST: Final = (0.05, 0.35)  # standard deviation of the gray levels of an image's shapes, in [0, 1]
# Standard deviations of (R - Y) / Y and (B - Y) / Y, and their correlation
CAST: Final = (0.11, 0.16)  # of the means of images
COLORFULNESS: Final = (0.12, 0.16)  # of the shapes of an image
COLOR_CORRELATION: Final = -0.7
COLOR_FREEDOM: Final = 5  # degrees of freedom of Student's t-distribution
COLOR_SPREAD: Final = 0.4  # standard deviation of the logarithm of an image's colorfulness


@dataclass(frozen=True)
class Scene:
    """What the shapes of one image have in common."""

    least: float  # radius of the smallest shapes [canvas px]
    largest: float  # radius of the largest shapes [canvas px]
    brightness: float  # mean gray level of the shapes, in [0, 1]
    contrast: float  # standard deviation of their gray levels
    roundness: float  # fraction of the shapes that are ellipses; the others are polygons
    textures: tuple[Plane, ...]  # with a mean of 0 and a standard deviation of 1, (CANVAS_SIZE, CANVAS_SIZE)


def draw(seed: int, index: int, color: DataColor = "gray") -> NDArray[np.uint8]:
    """Draw an image.

    Args:
        seed: number of the collection of images, in [0, 2**32).
        index: number of the image in its collection, in [0, 2**32).
        color: `gray` or `rgb`. The luma of the RGB image is exactly the gray image.

    Returns:
        Gray levels 0 to 255, (IMAGE_SIZE, IMAGE_SIZE), or RGB, (IMAGE_SIZE, IMAGE_SIZE, 3).

    Raises:
        ValueError: if the seed or the index is outside its range, or the color is unknown.
    """
    rng = random_stream(seed, index)
    scene = _random_scene(rng)
    canvas = np.full((CANVAS_SIZE, CANVAS_SIZE), scene.brightness, np.float32)
    radii = _radii(rng, scene)
    in_front = rng.randint(len(radii) // 2, len(radii)) if happens(rng, DEFOCUSED_FRACTION) else 0
    of_colors = color_stream(seed, index, color)
    differences = None if of_colors is None else _Differences(of_colors, scene.brightness, len(radii))
    for place, radius in enumerate(radii):
        if place == in_front > 0:
            defocus = OVERSAMPLING * rng.uniform(*DEFOCUS)
            cv2.GaussianBlur(canvas, (0, 0), defocus, dst=canvas)
            if differences is not None:
                differences.blur(defocus)
        level, outline = _drop(rng, scene, canvas, radius)
        if differences is not None:
            differences.fill(place, level, outline)
    image = cv2.resize(canvas, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    levels = np.asarray(np.rint(np.clip(image, 0, 1) * 255), dtype=np.uint8)
    return levels if differences is None else with_differences(levels, *differences.reduced())


class _Differences:
    """The color differences of a drawing: R - Y and B - Y, (CANVAS_SIZE, CANVAS_SIZE, 2), in units of the gray levels.

    They mix linearly, as light does, where shapes are out of focus.
    """

    def __init__(self, rng: np.random.RandomState, brightness: float, count: int) -> None:
        """Draw the chromaticities of the image and its shapes."""
        image, shapes = _correlated(rng, 1, CAST), _correlated(rng, count, COLORFULNESS)
        # Both factors have a mean square of 1.
        tails = np.sqrt((COLOR_FREEDOM - 2) / rng.chisquare(COLOR_FREEDOM, (count, 1)))
        colorfulness = math.exp(rng.normal(-(COLOR_SPREAD**2), COLOR_SPREAD))
        self._chromaticities = image + colorfulness * tails * shapes
        bare = (brightness * image[0]).tolist()
        self._planes: Plane = np.full((CANVAS_SIZE, CANVAS_SIZE, 2), bare, np.float32)

    def fill(self, number: int, level: float, outline: NDArray[np.int32]) -> None:
        """Fill a shape of the given mean gray level."""
        red, blue = (self._chromaticities[number] * max(level, 0.0)).tolist()
        cv2.fillPoly(self._planes, [outline], (red, blue))

    def blur(self, deviation: float) -> None:
        """Blur what has been drawn, by a gaussian of the given standard deviation [canvas px]."""
        cv2.GaussianBlur(self._planes, (0, 0), deviation, dst=self._planes)

    def reduced(self) -> tuple[Plane, Plane]:
        """Return R - Y and B - Y at the size of the image, in levels of 255."""
        reduced = cv2.resize(self._planes, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA) * np.float32(255)
        return reduced[..., 0], reduced[..., 1]


def _correlated(rng: np.random.RandomState, count: int, deviations: tuple[float, float]) -> NDArray[np.float64]:
    """Draw pairs of correlated normal numbers, (count, 2), around 0."""
    first, second = rng.normal(size=(2, count))
    second = COLOR_CORRELATION * first + math.sqrt(1 - COLOR_CORRELATION**2) * second
    return np.stack([deviations[0] * first, deviations[1] * second], axis=1)


def _random_scene(rng: np.random.RandomState) -> Scene:
    low, high = (np.log(bounds) for bounds in (LEAST_RADIUS, LARGEST_RADIUS))
    return Scene(
        least=OVERSAMPLING * math.exp(rng.uniform(*low)),
        largest=OVERSAMPLING * math.exp(rng.uniform(*high)),
        brightness=rng.uniform(0.25, 0.75),
        contrast=math.exp(rng.uniform(*np.log(CONTRAST))),
        roundness=rng.rand(),
        textures=(_cloudy(rng), _cloudy(rng), _with_grids(rng), _with_grids(rng)),
    )


def _radii(rng: np.random.RandomState, scene: Scene) -> list[float]:
    """Draw the radii of all shapes, with a density that falls with their cube [canvas px]."""
    least, largest = scene.least, scene.largest
    span = 1 - (least / largest) ** 2
    mean_area = 2 * math.pi * least**2 * math.log(largest / least) / span  # that of a disk
    count = math.ceil(LAYERS * CANVAS_SIZE**2 / mean_area)
    radii: list[float] = (least / np.sqrt(1 - span * rng.rand(count))).tolist()
    return radii


def _drop(rng: np.random.RandomState, scene: Scene, canvas: Plane, radius: float) -> tuple[float, NDArray[np.int32]]:
    """Draw a shape, and return its mean gray level and its outline."""
    level = rng.normal(scene.brightness, scene.contrast)
    outline = _outline(rng, radius, scene.roundness)
    outline += np.rint(rng.uniform(0, CANVAS_SIZE, 2)).astype(np.int32)
    if radius < OVERSAMPLING * LEAST_TEXTURED:
        cv2.fillPoly(canvas, [outline], level)
        return level, outline
    left, top = np.maximum(outline.min(axis=0), 0)
    right, bottom = np.minimum(outline.max(axis=0) + 1, CANVAS_SIZE)
    if left >= right or top >= bottom:
        return level, outline
    covered = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(covered, [outline - (left, top)], 1)
    right_light, down_light = rng.uniform(-0.15, 0.15, 2)  # a constant gradient with a mean of 0
    rows, columns = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in covered.shape)
    surface = level + np.asarray(down_light * rows[:, None] + right_light * columns, dtype=np.float32)
    if happens(rng, TEXTURED_FRACTION):
        texture = scene.textures[rng.randint(len(scene.textures))]
        surface += rng.uniform(0.02, 0.15) * texture[top:bottom, left:right]
    np.copyto(canvas[top:bottom, left:right], surface, where=covered.astype(bool))
    return level, outline


def _outline(rng: np.random.RandomState, radius: float, roundness: float) -> NDArray[np.int32]:
    """Return the corners (x, y) around 0 of an ellipse of the area of a disk, or of a polygon of 3 to 8 corners."""
    if happens(rng, roundness):
        stretch = math.sqrt(rng.uniform(1, 3))
        reach = np.array([radius * stretch, radius / stretch])
        turn = rng.uniform(0, 2 * math.pi)
        angles = np.linspace(0, 2 * math.pi, 8 + int(radius / 2), endpoint=False)
    else:
        count = rng.randint(3, 9)
        turn = 0.0
        angles = np.sort(rng.uniform(0, 2 * math.pi, count))
        reach = radius * rng.uniform(0.7, 1.6, (count, 1))
    cosine, sine = math.cos(turn), math.sin(turn)
    corners = (reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)) @ [[cosine, sine], [-sine, cosine]]
    return np.asarray(np.rint(corners), dtype=np.int32)


def _cloudy(rng: np.random.RandomState) -> Plane:
    """Draw noise whose amplitude is a power of the frequency: from grain to clouds."""
    vertical = np.fft.fftfreq(CANVAS_SIZE)[:, None]
    frequency = np.hypot(vertical, np.fft.rfftfreq(CANVAS_SIZE))
    frequency[0, 0] = np.inf
    amplitude = frequency ** -rng.uniform(0.4, 1.6)
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(CANVAS_SIZE, CANVAS_SIZE))) * amplitude)
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _with_grids(rng: np.random.RandomState) -> Plane:
    """Draw waves of one direction and period with a random smooth phase."""
    period = OVERSAMPLING * math.exp(rng.uniform(math.log(3), math.log(30)))
    angle = rng.uniform(0, math.pi)
    rows, columns = np.mgrid[:CANVAS_SIZE, :CANVAS_SIZE].astype(np.float32)
    coarse = rng.normal(0, rng.uniform(0, 2), (8, 8))  # radians
    wander = cv2.resize(coarse, (CANVAS_SIZE, CANVAS_SIZE), interpolation=cv2.INTER_CUBIC)
    phase = 2 * math.pi / period * (math.cos(angle) * columns + math.sin(angle) * rows) + wander
    sharpness = rng.uniform(0.5, 4)
    waves = np.tanh(sharpness * np.sin(phase))
    return np.asarray((waves - waves.mean()) / waves.std(), dtype=np.float32)
