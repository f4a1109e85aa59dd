"""The checkpoints that a training leaves behind, read without a trainer."""

import warnings
from pathlib import Path
from typing import Any

import torch

from deblur.errors import UserError

CHECKPOINTS = "checkpoints"  # the folder in a run's
SEEN = "seen_images"  # key of the digests of the images that a network was trained or validated on


def digest_of(image: str) -> str:
    """Return as much of an image's digest as tells it from all others."""
    return image[:16]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    Raises:
        UserError: where it is missing, damaged, or holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # in a pickle, which is then refused
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    except Exception as error:  # torch raises what its unpickler and its archive reader raise
        raise UserError(f"{path} is no checkpoint of this program, or is damaged ({type(error).__name__}).") from error
    if not isinstance(content, dict) or not {"epoch", "global_step", "state_dict"} <= content.keys():
        raise UserError(f"{path} is no checkpoint of a training.")
    return dict(content)
