import json
from pathlib import Path

import pytest
from constructed import constructed

from deblur.cli import EXIT_INTERRUPTED, EXIT_USAGE
from deblur.sweeps.session import EXIT_INCOMPLETE, conclude, launcher_failed
from deblur.sweeps.sweep import Job, Sweep

CONFIG = """
model: {name: srcnn_915, _target_: deblur.models.SRCNN}
blur: {name: box, _target_: deblur.blur.Box}
optimizer: {_target_: torch.optim.Adam, lr: 0.001}
seed: 0
"""
METRICS = {
    "test": {"psnr": 26.0, "ssim": 0.8, "gain": 5.0, "input_psnr": 21.0, "input_ssim": 0.6, "images": 2},
    "val": {"psnr": 26.0, "epoch": 0},
}
IMAGES = "name,input_psnr,psnr,gain,input_ssim,ssim\na,20,25,5,0.6,0.8\nb,22,27,5,0.6,0.8\n"


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Two finished runs."""
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "status.json").write_text(json.dumps({"state": "done", "ended": "2020-01-01T00:00:00+00:00"}))
        (folder / "metrics.json").write_text(json.dumps(METRICS))
        (folder / "images.csv").write_text(IMAGES)
    return Sweep(tmp_path, tuple(Job((name,), constructed({"fail_fast": False}), tmp_path / name) for name in "ab"))


def test_a_finished_sweep_ends_well(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(sweep, 0) == 0
    assert (sweep.folder / "report" / "report.html").is_file()
    said = capsys.readouterr().out
    assert f"The report is {sweep.folder / 'report' / 'report.html'}" in said
    assert "box: srcnn_915, 26.00 dB, 5.00 dB above the blurred input" in said
    assert (sweep.folder / "report" / "table.tex").is_file()


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_a_run_that_is_not_done_shows_in_the_exit_code(sweep: Sweep, state: str) -> None:
    (sweep.folder / "b" / "status.json").write_text(json.dumps({"state": state}))
    assert conclude(sweep, 0) == EXIT_INCOMPLETE
    assert (sweep.folder / "report" / "report.html").is_file()
    assert conclude(sweep, EXIT_USAGE) == EXIT_USAGE


def test_a_run_without_its_results_is_not_done(sweep: Sweep) -> None:
    (sweep.folder / "b" / "metrics.json").unlink()
    assert conclude(sweep, 0) == EXIT_INCOMPLETE


@pytest.mark.parametrize("file", ["status.json", "config.yaml", "metrics.json", "images.csv", "history.csv"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\0\xfe"])
def test_a_damaged_run_is_a_sentence_and_the_others_are_reported(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], file: str, content: bytes
) -> None:
    (sweep.folder / "b" / file).write_bytes(content)
    assert conclude(sweep, 0) == EXIT_INCOMPLETE
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {sweep.folder / 'b' / file} is damaged (")
    assert "overwrite=true" in said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert [line[:2] for line in lines if line[:1] in (["a"], ["b"])] == [["a", "done"], ["b", "damaged"]]
    page = (sweep.folder / "report" / "report.md").read_text()
    assert "1 of 2 runs is done; the answer can change (1 damaged)." in page
    assert "26.00" in page


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\0\xfe", b'{"runs": 3}'])
def test_a_damaged_note_is_a_sentence_and_the_runs_are_reported(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (sweep.folder / "sweep.json").write_bytes(content)
    assert conclude(sweep, 0) == 0
    assert capsys.readouterr().err.startswith(f"error: {sweep.folder / 'sweep.json'} is damaged (")
    assert (sweep.folder / "report" / "report.html").is_file()


def test_only_damaged_runs_are_a_report_too(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        (sweep.folder / name / "status.json").write_text("{")
    assert conclude(sweep, 0) == EXIT_INCOMPLETE
    assert capsys.readouterr().err.count(" is damaged (") == 2
    assert (sweep.folder / "report" / "report.html").is_file()


def test_an_interrupted_sweep_says_how_it_resumes(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep.folder / "b" / "status.json").write_text(json.dumps({"state": "interrupted"}))
    assert conclude(sweep, EXIT_INTERRUPTED) == EXIT_INTERRUPTED
    assert capsys.readouterr().out == "1 of 2 runs are done. The same command resumes the sweep.\n"
    assert not (sweep.folder / "report").exists()


def test_what_fail_fast_left_out_is_counted(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep.folder / "b" / "status.json").write_text(json.dumps({"state": "failed", "error": "boom"}))
    jobs = (*sweep.jobs, Job(("c",), constructed({"fail_fast": True}), sweep.folder / "c"))
    assert conclude(Sweep(sweep.folder, jobs), 0) == EXIT_INCOMPLETE
    assert "fail_fast=true: after the failure 1 run was not started." in capsys.readouterr().out


def test_a_sweep_of_which_no_run_began_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        conclude(Sweep(tmp_path, (Job(("a",), constructed({"fail_fast": False}), tmp_path / "a"),)), 0)
        == EXIT_INCOMPLETE
    )
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_that_fails_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher_failed(RuntimeError("No srun.\n\nMany more words.")) == EXIT_INCOMPLETE
    assert capsys.readouterr().err == (
        "error: The launcher failed (RuntimeError: No srun.). The same command resumes the sweep; "
        "HYDRA_FULL_ERROR=1 before it shows where it failed.\n"
    )
