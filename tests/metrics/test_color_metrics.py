"""Metrics and losses of RGB images: known answers, scikit-image's values, and gray images unchanged."""

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

import deblur
from deblur.image_io.decoding import luma as rounded_luma
from deblur.losses import LOSSES
from deblur.metrics import METRICS, PSNR
from deblur.metrics.images import luma, psnr, ssim
from deblur.metrics.measuring import measure

LUMA = [0.299, 0.587, 0.114]


def pair(seed: int, channels: int = 3, shape: tuple[int, int] = (48, 37)) -> tuple[torch.Tensor, torch.Tensor]:
    """Two smooth images, and the same with noise that differs between images and channels; within [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, channels, 8, 8, generator=generator)
    sharp = torch.nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 1)
    noise = torch.randn(sharp.shape, generator=generator)
    strength = torch.linspace(0.02, 0.1, 2 * channels).reshape(2, channels, 1, 1)
    return (sharp + noise * strength).clamp(0, 1), sharp


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    channel_axis = 0 if first.ndim == 3 else None
    return float(
        structural_similarity(
            first,
            second,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=channel_axis,
        )
    )


@pytest.mark.parametrize("seed", range(5))
def test_rgb_values_are_those_of_scikit_image(seed: int) -> None:
    restored, sharp = pair(seed)
    for name, theirs in {
        "psnr": lambda first, second: peak_signal_noise_ratio(second, first, data_range=1),
        "ssim": similarity,
        "mse": mean_squared_error,
    }.items():
        expected = [theirs(first.numpy(), second.numpy()) for first, second in zip(restored, sharp, strict=True)]
        assert METRICS[name](restored, sharp).tolist() == pytest.approx(expected, abs=1e-4, rel=1e-5), name


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_the_luma_are_those_of_scikit_image(seed: int) -> None:
    images = pair(seed)
    first, second = (np.einsum("nchw,c->nhw", image.double().numpy(), LUMA) for image in images)
    expected = [peak_signal_noise_ratio(second[n], first[n], data_range=1) for n in range(2)]
    assert METRICS["psnr_y"](*images).tolist() == pytest.approx(expected, abs=1e-3)
    expected = [similarity(first[n], second[n]) for n in range(2)]
    assert METRICS["ssim_y"](*images).tolist() == pytest.approx(expected, abs=1e-5)


def test_the_luma_of_studio_range_has_a_higher_psnr() -> None:
    """By 20 log10(255 / 219), as the docstring says; scikit-image's conversion is MATLAB's."""
    restored, sharp = pair(0)
    studio = [rgb2ycbcr(image[0].movedim(0, 2).double().numpy())[..., 0] for image in (restored, sharp)]
    theirs = peak_signal_noise_ratio(studio[1], studio[0], data_range=255)
    assert theirs - METRICS["psnr_y"](restored, sharp)[0].item() == pytest.approx(1.32, abs=0.01)


def test_known_answers_of_colors() -> None:
    sharp = torch.full((1, 3, 20, 20), 0.5)
    restored = sharp.clone()
    restored[:, 0] += 0.3  # red alone
    assert psnr(restored, sharp).item() == pytest.approx(-10 * math.log10(0.09 / 3), abs=1e-4)
    assert METRICS["psnr_y"](restored, sharp).item() == pytest.approx(-20 * math.log10(0.299 * 0.3), abs=1e-4)
    # Two constant channels: only the first factor of the SSIM is left; the other two channels are exact.
    of_red = (2 * 0.8 * 0.5 + 1e-4) / (0.64 + 0.25 + 1e-4)
    assert ssim(restored, sharp).item() == pytest.approx((of_red + 2) / 3, abs=5e-5)
    # A change of color that leaves the luma does not count in the luma's metrics.
    restored = sharp + torch.tensor([0.1, -0.1 * 0.299 / 0.587, 0.0]).reshape(1, 3, 1, 1)
    assert METRICS["psnr_y"](restored, sharp).item() > 100
    assert METRICS["ssim_y"](restored, sharp).item() == pytest.approx(1, abs=1e-6)
    assert psnr(restored, sharp).item() < 30


@pytest.mark.parametrize("name", ["ssim", "ms_ssim", "vif"])
def test_these_are_the_means_of_the_channels(name: str) -> None:
    restored, sharp = pair(0, shape=(180, 183))
    channels = [METRICS[name](restored[:, one : one + 1], sharp[:, one : one + 1]) for one in range(3)]
    torch.testing.assert_close(METRICS[name](restored, sharp), torch.stack(channels).mean(dim=0))
    assert (channels[0] != channels[1]).all()


@pytest.mark.parametrize("name", METRICS)
def test_three_equal_channels_have_the_value_of_gray(name: str) -> None:
    restored, sharp = pair(0, channels=1, shape=(180, 183))
    repeated = METRICS[name](restored.repeat(1, 3, 1, 1), sharp.repeat(1, 3, 1, 1))
    torch.testing.assert_close(repeated, METRICS[name](restored, sharp), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("of_luma", "plain"), [("psnr_y", "psnr"), ("ssim_y", "ssim")])
def test_a_gray_image_is_its_own_luma(of_luma: str, plain: str) -> None:
    images = pair(0, channels=1)
    assert METRICS[of_luma](*images).tolist() == METRICS[plain](*images).tolist()


def test_the_luma_is_that_of_image_files_without_its_rounding() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    exact = luma(torch.from_numpy(levels).movedim(2, 0)[None].float() / 255)
    assert exact.shape == (1, 1, 30, 20)
    assert np.abs(exact[0, 0].numpy() * 255 - rounded_luma(levels)).max() <= 0.5 + 5e-3


def test_gain_and_metrics_of_the_input_are_of_all_channels() -> None:
    blurred, sharp = pair(0)
    batch = {"blurred": blurred, "sharp": sharp}
    chosen = [PSNR, METRICS["psnr_y"]]
    measured = measure(sharp, batch, chosen, of_input=True)
    torch.testing.assert_close(measured["input_psnr"], PSNR(blurred, sharp))
    torch.testing.assert_close(measured["input_psnr_y"], METRICS["psnr_y"](blurred, sharp))
    torch.testing.assert_close(measure(blurred, batch, chosen, of_input=False)["gain"], torch.zeros(2))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_colors_counts_every_channel_alike(name: str) -> None:
    restored, sharp = pair(0)
    value = LOSSES[name](restored, sharp)
    for order in ([1, 2, 0], [2, 1, 0]):
        torch.testing.assert_close(LOSSES[name](restored[:, order], sharp[:, order]), value)
    for channel in range(3):
        changed = restored.clone().requires_grad_()
        LOSSES[name](changed, sharp).backward()  # type: ignore[no-untyped-call] # torch does not annotate it
        assert changed.grad is not None
        assert changed.grad[:, channel].abs().sum() > 0
    gray = [image[:, :1] for image in (restored, sharp)]
    repeated = LOSSES[name](*(image.repeat(1, 3, 1, 1) for image in gray))
    torch.testing.assert_close(repeated, LOSSES[name](*gray))


def test_the_functions_of_the_api_take_colors() -> None:
    restored, sharp = (np.random.default_rng(seed).integers(0, 256, (30, 20, 3), np.uint8) for seed in range(2))
    expected = peak_signal_noise_ratio(sharp, restored)
    assert deblur.metric("psnr")(restored, sharp) == pytest.approx(expected, abs=1e-4)
    assert deblur.metric("psnr_y")(restored[..., 0], sharp[..., 0]) == deblur.metric("psnr")(
        restored[..., 0], sharp[..., 0]
    )
    for wrong in (sharp[..., :2], sharp[..., 0], np.dstack([sharp, sharp[..., 0]])):
        with pytest.raises(ValueError, match=r"\(H, W\) or \(H, W, 3\)"):
            deblur.metric("psnr")(wrong if wrong.ndim == 3 else restored, wrong)
