"""What is refused of settings that a device does."""

import pytest
from checking import Change, refusal

from deblur.config import check
from deblur.config.identity import config_hash, data_settings

GRAPHS = "model.compile=reduce-overhead"


@pytest.mark.parametrize("value", ["true", "false", "reduce-overhead"])
def test_a_network_is_compiled_in_three_ways(changed: Change, value: str) -> None:
    compiled = check(changed("model=srcnn_915", f"model.compile={value}")).model.plain()["compile"]
    assert compiled == {"true": True, "false": False}.get(value, value)


@pytest.mark.parametrize(
    ("groups", "overrides", "sentence"),
    [
        ("model=srcnn_915", ["model.compile=fast"], "model.compile=fast is not allowed: give true, false or reduce-"),
        ("model=srcnn_915", ["model.compile=1"], "model.compile=1 is not allowed: give true, false or reduce-"),
        ("trainer=cpu", [GRAPHS], f"{GRAPHS} records CUDA graphs, and trainer.accelerator=cpu has none: give"),
        ("trainer=cpu", [GRAPHS, "trainer.accelerator=mps"], "and trainer.accelerator=mps has none: give"),
        ("model=unrolled blur=mixed", [GRAPHS], "needs tensors of one shape, and those of an unrolled network vary"),
        ("model=resnet", [GRAPHS, "data.patch_size=null"], "and with data.patch_size=null they are as large as each"),
        (
            "model=resnet",
            [GRAPHS, "+trainer.accumulate_grad_batches=2"],
            "does not fit trainer.accumulate_grad_batches",
        ),
    ],
)
def test_cuda_graphs_are_refused_where_they_cannot_be(
    changed: Change, groups: str, overrides: list[str], sentence: str
) -> None:
    assert sentence in refusal(changed(groups, *overrides))


@pytest.mark.parametrize(
    ("groups", "override", "sentence"),
    [
        ("blur=box", "blur.jpeg_quality=[75,95]", "data.degrade_on=device has no JPEG compression: take"),
        (
            "blur=varying",
            "seed=0",
            "data.degrade_on=device needs one kernel for the whole image, and with blur=varying",
        ),
        ("blur=mixed", "blur.families.varying.weight=1", "data.degrade_on=device needs one kernel for the whole image"),
        (
            "model=unrolled blur=mixed blur/camera=photo",
            "seed=0",
            "does not fit a network that takes the noise of each",
        ),
        ("blur=box", "data.degrade_on=gpu", "data.degrade_on=gpu is not allowed: give cpu or device."),
    ],
)
def test_blurs_that_the_device_does_not_compute_are_refused(
    changed: Change, groups: str, override: str, sentence: str
) -> None:
    assert sentence in refusal(changed(groups, "data.degrade_on=device", override))


@pytest.mark.parametrize("groups", ["blur=mixed blur/camera=photo", "model=unrolled blur=mixed"])
def test_other_blurs_are_computed_on_the_device(changed: Change, groups: str) -> None:
    assert check(changed(groups, "data.degrade_on=device")).data.degrade_on == "device"


def test_where_images_are_degraded_is_part_of_a_run_but_not_of_its_test_images(changed: Change) -> None:
    plain, there = (check(changed("blur=box", f"data.degrade_on={where}")).plain() for where in ("cpu", "device"))
    before = {**plain, "data": {key: value for key, value in plain["data"].items() if key != "degrade_on"}}
    assert config_hash(before) == config_hash(plain) != config_hash(there)
    assert data_settings(plain) == data_settings(there)


def test_of_a_custom_class_it_is_checked_as_well(changed: Change) -> None:
    config = changed("model=srcnn_915")
    config["model"] = {"_target_": "torch.nn.Identity", "compile": "fast"}
    assert refusal(config) == "model.compile=fast is not allowed: give true, false or reduce-overhead."


def test_a_trained_network_may_be_measured_anywhere(changed: Change) -> None:
    config = changed("trainer=cpu", GRAPHS)
    assert check(config, for_training=False, stored=True).model.plain()["compile"] == "reduce-overhead"
