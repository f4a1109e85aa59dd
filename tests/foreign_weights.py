"""Weights of networks of other programs, with spandrel's own classes; a test of them is skipped without it."""

from pathlib import Path

import pytest
import torch
from torch import nn

SPANDREL = "spandrel is not installed (pip install deblur-lab[spandrel])"


def randomized(network: nn.Module) -> nn.Module:
    """Return a network with random weights, all of which matter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def nafnet(channels: int = 3) -> nn.Module:
    pytest.importorskip("spandrel", reason=SPANDREL)
    from spandrel.architectures.NAFNet import NAFNet

    return randomized(NAFNet(img_channel=channels, width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1]))


def saved(network: nn.Module, path: Path) -> Path:
    torch.save({"params": network.state_dict()}, path)  # as BasicSR does
    return path
