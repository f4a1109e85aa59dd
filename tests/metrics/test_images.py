import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from deblur.metrics import METRICS
from deblur.metrics.images import _ssim_of, gaussian_taps, psnr, ssim


def _pair(seed: int, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 8, 8, generator=generator)
    sharp = torch.nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 1)
    noise = torch.randn(sharp.shape, generator=generator)
    return sharp + noise * (0.01 + 0.02 * seed), sharp


def test_psnr_is_torchmetrics_mean_over_images() -> None:
    generator = torch.Generator().manual_seed(0)
    sharp = torch.rand(5, 1, 20, 30, generator=generator)
    restored = sharp + 0.2 * torch.randn(sharp.shape, generator=generator)  # beyond [0, 1] as well
    theirs = torchmetrics_psnr(restored, sharp, data_range=(0.0, 1.0), dim=(1, 2, 3), reduction="none")
    torch.testing.assert_close(psnr(restored, sharp), theirs)


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_scikit_image(seed: int) -> None:
    restored, sharp = _pair(seed, (37 + 11 * seed, 64))
    first, second = restored[0, 0].clamp(0, 1).numpy(), sharp[0, 0].numpy()
    similarity = structural_similarity(
        first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
    )
    assert ssim(restored, sharp).item() == pytest.approx(similarity, abs=1e-5)
    assert psnr(restored, sharp).item() == pytest.approx(peak_signal_noise_ratio(second, first, data_range=1), abs=1e-4)


def test_each_image_has_its_own_value() -> None:
    pairs = [_pair(seed, (40, 40)) for seed in range(3)]
    restored, sharp = (torch.cat(images) for images in zip(*pairs, strict=True))
    for metric in (psnr, ssim):
        torch.testing.assert_close(metric(restored, sharp), torch.cat([metric(*pair) for pair in pairs]))


def test_known_answers() -> None:
    sharp = torch.full((1, 1, 20, 20), 0.5)
    assert psnr(sharp + 0.1, sharp).item() == pytest.approx(20, abs=1e-4)
    assert psnr(sharp, sharp).item() == math.inf
    assert ssim(sharp, sharp).item() == pytest.approx(1)
    # Two constant images: only the first factor of the SSIM is left.
    assert ssim(sharp + 0.1, sharp).item() == pytest.approx((2 * 0.6 * 0.5 + 1e-4) / (0.36 + 0.25 + 1e-4), abs=1e-5)


def test_restored_images_are_clamped() -> None:
    sharp = torch.ones(1, 1, 20, 20)
    assert psnr(sharp + 3, sharp).item() == math.inf
    assert ssim(sharp + 3, sharp).item() == pytest.approx(1)


def test_half_precision_is_measured_in_float32() -> None:
    restored, sharp = _pair(1, (40, 40))
    rounded = restored.bfloat16()
    assert psnr(rounded, sharp).item() == psnr(rounded.float(), sharp).item()
    assert ssim(rounded, sharp).item() == ssim(rounded.float(), sharp).item()


def test_images_below_the_window_have_no_similarity() -> None:
    assert math.isnan(METRICS["ssim"](torch.rand(1, 1, 10, 30), torch.rand(1, 1, 10, 30)).item())
    assert np.isfinite(METRICS["ssim"](torch.rand(1, 1, 11, 11), torch.rand(1, 1, 11, 11)).item())


def test_a_gpu_computes_all_images_at_once_to_the_same_values() -> None:
    pairs = [_pair(seed, (40, 33)) for seed in range(3)]
    restored, sharp = (torch.cat(images) for images in zip(*pairs, strict=True))
    together = _ssim_of(restored.clamp(0, 1)[:, 0], sharp[:, 0], gaussian_taps())
    torch.testing.assert_close(together, ssim(restored, sharp))
