"""What a run's identity leaves out changes no bit of its result."""

from pathlib import Path
from typing import Any

import pytest
import torch
from workplaces import SMALL, Workplace

from deblur.config.identity import WITHOUT_EFFECT, is_within

pytestmark = pytest.mark.slow

FIXED = ("blur=box", "blur.noise_sigma=2")  # the blurred images are kept
DRAWN = ("blur=motion_random", "blur.noise_sigma=[0,4]", "callbacks=[default,ema]")  # and drawn again in each epoch
CHANGES = (
    "callbacks.comparison_grids.images=1",
    "callbacks.comparison_grids.every_n_epochs=1",
    "~callbacks.comparison_grids",
    "+callbacks.lr_monitor._target_=lightning.pytorch.callbacks.LearningRateMonitor",
    "data.cache_memory=0",
    "data.cache_memory=0.00001",
    "data.num_workers=2",
    "fail_fast=true",
    "logger=many_loggers",
    "logger=none",
    "model.cpu_ops=auto",
    "+logger.csv._target_=lightning.pytorch.loggers.CSVLogger",
    "overwrite=true",
    "paths.cache_root=elsewhere",
    "sweep=some",
    "trainer.accelerator=auto",
    "trainer.devices=1",
    "trainer.devices=auto",
    "trainer.log_every_n_steps=1",
    "trusted=[watchers]",
)


def result(place: Workplace) -> dict[str, Any]:
    """Return what a run leaves behind, but for times and places."""
    checkpoints = [torch.load(place.run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last")]
    rows = [{key: text for key, text in row.items() if key != "seconds"} for row in place.rows("history.csv")]
    return {
        "metrics": {key: place.read("metrics.json")[key] for key in ("test", "val", "model", "data")},
        "images": place.rows("images.csv"),
        "history": rows,
        "weights": [[weight.numpy().tobytes() for weight in one["state_dict"].values()] for one in checkpoints],
    }


@pytest.fixture(scope="module", params=[FIXED, DRAWN], ids=["fixed", "drawn"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache_root: Path
) -> tuple[tuple[str, ...], dict[str, Any]]:
    place = Workplace(tmp_path_factory.mktemp("trained"), cache_root)
    overrides = (*SMALL, *request.param)
    assert place.train(*overrides) == 0
    return overrides, result(place)


def test_every_key_is_tried() -> None:
    tried = {word.lstrip("+~").partition("=")[0] for word in CHANGES}
    left = [key for key in WITHOUT_EFFECT if not any(is_within(word, (key,)) for word in tried)]
    assert left == ["dry_run", "resume", "search"]  # which have tests of their own


@pytest.mark.exhaustive
@pytest.mark.parametrize("word", CHANGES)
def test_a_key_without_effect_changes_no_bit(
    trained: tuple[tuple[str, ...], dict[str, Any]],
    workplace: Workplace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
) -> None:
    if torch.cuda.is_available() and word == "trainer.accelerator=auto":
        pytest.skip("another device rounds otherwise")
    monkeypatch.chdir(tmp_path)
    overrides, expected = trained
    assert workplace.train(*overrides, word) == 0
    assert result(workplace) == expected
