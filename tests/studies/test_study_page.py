import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from run_files import write_table
from study_runs import write_run
from test_filter_tables import write_filters

from deblur.reporting.page import read_findings
from studies.srcnn_2022 import write_study
from studies.srcnn_2022.__main__ import main
from studies.srcnn_2022.page import without_places

Lines = Callable[[Path], Sequence[str]]
GAINS = (1.0, 2.0, 3.0)
PNG = b"\x89PNG\r\n\x1a\n"


SWEEPS = ("grid", "original_box", "claims")


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid, the study's way and the claims, with two runs or more of each."""
    root = tmp_path_factory.mktemp("study") / "sweeps"
    run = write_run(root / "grid", GAINS, losses=(0.006, 0.004))
    write_run(root / "grid", GAINS, lr=0.0001)
    write_run(root / "grid", (2.0, 3.0, 4.0), model="srcnn_9315", field=15)
    for model in ("original_915", "original_9315"):
        write_run(root / "original_box", GAINS, model=model, lr=0.0001, losses=(0.009, 0.008))
    for seed in (0, 1):
        write_run(root / "claims", GAINS, seed=seed)
        write_run(root / "claims", (0.5, 1.5, 2.4), scale=0.1, seed=seed)
        write_run(root / "claims", (1.5, 2.5, 3.4), model="larger_935", seed=seed)
    command = "python -m deblur.train experiment=grid 'data.root='\"'\"'/home/me/faces'\"'\"'' paths.output_root=/tmp/x"
    (root / "grid" / "sweep.json").write_text(json.dumps({"commands": [command], "runs": []}))
    write_filters(run, {13: 23.0, 15: 24.0, 27: 25.0, 41: 26.0})
    return root.parent


@pytest.fixture(scope="module")
def page(outputs: Path) -> Path:
    """The page of all three."""
    assert main([*SWEEPS, f"--output-root={outputs}", f"--output={outputs / 'docs'}"]) == 0
    return outputs / "docs" / "original_study.md"


def refusal(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(overrides) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("error: ").rstrip()


def headings(lines: Sequence[str]) -> list[str]:
    return [line.removeprefix("## ") for line in lines if line.startswith("## ")]


def test_the_page_answers_first(page: Path, lines_of: Lines) -> None:
    lines = lines_of(page)
    assert headings(lines) == [
        "The answer",
        "Published and ours",
        "The study's networks in its own way of training",
        "The three claims",
        "The receptive field explains the table",
        "Comparison with classical restorers",
        "How it was made",
    ]
    answer = [line for line in lines if line.startswith("- ")][:5]
    assert answer[0] == (
        "- On box blur the best published network (9-3-1-5 at a learning rate of 0.0001) left 49 % of the blurred "
        "input's mean squared error (MSE), read off a plot to within 4 %. Ours (9-1-5 at a learning rate of 0.001) "
        "leaves 67 % on the validation images after its last epoch: more than the study's best. On the test images, "
        "after its best epoch, it leaves 69 %."
    )
    assert answer[1] == (
        "- On box blur the study's networks were trained in its way on our images for 2 epochs (the study's: 20). The "
        "best (9-1-5 at a learning rate of 0.0001) leaves 118 % on the validation images after its last epoch: more "
        "than the study's best. On the test images, after its best epoch, it leaves 69 %."
    )
    assert 'last layer helps": refuted. In 1 comparison: worse in 1' in answer[2]
    assert answer[3].endswith("not known yet.")
    assert 'larger filters are better": supported.' in answer[4]


def test_the_verdicts_and_what_is_left_out_are_told(page: Path, lines_of: Lines) -> None:
    lines = lines_of(page)
    assert [line for line in lines if line.startswith("**Verdict")] == [
        "**Verdict: refuted.**",
        "**Verdict: not known yet.** There are too few finished runs to compare. This command makes them:",
        "**Verdict: supported.**",
    ]
    (left_out,) = [line for line in lines if "further finished run" in line]
    assert left_out.endswith("are not in the tables: 2 differ in last_layer_lr_scale.")
    (seeds,) = [line for line in lines if line.startswith('So "validation"')]
    assert seeds.endswith("Means of 2 seeds: 9-1-5 on box blur at 0.001. Each other configuration was trained once.")


def test_every_figure_is_a_file_with_overrides(page: Path, lines_of: Lines) -> None:
    linked = re.findall(r"^!\[(.+)\]\((.+)\)$", "\n".join(lines_of(page)), re.MULTILINE)
    assert [file for _, file in linked] == ["original_study/epochs.png", "original_study/filters_box.png"]
    assert all((page.parent / file).read_bytes().startswith(PNG) for _, file in linked)
    assert all(len(alt) > 50 for alt, _ in linked)


def test_the_page_names_no_place_on_a_machine(page: Path, lines_of: Lines) -> None:
    lines = lines_of(page)
    assert "    python -m deblur.train experiment=grid data.root=faces paths.output_root=x" in lines
    assert "/home" not in "\n".join(lines)


def test_a_second_page_is_the_same(outputs: Path, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SWEEPS, f"--output-root={outputs}", "--output=docs"]) == 0
    assert capsys.readouterr().out == "The page is docs/original_study.md\nIts figures are in docs/original_study\n"
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (page.parent, Path("docs"))
    )
    assert first == second
    assert len(first) == 3


