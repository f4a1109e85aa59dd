"""Which values of the keys pass, and what is said of those that do not."""

from pathlib import Path

import pytest
from checking import Change, few, refusal
from hypothesis import given
from hypothesis import strategies as st

from deblur.config import check
from deblur.config.identity import config_hash
from deblur.errors import UserError

POSITIVE = "give a number above 0."
FROM_0 = "give a whole number from 0 up."
FROM_1 = "give a whole number from 1 up."
TRUTH = "give true or false."
ODD_LIST = "give a list of at least two odd whole numbers, such as [9,1,5]."
WIDTH_LIST = "give a list of positive whole numbers, one fewer than model.kernel_sizes, such as [64,32]."
SIZE = "give an odd whole number from 1 to 501 [px], or a pair [lo,hi] between which the odd numbers are drawn."
SIGMA = "give a number from 0.05 to 100 [px], or a pair [lo,hi] of them (lo <= hi)."
LENGTH = "give a number from 1 to 501 [px], or a pair [lo,hi] of them (lo <= hi)."
ANGLE = "give a number from -360 to 360 [degrees], or a pair [lo,hi] of them (lo <= hi)."
RADIUS = "give a number from 0.5 to 250 [px], or a pair [lo,hi] of them (lo <= hi)."
NOISE = "give a number from 0 to 255 [gray levels of 255], or a pair [lo,hi] of them (lo <= hi)."
QUALITY = "give a whole number from 1 to 100, a pair [lo,hi] of them (lo <= hi), or null."
SEED = "give a whole number from 0 to 4294967295."
FRACTION = "give a number from 0 to 1."
PIXELS = "give a whole number from 1 up [px], or null for whole images."
SWEEP = (
    "give a name of letters, digits, dots, underscores and hyphens, at most 100, that starts with a letter or digit, "
    "does not end with a dot and is no device of Windows (con, nul, com1 and the like), or null."
)
PRECISION = "give auto, 32-true, bf16-mixed or 16-mixed."
DEVICES = "give a whole number from 1 up, or auto."
MODULES = "give a list of module names, such as [my_nets]."

