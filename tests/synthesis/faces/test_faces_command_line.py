import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur.synthesis.faces.__main__ import main
from deblur.synthesis.faces.render import contact_sheet


def refusal(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused; return what it says."""
    assert main(overrides) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.endswith(".\n")
    return said.err


def test_a_sheet_is_written_by_the_module(tmp_path: Path) -> None:
    sheet = tmp_path / "faces.png"
    overrides = ["--sheet", str(sheet), "--count", "3", "--first", "5", "--seed", "2", "--columns", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "deblur.synthesis.faces", *overrides], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["faces.png"]
    with Image.open(sheet) as image:
        assert image.mode == "L"
        assert image.size == (512, 512)
        np.testing.assert_array_equal(np.asarray(image), contact_sheet(seed=2, first=5, count=3, columns=2))


def test_a_mistake_has_an_exit_code_and_no_traceback(tmp_path: Path) -> None:
    overrides = ["--sheet", str(tmp_path / "faces.png"), "--count", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "deblur.synthesis.faces", *overrides], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "'none' is not a whole number from 1 to 1000" in done.stderr


def test_the_defaults_are_24_faces_in_rows_of_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def blank_sheet(*settings: int | str) -> NDArray[np.uint8]:
        asked.append(settings)
        return np.zeros((1, 1), np.uint8)

    monkeypatch.setattr("deblur.synthesis.faces.__main__.contact_sheet", blank_sheet)
    assert main(["--sheet", str(tmp_path / "faces.png")]) == 0
    seed, first, count, columns, size, color = asked[0]
    assert (seed, first, count, columns, size, color) == (0, 0, 24, 6, 256, "gray")


def test_a_sheet_in_color(tmp_path: Path) -> None:
    sheet = tmp_path / "faces.png"
    assert main(["--sheet", str(sheet), "--count", "3", "--size", "16", "--columns", "2", "--color", "rgb"]) == 0
    with Image.open(sheet) as image:
        assert image.mode == "RGB"
        assert image.size == (32, 32)
        np.testing.assert_array_equal(np.asarray(image), contact_sheet(0, 0, 3, 2, 16, "rgb"))


def test_an_unknown_color_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["--sheet", str(tmp_path / "faces.png"), "--color", "red"], capsys)
    assert "'red' is not one of 'gray', 'rgb'" in said
    assert list(tmp_path.iterdir()) == []


def test_an_older_sheet_is_replaced(tmp_path: Path) -> None:
    sheet = tmp_path / "faces.PNG"
    sheet.write_text("old")
    assert main(["--sheet", str(sheet), "--count", "1", "--size", "16"]) == 0
    with Image.open(sheet) as image:
        assert image.size == (16, 16)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--count", "0"),
        ("--count", "1001"),
        ("--count", "2.5"),
        ("--count", "²"),
        ("--first", "-1"),
        ("--first", "4294967296"),
        ("--seed", "-1"),
        ("--seed", "9" * 5000),
        ("--columns", "0"),
        ("--size", "15"),
        ("--size", "257"),
        ("--size", ""),
    ],
)
def test_bad_numbers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    said = refusal(["--sheet", str(tmp_path / "faces.png"), f"{option}={value}"], capsys)
    assert option in said
    assert "is not a whole number from" in said
    assert list(tmp_path.iterdir()) == []


def test_faces_beyond_the_last_number_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["--sheet", str(tmp_path / "faces.png"), "--first", str(2**32 - 2), "--count"]
    assert "too large" in refusal([*overrides, "3"], capsys)
    assert list(tmp_path.iterdir()) == []
    assert main([*overrides, "2", "--size", "16"]) == 0


@pytest.mark.parametrize("overrides", [[], ["--sheet"], ["--sheet", "faces.png", "--sheets", "2"], ["faces.png"]])
def test_incomplete_and_unknown_overrides_are_refused(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in refusal(overrides, capsys)


@pytest.mark.parametrize("name", ["faces.tiff", "faces", "faces.png.txt", ".png"])
def test_other_formats_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ".png file" in refusal(["--sheet", str(tmp_path / name), "--count", "1"], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "faces.png"
    folder.mkdir()
    assert "cannot be written" in refusal(["--sheet", str(folder), "--count", "1"], capsys)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").write_text("kept")
    assert "cannot be written" in refusal(["--sheet", str(tmp_path / "notes" / "faces.png"), "--count", "1"], capsys)
    assert (tmp_path / "notes").read_text() == "kept"


def test_a_failed_write_leaves_the_older_sheet_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = tmp_path / "faces.png"
    sheet.write_text("old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    assert "No space left on device" in refusal(["--sheet", str(sheet), "--count", "1"], capsys)
    assert list(tmp_path.iterdir()) == [sheet]
    assert sheet.read_text() == "old"


def test_help_is_available(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "--columns" in capsys.readouterr().out
