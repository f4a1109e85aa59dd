"""The checkpoints that a training leaves behind, read without a trainer."""

from pathlib import Path
from typing import Any

import torch

from deblur.errors import UserError

CHECKPOINTS = "checkpoints"  # the folder in a run's


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    Raises:
        UserError: where it is missing, damaged, or holds anything else.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    except Exception as error:  # torch raises what its unpickler and its archive reader raise
        raise UserError(
            f"{path} is no checkpoint of this program, or is damaged: {str(error).splitlines()[0]}"
        ) from error
    if not {"epoch", "global_step", "state_dict"} <= content.keys():
        raise UserError(f"{path} is no checkpoint of a training.")
    return content
