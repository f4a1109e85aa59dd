"""Which network removes which blur, by how much?"""

import importlib
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from deblur.api import (
        compose,
        data_module,
        degradation,
        degrade,
        estimate_blur,
        estimate_kernel,
        exposed,
        fit,
        kernel,
        measure,
        metric,
        network,
    )
    from deblur.errors import UserError
    from deblur.estimation import BlurEstimate, KernelEstimate
    from deblur.inference.restorer import Restorer, load

__all__ = [
    "BlurEstimate",
    "KernelEstimate",
    "Restorer",
    "UserError",
    "__version__",
    "compose",
    "data_module",
    "degradation",
    "degrade",
    "estimate_blur",
    "estimate_kernel",
    "exposed",
    "fit",
    "kernel",
    "load",
    "measure",
    "metric",
    "network",
]
__version__ = "0.1.0"

_ELSEWHERE: Final = {
    "BlurEstimate": "deblur.estimation",
    "KernelEstimate": "deblur.estimation",
    "Restorer": "deblur.inference.restorer",
    "load": "deblur.inference.restorer",
}
"""Public names that are not in `deblur.api`."""

# albumentations asks a server for its newest version on every import unless this is set before.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def __getattr__(name: str) -> Any:
    """Import what notebooks use when it is used: commands start without it."""
    if name in __all__:
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "deblur.api")), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")


def __dir__() -> list[str]:
    """List the public names, for completion in notebooks."""
    return sorted({*globals(), *__all__})
