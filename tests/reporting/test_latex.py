import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.reporting.latex import MOST_ROWS, latex, latex_tables
from deblur.reporting.page import read_findings

Files = Callable[..., Path]

HOSTILE = r"a_b & 50% #1 $x$ {y} ~ ^ \input{z} <'\"`|*[q] ± …"
DOCUMENT = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{table}\n\\end{document}\n"
UNESCAPED = re.compile(r"(?<!\\)[_%#^~]")


def tables(*folders: Path) -> str:
    found = read_findings(folders)
    return latex_tables(found.answers, [sweep.name for sweep in found.sweeps])


def rows(text: str) -> list[list[str]]:
    return [line.strip().removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r"\\")]


def test_a_table_has_the_inputs_and_all_configurations(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    make_measured("b", [3.0, 4.5], model="srcnn_9315")
    make_measured("c", [3.0, 4.5], model="equal")
    make_measured("d", [-1.0, -2.0], blur="gaussian")
    text = tables(sweep)
    assert rows(text) == [
        ["configuration", "MACs per pixel", "PSNR {[}dB]", "SSIM", "gain {[}dB]"],
        [r"\multicolumn{5}{@{}l}{gaussian}"],
        ["blurred input", "--", "20.00", "0.6000", "--"],
        [r"srcnn\_915", "8,032", r"\textbf{18.50}", "0.8000", "$-$1.50"],
        [r"\multicolumn{5}{@{}l}{box}"],
        ["blurred input", "--", "20.00", "0.6000", "--"],
        ["equal", "8,032", r"\textbf{23.75}", "0.8000", "$+$3.75"],
        [r"srcnn\_915", "8,032", "21.50", "0.8000", "$+$1.50"],
        [r"srcnn\_9315", "8,032", r"\underline{23.75}", "0.8000", "$+$3.75"],
    ]
    assert re.findall(r"\\(\w+rule)", text) == ["toprule", "midrule", "midrule", "bottomrule"]
    assert r"\begin{tabular}{@{}lrrrr@{}}" in text
    assert r"\label{tab:grid}" in text


def test_an_arrow_marks_metrics_of_which_less_is_better(make_measured: Files, sweep: Path) -> None:
    folder = make_measured("a", [1.0, 2.0])
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"] |= {"mse": 0.004, "input_mse": 0.01}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert rows(tables(sweep))[0][2:] == ["PSNR {[}dB]", "SSIM", r"MSE $\downarrow$", "gain {[}dB]"]


def test_deviations_over_seeds_are_in_the_table(make_measured: Files, sweep: Path) -> None:
    make_measured("a0", [1.0, 2.0])
    make_measured("a1", [2.0, 3.0], seed=1)
    assert rows(tables(sweep))[-1][2:] == [r"\textbf{22.00 $\pm$ 0.71}", r"0.8000 $\pm$ 0.0000", r"$+$2.00 $\pm$ 0.71"]


def test_more_than_a_page_is_several_tables(make_measured: Files, sweep: Path) -> None:
    for number in range(MOST_ROWS // 3 + 1):  # a heading, the blurred input and a network each
        make_measured(f"run-{number}", [1.0, 2.0], blur=f"blur{number}")
    text = tables(sweep)
    assert re.findall(r"\\label\{(.+)\}", text) == ["tab:grid", "tab:grid-2"]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert max(part.count(r"\\") for part in text.split(r"\end{table}")) <= MOST_ROWS + 1


def test_without_a_result_there_is_a_remark(make_run: Files, sweep: Path) -> None:
    make_run("a", "running")
    text = tables(sweep)
    assert "% No run has a result." in text
    assert all(line.startswith("%") for line in text.splitlines())


def test_special_letters_are_letters() -> None:
    assert latex("a_b & 5%") == r"a\_b \& 5\%"
    shown = latex(HOSTILE)
    assert not UNESCAPED.search(shown)
    assert r"\input" not in shown


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex to compile the table with")
def test_a_table_of_hostile_names_compiles(make_measured: Files, sweep: Path, tmp_path: Path) -> None:
    make_measured("a", [1.0, 2.0], model=f"'{HOSTILE.replace(chr(39), chr(39) * 2)}'")
    make_measured("b", [1.0, 2.5], model="'*[b'", seed=1)
    make_measured("c", [-1.0, 2.5], blur="gaussian")
    (tmp_path / "table.tex").write_text(tables(sweep), encoding="utf-8")
    (tmp_path / "main.tex").write_text(DOCUMENT)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
