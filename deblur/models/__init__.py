"""The networks. The classes need torch and are imported when they are first asked for."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deblur.models.resnet import ResNet
    from deblur.models.srcnn import SRCNN, pad_symmetric
    from deblur.models.unrolled import Unrolled

__all__ = ["SRCNN", "ResNet", "Unrolled", "pad_symmetric"]

_MODULES = {"ResNet": "resnet", "Unrolled": "unrolled"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'srcnn')}"), name)
