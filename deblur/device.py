"""The machine of a run: its device, precision, threads and memory."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from deblur.errors import UserError
from deblur.gpus import claimed

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt(3)
_ALL = 2**31 - 1  # bytes; the largest value of mallopt
_THRESHOLDS = (2**30, 2**25)  # bytes; glibc before 2.35 allows at most the second


@dataclass(frozen=True)
class Device:
    """The device that a run trains on."""

    accelerator: str  # Lightning's name: cpu, gpu (CUDA) or mps
    name: str  # the model of the CPU or the GPU
    precision: str  # Lightning's name, such as bf16-mixed
    deterministic: bool  # whether only deterministic algorithms are used
    threads: int  # torch's threads on the CPU
    devices: int | str | list[int]  # number, or indices

    @property
    def place(self) -> torch.device:
        """Return torch's name of the device; of one GPU of several, with its index."""
        kind = {"gpu": "cuda"}.get(self.accelerator, self.accelerator)
        return torch.device(kind, self.devices[0]) if isinstance(self.devices, list) else torch.device(kind)


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
    """Refuse a missing device, and a precision that it lacks, before anything is written.

    Raises:
        UserError: if a GPU is requested and there is none; there is no silent fallback to the CPU.
    """
    _describe(asked, accelerator_of(asked.accelerator), asked.devices, index=0)


@contextmanager
def taken_device(asked: AskedDevice) -> Iterator[Device]:
    """Resolve every `auto` of a request; of several GPUs, claim the one with the fewest runs of this user.

    TF32 is off while the block runs: by default cuDNN rounds the factors of a convolution to 10 bits, but the test and
    precision=32-true rely on float32.

    Raises:
        UserError: if a GPU is requested and there is none; there is no silent fallback to the CPU.
    """
    accelerator, devices = accelerator_of(asked.accelerator), asked.devices
    cpus = os.environ.get("SLURM_CPUS_PER_TASK")
    if cpus and "OMP_NUM_THREADS" not in os.environ:  # torch counts the cores of the whole machine
        torch.set_num_threads(int(cpus))
    allowed_tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        if accelerator != "gpu" or devices != 1 or torch.cuda.device_count() == 1:
            yield _describe(asked, accelerator, devices, index=0)
            return
        names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
        with claimed(names) as index:
            yield _describe(asked, accelerator, [index], index)
    finally:
        torch.backends.cudnn.allow_tf32 = allowed_tf32


def all_devices(accelerator: str) -> int:
    """Return how many devices `trainer.devices=auto` means: all GPUs that torch sees, or one device of another kind."""
    return torch.cuda.device_count() if accelerator_of(accelerator) == "gpu" else 1


def accelerator_of(asked: str) -> str:
    """Return the requested accelerator; for auto, the best available one.

    Raises:
        UserError: if it is not available.
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
    cpu_name = torch.cpu.get_capabilities().get("cpu_name")
    return Device(
        accelerator=accelerator,
        name=torch.cuda.get_device_name(index) if accelerator == "gpu" else str(cpu_name or accelerator),
        precision=precision,
        deterministic=accelerator == "cpu" if isinstance(asked.deterministic, str) else asked.deterministic,
        threads=torch.get_num_threads(),
        devices=devices,
    )


def multiplies_bfloat16(accelerator: str, index: int) -> bool:
    """Return whether cpu, mps or the gpu of an index has native bf16 products; emulated ones are slower than fp32."""
    if accelerator == "gpu":
        return torch.cuda.get_device_capability(index) >= (8, 0)
    if accelerator == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def keep_freed_memory() -> None:
    """Keep freed memory for the next allocation instead of returning it to the system; glibc only.

    Each training step on a CPU allocates and frees the same tens of megabytes. If they are returned, the system clears
    their pages and maps them again in the next step, which takes 17 to 30 % of its time (see
    `python -m studies.freed_memory`). The peak memory does not change.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        if any(library.mallopt(_M_MMAP_THRESHOLD, threshold) for threshold in _THRESHOLDS):
            library.mallopt(_M_TRIM_THRESHOLD, _ALL)
