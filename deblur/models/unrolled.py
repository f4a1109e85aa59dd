"""A deep unrolled network for a known kernel: steps of deconvolution and convolutional priors in turn."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deblur.light import contrast, decoded, encoded
from deblur.mirroring import mirror_index
from deblur.models.kernel_errors import with_errors
from deblur.models.srcnn import refuse_channels

UNSHUFFLE: Final = 2  # pixels of the outer layers of a prior, which the inner ones halve again
SIZE_DIVISOR: Final = UNSHUFFLE**2  # px; sides that a prior computes
INNER_BLOCKS: Final = 2
FIRST_ESTIMATES: Final = 3  # deconvolutions of different strength, the input of the first prior
LATER_ESTIMATES: Final = 2
LEAST_NOISE: Final = 0.3  # gray levels of 255; rounding to 8 bits alone adds sqrt(1/12)
LEVELS: Final = 255.0
NOISE_PLANE_SCALE: Final = 8.0  # of a prior's input plane with the noise, to the range of the others
MIDDLE_GRAY: Final = 0.5
BRANCH_SCALE: Final = 0.3  # initial weights of each block's second layer: a block starts as a small change

# Of the first stage and of the later ones: the change of the blurred image is large and smooth, that of a later
# estimate is small everywhere.
FIRST_SHRINKAGE: Final = (10.0, 90.0)
FIRST_SMOOTHING: Final = (600.0, 150.0)
SPREAD: Final = 2.0  # of the logarithms of the weights of one stage around their middle

Advance = Callable[[], object]


class Block(nn.Module):
    """Two layers of 3x3 filters whose output is added to their input; a ReLU before each, zero padding."""

    def __init__(self, width: int) -> None:
        """Make the layers, of `width` channels."""
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type] # it has one
        with torch.no_grad():
            self.second.weight *= BRANCH_SCALE

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape (N, width, H, W)."""
        changed: Tensor = features + self.second(torch.relu(self.first(torch.relu(features))))
        return changed


class Prior(nn.Module):
    """A small U-Net on unshuffled pixels, of two scales: from planes to the correction of an image.

    The last layer is initialized with zeros: an untrained prior changes nothing.

    Attributes:
        halo: pixels that a part of the planes needs beyond each side of the output [px].
    """

    halo: Final = UNSHUFFLE * (1 + 2 + 2 + 1) + SIZE_DIVISOR * 2 * INNER_BLOCKS + SIZE_DIVISOR
    """Of the outer layers, of the inner ones, and of a 4x4 square, which is one position of the inner layers."""

    def __init__(self, planes: int, channels: int, width: int, inner_width: int) -> None:
        """Make the layers for a number of planes and of channels of the image."""
        super().__init__()
        self.first = nn.Conv2d(planes * UNSHUFFLE**2, width, 3, padding=1)
        self.before = Block(width)
        self.down = nn.Conv2d(width, inner_width, 2, stride=2)
        self.inner = nn.Sequential(*(Block(inner_width) for _ in range(INNER_BLOCKS)))
        self.up = nn.ConvTranspose2d(inner_width, width, 2, stride=2)
        self.after = Block(width)
        self.last = nn.Conv2d(width, channels * UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type] # it has one

    @property
    def macs_per_pixel(self) -> float:
        """Return the MACs per pixel of the image."""
        outer, inner = UNSHUFFLE**2, SIZE_DIVISOR**2
        at_inner = sum(weight.numel() for weight in self.inner.parameters() if weight.ndim == 4)
        at_outer = sum(weight.numel() for weight in self.parameters() if weight.ndim == 4) - at_inner
        resampled = (
            self.down.weight.numel() + self.up.weight.numel()
        )  # the one halves the sides, the other doubles them
        return (at_outer - resampled) / outer + (at_inner + resampled) / inner

    def forward(self, planes: Tensor) -> Tensor:
        """Return the correction (N, channels, H, W) from planes (N, planes, H, W), of sides divisible by 4."""
        unshuffled = F.pixel_unshuffle(planes, UNSHUFFLE)
        if planes.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            unshuffled = unshuffled.to(torch.get_autocast_dtype("cpu"))
        features = self.before(self.first(unshuffled.contiguous(memory_format=torch.channels_last)))
        features = self.after(features + self.up(self.inner(self.down(features))))
        correction = self.last(torch.relu(features))
        return F.pixel_shuffle(correction.to(planes.dtype), UNSHUFFLE)


