"""A training begins with the weights of a trained network, or says why it cannot."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from network_files import BOX, write_network, write_rgb_network, write_unrolled_network
from small_faces import drawn

from deblur.blur import Box
from deblur.choices import BLIND, DEFAULT_NETWORK
from deblur.config import TrainConfig
from deblur.errors import UserError
from deblur.inference.building import build_network
from deblur.inference.checkpoints import digest_of
from deblur.inference.pretrained import pretrained_file
from deblur.inference.weights import read_weights, write_weights
from deblur.models import SRCNN
from deblur.training.starting import Start, begin, has_epochs, leave_out_seen, refuse_unfit_weights

Compose = Callable[..., TrainConfig]
OF_FILE = ("model.kernel_sizes=[3,1]", "model.widths=[2]")


def refused(config: TrainConfig, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        refuse_unfit_weights(config, folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()
    return str(caught.value)


def test_a_network_gets_the_weights_in_place(compose: Compose, tmp_path: Path) -> None:
    file = write_network(tmp_path / "net.safetensors", (3, 1), brighter=0.25)
    config = compose(f"weights={file}", *OF_FILE, "model.dropout=0.5")
    assert config.weights == str(file)
    network = build_network(config.model)
    parameters = list(network.parameters())
    assert begin(config, network) == Start(("net",), None)
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))
    image = torch.rand(1, 1, 9, 7)
    assert torch.equal(network.eval()(image), image + 0.25)


@pytest.mark.parametrize("name", BLIND)
def test_the_error_names_the_overrides_that_build_the_pretrained_network(
    compose: Compose, tmp_path: Path, name: str
) -> None:
    config = compose(f"weights={name}", "data.color=rgb")
    assert config.weights == name
    message = refused(config, tmp_path / "run")
    assert message == (
        f"weights={name} holds a network of ResNet with blocks=7, width=56, unshuffle=3, end_kernel_size=3, and the "
        "command builds one of SRCNN with kernel_sizes=[9,1,5], widths=[64,32], residual=true, dilations=null: give "
        "model=resnet model.blocks=7 model.width=56."
    )
    config = compose(f"weights={name}", "data.color=rgb", *message.removesuffix(".").partition(": give ")[2].split())
    refuse_unfit_weights(config, tmp_path / "run")
    network = build_network(config.model)
    start = begin(config, network)
    assert start.origins == ((name,) if name == DEFAULT_NETWORK else (DEFAULT_NETWORK, name))
    assert start.seen
    weights, _ = read_weights(pretrained_file(name))
    assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("overrides", "ending"),
    [
        (
            ("model.kernel_sizes=[9,1]", "model.widths=[2]"),
            "SRCNN with kernel_sizes=[3,1], and the command builds one of SRCNN with kernel_sizes=[9,1]: give "
            "model=srcnn_915 'model.kernel_sizes=[3,1]' 'model.widths=[2]'.",
        ),
        (
            (OF_FILE[0], "model.widths=[4]"),
            "SRCNN with widths=[2], and the command builds one of SRCNN with widths=[4]: give model=srcnn_915 "
            "'model.kernel_sizes=[3,1]' 'model.widths=[2]'.",
        ),
        (
            (*OF_FILE, "model.residual=false"),  # whose shapes are the same
            "SRCNN with residual=true, and the command builds one of SRCNN with residual=false: give model=srcnn_915 "
            "'model.kernel_sizes=[3,1]' 'model.widths=[2]'.",
        ),
        (
            (*OF_FILE, "model.dilations=[2,1]"),
            "SRCNN with dilations=null, and the command builds one of SRCNN with dilations=[2,1]: give model=srcnn_915 "
            "'model.kernel_sizes=[3,1]' 'model.widths=[2]'.",
        ),
        (
            ("model=unrolled",),
            "SRCNN with kernel_sizes=[3,1], widths=[2], residual=true, dilations=null, and the command builds one of "
            "Unrolled with stages=4, width=32, inner_width=64, linear_light=false: give model=srcnn_915 "
            "'model.kernel_sizes=[3,1]' 'model.widths=[2]'.",
        ),
    ],
)
def test_another_network_is_refused(compose: Compose, tmp_path: Path, overrides: tuple[str, ...], ending: str) -> None:
    file = write_network(tmp_path / "net.safetensors", (3, 1))
    message = refused(compose(f"weights={file}", *overrides), tmp_path / "run")
    assert message == f"weights={file} holds a network of {ending}"


def test_a_network_for_other_colors_is_refused(compose: Compose, tmp_path: Path) -> None:
    gray, rgb = write_network(tmp_path / "gray.safetensors", (3, 1)), write_rgb_network(tmp_path / "rgb.safetensors")
    assert refused(compose(f"weights={gray}", *OF_FILE, "data.color=rgb"), tmp_path / "run") == (
        f"weights={gray} holds a network for images of 1 channel, and data.color=rgb gives images of 3: give "
        "data.color=gray, or weights of a network of 3 channels."
    )
    of_rgb = (OF_FILE[0], "model.widths=[3]", "model.residual=false")
    assert refused(compose(f"weights={rgb}", *of_rgb), tmp_path / "run").endswith(
        "data.color=gray gives images of 1: give data.color=rgb, or weights of a network of 1 channel."
    )
    refuse_unfit_weights(compose(f"weights={rgb}", *of_rgb, "data.color=rgb"), tmp_path / "run")


def test_files_that_hold_no_usable_weights_are_refused(compose: Compose, tmp_path: Path) -> None:
    def of(name: str) -> str:
        return refused(compose(f"weights={tmp_path / name}", *OF_FILE), tmp_path / "run")

    write_network(tmp_path / "net.safetensors", (3, 1))
    content = (tmp_path / "net.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    (tmp_path / "net.onnx").touch()
    (tmp_path / "folder").mkdir()
    model = {"_target_": "theirs.Net"}
    write_weights(tmp_path / "theirs.safetensors", {}, {"name": "x", "settings": {"model": model, "blur": BOX}})
    assert of("nett.safetensors") == (
        f"weights={tmp_path / 'nett.safetensors'} does not exist: give the name of a pretrained network (default, "
        "defocus, motion or unrolled), a run's folder, a checkpoint, an exported .safetensors file, or hf://USER/NAME. "
        f"Did you mean {tmp_path / 'net.safetensors'}?"
    )
    assert of("motio").endswith(" Did you mean motion?")
    assert "is no safetensors file, or is damaged" in of("half.safetensors")
    assert "text.ckpt is no checkpoint of this program, or is damaged" in of("text.ckpt")
    assert of("net.onnx") == (
        f"weights={tmp_path / 'net.onnx'} is a graph for onnxruntime, without weights that can be trained: give the "
        "run, the checkpoint or the .safetensors file of the same network."
    )
    assert of("folder").startswith(f"{tmp_path / 'folder'} is no run: it has no config.yaml.")
    assert "theirs.Net" in of("theirs.safetensors")
    assert "trusted=[theirs]" in of("theirs.safetensors")


def test_a_run_with_a_finished_epoch_needs_no_weights(compose: Compose, tmp_path: Path) -> None:
    config = compose(f"weights={tmp_path / 'gone.safetensors'}", "overwrite=false")
    run = tmp_path / "run"
    run.mkdir()
    for state, epoch, continues in (
        ("interrupted", 1, True),
        ("done", 3, True),
        ("interrupted", 0, False),
        ("failed", None, False),
    ):
        (run / "status.json").write_text(json.dumps({"state": state, "epoch": epoch}))
        assert has_epochs(run) is continues
        if continues:
            refuse_unfit_weights(config, run)
        else:
            with pytest.raises(UserError, match="does not exist"):
                refuse_unfit_weights(config, run)
    (run / "status.json").write_text("{")
    assert not has_epochs(run)


def test_a_network_that_takes_the_kernel_gets_its_weights(compose: Compose, tmp_path: Path) -> None:
    file = write_unrolled_network(tmp_path / "net.safetensors")
    overrides = ("model=unrolled", "model.stages=1", "model.width=4", "model.inner_width=4", "blur=motion")
    config = compose(f"weights={file}", *overrides, "model.kernel_error=0.1", "data.boundary=valid")
    network = build_network(config.model)
    begin(config, network)
    weights, _ = read_weights(file)
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_test_images_that_were_seen_are_left_out(cache_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = drawn(cache_root, Box(5))
    test, digests = data.splits.test, data.images.digests
    seen = frozenset(digest_of(digests[index]) for index in (test[0], *data.splits.train))
    with caplog.at_level("INFO"):
        leave_out_seen(Start(("mixed",), frozenset()), "mixed", data)
        assert (data.splits.test, data.left_out, caplog.text) == (test, 0, "")
        leave_out_seen(Start(("mixed",), seen), "mixed", data)
    assert f"The test is without 1 image of {len(test)} that the network mixed was trained or validated on." in (
        caplog.text
    )
    assert (data.splits.test, data.left_out) == (test[1:], 1)
    names = [name for batch in data.test_dataloader() for name in batch["name"]]
    assert names == [data.images.names[index] for index in test[1:]]
    every = frozenset(map(digest_of, digests))
    with pytest.raises(UserError, match=r"^The network of weights=mixed was trained or validated on all of the test"):
        leave_out_seen(Start(("mixed",), every), "mixed", data)


def test_unknown_images_are_warned_of(cache_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = drawn(cache_root, Box(5))
    test = data.splits.test
    leave_out_seen(Start(("net",), None), "/nets/net.safetensors", data)
    assert "Which images the network net was trained and validated on is not known" in caplog.text
    assert data.splits.test == test


def test_a_chain_of_trainings_is_remembered(compose: Compose, tmp_path: Path) -> None:
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [2], "residual": True}
    description = {
        "name": "second",
        "settings": {"model": model, "blur": BOX},
        "seen_images": ["ab"],
        "trained_on_from": ["mixed", "first"],
    }
    file = tmp_path / "net.safetensors"
    network = SRCNN([3, 1], [2])
    write_weights(file, network.state_dict(), description)
    config = compose(f"weights={file}", *OF_FILE)
    assert begin(config, build_network(config.model)) == Start(("mixed", "first", "second"), frozenset({"ab"}))
    write_weights(file, network.state_dict(), description | {"trained_on_from": "mixed"})
    assert "trained_on_from" in refused(config, tmp_path / "run")
