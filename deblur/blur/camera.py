"""What a camera makes of light: exposure, blur in linear light, saturation, shot and read noise, sRGB encoding."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur.parameters import Interval, Parameter, ScalarOrPair
from deblur.srgb import ENCODED_KNEE, EXPONENT, KNEE, OFFSET, SLOPE, decoded, encoded

Real = TypeVar("Real", bound=np.floating[Any])

WHITE: Final = 255
"""The gray level of light 1; in a sharp image, that of all light from 1 up."""

CAMERA_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "exposure": Parameter("Exposure", 0.05, 20, remark="gain on the light"),
    "highlights": Parameter("Light of clipped pixels", 1, 1000, remark="times white"),
    "shot_noise": Parameter("Shot noise", 0, 1, remark="variance of white"),
    "read_noise": Parameter("Read noise", 0, 1, remark="fraction of white"),
}
"""What a camera draws for each image, by the names of its arguments."""

CAMERA_SWITCHES: Final[Mapping[str, str]] = {
    "linear": "true to blur linear light, false to blur the encoded values",
    "saturation": "true to clip the light after the blur, false to clip it before",
}
"""What is on or off for all images, with what is allowed."""

_CAMERA_STREAM: Final = 1  # of the generators that the seed of an image's noise stands for
_NOISE_STREAM: Final = 2


@dataclass(frozen=True)
class Space:
    """The values in which an image was blurred, which a restorer of a known kernel works on.

    The encoded space leaves every image as it is, bit for bit. In linear light, negative values of a restored image
    continue the sRGB curve as an odd function, and values above 1 continue it: nothing is clipped.

    Attributes:
        linear: Whether it is linear light; otherwise the values of the image itself.
    """

    linear: bool = False

    @property
    def words(self) -> str:
        """Its name in sentences."""
        return "linear light" if self.linear else "encoded values"

    @property
    def settings(self) -> Mapping[str, str]:
        """What tables say of it; nothing of the encoded values, in which images are blurred without a camera."""
        return {"space": self.words} if self.linear else {}

    def from_encoded(self, image: NDArray[Real]) -> NDArray[Real]:
        """Return an encoded image in [0, 1], of any shape, in this space."""
        return decoded(image) if self.linear else image

    def from_levels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return an image in gray levels in this space, where white is 255 as well."""
        return np.asarray(cv2.LUT(image, _light_levels()), dtype=np.float32) if self.linear else image

    def to_encoded(self, restored: NDArray[Real]) -> NDArray[Real]:
        """Return the encoded values of an image in this space."""
        return encoded(restored) if self.linear else restored

    def contrast(self, image: NDArray[np.uint8]) -> float:
        """Return the factor of weak contrasts and noise in this space: the curve's root mean square slope, or 1.

        Args:
            image: In gray levels, of any shape.
        """
        if not self.linear:
            return 1.0
        counts = np.bincount(image.ravel(), minlength=WHITE + 1)
        return float(np.sqrt(np.average(np.square(_slopes()), weights=counts)))


ENCODED: Final = Space()
"""The space of a blur without a camera."""


