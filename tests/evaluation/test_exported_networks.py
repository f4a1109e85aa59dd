"""Networks in files are measured like those of runs, and what such a file tells of itself leads nowhere."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from deblur import evaluate, export
from deblur.export.onnx import as_onnx
from deblur.inference.trained import load_trained
from deblur.inference.weights import read_weights, write_weights
from deblur.models import SRCNN

Evaluate = Callable[..., Any]
Refuse = Callable[..., str]

NAMES = [
    "../../../evil",
    "/evil/../..",
    "..",
    ".",
    "",
    "a/b",
    "C:\\evil",
    "evil\x1b[2J\n",
    "x" * 300,
    "name\0.png",
    "~",
]
FEW = ("data.max_images=12", "data.eval_crop=32")
DECIBELS = 1e-3  # between torch and onnxruntime
BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 5, "noise_sigma": 2.0, "jpeg_quality": None}


def means(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for boundary, content in summary["boundaries"].items():
        (found[boundary],) = content["restorers"].values()
    return found


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run on a box as net.onnx and net.safetensors; tests do not change it."""
    folder = tmp_path_factory.mktemp("exported")
    for kind in ("onnx", "safetensors"):
        assert export.main([f"{run}", f"--format={kind}", f"--output={folder / f'net.{kind}'}"]) == 0
    return folder


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_an_exported_file_is_measured_as_its_run(kind: str, run: Path, exported: Path, evaluated: Evaluate) -> None:
    found = evaluated(f"run={exported / f'net.{kind}'}")
    theirs = json.loads((run / "metrics.json").read_text())["test"]
    ours = means(found.summary)["symmetric"]
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, abs=DECIBELS), key
    assert found.summary["split"] == "test"
    assert {row["restorer"] for row in found.rows} == {load_trained(exported / "net.safetensors").name}


def test_images_that_an_exported_network_has_seen_are_left_out(exported: Path, evaluated: Evaluate) -> None:
    overrides = ("data.max_images=20", "split=test")
    whole = means(evaluated(f"run={exported / 'net.onnx'}", *overrides).summary)["symmetric"]["images"]
    unseen = evaluated(f"run={exported / 'net.onnx'}", overrides[0]).summary
    assert unseen["seen_left_out"] > 0
    assert means(unseen)["symmetric"]["images"] == whole - unseen["seen_left_out"]


def test_an_exported_network_stands_beside_a_baseline(exported: Path, evaluated: Evaluate) -> None:
    summary = evaluated(f"run={exported / 'net.onnx'}", "baseline=[none]", *FEW, "split=all").summary
    for boundary in summary["boundaries"].values():
        assert len(boundary["restorers"]) == 2


def test_an_exported_network_for_rgb_is_not_given_gray_images(tmp_path: Path, refused: Refuse) -> None:
    network = SRCNN([3, 1], [2], channels=3)
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [2], "channels": 3}
    model |= {"residual": True, "dropout": 0.0}
    description = {"name": "net", "settings": {"model": model, "blur": BOX}, "halo": 1, "channels": 3}
    content, _ = as_onnx(network, description)
    (tmp_path / "net.onnx").write_bytes(content)
    said = refused(f"run={tmp_path / 'net.onnx'}", "data.color=gray", *FEW, "split=all")
    assert "net is a network for RGB images, and data.color=gray gives it gray ones: give data.color=rgb." in said


def test_an_exported_file_is_computed_on_the_processor(
    exported: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert evaluate.main([f"run={exported / 'net.onnx'}", "accelerator=gpu", *places]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"error: {exported / 'net.onnx'} is computed by onnxruntime on the CPU: leave accelerator=gpu"
    )
    assert evaluate.main([f"run={exported / 'net.onnx'}", "accelerator=auto", *FEW, "split=all", *places]) == 0
    (file,) = tmp_path.glob("evaluations/*/metrics.json")
    assert json.loads(file.read_text())["device"]["accelerator"] == "cpu"


@pytest.mark.parametrize("content", [b"", b"no network"])
@pytest.mark.parametrize("name", ["net.onnx", "net.safetensors", "net.ckpt", "net"])
def test_what_is_no_network_is_a_sentence_that_says_what_is_taken(
    name: str, content: bytes, tmp_path: Path, refused: Refuse
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    said = refused(f"run={path}")
    assert said.startswith(f"{path} is no ")
    assert " or is damaged (" in said


def renamed(source: Path, target: Path, name: str, blur: str) -> Path:
    """Copy a network into a file that calls itself and its blur otherwise."""
    if source.suffix == ".ckpt":
        content = torch.load(source, weights_only=True)
        content["hyper_parameters"]["blur"]["name"] = blur
        torch.save(content, target)
        return target
    if source.suffix == ".onnx":
        import onnx

        model = onnx.load(source)
        (entry,) = model.metadata_props
        told = json.loads(entry.value)
        told["settings"]["blur"]["name"] = blur
        entry.value = json.dumps(told | {"name": name})
        target.write_bytes(model.SerializeToString())
        return target
    weights, description = read_weights(source)
    description["settings"]["blur"]["name"] = blur
    write_weights(target, weights, description | {"name": name})
    return target


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((kind, "../../../evil") for kind in ("safetensors", "onnx", "ckpt")), *(("onnx", name) for name in NAMES)],
)
def test_no_text_of_a_file_leads_out_of_the_output_folder(
    kind: str, name: str, run: Path, exported: Path, cache_root: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "a" / "b" / "outputs"
    source = run / "checkpoints" / "best.ckpt" if kind == "ckpt" else exported / f"net.{kind}"
    given = renamed(source, tmp_path / f"given.{kind}", name, name)
    overrides = (f"run={given}", *FEW, "split=all", "accelerator=cpu")
    assert evaluate.main([*overrides, f"paths.output_root={outputs}", f"paths.cache_root={cache_root}"]) == 0
    (folder,) = (outputs / "evaluations").iterdir()
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "images.csv"}
    assert not folder.name.startswith(".")
    assert folder.name.isprintable()
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {given, *folder.iterdir()}


@pytest.mark.slow
def test_no_text_of_a_file_leads_out_of_the_folder_of_filters(cache_root: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "a" / "b" / "outputs"
    overrides = (
        "optimal_linear=true",
        "data=synthetic",
        "blur=box",
        "++blur.name=../../../evil",
        "++data.name=/evil",
        *FEW,
    )
    places = (f"paths.output_root={outputs}", f"paths.cache_root={cache_root}")
    assert evaluate.main([*overrides, "accelerator=cpu", *places]) == 0
    (folder,) = (outputs / "evaluations").iterdir()
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}