def test_what_has_no_runs_names_its_command(tmp_path: Path, lines_of: Lines) -> None:
    write_run(tmp_path / "other", GAINS, model="larger_935")
    lines = lines_of(write_study(read_findings([tmp_path / "other"]), tmp_path / "out"))
    assert len(headings(lines)) == 7
    text = "\n".join(lines)
    assert "No run of our own networks is done yet" in text
    commands = [line.strip() for line in lines if line.startswith("    python")]
    assert commands == [
        "python -m deblur.train experiment=grid",
        "python -m deblur.train -m experiment=original sweep=original_box "
        "model=original_915,original_9315,original_91115 blur=box",
        "python -m deblur.train experiment=original_grid",
        *["python -m deblur.train experiment=claims"] * 3,
        "python -m deblur.evaluate optimal_linear=true sweep=grid",
        'python -m deblur.evaluate run=DIR "baseline=[wiener,richardson_lucy,dct_wiener]"',
    ]
    assert "![" not in text
    assert not (tmp_path / "out" / "original_study").exists()


def test_the_page_tells_which_epochs_its_columns_are_of(page: Path, lines_of: Lines) -> None:
    lines = lines_of(page)
    (validation,) = [line for line in lines if line.startswith('- "Validation"')]
    assert "clamped to [0, 1], those of the study were not" in validation
    (test,) = [line for line in lines if line.startswith('- "Test"')]
    assert "of the epoch with the best validation PSNR" in test
    assert test.endswith("its restored images are clamped as well.")
    (differs,) = [line for line in lines if line.startswith("| measured on |")]
    assert r"restored images clamped to \[0, 1\] in both" in differs
    assert "test: after the epoch of the best validation PSNR" in differs


def test_a_run_whose_psnr_is_not_defined_is_in_no_comparison(tmp_path: Path, lines_of: Lines) -> None:
    for seed in (0, 1):
        write_run(tmp_path / "grid", GAINS, seed=seed)
        diverged = write_run(tmp_path / "grid", (9.0, 9.0, 9.0), seed=seed, model="larger_935", no_psnr=[1])
    write_filters(diverged, {13: 23.0})
    write_run(tmp_path / "grid", (9.0, 9.0, 9.0), model="srcnn_9315", no_psnr=[1])
    lines = lines_of(write_study(read_findings([tmp_path / "grid"]), tmp_path / "out"))
    text = "\n".join(lines)
    assert "not defined, and are left out of all comparisons: larger_935-box" in text
    assert "1 further finished run of these networks is not in the tables: 1 has test images" in text
    assert 'larger filters are better": not known yet.' in text
    assert "| box | larger_935" not in text


