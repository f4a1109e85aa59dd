"""Runs whose files and folders come from anybody: what they say stays text, wherever it is shown."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from run_files import write_history, write_samples

from deblur.report import main
from deblur.reporting.figures import figure_file, styled
from deblur.reporting.page import markdown
from deblur.text import one_line

Files = Callable[..., Path]

EVIL = "x\x1b[31m\x1b]0;t\x07\u202e\u200b\r\x08\x9b\n# INFO forged <script>alert(1)</script> | `a` [b](c) \udcf6"
UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\ud800-\udfff]")


@pytest.fixture
def hostile(make_measured: Files, make_run: Files, sweep: Path) -> Path:
    """A sweep in which everything that has a free text has a hostile one."""
    names = [EVIL.replace("/", ":") + str(number) for number in (0, 1)]
    images = [EVIL.replace("\udcf6", "") + "a.png", "b.png"]
    made = [make_measured(name, [1.0, 2.0], images, seed=number) for number, name in enumerate(names)]
    made.append(make_run("failed", "failed", error=EVIL))
    write_samples(made[0], "b")
    for folder in made:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["model"]["name"] = config["blur"]["name"] = config["data"]["name"] = EVIL
        config["loss"] = f"=cmd|' /C calc'!A0{EVIL}" if folder.name.endswith("1") else "@SUM(1)"
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        status = json.loads((folder / "status.json").read_text())
        (folder / "status.json").write_text(json.dumps(status | {"host": EVIL, "ended": EVIL}))
        if (folder / "metrics.json").is_file():
            metrics = json.loads((folder / "metrics.json").read_text())
            metrics |= {
                "versions": {"torch": EVIL, EVIL: "1"},
                "device": {"name": EVIL},
                "git": {"commit": EVIL, "changed": True},
            }
            (folder / "metrics.json").write_text(json.dumps(metrics))
            write_history(folder, [0.5, 1.0])
    (sweep / "sweep.json").write_text(json.dumps({"runs": [EVIL.replace("/", ":")], "commands": [f"python {EVIL}"]}))
    target = sweep.parent / EVIL.replace("/", ":")
    sweep.rename(target)
    return target


def test_a_terminal_shows_them_as_text(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for argv in (["--list"], ["--list", f"{hostile.name}"], [f"{hostile.name}", "--output=out"]):
        assert main(argv) == 0
        said = capsys.readouterr()
        assert said.err == ""
        assert not UNSAFE.search(said.out)
        assert not any(line.startswith("# INFO") for line in said.out.splitlines())
        assert r"x\x1b[31m\x1b]0;t\x07\u202e\u200b" in said.out


def test_the_report_shows_them_as_text(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([f"{hostile.name}", "--output=out"]) == 0
    for name in ("report.md", "report.html", "results.csv"):
        assert not UNSAFE.search((tmp_path / "out" / name).read_text(encoding="utf-8"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "x\\x1b[31m\\x1b]0;t\\x07\\u202e\\u200b" in page
    written = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", re.sub(r"^    .*", "", written, flags=re.MULTILINE))
    assert not any(line.startswith("# INFO") for line in written.splitlines())


def test_a_spreadsheet_runs_nothing_of_them(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([f"{hostile.name}", "--output=out", "--no-grids"]) == 0
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    losses = {row["loss"] for row in rows}
    assert {"'@SUM(1)", f"'=cmd|' /C calc'!A0{one_line(EVIL)}"} <= losses
    for row in rows:
        for value in row.values():
            assert not value.startswith(("=", "@", "\t", "\r"))
            assert not value.startswith(("+", "-")) or float(value)


def test_a_figure_shows_them_as_text(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with styled():
        figure = Figure()
        axes = figure.subplots()
        axes.set_title(EVIL)
        axes.text(0, 0, EVIL)
        made = figure_file(figure, "a.png", "a", "b", "c")
    assert all(not UNSAFE.search(text.get_text()) for text in (axes.title, *axes.texts))
    (tmp_path / "a.png").write_bytes(made.png)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("+ a", r"\+ a"),
        ("12. a", r"12\. a"),
        ("3) a", r"3\) a"),
        ("---", r"\---"),
        ("-1.17", "-1.17"),
        ("1.5 dB", "1.5 dB"),
        ("$g$", r"\$g\$"),
        ("a\x1b[1m\u202e", r"a\\x1b\[1m\\u202e"),
    ],
)
def test_a_text_begins_nothing_in_markdown(text: str, escaped: str) -> None:
    assert markdown(text) == escaped