class Unrolled(nn.Module):
    """Stages of deconvolution with a known kernel, each followed by a convolutional prior.

    Half-quadratic splitting turns the restoration of an image blurred by a known kernel into two steps that repeat: a
    deconvolution, which has a closed form in the Fourier transform, and a denoiser. Unrolled, a fixed number of these
    steps is a network, and their parameters are learned (Kruse, Rother and Schmidt, "Learning to push the limits of
    efficient FFT-based image deconvolution", ICCV 2017; Zhang, Van Gool and Timofte, "Deep unfolding network for image
    super-resolution", CVPR 2020; Nan, Quan and Ji, "Variational-EM-based deep learning for noise-blind image
    deblurring", CVPR 2020).

    The scene continues beyond the image, by half the kernel at least: that part is estimated together with the rest, on
    a canvas larger than the image, and begins as the mirror image. With x the present estimate, K the convolution, M
    the mask of the field of view and y the blurred image, a stage computes

        r = M (y - K x)
        v_j = x + F^-1[conj(k) F[r] / (|k|^2 + s^2 (a_j + b_j |d|^2))]
        x <- v_m + prior(v, x, s, M)

    where k is the transfer function of the kernel, d that of the differences of neighboring pixels, s the standard
    deviation of the noise, v_m the middle one of the estimates v_j, and a_j and b_j are learned: the change v_j - x
    minimizes |r - K c|^2 + s^2 (a_j |c|^2 + b_j |differences of c|^2). Outside of the field of view the residual r is
    unknown, and taken to be 0, as in an EM step. With a circular boundary, there is no outside, and the step is exact.

    If images are blurred in linear light, the deconvolution works on light: y and x are decoded before it, the v_j
    encoded after it, and s is multiplied by the root mean square slope of the sRGB curve at the values of the image.
    The priors see encoded values.

    Attributes:
        channels: of the images, 1 (gray) or 3 (RGB). The kernel is the same for all channels.
        known_kernel_stages: of deconvolution and prior; see `Network`.
        boundary: as given.
        linear_light: as given.
    """

    def __init__(
        self,
        stages: int,
        width: int,
        inner_width: int,
        kernel_error: float = 0.0,
        channels: int = 1,
        boundary: str = "unknown",
        linear_light: bool = False,
    ) -> None:
        """Make the stages.

        Args:
            stages: from 1.
            width: channels of the outer layers of each prior, at half the resolution, from 1.
            inner_width: channels of the inner layers, at a quarter of the resolution, from 1.
            kernel_error: relative error of the kernels in training, from 0 for none to 1; each has an error from 0 up
                to this one (see `deblur.models.kernel_errors`).
            channels: channels of the image: 1 for gray, 3 for RGB.
            boundary: `unknown`, if the scene continues beyond the image, or `circular`.
            linear_light: whether images are blurred in linear light, as by a camera; else their encoded values are.

        Raises:
            ValueError: for numbers below 1, an error outside 0 to 1, or another number of channels or boundary.
        """
        super().__init__()
        refuse_channels(channels)
        if not 0 <= kernel_error <= 1:
            raise ValueError(f"Unrolled needs a kernel_error from 0 to 1: {kernel_error}")
        if min(stages, width, inner_width) < 1 or boundary not in ("unknown", "circular"):
            raise ValueError(
                "Unrolled needs stages, width and inner_width from 1, and boundary=unknown or circular: "
                f"{stages}, {width}, {inner_width}, {boundary}"
            )
        self.channels = channels
        self.known_kernel_stages = stages
        self.boundary = boundary
        self.linear_light = linear_light
        self._kernel_error = kernel_error
        self.log_shrinkage = nn.ParameterList(map(nn.Parameter, _spread(stages, FIRST_SHRINKAGE)))
        self.log_smoothing = nn.ParameterList(map(nn.Parameter, _spread(stages, FIRST_SMOOTHING)))
        self.priors = nn.ModuleList(
            Prior((count + 1) * channels + 2, channels, width, inner_width) for count in _estimates(stages)
        )

    @property
    def macs_per_pixel(self) -> int:
        """Return the MACs of the priors per output pixel, rounded; the Fourier transforms are not counted."""
        return round(sum(prior.macs_per_pixel for prior in self._priors))

    def forward(
        self,
        blurred: Tensor,
        kernel: Tensor,
        noise_sigma: Tensor,
        tile: int | None = None,
        advance: Advance | None = None,
    ) -> Tensor:
        """Restore images.

        Args:
            blurred: (N, channels, H, W), in [0, 1], from 1x1.
            kernel: of each image, (N, K, L) of odd sides and of sum 1, such that the blurred image is the convolution
                of the sharp one with it.
            noise_sigma: standard deviation of the noise of each image, (N,), in gray levels of 255.
            tile: the priors compute parts of this side [px], which bounds the memory and does not change the result;
                None is all at once.
            advance: called after each stage.

        Returns:
            (N, channels, H, W), not clamped.
        """
        with torch.autocast(blurred.device.type, enabled=False):
            if self.training and self._kernel_error:
                kernel = with_errors(kernel, self._kernel_error * torch.rand(len(kernel), device=kernel.device))
            canvas = _Canvas(blurred.float(), kernel.float(), self.boundary == "circular", self.linear_light)
            sigma = noise_sigma.float().clamp(min=LEAST_NOISE)[:, None, None, None] / LEVELS
            image = canvas.mirrored()
        for shrinkage, smoothing, prior in zip(self.log_shrinkage, self.log_smoothing, self._priors, strict=True):
            with torch.autocast(blurred.device.type, enabled=False):
                estimates = canvas.deconvolved(image, sigma, shrinkage.exp(), smoothing.exp())
            image = _corrected(prior, estimates, image, sigma, canvas, tile)
            del estimates  # before the next ones are made: of 12 megapixels in RGB, they take 300 to 400 MiB
            if advance is not None:
                advance()
        return canvas.view(image)

    def compile(self, *args: object, **kwargs: object) -> None:
        """Compile the priors, as `torch.compile` does with these arguments.

        The canvas is not compiled: its sides vary with the kernels, and TorchInductor fails on Fourier transforms of
        varying sides.
        """
        for prior in self._priors:
            prior.compile(*args, **kwargs)

    @property
    def _priors(self) -> list[Prior]:
        return [prior for prior in self.priors if isinstance(prior, Prior)]