REFUSED = {
    ("model.kernel_sizes", ODD_LIST): "[8,1,5] [9,0,5] [9,-1,5] [9,1.0,5] [9,true,5] [9,a,5] [9] [] 9 null",
    ("model.widths", WIDTH_LIST): "[64,0] [64,-32] [64,32.5] [64,true] 64 wide null",
    ("model.widths", "does not fit model.kernel_sizes=[9,1,5]: give 2, one between each two layers."): "[64] [64,32,1]",
    ("model.residual", TRUTH): "1 0 yes null [true]",
    ("model.dropout", "give a number from 0 to below 1."): "1 1.0 -0.1 nan inf true half null",
    ("model.cpu_ops", "give auto or torch."): "mkldnn true null",
    ("model.name", "give a short name for tables and folders."): "3 [a]",
    (
        "blur.size",
        SIZE,
    ): "4 0 -1 503 7.0 true seven null nan [3] [3,5,7] [7,3] [4,4] [2.5,7] [true,7] [1,503] [[1,3],5]",
    ("blur.noise_sigma", NOISE): "-1 256 nan true null [2,1]",
    ("blur.jpeg_quality", QUALITY): "0 101 90.5 true low [90,50] [50] [50,90.0]",
    ("optimizer.lr", POSITIVE): "0 0.0 -1 abc nan inf -inf true [1] null",
    ("optimizer.weight_decay", "give a number from 0 up."): "-1 nan inf true",
    ("optimizer.last_layer_lr_scale", POSITIVE): "0 -0.1 nan true",
    ("optimizer._target_", "give the import path of a torch.optim class."): "3 null",
    ("data.seed", SEED): "-1 1.5 true 4294967296 null",
    ("data.max_bad_fraction", FRACTION): "-0.1 1.1 nan true",
    ("data.max_images", "give a whole number from 3 up: how many images are drawn."): "2 100.0 true null all",
    ("data.leaves", "give a number from 0 to 1: the share of dead leaves among them."): "-0.1 1.1 true null half nan",
    ("data.patch_size", PIXELS): "0 -64 64.0 true small",
    ("data.patches_per_image", FROM_1): "0 2.0 null",
    ("data.batch_size", FROM_1): "0 -4 true null",
    ("data.batch_size", "is no multiple of data.patches_per_image=4: a batch holds all patches of its images."): "15",
    ("data.flips", TRUTH): "1 no null",
    ("data.eval_crop", PIXELS): "0 1.5 true",
    ("data.eval_batch_size", FROM_1): "0 null",
    ("data.num_workers", FROM_0): "-1 1.5 true null",
    ("data.boundary", "give symmetric, valid or circular."): "mirror 1 null",
    ("data.cache_memory", "give a number from 0 up [GiB]."): "-1 nan inf true null much",
    ("trainer.max_epochs", FROM_1): "0 -1 1.5 true null",
    ("trainer.check_val_every_n_epoch", FROM_1): "0 -1 1.5 true null",
    ("trainer.precision", PRECISION): "bf16 32 null",
    ("trainer.accelerator", "give auto, cpu, gpu or mps."): "tpu 1",
    ("trainer.devices", DEVICES): "0 -1 many true 1.5 [0] null",
    ("trainer.deterministic", "give auto, true or false."): "warn 1 null",
    ("callbacks.comparison_grids.images", FROM_1): "0 true null",
    ("callbacks.comparison_grids.every_n_epochs", FROM_1): "0 0.5",
    ("callbacks.comparison_grids", "give a group with the import path of a class."): "3 on",
    ("callbacks", "give a group: callbacks=NAME."): "3 [a]",
    ("model", "give a group: model=NAME."): "3 null",
    ("paths", "give output_root and cache_root."): "x null",
    ("paths.output_root", "give a folder."): "null 3",
    ("paths.cache_root", "give a folder, or null for the user's cache folder."): "3 [a]",
    ("loss", "give mse, l1, charbonnier or psnr."): "huber 2 null MSE",
    ("seed", SEED): "-1 4294967296 0.5 true null zero",
    ("sweep", SWEEP): "a/b ../b .hidden -x 3 a@b [a]",
    ("resume", "give a run folder, or null."): "3 true",
    ("weights", "a run folder, a checkpoint, an exported .safetensors file, hf://USER/NAME, or null."): "3 true",
    ("trusted", MODULES): "my_nets [1] null",
}
REFUSED_IN = {
    "model=resnet": {
        ("model.blocks", FROM_0): "-1 1.5 true null",
        ("model.width", FROM_1): "0 -64 null",
        ("model.unshuffle", FROM_1): "0 2.0 null",
        ("model.end_kernel_size", "give an odd whole number from 1 up."): "4 -1 0 true null",
        ("model.cpu_ops", "give auto or torch."): "fast",
    },
    "blur=gaussian": {("blur.sigma", SIGMA): "0 0.049 100.1 -1 nan inf true wide null [] [1] [3,1] [1,nan] [1,true]"},
    "blur=motion": {
        ("blur.length", LENGTH): "0.5 502 true [15,5]",
        ("blur.angle", ANGLE): "361 -360.5 north [10,-10]",
    },
    "blur=disk": {("blur.radius", RADIUS): "0 0.4 250.5 true wide null [5,1] [1]"},
    "data=folder": {("data.max_images", "give a whole number from 3 up, or null for all images."): "2 true all"},
    "scheduler=cosine": {("scheduler._target_", "give the import path of a torch.optim.lr_scheduler class."): "3 null"},
}
TABLE = [
    pytest.param(choices, f"{key}={value}", allowed, id=f"{key}={value}")
    for choices, table in {"": REFUSED, **REFUSED_IN}.items()
    for (key, allowed), values in table.items()
    for value in values.split()
]


@pytest.mark.parametrize(("choices", "word", "allowed"), TABLE)
def test_a_wrong_value_is_refused_by_name_with_what_is_allowed(
    changed: Change, tmp_path: Path, choices: str, word: str, allowed: str
) -> None:
    config = changed(choices, word)
    if choices == "data=folder":
        config["data"]["root"] = str(tmp_path)
    sentence = refusal(config)
    assert sentence.startswith(f"{word} ")
    assert allowed in sentence


