"""Which network removes which blur, by how much?"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deblur.inference.restorer import Restorer, load

__all__ = ["Restorer", "__version__", "load"]
__version__ = "0.1.0"

# albumentations asks a server for its newest version on every import unless this is set before.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def __getattr__(name: str) -> Any:
    """Import what notebooks use when it is used: commands start without it."""
    if name in ("Restorer", "load"):
        from deblur.inference import restorer

        return getattr(restorer, name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
