"""A trained network as a function from an image to an image."""

import difflib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur.choices import DEFAULT_COLOR, DEFAULT_NETWORK, HUB, PRETRAINED, Accelerator, Color, Precision, refusal
from deblur.errors import UserError
from deblur.image_io.images import DecodedImage
from deblur.inference.blending import blended
from deblur.inference.hub import is_on_hub, pulled
from deblur.inference.levels import Pixels
from deblur.inference.pixels import as_pixels, plane_count, restore_pixels, restore_rgb, restore_visible
from deblur.inference.pretrained import pretrained_file
from deblur.inference.scaling import FULL, check_scale, reduced_size, restore_at_scale
from deblur.inference.tiles import KnownBlur, Plane, Planes, TiledNetwork, TileNetwork
from deblur.runs.paths import near_place, refuse_no_run

if TYPE_CHECKING:  # OpenCV is loaded for a kernel
    from deblur.blur.kernels import Psf
    from deblur.estimation import BlurEstimate

Advance = Callable[[], object]
Applied = Callable[[float], object]

ONNX_SUFFIX = ".onnx"
LARGEST_NOISE: Final = 255
_NO_BLUR: Final = "none"  # name of the blur of a network for noise and compression alone

_log = logging.getLogger(__name__)


class Restorer:
    """Restores images with one network.

    Attributes:
        name: of the network.
        settings: of its training: the sections `model` and `blur`, and others if they are known.
        is_gated: whether the gate decides how much of the correction is applied, unless a strength is given; without
            torch, which computes it, never.
        caveat: a sentence on what the network is not for, which is logged as well; empty for most.
    """

    def __init__(
        self, name: str, settings: Mapping[str, Any], exact: TileNetwork, fast: TileNetwork | None = None
    ) -> None:
        """Take a network in float32 (`exact`), and the same in lower precision, for images of 8 bits (`fast`)."""
        self.name = name
        self.settings = settings
        self.caveat = _caveat(name, exact)
        if self.caveat:
            _log.warning("%s", self.caveat)
        self.is_gated = is_gated(settings, exact.needs_kernel)
        if self.is_gated and importlib.util.find_spec("torch") is None:
            self.is_gated = False
            _log.warning(
                "The gate, which leaves sharp images as they are, needs torch, which is not installed: the correction "
                "of %s is applied in full.",
                name,
            )
        self._exact = TiledNetwork(exact)
        self._fast = self._exact if fast is None else TiledNetwork(fast)

    @property
    def channels(self) -> int:
        """The channels of the network's images: 1 for gray, 3 for RGB."""
        return self._exact.channels

    @property
    def needs_kernel(self) -> bool:
        """Whether the network is non-blind: it needs the kernel of each image."""
        return self._exact.needs_kernel

    def __call__(
        self,
        image: Any,
        color: Color | None = None,
        advance: Advance | None = None,
        kernel: "Psf | None" = None,
        noise_sigma: float | None = None,
        *,
        scale: float = FULL,
        strength: float | None = None,
    ) -> NDArray[Any]:
        """Restore an image of any origin.

        A network for RGB restores red, green and blue at once. It restores a gray image as one of three equal channels,
        and the luma of the result is taken.

        Args:
            image: gray (H, W) or (H, W, 1), RGB (H, W, 3), either with alpha as last channel (H, W, 2) or (H, W, 4);
                uint8 or uint16 of full range, or floating point in [0, 1], which rounding may exceed by 1e-4. Alpha is
                kept, and so are the colors that it hides. An image of Pillow is taken as the array of its gray or RGB
                levels, whatever its orientation.
            color: how a network for gray restores a color image: `luma`, the default, restores the brightness and keeps
                the color differences; `channels` restores red, green and blue one by one. None for a network for RGB.
            advance: called after each tile; see `count`.
            kernel: of the blur, an array of odd sides and of sum 1, for a non-blind network.
            noise_sigma: standard deviation of the noise, for a network that takes it, such as `unrolled` [gray levels
                of 255]; None is estimated from the image. With `luma` it is that of the luma: 0.67 of white noise in
                red, green and blue.
            scale: at which a network without a kernel restores, above 0 and at most 1. Below 1 the image is reduced,
                and the enlarged correction is added to the image itself; see `scale_for`.
            strength: the fraction of the network's correction that is applied, from 0 for the image itself to 1 for
                the result of the network. None leaves it to the gate (see `is_gated`), place by place, so that a sharp
                image hardly changes; a network without it then has strength 1.

        Returns:
            A new array of the same shape and type.

        Raises:
            ValueError: for another shape, type, range, color, scale or strength, and for a kernel or noise that is
                invalid, missing or unused.
        """
        known = _known_blur(kernel, noise_sigma)
        _refuse_strength(strength)
        blend = _Blend(strength, self.is_gated, self.settings)
        pixels = as_pixels(image)
        channels = pixels.shape[2] if pixels.ndim == 3 else 3
        if channels == 3:
            restored = self._restored(pixels, None, color, advance, known, blend, scale)
        else:
            colors = pixels[..., 0] if channels < 3 else pixels[..., :3]
            alpha = pixels[..., -1] if channels > 1 else None
            restored = self._restored(colors, alpha, color, advance, known, blend, scale)
            restored = restored[..., None] if alpha is None else np.dstack([restored, alpha])
        wanted = getattr(image, "dtype", None)
        return restored.astype(wanted, copy=False) if isinstance(wanted, np.dtype) else restored

    def restore_image(
        self,
        image: DecodedImage,
        color: Color | None = None,
        advance: Advance | None = None,
        kernel: "Psf | None" = None,
        noise_sigma: float | None = None,
        *,
        scale: float = FULL,
        strength: float | None = None,
        applied: Applied | None = None,
    ) -> DecodedImage:
        """Restore a decoded image.

        Args:
            image: to restore.
            color: as in a call, like the other arguments.
            advance: see there.
            kernel: see there.
            noise_sigma: see there.
            scale: see there.
            strength: see there.
            applied: called with the fraction of the correction that the gate or the strength has applied.
        """
        known = _known_blur(kernel, noise_sigma)
        _refuse_strength(strength)
        blend = _Blend(strength, self.is_gated, self.settings)
        restored = self._restored(image.pixels, image.alpha, color, advance, known, blend, scale)
        if applied is not None:
            applied(blend.applied)
        return replace(image, pixels=restored)

    def _restored(
        self,
        pixels: Pixels,
        alpha: Pixels | None,
        color: Color | None,
        advance: Advance | None,
        known: KnownBlur,
        blend: "_Blend",
        scale: float,
    ) -> Pixels:
        self._refuse_color(color)
        self._refuse_scale(scale)
        _refuse_kernel(known.kernel, self.needs_kernel)
        _refuse_noise(known.noise_sigma, self.needs_kernel)
        tiled = self._fast if pixels.dtype == np.uint8 else self._exact

        def restore_plane(plane: Plane) -> Plane:
            return tiled.restore(plane, advance, known)

        def restore_tiles(colors: Pixels) -> Iterator[tuple[slice, slice, Planes]]:
            return tiled.tiles(colors, advance, known)

        def restore(colors: Pixels) -> Pixels:
            if self.channels == 1:
                return blend(colors, restore_pixels(colors, restore_plane, color or DEFAULT_COLOR))
            return blend(colors, restore_rgb(colors, restore_tiles))

        def restore_scaled(colors: Pixels) -> Pixels:
            return restore_at_scale(colors, scale, restore)

        return restore_scaled(pixels) if alpha is None else restore_visible(pixels, alpha, restore_scaled)

    def scale_for(self, blur: "BlurEstimate") -> float:
        """Return the scale at which the network can restore an image of an estimated blur.

        It is 1 unless the blur is wider than that of the training, then the largest 1/2, 1/3, ... at which it is not. A
        non-blind network restores at 1.
        """
        from deblur.inference.advice import scale_for  # OpenCV

        return FULL if self.needs_kernel else scale_for(blur, self.settings)

    def count(self, image: Any, color: Color | None = None, *, scale: float = FULL) -> int:
        """Return how many tiles an image, decoded or of any origin, has, for a progress bar.

        Raises:
            ValueError: as a call does.
        """
        self._refuse_color(color)
        self._refuse_scale(scale)
        pixels = image.pixels if isinstance(image, DecodedImage) else as_pixels(image)
        passes = plane_count(pixels, color or DEFAULT_COLOR) if self.channels == 1 else 1
        return passes * self._exact.count(*reduced_size(pixels.shape[0], pixels.shape[1], scale))

    def _refuse_scale(self, scale: object) -> None:
        if check_scale(scale) < FULL and self.needs_kernel:
            raise ValueError(
                f"scale={scale} is for a network without a kernel, and {self.name} takes one: leave it out"
            )

    def _refuse_color(self, color: object) -> None:
        if color is None:
            return
        refused = refusal("color", color, Color)
        if refused is None and self.channels > 1:
            refused = (
                f"color={color} is for a network of gray images, and {self.name} restores red, green and blue at once: "
                "leave color out."
            )
        if refused:
            raise ValueError(refused)


