"""The metrics that can be chosen, and what is refused of a user's own."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from skimage.metrics import mean_squared_error
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    visual_information_fidelity,
)

from deblur.config.chosen import build_loss, build_metrics, psnr_note
from deblur.config.keys import read_yaml
from deblur.config.places import conf_dir
from deblur.errors import UserError
from deblur.metrics import DEFAULT_METRICS, METRICS, MetricInfo, infos_of_results
from deblur.training.module import DeblurModule

MODULE = """
from deblur.metrics import METRICS, Metric, MetricInfo
from deblur.losses import Loss

def function(restored, sharp):
    return restored

class NoInfo(Metric):
    def compute(self, restored, sharp):
        return restored.mean(dim=(1, 2, 3))

class Mean(NoInfo):
    info = MetricInfo("mean", "Mean")

class SecondMean(NoInfo):
    info = MetricInfo("mean", "Another mean")

class Taken(NoInfo):
    info = MetricInfo("psnr", "PSNR")

class Reserved(NoInfo):
    info = MetricInfo("gain", "Gain")

class BadName(NoInfo):
    info = MetricInfo("My metric", "Mine")

class TooExact(NoInfo):
    info = MetricInfo("exact", "Exact", decimals=40)

class Scalar(Metric):
    info = MetricInfo("scalar", "Scalar")
    def compute(self, restored, sharp):
        return restored.mean()

class Abstract(Metric):
    info = MetricInfo("abstract", "Abstract")

class PerImage(Loss):
    name = "per_image"
    def compute(self, restored, sharp):
        return restored.mean(dim=(1, 2, 3))

