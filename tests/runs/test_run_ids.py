import copy
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from constructed import constructed
from hypothesis import given
from hypothesis import strategies as st

from deblur.runs.paths import LONGEST_RUN_ID, run_folder, run_id

CONFIG: dict[str, Any] = {
    "model": {"name": "srcnn_9315", "_target_": "deblur.models.SRCNN", "kernel_sizes": [9, 3, 1, 5], "dropout": 0.0},
    "blur": {"name": "box", "_target_": "deblur.blur.Box", "size": 7, "angle": 0, "jpeg_quality": None},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.001, "weight_decay": 0.0},
    "scheduler": None,
    "data": {"seed": 0, "patch_size": 64, "flips": True, "num_workers": 0},
    "trainer": {"max_epochs": 20, "precision": "auto", "devices": 1},
    "callbacks": {"comparison_grids": {"images": 4}},
    "logger": None,
    "paths": {"output_root": "outputs"},
    "loss": "mse",
    "seed": 0,
    "sweep": None,
}
keys = st.sampled_from(["blur.size", "data.patch_size", "model.kernel_sizes", "loss", "data.flips", "optimizer.extra"])
numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
values = (
    st.none()
    | st.booleans()
    | numbers
    | st.text(max_size=20)
    | st.sampled_from(["null", "true", "1", "1-3", "-1", "nan", "a-b", "a_b", "/a/b", "/c/b", "b", "b/", "é", "ü"])
    | st.lists(numbers | st.text("ab1-,", max_size=3), max_size=4)
)


def given_the_words(*overrides: str, **changes: Any) -> str:
    config = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        set_key(config, key.replace("__", "."), value)
    return run_id(constructed(config), overrides)


def set_key(config: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        config = config[section]
    config[last] = value


def id_with(key: str, value: object) -> str:
    config = copy.deepcopy(CONFIG)
    set_key(config, key, value)
    return run_id(constructed(config), [f"{key}=null" if value is None else f"{key}=its value is in the configuration"])


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("seed", 3, "-lr_0.001-seed_3"),
        ("optimizer.lr", 1e-4, "-lr_0.0001-seed_0"),
        ("optimizer.lr", 1.0, "-lr_1-seed_0"),
        ("optimizer.lr", 1e-5, "-lr_1e-05-seed_0"),
        ("optimizer.lr", 0.0012345678, "-lr_0.0012345678-seed_0"),
        ("optimizer.momentum", 0.9, "-momentum_0.9-seed_0"),
        ("model.kernel_sizes", [9, 5], "-kernel_sizes_9-5-seed_0"),
        ("blur.size", 9, "-size_9-seed_0"),
        ("blur.angle", -30, "-angle_-30-seed_0"),
        ("blur.angle", [-30, 30], "-angle_-30-30-seed_0"),
        ("blur.angle", [-30, -10], "-angle_-30--10-seed_0"),
        ("data.patch_size", None, "-patch_size_null-seed_0"),
        ("data.flips", False, "-flips_false-seed_0"),
        ("data.seed", 1, "-data.seed_1-seed_0"),
        ("loss", "l1", "-loss_l1-seed_0"),
        ("trainer.precision", "bf16-mixed", "-precision_bf16-mixed-seed_0"),
    ],
)
def test_a_changed_key_stands_in_the_name(key: str, value: object, part: str) -> None:
    name = id_with(key, value)
    assert name.startswith("srcnn_9315-box-lr_")
    assert name.endswith(part)


def test_a_name_is_readable() -> None:
    assert run_id(constructed(CONFIG), []) == "srcnn_9315-box-lr_0.001-seed_0"
    assert given_the_words(
        "seed=3", "+optimizer.momentum=0.9", "blur.size=9", seed=3, blur__size=9, optimizer__momentum=0.9
    ) == ("srcnn_9315-box-lr_0.001-size_9-momentum_0.9-seed_3")


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("experiment=quick", "-experiment_quick-"),
        ("debug=overfit", "-debug_overfit-"),
        ("scheduler=none", "-scheduler_none-"),
        ("optimizer=sgd", "-optimizer_sgd-"),
        ("~callbacks.mine", "-without_callbacks.mine-"),
    ],
)
def test_a_chosen_option_stands_there_by_its_name(word: str, part: str) -> None:
    assert part in given_the_words(word)


def test_network_and_blur_stand_first_by_the_chosen_option() -> None:
    assert given_the_words("model=mine", "blur=box").startswith("mine-box-lr_")
    unnamed = {"model": {"_target_": "my_nets.Net"}, "blur": {"_target_": "my_blurs.Shake"}}
    assert run_id(constructed(CONFIG | unnamed), ["experiment=mine"]).startswith("Net-Shake-lr_0.001-experiment_mine-")


def test_two_options_with_one_class_and_no_name_have_two_names() -> None:
    config = CONFIG | {"model": {"_target_": "my_nets.Net"}}
    assert run_id(constructed(config), ["model=small"]) != run_id(constructed(config), ["model=large"])