@dataclass(frozen=True)
class DrawnCamera:
    """A camera with what was drawn for one image.

    Attributes:
        linear: As in `Camera`.
        saturation: As in `Camera`.
        exposure: Gain on the light, above 0.
        highlights: Light of what is clipped in the sharp image, at least 1.
        shot_noise: Variance of white light that the shot noise adds.
        read_noise: Standard deviation of the read noise.
    """

    linear: bool
    saturation: bool
    exposure: float
    highlights: float
    shot_noise: float
    read_noise: float

    @property
    def has_noise(self) -> bool:
        """Whether the sensor adds noise."""
        return self.shot_noise > 0 or self.read_noise > 0

    @property
    def columns(self) -> dict[str, float]:
        """What was drawn, as columns of a table."""
        return {name: getattr(self, name) for name in CAMERA_PARAMETERS}

    def exposed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the image that the camera takes if it is held still, without noise; the image itself at exposure 1."""
        if self.exposure == 1:
            return image
        return np.asarray(cv2.LUT(image, self._still), dtype=np.uint8)

    def light(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the light that falls on the sensor, in a scale in which 255 is white."""
        return np.asarray(cv2.LUT(image, self._light), dtype=np.float32)

    def developed(self, light: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """Record blurred light, and encode it.

        The noise of a pixel of light y, where 1 is white, is normal with the variance shot_noise y + read_noise^2: a y
        + b of A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and
        fitting for single-image raw-data", IEEE Trans. Image Process. 17(10), 2008, with the normal approximation of
        the Poisson part. It is close from about ten photons a pixel up, which is y = 10 shot_noise. As in that paper,
        the recorded value is clipped after the noise: a light far above white stays white.

        Args:
            light: Blurred, in the scale of `light`, (H, W); it is overwritten.
            seed: Of the noise.

        Returns:
            Gray levels, not rounded.
        """
        if self.has_noise:
            deviation = np.maximum(light, 0)
            deviation *= np.float32(self.shot_noise * WHITE)
            deviation += np.float32((self.read_noise * WHITE) ** 2)
            np.sqrt(deviation, out=deviation)
            deviation *= sensor_noise(seed, light.shape)
            light += deviation
        if self.has_noise or self.exposure * self.highlights > 1:  # else nothing is clipped, and the last bit is kept
            light.clip(0, WHITE, out=light)
        return _encoded_levels(light) if self.linear else light

    @cached_property
    def _light(self) -> NDArray[np.float32]:
        """The light of each gray level, before the blur."""
        light = self._exposed_light
        return (WHITE * (light if self.saturation else np.minimum(light, 1))).astype(np.float32)

    @cached_property
    def _still(self) -> NDArray[np.uint8]:
        """What each gray level becomes if nothing is blurred, rounded as blurred images are."""
        light = np.minimum(self._light, np.float32(WHITE))
        levels: NDArray[np.uint8] = np.rint(_encoded_levels(light) if self.linear else light).astype(np.uint8)
        return levels.ravel()

    @property
    def _exposed_light(self) -> NDArray[np.float64]:
        levels: NDArray[np.float64] = np.arange(WHITE + 1) / WHITE
        light = decoded(levels) if self.linear else levels
        light[WHITE] = self.highlights
        return light * self.exposure


class Camera:
    """The camera that takes the blurred image: what happens to light on the way to an image of 8 bits.

    The values of the sharp image are decoded to linear light (sRGB, IEC 61966-2-1), multiplied by the exposure,
    blurred, given shot and read noise, clipped at white, and encoded again. Noise on encoded values, rounding and JPEG
    follow as without a camera. A camera of the default values changes nothing.

    Attributes:
        linear: Whether linear light is blurred; if not, the other stages work on the encoded values.
        saturation: Whether light above white is clipped after the blur, so that lights become clipped discs and
            streaks. If not, it is clipped before the blur, which then is the only change of the image to restore.
        intervals: What is drawn for each image, by the names of `CAMERA_PARAMETERS`.
    """

    def __init__(
        self,
        *,
        linear: bool = False,
        exposure: ScalarOrPair = 1.0,
        highlights: ScalarOrPair = 1.0,
        saturation: bool = True,
        shot_noise: ScalarOrPair = 0.0,
        read_noise: ScalarOrPair = 0.0,
    ) -> None:
        """Set the stages; of a pair, a value is drawn for each image.

        Args:
            linear: Blur linear light, not the encoded values.
            exposure: Gain on the light before the blur. The image to restore is exposed likewise.
            highlights: How much brighter than white the light of the clipped pixels is, those of 255 in the sharp
                image, for each color.
            saturation: Clip the light at white after the blur, not before.
            shot_noise: Variance that shot noise gives white light: 1 over the number of photons of white.
            read_noise: Standard deviation of the read noise, where white is 1.

        Raises:
            ValueError: A value is outside what is allowed.
        """
        self.linear, self.saturation = linear, saturation
        given = {"exposure": exposure, "highlights": highlights, "shot_noise": shot_noise, "read_noise": read_noise}
        self.intervals: Mapping[str, Interval] = {
            name: parameter.interval(f"camera.{name}", given[name]) for name, parameter in CAMERA_PARAMETERS.items()
        }
        self._drawn = self._camera_of({name: each.low for name, each in self.intervals.items()})

    @classmethod
    def of(cls, camera: "Camera | Mapping[str, Any] | None") -> "Camera | None":
        """Return a camera from its arguments, as a configuration holds them; a camera or None as it is."""
        return cls(**camera) if isinstance(camera, Mapping) else camera

    @property
    def is_fixed(self) -> bool:
        """Whether an image is taken in the same way each time."""
        return self._draws_nothing and not self.has_noise

    @property
    def has_noise(self) -> bool:
        """Whether the sensor can add noise."""
        return any(self.intervals[name].high > 0 for name in ("shot_noise", "read_noise"))

    @property
    def space(self) -> Space:
        """The space of the blur."""
        return Space(self.linear)

    def draw(self, seed: int) -> DrawnCamera:
        """Draw the camera of one image.

        Args:
            seed: Of the noise of the image. A generator of its own leaves all that is drawn without a camera as it is.
        """
        if self._draws_nothing:  # its tables are made once
            return self._drawn
        rng = np.random.default_rng([seed, _CAMERA_STREAM])
        return self._camera_of({name: interval.draw(rng) for name, interval in self.intervals.items()})

    @property
    def _draws_nothing(self) -> bool:
        return all(interval.is_fixed for interval in self.intervals.values())

    def _camera_of(self, values: Mapping[str, float]) -> DrawnCamera:
        return DrawnCamera(linear=self.linear, saturation=self.saturation, **values)


def sensor_noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw the noise of a sensor before it is scaled, of standard deviation 1.

    Args:
        seed: Of the noise of a plane.
        shape: Of the plane.
    """
    return np.random.default_rng([seed, _NOISE_STREAM]).standard_normal(shape, dtype=np.float32)


@cache
def _light_levels() -> NDArray[np.float32]:
    """Return the linear light of each gray level, white being 255."""
    return (WHITE * decoded(np.arange(WHITE + 1) / WHITE)).astype(np.float32)


@cache
def _slopes() -> NDArray[np.float64]:
    """Return the slope of the decoding curve at each gray level."""
    levels = np.arange(WHITE + 1) / WHITE
    power = EXPONENT / (1 + OFFSET) * ((levels + OFFSET) / (1 + OFFSET)) ** (EXPONENT - 1)
    slopes: NDArray[np.float64] = np.where(levels <= ENCODED_KNEE, 1 / SLOPE, power)
    return slopes


def _encoded_levels(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gray levels of linear light, in a scale in which 255 is white, and overwrite the light."""
    light *= np.float32(1 / WHITE)
    light.clip(0, 1, out=light)
    levels = np.asarray(cv2.pow(light, 1 / EXPONENT), dtype=np.float32)
    levels *= np.float32((1 + OFFSET) * WHITE)
    levels -= np.float32(OFFSET * WHITE)
    light_is_dark = light <= np.float32(KNEE)
    light *= np.float32(SLOPE * WHITE)
    np.copyto(levels, light, where=light_is_dark)
    return levels
