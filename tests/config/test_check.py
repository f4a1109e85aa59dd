"""What a composed configuration has to have: its keys, its classes, its folders, and values that fit together."""

import pickle
from pathlib import Path

import pytest
from checking import Change, refusal

from deblur.config import check
from deblur.config.identity import config_hash, data_settings


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("model.kernel_size=[9,5]", "model.kernel_size is unknown: model has the keys "),
        (
            "blur.sizes=7",
            "blur.sizes is unknown: blur has the keys camera, jpeg_quality, noise_sigma, size. Did you mean blur.size?",
        ),
        ("data.patchsize=7", "Did you mean data.patch_size?"),
        ("paths.output=x", "paths.output is unknown: paths has the keys cache_root, output_root."),
        ("los=mse", "los is unknown: the top level has the keys blur, callbacks, "),
        ("los=mse", "Did you mean loss?"),
        ("callbacks.comparison_grids.number=3", "callbacks.comparison_grids has the keys every_n_epochs, images."),
    ],
)
def test_an_added_key_is_refused_where_all_keys_are_known(changed: Change, word: str, sentence: str) -> None:
    assert sentence in refusal(changed("", word))


@pytest.mark.parametrize("key", ["model", "loss", "seed", "model.widths", "data.flips", "blur.size", "optimizer.lr"])
def test_a_missing_key_is_named(changed: Change, key: str) -> None:
    config = changed("")
    *sections, last = key.split(".")
    node = config
    for section in sections:
        node = node[section]
    del node[last]
    assert refusal(config).startswith(f"{key} is missing: give ")


def test_a_value_that_was_never_given_is_missing(changed: Change) -> None:
    assert refusal(changed("data=folder")) == "data.root is missing: give a folder with images: data.root=DIR."


@pytest.mark.parametrize(
    ("name", "state"), [("absent", "does not exist"), ("file.png", "is a file"), ("x" * 300, "does not exist")]
)
def test_a_data_root_that_is_no_folder_is_refused(changed: Change, tmp_path: Path, name: str, state: str) -> None:
    (tmp_path / "file.png").touch()
    config = changed("data=folder")
    config["data"]["root"] = str(tmp_path / name)
    assert refusal(config) == f"data.root={tmp_path / name} {state}: give a folder with images."


def test_an_empty_data_root_is_not_the_working_directory(changed: Change) -> None:
    assert refusal(changed("data=folder", "data.root=")).startswith("data.root= is not allowed: give a folder")


