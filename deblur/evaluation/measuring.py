"""Restorers on images -> one row an image, and means."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from deblur.blur.images import Crop
from deblur.blur.kernels import Psf
from deblur.data.datamodule import DeblurDataModule
from deblur.data.datasets import key_of
from deblur.data.loading import loader_errors_as_user_errors
from deblur.evaluation.restorers import Restorer
from deblur.metrics import Metric
from deblur.metrics.measuring import measure
from deblur.models.kernel_errors import with_errors

Row = dict[str, Any]


def measure_restorers(
    restorers: Sequence[Restorer],
    data: DeblurDataModule,
    indices: Iterable[int],
    crop: Crop,
    device: torch.device,
    metrics: Sequence[Metric],
    kernel_error: float = 0.0,
) -> list[Row]:
    """Restore images with each restorer and compare them with the sharp ones, as a training's test does.

    Args:
        restorers: what is compared.
        data: the images, set up.
        indices: which of them.
        crop: what is seen of each.
        device: where networks run.
        metrics: with the PSNR among them.
        kernel_error: relative error of the kernels that restorers get (see `deblur.models.kernel_errors`).

    Returns:
        One row for each restorer and image: boundary, names of restorer and image, the degradation, and what
        `deblur.metrics.measuring.measure` returns, as plain numbers; infinite if an image is exact.

    Raises:
        UserError: if a loader process fails.
    """
    for restorer in restorers:
        restorer.to(device)
    rows: list[Row] = []
    with torch.inference_mode(), loader_errors_as_user_errors(data.num_workers):
        for batch in data.evaluation_dataloader(tuple(indices), crop):
            moved = {
                key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()
            }
            images = data.on_after_batch_transfer(moved, 0)
            kernels = images["kernel"] if not kernel_error else _with_errors(images, kernel_error)
            for restorer in restorers:
                restored = restorer.restore(images["blurred"], kernels)
                measured = measure(restored, images, metrics, of_input=True)
                columns = {name: values.tolist() for name, values in measured.items()}
                rows += [
                    {
                        "boundary": crop.boundary,
                        "restorer": restorer.name,
                        "name": name,
                        **images["degradation"][index],
                        **{column: values[index] for column, values in columns.items()},
                    }
                    for index, name in enumerate(images["name"])
                ]
    order = {restorer.name: place for place, restorer in enumerate(restorers)}
    return sorted(rows, key=lambda row: order[row["restorer"]])


def _with_errors(images: Mapping[str, Any], error: float) -> list[Psf]:
    """Return the kernels of a batch with errors, which depend on the names of the images alone."""
    wrong = []
    for kernel, name in zip(images["kernel"], images["name"], strict=True):
        generator = torch.Generator().manual_seed(key_of(name))
        made = with_errors(torch.from_numpy(kernel)[None], torch.tensor([error], dtype=torch.float64), generator)
        wrong.append(made[0].numpy())
    return wrong
