"""What is refused of settings that a device does."""

import pytest
from checking import Change, refusal

from deblur.config import check

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


def test_of_a_custom_class_it_is_checked_as_well(changed: Change) -> None:
    config = changed("model=srcnn_915")
    config["model"] = {"_target_": "torch.nn.Identity", "compile": "fast"}
    assert refusal(config) == "model.compile=fast is not allowed: give true, false or reduce-overhead."


def test_a_trained_network_may_be_measured_anywhere(changed: Change) -> None:
    config = changed("trainer=cpu", GRAPHS)
    assert check(config, for_training=False, stored=True).model.plain()["compile"] == "reduce-overhead"
