"""What a wrong key may mean: every key of the schema, by its last segment alone or misspelled."""

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur import evaluate, train
from deblur.config.keys import COMMANDS, candidates, did_you_mean, known_keys, options, top_keys

Refused = Callable[..., str]
Shown = pytest.CaptureFixture[str]
MAINS = {"evaluate": evaluate, "train": train}
LEAVES = [(command, key) for command in COMMANDS for key in sorted(known_keys(command))]


def last(key: str) -> str:
    return key.rpartition(".")[2]


def test_all_keys_of_a_training_are_known() -> None:
    known = known_keys("train")
    assert {"optimizer.lr", "model.kernel_sizes", "blur.sigma", "blur.families.box.size", "data.seed", "seed"} <= set(
        known
    )
    assert {"trainer.devices", "trainer.check_val_every_n_epoch", "model.blocks", "scheduler.T_max"} <= set(known)
    assert {"callbacks.comparison_grids.images", "callbacks.early_stopping.patience", "paths.cache_root"} <= set(known)
    assert not {"experiment.sweep", "debug.paths", "blur", "data"} & set(known)
    assert "optimizer.lr" not in known_keys("evaluate")
    assert {"blur.length", "data.root", "baseline"} <= set(known_keys("evaluate"))


@pytest.mark.parametrize(("command", "key"), LEAVES)
def test_the_last_segment_of_every_key_finds_it(command: str, key: str) -> None:
    found = candidates(last(key), command)
    if last(key) in known_keys(command):  # a key of the top level, such as seed, which is no mistake
        assert found == [last(key)]
        return
    assert set(found) == {other for other in known_keys(command) if last(other) == last(key)}
    assert found == sorted(found, key=lambda one: (one.count("."), one))
    assert all(one in did_you_mean(last(key), command, "1") for one in found)


@pytest.mark.parametrize(("command", "key"), LEAVES)
def test_every_key_is_found_in_another_case_and_with_hyphens(command: str, key: str) -> None:
    assert candidates(key.upper(), command)[0].lower() == key.lower()
    assert candidates(key.replace("_", "-"), command) == [key]


@given(
    st.sampled_from([key for key in known_keys("train") if len(last(key)) > 5 and last(key) not in ("_target_",)]),
    st.data(),
)
def test_a_slip_in_a_key_is_found(key: str, data: st.DataObject) -> None:
    """One letter left out, or two exchanged, of a key in its own section."""
    name = last(key)
    place = data.draw(st.integers(1, len(name) - 2))
    slip = data.draw(
        st.sampled_from(
            [name[:place] + name[place + 1 :], name[:place] + name[place + 1] + name[place] + name[place + 2 :]]
        )
    )
    section = key.rpartition(".")[0]
    wrong = f"{section}.{slip}" if section else slip
    if wrong not in known_keys("train"):
        (found,) = candidates(wrong, "train")[:1]
        likeness = [difflib.SequenceMatcher(None, wrong, one).ratio() for one in (found, key)]
        assert found == key or likeness[0] >= likeness[1]  # width is as near to widtsh as widths is


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "optimizer.lr=1"),
        ("max_epochs", "trainer.max_epochs=1"),
        ("epochs", "trainer.max_epochs=1"),
        ("sigma", "blur.sigma=1 (of blur=gaussian)"),
        ("batch_size", "data.batch_size=1"),
        ("batch", "data.batch_size=1"),
        ("kernel_size", "model.kernel_sizes"),
        ("learning_rate", "optimizer.lr=1"),
        ("workers", "data.num_workers=1"),
        ("model.lr", "optimizer.lr=1"),
        ("optimiser.lr", "optimizer.lr=1"),
        ("optimizer.learning_rate", "optimizer.lr=1"),
        ("trainer.epochs", "trainer.max_epochs=1"),
        ("blur.sizes", "blur.size=1 (of blur=box)"),
        ("data.patchsize", "data.patch_size=1"),
        ("Seed", "seed=1"),
        ("root", "data.root=1 (of data=folder or pairs)"),
        ("path", "blur.path=1 (of blur=kernel)"),
        ("families.box.size", "blur.families.box.size"),
        ("output", "paths.output_root=1"),
        ("patience", "scheduler.patience=1 (of scheduler=plateau) or callbacks.early_stopping.patience=1"),
    ],
)
def test_the_usual_slips(key: str, meant: str) -> None:
    assert f"Did you mean {meant}" in did_you_mean(key, "train", "1")


