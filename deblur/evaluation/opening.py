"""What every evaluation opens: images, finished runs, a device."""

from pathlib import Path

import torch

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device
from deblur.errors import UserError
from deblur.networks.checkpoints import digest_of
from deblur.networks.trained import Trained
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
    data.setup()
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


def seen_images(trained: Trained, data: DeblurDataModule) -> frozenset[int]:
    """Return the places of the images that a network was trained or validated on."""
    if trained.seen is not None:
        return frozenset(i for i, digest in enumerate(data.images.digests) if digest_of(digest) in trained.seen)
    # A checkpoint of an earlier version: its own data set, if it is known to be that, is split as it was.
    is_other = trained.fingerprint not in (None, data.images.fingerprint)
    return frozenset() if is_other else frozenset((*data.splits.train, *data.splits.val))


def torch_device(device: Device) -> torch.device:
    """Return torch's device of a taken one."""
    return torch.device(_DEVICES[device.accelerator])
