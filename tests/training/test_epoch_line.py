"""The line of a finished epoch."""

import pytest

from deblur.training.callbacks import epoch_line

ROW = {"epoch": 7, "step": 70, "lr": 0.001, "train/loss": 0.0123456, "seconds": 61.25}
VALIDATED = ROW | {"val/loss": 0.01, "val/psnr": 22.754, "val/ssim": 0.73014, "val/gain": 2.336, "val/mse": 0.001}


def test_it_has_epochs_counted_from_1_loss_means_and_seconds() -> None:
    assert epoch_line(VALIDATED, 20) == ("epoch  7/20  loss 0.01235  val PSNR 22.75  SSIM 0.7301  gain +2.34  61.2 s")


@pytest.mark.parametrize("epochs", [None, -1])
def test_a_training_without_a_last_epoch_has_none(epochs: int | None) -> None:
    assert epoch_line(ROW, epochs) == "epoch 7  loss 0.01235  61.2 s"


def test_what_is_no_number_is_a_hyphen_and_what_was_not_measured_is_left_out() -> None:
    assert epoch_line(VALIDATED | {"train/loss": None, "val/psnr": None, "val/gain": None}, 9) == (
        "epoch 7/9  loss -  val PSNR -  SSIM 0.7301  gain -  61.2 s"
    )


def test_it_fits_a_terminal() -> None:
    large = VALIDATED | {"epoch": 100, "train/loss": 1.234e-05, "val/gain": -12.34, "seconds": 999.9}
    assert len(epoch_line(large, 200)) <= 80
