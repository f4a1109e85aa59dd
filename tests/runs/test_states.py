import json
from pathlib import Path
from typing import Any

import pytest
from run_settings import CONFIG, changed, enter, refusal

from deblur.runs.folder import RunFolder
from deblur.runs.records import read_config
from deblur.runs.states import resumed_config


@pytest.mark.parametrize("state", [None, "running", "failed", "interrupted"])
def test_a_resumed_run_uses_its_own_configuration(tmp_path: Path, state: str | None) -> None:
    enter(tmp_path)
    if state is None:
        (tmp_path / "status.json").unlink()
    else:
        (tmp_path / "status.json").write_text(json.dumps({"state": state}))
    asked = changed("optimizer.lr", 0.5) | {"resume": str(tmp_path)}
    assert resumed_config(tmp_path, asked, [f"resume={tmp_path}"]) == CONFIG


def test_a_finished_run_is_not_resumed(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG):
        pass
    assert refusal(resumed_config, tmp_path, CONFIG, []) == (
        f"The run {tmp_path} is done: there is nothing to resume. trainer.max_epochs=N, above its 20, trains it longer."
    )


def finished(folder: Path, key: str = "seed", value: object = 0, epoch: int = 20) -> Path:
    """Leave a finished run with one key changed."""
    with RunFolder(folder, changed(key, value)) as run:
        run.report_epoch(epoch)
    return folder


LONGER = changed("trainer.max_epochs", 60)
MORE = ["trainer.max_epochs=60"]
TORCH = "torch.optim.lr_scheduler."


@pytest.mark.parametrize("schedule", [None, "ReduceLROnPlateau", "StepLR"])
def test_a_finished_run_is_made_longer_if_its_schedule_has_no_end(tmp_path: Path, schedule: str | None) -> None:
    scheduler = schedule and {"_target_": f"{TORCH}{schedule}"}
    finished(tmp_path, "scheduler", scheduler)
    assert resumed_config(tmp_path, LONGER, MORE) == LONGER | {"scheduler": scheduler}


@pytest.mark.parametrize("schedule", [f"{TORCH}CosineAnnealingLR", f"{TORCH}OneCycleLR", "my_nets.Schedule"])
def test_a_schedule_that_is_laid_out_over_the_epochs_is_refused(tmp_path: Path, schedule: str) -> None:
    finished(tmp_path, "scheduler", {"_target_": schedule})
    sentence = refusal(resumed_config, tmp_path, LONGER, MORE)
    assert f"its schedule {schedule.rpartition('.')[2]} is laid out over its 20 epochs" in sentence
    assert sentence.endswith(f"trains its network further with weights={tmp_path}.")


def test_a_run_of_a_sweep_is_not_made_longer(tmp_path: Path) -> None:
    finished(tmp_path, "sweep", "grid")
    assert "it belongs to the sweep grid, whose runs are compared" in refusal(resumed_config, tmp_path, LONGER, MORE)


def test_a_run_that_ended_by_itself_is_not_made_longer(tmp_path: Path) -> None:
    finished(tmp_path, epoch=12)
    assert "it ended by itself after epoch 12 of 20, and so it would of 60" in refusal(
        resumed_config, tmp_path, LONGER, MORE
    )


def test_an_average_of_the_last_epochs_is_not_made_longer(tmp_path: Path) -> None:
    average = {"_target_": "lightning.pytorch.callbacks.StochasticWeightAveraging"}
    finished(tmp_path, "callbacks.average", average)
    assert "averages the last of its 20 epochs" in refusal(resumed_config, tmp_path, LONGER, MORE)


@pytest.mark.parametrize("epochs", [1, 19])
def test_a_run_is_not_made_shorter(tmp_path: Path, epochs: int) -> None:
    enter(tmp_path)
    asked = changed("trainer.max_epochs", epochs)
    assert refusal(resumed_config, tmp_path, asked, [f"trainer.max_epochs={epochs}"]) == (
        f"trainer.max_epochs={epochs} is not allowed: the run {tmp_path} has 20 epochs, and a run is only ever made "
        "longer. Give more, or leave it out."
    )


@pytest.mark.parametrize("word", ["optimizer.lr=1", "+optimizer.x=1", "model=srcnn_9315", "~data.root", "seed=0"])
def test_a_resumed_run_takes_no_overrides_that_change_its_result(tmp_path: Path, word: str) -> None:
    enter(tmp_path)
    key = word.lstrip("+").partition("=")[0]
    assert refusal(resumed_config, tmp_path, CONFIG, [f"resume={tmp_path}", word]) == (
        f"resume={tmp_path} uses the run's own configuration: leave out {key}, or start a new run."
    )


def test_a_resumed_run_takes_overrides_without_effect(tmp_path: Path) -> None:
    enter(tmp_path)
    asked = changed("data.num_workers", 4) | {"logger": {"csv": {"_target_": "x"}}, "trusted": ["my_nets"]}
    overrides = ["data.num_workers=4", "logger=csv", "trusted=[my_nets]", f"resume={tmp_path}"]
    assert resumed_config(tmp_path, asked, overrides) == asked
    assert read_config(tmp_path) == CONFIG


