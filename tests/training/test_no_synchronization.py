"""A step on a GPU does not wait for the GPU.

The GPU need not be there: torch's device `meta` takes the same way through the code and computes nothing, so whatever
reads a value is found. `tests/e2e/test_gpu.py` has torch itself watch a training on a real one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from deblur.training.module import STEPS_BETWEEN_LOSS_CHECKS, DeblurModule

NETWORK = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [5, 3], "widths": [4], "residual": True, "dropout": 0.1}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 1.0}
SIDE = 24
# Operations whose result, or its size, depends on values: the processor waits until they are there.
READING = {"_local_scalar_dense", "equal", "masked_select", "nonzero"}


class Waits(TorchDispatchMode):
    """Notes the operations for which the processor would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(operation.overloadpacket.__name__)
        indices = args[1] if name == "index" else ()
        by_mask = any(isinstance(index, Tensor) and index.dtype == torch.bool for index in indices)
        if name in READING or by_mask:
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
        if function in (torch.tensor, torch.as_tensor) and not isinstance(args[0], Tensor):
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


def on_no_device() -> DeblurModule:
    made = DeblurModule(model=NETWORK, optimizer=ADAM).to("meta")
    made.log = lambda *_, **__: None  # type: ignore[method-assign] # there is no trainer
    return made


def batch_of(module: DeblurModule, context: int) -> dict[str, Any]:
    sides = {"blurred": SIDE + 2 * context, "sharp": SIDE}
    return {name: torch.rand(3, 1, side, side, device=module.device) for name, side in sides.items()}


@pytest.mark.parametrize("step", [1, STEPS_BETWEEN_LOSS_CHECKS - 1, STEPS_BETWEEN_LOSS_CHECKS + 1])
def test_a_training_step_does_not_wait(step: int) -> None:
    module = on_no_device()
    batch = batch_of(module, module.context)
    assert waits_of(lambda: module.training_step(batch, step).backward()) == []


def test_the_loss_is_looked_at_now_and_then() -> None:
    module = on_no_device()
    batch = batch_of(module, module.context)
    assert waits_of(lambda: module.training_step(batch, STEPS_BETWEEN_LOSS_CHECKS)) == ["_local_scalar_dense"]


def test_a_validation_step_does_not_wait() -> None:
    module = on_no_device().eval()
    with torch.no_grad():
        assert waits_of(lambda: module.validation_step(batch_of(module, 0))) == []


@pytest.mark.parametrize(
    "work",
    [
        lambda values: bool((values > 0).any()),
        lambda values: values[values > 0],
        lambda values: values + torch.tensor([1.0], device=values.device),
        lambda values: values.copy_(torch.ones(3)),
    ],
)
def test_what_waits_is_found(work: Callable[[Tensor], object]) -> None:
    assert len(waits_of(lambda: work(torch.rand(3, device="meta")))) >= 1
