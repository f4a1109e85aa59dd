"""Settings of data modules for images of some ten pixels a side."""

from typing import Any

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
