"""Several images and folders in one command, and files of any name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import noise
from PIL import Image

from deblur.errors import UserError
from deblur.inference.places import plan

Command = Callable[..., Any]
NAMES = (
    "a b.png", "[1,2].png", "a,b=c.png", "it's.png", '"q".png', "größe 日本.png", "~.png", "-o.png", "${x}.png",
    "input=a.png",    "a'\\\"b.png", "#1 & ;.png", os.fsdecode(b"caf\xe9.png"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(7, 9)).save(name, format="PNG")


def written(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_arrives_as_it_is(command: Command, identity: Path, name: str) -> None:
    write(name)
    told = command(f"--network={identity}", "--", name) if name.startswith("-") else command(name, "-n", identity)
    assert told.code == 0, told.err
    restored = f"{name.removesuffix('.png')}-restored.png"
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, restored])
    np.testing.assert_array_equal(np.asarray(Image.open(restored)), noise(7, 9))
    assert command(f"./{name}", "-n", identity, "-o", f"out {name}").code == 0
    assert Path(f"out {name}").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_of_any_name_is_read(command: Command, known_kernel: Path, name: str) -> None:
    write("a.png")
    kernel = name.replace(".png", ".npy")
    with Path(kernel).open("wb") as file:
        np.save(file, np.full((3, 5), 1 / 15))
    told = command("a.png", "-n", known_kernel, f"--kernel={kernel}")
    assert told.code == 0, told.err
    assert Path("a-restored.png").is_file()


def test_a_file_that_is_no_kernel_is_named_by_its_option(command: Command, known_kernel: Path) -> None:
    write("a.png")
    Path("k.npy").write_bytes(b"")
    told = command("a.png", "-n", known_kernel, "--kernel", "k.npy")
    assert told.code == 2
    assert told.err.startswith("error: --kernel: k.npy is empty (0 bytes). Give a .npy array")
    assert told.err.count("\n") == 1


def test_several_images_go_into_one_folder(command: Command, identity: Path) -> None:
    write("a.png", "in/b.png", "in/deep/c.png")
    told = command("a.png", "in", "a.png", "-o", "out", "-n", identity)
    assert told.code == 0
    assert "3 images are restored by the network identity: out.\n" in told.out
    assert written("out") == ["a.png", "in/b.png", "in/deep/c.png"]


def test_several_images_are_restored_beside_themselves(command: Command, identity: Path, tmp_path: Path) -> None:
    write("one/a.png", "two/a.png")
    told = command("one/a.png", tmp_path / "two" / "a.png", "-n", identity, "--simulate=box")
    assert told.code == 0
    assert "one/a.png" in told.out
    assert f"{tmp_path / 'two' / 'a.png'}" in told.out  # each has a row of its own
    assert Path("one/a-simulated.png").is_file()
    assert Path("two/a-simulated.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("one/a.png", "two/a.png", "-o", "out"), "a.png and two/a.png would both be written to out/a.png"),
        (
            ("one/a.png", "two", "-o", "b.png"),
            "--output b.png is no folder, but several images are given: give a ",
        ),
        (("one/a.png", "absent.png"), "absent.png does not exist: give an image, or a folder of images."),
        (("one/a.png", "one/a-restored.png"), "one/a-restored.png is an input: give another --output"),
        (("one", "two", "-o", "one"), "lies in the input's folder"),
    ],
)
def test_what_several_images_cannot_have(
    command: Command, identity: Path, words: tuple[str, ...], sentence: str
) -> None:
    write("one/a.png", "two/a.png", "one/a-restored.png")
    before = written(".")
    told = command(*words, "-n", identity)
    assert told.code == 2
    assert sentence in told.err
    assert written(".") == before


def test_a_single_image_keeps_its_name() -> None:
    write("in/a.png")
    assert [(task.name, task.target) for task in plan([Path("in/a.png")], None)] == [
        ("a.png", Path("in/a-restored.png"))
    ]
    with pytest.raises(UserError, match="names no format"):
        plan([Path("in/a.png")], Path("a.xyz"))