@pytest.mark.parametrize(
    "word",
    [
        "data.num_workers=4",
        "logger=none",
        "paths.output_root='/a b'",
        "resume=x",
        "sweep=grid",
        "trainer.accelerator=cpu",
        "trainer.devices=1",
        "+trainer.devices=1",
        "trainer.log_every_n_steps=5",
        "trusted=[my_nets]",
        "callbacks.comparison_grids.images=2",
        "~callbacks.comparison_grids",
        "+logger.csv._target_=x",
    ],
)
def test_keys_without_effect_are_left_out(word: str) -> None:
    assert given_the_words(word) == given_the_words()


def test_several_devices_stand_in_the_name() -> None:
    assert "-devices_2-" in given_the_words("trainer.devices=2", trainer__devices=2)
    assert "-devices_2-" in given_the_words("trainer.devices=auto", trainer__devices=2)
    assert given_the_words("trainer.devices=auto") == given_the_words()


@given(keys, values, values)
def test_different_values_have_different_names(key: str, one: object, other: object) -> None:
    if one != other or isinstance(one, bool) != isinstance(other, bool):
        assert id_with(key, one) != id_with(key, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 3], [1, -3]),
        ([-1, 3], [1, 3]),
        ([13], 13),
        ([1, 3], "1-3"),
        ([], ""),
        (1, True),
        (0, False),
        (1, "1"),
        (None, "null"),
        (0.1, 0.10000000000000002),
        ("/a/faces", "/b/faces"),
        ("a b", "a-b"),
        ("ä", "ö"),
        ([[1, 2], 3], [1, 2, 3]),
        (["a", "b"], "a-b"),
    ],
)
def test_values_that_look_alike_have_different_names(one: object, other: object) -> None:
    assert id_with("optimizer.extra", one) != id_with("optimizer.extra", other)


def test_equal_keys_of_two_groups_have_different_names() -> None:
    one = given_the_words("model.name=x", model__name="x")
    other = given_the_words("blur.name=x", blur__name="x", model__name="x")
    assert one.partition("-lr_")[2] != other.partition("-lr_")[2]


@given(st.dictionaries(keys, values, max_size=6), st.randoms(use_true_random=False))
def test_a_name_is_plain_short_and_free_of_order(changes: dict[str, object], random: Any) -> None:
    config = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        set_key(config, key, value)
    overrides = [f"{key}={value}" for key, value in changes.items()]
    shuffled = overrides[:]
    random.shuffle(shuffled)
    name = run_id(constructed(config), overrides)
    assert run_id(constructed(config), shuffled) == name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
    assert len(name) <= LONGEST_RUN_ID
    assert name.endswith("-seed_0")


def test_long_names_differ_in_their_hash_and_end_with_the_seed() -> None:
    names = {given_the_words("model.name=x", model__name="x" * 200, blur__angle=angle) for angle in range(3)}
    assert len(names) == 1
    names = {given_the_words("blur.angle=0", "loss=x", loss="x" * 200, blur__angle=angle) for angle in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {LONGEST_RUN_ID}
    assert all(name.endswith("-seed_0") for name in names)
    configs = [constructed(CONFIG | {"loss": "x" * 200, "seed": seed}) for seed in (0, 2**32 - 1)]
    assert len({run_id(config, ["loss=x", f"seed={config.seed}"]) for config in configs}) == 2


def test_a_value_that_is_given_twice_counts_once() -> None:
    assert given_the_words("blur.size=5", "blur.size=9", blur__size=9) == given_the_words("blur.size=9", blur__size=9)


def test_a_path_with_signs_of_omegaconf_is_no_interpolation() -> None:
    assert "-root_" in given_the_words("data.root='${x}'", data__root="/a/${x}")


@pytest.mark.parametrize("value", [math.inf, math.nan, 10**400, 1e20, "x" * 1000, "\n", "-", "."])
def test_an_odd_value_has_a_name(value: object) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", id_with("optimizer.extra", value))


def test_a_single_run_goes_to_a_folder_of_its_time(tmp_path: Path) -> None:
    folder = run_folder(constructed(CONFIG | {"paths": {"output_root": str(tmp_path)}}), ["seed=0"])
    assert folder.parent == tmp_path / "runs" / "srcnn_9315-box-lr_0.001-seed_0"
    assert abs((datetime.strptime(folder.name, "%Y-%m-%d_%H-%M-%S") - datetime.now()).total_seconds()) < 60
    assert not folder.exists()


def test_a_run_of_a_sweep_has_a_fixed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = run_folder(constructed(CONFIG | {"sweep": "grid"}), ["seed=0", "sweep=grid"])
    assert folder == tmp_path / "outputs" / "sweeps" / "grid" / "srcnn_9315-box-lr_0.001-seed_0"


@pytest.mark.parametrize("name", ["default", "cpu", "gpu"])
def test_the_device_is_no_part_of_the_name(name: str) -> None:
    assert given_the_words(f"trainer={name}") == given_the_words()
    assert given_the_words("trainer=mine") != given_the_words()
