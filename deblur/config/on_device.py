"""Settings of what a device does besides a network's usual steps, and what does not fit them; imports no torch."""

from typing import TYPE_CHECKING, Final

from deblur.choices import CUDA_GRAPHS
from deblur.config.schema import TrainConfig
from deblur.config.sections import shown
from deblur.errors import UserError

if TYPE_CHECKING:
    from deblur.blur import Degradation

_UNROLLED: Final = "deblur.models.Unrolled"
_WITHOUT_GRAPHS: Final = ("cpu", "mps")  # accelerators; what `auto` is on a machine, the training finds out

DEGRADING: Final = ("data.degrade_on=device", "data.degrade_on=cpu")
"""The setting, and what to take instead."""


def refuse_unfit_compile(train: TrainConfig) -> None:
    """Refuse CUDA graphs where they have no effect, where shapes vary, and where gradients outlive a step.

    Raises:
        UserError: if that is so, and for a custom class whose `compile` is none of the three values.
    """
    compiled = train.model.plain().get("compile", False)
    if compiled is False or compiled is True:
        return
    start = f"model.compile={shown(compiled)}"
    if compiled != CUDA_GRAPHS:
        raise UserError(f"{start} is not allowed: give true, false or {CUDA_GRAPHS}.")
    if train.trainer.accelerator in _WITHOUT_GRAPHS:
        raise UserError(
            f"{start} records CUDA graphs, and trainer.accelerator={train.trainer.accelerator} has none: give "
            "model.compile=true, or trainer=gpu."
        )
    if train.model.target == _UNROLLED:
        raise UserError(
            f"{start} needs tensors of one shape, and those of an unrolled network vary with the kernels: give "
            "model.compile=true."
        )
    if train.data.patch_size is None:
        raise UserError(
            f"{start} needs tensors of one shape, and with data.patch_size=null they are as large as each image: give "
            "a data.patch_size, or model.compile=true."
        )
    accumulated = train.trainer.arguments().get("accumulate_grad_batches", 1)
    if accumulated != 1:
        raise UserError(
            f"{start} does not fit trainer.accumulate_grad_batches={shown(accumulated)}: a graph overwrites the "
            "gradients of the step before. Give model.compile=true, or a larger data.batch_size."
        )


def refuse_unfit_degrading(train: TrainConfig, degradation: "Degradation | None") -> None:
    """Refuse a blur that is not computed on the device.

    Args:
        train: the configuration.
        degradation: its blur; None for a kernel in a file, which is looked at when it is read.

    Raises:
        UserError: if that is so.
    """
    if train.data.degrade_on == "device" and degradation is not None:
        is_unrolled = train.model.target == _UNROLLED
        degradation.require_tensors(*DEGRADING, noise_is_known=is_unrolled)