@pytest.mark.parametrize(
    "word",
    [
        "model.kernel_sizes=[9,5] model.widths=[64]",
        "model.kernel_sizes=[1,1,1,1] model.widths=[1,1,1]",
        "model.dropout=0",
        "model.cpu_ops=torch",
        "blur.size=1",
        "blur.size=[2,3]",
        "blur.size=[7,7]",
        "blur.size=[1,501]",
        "blur.noise_sigma=[0,2.5]",
        "blur.jpeg_quality=[10,10]",
        "data.patch_size=null data.batch_size=15",
        "data.num_workers=4",
        "trainer.deterministic=false",
        "callbacks.comparison_grids=null",
        "optimizer.betas=[0.9,0.99]",
        "trainer.gradient_clip_val=1.0",
        "trusted=[my_nets] model._target_=my_nets.Net",
    ],
)
def test_a_right_value_passes(changed: Change, word: str) -> None:
    check(changed("", *word.split()))


@pytest.mark.parametrize("choices", ["", "model=resnet"])
def test_a_stored_configuration_without_cpu_ops_is_that_of_the_same_run(changed: Change, choices: str) -> None:
    config = changed(choices)
    stored = {**config, "model": {key: value for key, value in config["model"].items() if key != "cpu_ops"}}
    assert config["model"]["cpu_ops"] == "auto"
    others = check(config), check(changed(choices, "model.cpu_ops=torch"))
    assert {config_hash(one.plain()) for one in (check(stored), *others)} == {config_hash(config)}


@pytest.mark.parametrize("name", ["a", "grid", "2024", "a.b-c_d", "A" * 100])
def test_a_sweep_name_passes(changed: Change, name: str) -> None:
    assert check(changed("", f"sweep='{name}'")).sweep == name


@pytest.mark.parametrize("name", ["a b", "", "a\n", "é", "a/"])
def test_a_sweep_name_that_no_folder_should_have_is_refused(changed: Change, name: str) -> None:
    config = changed("")
    config["sweep"] = name
    with pytest.raises(UserError) as caught:
        check(config)
    assert str(caught.value) == f"sweep={name} is not allowed: {SWEEP}"


IN_RANGE = [
    ("blur=gaussian", "blur.sigma", 0.05, 100.0),
    ("blur=motion", "blur.angle", -360.0, 360.0),
    ("", "blur.noise_sigma", 0.0, 255.0),
    ("", "optimizer.weight_decay", 0.0, float("inf")),
]


@pytest.mark.parametrize(("choices", "key", "low", "high"), IN_RANGE, ids=[key for _, key, _, _ in IN_RANGE])
def test_any_number_passes_exactly_if_it_is_in_range(
    changed: Change, choices: str, key: str, low: float, high: float
) -> None:
    config = changed(choices)
    group, _, name = key.partition(".")
    inside = st.floats(low, high, allow_infinity=False)

    @few
    @given(st.one_of(inside, st.floats(allow_nan=False, allow_infinity=False), st.integers(-600, 600)))
    def passes_in_range(value: float) -> None:
        config[group][name] = value
        if low <= value <= high:
            assert getattr(getattr(check(config), group), name) == value
        else:
            assert refusal(config).startswith(f"{key}={value} is not allowed: give a number from ")

    passes_in_range()


@few
@given(st.lists(st.integers(-3, 12), min_size=0, max_size=5), st.lists(st.integers(-1, 70), min_size=0, max_size=5))
def test_any_network_passes_exactly_if_its_layers_fit(changed: Change, sizes: list[int], widths: list[int]) -> None:
    config = changed("")
    config["model"] |= {"kernel_sizes": sizes, "widths": widths}
    fits = (
        len(sizes) >= 2
        and all(size > 0 and size % 2 for size in sizes)
        and all(width > 0 for width in widths)
        and len(widths) == len(sizes) - 1
    )
    if fits:
        check(config)
    else:
        assert refusal(config).startswith(("model.kernel_sizes=[", "model.widths=["))


@few
@given(st.integers(-5, 510), st.integers(-5, 510))
def test_any_pair_of_box_sizes_passes_exactly_if_an_odd_one_lies_between(changed: Change, low: int, high: int) -> None:
    config = changed("")
    config["blur"]["size"] = [low, high]
    if low >= 1 and high <= 501 and any(size % 2 for size in range(low, high + 1)):
        check(config)
    else:
        assert refusal(config).startswith(f"blur.size=[{low},{high}] is not allowed: ")
