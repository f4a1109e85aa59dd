"""Runs of others, whose stored configurations name places to write."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workplaces import Workplace

from deblur import evaluate
from deblur.reading import read_yaml, yaml_text
from deblur.train import main


@pytest.fixture
def theirs(finished: Workplace, tmp_path: Path) -> Path:
    """A run that was interrupted in its test, as somebody has sent it."""
    folder = Path(shutil.copytree(finished.run, tmp_path / "theirs"))
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    (folder / "metrics.json").unlink()
    return folder


def change(folder: Path, key: str, value: Any) -> None:
    config = read_yaml(folder / "config.yaml")
    *sections, last = key.split(".")
    node = config
    for section in sections:
        node = node.setdefault(section, {})
    node[last] = value
    (folder / "config.yaml").write_text(yaml_text(config))


def files_outside(folder: Path) -> set[Path]:
    return {path for path in folder.parent.rglob("*") if not path.is_relative_to(folder)}


@pytest.mark.parametrize("key", ["paths.output_root", "paths.cache_root"])
def test_its_places_are_this_commands(theirs: Path, tmp_path: Path, cache_root: Path, key: str) -> None:
    change(theirs, key, str(tmp_path / "evil"))
    before = files_outside(theirs)
    assert main([f"resume={theirs}", f"paths.cache_root={cache_root}"]) == 0
    assert files_outside(theirs) == before
    assert read_yaml(theirs / "config.yaml")["paths"]["cache_root"] == str(cache_root)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("logger.tensorboard.save_dir", "EVIL"),
        ("logger.csv", {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "EVIL"}),
        ("logger.board", {"_target_": "lightning.pytorch.loggers.TensorBoardLogger", "save_dir": ".", "name": "EVIL"}),
        ("callbacks.keep", {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "EVIL"}),
        ("trainer.default_root_dir", "EVIL"),
        ("trainer.profiler", "advanced"),
        ("trainer.logger", True),
        ("trainer.callbacks", []),
        ("data.cache_root", "EVIL"),
        ("sweep", "../../evil"),
        ("model._target_", "os.system"),
    ],
)
def test_what_could_write_elsewhere_is_a_sentence(
    theirs: Path, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any
) -> None:
    evil = str(tmp_path / "evil")
    change(theirs, key, json.loads(json.dumps(value).replace("EVIL", evil)))
    before = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
    outside = files_outside(theirs)
    capsys.readouterr()
    assert main([f"resume={theirs}", f"paths.cache_root={cache_root}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert files_outside(theirs) == outside
    assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == before


def test_ones_own_logger_is_given_again(theirs: Path, tmp_path: Path, cache_root: Path) -> None:
    change(theirs, "logger.tensorboard.save_dir", str(tmp_path / "evil"))
    assert main([f"resume={theirs}", f"paths.cache_root={cache_root}", "logger=none"]) == 0
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "${nowhere}", "${"])
def test_nothing_in_it_is_looked_up(theirs: Path, cache_root: Path, text: str) -> None:
    change(theirs, "model.name", text)
    assert main([f"resume={theirs}", f"paths.cache_root={cache_root}"]) == 0
    assert read_yaml(theirs / "config.yaml")["model"]["name"] == text


def test_its_links_are_not_followed(
    theirs: Path, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    (theirs / "train.log").unlink()
    (theirs / "train.log").symlink_to(precious)
    assert main([f"resume={theirs}", f"paths.cache_root={cache_root}"]) == 2
    assert f"{theirs / 'train.log'} is a link out of the run's folder" in capsys.readouterr().err
    assert precious.read_text() == "content"


@pytest.mark.parametrize("key", ["paths.output_root", "paths.cache_root"])
def test_its_evaluation_writes_where_this_command_says(
    theirs: Path, tmp_path: Path, cache_root: Path, key: str
) -> None:
    change(theirs, key, str(tmp_path / "evil"))
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}", "accelerator=cpu")
    assert evaluate.main([f"run={theirs}", *places]) == 0
    assert (tmp_path / "out" / "metrics.json").is_file()
    assert not (tmp_path / "evil").exists()
