import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deblur.errors import UserError
from deblur.losses import ABSURD_ERROR, LOSSES
from deblur.metrics import METRICS
from deblur.metrics.images import psnr, ssim
from deblur.metrics.measuring import measure
from deblur.models import ResNet
from deblur.training.module import DeblurModule

MEASURED = [METRICS[name] for name in ("psnr", "ssim", "mse")]
NETWORK = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 3], "widths": [4], "residual": True, "dropout": 0.0}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 1.0}


def module(**changes: Any) -> DeblurModule:
    settings: dict[str, Any] = {"model": NETWORK, "optimizer": ADAM} | changes
    return DeblurModule(**settings)


def images(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sharp = torch.rand(count, 1, 20, 24, generator=generator)
    return (sharp + 0.1 * torch.randn(sharp.shape, generator=generator)).clamp(0, 1), sharp


def test_patches_with_context_are_trained_without_padding() -> None:
    made = module()
    blurred, sharp = images()
    inner = sharp[..., made.context : -made.context, made.context : -made.context]
    loss = made.training_step({"blurred": blurred, "sharp": inner}, 0)
    expected = torch.nn.functional.mse_loss(made.network(blurred, pad=False), inner)
    assert made.context == 2
    assert loss.item() == expected.item()


def test_another_network_gets_both_in_one_size() -> None:
    made = module(network=nn.Conv2d(1, 1, 1))
    blurred, sharp = images()
    assert made.context == 0
    assert made.training_step({"blurred": blurred, "sharp": sharp}, 0).isfinite()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", lambda d: (d * d).mean()),
        ("l1", lambda d: d.abs().mean()),
        ("charbonnier", lambda d: (d * d + 1e-6).sqrt().mean()),
        ("psnr", lambda d: 10 * ((d * d).mean(dim=(1, 2, 3)) + 1e-3).log10().mean()),
    ],
)
def test_losses_are_their_formulas(loss: str, expected: Any) -> None:
    made = module(loss=loss, network=nn.Identity())
    blurred, sharp = images()
    step = made.training_step({"blurred": blurred, "sharp": sharp}, 0)
    assert step.item() == pytest.approx(expected(blurred - sharp).item(), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(value: float) -> None:
    blurred, sharp = images()
    with pytest.raises(UserError, match=r"in epoch 1 \(step 0\) at optimizer\.lr=0\.01\. Try optimizer\.lr=0\.001"):
        module().training_step({"blurred": blurred * value, "sharp": sharp[..., 2:-2, 2:-2]}, 0)


def test_measured_values_are_per_image_and_of_clamped_images() -> None:
    blurred, sharp = images()
    restored = sharp + 0.05
    measured = measure(restored, {"blurred": blurred, "sharp": sharp}, MEASURED, of_input=True)
    torch.testing.assert_close(measured["psnr"], psnr(restored, sharp))
    torch.testing.assert_close(measured["ssim"], ssim(restored, sharp))
    torch.testing.assert_close(measured["input_ssim"], ssim(blurred, sharp))
    torch.testing.assert_close(measured["gain"], psnr(restored, sharp) - psnr(blurred, sharp))
    torch.testing.assert_close(measured["mse"], 10 ** (-measured["psnr"] / 10))


def test_what_the_network_was_given_is_measured_where_it_is_asked_for() -> None:
    blurred, sharp = images()
    batch = {"blurred": blurred, "sharp": sharp}
    with_given, without = (measure(sharp, batch, MEASURED, of_input=asked) for asked in (True, False))
    assert with_given.keys() - without.keys() == {"input_ssim", "input_mse"}


def test_an_exact_image_is_left_out_of_the_means() -> None:
    made = module(network=nn.Identity())
    blurred, sharp = images()
    blurred[0] = sharp[0]
    made.log = lambda *_, **__: None  # type: ignore[method-assign] # there is no trainer
    made.validation_step({"blurred": blurred, "sharp": sharp})
    expected = psnr(blurred[1:], sharp[1:]).mean()
    torch.testing.assert_close(made._validated["val/psnr"].compute(), expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_validation_loss_is_the_training_loss_of_each_image_not_clamped(loss: str) -> None:
    made = module(network=nn.Identity(), loss=loss)
    sharp = images()[1]
    blurred = sharp + torch.tensor([0.1, 0.5, 3.0]).reshape(3, 1, 1, 1)
    made.log = lambda *_, **__: None  # type: ignore[method-assign] # there is no trainer
    made.validation_step({"blurred": blurred, "sharp": sharp})
    each = [LOSSES[loss](blurred[n : n + 1], sharp[n : n + 1]) for n in range(3)]
    torch.testing.assert_close(made._validated["val/loss"].compute(), torch.stack(each).mean())
    clamped = (blurred.clamp(0, 1) - sharp).square().mean()
    torch.testing.assert_close(made._validated["val/mse"].compute(), clamped)


def test_test_rows_hold_name_degradation_and_values() -> None:
    made = module(network=nn.Identity())
    blurred, sharp = images(2)
    degradation = [{"blur": "box", "size": 3}, {"blur": "box", "size": 5}]
    made.test_step({"blurred": blurred, "sharp": sharp, "name": ["a", "b"], "degradation": degradation})
    assert [row["name"] for row in made.test_rows] == ["a", "b"]
    assert [row["size"] for row in made.test_rows] == [3, 5]
    assert made.test_rows[1]["psnr"] == made.test_rows[1]["input_psnr"] == psnr(blurred, sharp)[1].item()
    assert made.test_rows[0]["gain"] == 0


def test_a_checkpoint_holds_plain_values_and_loads_alone(tmp_path: Any) -> None:
    made = module(blur={"_target_": "deblur.blur.Box", "size": 7}, data={"seed": 0})
    path = tmp_path / "net.ckpt"
    torch.save({"state_dict": made.state_dict(), "hyper_parameters": dict(made.hparams)}, path)
    content = torch.load(path, weights_only=True)
    again = DeblurModule(**content["hyper_parameters"])
    again.load_state_dict(content["state_dict"])
    blurred, _ = images()
    assert torch.equal(made(blurred), again(blurred))


@pytest.mark.parametrize("target", ["evil.Net", "torch.nn.Identity", "torch.utils.collect_env.run", "os.system"])
def test_a_checkpoint_cannot_name_classes_beyond_our_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    hyper_parameters = {"model": {"_target_": target}, "optimizer": ADAM, "trusted": ["evil"], "network": None}
    content = {"state_dict": {}, "hyper_parameters": hyper_parameters, "pytorch-lightning_version": "2.6.6"}
    torch.save(content, tmp_path / "hostile.ckpt")
    with pytest.raises(UserError, match="is not allowed"):
        DeblurModule.load_from_checkpoint(tmp_path / "hostile.ckpt", weights_only=True)
    assert not (tmp_path / "ran").exists()


def test_epochs_have_their_own_randomness() -> None:
    made, other = module(seed=1), module(seed=2)
    drawn = []
    for one in (made, made, other):
        one.on_train_epoch_start()
        drawn.append(torch.rand(4).numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_processes_of_one_run_have_their_own_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for rank in (0, 1, 2, 1):
        monkeypatch.setattr(DeblurModule, "global_rank", rank)
        module(seed=1).on_train_epoch_start()
        drawn.append(tuple(torch.rand(4).tolist()))
    assert len(set(drawn)) == 3
    assert drawn[1] == drawn[3]


@pytest.mark.parametrize(("size", "used"), [(8, 6), (9, 9), (10, 9), (3, 3)])
def test_what_a_size_divisor_leaves_is_not_trained_on(size: int, used: int) -> None:
    """Beyond the last multiple the network would see a part of a mirror image instead of the image."""
    torch.manual_seed(0)
    network = ResNet(blocks=1, width=4, unshuffle=3)
    torch.nn.init.normal_(network.last.weight)
    made = module(network=network)
    blurred, sharp = (
        torch.rand(2, 1, size + 2 * network.halo, size + 2 * network.halo),
        torch.rand(2, 1, size, size),
    )
    rest = size - used
    own = blurred[..., : blurred.shape[-2] - rest, : blurred.shape[-1] - rest]
    expected = (network(own, pad=False) - sharp[..., :used, :used]).square().mean()
    torch.testing.assert_close(made.training_step({"blurred": blurred, "sharp": sharp}, 0), expected)


def test_patches_below_a_size_divisor_are_refused() -> None:
    network = ResNet(blocks=0, width=4, unshuffle=3)
    batch = {
        "blurred": torch.rand(1, 1, 2 + 2 * network.halo, 2 + 2 * network.halo),
        "sharp": torch.rand(1, 1, 2, 2),
    }
    with pytest.raises(UserError, match=r"squares of 3 px.*2x2 px: give a data\.patch_size of at least 3"):
        module(network=network).training_step(batch, 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_absurd_value_of_a_loss_is_that_of_an_absurd_error(loss: str) -> None:
    sharp = torch.rand(2, 1, 8, 8)
    assert LOSSES[loss](sharp + ABSURD_ERROR, sharp).item() == pytest.approx(LOSSES[loss].diverged_above, rel=1e-4)
