"""How wide a network has to see: the best linear filter of each size, beside the networks at their receptive fields."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deblur.baselines.fir import apply, fit_filters
from deblur.data.datamodule import DeblurDataModule
from deblur.metrics import psnr
from deblur.runs import METRICS_FILE, read_config, read_json

SIZES = range(5, 42, 2)  # [px]
Row = dict[str, Any]


def networks_on(runs: Iterable[Path], blur: Mapping[str, Any], fingerprint: str) -> list[Row]:
    """Return the networks that were tested on the same blur and images.

    Args:
        runs: finished ones.
        blur: its configuration.
        fingerprint: of the images.

    Returns:
        One row for each: `name`, `size` (its receptive field [px]) and mean PSNR of the test images.
    """
    found = []
    for run in runs:
        config, metrics = read_config(run), read_json(run / METRICS_FILE)
        size, quality = metrics["model"].get("receptive_field"), metrics["test"].get("psnr")
        if config["blur"] == blur and metrics["data"]["fingerprint"] == fingerprint and None not in (size, quality):
            name = f"{config['model'].get('name')}, lr {config['optimizer']['lr']:g}"
            found.append({"name": name, "size": size, "psnr": quality})
    return found


def filter_study(data: DeblurDataModule, sizes: Sequence[int] = SIZES) -> list[Row]:
    """Fit the best linear filter of each size on the training images and measure it on the test images.

    The filters are those of least squares from the blurred image to the sharp one: what no linear layer of that size
    can beat on the training images.

    Args:
        data: the images, set up, with a blur that is the same for all.
        sizes: odd [px].

    Returns:
        One row for each size: `size`, mean PSNR of the filtered and of the blurred test images, and the gain [dB].
    """
    training = data.evaluation_dataset(data.splits.train)
    pairs = [training[position] for position in range(len(training))]
    filters = fit_filters([pair["sharp"][0] for pair in pairs], [pair["blurred"][0] for pair in pairs], sizes)
    testing = data.evaluation_dataset(data.splits.test)
    results: dict[int, list[float]] = {size: [] for size in sizes}
    inputs = []
    for position in range(len(testing)):
        sample = testing[position]
        blurred = sample["blurred"][0].astype(np.float32) / 255
        sharp = torch.tensor(sample["sharp"][None]).float() / 255
        inputs.append(psnr(torch.from_numpy(blurred[None, None]), sharp).item())
        for size, taps in filters.items():
            results[size].append(psnr(torch.from_numpy(apply(taps, blurred)[None, None]), sharp).item())
    known = np.isfinite(inputs)
    return [
        {
            "size": size,
            "psnr": float(np.mean(np.array(values)[known])),
            "input_psnr": float(np.mean(np.array(inputs)[known])),
            "gain": float(np.mean(np.subtract(values, inputs)[known])),
        }
        for size, values in results.items()
    ]
