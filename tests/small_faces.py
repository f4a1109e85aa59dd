"""A data module of a few drawn faces, whose patches and crops are small."""

from pathlib import Path
from typing import Any

from data_settings import module_of

from deblur.blur import Degradation
from deblur.data import DeblurDataModule, SyntheticData

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "max_bad_fraction": 0.05,
    "patch_size": 32,
    "patches_per_image": 2,
    "batch_size": 8,
    "flips": True,
    "eval_crop": 48,
    "eval_batch_size": 3,
    "num_workers": 0,
    "context": 5,
}


def drawn(cache_root: Path, degradation: Degradation, **changes: Any) -> DeblurDataModule:
    """Return a data module of 20 faces, set up."""
    settings = {"max_images": 20, **SETTINGS, **changes}
    data = module_of(SyntheticData, degradation, cache_root=str(cache_root), **settings)
    data.setup()
    return data
