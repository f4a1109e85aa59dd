"""What the machine can do: which device a run takes and which precision suits it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from deblur.errors import UserError
from deblur.gpus import claimed


@dataclass(frozen=True)
class Device:
    """What a run trains on.

    Attributes:
        accelerator: Lightning's name: cpu, gpu (CUDA) or mps.
        name: the model of the processor or the GPU.
        precision: Lightning's name, such as bf16-mixed.
        deterministic: whether only deterministic algorithms are used.
        threads: torch's threads on the CPU.
        devices: how many, or the indices of which.
    """

    accelerator: str
    name: str
    precision: str
    deterministic: bool
    threads: int
    devices: int | str | list[int]


class AskedDevice(Protocol):
    """What a run asks for, in Lightning's words, such as the checked group `trainer`; `auto` is not resolved yet."""

    @property
    def accelerator(self) -> str: ...  # noqa: D102 # the class says it

    @property
    def precision(self) -> str: ...  # noqa: D102 # the class says it

    @property
    def devices(self) -> int | str: ...  # noqa: D102 # the class says it

    @property
    def deterministic(self) -> bool | str: ...  # noqa: D102 # the class says it


@dataclass(frozen=True)
class DeviceRequest:
    """An `AskedDevice` of commands that have no trainer."""

    accelerator: str = "auto"
    precision: str = "auto"
    devices: int | str = 1
    deterministic: bool | str = "auto"


def refuse_absent_device(asked: AskedDevice) -> None:
    """Refuse a device that is not there, and a precision that it does not have, before anything is written.

    Raises:
        UserError: if a GPU is asked for and none is there; there is no silent fallback to the CPU.
    """
    _describe(asked, accelerator_of(asked.accelerator), asked.devices, index=0)


@contextmanager
def taken_device(asked: AskedDevice) -> Iterator[Device]:
    """Resolve every `auto` of a request; of several GPUs, take the one with the fewest runs of this user.

    While the block runs, float32 means float32, which the test and precision=32-true rely on: by default cuDNN rounds
    the factors of a convolution to the 10 bits of TF32.

    Raises:
        UserError: if a GPU is asked for and none is there; there is no silent fallback to the CPU.
    """
    accelerator, devices = accelerator_of(asked.accelerator), asked.devices
    _keep_to_the_share_of_a_batch_job()
    with _without_tf32():
        if accelerator != "gpu" or devices != 1 or torch.cuda.device_count() == 1:
            yield _describe(asked, accelerator, devices, index=0)
            return
        names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
        with claimed(names) as index:
            yield _describe(asked, accelerator, [index], index)


def all_devices(accelerator: str) -> int:
    """Return how many devices `trainer.devices=auto` means: all GPUs that torch sees, or one device of another kind."""
    return torch.cuda.device_count() if accelerator_of(accelerator) == "gpu" else 1


def accelerator_of(asked: str) -> str:
    """Return the accelerator that is asked for; of auto, the best there is.

    Raises:
        UserError: where it is not there.
    """
    available = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(name for name, there in available.items() if there)
    if not available[asked]:
        raise UserError(
            f"trainer.accelerator={asked} needs a device that torch {torch.__version__} does not see "
            "on this machine: take trainer=cpu, or install the GPU's driver and a build of torch for it."
        )
    return asked


@contextmanager
def _without_tf32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _keep_to_the_share_of_a_batch_job() -> None:
    """Take no more threads than Slurm has given this job: torch counts the cores of the whole machine."""
    share = os.environ.get("SLURM_CPUS_PER_TASK")
    if share and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(int(share))


def _describe(asked: AskedDevice, accelerator: str, devices: int | str | list[int], index: int) -> Device:
    precision = asked.precision
    if precision == "auto":
        precision = "bf16-mixed" if multiplies_bfloat16(accelerator, index) else "32-true"
    there = {"gpu": torch.cuda.device_count(), "mps": 1}.get(accelerator)
    if there is not None and isinstance(devices, int) and devices > there:
        raise UserError(
            f"trainer.devices={devices} is more than torch {torch.__version__} sees on this machine: it has {there}. "
            "Give fewer, or auto."
        )
    if accelerator == "cpu" and precision == "16-mixed":
        raise UserError("trainer.precision=16-mixed needs a GPU: a CPU takes bf16-mixed or 32-true.")
    return Device(
        accelerator=accelerator,
        name=_device_name(accelerator, index),
        precision=precision,
        deterministic=accelerator == "cpu" if isinstance(asked.deterministic, str) else asked.deterministic,
        threads=torch.get_num_threads(),
        devices=devices,
    )


def multiplies_bfloat16(accelerator: str, index: int) -> bool:
    """Tell whether the hardware has native bf16 products; emulated ones are slower than fp32.

    Args:
        accelerator: cpu, gpu or mps.
        index: of the GPU.
    """
    if accelerator == "gpu":
        return torch.cuda.get_device_capability(index) >= (8, 0)
    if accelerator == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def _device_name(accelerator: str, index: int) -> str:
    if accelerator == "gpu":
        return torch.cuda.get_device_name(index)
    return str(torch.cpu.get_capabilities().get("cpu_name") or accelerator)