@pytest.mark.parametrize("devices", [1, 2])
def test_a_run_is_resumed_on_as_many_devices_as_it_began_on(tmp_path: Path, devices: int) -> None:
    enter(tmp_path, changed("trainer.devices", devices))
    overrides = [f"trainer.devices={devices}", f"resume={tmp_path}"]
    assert resumed_config(tmp_path, changed("trainer.devices", devices), overrides)["trainer"]["devices"] == devices
    assert "leave out trainer.devices" in refusal(
        resumed_config, tmp_path, changed("trainer.devices", 3), ["trainer.devices=3"]
    )


def test_a_resumed_run_writes_where_this_command_says(tmp_path: Path) -> None:
    enter(tmp_path, CONFIG | {"paths": {"output_root": "/evil", "cache_root": "/evil"}})
    assert resumed_config(tmp_path, CONFIG, [])["paths"] == CONFIG["paths"]
    asked = changed("paths.cache_root", "/mine")
    assert resumed_config(tmp_path, asked, ["paths.cache_root='/mine'"])["paths"] == asked["paths"]


@pytest.mark.parametrize(
    "logger",
    [
        {"_target_": "deblur.training.loggers.TensorBoard", "save_dir": "/evil"},
        {"_target_": "lightning.pytorch.loggers.TensorBoardLogger", "name": "../../evil"},
        {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "/evil"},
        {"_target_": "lightning.pytorch.loggers.CSVLogger"},
        {"_target_": "my_loggers.Mine"},
        {"_target_": "deblur.training.loggers.CSV", "save_dir": "/evil"},
        {"_target_": "deblur.training.loggers.MLflow", "tracking_uri": "http://evil"},
        {"_target_": "deblur.training.loggers.WandB", "mode": "online"},
    ],
)
def test_a_stored_logger_is_not_obeyed(tmp_path: Path, logger: dict[str, Any]) -> None:
    enter(tmp_path, CONFIG | {"logger": {"mine": logger}})
    assert refusal(resumed_config, tmp_path, CONFIG, []) == (
        f"{tmp_path / 'config.yaml'} configures loggers, which can write anywhere: add your own to the command, or "
        "logger=none."
    )
    asked = CONFIG | {"logger": {"csv": {"_target_": "x", "save_dir": "/mine"}}}
    for word in ("logger=csv", "+logger.csv.save_dir=/mine"):
        assert resumed_config(tmp_path, asked, [word])["logger"] == asked["logger"]
    assert resumed_config(tmp_path, CONFIG | {"logger": None}, ["logger=none"])["logger"] is None


@pytest.mark.parametrize(
    "logger",
    [
        {"_target_": "deblur.training.loggers.CSV"},
        {"_target_": "deblur.training.loggers.MLflow", "tracking_uri": None},
        {"_target_": "deblur.training.loggers.WandB", "project": "mine", "entity": None, "mode": "offline"},
    ],
)
def test_a_stored_logger_that_writes_at_home_goes_on(tmp_path: Path, logger: dict[str, Any]) -> None:
    enter(tmp_path, CONFIG | {"logger": {"one": logger, "other": None}})
    assert resumed_config(tmp_path, CONFIG, [])["logger"] == {"one": logger, "other": None}


@pytest.mark.parametrize(
    "target",
    [
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
        "lightning.pytorch.callbacks.OnExceptionCheckpoint",
        "deblur.training.checkpoints.KeptCheckpoint",
        "deblur.training.callbacks.History",
    ],
)
def test_a_stored_callback_that_can_write_is_not_obeyed(tmp_path: Path, target: str) -> None:
    node = {"_target_": target, "dirpath": "/evil"}
    enter(tmp_path, CONFIG | {"callbacks": {"evil": node}})
    said = refusal(resumed_config, tmp_path, CONFIG, [])
    assert said.startswith(f"{tmp_path / 'config.yaml'} configures the callback {target}, which can write anywhere")
    trusting = CONFIG | {"trusted": [target]}
    assert resumed_config(tmp_path, trusting, [f"trusted=[{target}]"])["callbacks"] == {"evil": node}


@pytest.mark.parametrize("name", ["EMAWeightAveraging", "EarlyStopping", "LearningRateMonitor"])
def test_a_stored_callback_that_writes_nothing_is_taken(tmp_path: Path, name: str) -> None:
    config = CONFIG | {"callbacks": {"mine": {"_target_": f"lightning.pytorch.callbacks.{name}"}, "none": None}}
    enter(tmp_path, config)
    assert resumed_config(tmp_path, CONFIG, [])["callbacks"] == config["callbacks"]


@pytest.mark.parametrize("key", ["default_root_dir", "profiler", "plugins", "model_registry"])
def test_a_stored_trainer_that_can_write_is_refused(tmp_path: Path, key: str) -> None:
    enter(tmp_path, changed(f"trainer.{key}", "evil"))
    assert refusal(resumed_config, tmp_path, CONFIG, []).startswith(f"{tmp_path / 'config.yaml'} sets trainer.{key}, ")


def test_overrides_within_a_section_that_a_run_does_not_have_are_taken(tmp_path: Path) -> None:
    enter(tmp_path, CONFIG | {"callbacks": None})
    found = resumed_config(tmp_path, CONFIG, ["callbacks.comparison_grids.images=4"])
    assert found["callbacks"] == {"comparison_grids": {"images": 4}}
