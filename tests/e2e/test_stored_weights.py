"""What a run reports is what its checkpoint holds, whatever callbacks do to the weights meanwhile."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from workplaces import SMALL, Workplace

import deblur
from deblur import evaluate
from deblur.config import check
from deblur.config.schema import ComparisonGrids
from deblur.evaluation.opening import opened
from deblur.runs.records import read_config
from deblur.training.images import detailed_grid, restore_sample
from deblur.training.module import DeblurModule

AVERAGED = ("callbacks.ema.decay=0.9",)
CALLBACKS: dict[str, tuple[str, ...]] = {
    "none": ("callbacks=none",),
    "default": (),
    "averages": ("callbacks=[default,ema]", *AVERAGED),
    "averages first": ("callbacks=[ema,default]", *AVERAGED),
    "averages from the second epoch": (
        "callbacks=[default,ema]",
        *AVERAGED,
        "+callbacks.ema.update_starting_at_epoch=1",
    ),
    "no averages": (
        "callbacks=[default,early_stopping,lr_monitor]",
        "callbacks.early_stopping.patience=1",
        "+trainer.accumulate_grad_batches=2",
        "data.batch_size=8",
    ),
    "stochastic averages": (
        "+callbacks.swa._target_=lightning.pytorch.callbacks.StochasticWeightAveraging",
        "+callbacks.swa.swa_lrs=0.01",
        "+callbacks.swa.swa_epoch_start=1",
    ),
}


def evaluated(place: Workplace) -> dict[str, Any]:
    output = place.root / "evaluation"
    overrides = (
        f"run={place.run}",
        f"output={output}",
        "accelerator=cpu",
        "split=test",
        f"paths.cache_root={place.cache_root}",
    )
    assert evaluate.main(list(overrides)) == 0
    (boundary,) = json.loads((output / "metrics.json").read_text())["boundaries"].values()
    (means,) = boundary["restorers"].values()
    found: dict[str, Any] = means
    return found


@pytest.mark.parametrize("callbacks", [pytest.param(CALLBACKS[name], id=name) for name in CALLBACKS])
def test_an_evaluation_finds_what_the_run_reports(workplace: Workplace, callbacks: tuple[str, ...]) -> None:
    assert workplace.train(*SMALL, *callbacks) == 0
    found = evaluated(workplace)
    reported = workplace.read("metrics.json")["test"]
    assert {key: reported[key] for key in ("psnr", "ssim", "gain", "mse")} == {
        key: found[key] for key in ("psnr", "ssim", "gain", "mse")
    }


def test_grids_show_the_weights_that_are_stored(workplace: Workplace) -> None:
    assert workplace.train(*SMALL, "callbacks=[default,ema]", *AVERAGED, "model.dropout=0") == 0
    config = check(read_config(workplace.run), stored=True)
    asked = deblur.compose("evaluate", [f"run={workplace.run}", f"paths.cache_root={workplace.cache_root}"])
    data = opened(config.data, config.blur, asked)
    module = DeblurModule.load_from_checkpoint(workplace.run / "checkpoints" / "last.ckpt", map_location="cpu")
    grids = (config.callbacks or {})["comparison_grids"]
    assert isinstance(grids, ComparisonGrids)
    samples = data.evaluation_dataset(data.division.val[: grids.images])
    expected = detailed_grid([restore_sample(module, samples[index]) for index in range(len(samples))])
    *_, last = EventAccumulator(str(workplace.run)).Reload().Images("val/comparison")
    with Image.open(io.BytesIO(last.encoded_image_string)) as shown:
        np.testing.assert_array_equal(np.asarray(shown.convert("L")), expected)
