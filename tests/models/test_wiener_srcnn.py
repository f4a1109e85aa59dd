from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from wiener_networks import BOX, KERNELS, LOPSIDED, calibrated, pairs

from deblur.baselines import DctWiener
from deblur.blur import kernels
from deblur.blur.kernels import Psf
from deblur.metrics.images import psnr
from deblur.models import WienerSRCNN, pad_symmetric

LAYERS = {"5-3": ((5, 3), (4,)), "9-1-1-5": ((9, 1, 1, 5), (3, 2, 4)), "1-1": ((1, 1), (2,)), "3": ((3,), ())}


def gray(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))


def wiener_estimate_of(network: WienerSRCNN, blurred: Tensor, kernel: Psf | None = None) -> Tensor:
    """Return the Wiener estimates (N, G, H, W) of whole images."""
    prepare = network.prefilter()
    return torch.from_numpy(np.stack([prepare(image, kernel) for image in blurred[:, 0].numpy()]))


def unit(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255)[None, None]


@pytest.mark.parametrize("factors", [(1.0,), (0.3, 1.0, 10.0)])
@pytest.mark.parametrize("name", LAYERS)
def test_cost_and_field_are_those_of_the_layers(name: str, factors: tuple[float, ...]) -> None:
    kernel_sizes, widths = LAYERS[name]
    network = WienerSRCNN(kernel_sizes, widths, factors)
    planes = [1 + len(factors), *widths, 1]
    macs = sum(a * b * side**2 for a, b, side in zip(planes, planes[1:], kernel_sizes, strict=False))
    assert network.receptive_field == 1 + sum(side - 1 for side in kernel_sizes)
    assert network.macs_per_pixel == macs
    assert sum(parameter.numel() for parameter in network.parameters()) == macs + sum(planes[1:])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 37)])
def test_images_that_are_surrounded_before_give_the_same_without_padding(name: str, shape: tuple[int, int]) -> None:
    network, blurred = calibrated(BOX, *LAYERS[name], noise_scales=(1.0, 5.0)), gray(2, 1, *shape)
    wiener_estimate = wiener_estimate_of(network, blurred)
    restored = network(blurred, wiener_estimate)
    assert restored.shape == (2, 1, *shape)
    around = (pad_symmetric(planes, network.halo) for planes in (blurred, wiener_estimate))
    torch.testing.assert_close(network(*around, pad=False), restored, atol=1e-6, rtol=0)


def test_a_patch_with_context_equals_the_same_place_of_the_whole_image() -> None:
    network, blurred = calibrated(kernel_sizes=(9, 3, 5), widths=(6, 4)), gray(1, 1, 50, 41)
    wiener_estimate = wiener_estimate_of(network, blurred)
    window = np.s_[..., 5 : 5 + 20 + 2 * network.halo, 3 : 3 + 16 + 2 * network.halo]
    patch = network(blurred[window], wiener_estimate[window], pad=False)
    top, left = 5 + network.halo, 3 + network.halo
    whole = network(blurred, wiener_estimate)[..., top : top + 20, left : left + 16]
    torch.testing.assert_close(patch, whole, atol=1e-6, rtol=0)
    alone = network(blurred[window], wiener_estimate_of(network, blurred[window]), pad=False)
    assert (alone - whole).abs().max() > 1e-3  # the Wiener estimate of a patch alone is another one


@pytest.mark.parametrize("pad", [True, False])
def test_a_last_layer_of_zeros_leaves_the_first_plane_of_the_wiener_estimate(pad: bool) -> None:
    network, blurred = calibrated(noise_scales=(1.0, 9.0)), gray(2, 1, 30, 27)
    for parameter in network.convolutions[-1].parameters():
        torch.nn.init.zeros_(parameter)
    wiener_estimate, halo = wiener_estimate_of(network, blurred), network.halo
    expected = wiener_estimate[:, :1] if pad else wiener_estimate[:, :1, halo:-halo, halo:-halo]
    assert torch.equal(network(blurred, wiener_estimate, pad=pad), expected)


def test_the_image_and_each_plane_of_the_wiener_estimate_are_looked_at() -> None:
    network, blurred = calibrated(noise_scales=(1.0, 9.0)), gray(1, 1, 30, 27)
    given = [blurred.requires_grad_(), wiener_estimate_of(network, blurred.detach()).requires_grad_()]
    network(*given)[0, 0, 15, 13].backward()
    for planes in given:
        assert planes.grad is not None
        assert (planes.grad.abs().amax(dim=(2, 3)) > 0).all()


