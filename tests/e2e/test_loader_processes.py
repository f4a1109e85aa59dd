"""Loader processes that fail: the reason in a sentence, in the training, its validation, its test and an evaluation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from open_files import files_left
from sampling import exhaustive, sampled
from workplaces import SMALL, Workplace

from deblur import evaluate

ENDED = "error: One of data.num_workers=2 loader processes ended unexpectedly"
OF_TOO_MANY_FILES = "error: Too many files are open (the limit is {}): raise the limit with ulimit -n 4096."
FAILING = ("blur._target_=failing_blurs.FailingBox", "trusted=[failing_blurs]")


def assert_failed_with(workplace: Workplace, error: str, sentence: str) -> None:
    assert error.startswith(sentence)
    assert "Traceback" not in error
    status = workplace.read("status.json")
    assert (status["state"], f"error: {status['error']}\n") == ("failed", error)
    assert "Traceback" not in (workplace.run / "train.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "validation", "test"])
def test_a_killed_process_is_a_sentence(workplace: Workplace, capsys: pytest.CaptureFixture[str], stage: str) -> None:
    kill = ("+callbacks.kill._target_=failing_blurs.KillLoaderProcess", f"+callbacks.kill.stage={stage}")
    # More images of each split than processes load in advance: else the killed one may have delivered all of its own.
    many = ("data.max_images=96", "trainer.max_epochs=1")
    overrides = (*SMALL, *many, "trusted=[failing_blurs]", *kill, "data.num_workers=2", "data.eval_batch_size=1")
    assert workplace.train(*overrides) == 2
    assert_failed_with(workplace, capsys.readouterr().err, ENDED)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("user", "error: blur.size=5 cannot be drawn: fix it."),
        ("no memory", "error: The memory does not suffice"),
        pytest.param("memory", "error: The memory does not suffice", marks=pytest.mark.slow),
        pytest.param("files", "error: Too many files are open", marks=pytest.mark.slow),
        pytest.param("exit", ENDED, marks=pytest.mark.slow),
        pytest.param("kill", ENDED, marks=pytest.mark.slow),
    ],
)
def test_what_fails_within_a_process_is_a_sentence(
    workplace: Workplace, capsys: pytest.CaptureFixture[str], how: str, sentence: str
) -> None:
    assert workplace.train(*SMALL, *FAILING, f"+blur.how='{how}'", "data.num_workers=2") == 2
    assert_failed_with(workplace, capsys.readouterr().err, sentence)


def test_a_bug_within_a_process_has_a_traceback(workplace: Workplace) -> None:
    with pytest.raises(ValueError, match="what nobody thought of") as caught:
        workplace.train(*SMALL, *FAILING, "+blur.how=bug", "data.num_workers=1")
    assert "failing_blurs.py" in str(caught.value.__cause__)
    assert (
        workplace.read("status.json")["error"] == "ValueError: ValueError: what nobody thought of (in a loader process)"
    )


@pytest.mark.parametrize("count", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_too_few_files_for_the_processes_are_a_sentence(
    workplace: Workplace, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    with files_left(count) as limit:
        assert workplace.train(*SMALL, "data.num_workers=4", "logger=none") == 2
    error = capsys.readouterr().err
    assert_failed_with(workplace, error, OF_TOO_MANY_FILES.format(limit))
    assert "fewer loader processes than data.num_workers=4" in error


@pytest.mark.parametrize("how", ["user", pytest.param("kill", marks=pytest.mark.slow)])
def test_an_evaluation_reports_the_reason(
    finished: Workplace, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    places = (f"run={finished.run}", f"output={tmp_path}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    blur = ("blur=box", *FAILING, f"+blur.how={how}")
    assert evaluate.main([*places, *blur, "data.num_workers=2"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: blur.size=5" if how == "user" else ENDED)
    assert "Traceback" not in error


@pytest.mark.slow
def test_an_evaluation_with_too_few_files_says_so(
    finished: Workplace, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"run={finished.run}", f"output={tmp_path}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    with files_left(6) as limit:
        assert evaluate.main([*places, "data.num_workers=4"]) == 2
    assert capsys.readouterr().err.startswith(OF_TOO_MANY_FILES.format(limit))


@pytest.mark.slow
@pytest.mark.parametrize("limit", sampled(range(20, 48, 4), 3))
def test_any_number_of_files_is_enough_or_a_sentence(tmp_path: Path, cache_root: Path, limit: int) -> None:
    overrides = (*SMALL, "data.num_workers=4", f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    ended = subprocess.run(
        ["bash", "-c", f'ulimit -n {limit}; exec "$@"', "bash", sys.executable, "-m", "deblur.train", *overrides],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=180,
    )
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 0 or ended.stderr.splitlines()[-1].startswith(OF_TOO_MANY_FILES.format(limit))


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [100, exhaustive(400)])
def test_a_full_shared_memory_is_a_sentence(tmp_path: Path, cache_root: Path, kilobytes: int) -> None:
    mounted = f"mount -t tmpfs -o size={kilobytes}k tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "bash", "-c", mounted], capture_output=True).returncode:
        pytest.skip("mounting a small /dev/shm is not allowed here")
    overrides = (*SMALL, "data.patch_size=64", "data.batch_size=48", "data.max_images=64", "data.num_workers=2")
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    program = [sys.executable, "-m", "deblur.train", *overrides, *places]
    ended = subprocess.run(
        ["unshare", "-m", "bash", "-c", f'{mounted} && exec "$@"', "bash", *program],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=180,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: The shared memory (/dev/shm) is full")
