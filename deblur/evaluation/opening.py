"""What every evaluation opens: images, finished runs, a device."""

from pathlib import Path

import torch

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device
from deblur.errors import UserError
from deblur.runs import STATUS_FILE, state_of

_DEVICES = {"gpu": "cuda", "mps": "mps", "cpu": "cpu"}  # Lightning's names and torch's


def opened(config: Config, asked: Config, like: DeblurDataModule | None = None) -> DeblurDataModule:
    """Return the images and the blur of a whole configuration, with its images opened.

    They are not set up for a training: the size of its patches decides nothing, and a few images need no division.

    Args:
        config: the configuration.
        asked: that of the evaluation.
        like: has the images open already, with the same settings but for the blur and the border.

    Raises:
        UserError: where they cannot be opened.
    """
    degradation = build(config["blur"], Degradation, trusted=asked["trusted"])
    cache_root = asked["paths"]["cache_root"]
    data = build(config["data"], DeblurDataModule, degradation, trusted=asked["trusted"], cache_root=cache_root)
    if like is None:
        data.open_images()
    else:
        data.share_images(like)
    return data


def finished_runs(sweep: Path) -> list[Path]:
    """Return the folders of a sweep's finished runs.

    Raises:
        UserError: where there is none.
    """
    found = [path.parent for path in sorted(sweep.glob(f"*/{STATUS_FILE}")) if state_of(path.parent) == "done"]
    if not found:
        raise UserError(f"{sweep} holds no finished run: give the name of a sweep with sweep=NAME.")
    return found


def torch_device(device: Device) -> torch.device:
    """Return torch's device of a taken one."""
    return torch.device(_DEVICES[device.accelerator])