def test_a_claim_that_many_runs_leave_open_asks_for_no_first_ones(tmp_path: Path, lines_of: Lines) -> None:
    for seed, by in ((0, 0.2), (1, -0.1)):
        write_run(tmp_path / "claims", GAINS, seed=seed)
        write_run(tmp_path / "claims", (0.8 + by, 2.0 + by, 3.2 + by), seed=seed, model="deeper_91115")
    lines = lines_of(write_study(read_findings([tmp_path / "claims"]), tmp_path / "out"))
    (stated,) = [line for line in lines if line.startswith("**Verdict: not known yet.** No comparison counts against")]
    assert stated.endswith("None excludes a gain that counts; more seeds or test images may show one.")


def test_the_page_tells_its_boundary(tmp_path: Path, lines_of: Lines) -> None:
    run = write_run(tmp_path / "grid", GAINS)

    def stated() -> list[str]:
        lines = lines_of(write_study(read_findings([tmp_path / "grid"]), tmp_path / "out"))
        return [line for line in lines if line.startswith("All other numbers of this page are of the ")]

    assert stated() == ["All other numbers of this page are of the symmetric boundary."]
    row = {"run": run.name, "size": 13, "psnr": 23.0, "input_psnr": 22.0, "gain": 1.0}
    write_table(
        tmp_path / "grid" / "filters.csv", [row | {"valid_psnr": 22.5, "real_input_psnr": 22.0, "valid_gain": 0.5}]
    )
    (line,) = stated()
    assert line.endswith("symmetric boundary, except the dotted lines of the figures above.")
    write_run(tmp_path / "grid", GAINS, settings={"boundary": "valid"})
    assert stated() == []


def test_an_earlier_page_leaves_no_figure_behind(tmp_path: Path) -> None:
    filters = write_filters(write_run(tmp_path / "grid", GAINS), {13: 23.0})
    write_study(read_findings([tmp_path / "grid"]), tmp_path / "out")
    (tmp_path / "out" / "original_study" / "mine.png").touch()
    filters.unlink()
    write_study(read_findings([tmp_path / "grid"]), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "original_study").iterdir()] == ["mine.png"]


def test_the_usual_place_is_the_documentation(tmp_path: Path) -> None:
    write_run(tmp_path / "outputs" / "sweeps" / "grid", GAINS)
    assert main(["grid"]) == 0
    assert (tmp_path / "docs" / "original_study.md").is_file()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "Missing argument 'sweeps'."),
        (["grid", "--strips"], "No such option: --strips"),
        (["grdi"], "There is no sweep grdi in outputs/sweeps"),
    ],
)
def test_a_usage_error_is_a_sentence(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in refusal(argv, capsys)


def test_a_place_that_cannot_be_written_to_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "outputs" / "sweeps" / "grid", GAINS)
    Path("file").touch()
    for output, reason in (("file", "File exists"), ("file/in", "Not a directory")):
        assert refusal(["grid", "--output", output], capsys) == (
            f"{output} cannot be written ({reason}): choose another with --output."
        )


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("python a.py data.root=/a/b/faces", "python a.py data.root=faces"),
        ("python a.py data.root=faces/new", "python a.py data.root=faces/new"),
        ("python a.py \"data.root='/a b/two words'\"", "python a.py 'data.root='\"'\"'two words'\"'\"''"),
        ("python a.py run=[/a/x,/a/y] url=http://h/x", "python a.py 'run=[x,y]' url=http://h/x"),
        ("python /opt/a.py 'open", "python a.py ''\"'\"'open'"),
    ],
)
def test_commands_are_shown_without_places(command: str, shown: str) -> None:
    assert without_places(command) == shown


@pytest.mark.slow
def test_the_page_loads_no_torch(outputs: Path) -> None:
    overrides = [*SWEEPS, f"--output-root={outputs}", "--output=docs"]
    code = (
        "import sys; from studies.srcnn_2022.__main__ import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert (
        subprocess.run([sys.executable, "-c", code, *overrides], capture_output=True, env=environment).returncode == 0
    )
    assert Path("docs/original_study.md").is_file()
