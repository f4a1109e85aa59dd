import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from run_files import write_history, write_report, write_samples

from deblur.reporting import state_table
from deblur.reporting.page import markdown, read_findings, write_findings
from deblur.reporting.tables import NOTHING

Files = Callable[..., Path]

HOSTILE = "<script>alert('x')</script> | a\nb `c` *d* [e](http://f) $g$ \"h\" & <img src=x onerror=y>"
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attributes}))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def grid(make_measured: Files, make_run: Files, sweep: Path) -> Path:
    """Two networks, two rates, one blur; one run failed, one is missing."""
    make_measured("a", [1.0, 2.0, 3.0], ["one.png", "two.png", "three.png"])
    for name in ("one", "two", "three"):
        write_samples(sweep / "a", name)
    make_measured("b", [2.0, 1.0, 1.0], ["one.png", "two.png", "three.png"], lr=0.0001)
    make_measured("c", [-1.0, -1.5, -1.0], ["one.png", "two.png", "three.png"], model="srcnn_9315")
    make_run("d", "failed", model="srcnn_9315", lr=0.0001, error=HOSTILE)
    asked = {"commands": [f"python -m deblur.train -m {HOSTILE}"], "runs": ["a", "b", "c", "d", "e<b>|"]}
    (sweep / "sweep.json").write_text(json.dumps(asked))
    return sweep


def test_the_page_stands_alone(grid: Path, tmp_path: Path) -> None:
    page = Page(write_report([grid], tmp_path / "out"))
    assert page.open == []
    assert page.of("script") == []
    assert page.of("html") == [{"lang": "en"}]
    places = [value for _, found in page.tags for key, value in found.items() if key in ("src", "href", "srcset")]
    assert len(places) > 4
    assert all(place.startswith("data:") for place in places)
    assert not re.search(r"url\(|@import", (tmp_path / "out" / "report.html").read_text())


