"""What every evaluation opens: images, finished runs, a device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device
from deblur.errors import PartlyDone, UserError
from deblur.reading import MissingFile, UnusableFile
from deblur.runs import STATUS_FILE, config_of_run, read_metrics, state_of

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


def finished_runs(sweep: Path) -> tuple[list[Path], list[str]]:
    """Return the folders of a sweep's finished runs, and a sentence for each run whose files cannot be used.

    Raises:
        UserError: if there is no finished run.
    """
    found: list[Path] = []
    problems: list[str] = []
    for path in sorted(status.parent for status in sweep.glob(f"*/{STATUS_FILE}")):
        try:
            if state_of(path) == "done":
                config_of_run(path)
                metrics_of(path)
                found.append(path)
        except UnusableFile as error:
            problems.append(str(error))
    if not found:
        raise UserError(
            " ".join(problems) or f"{sweep} holds no finished run: give the name of a sweep with sweep=NAME."
        )
    return found, problems


def metrics_of(run: Path) -> dict[str, Any]:
    """Return what the metrics.json of a run holds; no results of a test if it is missing."""
    try:
        return read_metrics(run)
    except MissingFile:
        return {"test": {}}


def with_problems(shown: str, problems: Sequence[str]) -> str:
    """Return what to show of a sweep, of which some runs may have been left out.

    Raises:
        PartlyDone: if that is so.
    """
    if problems:
        raise PartlyDone(shown, problems)
    return shown


def torch_device(device: Device) -> torch.device:
    """Return torch's device of a taken one."""
    return torch.device(_DEVICES[device.accelerator])
