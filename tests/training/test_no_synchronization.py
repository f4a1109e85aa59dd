"""A step on a GPU does not wait for the GPU.

The GPU need not be there: torch's device `meta` takes the same way through the code and computes nothing, so whatever
reads a value is found. Fourier transforms, complex numbers and random numbers work on it as well.

Not tested is what the processor does by design: the fast operators of `deblur.models.cpu_ops`, which a GPU does not
take, and of the gate, which no training calls, the visibility of a blur, which works on arrays.
`tests/e2e/test_gpu.py` has torch itself watch a training on a real GPU.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from noise_images import Noise
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from deblur.blur import Motion
from deblur.blur.images import Crop
from deblur.config import schema
from deblur.config.keys import option_settings, options
from deblur.data.device_blur import WindowDataset, degraded
from deblur.data.patches import collate_patches
from deblur.inference.gating import pretrained_gate
from deblur.losses import LOSSES
from deblur.metrics import METRICS
from deblur.models.gate import CELL, Gate
from deblur.models.protocol import traits_of
from deblur.training.module import STEPS_BETWEEN_LOSS_CHECKS, DeblurModule
from deblur.training.optimizers import build_optimizer

NETWORK = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [5, 3], "widths": [4], "residual": True, "dropout": 0.1}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 1.0}
SIDE = 24
LARGEST_MIN_SIDE = max(metric.info.min_side for metric in METRICS.values())
# What the unrolled network can be besides its option; the others have no such ways.
WAYS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "unrolled": (
        {"boundary": "unknown", "linear_light": False},
        {"boundary": "unknown", "linear_light": True, "kernel_error": 0.5},
        {"boundary": "circular", "linear_light": False},
    )
}
NETWORKS = [(name, way) for name in options("model") for way in WAYS.get(name, ({},))]
# Operations whose result, or its size, depends on values: the processor waits until they are there.
READING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Waits(TorchDispatchMode):
    """Notes the operations for which the processor would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(operation.overloadpacket.__name__)
        indices = [one for one in args[1] if isinstance(one, Tensor)] if name in INDEXING else []
        # A mask is searched for its places; indices of the processor are copied, and not from pinned memory.
        if (name in READING and args[0].device.type == "meta") or any(
            one.dtype == torch.bool or one.device != args[0].device for one in indices
        ):
            self.found.append(name)
        result = operation(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_"):
            # A copy from memory that is not pinned waits even where it is asked not to.
            given = args[1] if name == "copy_" else args[0]
            self.found += [name] if given.device != result.device else []
        return result


class CopiesOfNumbers(TorchFunctionMode):
    """Notes where numbers become tensors of the device: a copy from memory that is not pinned, which waits."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(
        self, function: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        made_of = {torch.tensor: 0, torch.as_tensor: 0, Tensor.new_tensor: 1}.get(function)  # which argument
        if made_of is not None and not isinstance(args[made_of], Tensor):
            self._found += [function.__name__] if result.device.type == "meta" else []
        return result


def waits_of(work: Callable[[], object]) -> list[str]:
    """Return what the work waits for; it ends at the first value that is read."""
    with Waits() as waits, CopiesOfNumbers(waits.found):
        try:
            work()
        except (RuntimeError, NotImplementedError):
            if not waits.found:
                raise
    return waits.found


def on_no_device(model: Mapping[str, Any] = NETWORK, **settings: Any) -> DeblurModule:
    made = DeblurModule(model=model, optimizer=ADAM, **settings).to("meta")
    made.log = lambda *_, **__: None  # type: ignore[method-assign] # there is no trainer
    return made


def batch_of(module: DeblurModule, context: int, side: int = SIDE) -> dict[str, Any]:
    traits, device = traits_of(module.network), module.device
    sides = {"blurred": side + 2 * context, "sharp": side}
    batch = {name: torch.rand(3, traits.channels, size, size, device=device) for name, size in sides.items()}
    if traits.takes_kernel:
        batch |= {"psf": torch.rand(3, 5, 7, device=device), "noise_sigma": torch.rand(3, device=device)}
    return batch


@pytest.fixture
def without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the unrolled network does to leave the mixed precision: torch has none for `meta`."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


@pytest.mark.usefixtures("without_autocast")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "way"), NETWORKS)
def test_a_step_of_no_network_waits(name: str, way: Mapping[str, Any], channels: int) -> None:
    module = on_no_device(option_settings("model", name) | way | {"channels": channels})
    batch = batch_of(module, module.context)
    assert waits_of(lambda: module.training_step(batch, 1).backward()) == []
    module.eval()
    with torch.no_grad():
        assert waits_of(lambda: module.validation_step(batch_of(module, 0))) == []


@pytest.mark.parametrize("name", options("optimizer"))
def test_a_step_of_no_optimizer_waits(name: str) -> None:
    module = on_no_device()
    # The fused form, which torch does not have for `meta`, is one operation.
    settings = {key: value for key, value in option_settings("optimizer", name).items() if key != "fused"}
    optimizer = build_optimizer(schema.Optimizer.model_validate(settings), module.network)
    for parameter in module.network.parameters():
        parameter.grad = torch.rand_like(parameter)
    module.trainer = Trainer(gradient_clip_val=1.0, logger=False, accelerator="cpu", barebones=True)

    def step() -> None:
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()

    assert [waits_of(step), waits_of(step)] == [[], []]


@pytest.mark.parametrize("step", [1, STEPS_BETWEEN_LOSS_CHECKS - 1, STEPS_BETWEEN_LOSS_CHECKS + 1])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_training_step_does_not_wait(loss: str, step: int) -> None:
    module = on_no_device(loss=loss)
    batch = batch_of(module, module.context)
    assert waits_of(lambda: module.training_step(batch, step).backward()) == []


def test_the_loss_is_looked_at_now_and_then() -> None:
    module = on_no_device()
    batch = batch_of(module, module.context)
    assert waits_of(lambda: module.training_step(batch, STEPS_BETWEEN_LOSS_CHECKS)) == ["_local_scalar_dense"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_a_validation_step_does_not_wait(metric: str, channels: int) -> None:
    module = on_no_device(NETWORK | {"channels": channels}, metrics=sorted({"psnr", metric})).eval()
    batch = batch_of(module, 0, LARGEST_MIN_SIDE)
    with torch.no_grad():
        assert waits_of(lambda: module.validation_step(batch)) == []


@pytest.mark.parametrize("camera", [None, {"linear": True, "shot_noise": [0, 0.01], "exposure": [0.5, 2]}])
def test_blurring_a_batch_does_not_wait(camera: Mapping[str, Any] | None) -> None:
    images = Noise(count=2)
    blur = Motion([3, 9], [0, 180], noise_sigma=[0, 3], camera=camera)
    settings: Mapping[str, Any] = {"patch_size": 16, "patches_per_image": 2, "flips": True, "memory_limit": 0}
    dataset = WindowDataset(images, images, range(2), blur, seed=0, crop=Crop(), context=3, **settings)
    batch = collate_patches(dataset.__getitems__([(0, 0), (0, 1)]))
    there = {name: values.to("meta") for name, values in batch.items()}
    assert waits_of(lambda: degraded(there, linear=camera is not None)) == []


def test_a_gate_does_not_wait() -> None:
    calibrated, gate = pretrained_gate(), Gate().to("meta")
    there = type(calibrated)(gate, calibrated.low, calibrated.high, calibrated.share)
    image = torch.rand(2, 3, 3 * CELL + 5, 2 * CELL + 1, device="meta")
    assert waits_of(lambda: there.weights(image, image)) == []


@pytest.mark.parametrize(
    "work",
    [
        lambda values: bool((values > 0).any()),
        lambda values: values[values > 0],
        lambda values: values[torch.tensor([0])],
        lambda values: values.index_put_((values > 0,), torch.zeros(1, device="meta")),
        lambda values: values + torch.tensor([1.0], device=values.device),
        lambda values: values + values.new_tensor([1.0]),
        lambda values: values.copy_(torch.ones(3)),
        lambda values: torch.repeat_interleave(values, values.long()),
    ],
)
def test_what_waits_is_found(work: Callable[[Tensor], object]) -> None:
    assert len(waits_of(lambda: work(torch.rand(3, device="meta")))) >= 1
