"""What the machine can do: which device a run takes and which precision suits it."""

from dataclasses import dataclass
from typing import Any

import torch

from deblur.errors import UserError


@dataclass(frozen=True)
class Device:
    """What a run trains on.

    Attributes:
        accelerator: Lightning's name: cpu, gpu (CUDA) or mps.
        name: the model of the processor or the GPU.
        precision: Lightning's name, such as bf16-mixed.
        deterministic: whether only deterministic algorithms are used.
        threads: torch's threads on the CPU.
    """

    accelerator: str
    name: str
    precision: str
    deterministic: bool
    threads: int


def choose_device(trainer: dict[str, Any]) -> Device:
    """Resolve every `auto` of the trainer's settings.

    Raises:
        UserError: where a GPU is asked for and none is there; there is no silent way back to the CPU.
    """
    accelerator = trainer["accelerator"]
    available = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator == "auto":
        accelerator = next(name for name, there in available.items() if there)
    if not available[accelerator]:
        raise UserError(
            f"trainer.accelerator={accelerator} needs a device that torch {torch.__version__} does not see "
            "on this machine: take trainer=cpu, or install the GPU's driver and a build of torch for it."
        )
    precision = trainer["precision"]
    if precision == "auto":
        precision = "bf16-mixed" if _multiplies_bfloat16(accelerator) else "32-true"
    if accelerator == "cpu" and precision == "16-mixed":
        raise UserError("trainer.precision=16-mixed needs a GPU: a CPU takes bf16-mixed or 32-true.")
    deterministic = trainer.get("deterministic", "auto")
    return Device(
        accelerator=accelerator,
        name=_device_name(accelerator),
        precision=precision,
        deterministic=accelerator == "cpu" if deterministic == "auto" else deterministic,
        threads=torch.get_num_threads(),
    )


def _multiplies_bfloat16(accelerator: str) -> bool:
    """Tell whether the hardware has native bf16 products; emulated ones are slower than fp32."""
    if accelerator == "gpu":
        return torch.cuda.get_device_capability() >= (8, 0)
    if accelerator == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def _device_name(accelerator: str) -> str:
    if accelerator == "gpu":
        return torch.cuda.get_device_name()
    return str(torch.cpu.get_capabilities().get("cpu_name") or accelerator)
