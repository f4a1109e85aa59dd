"""Images whose names a terminal or a text file cannot show as they are."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deblur.synthesis.faces import draw

Command = Callable[..., Any]

ODD = os.fsdecode(b"gr\xf6\xdfe.png")
EVIL = "a\x1b[31m\r\u202e\nerror: forged.png"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with an image of each odd name, in a folder of such a name."""
    folder = tmp_path / os.fsdecode(b"f\xf6lder")
    folder.mkdir()
    for number, name in enumerate((ODD, EVIL, "plain.png")):
        try:
            Image.fromarray(draw(3, number)[:64, :64]).save(folder / name)
        except OSError:
            pytest.skip("this file system takes no such name")
    return folder


def test_they_are_restored(command: Command, identity: Path, images: Path, tmp_path: Path) -> None:
    told = command(f"--network={identity}", f"{images}", f"--output={tmp_path / 'out'}")
    assert (told.code, told.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([ODD, EVIL, "plain.png"])
    told = command(f"--network={identity}", f"{images / ODD}", f"--output={tmp_path / ODD}")
    assert (told.code, told.err) == (0, "")
    assert (tmp_path / ODD).is_file()
    assert "gr\\udcf6\\udcdfe.png" in told.out


def test_they_are_blurred_and_restored(command: Command, identity: Path, images: Path, tmp_path: Path) -> None:
    overrides = (f"--network={identity}", "--simulate=box noise_sigma=2", f"--output={tmp_path / 'out'}")
    told = command(*overrides, f"{images}")
    assert (told.code, told.err) == (0, "")
    assert len(list((tmp_path / "out").iterdir())) == 3
    lines = told.out.splitlines()
    assert sum(line.strip().startswith("gr\\udcf6\\udcdfe.png ") for line in lines) == 1
    assert sum(line.strip().startswith("a\\x1b[31m\\r\\u202e\\nerror: forged.png ") for line in lines) == 1
    assert not any(line.startswith("error:") for line in lines)


def test_their_faults_are_sentences(command: Command, identity: Path, images: Path, tmp_path: Path) -> None:
    (images / ODD).write_bytes(b"no image")
    (images / EVIL).write_bytes(b"no image")
    told = command(f"--network={identity}", f"{images}", f"--output={tmp_path / 'out'}")
    assert told.code == 2
    assert told.err.count("\n") == 3
    assert all(line.startswith("error: ") for line in told.err.splitlines())
    assert "2 of 3 images failed, 1 is restored." in told.err
    told = command(f"--network={identity}", f"{tmp_path / EVIL}", f"--output={tmp_path / 'out'}")
    assert told.code == 2
    assert told.err.count("\n") == 1
    assert "does not exist" in told.err
    for word in ("network", "output"):
        told = command(
            f"{images / 'plain.png'}", f"--{word}={tmp_path / 'absent' / ODD}{'' if word == 'network' else '.x'}"
        )
        assert told.code == 2
        assert "\\udcf6" in told.err
        assert told.err.count("\n") == 1
