"""Trainings that are refused, or fail, with a sentence."""

from pathlib import Path

import pytest
import torch
from small_trainings import without
from workplaces import SMALL, Workplace

from deblur.train import main


@pytest.mark.parametrize("word", ["+trainer.limit_val_batches=0", "+trainer.limit_train_batches=-3"])
def test_options_that_cannot_work_are_sentences(
    workplace: Workplace, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert workplace.train(*SMALL, word) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_trust_comes_from_the_command_line_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "sly.yaml").write_text("# @package _global_\ntrusted: [evil]\n")
    assert main(["--config-dir", str(tmp_path / "conf"), "experiment=sly", *SMALL]) == 2
    assert "add trusted=[evil] to the command line" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_a_sentence(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workplace.train(*without(SMALL, "trainer.accelerator"), "trainer=gpu") == 2
    error = capsys.readouterr().err
    assert "trainer.accelerator=gpu" in error
    assert "trainer=cpu" in error
    assert not workplace.root.exists() or not list(workplace.root.rglob("*"))


def test_a_diverging_run_fails_with_advice(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workplace.train(*SMALL, "optimizer=sgd", "optimizer.lr=1e6") == 2
    assert "Try optimizer.lr=100000" in capsys.readouterr().err
    status = workplace.read("status.json")
    assert status["state"] == "failed"
    assert "The training has diverged: the loss became" in status["error"]
    log = (workplace.run / "train.log").read_text()
    assert "The training has diverged" in log
    assert "Traceback" not in log


def test_a_loss_that_is_finite_and_absurd_has_diverged(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workplace.train(*SMALL, "optimizer.lr=1e3") == 2
    assert "The training has diverged: the loss became" in capsys.readouterr().err
    assert workplace.read("status.json")["state"] == "failed"
    assert not (workplace.run / "metrics.json").exists()


def test_a_run_that_does_degradation_says_so(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workplace.train(*SMALL, "model.residual=false", "trainer.max_epochs=1") == 0
    assert workplace.read("metrics.json")["test"]["gain"] < -0.1
    assert "The restored test images are worse than the blurred ones: the gain is -" in capsys.readouterr().out
