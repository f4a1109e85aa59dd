"""A network in a .safetensors file."""

from pathlib import Path

import torch
from torch import nn

from deblur.inference.description import has_settings
from deblur.inference.weights import read_weights, write_weights
from deblur.models import SRCNN

SETTINGS = {"model": {"_target_": "deblur.models.SRCNN"}, "blur": {"size": [3, 9], "name": "b\u00e9"}, "seed": 3}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    weights = SRCNN([5, 3], [4]).to(memory_format=torch.channels_last).state_dict()
    description = {"settings": SETTINGS, "name": "net", "metrics": {"test": {"psnr": 21.5}}, "halo": 3}
    write_weights(tmp_path / "in" / "net.safetensors", weights, description)
    read, told = read_weights(tmp_path / "in" / "net.safetensors")
    assert told == {"format": 1, **description}
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)


def test_weights_that_share_their_memory_are_written(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    write_weights(tmp_path / "net.safetensors", tied.state_dict(), {"settings": SETTINGS})
    read, _ = read_weights(tmp_path / "net.safetensors")
    assert torch.equal(read["1.weight"], tied[0].weight)


def test_settings_are_told_from_anything_else() -> None:
    assert has_settings(SETTINGS)
    for other in (None, [], "model blur", {"model": {}}, {"model": {}, "blur": None}):
        assert not has_settings(other)
