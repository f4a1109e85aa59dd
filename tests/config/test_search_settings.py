"""The section `search`: its ranges and rungs, checked before anything is imported or trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deblur.config.check import check
from deblur.config.search import Search, leaves
from deblur.errors import UserError

Accepted = Callable[..., list[Any]]
Change = Callable[..., dict[str, Any]]

LR = {"optimizer": {"lr": {"log": [1e-4, 1e-2]}}}


def settings(**changes: Any) -> dict[str, Any]:
    return {"trials": 4, "first_rung": 2, "eta": 2, "seed": 0, "space": LR} | changes


def refusal(changed: Change, *overrides: str, **changes: Any) -> str:
    config = changed("", "sweep=some", "trainer.max_epochs=8", *overrides)
    with pytest.raises(UserError) as caught:
        check(config | {"search": settings(**changes)})
    return str(caught.value)


def test_the_preset_is_accepted(accepted: Accepted) -> None:
    (config,) = accepted("experiment=search", "+search.space.model.dropout.linear=[0,0.3]", "search.trials=3")
    assert config.search.trials == 3
    ranges = {key: (one.kind, one.values) for key, one in config.search.ranges.items()}
    assert ranges == {
        "optimizer.lr": ("log", [1e-4, 1e-2]),
        "model": ("choice", ["srcnn_915", "srcnn_9315", "srcnn_91115"]),
        "model.dropout": ("linear", [0, 0.3]),
        "data.batch_size": ("choice", [8, 16, 32]),
    }
    assert config.search.rungs(config.trainer.max_epochs) == (2, 6, 20)


def test_keys_of_a_space_are_nested_or_dotted() -> None:
    assert list(leaves(LR)) == list(leaves({"optimizer.lr": {"log": [1e-4, 1e-2]}}))


@pytest.mark.parametrize(
    ("first", "eta", "epochs", "rungs"),
    [(2, 2, 8, (2, 4, 8)), (2, 3, 20, (2, 6, 20)), (8, 2, 8, (8,)), (4, 2, 8, (4, 8)), (1, 4, 5, (1, 5))],
)
def test_the_last_rung_is_the_full_length(first: int, eta: int, epochs: int, rungs: tuple[int, ...]) -> None:
    assert Search.model_validate(settings(first_rung=first, eta=eta)).rungs(epochs) == rungs


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trials": 0}, "search.trials=0 is not allowed: give a whole number from 1 up."),
        ({"eta": 1}, "search.eta=1 is not allowed: give a whole number from 2 up."),
        ({"seed": "a"}, "search.seed=a is not allowed: give a whole number from 0 to 4294967295."),
        ({"etta": 3}, "search.etta is unknown: search has the keys eta, first_rung, seed, space, trials. Did you mean"),
        (
            {"first_rung": 5},
            "search.first_rung=5 with search.eta=2 does not fit trainer.max_epochs=8: give at most 4, ",
        ),
        ({"space": {}}, "search.space is empty: give ranges of keys"),
        ({"space": {"optimizer": 3}}, "search.space.optimizer=3 is no range: give search.space.optimizer.log="),
        ({"space": {"loss": {"choic": ["a", "b"]}}}, "no range. Did you mean search.space.loss.choice?"),
        ({"space": {"loss": {"choice": ["l1"]}}}, "search.space.loss.choice=[l1] is not allowed: give a list of at "),
        ({"space": {"loss": {"choice": ["l1", "l1"]}}}, "search.space.loss.choice=[l1,l1] is not allowed"),
        (
            {"space": {"optimizer": {"lr": {"log": [0, 1]}}}},
            "search.space.optimizer.lr.log=[0,1] is not allowed: give two numbers above 0, the smaller one first",
        ),
        ({"space": {"optimizer.lr": {"log": [1e-2, 1e-4]}}}, "search.space.optimizer.lr.log=[0.01,0.0001] is not"),
        ({"space": {"optimizer.lr": {"log": [1e-2]}}}, "search.space.optimizer.lr.log=[0.01] is not allowed"),
        ({"space": {"optimizer.lr": {"log": [1, 2], "linear": [1, 2]}}}, "has the ranges log and linear: give one"),
        (
            {"space": {"model.width": {"int": [1, 2.5]}}},
            "search.space.model.width.int=[1,2.5] is not allowed: give two",
        ),
        ({"space": {"blur.size": {"int": [3, 9]}}}, "search.space.blur.size is not allowed: all trials have the same"),
        ({"space": {"data.seed": {"int": [3, 9]}}}, "search.space.data.seed is not allowed"),
        ({"space": {"trainer.max_epochs": {"int": [3, 9]}}}, "search.space.trainer.max_epochs is not allowed"),
        ({"space": {"seed": {"int": [3, 9]}}}, "search.space.seed is not allowed"),
    ],
)
def test_wrong_settings_are_sentences(changed: Change, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(changed, **changes)


def test_a_search_is_chosen_before_it_is_changed(explained: Callable[..., str]) -> None:
    assert explained("search.trials=3") == "search.trials is unknown: search has no keys without experiment=search."


def test_rungs_are_validated(changed: Change) -> None:
    sentence = refusal(changed, "trainer.check_val_every_n_epoch=4")
    assert sentence.startswith("search.first_rung=2 is no multiple of trainer.check_val_every_n_epoch=4: ")


def test_a_search_has_a_name_and_is_no_sweep(refused: Callable[..., str]) -> None:
    assert "give one with sweep=NAME" in refused("experiment=search", "sweep=null")
    assert "A search is a sweep itself: leave out -m" in refused("-m", "experiment=search", "seed=0,1")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("+search.space.optimizer.lrr.log=[1e-4,1e-2]", "optimizer.lrr is unknown: optimizer has the keys "),
        (
            "+search.space.model.dropout.linear=[0,2]",
            "model.dropout=2 is not allowed: give a number from 0 to below 1.",
        ),
        ("search.space.model.choice=[srcnn_915,srcnn_916]", "srcnn_9535, unrolled. Did you mean srcnn_915?"),
    ],
)
def test_the_ends_of_all_ranges_are_tried_before_the_first_trial(
    refused: Callable[..., str], override: str, sentence: str
) -> None:
    shown = refused("experiment=search", override)
    assert shown.startswith("The job optimizer.lr=0.0001 ")
    assert sentence in shown


@pytest.mark.parametrize("preset", [("experiment=search",), ("-m", "optimizer.lr=1e-3,1e-2", "sweep=two")])
def test_a_folder_that_cannot_be_written_is_a_sentence(
    refused: Callable[..., str], workplace: Path, preset: tuple[str, ...]
) -> None:
    (workplace / "file").touch()
    shown = refused(*preset, f"paths.output_root={workplace / 'file'}")
    assert f"{workplace / 'file' / 'sweeps'}" in shown
    assert "cannot be written (Not a directory)" in shown


def test_a_key_that_the_command_sets_is_not_searched(refused: Callable[..., str]) -> None:
    fixed = ("optimizer.lr=1e-3", "model=srcnn_915", "data.batch_size=8")
    assert "so that there is nothing left to search" in refused("experiment=search", *fixed)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("data.fold=0",), "data.fold=0 needs the number of folds: add data.folds=5, for one, or leave out data.fold."),
        (("data.folds=3",), "data.folds=3 needs the fold to test on: data.fold=0 takes one, and -m data.fold=0,1,2 "),
        (
            ("data.folds=3", "data.fold=3"),
            "data.fold=3 is not allowed with data.folds=3: give a whole number from 0 to",
        ),
        (("data.folds=1", "data.fold=0"), "data.folds=1 is not allowed: give a whole number from 2 up, or null"),
    ],
)
def test_a_fold_is_one_of_the_folds(explained: Callable[..., str], overrides: tuple[str, ...], sentence: str) -> None:
    assert sentence in explained(*overrides)
