"""Settings of data modules for images of some ten pixels a side."""

from pathlib import Path
from typing import Any

from deblur.blur import Degradation
from deblur.config.schema import OwnData
from deblur.data import DeblurDataModule, ImageSource
from deblur.data.datamodule import build_data_module

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "max_bad_fraction": 0.05,
    "patch_size": 8,
    "patches_per_image": 2,
    "batch_size": 4,
    "flips": True,
    "eval_crop": 10,
    "eval_batch_size": 3,
    "num_workers": 0,
}


def module_of(
    source: type[ImageSource],
    degradation: Degradation,
    *,
    cache_root: Path | str | None = None,
    context: int = 0,
    training_seed: int = 0,
    **section: Any,
) -> DeblurDataModule:
    """Return a data module of the settings of a data group, as a command builds it."""
    return build_data_module(
        OwnData.model_validate({"_target_": f"{source.__module__}.{source.__qualname__}", **section}),
        degradation,
        trusted=[source.__module__],
        training_seed=training_seed,
        cache_root=None if cache_root is None else str(cache_root),
        context=context,
    )
