import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from small_trainings import SEEDS, SMALLEST, STEEP

from deblur.config import check
from deblur.config.build import build
from deblur.config.identity import config_without_paths
from deblur.errors import UserError
from deblur.runs.folder import RunFolder
from deblur.runs.records import read_config, read_history
from deblur.train import main
from deblur.training.checkpoints import KeptCheckpoint
from deblur.training.module import DeblurModule
from deblur.training.resuming import LastEpoch, find_last

OVERRIDES = ("data.max_images=16", "trainer.max_epochs=4", "model.dropout=0.3", "optimizer.lr=1e-3", *SMALLEST)
EARLY = ("callbacks=[default,early_stopping]", "logger=none")
BEST, LAST = "checkpoints/best.ckpt", "checkpoints/last.ckpt"
Content = dict[str, Any]


@dataclass(frozen=True)
class Whole:
    """A finished run of four epochs, and what a process that resumes it makes."""

    run: Path
    config: dict[str, Any]
    module: DeblurModule
    trainer: L.Trainer


@dataclass(frozen=True)
class Interrupted:
    """A copy of a run that was stopped before its test."""

    run: Path
    whole: Whole

    def edit(self, name: str, change: Callable[[Content], Any]) -> None:
        """Change what a checkpoint holds; a value that is returned takes its place."""
        content = torch.load(self.run / name, weights_only=True)
        changed = change(content)
        torch.save(content if changed is None else changed, self.run / name)

    def found(self) -> LastEpoch | None:
        status = json.loads((self.run / "status.json").read_text())
        (self.run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
        with RunFolder(self.run, self.whole.config) as run:
            return find_last(run, check(self.whole.config, stored=True), self.whole.module, self.whole.trainer)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Whole:
    """Tests look at it but do not change it."""
    for seed in SEEDS:
        root = tmp_path_factory.mktemp("whole")
        paths = [f"paths.output_root={root}", f"paths.cache_root={cache_root}"]
        assert main([*OVERRIDES, *EARLY, STEEP, f"seed={seed}", *paths]) == 0
        (status,) = root.rglob("status.json")
        run = status.parent
        if [torch.load(run / name, weights_only=True)["epoch"] for name in (BEST, LAST)] == [2, 3]:
            break
    else:
        pytest.fail("no seed has the third epoch as the best one")
    config = read_config(run) | {"trusted": [], "overwrite": False}
    module = DeblurModule(
        **{key: config[key] for key in ("model", "optimizer", "scheduler", "loss", "metrics", "seed")},
        blur=config_without_paths(config["blur"]),
        data=config_without_paths(config["data"]),
    )
    callbacks = [build(node, L.Callback) for node in config["callbacks"].values()]
    callbacks += [KeptCheckpoint(run, "best", "val/psnr"), KeptCheckpoint(run, "last")]
    trainer = L.Trainer(
        accelerator="cpu", logger=False, callbacks=callbacks, enable_progress_bar=False, enable_model_summary=False
    )
    return Whole(run, config, module, trainer)


@pytest.fixture
def interrupted(whole: Whole, tmp_path: Path) -> Interrupted:
    shutil.copytree(whole.run, tmp_path / "run")
    return Interrupted(tmp_path / "run", whole)


def test_a_run_continues_after_its_last_epoch(interrupted: Interrupted, caplog: pytest.LogCaptureFixture) -> None:
    found = interrupted.found()
    assert found is not None
    assert (found.path.name, found.epochs, found.steps) == ("last.ckpt", 4, 12)
    assert [row["epoch"] for row in found.rows] == [1, 2, 3, 4]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def at(content: Content, *keys: Any) -> Any:
    for key in keys:
        content = content[key]
    return content


def setting(*keys: Any, to: Any) -> Callable[[Content], Any]:
    """Return what sets a value somewhere in a checkpoint."""

    def change(content: Content) -> None:
        at(content, *keys[:-1])[keys[-1]] = to

    return change


def without(*keys: Any) -> Callable[[Content], Any]:
    def change(content: Content) -> None:
        del at(content, *keys[:-1])[keys[-1]]

    return change


ADAM = ("optimizer_states", 0)
PROGRESS = ("loops", "fit_loop", "epoch_progress", "current")
UNUSABLE: Mapping[str, Callable[[Content], Any]] = {
    "a list": lambda _: [1, 2],
    "a tensor": lambda _: torch.zeros(3),
    "no epoch": without("epoch"),
    "an epoch in words": setting("epoch", to="three"),
    "a truth for an epoch": setting("epoch", to=True),
    "an epoch below zero": setting("epoch", to=-1),
    "another epoch": setting("epoch", to=1),
    "an epoch after the last": setting("epoch", to=9),
    "steps as a decimal": setting("global_step", to=12.0),
    "no weights": without("state_dict"),
    "weights in a list": setting("state_dict", to=[torch.zeros(3)]),
    "weights in words": setting("state_dict", "network.convolutions.0.bias", to="zeros"),
    "a layer less": without("state_dict", "network.convolutions.1.weight"),
    "a layer more": setting("state_dict", "network.convolutions.7.bias", to=torch.zeros(3)),
    "another width": setting("state_dict", "network.convolutions.0.bias", to=torch.zeros(7)),
    "another type": setting("state_dict", "network.convolutions.0.bias", to=torch.zeros(6, dtype=torch.float64)),
    "weights alone": lambda content: {key: content[key] for key in ("epoch", "global_step", "state_dict")},
    "no optimizer": without("optimizer_states"),
    "no optimizers": setting("optimizer_states", to=[]),
    "an optimizer in words": setting("optimizer_states", to="adam"),
    "an optimizer that is a list": setting("optimizer_states", to=[[1]]),
    "an optimizer that has not stepped": setting(*ADAM, "state", to={}),
    "an optimizer without groups": setting(*ADAM, "param_groups", to=[]),
    "a rate in words": setting(*ADAM, "param_groups", 0, "lr", to="fast"),
    "a group without betas": without(*ADAM, "param_groups", 0, "betas"),
    "moments in words": setting(*ADAM, "state", 0, "exp_avg", to="small"),
    "moments of another shape": setting(*ADAM, "state", 0, "exp_avg", to=torch.zeros(2)),
    "no moments": without(*ADAM, "state", 0, "exp_avg_sq"),
    "another optimizer": setting(*ADAM, "state", to={0: {"momentum_buffer": torch.zeros(6, 1, 5, 5)}}),
    "no scheduler": setting("lr_schedulers", to=[]),
    "two schedulers": setting("lr_schedulers", to=[{}, {}]),
    "a scheduler in words": setting("lr_schedulers", to=["cosine"]),
    "a scheduler that counts in words": setting("lr_schedulers", 0, "last_epoch", to="four"),
    "no loops": without("loops"),
    "loops in a list": setting("loops", to=[]),
    "no loop of the training": without("loops", "fit_loop"),
    "no counts": without(*PROGRESS, "processed"),
    "counts in words": setting(*PROGRESS, "ready", to="four"),
    "counts of another epoch": setting(*PROGRESS, "processed", to=1),
    "no callbacks": without("callbacks"),
    "callbacks in a list": setting("callbacks", to=[]),
    "no best score": without("callbacks", "KeptCheckpoint.best"),
    "a best score in words": setting("callbacks", "KeptCheckpoint.best", "best_model_score", to="high"),
    "a patience in words": lambda content: [
        setting("callbacks", key, "wait_count", to="long")(content) for key in content["callbacks"] if "Early" in key
    ][1:],
    "no settings": without("hyper_parameters"),
    "settings in words": setting("hyper_parameters", to="srcnn"),
    "another network": setting("hyper_parameters", "model", "kernel_sizes", to=[3, 5]),
    "another rate": setting("hyper_parameters", "optimizer", "lr", to=2e-3),
    "another blur": setting("hyper_parameters", "blur", "size", to=9),
    "a model in words": setting("hyper_parameters", "model", to="srcnn"),
    "progress in a list": setting("progress", to=[]),
    "no rows": without("progress", "rows"),
    "rows in words": setting("progress", "rows", to="four"),
    "a row in words": setting("progress", "rows", 1, to="second"),
    "a row less": lambda content: content["progress"]["rows"].pop(1) and None,
    "a row without its step": without("progress", "rows", 2, "step"),
    "a figure in words": setting("progress", "rows", 2, "val/psnr", to="high"),
    "a length in words": setting("progress", "events", to="long"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_last_checkpoint_is_told_and_the_best_one_taken(
    interrupted: Interrupted, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    best = (interrupted.run / BEST).read_bytes()
    interrupted.edit(LAST, UNUSABLE[name])
    found = interrupted.found()
    assert found is not None
    assert (found.path.name, found.epochs, found.steps, len(found.rows)) == ("best.ckpt", 3, 9, 3)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"{interrupted.run / LAST} ")
    assert warning.endswith(". The run is not resumed from it.")
    assert (interrupted.run / BEST).read_bytes() == (interrupted.run / LAST).read_bytes() == best


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def flip(path: Path) -> None:
    weights = next(iter(torch.load(path, weights_only=True)["state_dict"].values()))
    content = bytearray(path.read_bytes())
    content[content.index(weights.numpy().tobytes()) + 10] ^= 0xFF
    path.write_bytes(content)


DAMAGE: Mapping[str, Callable[[Path], object]] = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("no checkpoint"),
    "a flipped byte": flip,
    "a pickle": lambda path: torch.save(Evil(), path),
}


class Evil:
    def __reduce__(self) -> Any:
        return print, ("the code of a stranger ran",)


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_told(
    interrupted: Interrupted, name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[name](interrupted.run / LAST)
    found = interrupted.found()
    assert found is not None
    assert found.path.name == "best.ckpt"
    assert "last.ckpt is no checkpoint of this program, or is damaged" in caplog.text
    for path in (interrupted.run / LAST, interrupted.run / BEST):
        DAMAGE[name](path)
    assert interrupted.found() is None
    assert "best.ckpt is no checkpoint of this program, or is damaged" in caplog.text
    assert f"{interrupted.run} is trained from the start." in caplog.text
    assert not (interrupted.run / "checkpoints").exists()
    assert not (interrupted.run / "history.csv").exists()
    assert "stranger" not in capsys.readouterr().out


def test_without_a_last_checkpoint_the_best_one_is_taken(interrupted: Interrupted) -> None:
    (interrupted.run / LAST).unlink()
    found = interrupted.found()
    assert found is not None
    assert found.path.name == "best.ckpt"


@pytest.mark.parametrize("damage", ["gone", "cut", "of another run", "another network"])
def test_a_lost_best_epoch_is_trained_again(
    interrupted: Interrupted, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The last checkpoint is whole, but the run could never be tested."""
    best = interrupted.run / BEST
    if damage == "gone":
        best.unlink()
    elif damage == "cut":
        cut(best)
    elif damage == "of another run":
        score = ("callbacks", "KeptCheckpoint.best", "best_model_score")
        interrupted.edit(BEST, setting(*score, to=torch.tensor(30.0)))
    else:
        interrupted.edit(BEST, UNUSABLE["another width"])
    found = interrupted.found()
    assert "needs the best epoch before it" in caplog.text
    if damage == "of another run":  # it is whole itself, and the epochs after it come again
        assert found is not None
        assert found.path.name == "best.ckpt"
    else:
        assert found is None
    assert "is trained from the start" in caplog.text or damage == "of another run"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_best_epoch_that_is_the_last_one_is_made_again(interrupted: Interrupted, is_there: bool) -> None:
    shutil.copy(interrupted.run / BEST, interrupted.run / LAST)
    whole = (interrupted.run / BEST).read_bytes()
    (interrupted.run / BEST).unlink()
    if is_there:
        (interrupted.run / BEST).write_bytes(whole[:1000])
    found = interrupted.found()
    assert found is not None
    assert (found.path.name, found.epochs) == ("last.ckpt", 3)
    assert (interrupted.run / BEST).read_bytes() == whole


def test_a_best_epoch_after_the_last_one_stays(interrupted: Interrupted) -> None:
    """A kill between the two: the epoch comes again, and so does its checkpoint."""
    later = (interrupted.run / BEST).read_bytes()
    shutil.copy(interrupted.run / BEST, interrupted.run / LAST)

    def before(content: Content) -> None:
        content["epoch"], content["global_step"] = 1, 6
        for key in ("ready", "started", "processed"):
            content["loops"]["fit_loop"]["epoch_progress"]["current"][key] = 2
        content["progress"]["rows"].pop()
        content["callbacks"]["KeptCheckpoint.best"]["best_model_score"] = torch.tensor(17.0)

    interrupted.edit(LAST, before)
    found = interrupted.found()
    assert found is not None
    assert (found.path.name, found.epochs) == ("last.ckpt", 2)
    assert (interrupted.run / BEST).read_bytes() == later


@pytest.mark.parametrize("damage", ["none", "cut", "empty", "binary", "overrides", "missing", "row gone"])
def test_a_checkpoint_of_an_older_version_needs_the_history(
    interrupted: Interrupted, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    history = interrupted.run / "history.csv"
    text = history.read_text()
    damaged: dict[str, bytes] = {
        "none": text.encode(),
        "cut": text.encode()[:-40],
        "empty": b"",
        "binary": bytes(range(256)),
        "overrides": text.replace(".", "high").encode(),
        "row gone": "\n".join(text.splitlines()[:3]).encode(),
    }
    if damage == "missing":
        history.unlink()
    else:
        history.write_bytes(damaged[damage])
    for name in (BEST, LAST):
        interrupted.edit(name, without("progress"))
    found = interrupted.found()
    if damage == "none":
        assert found is not None
        assert (found.epochs, len(found.rows), found.events) == (4, 4, None)
        assert found.rows[1]["epoch"] == 2
        assert found.rows[1]["val/psnr"] == read_history(interrupted.whole.run)[1]["val/psnr"]
    elif found is not None:  # what is left of a cut file suffices for the best epoch
        assert (damage, found.epochs, len(found.rows)) == ("cut", 3, 3)
    else:
        assert "history.csv" in caplog.text or "rows for" in caplog.text


def test_what_cannot_be_read_is_not_replaced(interrupted: Interrupted) -> None:
    last = interrupted.run / LAST
    last.unlink()
    last.mkdir()
    with pytest.raises(UserError, match=r"last\.ckpt cannot be read .* Make it readable, or delete it"):
        interrupted.found()
    assert (interrupted.run / BEST).is_file()
