"""What a run says about itself before and after training."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from deblur.blur import Degradation
from deblur.console import table
from deblur.data.cache import ImageCache
from deblur.data.splits import Splits
from deblur.device import Device
from deblur.metrics import SSIM_SIDE
from deblur.networks.guides import wants_guide
from deblur.runs import flatten


def describe_network(network: nn.Module) -> dict[str, int | None]:
    """Return parameters, multiplications per pixel and receptive field [px]; None where a network does not tell.

    Whether it is `guided` tells what the receptive field means: of a guide, each pixel depends on the whole picture.
    """
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs_per_pixel": getattr(network, "macs_per_pixel", None),
        "receptive_field": getattr(network, "receptive_field", None),
        "guided": wants_guide(network),
    }


def start_summary(
    config: Mapping[str, Any],
    network: nn.Module,
    degradation: Degradation,
    images: ImageCache,
    splits: Splits,
    device: Device,
) -> str:
    """Return what is about to be trained, on what, with what, as lines of text."""
    data, optimizer, trainer = config["data"], config["optimizer"], config["trainer"]
    told = describe_network(network)
    cost = [f"{told['parameters']:,} parameters"]
    if told["macs_per_pixel"] is not None:
        cost.append(f"{told['macs_per_pixel']:,} products a pixel")
    if told["receptive_field"] is not None:
        cost.append(f"receptive field {told['receptive_field']} px")
    if told["guided"]:
        cost.append("a guide of the whole picture")
    side = "whole images" if data["patch_size"] is None else f"patches of {data['patch_size']} px"
    origin = f"made in {images.seconds:.1f} s" if images.was_built else f"opened in {images.seconds:.1f} s"
    blur = {key: value for key, value in flatten(config["blur"]).items() if key not in ("_target_", "name") and value}
    lines = {
        "data": f"{data.get('name', 'own')}, {len(images)} images: {len(splits.train)} to train, {len(splits.val)} to "
        f"validate, {len(splits.test)} to test",
        "cache": origin,
        "blur": ", ".join([degradation.family, *(f"{key} {value}" for key, value in blur.items())]),
        "network": f"{config['model'].get('name') or type(network).__name__}: {', '.join(cost)}",
        "training": f"{trainer['max_epochs']} epochs, {data['batch_size']} {side} a step, "
        f"{optimizer['_target_'].rpartition('.')[2]} at {optimizer['lr']:g}, loss {config['loss']}, "
        f"seed {config['seed']}",
        "device": f"{device.accelerator} ({device.name}), {device.threads} threads, {device.precision}, channels last",
    }
    return "\n".join(f"{name:<9} {text}" for name, text in lines.items())


def receptive_field_warning(network: nn.Module, degradation: Degradation) -> str | None:
    """Return a warning where the blur spreads a pixel further than the network sees; a guide tells of all of it."""
    field = getattr(network, "receptive_field", None)
    extent = max(degradation.max_kernel_size)
    if field is None or field >= extent or wants_guide(network):
        return None
    return (
        f"The network sees {field} px, but the blur spreads a pixel over up to {extent} px: part of what is "
        "needed lies outside its field. On anime faces the best linear filter that sees 13, 15 or 27 px reaches 20.0, "
        "21.3 or 23.8 dB for a motion of 15 px, and 23.0, 23.2 or 23.4 dB for a gaussian of 3 px. More or larger "
        "layers see further (model.kernel_sizes, model.dilations, model.blocks)."
    )


def result_table(test: Mapping[str, Any]) -> str:
    """Return the test means of the blurred input and the restored images."""
    rows = [
        ["PSNR, dB", _two(test["input_psnr"]), _two(test["psnr"]), _two(test["gain"], sign=True)],
        [
            "SSIM",
            _four(test["input_ssim"]),
            _four(test["ssim"]),
            _four(None if None in (test["ssim"], test["input_ssim"]) else test["ssim"] - test["input_ssim"], sign=True),
        ],
    ]
    columns = ["", "blurred", "restored", "gain"]
    if "guide_psnr" in test:
        columns.insert(2, "Wiener filter")
        rows[0].insert(2, _two(test["guide_psnr"]))
        rows[1].insert(2, "")
    title = f"Means over {test['images']} test images"
    if test.get("without_ssim"):
        title += f", {test['without_ssim']} of them without an SSIM, which needs {SSIM_SIDE}x{SSIM_SIDE} px"
    return table(title, columns, rows)


def _two(value: float | None, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.2f}"


def _four(value: float | None, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.4f}"
