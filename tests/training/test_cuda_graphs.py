"""CUDA graphs as far as they go without a GPU: torch then compiles in the same mode, and leaves the graphs out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from deblur.config import TrainConfig
from deblur.errors import UserError
from deblur.training.module import DeblurModule
from deblur.training.parts import build_parts

GRAPHS = "model.compile=reduce-overhead"
NETWORK = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [5, 3], "widths": [4], "residual": True, "dropout": 0.0}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 1.0}
KERNEL_NETWORK = """
from torch import nn

class Sharpener(nn.Conv2d):
    known_kernel_stages = 1

    def __init__(self):
        super().__init__(1, 1, 3, padding=1)
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_machine_without_a_gpu_is_refused(compose: Callable[..., TrainConfig]) -> None:
    with pytest.raises(UserError, match=r"records CUDA graphs, and this machine has no CUDA GPU that torch sees"):
        build_parts(compose(GRAPHS, "trainer.accelerator=auto"))


def test_a_custom_network_that_takes_kernels_is_refused(
    compose: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sharpeners.py").write_text(KERNEL_NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config = compose(GRAPHS, "trusted=[sharpeners]")
    config.model = type(config.model).model_construct(target="sharpeners.Sharpener", compile="reduce-overhead")
    with pytest.raises(UserError, match=r"the kernels that Sharpener takes vary in size"):
        build_parts(config)


def step(module: DeblurModule, patches: int) -> Tensor:
    """Return the loss of a training step on some patches, the same for each module."""
    generator = torch.Generator().manual_seed(patches)
    sides = {"sharp": 16, "blurred": 16 + 2 * module.context}
    batch = {name: torch.rand(patches, 1, side, side, generator=generator) for name, side in sides.items()}
    return module.training_step(batch, 1)


@pytest.mark.slow
@torch._dynamo.config.patch(recompile_limit=2)  # as if many runs had been compiled in this process
def test_training_steps_are_recorded_and_whole_images_are_not() -> None:
    counters.clear()
    made = DeblurModule(model=NETWORK | {"compile": "reduce-overhead"}, optimizer=ADAM)
    plain = DeblurModule(model=NETWORK, optimizer=ADAM, network=made.network)
    made.on_fit_start()
    for patches in (4, 2):  # the last batch of an epoch may be smaller
        torch.testing.assert_close(step(made, patches), step(plain, patches))
    assert counters["stats"]["unique_graphs"] == 2
    made(torch.rand(1, 1, 20, 31))
    assert counters["stats"]["unique_graphs"] == 2
    assert made.state_dict().keys() == plain.state_dict().keys()
    other = DeblurModule(model=NETWORK | {"widths": [3], "compile": "reduce-overhead"}, optimizer=ADAM)
    other.on_fit_start()
    step(other, 4)
    assert counters["stats"]["unique_graphs"] == 3
