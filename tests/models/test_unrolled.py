"""The unrolled network: its deconvolution, its tiles, its boundary, its cost."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deblur.blur import Kernel, convolve, kernels
from deblur.metrics.images import psnr
from deblur.models import Unrolled
from deblur.models.protocol import traits_of
from deblur.models.unrolled import SIZE_DIVISOR, Prior, _fast_side
from deblur.srgb import decoded, encoded
from deblur.synthesis.faces import draw

LOPSIDED = np.zeros((5, 7))
LOPSIDED[0, 1:4], LOPSIDED[3, 6], LOPSIDED[2, 3] = 0.2, 0.3, 0.1
NOISE = 1.0  # gray levels


def network(stages: int = 2, channels: int = 1, boundary: str = "unknown", *, trained: bool = False) -> Unrolled:
    """Return a small network; with `trained`, its priors change the image."""
    torch.manual_seed(0)
    made = Unrolled(stages, 8, 12, channels=channels, boundary=boundary)
    if trained:
        for name, parameter in made.named_parameters():
            if ".last.weight" in name:
                nn.init.normal_(parameter, std=0.05)
    return made.eval()


def given(shape: tuple[int, ...], taps: tuple[int, int] = (5, 7)) -> tuple[Tensor, Tensor, Tensor]:
    """Return random images, kernels and noise."""
    generator = torch.Generator().manual_seed(1)
    kernel = torch.rand(shape[0], *taps, generator=generator)
    return (
        torch.rand(*shape, generator=generator),
        kernel / kernel.sum((1, 2), keepdim=True),
        torch.linspace(1, 9, shape[0]),
    )


def blurred_face(kernel: np.ndarray, boundary: Any = None) -> tuple[Tensor, Tensor]:
    """Return a sharp and a blurred face; without a boundary, its scene continues beyond it."""
    sharp = draw(1, 4)[40:240, 30:210].astype(np.float32) / 255
    image = convolve(sharp, Kernel(kernel), boundary or "symmetric")
    if boundary is None:
        rows, columns = (size // 2 for size in kernel.shape)
        sharp, image = (each[rows:-rows, columns:-columns] for each in (sharp, image))
    noise = NOISE / 255 * np.random.default_rng(0).standard_normal(image.shape)
    levels = np.rint(255 * (image + noise)).clip(0, 255).astype(np.float32) / 255
    return torch.from_numpy(sharp.copy())[None, None], torch.from_numpy(levels)[None, None]


def face_blurred_in_light(kernel: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return a sharp face, and the same blurred periodically in linear light, without rounding."""
    sharp = draw(1, 4)[40:240, 30:210].astype(np.float32) / 255
    image = encoded(convolve(decoded(sharp), Kernel(kernel), "circular").clip(0, 1))
    return tuple(torch.from_numpy(each.copy())[None, None] for each in (sharp, image))  # type: ignore[return-value] # two


def kernel_of(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 37), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("boundary", ["unknown", "circular"])
def test_any_size_is_restored_to_its_own_size(shape: tuple[int, int], channels: int, boundary: str) -> None:
    inputs = given((2, channels, *shape))
    restored = network(2, channels, boundary, trained=True)(*inputs)
    assert restored.shape == inputs[0].shape
    assert restored.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("boundary", ["unknown", "circular"])
@pytest.mark.parametrize("tile", [31, 64])
def test_tiles_change_nothing(channels: int, boundary: str, tile: int) -> None:
    made, inputs = network(3, channels, boundary, trained=True), given((2, channels, 70, 93))
    torch.testing.assert_close(made(*inputs, tile=tile), made(*inputs), atol=3e-5, rtol=0)


def test_no_pixel_beyond_the_halo_reaches_the_output() -> None:
    torch.manual_seed(0)
    prior = Prior(2, 1, 4, 4)
    nn.init.normal_(prior.last.weight)
    planes = torch.rand(1, 2, 8, 160, requires_grad=True)
    reach = 0
    for column in range(80, 80 + SIZE_DIVISOR):
        (slopes,) = torch.autograd.grad(prior(planes)[..., column].sum(), planes)
        seen = slopes.abs().sum((0, 1, 2)).nonzero().flatten()
        reach = max(reach, column - int(seen.min()), int(seen.max()) - column)
    assert prior.halo - SIZE_DIVISOR < reach <= prior.halo
    assert prior.halo % SIZE_DIVISOR == 0


