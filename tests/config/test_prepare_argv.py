import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from prepared import prepare_argv

from deblur.config.command_line import PATH_KEYS
from deblur.config.identity import flatten

Accepted = Callable[..., list[dict[str, Any]]]

NASTY = [
    "faces",
    "/a b/c",
    "my faces (2)/[old]",
    "a,b",
    "lr=1,seed=2",
    "it's",
    '"quoted" inside',
    "'",
    '"',
    "\\",
    "C:\\faces\\",
    "a\\'b",
    "a\\\\'",
    "${x}",
    "${nowhere.x}/${y:z}",
    "a\\${x}",
    "\\\\${x}\\",
    "a'${x}",
    "$HOME {1..3} #4 & ; | * ?",
    "größe/日本語/🙂",
    "-dash",
    "+plus",
    "1e-3",
    "true",
    "Null",
    " ",
    " leading and trailing ",
    "tab\there",
    "line\nbreak",
    "x:y@z",
    "a=b=c",
]
paths = st.text(min_size=1, max_size=30) | st.text("\\'\"${}~ ,=[]()#a/", min_size=1, max_size=12)


def means_itself(path: str) -> bool:
    """Tell whether a value is neither quoted for Hydra already, nor one of its signs, nor the home folder."""
    is_quoted = len(path) >= 2 and path[0] == path[-1] and path[0] in "'\""
    return not is_quoted and path not in ("null", "???") and not path.startswith("~")


def arriving(*overrides: str) -> DictConfig:
    """Return a configuration of nothing but path keys with the words applied to it by Hydra."""
    folder = Path(__file__).parent / "path_keys"
    with initialize_config_dir(str(folder), version_base="1.3"):
        return compose("all", prepare_argv(overrides))


def test_the_tests_know_every_path_key() -> None:
    config = arriving()
    assert {key for key, _ in flatten(OmegaConf.to_container(config)).items()} == PATH_KEYS


@pytest.mark.parametrize("first", range(0, len(NASTY), len(PATH_KEYS)))
def test_a_nasty_path_arrives_as_it_is(first: int) -> None:
    given_paths = dict(zip(sorted(PATH_KEYS), NASTY[first:], strict=False))
    config = arriving(*(f"{key}={path}" for key, path in given_paths.items()))
    assert {key: OmegaConf.select(config, key) for key in given_paths} == given_paths


@given(paths.filter(means_itself))
def test_any_path_arrives_as_it_is(path: str) -> None:
    (override,) = OverridesParser.create().parse_overrides(prepare_argv([f"data.root={path}"]))
    assert OmegaConf.create({"root": override.value()}).root == path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "HOME"),
        ("~/faces", "HOME/faces"),
        ("~/my faces/", "HOME/my faces/"),
        ("~/${x}", "HOME/${x}"),
        ("~nobody_of_this_name/x", "~nobody_of_this_name/x"),
        ("a/~/b", "a/~/b"),
        ("./~", "./~"),
    ],
)
def test_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch, written: str, meant: str) -> None:
    monkeypatch.setenv("HOME", "/home/a user's")
    assert arriving(f"data.root={written}").data.root == meant.replace("HOME", os.environ["HOME"])


@pytest.mark.parametrize("value", ["'a b'", '"a b"', "'a','b'", "''"])
def test_what_stands_in_quotes_is_left_to_hydra(value: str) -> None:
    assert prepare_argv([f"data.root={value}"]) == [f"data.root={value}"]


def test_null_stays_null_and_nothing_is_an_empty_text() -> None:
    assert prepare_argv(["data.root=null", "resume=null"]) == ["data.root=null", "resume=null"]
    config = arriving("data.root=null", "resume=")
    assert (config.data.root, config.resume) == (None, "")


@pytest.mark.parametrize("key", sorted(PATH_KEYS))
@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_every_path_key_is_quoted(key: str, sign: str) -> None:
    assert prepare_argv([f"{sign}{key}=a b"]) == [f"{sign}{key}='a b'"]


@pytest.mark.parametrize(
    "word", ["blur.size=[1,3]", "model.name=a b", "data=folder", "--help", "~data.root", "runs=a b", "~"]
)
def test_other_overrides_are_left_alone(word: str) -> None:
    assert prepare_argv([word]) == [word]


