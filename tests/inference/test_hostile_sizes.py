"""Files that ask for more memory or time than they hold: refused in a sentence before either is taken."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from loading_child import Loaded, load_in_child
from safetensors.torch import save
from torch import Tensor

import deblur
from deblur.errors import UserError
from deblur.inference.checkpoints import load_checkpoint
from deblur.inference.trained import load_trained
from deblur.models import SRCNN

Psf = dict[str, Tensor]

SMALL = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [2]}
RESNET = {"_target_": "deblur.models.ResNet", "blocks": 0, "width": 4}
UNROLLED = {"_target_": "deblur.models.Unrolled", "stages": 1, "width": 4, "inner_width": 4}
BLUR = {"_target_": "deblur.blur.Box", "size": 3}
WEIGHTS = SRCNN([3, 1], [2]).state_dict()
GROWTH = 300 * 2**20  # bytes; one array of what the files ask for has more


def checkpoint(model: Any, weights: Psf = WEIGHTS, **others: Any) -> bytes:
    content = io.BytesIO()
    settings = {"model": model, "blur": BLUR, "data": {}}
    held = {f"network.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 0, "global_step": 1, "state_dict": held, "hyper_parameters": settings} | others, content)
    return content.getvalue()


def safetensors(model: Any, weights: Psf = WEIGHTS, **others: Any) -> bytes:
    description = {"format": 1, "settings": {"model": model, "blur": BLUR}} | others
    return save(weights, {"deblur": json.dumps(description)})


MAKERS: dict[str, Callable[..., bytes]] = {"ckpt": checkpoint, "safetensors": safetensors}

NOT_ALLOWED = "refuses its arguments: model."
# Settings that do not fit the weights of the file, and the reason that is told.
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "width": (SMALL | {"widths": [500_000_000]}, "does not fit its network (Error(s) in loading state_dict for SRCNN"),
    "kernel": (SMALL | {"kernel_sizes": [1_000_001, 1]}, "does not fit its network"),
    "wide resnet": (RESNET | {"width": 500_000_000}, "does not fit its network"),
    "unshuffle": (RESNET | {"unshuffle": 100_001}, "does not fit its network"),
    "beyond 64 bits": (SMALL | {"widths": [2**62]}, "refuses its arguments: "),
    "beyond all": (SMALL | {"widths": [10**30]}, "refuses its arguments: "),
    "blocks": (RESNET | {"blocks": 10**9}, "it has more parameters than the 4 arrays of weights that the file holds"),
    "layers": (SMALL | {"kernel_sizes": [1] * 9000, "widths": [2] * 8999}, "it has more parameters than the 4 arrays"),
    "a list of layers": (SMALL | {"kernel_sizes": [1] * 50_000, "widths": [2] * 49_999}, "holds too many values"),
    "stages": (UNROLLED | {"stages": 10**9}, "it has more parameters than the 4 arrays of weights that the file holds"),
    "negative": (SMALL | {"widths": [-5]}, f"{NOT_ALLOWED}widths=[-5] is not allowed: give a list of positive whole"),
    "true": (SMALL | {"widths": [True]}, f"{NOT_ALLOWED}widths=[true] is not allowed"),
    "a fraction": (SMALL | {"widths": [2.5]}, f"{NOT_ALLOWED}widths=[2.5] is not allowed"),
    "a text": (SMALL | {"widths": ["2"]}, f"{NOT_ALLOWED}widths=[2] is not allowed"),
    "no list": (SMALL | {"kernel_sizes": 3}, f"{NOT_ALLOWED}kernel_sizes=3 is not allowed"),
    "an even side": (SMALL | {"kernel_sizes": [2, 1]}, f"{NOT_ALLOWED}kernel_sizes=[2,1] is not allowed"),
    "no for false": (SMALL | {"residual": "no"}, f"{NOT_ALLOWED}residual=no is not allowed: give true or false"),
    "null": (SMALL | {"widths": None}, f"{NOT_ALLOWED}widths=null is not allowed"),
    "a mapping": (SMALL | {"widths": {"a": 1}}, f"{NOT_ALLOWED}widths={{...}} is not allowed"),
    "true blocks": (RESNET | {"blocks": True}, f"{NOT_ALLOWED}blocks=true is not allowed"),
    "true stages": (UNROLLED | {"stages": True}, f"{NOT_ALLOWED}stages=true is not allowed"),
    "channels of an RGB network": (SMALL | {"channels": 3}, "does not fit its network"),
    "channels of no image": (SMALL | {"channels": 2}, f"{NOT_ALLOWED}channels=2 is not allowed: give 1 with"),
    "channels without end": (SMALL | {"channels": 10**9}, f"{NOT_ALLOWED}channels=1000000000 is not allowed"),
    "channels of text": (SMALL | {"channels": "3"}, f"{NOT_ALLOWED}channels=3 is not allowed"),
    "true channels": (
        SMALL | {"channels": True},
        "model.channels=true is not allowed: give 1 with data.color=gray, 3 with data.color=rgb",
    ),
    "null channels": (SMALL | {"channels": None}, "channels=None is not allowed: give 1 for gray or 3 for RGB."),
    "dilations": (SMALL | {"dilations": [10**9, 1]}, "reaches 1000000000 px to each side"),
}


def _billion_laughs() -> list[Any]:
    laughs: list[Any] = ["ha"] * 10
    for _ in range(30):
        laughs = [laughs] * 10
    return laughs


def _strided() -> bytes:
    """A network of a gigabyte, all of whose weights are one number."""
    one, width = torch.zeros(1), 100_000_000
    weights = {
        "convolutions.0.weight": one.expand(width, 1, 1, 1),
        "convolutions.0.bias": one.expand(width),
        "convolutions.1.weight": one.expand(1, width, 1, 1),
        "convolutions.1.bias": one,
    }
    return checkpoint(SMALL | {"kernel_sizes": [1, 1], "widths": [width]}, weights)


def _compressed() -> bytes:
    """A checkpoint of 400 MB of zeros, in 2 MB."""
    stored, packed = io.BytesIO(checkpoint(SMALL)), io.BytesIO()
    with zipfile.ZipFile(stored) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in archive.infolist():
            made.writestr(entry.filename, archive.read(entry))
        with made.open("archive/data/99", "w", force_zip64=True) as file:
            for _ in range(400):
                file.write(bytes(10**6))
    return packed.getvalue()


class _Called:
    """What makes a pickle call something."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


