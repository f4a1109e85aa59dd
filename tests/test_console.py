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

from deblur.console import LIBRARIES, fitted_table, is_terminal, logging_to, say, say_error, say_stopped, table
from deblur.errors import UserError
from deblur.text import lines

log = logging.getLogger("deblur.somewhere")
EVIL = "a\x1b[31m\r\x08\u202e\udcf6\n2026-01-01 00:00:00 INFO forged"
SHOWN = "a\\x1b[31m\\r\\x08\\u202e\\udcf6\\n2026-01-01 00:00:00 INFO forged"


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


NAMES = [f"srcnn_{net}-{blur}-lr_0.001-experiment_quick-seed_0" for net in (915, 9315) for blur in ("gaussian", "box")]
FIGURES = ["interrupted", "19.68", "21.35", "+1.67", "120"]


def test_a_table_of_runs_fits_a_terminal_without_what_all_names_share() -> None:
    text = fitted_table("sweep first", ["run", "state", "a", "b", "c", "d"], [[name, *FIGURES] for name in NAMES])
    above, _, below = text.partition("\n\n")
    assert " ".join(above.split()) == f"sweep first \u2026 stands for what all names share, as in {NAMES[0]}"
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[0] for line in below.splitlines()[2:]] == [
        "srcnn_915-gaussian\u2026",
        "srcnn_915-box\u2026",
        "srcnn_9315-gaussian\u2026",
        "srcnn_9315-box\u2026",
    ]


def test_a_table_of_runs_that_fits_has_their_names() -> None:
    rows = [[name, "done"] for name in NAMES]
    assert fitted_table("sweep", ["run", "state"], rows) == table("sweep", ["run", "state"], rows)
    assert fitted_table("", ["run"], []) == table("", ["run"], [])


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["a-box-lr_1-seed_0", "a-box-lr_1-seed_1"], ["\u2026seed_0", "\u2026seed_1"]),
        (["a-b-x-seed_0", "c-b-x-seed_1"], ["a\u2026seed_0", "c\u2026seed_1"]),
        (["a-b-seed_0", "a-c-d-b-seed_0"], ["\u2026b\u2026", "\u2026c-d-b\u2026"]),
        (["a-b-c", "a-b-c"], ["a-b-c", "a-b-c"]),
    ],
)
def test_names_are_shortened_between_their_hyphens(names: list[str], short: list[str]) -> None:
    shown = fitted_table("", ["run", "state"], [[name, "x" * 80] for name in names]).splitlines()
    assert [line.split()[0] for line in shown if "xxx" in line] == short


def test_a_name_that_is_still_too_long_is_continued_in_the_next_lines() -> None:
    names = ["-".join([first, *"abcdefghijklmnopqrstuvwxyz" * 2, first]) for first in ("net", "other")]
    lines = fitted_table("", ["run", "state"], [[names[0], "done"], [f"{names[1]}-more", "x" * 30]]).splitlines()
    assert max(map(len, lines)) <= 80
    shown = lines[lines.index(next(line for line in lines if "\u2500" in line)) + 1 :]
    assert "".join(line.split()[0] for line in shown) == f"{names[0]}{names[1]}-more"


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


def test_a_terminal_shows_the_same_overrides(tmp_path: Path) -> None:
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
    overrides = [sys.executable, "-c", textwrap.dedent(script)]
    subprocess.run(overrides, stdout=theirs, cwd=tmp_path, env=environment, check=True)
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().split("\r\n")
    os.close(ours)
    assert [line.rstrip() for line in lines] == [
        "widths [64,32], [bold]strange[/bold] :smile:",
        "warning: take care",
        "",
    ]


def test_what_is_said_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"training {EVIL}")
    say_error(f"{EVIL} is not allowed.")
    say_stopped(EVIL)
    said = capsys.readouterr()
    assert said.out == f"training {SHOWN}\n"
    assert said.err == f"error: {SHOWN} is not allowed.\n{SHOWN}\n"


def test_what_is_laid_out_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say(lines("", table("Means", ["", "PSNR"], [[EVIL, "20"]]), f"in {EVIL}"))
    say_error(str(UserError(lines("Two files:", f"  {EVIL}", "  b"))))
    said = capsys.readouterr()
    shown = said.out.split("\n")
    assert shown[:3] == ["", "Means", ""]
    assert shown[5].split("   ") == [f"  {SHOWN}", "  20"]
    assert shown[6:] == [f"in {SHOWN}", ""]
    assert said.err == f"error: Two files:\n  {SHOWN}\n  b\n"


def test_a_table_has_one_line_a_row_and_a_title_of_several() -> None:
    text = table(lines(EVIL, "second"), [EVIL, "b"], [["c", EVIL], [EVIL, "d"]])
    assert text.count("\n") == 6
    assert text.count(SHOWN) == 4
    assert text.startswith(f"{SHOWN}\nsecond\n\n")
    assert table("a title that is longer than the table", ["a"], []).startswith(
        "a title that is longer than the table\n"
    )


def test_no_record_can_pass_for_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path / "train.log"), warnings.catch_warnings():
        warnings.simplefilter("always")
        log.info(f"run {EVIL}")
        log.warning("%d of %s", 2, EVIL)
        log.info(lines("laid", f"out {EVIL}"))
        warnings.warn(EVIL, stacklevel=1)
        logging.getLogger("lightning.pytorch").warning(f"first\n{EVIL}")
    written = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in written[:2]] == [f"INFO run {SHOWN}", f"WARNING 2 of {SHOWN}"]
    assert written[2].endswith("INFO laid")
    assert written[3] == f"out {SHOWN}"
    assert all(not line.startswith("2026-01-01") for line in written)
    assert any(line == "  2026-01-01 00:00:00 INFO forged" for line in written[4:])
    said = capsys.readouterr().out
    assert not set("\x1b\r\x08\u202e\udcf6") & set(said + "".join(written))
    assert said.startswith(f"run {SHOWN}\nwarning: 2 of {SHOWN}\nlaid\nout {SHOWN}\n")


def test_a_traceback_in_the_file_is_clean(tmp_path: Path) -> None:
    text = log_of(tmp_path, ValueError(EVIL))
    assert f" ERROR {SHOWN}\nTraceback (most recent call last):\n" in text
    assert text.endswith("ValueError: a\\x1b[31m\\r\\x08\\u202e\\udcf6\n2026-01-01 00:00:00 INFO forged\n")


def test_a_full_disk_does_not_disturb_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(Path("/dev/full")):
        log.info("on the console")
        log.warning("and more")
    said = capsys.readouterr()
    assert said.out == "on the console\nwarning: and more\n"
    assert said.err == ""


def test_a_bug_in_a_record_is_told_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path / "train.log"):
        log.info("%d", "no number")
    assert "TypeError" in capsys.readouterr().err
