import logging
import os
import pty
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from deblur.console import LIBRARIES, is_terminal, logging_to, table
from deblur.errors import UserError

log = logging.getLogger("deblur.somewhere")


def test_a_table_is_text() -> None:
    rows = [["PSNR", "22.20", "+3.00"], ["SSIM", "1", ""]]
    assert table("Means over 3 test images", ["", "blurred", "gain"], rows).splitlines() == [
        "Means over 3 test images",
        "",
        "         blurred    gain",
        " ────────────────────────",
        "  PSNR     22.20   +3.00",
        "  SSIM         1",
    ]


def test_a_table_shows_its_text_as_it_is_and_in_full() -> None:
    cells = ["[bold]x[/bold]", ":smile:", "[64,32] [px]", "x" * 300]
    text = table("PSNR [dB]", ["[a]", "[/]", "c", "d"], [cells])
    assert text.startswith("PSNR [dB]\n")
    assert all(cell in text for cell in (*cells, "[a]", "[/]"))
    assert "…" not in text
    assert "\x1b" not in text


def test_an_empty_table_has_its_heading() -> None:
    assert "blurred" in table("Nothing", ["", "blurred"], [])


def test_messages_go_to_the_output_and_into_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_terminal()
    with logging_to(tmp_path / "train.log"):
        log.info("widths [64,32], [bold]strange[/bold] :smile:")
        log.warning("take care")
        log.debug("nobody hears this")
        logging.getLogger("another.library").info("nor this")
    said = capsys.readouterr()
    assert said.out == "widths [64,32], [bold]strange[/bold] :smile:\nwarning: take care\n"
    assert said.err == ""
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line[20:] for line in lines] == [
        "INFO widths [64,32], [bold]strange[/bold] :smile:",
        "WARNING take care",
    ]


def test_an_existing_file_is_continued(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text("before\n")
    with logging_to(tmp_path / "train.log"):
        log.info("größer")
    text = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(" INFO größer\n")


@pytest.mark.parametrize("name", LIBRARIES)
def test_warnings_of_the_libraries_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with logging_to(tmp_path / "train.log"), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.getLogger(f"{name}.part").warning("a library warns")
        logging.getLogger(name).info("a library talks")
        warnings.warn("python warns", stacklevel=1)
    for text in (capsys.readouterr().out, (tmp_path / "train.log").read_text()):
        assert "a library warns" in text
        assert "a library talks" not in text
        assert "UserWarning: python warns" in text


def log_of(tmp_path: Path, error: BaseException) -> str:
    with pytest.raises(type(error)), logging_to(tmp_path / "train.log"):
        raise error
    return (tmp_path / "train.log").read_text()


@pytest.mark.parametrize("error", [ValueError("a [bug]"), SystemExit("a [bug]")])
def test_the_file_has_the_traceback_of_an_unexpected_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    text = log_of(tmp_path, error)
    assert " ERROR a [bug]\nTraceback (most recent call last):\n" in text
    assert "raise error" in text
    assert text.endswith(f"{type(error).__name__}: a [bug]\n")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [UserError("Give 100% of [lo,hi]."), KeyboardInterrupt("Stopped.")])
def test_the_file_has_the_sentence_of_an_expected_end(tmp_path: Path, error: BaseException) -> None:
    text = log_of(tmp_path, error)
    assert text.endswith(f" ERROR {error}\n")
    assert text.count("\n") == 1


def test_an_error_without_a_text_has_its_name(tmp_path: Path) -> None:
    assert " ERROR MemoryError\n" in log_of(tmp_path, MemoryError())


@pytest.mark.parametrize("error", [None, ValueError("a bug")])
def test_logging_is_left_as_it_was(tmp_path: Path, error: Exception | None) -> None:
    names = ("", "deblur", *LIBRARIES)

    def state() -> list[Any]:
        loggers = [logging.getLogger(name) for name in names]
        return [warnings.showwarning, *((one.handlers[:], one.level, one.propagate) for one in loggers)]

    handler = logging.NullHandler()
    logging.getLogger("lightning.pytorch").addHandler(handler)
    logging.getLogger("lightning.pytorch").propagate = False
    try:
        before = state()
        if error is None:
            with logging_to(tmp_path / "train.log"):
                assert state() != before
        else:
            log_of(tmp_path, error)
        assert state() == before
    finally:
        logging.getLogger("lightning.pytorch").removeHandler(handler)
        logging.getLogger("lightning.pytorch").propagate = True


def test_a_terminal_shows_the_same_words(tmp_path: Path) -> None:
    script = """
        import logging
        from pathlib import Path
        from deblur.console import is_terminal, logging_to
        assert is_terminal()
        with logging_to(Path("train.log")):
            logging.getLogger("deblur").info("widths [64,32], [bold]strange[/bold] :smile:")
            logging.getLogger("deblur").warning("take care")
    """
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "100"}
    words = [sys.executable, "-c", textwrap.dedent(script)]
    subprocess.run(words, stdout=theirs, cwd=tmp_path, env=environment, check=True)
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().split("\r\n")
    os.close(ours)
    assert [line.rstrip() for line in lines] == [
        "widths [64,32], [bold]strange[/bold] :smile:",
        "warning: take care",
        "",
    ]