def _legacy() -> bytes:
    content = io.BytesIO()
    torch.save({"epoch": 0, "global_step": 0, "state_dict": WEIGHTS}, content, _use_new_zipfile_serialization=False)
    return content.getvalue()


def _long_header() -> bytes:
    header = json.dumps({"__metadata__": {"deblur": "[]," * 15_000_000}}).encode()
    return struct.pack("<Q", len(header)) + header


# Whole files, and the reason that is told.
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "strided.ckpt": (_strided, "is damaged: its weights would take 1,200,000,004 bytes, and the file has"),
    "compressed.ckpt": (_compressed, "or is damaged (it is compressed)"),
    "legacy.ckpt": (_legacy, "is no checkpoint of this program, or is damaged"),
    "called.ckpt": (
        lambda: checkpoint(SMALL, more=_Called(bytearray, 6 * 10**9)),
        "or is damaged (it calls __builtin__.bytearray, which no weights need)",
    ),
    "laughs.ckpt": (
        lambda: checkpoint(SMALL | {"widths": _billion_laughs()}),
        "is not valid (settings.model: holds too many values)",
    ),
    "tensors.ckpt": (
        lambda: checkpoint(SMALL, {f"{number}": torch.zeros(1) for number in range(10_001)}),
        "holds 10001 arrays of weights: 10000 are allowed",
    ),
    "wide.ckpt": (
        lambda: checkpoint(SMALL | {"kernel_sizes": [1, 1], "widths": [5000]}, SRCNN([1, 1], [5000]).state_dict()),
        "has a layer of 5000 channels",
    ),
    "deep and wide.safetensors": (
        lambda: safetensors(
            SMALL | {"kernel_sizes": [3, 1], "widths": [4000], "dilations": [900, 1]},
            SRCNN([3, 1], [4000], dilations=[900, 1]).state_dict(),
        ),
        "would take 63 GiB for each part of an image",
    ),
    "header.safetensors": (_long_header, "is no safetensors file, or is damaged (its header has 45,"),
    "claim.safetensors": (lambda: struct.pack("<Q", 2**62) + b"{}", "or is damaged (its header has 4,611,686"),
    "lists.safetensors": (
        lambda: safetensors(SMALL, more=[[]] * 60_000),
        "is damaged: its description of the network cannot be read (it has too many lists)",
    ),
}