class _Canvas:
    """The field of view and its surroundings, with the Fourier transform of the kernel."""

    def __init__(self, blurred: Tensor, kernel: Tensor, is_circular: bool, is_linear: bool) -> None:
        height, width = blurred.shape[-2:]
        sides = _canvas_sides((height, width), (kernel.shape[-2], kernel.shape[-1]), is_circular)
        self._sides = sides
        top, left = ((side - size) // 2 for side, size in zip(sides, (height, width), strict=True))
        self._rows, self._columns = slice(top, top + height), slice(left, left + width)
        self._blurred = blurred
        self._is_linear = is_linear
        self._contrast = contrast(blurred)[:, None, None, None] if is_linear else 1.0
        self._around = (left, sides[1] - left - width, top, sides[0] - top - height)
        self._transfer = torch.fft.rfft2(_wrapped(kernel, sides))[:, None]
        self._power = self._transfer.abs().square()
        rows, columns = (2 - 2 * torch.cos(2 * torch.pi * f) for f in self._frequencies(blurred.device))
        self._differences = rows[:, None] + columns

    def _frequencies(self, device: torch.device) -> tuple[Tensor, Tensor]:
        height, width = self._sides
        return torch.fft.fftfreq(height, device=device), torch.fft.rfftfreq(width, device=device)

    def view(self, image: Tensor) -> Tensor:
        """Return the part of a canvas (N, C, H, W) that the camera saw."""
        return image[..., self._rows, self._columns]

    def mirrored(self) -> Tensor:
        """Return the blurred image on the canvas, surrounded by its mirror image."""
        image = self._blurred
        for dimension, place, side in ((-2, self._rows, self._sides[0]), (-1, self._columns, self._sides[1])):
            position = torch.arange(-place.start, side - place.start, device=image.device)
            image = image.index_select(dimension, mirror_index(position, image.shape[dimension], torch.minimum))
        return image

    def mask(self, rows: slice, columns: slice) -> Tensor:
        """Return a part of the mask of the field of view (H, W), 1 inside and 0 outside."""
        each = (torch.arange(part.start, part.stop, device=self._blurred.device) for part in (rows, columns))
        down, across = (
            ((place >= seen.start) & (place < seen.stop)).to(self._blurred.dtype)
            for place, seen in zip(each, (self._rows, self._columns), strict=True)
        )
        return down[:, None] * across

    def deconvolved(self, image: Tensor, sigma: Tensor, shrinkage: Tensor, smoothing: Tensor) -> list[Tensor]:
        """Return the estimates v_j of the present image.

        They are planes (N, 1, H, W): all channels of the first estimate, then of the next one.
        """
        noise = (sigma * self._contrast).square()
        each: list[list[Tensor]] = [[] for _ in shrinkage]
        for channel in range(image.shape[1]):
            plane, blurred = (self._light(one[:, channel : channel + 1]) for one in (image, self._blurred))
            blurred_again = torch.fft.irfft2(torch.fft.rfft2(plane) * self._transfer, s=self._sides)
            residual = blurred - self.view(blurred_again)
            step = torch.fft.rfft2(F.pad(residual, self._around)) * self._transfer.conj()
            for planes, a, b in zip(each, shrinkage, smoothing, strict=True):
                change = torch.fft.irfft2(step / (self._power + noise * (a + b * self._differences)), s=self._sides)
                planes.append(encoded(plane + change) if self._is_linear else plane + change)
        return [plane for planes in each for plane in planes]

    def _light(self, levels: Tensor) -> Tensor:
        return decoded(levels) if self._is_linear else levels


def _corrected(
    prior: Prior,
    estimates: Sequence[Tensor],
    image: Tensor,
    sigma: Tensor,
    canvas: _Canvas,
    tile: int | None,
) -> Tensor:
    """Return the middle estimate plus the correction of the prior, which computes parts of the canvas."""
    channels = image.shape[1]
    middle = len(estimates) // channels // 2 * channels
    base = torch.cat(list(estimates[middle : middle + channels]), dim=1)

    def correction(rows: slice, columns: slice) -> Tensor:
        cut = (..., rows, columns)
        mask = canvas.mask(rows, columns).expand(len(image), 1, -1, -1)
        noise = (NOISE_PLANE_SCALE * sigma).expand_as(mask)
        shown = [plane[cut] - MIDDLE_GRAY for plane in (*estimates, image)]
        planes = torch.cat([*shown, noise, mask], dim=1)
        high, wide = planes.shape[-2:]  # only with a circular boundary no multiples of the size divisor
        whole = F.pad(planes, (0, -wide % SIZE_DIVISOR, 0, -high % SIZE_DIVISOR), mode="replicate")
        made: Tensor = prior(whole)[..., :high, :wide]
        return made

    height, width = image.shape[-2:]
    if tile is None or max(height, width) <= tile:
        return base + correction(slice(0, height), slice(0, width))
    for rows, columns in _places((height, width), tile):
        above, beside = (
            slice(max(part.start - prior.halo, 0), min(part.stop + prior.halo, side))
            for part, side in ((rows, height), (columns, width))
        )
        made = correction(above, beside)
        top, left = rows.start - above.start, columns.start - beside.start
        base[..., rows, columns] += made[
            ..., top : top + rows.stop - rows.start, left : left + columns.stop - columns.start
        ]
    return base


def _places(sides: tuple[int, int], tile: int) -> Iterator[tuple[slice, slice]]:
    """Yield the parts of a canvas, of `tile` px a side at most, that begin at multiples of the size divisor."""
    step = max(tile // SIZE_DIVISOR, 1) * SIZE_DIVISOR
    for top in range(0, sides[0], step):
        for left in range(0, sides[1], step):
            yield slice(top, min(top + step, sides[0])), slice(left, min(left + step, sides[1]))


def _canvas_sides(view: tuple[int, int], kernel: tuple[int, int], is_circular: bool) -> tuple[int, int]:
    """Return the sides of the canvas [px]: those that blur into the field of view, rounded up for fast transforms.

    Those of a circular boundary are those of the image.
    """
    if is_circular:
        return view
    height, width = (_fast_side(size + taps - 1) for size, taps in zip(view, kernel, strict=True))
    return height, width


def _fast_side(size: int) -> int:
    """Return the least multiple of 4 from `size` up whose prime factors are 2, 3, 5 and 7."""
    side = -(-size // SIZE_DIVISOR) * SIZE_DIVISOR
    while True:
        rest = side
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return side
        side += SIZE_DIVISOR


def _wrapped(kernel: Tensor, sides: tuple[int, int]) -> Tensor:
    """Return kernels (N, K, L) on a canvas, with their centers at the origin; what reaches beyond it wraps around."""
    height, width = sides
    rows, columns = (
        (torch.arange(taps, device=kernel.device) - taps // 2) % side
        for taps, side in zip(kernel.shape[-2:], sides, strict=True)
    )
    wrapped = kernel.new_zeros(len(kernel), height * width)
    index = (rows[:, None] * width + columns).flatten()
    return wrapped.index_add(1, index, kernel.flatten(1)).view(-1, height, width)


def _estimates(stages: int) -> Iterator[int]:
    """Yield the number of deconvolutions of each stage: a file may ask for more stages than a list has room for."""
    yield FIRST_ESTIMATES
    for _ in range(1, stages):
        yield LATER_ESTIMATES


def _spread(stages: int, middles: tuple[float, float]) -> Iterator[Tensor]:
    """Yield the logarithms of the first weights of each stage, around the middle of the first and of the later ones."""
    for stage, count in enumerate(_estimates(stages)):
        middle = math.log(middles[min(stage, 1)])
        yield torch.linspace(middle - SPREAD, middle + SPREAD, count)  # a sum without memory loads torch's compiler