def is_gated(settings: Mapping[str, Any], needs_kernel: bool) -> bool:
    """Return whether the gate decides how much of a network's correction is applied.

    It does for networks that remove a blur without knowing it, not for those of noise and compression alone, nor for
    those of other programs: what these remove is not known.

    Args:
        settings: of the network's training.
        needs_kernel: whether the network is non-blind.
    """
    blur = settings.get("blur")
    return not needs_kernel and blur is not None and blur.get("name") != _NO_BLUR


class _Blend:
    """Applies a part of a correction, and keeps how much.

    Attributes:
        applied: the fraction of the correction that was applied.
    """

    def __init__(self, strength: float | None, is_gated: bool, settings: Mapping[str, Any]) -> None:
        """Take the fraction of the correction to apply; None is decided by the gate, or 1 without it.

        The settings are those of the network's training.
        """
        self._is_gated = is_gated and strength is None
        self._settings = settings
        self.applied = 1.0 if strength is None else float(strength)

    def __call__(self, pixels: Pixels, restored: Pixels) -> Pixels:
        """Return new pixels, of the shape and type of both."""
        if not self._is_gated and self.applied == 1:
            return restored
        if not self._is_gated:
            return blended(pixels, restored, self.applied)
        from deblur.estimation import visible_spread  # OpenCV
        from deblur.inference.gating import gated, pretrained_gate  # torch

        spread = visible_spread(self._settings.get("blur", {}))
        result, self.applied = gated(pixels, restored, pretrained_gate(), spread)
        return result


