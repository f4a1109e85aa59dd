"""Metrics and losses are checked by name before torch is imported."""

import subprocess
import sys

import pytest
from checking import Change, refusal

from deblur.config.check import check


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (
            "metrics=[psnr,ssmi]",
            "metrics=ssmi is not allowed: give psnr, ssim, psnr_y, ssim_y, ms_ssim, vif or mse. A class of your own ",
        ),
        ("metrics=[psnr,ssmi]", "Did you mean ssim?"),
        ("metrics=[my_metrics.Sharpness]", "metrics=my_metrics.Sharpness is not allowed: give psnr, "),
        ("metrics=[my_metrics.Sharpness]", "trusted=[my_metrics]."),
        (
            "metrics=[]",
            "metrics=[] is not allowed: give a list of psnr, ssim, psnr_y, ssim_y, ms_ssim, vif or mse, such as "
            "[psnr,ssim].",
        ),
        ("metrics=psnr", "metrics=psnr is not allowed: give a list of psnr, "),
        ("metrics=null", "metrics=null is not allowed: give a list of psnr, "),
        ("metrics=[1]", "metrics=[1] is not allowed: give a list of psnr, "),
        ("metrics=[psnr,psnr]", "metrics=[psnr,psnr] is not allowed: name each metric once."),
        ("loss=my_losses.Edges", "loss=my_losses.Edges is not allowed: give mse, l1, charbonnier or psnr."),
        ("loss=charbonier", "Did you mean charbonnier?"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_allowed(changed: Change, word: str, expected: str) -> None:
    assert expected in refusal(changed("", word))


@pytest.mark.parametrize("words", ["metrics=[vif]", "loss=mine.Edges metrics=[psnr,mine.Edges] trusted=[mine]"])
def test_known_names_and_trusted_modules_pass(changed: Change, words: str) -> None:
    config = changed("", *words.split())
    assert check(config).metrics == config["metrics"]


def test_a_monitor_has_to_be_measured(changed: Change) -> None:
    assert check(changed("scheduler=plateau")).scheduler.monitor == "val/mse"
    assert refusal(changed("scheduler=plateau", "metrics=[psnr,ssim]")) == (
        "scheduler.monitor=val/mse is not measured: give val/loss, val/psnr, val/gain or val/ssim, or add the metric "
        "to metrics=[psnr,ssim]."
    )
    check(changed("scheduler=plateau", "metrics=[ssim]", "scheduler.monitor=val/psnr"))
    assert refusal(changed("callbacks=early_stopping", "callbacks.early_stopping.monitor=val/vif")).startswith(
        "callbacks.early_stopping.monitor=val/vif is not measured: "
    )


def test_a_misspelt_metric_is_refused_without_torch() -> None:
    program = (
        "import sys; from deblur.train import main; from deblur.evaluate import main as evaluate\n"
        "codes = main(['metrics=[psnr,ssmi]']), main(['loss=hubr']), evaluate(['run=x', 'metrics=[ssmi]'])\n"
        "print(codes, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "(2, 2, 2) False"
    assert done.stderr.count("is not allowed: give") == 3
