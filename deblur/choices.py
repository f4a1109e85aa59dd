"""Values that may be chosen, on a command line and in Python."""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias, get_args

Accelerator: TypeAlias = Literal["auto", "cpu", "gpu", "mps"]
Precision: TypeAlias = Literal["auto", "32-true", "bf16-mixed"]
Color: TypeAlias = Literal["luma", "channels"]
DataColor: TypeAlias = Literal["gray", "rgb"]  # of the images of a data set
ExportFormat: TypeAlias = Literal["onnx", "safetensors"]
ExportPrecision: TypeAlias = Literal["float32", "float16", "int8"]  # of the weights, and of the layers if it is int8

DEFAULT_COLOR: Final[Color] = "luma"
DEFAULT_NETWORK: Final = "default"
BLIND: Final = (DEFAULT_NETWORK, "defocus", "motion")
"""The pretrained networks that take no kernel: for any blur, or named after those of their training."""
NON_BLIND: Final = "unrolled"
"""The pretrained network that takes the kernel of each image."""
PRETRAINED: Final = (*BLIND, NON_BLIND)
HUB: Final = "hf://"
"""How the address of a network on the Hugging Face Hub begins: `hf://USER/NAME`."""
DEFAULT_MAX_MEGAPIXELS: Final = 100.0  # beyond it, some gigabytes of memory and many minutes


def listed(choices: Any) -> str:
    """Return the values of a Literal as text: `auto, cpu, gpu or mps`."""
    return listed_names(map(str, get_args(choices)))


CUDA_GRAPHS: Final = "reduce-overhead"  # of model.compile: torch's name of the mode that records CUDA graphs


def listed_names(names: Iterable[str]) -> str:
    """Return names as text: `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def refusal(name: str, value: object, choices: Any) -> str | None:
    """Return a sentence that refuses a setting's value, None for one of the choices, a Literal of texts."""
    if isinstance(value, str) and value in get_args(choices):
        return None
    return f"{name}={value} is not allowed: give {listed(choices)}."