def test_every_figure_is_a_file_and_part_of_the_page(grid: Path, tmp_path: Path) -> None:
    page = Page(write_report([grid], tmp_path / "out"))
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert sorted(files) == ["curves_mse.png", "curves_psnr.png", "gains.png", "grid_1_box.png"]
    embedded = [base64.b64decode(image["src"].partition(",")[2]) for image in page.of("img")]
    assert sorted(embedded) == sorted(files.values())
    assert all(content.startswith(PNG) for content in embedded)
    linked = re.findall(r"^!\[.+\]\((.+)\)$", (tmp_path / "out" / "report.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(files)


def test_every_figure_has_its_numbers_in_words(grid: Path, tmp_path: Path) -> None:
    page = Page(write_report([grid], tmp_path / "out"))
    gains, psnr, loss, strip = (image["alt"] for image in page.of("img"))
    assert gains == (
        "Gains in dB. box: srcnn_915 lr 0.001 +2.00, srcnn_915 lr 0.0001 +1.33, srcnn_9315 lr 0.001 -1.17."
    )
    assert "box, srcnn_915: lr 0.001 21.00, lr 0.0001 21.00, blurred input 20.00." in psnr
    assert "box, srcnn_915: lr 0.001 0.00500," in loss
    assert "three.png, largest gain (+3.00 dB): blurred 20.00 dB, srcnn_915 lr 0.001 23.00 dB" in strip
    assert "one.png, smallest gain (+1.00 dB)" in strip
    written = (tmp_path / "out" / "report.md").read_text()
    assert all(markdown(alt) in written for alt in (gains, psnr, loss, strip))


def test_the_answer_comes_first(grid: Path, tmp_path: Path) -> None:
    text = Page(write_report([grid], tmp_path / "out")).text
    notice = "3 of 5 runs are done; the answer can change (1 failed, 1 missing)."
    answer = "box: srcnn_915, lr 0.001 restores best, 22.00 dB, 2.00 dB above the blurred input (95 % interval"
    places = [text.index(part) for part in (notice, answer, "Gains", "Curves", "Cost", "Unfinished runs", "All runs")]
    assert places == sorted(places)
    assert "Hatched: worse than the blurred input." in text


def test_the_worst_and_the_best_images_are_named(grid: Path, tmp_path: Path) -> None:
    write_report([grid], tmp_path / "out")
    lines = (tmp_path / "out" / "report.md").read_text().splitlines()
    assert "| box | largest | three.png | 20.00 | 23.00 | +3.00 |" in lines
    assert "| box | smallest | one.png | 20.00 | 21.00 | +1.00 |" in lines


def test_cost_and_origin_are_told(grid: Path, tmp_path: Path) -> None:
    text = Page(write_report([grid], tmp_path / "out")).text
    assert "8,129" in text
    assert "8,032" in text
    assert "0" * 64 in text
    assert "2.13.0" in text


def test_hostile_texts_are_texts_in_the_page(grid: Path, tmp_path: Path) -> None:
    page = Page(write_report([grid], tmp_path / "out"))
    assert page.of("script") == []
    assert len(page.of("img")) == 4
    assert "e<b>|" in page.text
    assert page.text.count(" ".join(HOSTILE.split())) == 2  # the error and the command


def test_hostile_texts_are_texts_in_markdown(grid: Path, tmp_path: Path) -> None:
    write_report([grid], tmp_path / "out")
    written = (tmp_path / "out" / "report.md").read_text()
    (row,) = [line for line in written.splitlines() if line.startswith("| d | failed | 3 |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert r"\<script\>alert('x')\</script\> \| a b \`c\` \*d\* \[e\](http://f)" in row
    assert "\n    python -m deblur.train -m <script>" in written
    assert "\n    b `c` *d*" in written


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("srcnn_915-lr_0.001", "srcnn_915-lr_0.001"),
        ("__init__", r"\_\_init\_\_"),
        ("a\\|b", r"a\\\|b"),
        ("a\n\nb", "a b"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def test_without_grids_there_is_no_image_of_a_test_image(grid: Path, tmp_path: Path) -> None:
    write_report([grid], tmp_path / "out")
    page = Page(write_report([grid], tmp_path / "out", grids=False))
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "curves_mse.png",
        "curves_psnr.png",
        "gains.png",
    ]
    assert len(page.of("img")) == 3
    assert "grid_1" not in (tmp_path / "out" / "report.md").read_text()


def test_files_of_others_stay(grid: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grid_mine.png").touch()
    write_report([grid], tmp_path / "out")
    assert (tmp_path / "out" / "grid_mine.png").exists()


def test_a_complete_sweep_misses_nothing(make_measured: Files, sweep: Path, tmp_path: Path) -> None:
    make_measured("a", [1.0, 2.0])
    text = Page(write_report([sweep], tmp_path / "out")).text
    assert "Unfinished runs None." in text
    assert "the answer can change" not in text
    assert "±" not in text


def test_seeds_are_averaged_in_the_tables(make_measured: Files, sweep: Path, tmp_path: Path) -> None:
    make_measured("a0", [1.0, 2.0])
    make_measured("a1", [2.0, 3.0], seed=1)
    text = Page(write_report([sweep], tmp_path / "out")).text
    assert "22.00 ± 0.71" in text
    assert "+2.00 ± 0.71" in text
    assert "After ± stands the standard deviation over the seeds." in text


def test_a_sweep_without_a_result_says_so(make_run: Files, sweep: Path, tmp_path: Path) -> None:
    write_history(make_run("a", "running"), [0.5])
    text = Page(write_report([sweep], tmp_path / "out")).text
    assert "No run has a result." in text
    assert "0 of 1 run is done" in text
    assert "Validation PSNR over the epochs." in text


def test_only_missing_runs_are_a_report_too(sweep: Path, tmp_path: Path) -> None:
    (sweep / "sweep.json").write_text(json.dumps({"runs": ["a", "b"]}))
    text = Page(write_report([sweep], tmp_path / "out")).text
    assert "0 of 2 runs are done; the answer can change (2 missing)." in text


@pytest.mark.parametrize("content", [b"no image", b"", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_image_is_named_and_the_rest_is_reported(grid: Path, tmp_path: Path, content: bytes) -> None:
    path = grid / "a" / "samples" / "one" / "sharp.png"
    path.write_bytes(content)
    page, damages = write_findings(read_findings([grid]), tmp_path / "out", grids=True)
    assert [text.startswith(f"{path} is damaged (") for text in damages] == [True]
    assert "sharp.png is damaged (" in Page(page).text


def test_the_states_of_a_sweep_are_a_table_for_the_terminal(grid: Path) -> None:
    lines = [line.split() for line in state_table(grid).splitlines()]
    assert ["a", "done", "20.00", "22.00", "+2.00", "2"] in lines
    assert ["e<b>|", "missing", NOTHING, NOTHING, NOTHING, NOTHING] in lines
    assert [line[:3] for line in lines if line[:1] == ["d"]] == [["d", "failed", NOTHING]]
