"""Values that stand in environment variables: `optimizer.lr=${oc.env:RATE}`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from prepared import prepare_argv

from deblur.config import check
from deblur.config.command_line import run
from deblur.config.commands import check_evaluate
from deblur.runs.paths import run_id

Accepted = Callable[..., list[dict[str, Any]]]
Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("optimizer.lr", "1e-3", 1e-3),
        ("optimizer.lr", "0.01", 0.01),
        ("seed", "7", 7),
        ("data.flips", "false", False),
        ("data.flips", "True", True),
        ("data.patch_size", "null", None),
        ("model.kernel_sizes", "[5,3,1]", [5, 3, 1]),
        ("loss", "l1", "l1"),
        ("trainer.precision", "32-true", "32-true"),
        ("trainer.devices", "auto", "auto"),
        ("model.name", "2024", "2024"),
        ("model.name", "true", "true"),
        ("sweep", "2024", "2024"),
        ("sweep", "true", "true"),
    ],
)
def test_what_a_variable_says_is_read_as_on_the_command_line(
    accepted: Accepted, monkeypatch: pytest.MonkeyPatch, key: str, text: str, value: Any
) -> None:
    monkeypatch.setenv("VALUE", text)
    more = ["model.widths=[2,2]"] if key == "model.kernel_sizes" else []
    (config,) = accepted(f"{key}=${{oc.env:VALUE}}", *more)
    found = OmegaConf.select(OmegaConf.create(config.plain()), key)
    assert (found, type(found) is type(value) or isinstance(value, list)) == (value, True)


def test_a_value_may_be_put_together(accepted: Accepted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGIT", "3")
    overrides = ("seed=1${oc.env:DIGIT}", "optimizer.lr=1e-${oc.env:DIGIT}", "blur.noise_sigma=${oc.env:ABSENT,2.5}")
    (config,) = accepted(*overrides)
    assert (config.seed, config.optimizer.lr, config.blur.noise_sigma) == (13, 1e-3, 2.5)


def test_a_file_may_name_a_variable(accepted: Accepted, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "0.25")
    preset = workplace / "own" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(
        "# @package _global_\noptimizer:\n  lr: ${oc.env:RATE}\nscheduler:\n  eta_min: ${optimizer.lr}\n"
        "defaults:\n  - override /scheduler: cosine\n"
    )
    (config,) = accepted("--config-dir", "own", "experiment=mine")
    assert (config.optimizer.lr, config.scheduler.eta_min) == (0.25, 0.25)


def test_a_sweep_may_name_variables(accepted: Accepted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "1e-3")
    monkeypatch.setenv("SECOND", "1e-4")
    configs = accepted("-m", "optimizer.lr=${oc.env:FIRST},${oc.env:SECOND}")
    assert [config.optimizer.lr for config in configs] == [1e-3, 1e-4]


@pytest.mark.parametrize("name", ["plain", "it's, [so] = größe", "a ${x} b\\", "2024", " x "])
@pytest.mark.parametrize("rest", ["", "/deep er/[1]"])
def test_a_path_may_name_a_variable(
    accepted: Accepted, workplace: Path, monkeypatch: pytest.MonkeyPatch, name: str, rest: str
) -> None:
    (workplace / f"{name}{rest}").mkdir(parents=True)
    monkeypatch.setenv("PLACE", name)
    (config,) = accepted("data=folder", f"data.root=${{oc.env:PLACE}}{rest}", "paths.output_root=${oc.env:PLACE}")
    assert config.data.root == str(workplace / f"{name}{rest}")
    assert config.paths.output_root == name


def test_a_path_may_name_a_key_and_a_value_for_none(accepted: Accepted) -> None:
    (config,) = accepted("paths.cache_root=${paths.output_root}/seed ${seed}", "paths.output_root=${oc.env:NONE,a b}")
    assert config.paths.plain() == {"output_root": "a b", "cache_root": "a b/seed 0"}


def test_an_option_of_a_group_may_come_from_a_variable(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:  # noqa: ARG001
    monkeypatch.setenv("BLUR", "motion")
    seen: list[str] = []

    def task(composed: DictConfig) -> None:
        seen.append(run_id(check(composed), list(HydraConfig.get().overrides.task)))

    assert run("train", task, ["blur=${oc.env:BLUR}"]) == run("train", task, ["blur=motion"]) == 0
    assert seen[0] == seen[1] == "srcnn_915-motion-lr_0.001-seed_0"
    assert prepare_argv(["-m", "blur=${oc.env:BLUR}"]) == prepare_argv(["-m", "blur=motion"])


@pytest.mark.parametrize(
    "word",
    [
        "optimizer.lr=${oc.env:ABSENT}",
        "blur=${oc.env:ABSENT}",
        "trusted=${oc.env:ABSENT}",
        "sweep=${oc.env:ABSENT}",
        "paths.output_root=${oc.env:ABSENT}/x",
        "data.root=${oc.env:ABSENT}",
    ],
)
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=1,2")])
def test_a_variable_that_is_not_set_is_a_sentence(refused: Refused, word: str, sweep: tuple[str, ...]) -> None:
    key = word.partition("=")[0]
    sentence = f"{key} needs the environment variable ABSENT, which is not set: set it, or write the value."
    assert refused(*sweep, "data=folder", word).endswith(sentence)


def test_a_value_that_is_not_allowed_is_still_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "fast")
    assert refused("optimizer.lr=${oc.env:RATE}") == "optimizer.lr=fast is not allowed: give a number above 0."


def test_an_evaluation_reads_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX", "true")
    monkeypatch.setenv("NAME", "1e3")
    given = {
        "data": {}, "blur": {}, "run": None, "sweep": "${oc.env:NAME}", "baseline": [], "matrix": "${oc.env:MATRIX}",
        "optimal_linear": False, "compare": [], "both_boundaries": None, "split": None, "metrics": None,
        "accelerator": "auto", "output": None, "trusted": ["${oc.env:NAME}"],
        "paths": {"output_root": "${oc.env:NAME}", "cache_root": None},
    }  # fmt: skip
    config = check_evaluate(OmegaConf.create(given))
    assert config.matrix is True
    assert (config.sweep, config.paths.output_root, config.trusted) == ("1e3", "1e3", ["1e3"])