def load(
    network: str | Path = DEFAULT_NETWORK,
    *,
    accelerator: Accelerator = "auto",
    precision: Precision = "auto",
    self_ensemble: bool = False,
    trusted: Sequence[str] = (),
) -> Restorer:
    """Load a network that restores images.

        import deblur
        restorer = deblur.load("default")  # or the folder of a run, a checkpoint, an exported file
        sharper = restorer(image)  # a NumPy array (H, W) or (H, W, 3), uint8, uint16 or in [0, 1]

    Args:
        network: the name of a pretrained network (default, defocus, motion, unrolled), the path of a run's folder, a
            checkpoint, an exported .safetensors or .onnx file, or the weights of another program in a .pth or
            .safetensors file, or a repository of the Hugging Face Hub (hf://USER/NAME).
        accelerator: auto takes a GPU if there is one.
        precision: auto computes 8-bit images in bfloat16 if the hardware multiplies it, all others in float32.
        self_ensemble: of a non-blind network, take the mean of its restorations of the eight orientations of the
            image: somewhat better, at eight times the cost.
        trusted: custom modules whose classes may be built.

    Raises:
        UserError: if there is no such network, it is damaged, its class is not allowed, or a setting is none of the
            choices.
    """
    for name, value, choices in (("accelerator", accelerator, Accelerator), ("precision", precision, Precision)):
        refused = refusal(name, value, choices)
        if refused:
            raise UserError(refused)
    if isinstance(trusted, str):
        raise UserError(f"trusted={trusted} is not allowed: give a list of module names, such as ['{trusted}'].")
    place = place_of(network)
    if place.suffix == ONNX_SUFFIX:
        from deblur.inference.onnx_network import open_onnx

        if accelerator not in ("auto", "cpu") or precision == "bf16-mixed":
            raise UserError(
                f"{network} is computed by onnxruntime on the CPU in float32: leave accelerator={accelerator} and "
                f"precision={precision} out, or give the run that it was made from."
            )
        description, exported = open_onnx(place)
        if self_ensemble:
            raise UserError(_no_self_ensemble(str(network)))
        return Restorer(str(description.get("name") or place.stem), description["settings"], exported)
    if not place.exists():
        raise UserError(
            f"There is no network {network}: give {', '.join(PRETRAINED)}, a run's folder, a checkpoint, or an "
            f"exported .safetensors or {ONNX_SUFFIX} file, the weights of another program, or {HUB}USER/NAME."
            f"{_near(network)}"
        )
    if place.is_dir():
        refuse_no_run(place)
    import torch  # two seconds, which an .onnx file does without

    from deblur.device import accelerator_of, multiplies_bfloat16
    from deblur.inference.foreign import ForeignNetwork, ForeignTorchNetwork, load_network
    from deblur.inference.torch_network import TorchNetwork
    from deblur.models.protocol import traits_of

    trained = load_network(place, trusted)
    found = accelerator_of(accelerator)
    device = torch.device({"gpu": "cuda"}.get(found, found))
    is_fast = precision == "bf16-mixed" or (precision == "auto" and multiplies_bfloat16(found, 0))
    built = trained.network
    if self_ensemble:
        if not traits_of(built).takes_kernel:
            raise UserError(_no_self_ensemble(trained.name))
        from deblur.models.self_ensemble import SelfEnsemble

        built = SelfEnsemble(built)
    if isinstance(built, ForeignNetwork):
        if precision == "bf16-mixed":
            raise UserError(
                f"precision=bf16-mixed is for networks of this program, and {trained.name} is computed in float32: "
                "leave it out."
            )
        return Restorer(trained.name, trained.config, ForeignTorchNetwork(built, device))
    exact, fast = (TorchNetwork(built, device, bfloat16) for bfloat16 in (False, True))
    return Restorer(trained.name, trained.config, exact, fast if is_fast else None)


