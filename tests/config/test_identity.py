import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_settings import CONFIG, changed

from deblur.config.identity import config_hash, config_without_paths, data_settings, flatten, what_matters


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths.output_root", "/elsewhere"),
        ("paths.cache_root", "/tmp/cache"),
        ("data.num_workers", 4),
        ("trainer.accelerator", "gpu"),
        ("trainer.devices", 1),
        ("trainer.log_every_n_steps", 1),
        ("callbacks.comparison_grids.images", 1),
        ("callbacks.comparison_grids._target_", "deblur.training.callbacks.ComparisonGrids"),
        ("callbacks.lr_monitor", {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}),
        ("logger", None),
        ("model.cpu_ops", "auto"),
        ("model.cpu_ops", "torch"),
        ("sweep", "grid"),
        ("resume", "outputs/x"),
        ("trusted", ["my_nets"]),
        ("weights", None),  # as runs of earlier versions, which lack the key
    ],
)
def test_the_hash_is_blind_to_what_cannot_change_the_result(key: str, value: object) -> None:
    assert config_hash(changed(key, value)) == config_hash(CONFIG)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", 0.002),
        ("optimizer.momentum", 0.9),
        ("model.kernel_sizes", [9, 5, 1]),
        ("model.name", "other"),
        ("data.root", "/other"),
        ("trainer.max_epochs", 21),
        ("trainer.devices", 2),
        ("trainer.devices", 3),
        ("trainer.num_nodes", 2),
        ("trainer.accumulate_grad_batches", 2),
        ("callbacks.comparison_grids._target_", "my_callbacks.Mine"),
        ("callbacks.lr_monitor", {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging"}),
        ("callbacks.ema", {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging"}),
        ("scheduler", {"_target_": "x"}),
        ("weights", "default"),
        ("weights", "/runs/a"),
        ("seed", 1),
    ],
)
def test_the_hash_sees_what_can_change_the_result(key: str, value: object) -> None:
    assert config_hash(changed(key, value)) != config_hash(CONFIG)


@given(st.permutations(list(CONFIG)), st.permutations(list(CONFIG["trainer"])))
def test_the_hash_is_blind_to_the_order_of_keys(order: list[str], inner: list[str]) -> None:
    shuffled = {key: CONFIG[key] for key in order}
    shuffled["trainer"] = {key: CONFIG["trainer"][key] for key in inner}
    assert config_hash(shuffled) == config_hash(CONFIG)


def test_a_family_that_earlier_mixtures_do_not_have_counts_only_if_it_is_drawn() -> None:
    families = {"box": {"weight": 1.0, "size": 3}}
    before = config_hash(changed("blur", {"name": "mixed", "families": families}))
    for added, is_drawn in (({"weight": 0.0, "extent": 9}, False), (None, False), ({"extent": 9}, True)):
        mixed = changed("blur", {"name": "mixed", "families": {**families, "varying": added}})
        assert (config_hash(mixed) != before) is is_drawn


def test_one_device_is_what_a_run_has_that_tells_of_none() -> None:
    without = copy.deepcopy(CONFIG)
    del without["trainer"]["devices"]
    assert config_hash(without) == config_hash(CONFIG)


@pytest.mark.parametrize("key", ["batch_size", "cache_memory", "max_bad_fraction", "max_val_images", "num_workers"])
def test_what_is_trained_and_validated_on_decides_no_test_images(key: str) -> None:
    assert data_settings(changed(f"data.{key}", 7)) == data_settings(CONFIG)
    assert data_settings(changed("data.max_test_images", 7)) != data_settings(CONFIG)


def test_images_of_runs_that_tell_no_color_are_gray() -> None:
    assert data_settings(changed("data.color", "gray")) == data_settings(CONFIG)
    assert data_settings(changed("data.color", "rgb")) == data_settings(CONFIG) | {"data.color": "rgb"}
    assert data_settings({}) == {}


def test_sections_are_flattened() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None, "f": {}}) == {"a.b.c": 1, "a.d": [2], "e": None}
    assert "paths.output_root" not in what_matters(CONFIG)
    assert what_matters(CONFIG)["optimizer.lr"] == 0.001
    assert config_without_paths({"root": "/faces", "path": "/kernel", "seed": 0}) == {"seed": 0}
