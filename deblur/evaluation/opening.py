"""What every evaluation opens: images, networks, finished runs, a device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device
from deblur.errors import UserError
from deblur.evaluation.restorers import ExportedRestorer, NetworkRestorer, Restorer
from deblur.networks.description import SEEN, checked_seen
from deblur.networks.trained import load_trained
from deblur.restoring.onnx_network import open_onnx
from deblur.restoring.restorer import ONNX_SUFFIX
from deblur.runs import STATUS_FILE, state_of

_DEVICES = {"gpu": "cuda", "mps": "mps", "cpu": "cpu"}  # Lightning's names and torch's


@dataclass(frozen=True)
class Subject:
    """A network that is evaluated.

    Attributes:
        restorer: the network.
        config: the configuration of its training, or the part of it that a file holds.
        seen: digests of the images that it was trained or validated on; None where they are not known.
        fingerprint: of the images that it was trained and tested on; None where it is not known.
    """

    restorer: Restorer
    config: Mapping[str, Any]
    seen: frozenset[str] | None
    fingerprint: str | None


def is_exported(place: Path) -> bool:
    """Tell whether a network is a file that onnxruntime computes, on the processor."""
    return place.suffix == ONNX_SUFFIX and place.is_file()


def open_subject(place: Path, trusted: Sequence[str]) -> Subject:
    """Open the network of a run, of a checkpoint alone, or of an exported file.

    Raises:
        UserError: where there is none, it is damaged, of another program, or its class is not allowed.
    """
    if not is_exported(place):
        trained = load_trained(place, trusted)
        return Subject(
            NetworkRestorer(trained.name, trained.network), trained.config, trained.seen, trained.fingerprint
        )
    told, network = open_onnx(place)
    metrics = told.get("metrics") or {}
    return Subject(
        ExportedRestorer(told.get("name") or place.stem, network),
        told["settings"],
        checked_seen(told.get(SEEN), place),
        (metrics.get("data") or {}).get("fingerprint"),
    )


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


def torch_device(device: Device) -> torch.device:
    """Return torch's device of a taken one."""
    return torch.device(_DEVICES[device.accelerator])