def _write_hole(path: Path) -> None:
    """Write a file of four gigabytes, nearly all of which the disk does not hold."""
    array = {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}
    settings = {"format": 1, "settings": {"model": SMALL | {"widths": [10**9]}, "blur": BLUR}}
    header = json.dumps({"__metadata__": {"deblur": json.dumps(settings)}, "convolutions.0.bias": array}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 4 * 10**9)


HOLE = "hole.safetensors"
REASONS = {
    **{f"{name}.{kind}": reason for kind in MAKERS for name, (_, reason) in SETTINGS.items()},
    **{name: reason for name, (_, reason) in FILES.items()},
    HOLE: "it has more parameters than the 1 arrays of weights",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """All files of this module, loaded one after the other in one process."""
    folder = tmp_path_factory.mktemp("hostile")
    for kind, make in MAKERS.items():
        for name, (model, _) in SETTINGS.items():
            (folder / f"{name}.{kind}").write_bytes(make(model))
    for name, (make_file, _) in FILES.items():
        (folder / name).write_bytes(make_file())
    _write_hole(folder / HOLE)
    return load_in_child(sorted(folder.iterdir()))


@pytest.mark.parametrize("name", REASONS)
def test_a_file_that_asks_for_more_than_it_holds_is_refused_in_a_sentence(name: str, loaded: Loaded) -> None:
    kind, text = loaded.said[name]
    assert kind == "UserError", text
    assert REASONS[name] in text
    assert "\n" not in text


def test_none_of_them_costs_memory(loaded: Loaded) -> None:
    assert loaded.growth < GROWTH


@pytest.mark.parametrize("kind", MAKERS)
def test_what_fits_is_loaded_with_its_weights(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"good.{kind}"
    path.write_bytes(MAKERS[kind](SMALL))
    held = load_trained(path).network.state_dict()
    assert held.keys() == WEIGHTS.keys()
    assert all(torch.equal(held[name], WEIGHTS[name]) for name in held)
    assert all(value.device.type == "cpu" for value in held.values())


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_channels_are_those_of_the_settings(kind: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"good.{kind}"
    path.write_bytes(MAKERS[kind](SMALL | {"channels": channels}, SRCNN([3, 1], [2], channels=channels).state_dict()))
    assert load_trained(path).network.channels == deblur.load(path, accelerator="cpu").channels == channels


@pytest.mark.parametrize("kind", MAKERS)
def test_weights_for_rgb_without_channels_in_the_settings_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"bad.{kind}"
    path.write_bytes(MAKERS[kind](SMALL, SRCNN([3, 1], [2], channels=3).state_dict()))
    with pytest.raises(UserError, match=f"^{path} does not fit its network"):
        load_trained(path)


def test_building_without_memory_first_changes_no_random_number(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(safetensors(SMALL))
    torch.manual_seed(0)
    load_trained(path)
    after = torch.rand(1)
    torch.manual_seed(0)
    SRCNN([3, 1], [2])
    assert torch.equal(torch.rand(1), after)


@pytest.mark.slow
def test_to_know_the_shapes_of_a_network_torch_loads_no_compiler() -> None:
    code = (
        "import sys, deblur; deblur.load('default', accelerator='cpu'); "  # a network whose weights are drawn as normal
        "print(*(name for name in ('torch._inductor', 'torch._dynamo', 'sympy') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


OWN = """
import torch
from torch import nn


class Own(nn.Module):  # looks at its numbers when it is made
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)
        self.largest = self.layer.weight.max().item()
"""


def test_a_class_of_one_s_own_that_needs_memory_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_hostile_net.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    weights = torch.nn.Conv2d(1, 1, 1).state_dict()
    path = tmp_path / "own.safetensors"
    path.write_bytes(
        safetensors({"_target_": "own_hostile_net.Own"}, {f"layer.{name}": one for name, one in weights.items()})
    )
    held = load_trained(path, ["own_hostile_net"]).network.state_dict()
    assert torch.equal(held["layer.weight"], weights["weight"])


@pytest.mark.parametrize("key", ["epoch", "global_step"])
@pytest.mark.parametrize("value", [-1, "3", 2.5, None, True])
def test_a_checkpoint_tells_its_place_in_whole_numbers(key: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(checkpoint(SMALL, **{key: value}))
    with pytest.raises(UserError, match=f"its {key} is no whole number from 0 up"):
        load_checkpoint(path)
