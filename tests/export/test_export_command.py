"""What the command writes, where, and what it refuses."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

import deblur
from deblur import export
from deblur.inference.trained import load_trained

Refused = Callable[..., str]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_run_is_exported_into_its_folder(run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([f"{run_copy}", "--format=safetensors"]) == 0
    folder, name = run_copy / "export", run_copy.name
    assert files(folder) == [f"{name}.md", f"{name}.safetensors"]
    said = capsys.readouterr().out
    assert said == f"The network is {folder / name}.safetensors\nIts model card is {folder / name}.md\n"


def test_what_was_exported_is_what_was_trained(trained_run: Path, exported: Path, image: NDArray[np.uint8]) -> None:
    run, file = load_trained(trained_run), load_trained(exported / "net.safetensors")
    assert file.name == run.name
    assert file.fingerprint == run.fingerprint is not None
    assert file.metrics["test"] == run.metrics["test"]
    assert file.config["model"] == run.config["model"]
    expected = deblur.load(trained_run, accelerator="cpu")(image)
    np.testing.assert_array_equal(deblur.load(exported / "net.safetensors", accelerator="cpu")(image), expected)


@pytest.mark.parametrize("file_format", ["safetensors", "onnx"])
def test_float16_restores_nearly_alike(
    file_format: str, trained_run: Path, tmp_path: Path, image: NDArray[np.uint8]
) -> None:
    argv = [f"{trained_run}", f"--format={file_format}", "--precision=float16", f"-o{tmp_path}"]
    assert export.main(argv) == 0
    (file,) = tmp_path.glob(f"*-float16.{file_format}")
    unit = image / np.float32(255)
    restored = [deblur.load(one, accelerator="cpu")(unit, strength=1) for one in (file, trained_run)]
    assert 0 < np.abs(restored[0] - restored[1]).max() < 2 / 255
    assert "Its weights are rounded to float16" in file.with_suffix(".md").read_text()


def test_float16_is_half_of_the_size(trained_run: Path, exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    assert export.main([f"{trained_run}", "--format=safetensors", "--precision=float16", f"-o{file}"]) == 0
    sizes = [sum(one.nbytes for one in load_file(path).values()) for path in (file, exported / "net.safetensors")]
    assert 2 * sizes[0] == sizes[1]
    assert {weight.dtype for weight in load_trained(file).network.parameters()} == {torch.float32}


def test_no_place_on_this_machine_is_told(places: Path, exported: Path) -> None:
    root = Path(deblur.__file__).parents[1]
    for file in exported.iterdir():
        content = file.read_bytes()
        for place in (places, root, Path.home(), Path(sys.prefix)):
            assert os.fsencode(place) not in content, (file, place)
        assert b".py" not in content  # the exporter notes the line that each node comes from


@pytest.mark.parametrize("kind", ["checkpoint", "safetensors"])
def test_a_file_is_exported_beside_itself(
    kind: str, run_copy: Path, exported: Path, tmp_path: Path, image: NDArray[np.uint8]
) -> None:
    content = (
        run_copy / "checkpoints/best.ckpt" if kind == "checkpoint" else exported / "net.safetensors"
    ).read_bytes()
    given = tmp_path / "alone" / ("given.ckpt" if kind == "checkpoint" else "given.safetensors")
    given.parent.mkdir()
    given.write_bytes(content)
    assert export.main([f"{given}", "--format=safetensors"]) == 0
    name = "given" if kind == "checkpoint" else load_trained(exported / "net.safetensors").name
    assert files(given.parent) == sorted([given.name, f"{name}.md", f"{name}.safetensors"])
    before, after = (deblur.load(path, accelerator="cpu") for path in (given, given.parent / f"{name}.safetensors"))
    np.testing.assert_array_equal(after(image), before(image))


def test_existing_files_are_kept(run_copy: Path, tmp_path: Path, refused: Refused) -> None:
    output = tmp_path / "net.safetensors"
    output.write_text("mine")
    argv = (f"{run_copy}", "--format=safetensors", f"--output={output}")
    assert refused(*argv) == f"{output} exists: replace it with --overwrite, or give another --output."
    assert output.read_text() == "mine"
    output.unlink()
    card = tmp_path / "net.md"
    card.write_text("mine")
    assert refused(*argv) == f"{card} exists: replace it with --overwrite, or give another --output."
    assert card.read_text() == "mine"
    assert not output.exists()
    assert export.main([*argv, "--overwrite"]) == 0
    assert card.read_text() != "mine"
    assert export.main([*argv, "--overwrite"]) == 0


def test_the_exported_file_itself_is_not_replaced(exported: Path, tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "net.safetensors"
    file.write_bytes((exported / "net.safetensors").read_bytes())
    said = refused(f"{file}", "--format=safetensors", f"--output={file}", "--overwrite")
    assert said == f"The output {file} is the network that is exported: give another --output."
    assert files(tmp_path) == ["net.safetensors"]


def test_a_card_that_was_edited_is_kept(exported: Path, trained_run: Path, tmp_path: Path, refused: Refused) -> None:
    argv = (f"{trained_run}", "--format=safetensors", f"--output={tmp_path / 'net.safetensors'}")
    assert export.main(argv) == 0
    alone = (tmp_path / "net.md").read_text()
    (tmp_path / "net.safetensors").unlink()
    (tmp_path / "net.md").write_text((exported / "net.md").read_text())  # of both formats, as written
    assert export.main(argv) == 0
    assert (tmp_path / "net.md").read_text() != alone
    (tmp_path / "net.safetensors").unlink()
    (tmp_path / "net.md").write_text(alone + "My own words.\n")
    assert "net.md exists" in refused(*argv)


def test_a_name_from_a_file_leads_nowhere_else(exported: Path, tmp_path: Path) -> None:
    given = tmp_path / "inner" / "given.safetensors"
    given.parent.mkdir()
    content = (exported / "net.safetensors").read_bytes()
    name = load_trained(exported / "net.safetensors").name.encode()
    evil = b"../" + b"x" * (len(name) - 3)
    given.write_bytes(content.replace(b'name\\": \\"' + name, b'name\\": \\"' + evil))
    assert load_trained(given).name == evil.decode()
    assert export.main([f"{given}", "--format=safetensors"]) == 0
    assert len(files(given.parent)) == len(files(tmp_path)) == 3


def test_nothing_is_left_where_the_card_cannot_be_written(
    trained_run: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "net.safetensors"
    full = Mock(side_effect=OSError(28, "No space left on device", str(output.with_suffix(".md"))))
    monkeypatch.setattr("deblur.export.session.write_output", full)  # which writes the card here, after the network
    said = refused(f"{trained_run}", "--format=safetensors", f"--output={output}")
    full.assert_called_once()
    assert said == f"{tmp_path / 'net.md'} cannot be written (No space left on device): choose another --output."
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["--format=onnx"],
            "Missing argument 'NETWORK'.",
        ),
        (["x"], "Missing option '--format'. Choose from: onnx, safetensors."),
        (["x", "--format=pth"], "Invalid value for '--format': 'pth' is not one of 'onnx', 'safetensors'."),
        (["x", "--format=onnx", "y"], "Got unexpected extra argument(s) (y)."),
        (["x", "--format=onnx"], "x does not exist: give a run's folder, with its config.yaml, or a checkpoint "),
        (
            ["RUN", "--format=onnx", "--output=OUT/net.safetensors"],
            "is no name for --format onnx: give one that ends in",
        ),
        *(
            (
                ["RUN", "--format=onnx", f"--output=OUT/n.{ending}"],
                "is no name for --format onnx: give one that ends in .onnx",
            )
            for ending in ("pt", "pth", "ckpt", "onxx", "ONNX", "tflite", "bin")
        ),
        (["RUN", "--format=safetensors", "--output=FILE"], "is a file: give a folder, or a name that ends in .safet"),
        (["RUN", "--format=safetensors", "--output=FILE/in/net.safetensors"], "cannot be written (Not a directory)"),
        (["RUN", "--format=safetensors", f"--output={'x' * 300}"], "cannot be written (File name too long): choose"),
        (
            ["RUN", "--format=safetensors", "--precision=int8"],
            "--precision int8 is for --format onnx, which onnxruntime",
        ),
        (["RUN", "--format=onnx", "--precision=int4"], "'int4' is not one of 'float32', 'float16', 'int8'."),
        (["EXPORTED/net.onnx", "--format=safetensors"], "net.onnx is exported already: give the run or the checkpo"),
    ],
)
def test_a_mistake_is_one_sentence(
    argv: list[str], sentence: str, trained_run: Path, exported: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "a_file").touch()
    names = {"RUN": trained_run, "EXPORTED": exported, "OUT": tmp_path, "FILE": tmp_path / "a_file"}
    for name, place in names.items():
        argv = [word.replace(name, str(place)) for word in argv]
    assert sentence in refused(*argv)
    assert files(tmp_path) == ["a_file"]
    assert not (trained_run / "export").exists()


def test_a_folder_may_have_a_number_at_its_end(trained_run: Path, tmp_path: Path) -> None:
    for output in ("release-1.0", "there.pt"):
        (tmp_path / "there.pt").mkdir(exist_ok=True)
        assert export.main([f"{trained_run}", "--format=safetensors", f"--output={tmp_path / output}"]) == 0
        assert sorted(path.suffix for path in (tmp_path / output).iterdir()) == [".md", ".safetensors"]


def test_links_are_written_through(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name in ("net.safetensors", "net.md"):
        (tmp_path / name).symlink_to(tmp_path / "far" / f"the_{name}")
    argv = [f"{trained_run}", "--format=safetensors", f"--output={tmp_path / 'net.safetensors'}"]
    assert export.main(argv) == 0
    assert files(tmp_path / "far") == ["the_net.md", "the_net.safetensors"]
    assert (tmp_path / "net.safetensors").is_symlink()
    assert (tmp_path / "net.md").is_symlink()
    assert load_trained(tmp_path / "net.safetensors").name == load_trained(trained_run).name


def test_help_tells_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "python -m deblur.export outputs/runs/RUN/TIME --format onnx" in said
    assert "--format safetensors" in said


@pytest.mark.slow
def test_no_trainer_is_imported(exported: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from deblur.export import main; assert main(sys.argv[1:]) == 0; "
        "sys.exit(sorted({'lightning', 'albumentations', 'torchmetrics'} & set(sys.modules)) or 0)"
    )
    argv = [f"{exported / 'net.safetensors'}", "--format=safetensors", f"--output={tmp_path}"]
    subprocess.run([sys.executable, "-c", code, *argv], check=True)
