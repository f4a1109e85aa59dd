import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_faces import drawn
from torch import nn

from deblur.blur import Box, Motion, Varying
from deblur.errors import UserError
from deblur.models import SRCNN, Unrolled, WienerSRCNN
from deblur.training.calibration import calibrate
from deblur.training.module import DeblurModule

WIENER_GUIDED = {
    "_target_": "deblur.models.WienerSRCNN",
    "kernel_sizes": [5, 3],
    "widths": [4],
    "noise_scales": [1.0],
    "non_blind": False,
}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 1.0}


@pytest.mark.parametrize("network", [SRCNN([5, 3], [4]), nn.Conv2d(1, 1, 3)], ids=["SRCNN", "of torch"])
def test_a_network_that_measures_nothing_is_left_as_it_is(network: nn.Module, cache_root: Path) -> None:
    data = drawn(cache_root, Box([3, 7]))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    calibrate(network, data)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert data.prefilter is None
    assert "wiener_estimate" not in next(iter(data.train_dataloader()))


def test_the_data_make_the_wiener_estimates_of_a_network_that_wants_them(cache_root: Path) -> None:
    network, data = WienerSRCNN([5, 3], [4], noise_scales=(1.0, 4.0)), drawn(cache_root, Box(5))
    calibrate(network, data)
    np.testing.assert_array_equal(network.kernel.numpy(), np.full((5, 5), 1 / 25, np.float32))
    assert network.power.shape == network.noise.shape == (48, 48)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert next(iter(loader))["wiener_estimate"].shape[1] == 2


def test_a_circular_boundary_is_that_of_the_pre_filter_also_from_a_file(cache_root: Path) -> None:
    network, data = WienerSRCNN([5, 3], [4]), drawn(cache_root, Motion(9, 30), boundary="circular")
    calibrate(network, data)
    assert network.prefilter().boundary == "circular"
    sample = data.evaluation_dataset(data.splits.test)[0]
    blurred, sharp = (sample[key][0] / np.float32(255) for key in ("blurred", "sharp"))
    errors = [np.square(image - sharp).mean() for image in (sample["wiener_estimate"][0], blurred)]
    assert errors[0] < 0.2 * errors[1]
    loaded = WienerSRCNN([5, 3], [4])
    loaded.load_state_dict(network.state_dict())
    assert loaded.prefilter().boundary == "circular"
    np.testing.assert_array_equal(loaded.prefilter()(blurred), sample["wiener_estimate"])
    without = {name: values for name, values in network.state_dict().items() if name != "is_circular"}
    loaded.load_state_dict(without)  # a file of a version that knew no circular boundary
    assert loaded.prefilter().boundary == "symmetric"
    calibrate(network, drawn(cache_root, Motion(9, 30)))
    assert network.prefilter().boundary == "symmetric"


def test_a_network_of_somebody_elses_has_to_know_of_a_circular_boundary(cache_root: Path) -> None:
    class Own(WienerSRCNN):
        def calibrate(self, sharp: Any, blurred: Any, kernels: Any) -> None:  # type: ignore[override] # a class of before
            super().calibrate(sharp, blurred, kernels)

    with pytest.raises(UserError, match=r"data\.boundary=circular needs a network .* Own\.calibrate has no argument"):
        calibrate(Own([5, 3], [4]), drawn(cache_root, Box(5), boundary="circular"))


def test_a_network_of_somebody_elses_has_to_know_of_linear_light(cache_root: Path) -> None:
    class Own(WienerSRCNN):
        def calibrate(self, sharp: Any, blurred: Any, kernels: Any) -> None:  # type: ignore[override] # a class of before
            super().calibrate(sharp, blurred, kernels)

    class Taking(WienerSRCNN):
        def calibrate(self, *given: Any, **others: Any) -> None:
            super().calibrate(*given, **others)

    in_light = drawn(cache_root, Box(5, camera={"linear": True}))
    expected = r"a blur in linear light needs .* Own\.calibrate has no argument space: take blur\.camera\.linear=false"
    with pytest.raises(UserError, match=expected):
        calibrate(Own([5, 3], [4]), in_light)
    network = Taking([5, 3], [4])
    calibrate(network, in_light)
    assert network.prefilter().linear_light
    calibrate(Own([5, 3], [4]), drawn(cache_root, Box(5)))


