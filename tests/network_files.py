"""Small networks in files."""

from pathlib import Path

import torch
from known_blurs import unrolled

from deblur.inference.weights import write_weights
from deblur.models import SRCNN

BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 5, "noise_sigma": 0.0, "jpeg_quality": None}
NO_BLUR = {"name": "none", "_target_": "deblur.blur.NoBlur", "noise_sigma": 1.0, "jpeg_quality": None}
"""Of a network for noise alone, whose correction no gate weighs."""


def write_network(path: Path, kernel_sizes: tuple[int, ...], brighter: float = 0.0) -> Path:
    """Write a network that gives what it gets; or a little brighter, without a gate."""
    widths = [2] * (len(kernel_sizes) - 1)
    network = SRCNN(kernel_sizes, widths, residual=True)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(network.convolutions[-1].bias, brighter)  # type: ignore[arg-type] # it has one
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": list(kernel_sizes), "widths": widths, "residual": True}
    settings = {"model": model | {"dropout": 0.0}, "blur": NO_BLUR if brighter else BOX}
    description = {"name": path.stem, "settings": settings}
    write_weights(path, network.state_dict(), description)
    return path


def write_rgb_network(
    path: Path, order: tuple[int, int, int] = (0, 1, 2), added: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Path:
    """Write a network for RGB images, without a gate, that reorders its channels and adds something to each."""
    network = SRCNN((3, 1), (3,), residual=False, channels=3)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    first, last = network.convolutions
    with torch.no_grad():
        for channel, source in enumerate(order):
            first.weight[channel, source, 1, 1] = 1  # type: ignore[operator,index] # a tensor
            last.weight[channel, channel] = 1  # type: ignore[operator,index] # a tensor
        last.bias += torch.tensor(added)  # type: ignore[operator] # a tensor
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [3], "residual": False, "channels": 3}
    write_weights(path, network.state_dict(), {"name": path.stem, "settings": {"model": model, "blur": NO_BLUR}})
    return path


def write_unrolled_network(path: Path, boundary: str = "valid") -> Path:
    """Write a network of random weights that takes the kernel of each image.

    Args:
        path: of the file.
        boundary: of its data, in the settings of the file.
    """
    assumed = "circular" if boundary == "circular" else "unknown"
    model = {"_target_": "deblur.models.Unrolled", "stages": 1, "width": 4, "inner_width": 4, "boundary": assumed}
    settings = {"model": model, "blur": BOX, "data": {"boundary": boundary}}
    write_weights(path, unrolled(boundary=assumed).state_dict(), {"name": path.stem, "settings": settings})
    return path