@pytest.mark.parametrize(
    ("override", "prepared"),
    [
        ("+data.file=my folder/x, [y].npy", "+data.file='my folder/x, [y].npy'"),
        ("data.file=~/x.npy", "data.file='HOME/x.npy'"),
        ("+data.file=a/b.npy", "+data.file=a/b.npy"),
        ("+data.levels=[1,2]", "+data.levels=[1,2]"),
        ("+data.file='a b'", "+data.file='a b'"),
        ("data.patch_size=[1", "data.patch_size=[1"),
    ],
)
def test_a_value_of_a_custom_data_set_is_quoted_if_hydra_refuses_it(
    monkeypatch: pytest.MonkeyPatch, override: str, prepared: str
) -> None:
    monkeypatch.setenv("HOME", "/home/a user")
    assert prepare_argv([override]) == [prepared.replace("HOME", os.environ["HOME"])]


@pytest.mark.parametrize("name", ["2024", "1e3", "true", "a,b", "a"])
def test_a_sweep_name_is_a_text(name: str) -> None:
    assert prepare_argv([f"sweep={name}"]) == [f"sweep='{name}'"]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
@pytest.mark.parametrize("place", range(4))
def test_the_sweep_flag_may_stand_anywhere(flag: str, place: int) -> None:
    overrides = ["seed=1,2", "blur=box", "sweep=a"]
    overrides.insert(place, flag)
    assert prepare_argv(overrides) == ["--multirun", "seed=1,2", "blur=box", "sweep='a'"]


def test_a_sweep_without_a_name_is_named_by_its_overrides_in_any_order() -> None:
    overrides = ["seed=1,2", "blur=gaussian,box", "model.widths=[8,4]", "optimizer.lr=1e-3", "-m"]
    names = set()
    for attempt in range(20):
        random.Random(attempt).shuffle(overrides)
        names |= {word for word in prepare_argv(overrides) if word.startswith("sweep=")}
    (name,) = names
    assert name.startswith("sweep=sweep-")
    assert prepare_argv([*overrides, "seed=3"])[-1] != name
    assert prepare_argv(["-m", "seed=1"])[-1] != prepare_argv(["-m", "seed=2"])[-1]


@pytest.mark.parametrize("word", ["sweep=grid", "+sweep=grid", "++sweep=grid", "sweep=null"])
def test_a_sweep_with_a_name_keeps_it(word: str) -> None:
    assert len(prepare_argv(["-m", word, "seed=1,2"])) == 3


def test_a_single_run_gets_no_sweep_name() -> None:
    assert prepare_argv(["seed=1"]) == ["seed=1"]


def test_a_path_arrives_in_every_job_of_a_sweep(accepted: Accepted, workplace: Path) -> None:
    name = "it's, [so] = größe, a\\${x}'\\"
    (workplace / name).mkdir()
    overrides = ["data=folder", f"data.root={name}", f"paths.output_root=out {name}", "seed=1,2", "-m"]
    configs = accepted(*overrides)
    assert [config.seed for config in configs] == [1, 2]
    assert {config.data.root for config in configs} == {str(workplace / name)}
    assert {config.paths.output_root for config in configs} == {f"out {name}"}
    assert {config.sweep for config in configs} == {prepare_argv(overrides)[-1].partition("=")[2]}
    assert (workplace / f"out {name}" / "sweeps").is_dir()


@pytest.mark.parametrize(
    ("override", "prepared"),
    [
        ("weights=default", "weights='default'"),
        ("weights=default,motion", "weights='default','motion'"),
        ("weights=null,mixed", "weights=null,'mixed'"),
        ("weights=a b/c,runs/(2)", "weights='a b/c','runs/(2)'"),
        ("weights=null", "weights=null"),
    ],
)
def test_several_networks_are_several_values(override: str, prepared: str) -> None:
    assert prepare_argv([override]) == [prepared]
    assert prepare_argv([prepared]) == [prepared]


def test_a_network_whose_name_has_a_comma_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b").mkdir()
    assert prepare_argv(["weights=a,b"]) == ["weights='a,b'"]