class Nameless(Loss):
    def compute(self, restored, sharp):
        return restored.mean()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of the user's, and return its name."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def pair(side: int, count: int = 2, noise: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 1, 16, 16, generator=generator)
    sharp = torch.nn.functional.interpolate(coarse, (side, side + 3), mode="bicubic").clamp(0, 1)
    strength = noise * torch.arange(1, count + 1).reshape(-1, 1, 1, 1)
    return (sharp + strength * torch.randn(sharp.shape, generator=generator)).clamp(0, 1), sharp


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_a_number_per_image_that_noise_worsens(name: str) -> None:
    metric = METRICS[name]
    restored, sharp = pair(180)
    values = metric(restored, sharp)
    assert values.shape == (2,)
    alone = torch.cat([metric(restored[n : n + 1], sharp[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(values, alone)
    assert (values[0] > values[1]) == metric.info.higher_is_better
    exact = metric(sharp, sharp)
    assert bool((exact > values).all() if metric.info.higher_is_better else (exact < values).all())
    torch.testing.assert_close(metric(restored.double() * 3 - 1, sharp), metric((restored * 3 - 1).clamp(0, 1), sharp))


@pytest.mark.parametrize("name", METRICS)
def test_the_smallest_side_is_that_of_the_metric(name: str) -> None:
    metric = METRICS[name]
    side = metric.info.min_side
    assert metric(torch.rand(1, 1, side, side + 9), torch.rand(1, 1, side, side + 9)).isfinite().all()
    if side > 1:
        too_small = torch.rand(3, 1, side + 9, side - 1)
        assert metric(too_small, too_small).isnan().tolist() == [True] * 3


def test_mse_is_of_clamped_images() -> None:
    restored, sharp = pair(40)
    expected = [mean_squared_error(*(images[n].numpy() for images in (restored, sharp))) for n in range(2)]
    assert METRICS["mse"](restored, sharp).tolist() == pytest.approx(expected)
    assert METRICS["mse"](torch.full((1, 1, 4, 4), 5.0), torch.ones(1, 1, 4, 4)).item() == 0


def test_multiscale_ssim_is_the_product_of_the_paper() -> None:
    restored, sharp = pair(192, count=1)
    exponents = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    taps = torch.tensor([math.exp(-0.5 * (x / 1.5) ** 2) for x in range(-5, 6)])
    window = (taps[:, None] * taps[None, :] / taps.sum() ** 2)[None, None]
    expected = 1.0
    first, second = restored, sharp
    for scale, exponent in enumerate(exponents, 1):
        mean, other = conv2d(first, window), conv2d(second, window)
        variances = conv2d(first**2, window) - mean**2 + conv2d(second**2, window) - other**2
        structure = (2 * (conv2d(first * second, window) - mean * other) + 9e-4) / (variances + 9e-4)
        luminance = (2 * mean * other + 1e-4) / (mean**2 + other**2 + 1e-4) if scale == 5 else 1.0
        expected *= (luminance * structure).mean().item() ** exponent
        first, second = avg_pool2d(first, 2), avg_pool2d(second, 2)
    assert METRICS["ms_ssim"](restored, sharp).item() == pytest.approx(
        expected, abs=0.005
    )  # the coarsest scale is extended


@pytest.mark.parametrize("change", [lambda sharp: sharp * 0.5, lambda sharp: 1 - sharp, lambda sharp: sharp])
def test_ms_ssim_and_vif_are_those_of_torchmetrics(change: Callable[[Tensor], Tensor]) -> None:
    restored, sharp = pair(181, count=3)
    sharp[1, :, :60, :50] = 0.5  # a flat part
    restored[0], restored[2] = change(sharp[0]), 0.25
    theirs = multiscale_structural_similarity_index_measure(restored, sharp, data_range=1.0, reduction="none")
    assert METRICS["ms_ssim"](restored, sharp).tolist() == pytest.approx(theirs.tolist(), abs=1e-5)
    theirs = visual_information_fidelity(restored * 255, sharp * 255, sigma_n_sq=2.0, reduction="none")
    assert METRICS["vif"](restored, sharp).tolist() == pytest.approx(theirs.tolist(), abs=1e-4)


def test_vif_refers_to_gray_levels_of_255() -> None:
    """With images in [0, 1] the noise of the eye, a variance of 2, would hide everything."""
    restored, sharp = pair(64, count=1, noise=0.1)
    weaker = METRICS["vif"](sharp * 0.5, sharp)
    assert METRICS["vif"](sharp, sharp).item() == pytest.approx(1, abs=1e-4)
    assert 0.05 < METRICS["vif"](restored, sharp).item() < 0.6
    assert 0.5 < weaker.item() < 1


def test_the_defaults_are_those_of_the_configuration() -> None:
    assert tuple(read_yaml(conf_dir() / "train.yaml")["metrics"]) == DEFAULT_METRICS


def test_the_psnr_is_always_measured(mine: str) -> None:
    assert [metric.info.name for metric in build_metrics(["ssim", f"{mine}.Mean"], [mine])] == ["psnr", "ssim", "mean"]
    assert [metric.info.name for metric in build_metrics(["vif", "psnr"])] == ["vif", "psnr"]
    assert psnr_note(["psnr", "ssim"]) is None
    assert str(psnr_note(["ssim"])).startswith("metrics=[ssim]: psnr is measured as well")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Absent", "cannot be imported"),
        ("function", "is not allowed"),
        ("METRICS", "is not allowed"),
        ("MetricInfo", "is not allowed"),  # of another module
        ("PerImage", "is no Metric"),
        ("Abstract", "is abstract"),
        ("NoInfo", "lacks an info"),
        ("Taken", "has the name 'psnr'"),
        ("Reserved", "has the name 'gain'"),
        ("BadName", "has the name 'My metric'"),
        ("TooExact", "has decimals=40"),
    ],
)
def test_what_is_no_metric_is_refused_in_a_sentence(mine: str, name: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"^metrics={mine}.{name} {reason}"):
        build_metrics([f"{mine}.{name}"], [mine])


@pytest.mark.parametrize("column", ["name", "blur", "size", "sigma", "angle", "shake", "kernel", "noise_sigma"])
def test_no_metric_replaces_a_column_of_the_degradation(mine: str, tmp_path: Path, column: str) -> None:
    (tmp_path / f"{mine}.py").write_text(MODULE.replace('"mean", "Mean"', f'"{column}", "Mean"'))
    with pytest.raises(UserError, match=f"^metrics={mine}.Mean has the name '{column}', which is not allowed"):
        build_metrics([f"{mine}.Mean"], [mine])


def test_a_module_that_is_not_trusted_is_not_imported(mine: str, tmp_path: Path) -> None:
    (tmp_path / f"{mine}.py").write_text("raise SystemExit('imported')")
    for build in (lambda name: build_metrics([name]), build_loss):
        with pytest.raises(UserError, match=rf"trusted=\[{mine}\]"):
            build(f"{mine}.Mean")


def test_two_metrics_need_two_names(mine: str) -> None:
    with pytest.raises(UserError, match="two metrics of the name mean"):
        build_metrics([f"{mine}.Mean", f"{mine}.SecondMean"], [mine])


def test_wrong_shapes_are_named(mine: str) -> None:
    _, metric = build_metrics([f"{mine}.Scalar"], [mine])
    with pytest.raises(UserError, match=r"scalar returned a tensor of the shape \(\) for 2 images"):
        metric(*pair(8))
    with pytest.raises(UserError, match=r"per_image returned a tensor of the shape \(2,\)"):
        build_loss(f"{mine}.PerImage", [mine])(*pair(8))
    with pytest.raises(UserError, match="lacks a name"):
        build_loss(f"{mine}.Nameless", [mine])


@pytest.mark.parametrize("key", ["loss", "metrics"])
def test_a_checkpoint_cannot_name_a_users_class(mine: str, tmp_path: Path, key: str) -> None:
    (tmp_path / f"{mine}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 3], "widths": [4], "residual": True, "dropout": 0.0}
    settings = {"model": model, "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01}, "trusted": [mine]}
    settings |= {"loss": f"{mine}.Mean"} if key == "loss" else {"metrics": [f"{mine}.Mean"]}
    torch.save({"state_dict": {}, "hyper_parameters": settings, "pytorch-lightning_version": "2.6.6"}, tmp_path / "x")
    with pytest.raises(UserError, match=f"{key}={mine}.Mean is not allowed"):
        DeblurModule.load_from_checkpoint(tmp_path / "x", weights_only=True)
    assert not (tmp_path / "ran").exists()


def test_a_file_says_what_its_metrics_are() -> None:
    names = ("input_psnr", "psnr", "gain", "input_mine", "mine", "input_other", "other", "images")
    own = {"mine": {"label": "Mine", "unit": "px", "higher_is_better": False, "decimals": 1, "min_side": 3}}
    assert infos_of_results(names, own) == (
        METRICS["psnr"].info,
        MetricInfo("mine", "Mine", "px", higher_is_better=False, decimals=1),
        MetricInfo("other", "other"),
    )