@pytest.mark.parametrize(("kernel_sizes", "widths"), [((9, 2, 5), (4, 4)), ((9, 5), (4, 4)), ((9, 5), ())])
def test_impossible_layers_are_refused(kernel_sizes: tuple[int, ...], widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd kernel_sizes and one width"):
        WienerSRCNN(kernel_sizes, widths)


@pytest.mark.parametrize("factors", [(), (0.0,), (1.0, -2.0)])
def test_factors_that_are_none_are_refused(factors: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="noise_scales are numbers above 0, at least one"):
        WienerSRCNN((5, 3), (4,), factors)


def test_dropout_acts_in_training_only() -> None:
    network, blurred = calibrated(kernel_sizes=(3, 3), widths=(16,), dropout=0.5), gray(1, 1, 20, 20)
    wiener_estimate = wiener_estimate_of(network, blurred)
    assert torch.equal(network(blurred, wiener_estimate), network(blurred, wiener_estimate))
    network.train()
    assert not torch.equal(network(blurred, wiener_estimate), network(blurred, wiener_estimate))


@pytest.mark.parametrize("kernel", [*KERNELS.values(), np.array([[0.2, 0.6, 0.2]])], ids=[*KERNELS, "flat"])
def test_a_network_that_was_not_calibrated_takes_all_from_the_weights(kernel: Psf) -> None:
    before, after = calibrated(kernel), WienerSRCNN((5, 3), (4,)).eval()
    after.load_state_dict(before.state_dict(), strict=True)
    blurred = gray(1, 1, 33, 29)
    wiener_estimate = wiener_estimate_of(before, blurred)
    assert torch.equal(wiener_estimate_of(after, blurred), wiener_estimate)
    assert torch.equal(after(blurred, wiener_estimate), before(blurred, wiener_estimate))
    assert after.state_dict().keys() == before.state_dict().keys()


def test_weights_of_another_calibration_replace_the_own_ones() -> None:
    network, other = calibrated(BOX), calibrated(LOPSIDED)
    network.load_state_dict(other.state_dict())
    blurred = gray(1, 1, 33, 29)
    assert torch.equal(wiener_estimate_of(network, blurred), wiener_estimate_of(other, blurred))


@pytest.mark.parametrize("missing", ["kernel", "power", "noise", "fft_noise_scale"])
def test_weights_without_a_calibration_are_refused(missing: str) -> None:
    held = calibrated().state_dict()
    del held[missing]
    with pytest.raises(RuntimeError, match=f'Missing key.*"{missing}"'):
        WienerSRCNN((5, 3), (4,)).load_state_dict(held)


def test_without_a_calibration_there_is_no_wiener_estimate() -> None:
    with pytest.raises(RuntimeError, match=r"calibrate\(\) first"):
        WienerSRCNN((5, 3), (4,)).prefilter()


def test_several_kernels_are_refused_unless_each_image_brings_its_own() -> None:
    several = pairs([BOX, LOPSIDED])
    with pytest.raises(ValueError, match="several kernels: take non_blind=true"):
        WienerSRCNN((5, 3), (4,)).calibrate(*several)
    non_blind = WienerSRCNN((5, 3), (4,), non_blind=True)
    non_blind.calibrate(*several)
    blurred = gray(1, 1, 33, 29)
    wiener_estimates = [wiener_estimate_of(non_blind, blurred, kernel) for kernel in (BOX, LOPSIDED)]
    assert (wiener_estimates[0] - wiener_estimates[1]).abs().max() > 0.01
    with pytest.raises(ValueError, match="needs the kernel of each image"):
        wiener_estimate_of(non_blind, blurred)


def test_a_non_blind_network_has_no_kernel_in_its_weights() -> None:
    before, after = (WienerSRCNN((5, 3), (4,), non_blind=True) for _ in range(2))
    before.calibrate(*pairs([BOX, LOPSIDED]))
    after.load_state_dict(before.state_dict())
    assert before.kernel.numel() == after.kernel.numel() == 0
    blurred = gray(1, 1, 33, 29)
    assert torch.equal(wiener_estimate_of(after, blurred, LOPSIDED), wiener_estimate_of(before, blurred, LOPSIDED))


@pytest.mark.parametrize(
    "own",
    [[BOX] * 6, [kernels.gaussian(1.5)] * 6, [kernels.motion(7, 30)] * 6, [BOX, LOPSIDED] * 3],
    ids=["box", "gaussian", "tilted", "several"],
)
def test_the_wiener_estimate_is_what_the_wiener_baseline_restores(own: Sequence[Psf]) -> None:
    images = pairs(own)
    network, baseline = WienerSRCNN((5, 3), (4,), non_blind=own[0] is not own[1]), DctWiener()
    network.calibrate(*images)
    baseline.fit(*images)
    for sharp, blurred, kernel in zip(*images, strict=True):
        wiener_estimate = wiener_estimate_of(network, unit(blurred), kernel)
        expected = torch.from_numpy(baseline.restore(unit(blurred)[0, 0].numpy(), kernel))[None, None]
        assert psnr(wiener_estimate, unit(sharp)).item() == pytest.approx(psnr(expected, unit(sharp)).item(), abs=1e-3)
        assert psnr(wiener_estimate, unit(sharp)) > psnr(unit(blurred), unit(sharp)) + 0.5


def test_gradients_reach_every_weight_and_nothing_that_was_measured() -> None:
    network, blurred = calibrated(kernel_sizes=(5, 3, 3), widths=(4, 3)).train(), gray(2, 1, 30, 27)
    network(blurred, wiener_estimate_of(network, blurred)).square().mean().backward()
    names = {name for name, _ in network.named_parameters()}
    assert names == {f"convolutions.{layer}.{part}" for layer in range(3) for part in ("weight", "bias")}
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


def test_bfloat16_is_near_and_not_the_same() -> None:
    network, blurred = calibrated(kernel_sizes=(9, 3, 5), widths=(8, 4)), gray(2, 1, 40, 31)
    wiener_estimate = wiener_estimate_of(network, blurred)
    with torch.inference_mode():
        exact = network(blurred, wiener_estimate)
        with torch.autocast("cpu", torch.bfloat16):
            near = network(blurred, wiener_estimate)
    # What the network adds is computed in bfloat16, and what it adds it to is not rounded.
    assert 0 < (near - exact).abs().max() < 0.01


def test_the_layout_in_memory_does_not_matter() -> None:
    network, blurred = calibrated(noise_scales=(1.0, 9.0)), gray(2, 1, 40, 31)
    wiener_estimate = wiener_estimate_of(network, blurred)
    expected = network(blurred, wiener_estimate)
    network.to(memory_format=torch.channels_last)
    last = (planes.contiguous(memory_format=torch.channels_last) for planes in (blurred, wiener_estimate))
    torch.testing.assert_close(network(*last), expected, atol=1e-6, rtol=0)
    assert torch.equal(wiener_estimate_of(network, blurred), wiener_estimate)
