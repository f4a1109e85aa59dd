"""The forward model: what happens to a sharp image before the network sees it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple, TypedDict, Unpack

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur.camera import ENCODED, Camera, DrawnCamera, Space
from deblur.blur.images import WHOLE, Crop, Extension
from deblur.blur.kernel_fields import KernelField, blurred
from deblur.blur.kernels import Kernel, Psf
from deblur.blur.parameters import Interval, Parameter, ScalarOrPair, Text
from deblur.errors import UserError

Parameters = Mapping[str, float | str]


class DrawnKernel(NamedTuple):
    """A kernel or a field of them, the name of its family, and the parameters that the family made it from."""

    kernel: Kernel | KernelField
    family: str
    parameters: Parameters


@dataclass(frozen=True)
class Sampled:
    """All that was drawn for one image: applying it again gives the same pixels.

    Attributes:
        kernel: The blur: one kernel, or a field of kernels that vary over the image.
        family: Name of the family of the kernel.
        parameters: What the family made it from, by name.
        noise_sigma: Standard deviation of the noise in gray levels (of 255), at least 0.
        noise_seed: Seed of the noise's own generator.
        jpeg_quality: 1..100, or None for no compression.
        camera: What takes the image; None leaves it to `Degradation.camera_of`.
    """

    kernel: Kernel | KernelField
    family: str
    parameters: Parameters
    noise_sigma: float
    noise_seed: int
    jpeg_quality: int | None
    camera: DrawnCamera | None = None

    @property
    def psf(self) -> Psf | None:
        """The kernel of the whole image; None if it varies over the image."""
        return self.kernel.psf if isinstance(self.kernel, Kernel) else None


class AfterBlur(TypedDict, total=False):
    """The settings that every family passes on to `Degradation`."""

    noise_sigma: ScalarOrPair
    jpeg_quality: ScalarOrPair | None
    camera: Camera | Mapping[str, Any] | None


SHARED_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "noise_sigma": Parameter("Noise after the blur", 0, 255, unit="gray levels of 255"),
    "jpeg_quality": Parameter("JPEG quality", 1, 100, numbers="whole", optional=True),
}
"""What every blur can be followed by, by the names of `AfterBlur`; besides, it can happen in a camera."""


class Degradation(ABC):
    """A family of blurs, with noise, rounding to 8 bits and JPEG compression.

    A new family overrides `draw_kernel` and `max_kernel_size`, `fixed_kernel` if all images have one kernel, which
    saves time, and `varies_over_image` if it draws a `KernelField`. The check of a configuration, the cross-degradation
    matrix, the demo and the labels of reports know of its parameters what it declares. A registered family
    (`deblur.blur.register`) can be a part of a mixture.

    Attributes:
        family: Name of the family in tables and file names.
        label: Name of the family in the demo.
        parameters: Arguments of the constructor that are numbers, by name, in the order of the demo's sliders.
        texts: Arguments of the constructor that are texts, by name.
        camera: What the blur happens in; None blurs the encoded values of the image.
    """

    family: ClassVar[str]
    label: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    texts: ClassVar[Mapping[str, Text]] = {}
    camera: Camera | None = None

    def __init__(
        self,
        *,
        noise_sigma: ScalarOrPair = 0.0,
        jpeg_quality: ScalarOrPair | None = None,
        camera: Camera | Mapping[str, Any] | None = None,
    ) -> None:
        """Set the camera, and what follows the blur.

        Args:
            noise_sigma: Standard deviation of gaussian noise in gray levels (of 255).
            jpeg_quality: A whole number, or None for no compression.
            camera: A camera or the arguments of one; None blurs the encoded values, without clipping or noise.

        Raises:
            ValueError: A value is outside what is allowed.
        """
        self.noise_sigma = SHARED_PARAMETERS["noise_sigma"].interval("noise_sigma", noise_sigma)
        self.jpeg_quality: Interval | None = None
        if jpeg_quality is not None:
            self.jpeg_quality = SHARED_PARAMETERS["jpeg_quality"].interval("jpeg_quality", jpeg_quality)
        self.camera = Camera.of(camera)

    @abstractmethod
    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw the kernel of one image."""

    @property
    @abstractmethod
    def max_kernel_size(self) -> tuple[int, int]:
        """The largest (height, width) in px that a drawn kernel can have."""

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows and columns beyond a crop blur into it at most [px]."""
        height, width = self.max_kernel_size
        return height // 2, width // 2

    @property
    def fixed_kernel(self) -> Kernel | None:
        """The kernel of all images, or None if it is drawn."""
        return None

    @property
    def varies_over_image(self) -> bool:
        """Whether an image can have a field of kernels, in place of one kernel."""
        return False

    def require_one_kernel(self, needed_by: str, instead: str = "take a network that needs no kernel") -> None:
        """Refuse a kernel that varies over the image.

        Args:
            needed_by: What needs one kernel for the whole image, to begin a sentence.
            instead: What to do instead of taking another blur.

        Raises:
            UserError: The kernel can vary.
        """
        if self.varies_over_image:
            raise UserError(
                f"{needed_by} needs one kernel for the whole image, and with blur={self.family} the kernel varies over "
                f"the image: take another blur, or {instead}."
            )

    def require_tensors(self, needed_by: str, instead: str, *, noise_is_known: bool = False) -> None:
        """Refuse a degradation that `deblur.data.device_blur` does not compute.

        Args:
            needed_by: What needs that, to begin a sentence.
            instead: What to do instead.
            noise_is_known: Whether the network takes the noise of each image.

        Raises:
            UserError: It compresses, varies over the image, or is of a custom class with its own way; or the noise
                would have to be estimated on the blurred image.
        """
        if self.jpeg_quality is not None:
            raise UserError(f"{needed_by} has no JPEG compression: take blur.jpeg_quality=null, or {instead}.")
        self.require_one_kernel(needed_by, instead)
        if self._is_custom:
            raise UserError(
                f"{needed_by} computes the blurs of this program, and {type(self).__name__} has a method sample or "
                f"apply of its own: take {instead}."
            )
        if noise_is_known and self.camera is not None:
            raise UserError(
                f"{needed_by} does not fit a network that takes the noise of each image, which with a camera is "
                f"estimated on the blurred image: take blur/camera=none, or {instead}."
            )

    @property
    def _is_custom(self) -> bool:
        """Whether a custom class may draw or compute anything."""
        return type(self).sample is not Degradation.sample or type(self).apply is not Degradation.apply

    @property
    def is_fixed(self) -> bool:
        """Whether nothing is drawn: an image is degraded in the same way each time."""
        if self._is_custom:
            return False
        is_compression_fixed = self.jpeg_quality is None or self.jpeg_quality.is_fixed
        is_camera_fixed = self.camera is None or self.camera.is_fixed
        return self.fixed_kernel is not None and self.noise_sigma.high == 0 and is_compression_fixed and is_camera_fixed

    @property
    def space(self) -> Space:
        """The values that are blurred: linear light, or those of the image."""
        return ENCODED if self.camera is None else self.camera.space

    @property
    def commutes_with_mirroring(self) -> tuple[bool, bool]:
        """Whether a mirrored image is degraded to the mirrored result: left-right, and top-bottom."""
        if self.fixed_kernel is None or not self.is_fixed or self.jpeg_quality is not None:
            return False, False  # the blocks of a JPEG begin at the top left
        psf = self.fixed_kernel.psf
        return np.array_equal(psf, psf[:, ::-1]), np.array_equal(psf, psf[::-1])

    def sample(self, rng: np.random.Generator) -> Sampled:
        """Draw a kernel, noise, compression and a camera for one image."""
        # The order is part of the result: with the kernel first and the optional quality last, switching noise or
        # compression on changes nothing else that is drawn from the same generator.
        drawn = self.draw_kernel(rng)
        noise_sigma, noise_seed = self.noise_sigma.draw(rng), int(rng.integers(2**63))
        jpeg_quality = None if self.jpeg_quality is None else int(self.jpeg_quality.draw(rng))
        camera = None if self.camera is None else self.camera.draw(noise_seed)
        return Sampled(*drawn, noise_sigma, noise_seed, jpeg_quality, camera)

    def camera_of(self, sampled: Sampled) -> DrawnCamera | None:
        """Return the camera of one image, also for a custom class whose `sample` draws none; None without a camera."""
        if sampled.camera is not None or self.camera is None:
            return sampled.camera
        return self.camera.draw(sampled.noise_seed)

    def apply(self, image: NDArray[np.uint8], sampled: Sampled, boundary: Extension = "symmetric") -> NDArray[np.uint8]:
        """Degrade a whole image: blur it, in a camera if there is one, add noise, round to 8 bits, compress.

        Args:
            image: (H, W), or (H, W, 3) in RGB. Colors share all that is drawn except the noise; they are compressed as
                one color image.
            sampled: What was drawn for the image.
            boundary: How the image continues beyond its boundary.

        Raises:
            ValueError: The image is not a non-empty uint8 array of such a shape.
        """
        if image.dtype != np.uint8:
            raise ValueError(f"The image must be uint8, not {image.dtype}.")
        if image.ndim == 2:
            recorded = self._recorded(image, sampled, sampled.noise_seed, boundary)
        else:
            colors = enumerate(cv2.split(image), sampled.noise_seed)
            recorded = np.dstack(
                [self._recorded(np.asarray(plane, np.uint8), sampled, seed, boundary) for seed, plane in colors]
            )
        return recorded if sampled.jpeg_quality is None else _through_jpeg(recorded, sampled.jpeg_quality)

    def _recorded(
        self, plane: NDArray[np.uint8], sampled: Sampled, noise_seed: int, boundary: Extension
    ) -> NDArray[np.uint8]:
        """Return a plane (H, W) as it is recorded, before compression."""
        camera = self.camera_of(sampled)
        result = blurred(plane if camera is None else camera.light(plane), sampled.kernel, boundary)
        if camera is not None:
            result = camera.developed(result, noise_seed)
        if sampled.noise_sigma > 0:
            result += encoded_noise(noise_seed, plane.shape) * np.float32(sampled.noise_sigma)
        np.rint(result, out=result)  # in place: at this size, new arrays cost more than the arithmetic
        return result.clip(0, 255, out=result).astype(np.uint8)


def degrade(
    image: NDArray[np.uint8], degradation: Degradation, sampled: Sampled, crop: Crop = WHOLE
) -> NDArray[np.uint8]:
    """Degrade a whole image, as training, evaluation, simulation and demo do.

    Args:
        image: Sharp or already blurred, (H, W) or (H, W, 3); colors share the kernel and not the noise.
        degradation: What is applied.
        sampled: What was drawn for the image.
        crop: What to keep of the result, and how the scene continues beyond it.
    """
    if image.ndim == 3 and type(degradation).apply is not Degradation.apply:  # which is given one plane at a time
        sampled = replace(sampled, camera=degradation.camera_of(sampled))  # one for all colors
        seeds = range(sampled.noise_seed, sampled.noise_seed + image.shape[2])
        planes = np.ascontiguousarray(np.moveaxis(image, 2, 0))
        each = zip(planes, seeds, strict=True)
        return np.stack([degrade(one, degradation, replace(sampled, noise_seed=seed), crop) for one, seed in each], 2)
    if crop.boundary == "valid":
        if isinstance(sampled.kernel, KernelField):  # the crop has the same kernels whatever its boundary
            sampled = replace(sampled, kernel=sampled.kernel.spanning(crop))
        return crop.cut(degradation.apply(image, sampled))
    given = np.ascontiguousarray(crop.cut(image))
    # A custom class may have an `apply` of its own, without the boundary.
    own = {} if crop.extension == "symmetric" else {"boundary": crop.extension}
    return degradation.apply(given, sampled, **own)


def exposed(image: NDArray[np.uint8], degradation: Degradation, sampled: Sampled) -> NDArray[np.uint8]:
    """Return the image to restore: the sharp image as the same camera takes it, held still and without noise.

    Args:
        image: Sharp, or a crop of it, (H, W) or (H, W, 3).
        degradation: What degrades the image.
        sampled: What was drawn for the image.

    Returns:
        The image itself without a camera, and at exposure 1.
    """
    camera = degradation.camera_of(sampled)
    return image if camera is None else camera.exposed(image)


def encoded_noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw the noise of a plane's encoded values before it is scaled, of standard deviation 1."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


class ParametricBlur(Degradation):
    """A family whose kernel is a function of a few numbers: `make_psf`, called with the parameters by name."""

    make_psf: ClassVar[Callable[..., Psf]]

    def __init__(self, settings: Mapping[str, ScalarOrPair | Interval], **after: Unpack[AfterBlur]) -> None:
        """Set the parameters and make the kernels at both ends of them.

        Args:
            settings: What each parameter is drawn from, by name: a number or a pair if the family declares the
                parameter, else an interval.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            ValueError: A bound of a parameter is not allowed.
        """
        super().__init__(**after)
        self.intervals = {
            name: setting if isinstance(setting, Interval) else self.parameters[name].interval(name, setting)
            for name, setting in settings.items()
        }
        Kernel(self.make_psf(**{name: each.low for name, each in self.intervals.items()}))  # refuses a wrong bound
        self._highest = Kernel(self.make_psf(**{name: each.high for name, each in self.intervals.items()}))
        self._is_fixed = all(interval.is_fixed for interval in self.intervals.values())

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw the parameters and make the kernel; the kernel of fixed parameters is made once."""
        parameters = {name: interval.draw(rng) for name, interval in self.intervals.items()}
        kernel = self._highest if self._is_fixed else Kernel(self.make_psf(**parameters))
        return DrawnKernel(kernel, self.family, parameters)

    @property
    def fixed_kernel(self) -> Kernel | None:
        """The kernel of fixed parameters."""
        is_ours = type(self).draw_kernel is ParametricBlur.draw_kernel
        return self._highest if self._is_fixed and is_ours else None

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The size of the kernel with the largest parameters."""
        height, width = self._highest.psf.shape
        return height, width


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    is_gray = image.ndim == 2
    stored = image if is_gray else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError(f"An image of {image.shape} cannot be compressed as JPEG.")
    return (decoded if is_gray else cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)).astype(np.uint8, copy=False)