def test_the_images_of_a_batch_do_not_depend_on_each_other() -> None:
    made, inputs = network(2, 1, trained=True), given((3, 1, 30, 41))
    alone = torch.cat([made(*(each[i : i + 1] for each in inputs)) for i in range(3)])
    torch.testing.assert_close(made(*inputs), alone, atol=3e-5, rtol=0)


def test_untrained_priors_restore_each_channel_as_a_gray_image() -> None:
    blurred, kernel, sigma = given((1, 3, 30, 41))
    each = [network(2, 1)(blurred[:, channel : channel + 1], kernel, sigma) for channel in range(3)]
    torch.testing.assert_close(network(2, 3)(blurred, kernel, sigma), torch.cat(each, dim=1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kernel", [LOPSIDED, kernels.box(7), kernels.motion(9, 30)], ids=["lopsided", "box", "motion"])
def test_the_first_deconvolution_restores_what_the_kernel_blurred(kernel: np.ndarray) -> None:
    sharp, blurred = blurred_face(kernel)
    made, sigma = network(1), torch.tensor([NOISE])
    gain = psnr(made(blurred, kernel_of(kernel), sigma), sharp) - psnr(blurred, sharp)
    assert gain > 2
    if kernel is LOPSIDED:  # any other orientation makes it worse
        for turned in (kernel[::-1, ::-1], kernel[::-1], kernel[:, ::-1], kernel.T):
            wrong = psnr(made(blurred, kernel_of(turned.copy()), sigma), sharp) - psnr(blurred, sharp)
            assert wrong < gain - 2


def test_a_circular_boundary_is_exact() -> None:
    sharp, blurred = blurred_face(kernels.box(9), "circular")
    circular, unknown = (network(2, boundary=each) for each in ("circular", "unknown"))
    inputs = (blurred, kernel_of(kernels.box(9)), torch.tensor([NOISE]))
    edge = np.s_[..., :4, :]  # rows that the other side blurs into
    assert psnr(circular(*inputs)[edge], sharp[edge]) > psnr(unknown(*inputs)[edge], sharp[edge]) + 1
    shifted = blurred.roll((13, -7), (-2, -1))
    moved = circular(shifted, *inputs[1:]).roll((-13, 7), (-2, -1))
    torch.testing.assert_close(moved, circular(*inputs), atol=1e-4, rtol=0)


def test_what_the_camera_did_not_see_is_not_taken_for_its_mirror_image() -> None:
    """The error near the boundary is smaller than that of the same steps on the mirrored image."""
    kernel = kernels.box(11)
    sharp, blurred = blurred_face(kernel)
    made, sigma = network(2), torch.tensor([NOISE])
    restored = made(blurred, kernel_of(kernel), sigma)
    mirrored = nn.functional.pad(blurred, (20, 20, 20, 20), mode="reflect")
    believed = made(mirrored, kernel_of(kernel), sigma)[..., 20:-20, 20:-20]
    edge = np.s_[..., :12, :]
    assert psnr(restored[edge], sharp[edge]) > psnr(believed[edge], sharp[edge]) + 0.3


def test_more_noise_is_smoothed_more() -> None:
    _, blurred = blurred_face(LOPSIDED)
    rough = [network(1)(blurred, kernel_of(LOPSIDED), torch.tensor([sigma])).diff().std() for sigma in (0.5, 3, 12)]
    assert rough[0] > rough[1] > rough[2]


def test_cost_is_that_of_the_convolutions() -> None:
    made, total = network(3, 3), 0.0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += layer.weight.numel() * places.shape[-2] * places.shape[-1]

    for layer in made.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    made(*given((1, 3, 58, 68), (3, 3)))  # on a canvas of 60 x 72 px
    assert made.macs_per_pixel == round(total / (60 * 72))


def test_every_parameter_learns() -> None:
    made = network(2, trained=True).train()
    made(*given((2, 1, 24, 24))).square().mean().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_products_in_bfloat16_stay_near() -> None:
    made, inputs = network(2, trained=True), given((1, 1, 60, 61))
    with torch.autocast("cpu", torch.bfloat16):
        near = made(*inputs)
    assert near.dtype == torch.float32
    assert 0 < (near - made(*inputs)).abs().max() < 0.05


@pytest.mark.parametrize("size", [1, 3, 4, 30, 61, 97, 257, 1023, 4001])
def test_sides_of_a_canvas_are_fast_multiples_of_4(size: int) -> None:
    side = _fast_side(size)
    assert side >= size
    assert side % 4 == 0
    assert side <= 1.25 * size + 4
    for factor in (2, 3, 5, 7):
        while side % factor == 0:
            side //= factor
    assert side == 1


@pytest.mark.slow
def test_the_priors_alone_are_compiled() -> None:
    graphs: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Any:
        graphs.append(graph.code)
        return graph.forward

    made = network(2, trained=True)
    sizes = [given((1, 1, *shape)) for shape in ((24, 24), (30, 41))]
    expected = [made(*inputs) for inputs in sizes]
    made.compile(backend=backend)
    for inputs, one in zip(sizes, expected, strict=True):
        torch.testing.assert_close(made(*inputs), one, atol=1e-5, rtol=0)
    assert any("conv2d" in code for code in graphs)
    assert not any("fft" in code for code in graphs)


def test_its_traits_say_that_it_takes_the_kernel() -> None:
    traits = traits_of(network(3))
    assert traits.takes_kernel
    assert traits.stages == 3
    assert traits.halo is None


def test_each_stage_is_announced() -> None:
    calls: list[None] = []
    network(3)(*given((1, 1, 20, 20)), advance=lambda: calls.append(None))
    assert len(calls) == 3


@pytest.mark.parametrize(
    "arguments",
    [(0, 8, 8), (1, 0, 8), (1, 8, 0), (1, 8, 8, 2), (1, 8, 8, -0.1), (1, 8, 8, 0, 2), (1, 8, 8, 0, 1, "symmetric")],
    ids=str,
)
def test_impossible_sizes_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"Unrolled needs|channels=2 is"):
        Unrolled(*arguments)


def test_the_rounding_to_8_bits_is_the_least_noise() -> None:
    made, (blurred, kernel, _) = network(1), given((1, 1, 20, 20))
    least = made(blurred, kernel, torch.tensor([0.3]))
    torch.testing.assert_close(made(blurred, kernel, torch.zeros(1)), least, atol=0, rtol=0)
    assert math.isfinite(least.sum().item())


def test_kernels_are_wrong_in_training_alone() -> None:
    torch.manual_seed(0)
    made, inputs = Unrolled(1, 8, 12, kernel_error=1.0), given((2, 1, 24, 24))
    expected = Unrolled(1, 8, 12)(*inputs)
    torch.testing.assert_close(made.eval()(*inputs), expected, atol=0, rtol=0)
    made.train()
    assert not torch.allclose(made(*inputs), expected, atol=1e-3)
    assert not torch.allclose(made(*inputs), made(*inputs), atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_blur_in_linear_light_is_deconvolved_in_linear_light(channels: int) -> None:
    kernel = kernels.motion(9, 30)
    sharp, blurred = (each.expand(1, channels, -1, -1) for each in face_blurred_in_light(kernel))
    restored = [
        Unrolled(2, 4, 4, channels=channels, boundary="circular", linear_light=linear)(
            blurred, kernel_of(kernel), torch.zeros(1)
        )
        for linear in (True, False)
    ]
    of_light, of_levels = (psnr(each.clamp(0, 1), sharp).item() for each in restored)
    assert of_light > max(of_levels, psnr(blurred, sharp).item()) + 3


def test_a_network_for_linear_light_says_so_and_is_trained_to_black() -> None:
    made = Unrolled(1, 4, 4, linear_light=True)
    assert traits_of(made).is_linear
    assert not traits_of(Unrolled(1, 4, 4)).is_linear
    blurred, kernel, noise = given((1, 1, 16, 16))
    blurred[..., :8] = 0
    made(blurred, kernel, noise).square().mean().backward()
    assert all(one.grad is None or one.grad.isfinite().all() for one in made.parameters())