def test_the_data_root_is_made_absolute(changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    assert check(changed("data=folder", "data.root=faces")).data.root == str(tmp_path / "faces")


def test_an_unknown_interpolation_is_named(changed: Change) -> None:
    assert refusal(changed("", "model.name='${nowhere}'")) == (
        "model.name cannot be resolved: Interpolation key 'nowhere' not found."
    )


def test_an_interpolation_is_resolved(changed: Change) -> None:
    assert check(changed("scheduler=cosine", "trainer.max_epochs=7")).scheduler.T_max == 7


def test_what_is_checked_stays_as_it_was(changed: Change) -> None:
    config = changed("", "optimizer.lr=1", "blur.size=[3,9]", "model.channels=1")
    checked = check(config)
    assert config["blur"].pop("camera") is None  # which runs of before do not have
    assert checked.plain() == config
    assert checked.blur.size == [3, 9]
    assert type(checked.optimizer.lr) is int
    assert config_hash(checked.plain()) == config_hash(config)


@pytest.mark.parametrize(("color", "channels"), [("gray", 1), ("rgb", 3)])
@pytest.mark.parametrize("model", ["srcnn_9315", "resnet", "unrolled"])
def test_the_channels_of_a_network_follow_the_color(changed: Change, model: str, color: str, channels: int) -> None:
    checked = check(changed(f"model={model}", f"data.color={color}"))
    assert checked.model.channels == channels
    assert check(checked.plain()).model.channels == channels


def test_other_channels_than_those_of_the_images_are_refused(changed: Change) -> None:
    assert refusal(changed("", "model.channels=3")) == (
        "model.channels=3 does not fit data.color=gray: leave out model.channels, which is 1 then."
    )
    assert refusal(changed("", "model.channels=2")).startswith(
        "model.channels=2 is not allowed: give 1 with data.color"
    )
    assert refusal(changed("", "data.color=gry")) == (
        "data.color=gry is not allowed: give gray or rgb. Did you mean gray?"
    )


def test_gray_runs_keep_the_hash_that_they_had_before_there_was_color(changed: Change) -> None:
    config = check(changed("")).plain()
    before = {**config, "model": dict(config["model"]), "data": dict(config["data"])}
    del before["model"]["channels"], before["data"]["color"]
    assert config_hash(before) == config_hash(config)
    assert config_hash(check(changed("", "data.color=rgb")).plain()) != config_hash(config)
    assert data_settings(before) == data_settings(config)


def test_several_devices_are_no_matter_of_a_sweep(changed: Change) -> None:
    assert check(changed("", "trainer.devices=2")).trainer.devices == 2
    sentence = refusal(changed("", "trainer.devices=2", "sweep=grid"))
    assert sentence.startswith("trainer.devices=2 is not allowed in a sweep: its runs take one device each, ")


@pytest.mark.parametrize(("every", "instead"), [(21, 21), (3, 21), (8, 24)])
def test_the_last_epoch_has_to_be_validated(changed: Change, every: int, instead: int) -> None:
    sentence = refusal(changed("", f"trainer.check_val_every_n_epoch={every}"))
    assert sentence == (
        f"trainer.max_epochs=20 is no multiple of trainer.check_val_every_n_epoch={every}: the last epoch would not be "
        f"validated. Give {instead} epochs."
    )


def test_a_fused_optimizer_is_not_clipped_where_gradients_are_scaled(changed: Change) -> None:
    overrides = ["+trainer.gradient_clip_val=1", "trainer.precision=16-mixed"]
    assert refusal(changed("", *overrides)).startswith(
        "trainer.gradient_clip_val=1 at trainer.precision=16-mixed needs optimizer.fused=false: "
    )
    for other in ("optimizer.fused=false", "trainer.precision=bf16-mixed"):
        check(changed("", *overrides, other))


@pytest.mark.parametrize(
    "word",
    [
        "model._target_=os.system",
        "blur._target_=deblurring.blur.Box",
        "scheduler._target_=builtins.eval",
        "optimizer._target_=torch.hub.load",
        "logger.tensorboard._target_=subprocess.Popen",
        "callbacks.mine._target_=my_nets_evil.Callback",
        "trainer._target_=lightning.fabric.Fabric",
    ],
)
def test_a_class_from_elsewhere_is_refused_by_its_name(changed: Change, word: str) -> None:
    sentence = refusal(changed("scheduler=cosine", word, "trusted=[my_nets]"))
    assert sentence.startswith(f"{word} is not allowed: give a class that is defined in deblur, torch.nn, ")
    assert "my_nets, or name the module of your own class with trusted=[" in sentence


@pytest.mark.parametrize("target", ["null", "3", "[a]"])
def test_a_group_without_a_class_is_refused(changed: Change, target: str) -> None:
    sentence = f"model._target_={target} is not allowed: give the import path of a class."
    assert refusal(changed("", f"model._target_={target}")) == sentence


def test_a_custom_data_set_takes_any_key_besides_those_that_all_share(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_data.py").write_text("class Data:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = ("", "data._target_=my_own_data.Data", "trusted=[my_own_data]")
    assert check(changed(*own, "data.root=null", "+data.depth=[deep]")).data.arguments()["depth"] == ["deep"]
    sentence = "data.batch_size=many is not allowed: give a whole number from 1 up."
    assert refusal(changed(*own, "data.batch_size=many")) == sentence


@pytest.mark.parametrize("key", ["optimizer.lr", "paths.output_root", "model.dropout", "sweep"])
def test_what_a_file_leaves_to_the_user_is_missing(changed: Change, key: str) -> None:
    config = changed("")
    *sections, last = key.split(".")
    (config[sections[0]] if sections else config)[last] = "???"
    assert refusal(config).startswith(f"{key} is missing: give ")


@pytest.mark.parametrize("blur", ["gaussian", "mixed", "trajectory"])
def test_a_configuration_can_be_compared_pickled_and_changed(changed: Change, blur: str) -> None:
    first, second = (check(changed(f"blur={blur}")) for _ in range(2))
    assert first == second
    copied = pickle.loads(pickle.dumps(first))
    assert copied == first
    copied.optimizer.lr = 0.5
    assert copied != first


def test_a_path_argument_may_be_called_target(changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "data_of_targets.py"
    module.write_text(
        "from pathlib import Path\nclass Data:\n    def __init__(self, root: str, target: Path, name_of: str): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    own = "data._target_=data_of_targets.Data", "+data.root=a", "+data.target=b", "+data.name_of=c"
    data = check(changed("", *own, "trusted=[data_of_targets]")).data
    assert data.target == "data_of_targets.Data"
    found = {key: data.arguments()[key] for key in ("root", "target", "name_of")}
    assert found == {"root": str(tmp_path / "a"), "target": str(tmp_path / "b"), "name_of": "c"}