def place_of(network: str | Path) -> Path:
    """Return the path of a network: of a pretrained one by its name, and of one on the Hub once it is downloaded.

    Raises:
        UserError: if it cannot be downloaded.
    """
    if str(network) in PRETRAINED:
        return pretrained_file(str(network))
    return pulled(str(network)) if is_on_hub(network) else Path(network)


def _no_self_ensemble(name: str) -> str:
    return f"self_ensemble is for a non-blind network, such as unrolled, and {name} is blind: leave it out."


def _caveat(name: str, network: TileNetwork) -> str:
    if not network.is_circular:
        return ""
    return (
        f"{name} was trained with data.boundary=circular: it takes each image for periodic, and adds "
        "strong artifacts to photographs, which are not. Train with data.boundary=valid for photographs."
    )


def _near(network: str | Path) -> str:
    near = difflib.get_close_matches(str(network).lower(), PRETRAINED, n=1)
    return f" Did you mean {near[0]}?" if near else near_place(Path(network))


def _known_blur(kernel: Any, noise_sigma: float | None) -> KnownBlur:
    return KnownBlur(None if kernel is None else np.asarray(kernel, np.float64), noise_sigma)


def _refuse_kernel(kernel: "Psf | None", is_needed: bool) -> None:
    if kernel is None and is_needed:
        raise ValueError("the network needs the kernel that blurred the image: give it")
    if kernel is not None:
        from deblur.blur import Kernel  # OpenCV

        if not is_needed:
            raise ValueError("the network takes no kernel: leave it out")
        Kernel(kernel)


def _refuse_strength(strength: object) -> None:
    if strength is None:
        return
    if isinstance(strength, bool) or not isinstance(strength, Real) or not 0 <= float(strength) <= 1:
        raise ValueError(f"strength={strength} is not allowed: give a number from 0 to 1, or None for the gate")


def _refuse_noise(noise_sigma: object, is_taken: bool) -> None:
    if noise_sigma is None:
        return
    if not is_taken:
        raise ValueError("the network takes no noise: leave noise_sigma out")
    if (
        isinstance(noise_sigma, bool)
        or not isinstance(noise_sigma, Real)  # NumPy's numbers as well
        or not 0 <= float(noise_sigma) <= LARGEST_NOISE
    ):
        raise ValueError(
            f"noise_sigma={noise_sigma} is not allowed: give a number from 0 to {LARGEST_NOISE} [gray levels of 255]"
        )
