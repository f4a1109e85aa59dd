"""What a run says about itself before and after training."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from deblur.blur import Degradation
from deblur.config import TrainConfig
from deblur.config.identity import flatten
from deblur.console import TERMINAL_WIDTH, table
from deblur.data.cache import ImageCache
from deblur.data.splits import Splits
from deblur.device import Device
from deblur.metrics import PSNR, MetricInfo
from deblur.metrics.measuring import DEGRADED_BELOW, unmeasured
from deblur.models.protocol import traits_of
from deblur.text import Lines, counted, lines


def describe_network(network: nn.Module) -> dict[str, int | None]:
    """Return parameters, multiplications per pixel and receptive field [px]; None if a network does not say."""
    traits = traits_of(network)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs_per_pixel": traits.macs_per_pixel,
        "receptive_field": traits.receptive_field,
    }


def start_summary(
    config: TrainConfig,
    network: nn.Module,
    degradation: Degradation,
    images: ImageCache,
    splits: Splits,
    device: Device,
) -> Lines:
    """Return what is about to be trained, on what, with what, as lines of text."""
    data, optimizer = config.data, config.optimizer
    size = describe_network(network)
    cost = [f"{size['parameters']:,} parameters"]
    if size["macs_per_pixel"] is not None:
        cost.append(f"{size['macs_per_pixel']:,} MACs per pixel")
    if size["receptive_field"] is not None:
        cost.append(f"receptive field {size['receptive_field']} px")
    side = "whole image" if data.patch_size is None else "patch"
    step = counted(data.batch_size, side, "whole images" if data.patch_size is None else "patches")
    if data.patch_size is not None:
        step += f" of {data.patch_size} px"
        squares = traits_of(network).size_divisor
        used = data.patch_size - data.patch_size % squares
        if used < data.patch_size:
            step += f" ({used} px of them: the network works on squares of {squares} px)"
    blur = {key: value for key, value in flatten(config.blur.arguments()).items() if value}
    noun = "RGB image" if data.channels > 1 else "image"
    parts = {
        "data": f"{data.name or 'own'}, {counted(len(images), noun, f'{noun}s')}: {len(splits.train)} to train, "
        f"{len(splits.val)} to validate, {len(splits.test)} to test",
        "blur": ", ".join([degradation.family, *(f"{key} {value}" for key, value in blur.items())]),
        "network": f"{config.model.name or type(network).__name__}: {', '.join(cost)}",
        **({} if config.weights is None else {"weights": f"trained on from {config.weights}"}),
        "training": f"{counted(config.trainer.max_epochs, 'epoch')}, {step} per step, "
        f"{optimizer.class_name} at {optimizer.lr:g}, loss {config.loss}, "
        f"seed {config.seed}",
        "device": f"{device.accelerator} ({device.name}), {counted(device.threads, 'thread')}, {device.precision}, "
        "channels last",
    }
    return lines(*(line for name, text in parts.items() for line in _item(name, text)))


def _item(name: str, text: str) -> list[str]:
    """Return an item of the summary in lines that fit a terminal; that of a path is one line."""
    indent = 10
    whole = f"{name:<{indent - 1}} {text}"
    if name == "weights":
        return [whole]
    return textwrap.wrap(
        whole,
        TERMINAL_WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def receptive_field_warning(network: nn.Module, degradation: Degradation) -> str | None:
    """Return a warning if the blur is larger than the receptive field."""
    field = traits_of(network).receptive_field
    extent = max(degradation.max_kernel_size)
    if field is None or field >= extent:
        return None
    return (
        f"The receptive field of the network is {field} px, but the blur spreads a pixel over up to {extent} px: part "
        "of what is needed lies outside. More or larger layers widen the field (model.kernel_sizes, model.dilations, "
        "model.blocks); python -m deblur.evaluate optimal_linear=true measures what a linear filter of each size "
        "restores."
    )


def degraded_warning(test: Mapping[str, Any]) -> str | None:
    """Return a warning if the restored test images are worse than the blurred ones; None if they are not."""
    if test["gain"] is None or test["gain"] > DEGRADED_BELOW:
        return None
    return (
        f"The restored test images are worse than the blurred ones: the gain is {test['gain']:+.2f} dB. Train for more "
        "epochs, or with another optimizer.lr."
    )


def result_table(test: Mapping[str, Any], infos: Sequence[MetricInfo]) -> Lines:
    """Return the test means of the blurred input and the restored images."""
    rows = []
    for info in infos:
        before, after = test[f"input_{info.name}"], test[info.name]
        # The gain is a mean over the images on which both PSNR are finite.
        gain = test["gain"] if info == PSNR.info else None if None in (before, after) else after - before
        numbers = [_number(before, info), _number(after, info), _number(gain, info, "+")]
        rows.append([info.heading, *numbers])
    title = ", ".join([f"Means over {counted(test['images'], 'test image')}", *unmeasured(test, infos)])
    return table(title, ["", "blurred", "restored", "gain"], rows)


def _number(value: float | None, info: MetricInfo, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}{info.digits}}"
