import logging
from pathlib import Path

import lightning.pytorch as L
import pytest
import torch

from deblur.training.callbacks import TimeLeft
from deblur.training.module import DeblurModule


def told(folder: Path, caplog: pytest.LogCaptureFixture, *, epochs: int, steps: int, after: int) -> list[str]:
    """Train a small network and return what was said of the time left."""
    module = DeblurModule(
        model={"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 3], "widths": [4]},
        optimizer={"_target_": "torch.optim.Adam", "lr": 1e-3},
    )
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[TimeLeft(after)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    batches = [{"blurred": torch.rand(2, 1, 12, 12), "sharp": torch.rand(2, 1, 8, 8)} for _ in range(steps)]
    with caplog.at_level(logging.INFO, logger="deblur"):
        trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    return [record.getMessage() for record in caplog.records if "ms per step" in record.getMessage()]


@pytest.mark.parametrize(
    ("steps", "after"),
    [(30, 20), (8, 20), (4, 20), (5, 25), (3, 5)],
    ids=["in an epoch", "over epochs", "the first steps end with an epoch", "the last one ends one", "short ones"],
)
def test_it_is_said_once_whatever_the_length_of_an_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, steps: int, after: int
) -> None:
    (sentence,) = told(tmp_path, caplog, epochs=6, steps=steps, after=after)
    assert f" {6 * steps - after} steps left: about " in sentence


def test_a_training_that_ends_before_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert told(tmp_path, caplog, epochs=2, steps=4, after=20) == []