@pytest.mark.parametrize("boundary", ["symmetric", "valid"])
def test_training_images_alone_are_measured_as_validation_sees_them(cache_root: Path, boundary: str) -> None:
    given = []

    class Watching(WienerSRCNN):
        def calibrate(self, sharp: Any, blurred: Any, kernels: Any) -> None:
            given.extend(zip(sharp, blurred, kernels, strict=True))
            super().calibrate(sharp, blurred, kernels)

    data = drawn(cache_root, Box([3, 7]), boundary=boundary)
    calibrate(Watching([5, 3], [4], non_blind=True), data)
    samples = data.evaluation_dataset(data.splits.train)
    assert len(given) == len(samples) == len(data.splits.train)
    for (sharp, blurred, kernel), sample in zip(given, (samples[place] for place in range(len(samples))), strict=True):
        np.testing.assert_array_equal(sharp, sample["sharp"][0])
        np.testing.assert_array_equal(blurred, sample["blurred"][0])
        np.testing.assert_array_equal(kernel, sample["kernel"])


def test_what_a_network_without_a_wiener_estimate_calls_so_is_left_alone(cache_root: Path) -> None:
    class Own(nn.Module):
        def calibrate(self) -> None:
            raise AssertionError("called")

    data = drawn(cache_root, Box(5))
    calibrate(Own(), data)
    assert data.prefilter is None


def test_several_kernels_are_a_sentence_unless_the_network_is_told_them(cache_root: Path) -> None:
    data = drawn(cache_root, Motion([3, 9], [0, 180]))
    with pytest.raises(UserError) as caught:
        calibrate(WienerSRCNN([5, 3], [4]), data)
    assert str(caught.value) == (
        "The network cannot be calibrated on these images: the images are blurred with several kernels: take "
        "non_blind=true."
    )
    calibrate(WienerSRCNN([5, 3], [4], non_blind=True), data)
    assert next(iter(data.test_dataloader()))["wiener_estimate"].isfinite().all()


def test_a_network_that_takes_the_kernel_needs_one_that_is_known(
    cache_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, data = Unrolled(1, 4, 4), drawn(cache_root, Box([3, 7]))
    calibrate(network, data)
    assert {"psf", "noise_sigma"} <= next(iter(data.train_dataloader())).keys()
    varying = drawn(cache_root, Varying(4.0, 1.0, 0.0))
    with pytest.raises(UserError, match="Unrolled, which takes the kernel, needs one kernel for the whole image"):
        calibrate(network, varying)
    monkeypatch.setattr(data, "inputs", copy.copy(data.images))
    with pytest.raises(UserError, match="of given blurred images it is not known: take another network"):
        calibrate(network, data)


def test_a_checkpoint_holds_what_was_measured(cache_root: Path, tmp_path: Path) -> None:
    before = DeblurModule(model=WIENER_GUIDED, optimizer=ADAM)
    calibrate(before.network, drawn(cache_root, Box(5)))
    path = tmp_path / "net.ckpt"
    torch.save({"state_dict": before.state_dict(), "hyper_parameters": dict(before.hparams)}, path)
    content = torch.load(path, weights_only=True)
    assert {"network.kernel", "network.power", "network.noise", "network.fft_noise_scale"} < content[
        "state_dict"
    ].keys()
    after = DeblurModule(**content["hyper_parameters"])
    after.load_state_dict(content["state_dict"])
    blurred = np.random.default_rng(0).random((30, 41), dtype=np.float32)
    wiener_estimates = [module.network.prefilter()(blurred) for module in (before, after)]
    np.testing.assert_array_equal(*wiener_estimates)
    given = (torch.from_numpy(planes)[None] for planes in (blurred[None], wiener_estimates[0]))
    image, wiener_estimate = given
    assert torch.equal(before(image, wiener_estimate), after(image, wiener_estimate))


def test_patches_with_context_bring_as_much_of_the_wiener_estimate(cache_root: Path) -> None:
    module = DeblurModule(model=WIENER_GUIDED, optimizer=ADAM)
    data = drawn(cache_root, Box(5), context=module.context)
    calibrate(module.network, data)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    expected = nn.functional.mse_loss(
        module.network(batch["blurred"], batch["wiener_estimate"], pad=False), batch["sharp"]
    )
    assert module.context == 3
    assert batch["wiener_estimate"].shape[-2:] == batch["blurred"].shape[-2:] == (38, 38)
    assert module.training_step(batch, 0).item() == expected.item()