def test_nothing_is_made_up() -> None:
    assert did_you_mean("zzz", "train", "1") == ""
    assert did_you_mean("lr", "evaluate", "1") == ""


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("lr=1e-3", "lr is unknown: the keys at the top are "),
        ("modle=srcnn_915", "Did you mean model=srcnn_915?"),
        ("blurr=box", "Did you mean blur=box?"),
        ("lr=1e-3", "Did you mean optimizer.lr=1e-3?"),
        ("+lr=1e-3", "Did you mean optimizer.lr?"),
        ("model.kernel_size=9", "Did you mean model.kernel_sizes?"),
        ("model.kernel_size=[9,1]", "Did you mean model.kernel_sizes=[9,1]?"),
        (
            "trainer.check_val_every_n_epoch=2",
            "max_epochs, precision. For an argument of lightning.pytorch.Trainer wri",
        ),
        ("weight=2", "Did you mean blur.families.box.weight=2, blur.families.disk.weight=2, "),
        ("model=unet", "model=unet is not allowed: choose deeper_91115, "),
        ("blur=BOX", "Did you mean box?"),
        ("+optimizer.lr=3", "optimizer.lr exists already: write optimizer.lr=VALUE, without a plus sign."),
        ("+seed=3", "seed exists already: write seed=VALUE, without a plus sign."),
        ("~logger", "logger is missing: give a group: logger=NAME. logger=none is for none."),
        ("~blur", "blur is missing: give a group: blur=NAME. blur=none is for none."),
        (
            "data=faces/",
            "choose anime_faces, folder, pairs, photos, synthetic. Did you mean data=folder data.root=faces/?",
        ),
        ("data=/a/b", "data=/a/b is not allowed: choose "),
        ("data=~/faces", "Did you mean data=folder 'data.root=~/faces'?"),
        ("data=.", "Did you mean data=folder data.root=.?"),
        ("blur=k.npy", "Did you mean blur=kernel blur.path=k.npy?"),
        (
            "callbacks=[default,emma]",
            "callbacks=emma is not allowed: choose default, early_stopping, ema, lr_monitor, ",
        ),
        (
            "optimizer.lr=interval(1e-4,1e-3)",
            "interval(...) is a range without values, and a sweep needs values: list ",
        ),
    ],
)
def test_a_training_says_what_was_meant(explained: Refused, overrides: str, sentence: str) -> None:
    assert sentence in explained(*overrides.split())


@pytest.mark.parametrize(
    ("name", "overrides", "meant"),
    [
        ("train", "--model x", "--model is no flag: settings are written KEY=VALUE, without hyphens before them. Did"),
        ("train", "--epochs 3", "Did you mean trainer.max_epochs=3?"),
        ("train", "--lr=1e-3", "Did you mean optimizer.lr=1e-3?"),
        ("train", "-lr 1e-3", "Did you mean optimizer.lr=1e-3?"),
        ("train", "--batch-size 4 seed=1", "Did you mean data.batch_size=4?"),
        ("train", "--data.root faces", "Did you mean data.root=faces (of data=folder or pairs)?"),
        ("train", "--overwrite", "Did you mean overwrite=true?"),
        ("train", "--gpu", "Did you mean trainer=gpu?"),
        ("train", "--quick", "Did you mean experiment=quick?"),
        ("train", "--multi-run", "Did you mean --multirun?"),
        ("train", "--hepl", "Did you mean --help?"),
        ("train", "--zzz", "python -m deblur.train --help lists the keys."),
        ("train", "help", "Did you mean --help?"),
        ("train", "quick", "Did you mean experiment=quick?"),
        ("train", "motion", "Did you mean blur=motion?"),
        ("train", "optimizer.lr 3", "Did you mean optimizer.lr=3?"),
        ("train", "lr 3", "Did you mean optimizer.lr=3?"),
        ("train", "lr:3", "Did you mean optimizer.lr=3?"),
        ("train", "optimizer.lr= 3", "optimizer.lr= has a blank after its equals sign: write optimizer.lr=3."),
        ("train", "optimizer.lr = 3", "optimizer.lr is no setting: settings are written KEY=VALUE. Did you mean opti"),
        ("train", "model.widths=[64, 32]", "model.widths=[64, 32] has a blank in its list: write model.widths=[a,b] w"),
        ("train", "folder", "Did you mean data=folder data.root=folder?"),
        ("train", "run", "Did you mean resume=run?"),
        ("evaluate", "run", "Did you mean run=VALUE?"),
        ("evaluate", "outputs/runs/x", "Did you mean run=outputs/runs/x?"),
        ("evaluate", "--run outputs/runs/x", "Did you mean run=outputs/runs/x?"),
        ("evaluate", "baselines=[wiener]", "Did you mean baseline=[wiener]?"),
        ("evaluate", "lr=3", "lr is unknown: the keys at the top are "),
    ],
)  # fmt: skip
def test_each_command_says_what_was_meant(
    workplace: Path, capsys: Shown, name: str, overrides: str, meant: str
) -> None:
    (workplace / "folder").mkdir()
    (workplace / "a photo.jpg").touch()
    (workplace / "run").mkdir()
    (workplace / "run" / "config.yaml").touch()
    before = sorted(workplace.rglob("*"))
    assert MAINS[name].main(overrides.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert meant in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sorted(workplace.rglob("*")) == before


def test_every_option_of_a_group_is_meant_by_its_name(workplace: Path, capsys: Shown) -> None:  # noqa: ARG001
    for group in sorted(top_keys("train")):
        for choice in options(group):
            assert train.main([choice]) == 2
            assert f"{group}={choice}" in capsys.readouterr().err
