"""Arguments of a user's class, of which no schema is known."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from checking import Change

from deblur import train
from deblur.config import check
from deblur.config.keys import options
from deblur.config.signatures import refuse_unfit_arguments
from deblur.errors import UserError

NET = """
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(
        self, depth: int, widths: Sequence[int] = (4,), pair: tuple[float, float] = (0, 1),
        kind: Literal["a", "b"] = "a", file: Path | None = None, start: torch.Tensor | None = None, loose=None,
        later: "Unknown | None" = None,
    ) -> None:
        super().__init__()

class Known(nn.Module):
    def __init__(
        self, depth: int, widths: Sequence[int] = (4,), pair: tuple[float, float] = (0, 1),
        kind: Literal["a", "b"] = "a", file: Path | None = None, start: torch.Tensor | None = None, loose=None,
        size: int = None, taps: int = np.ones(3), flag: bool = True,
    ) -> None:
        super().__init__()

class Open(nn.Module):
    def __init__(self, depth: int = 1, **more: int) -> None:
        super().__init__()
"""
NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"nets_of_signatures_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def refusal(changed: Change, model: dict[str, Any], *overrides: str) -> str | None:
    config = changed("", *overrides)
    config["model"] = model
    config["trusted"] = [model["_target_"].partition(".")[0]]
    try:
        refuse_unfit_arguments(check(config))
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "arguments",
    [
        {"depth": 3},
        {"depth": 3, "widths": [1, 2], "pair": [0, 0.5], "kind": "b", "file": "a b.pt", "loose": {"any": [1]}},
        {"depth": 3, "file": None, "start": None, "compile": True, "name": "mine"},
        {"depth": 3, "file": "not unicode \udcff"},
        {"depth": 3, "channels": None},  # of our groups; 1 for gray images
    ],
)
def test_what_fits_the_annotations_passes(changed: Change, module: str, arguments: dict[str, Any]) -> None:
    assert refusal(changed, {"_target_": f"{module}.Known", **arguments}) is None


def test_color_needs_the_argument_channels(changed: Change, module: str) -> None:
    model = {"_target_": f"{module}.Known", "depth": 3, "channels": None}
    said = refusal(changed, model, "data.color=rgb")
    assert said is not None
    assert said.startswith(f"model.channels is unknown: {module}.Known takes depth, widths")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"depth": "deep"}, "model.depth=deep is not allowed: NET.Known declares depth: int."),
        ({"depth": 2.5}, "model.depth=2.5 is not allowed: NET.Known declares depth: int."),
        ({"depth": True}, "model.depth=true is not allowed: NET.Known declares depth: int."),
        ({"depth": 1, "widths": 3}, "model.widths=3 is not allowed: NET.Known declares widths: "),
        ({"depth": 1, "widths": ["a"]}, "model.widths=[a] is not allowed"),
        ({"depth": 1, "pair": [1]}, "model.pair=[1] is not allowed: NET.Known declares pair: tuple[float, float]."),
        ({"depth": 1, "kind": "c"}, "model.kind=c is not allowed"),
        ({"depth": 1, "file": 3}, "model.file=3 is not allowed"),
        ({}, "model.depth is missing: NET.Known needs it. Give it with +model.depth=VALUE."),
        (
            {"depth": 1, "width": [3]},
            "model.width is unknown: NET.Known takes depth, widths, pair, kind, file, start, loose, size, "
            "taps, flag. "
            "Did you mean model.widths?",
        ),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    changed: Change, module: str, arguments: dict[str, Any], sentence: str
) -> None:
    found = refusal(changed, {"_target_": f"{module}.Known", **arguments})
    assert found is not None
    assert found.replace(module, "NET").startswith(sentence)


def test_an_annotation_that_cannot_be_resolved_checks_nothing_but_the_names(changed: Change, module: str) -> None:
    assert refusal(changed, {"_target_": f"{module}.Net", "depth": "deep"}) is None
    assert "model.dept is unknown" in str(refusal(changed, {"_target_": f"{module}.Net", "depth": 1, "dept": 2}))


def test_a_class_that_takes_any_keyword_has_no_unknown_ones(changed: Change, module: str) -> None:
    assert refusal(changed, {"_target_": f"{module}.Open", "anything": 3}) is None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("+optimizer.beta=0.9", "optimizer.beta is unknown: torch.optim.Adam takes lr, betas, "),
        ("+trainer.max_epoch=3", "trainer.max_epoch is unknown: lightning.pytorch.Trainer takes "),
        (
            "+callbacks.stop={_target_:lightning.pytorch.callbacks.EarlyStopping,often:1}",
            "callbacks.stop.often is unknown: lightning.pytorch.callbacks.EarlyStopping takes monitor, ",
        ),
    ],
)
def test_classes_of_other_libraries_are_checked_as_well(changed: Change, word: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_unfit_arguments(check(changed("", word)))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "optimizer._target_=torch.nn.Linear",
            "optimizer._target_=torch.nn.Linear is no Optimizer: give",
        ),
        (
            "optimizer._target_=deblur.models.SRCNN",
            "optimizer._target_=deblur.models.SRCNN is no Optimizer: give",
        ),
        ("model._target_=torch.optim.Adam", "model._target_=torch.optim.Adam is no Module: give a class that is one."),
    ],
)
def test_a_class_of_another_kind_is_refused_for_that(changed: Change, word: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_unfit_arguments(check(changed("", word)))
    assert str(caught.value).startswith(sentence)


def test_a_default_passes_whatever_its_annotation(changed: Change, module: str) -> None:
    assert refusal(changed, {"_target_": f"{module}.Known", "depth": 1, "flag": True, "taps": 3}) is None
    assert "model.taps=[1,2] is not allowed" in str(
        refusal(changed, {"_target_": f"{module}.Known", "depth": 1, "taps": [1, 2]})
    )
    assert refusal(changed, {"_target_": f"{module}.Known", "depth": 1, "size": None}) is None
    assert "model.size=a is not allowed" in str(
        refusal(changed, {"_target_": f"{module}.Known", "depth": 1, "size": "a"})
    )


@pytest.mark.parametrize("value", [{1: 2, "x": 3}, Path("a"), b"a", {"a": b"b"}])
def test_values_that_json_does_not_know_are_left_to_the_class(changed: Change, module: str, value: object) -> None:
    assert refusal(changed, {"_target_": f"{module}.Known", "depth": 1, "loose": value}) is None


@pytest.mark.slow
def test_every_preset_fits(changed: Change) -> None:
    known: set[str] = set()
    for group in ("scheduler", "optimizer", "callbacks", "logger", "trainer"):
        for option in options(group):
            refuse_unfit_arguments(check(changed(f"{group}={option}")), known)
    assert len(known) > 10


def test_a_sweep_is_refused_before_its_first_job(
    tmp_path: Path, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second job is wrong: the first does not start."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "own.yaml").write_text(f"_target_: {module}.Known\ndepth: 1\n")
    overrides = ["model=own", "model.depth=choice(1,deep)", f"trusted=[{module}]"]
    places = [f"--config-dir={tmp_path}", f"paths.output_root={tmp_path / 'outputs'}"]
    assert train.main(["-m", "sweep=wrong", *overrides, *places]) == 2
    assert f"model.depth=deep is not allowed: {module}.Known declares depth: int." in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_question_at_the_end_of_a_refused_sweep_has_no_full_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["-m", "sweep=wrong", "+optimizer.bets=1,2", f"paths.output_root={tmp_path / 'outputs'}"]) == 2
    assert capsys.readouterr().err.endswith(" Did you mean optimizer.betas?\n")
