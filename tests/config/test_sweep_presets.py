"""The presets that are sweeps, and the jobs that they and the words beside them come to."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from prepared import prepare_argv

from deblur.config import TrainConfig, schema
from deblur.models import SRCNN
from deblur.runs.paths import naming_overrides, run_id

Accepted = Callable[..., list[dict[str, Any]]]


def cells(configs: list[TrainConfig]) -> set[tuple[str, str, float, int]]:
    return {(config.model.name, config.blur.name, config.optimizer.lr, config.seed) for config in configs}


def network(config: TrainConfig) -> SRCNN:
    model = config.model
    assert isinstance(model, schema.SRCNN)
    return SRCNN(model.kernel_sizes, model.widths, residual=model.residual, dropout=model.dropout)


@pytest.mark.slow
def test_the_grid_is_the_studys(accepted: Accepted) -> None:
    configs = accepted("experiment=grid")
    models, blurs, rates = ("srcnn_915", "srcnn_9315", "srcnn_91115"), ("gaussian", "box", "motion"), (1e-4, 1e-3)
    assert len(configs) == 18
    assert cells(configs) == {(model, blur, rate, 0) for model in models for blur in blurs for rate in rates}
    assert {config.sweep for config in configs} == {"grid"}


@pytest.mark.parametrize(
    ("overrides", "jobs", "name"),
    [
        (("blur=box", "model=srcnn_915"), 2, "grid"),
        (("model=srcnn_915,srcnn_9315", "blur=box", "optimizer.lr=1e-3", "sweep=mine"), 2, "mine"),
        pytest.param(("seed=0,1,2",), 54, "grid", marks=pytest.mark.slow),
        pytest.param(("-m", "seed=0,1,2"), 54, "grid", marks=pytest.mark.slow),
        pytest.param(("loss=mse,l1",), 36, "grid", marks=pytest.mark.slow),
    ],
)
def test_overrides_change_the_grid(accepted: Accepted, overrides: tuple[str, ...], jobs: int, name: str) -> None:
    configs = accepted("experiment=grid", *overrides)
    assert len(configs) == jobs
    assert {config.sweep for config in configs} == {name}


@pytest.mark.slow
def test_a_narrowed_grid_has_the_runs_of_the_whole_one(accepted: Accepted) -> None:
    def ids(*overrides: str) -> set[str]:
        axes = {"model": "", "blur": "", "optimizer.lr": ""}
        named = naming_overrides(["experiment=grid", *overrides], axes)
        return {run_id(config, named) for config in accepted("experiment=grid", *overrides)}

    narrow = ids("blur=box", "optimizer.lr=1e-3")
    assert narrow < ids("blur=box")
    assert "srcnn_9315-box-lr_0.001-seed_0" in narrow


@pytest.mark.slow
def test_the_original_grid_trains_the_original_way(accepted: Accepted) -> None:
    configs = accepted("experiment=original_grid")
    assert len(cells(configs)) == len(configs) == 18
    assert {config.optimizer.lr for config in configs} == {1e-4, 5e-5}
    for config in configs:
        assert config.model.name.startswith("original_")
        assert config.sweep == "original_grid"
        data = config.data
        assert (data.patch_size, data.batch_size, data.flips) == (None, 1, False)
        assert config.trainer.max_epochs == 20


@pytest.mark.slow
def test_each_claim_changes_one_thing(accepted: Accepted) -> None:
    configs = accepted("experiment=claims")
    assert len(configs) == 24
    counts = Counter(config.model.name for config in configs)
    assert counts == dict.fromkeys(("srcnn_915", "deeper_91115", "larger_935"), 8)
    assert {config.optimizer.last_layer_lr_scale for config in configs} == {1, 0.1}
    assert {config.blur.name for config in configs} == {"box", "motion"}
    assert {config.seed for config in configs} == {0, 1}
    nets = {config.model.name: network(config) for config in configs}
    sizes = {name: sum(each.numel() for each in net.parameters()) for name, net in nets.items()}
    assert sizes == {"srcnn_915": 8129, "deeper_91115": 8173, "larger_935": 8173}
    fields = {name: net.receptive_field for name, net in nets.items()}
    assert fields == {"srcnn_915": 13, "deeper_91115": 13, "larger_935": 15}


@pytest.mark.parametrize(
    "word", ["overwrite=true", "fail_fast=true", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "logger=none"]
)
def test_how_a_sweep_is_run_does_not_name_it(word: str) -> None:
    assert prepare_argv(["-m", "seed=1,2", word])[-1] == prepare_argv(["-m", "seed=1,2"])[-1]


def test_a_preset_without_a_name_for_its_sweep_gets_one() -> None:
    assert prepare_argv(["-m", "experiment=quick", "seed=1,2"])[-1].startswith("sweep=sweep-")
    assert prepare_argv(["-m", "experiment=quick,grid", "seed=1,2"])[-1].startswith("sweep=sweep-")
    assert prepare_argv(["-m", "experiment=grid", "seed=1,2"])[-1] == "seed=1,2"


def test_a_sweep_is_no_value_of_an_axis(refused: Callable[..., str]) -> None:
    sentence = "experiment=grid is a sweep itself: give it alone, one command for each."
    assert sentence in refused("-m", "experiment=grid,original_grid", "sweep=both")


def test_a_launcher_that_is_not_there_is_a_sentence(refused: Callable[..., str]) -> None:
    assert refused("experiment=grid", "hydra.launcher.n_jobs=2") == (
        "hydra.launcher.n_jobs belongs to a launcher that is not chosen: add hydra/launcher=joblib, for one."
    )
