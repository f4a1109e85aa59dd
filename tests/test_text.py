"""Texts of any origin, shown as they are."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.errors import UserError
from deblur.text import (
    Lines,
    as_bytes,
    cell,
    counted,
    kept_lines,
    lines,
    one_line,
    paragraphs,
    safe_in_a_stream,
)

EVIL = {
    "\x1b[31m": r"\x1b[31m",
    "\x9b31m": r"\x9b31m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\rb": r"a\rb",
    "a\x08\x08": r"a\x08\x08",
    "a\nINFO forged": r"a\nINFO forged",
    "a\x0b\x0c\x1c\x85b": r"a\x0b\x0c\x1c\x85b",
    "a\u2028b\u2029c": r"a\u2028b\u2029c",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u202a\u202b\u202c\u202d": r"\u202a\u202b\u202c\u202d",
    "\u2066\u2067\u2068\u2069": r"\u2066\u2067\u2068\u2069",
    "box\u200b\u200d\u2060\ufeff\u00ad": r"box\u200b\u200d\u2060\ufeff\xad",
    "gr\udcf6\udcdf": r"gr\udcf6\udcdf",
    "\U000e0041": r"\U000e0041",
    "\x00\x7f": r"\x00\x7f",
    "a\tb": r"a\tb",
}
HARMLESS = (
    "größe.png",
    "日本語 写真.png",
    "\u2018quoted\u2019 \u2013 95 % ± 3 …",
    "נתונים",
    "👨\u200d👩\u200d👧",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "x̂",
)


@pytest.mark.parametrize(("text", "shown"), EVIL.items())
def test_what_could_do_something_to_a_terminal_is_an_escape(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_names_in_any_script_stay_as_they_are(text: str) -> None:
    assert one_line(text) == text == safe_in_a_stream(text) == lines(text)


@given(st.text())
def test_any_text_is_one_line_that_can_be_written(text: str) -> None:
    shown = one_line(text)
    assert shown.splitlines() in ([], [shown])
    assert shown.encode().decode() == shown
    assert one_line(shown) == shown
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_only_the_program_breaks_lines() -> None:
    name = "photo\nerror: forged"
    laid_out = lines(f"first {name}", "second", lines("third", name))
    assert laid_out.split("\n") == ["first photo\\nerror: forged", "second", "third", "photo\\nerror: forged"]
    assert lines(laid_out) == laid_out
    assert lines(str(laid_out)) == laid_out
    assert lines(str(UserError(laid_out))) == laid_out
    assert "\n" not in lines(f"told: {laid_out}")  # an f-string is no `Lines`
    assert isinstance(paragraphs("a", laid_out), Lines)
    assert paragraphs("a\nb", lines("c", "d")) == "a\\nb\n\nc\nd"


def test_a_traceback_keeps_its_lines() -> None:
    assert kept_lines("Traceback:\n\tFile\n\x1b[1mValueError\n") == "Traceback:\n    File\n\\x1b[1mValueError"


def test_a_stream_may_be_drawn_on_and_nothing_more() -> None:
    drawing = "\x1b[2K\x1b[1;36m50 %\x1b[0m ━━━\r\n"
    assert safe_in_a_stream(drawing) == drawing
    for text in ("\x1b]0;title\x07", "\x1b]52;c;cm0gLXJm\x07", "\x1bP+q\x1b\\", "\x1bc", "\x9b2J", "\u202e", "\udcff"):
        assert safe_in_a_stream(text).isascii()
        assert "\x1b" not in safe_in_a_stream(text)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ((0, "image"), "0 images"),
        ((1, "image"), "1 image"),
        ((2, "image"), "2 images"),
        ((1, "batch", "batches"), "1 batch"),
        ((3, "run is", "runs are"), "3 runs are"),
    ],
)
def test_a_count_is_followed_by_the_right_noun(overrides: tuple[int, str], text: str) -> None:
    assert counted(*overrides) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1+1", "\\t=1+1"),
        ("\r=1+1", "\\r=1+1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("srcnn_915", "srcnn_915"),
        ("a\x1b[31m", "a\\x1b[31m"),
        (-0.5, -0.5),
        (None, None),
        ([9, 1, 5], [9, 1, 5]),
    ],
)
def test_a_spreadsheet_runs_no_configuration(value: object, written: object) -> None:
    assert cell(value) == written


def test_every_name_has_bytes_of_its_own() -> None:
    names = ["a", "größe", "gr\udcf6\udcdfe", "gr\udcf6\udcdee", "\ud83d"]
    assert as_bytes("größe") == "größe".encode()
    assert len({as_bytes(name) for name in names}) == len(names)
