"""What every evaluation opens: images, finished runs, a device."""

from pathlib import Path

import torch

from deblur.baselines import Identity
from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device
from deblur.errors import UserError
from deblur.runs import STATUS_FILE, state_of

_DEVICES = {"gpu": "cuda", "mps": "mps", "cpu": "cpu"}  # Lightning's names and torch's


def opened(config: Config, asked: Config) -> DeblurDataModule:
    """Return the images and the blur of a whole configuration, set up.

    Raises:
        UserError: where they cannot be opened.
    """
    degradation = build(config["blur"], Degradation, trusted=asked["trusted"])
    cache_root = asked["paths"]["cache_root"]
    data = build(config["data"], DeblurDataModule, degradation, trusted=asked["trusted"], cache_root=cache_root)
    _refuse_unknown_kernels(data, asked)
    data.setup()
    return data


def _refuse_unknown_kernels(data: DeblurDataModule, asked: Config) -> None:
    """Refuse baselines that have to know the kernel of images that somebody else blurred.

    A blur that this program adds to theirs is known, and is not all that was done to the images.
    """
    names = [name for name in asked.get("baseline", ()) if name != Identity.name]
    if names and data.blurred_source() is not None:
        raise UserError(
            f"baseline=[{','.join(names)}] has to know what blurred the images, and of images that somebody else "
            "blurred (data=pairs) nobody tells it: leave it out. To measure it with a kernel that you know, blur the "
            "sharp images by that: data=folder data.root=DIR blur=kernel blur.path=FILE."
        )


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
