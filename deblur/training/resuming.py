"""Where an interrupted run continues: the checkpoint, checked for all that a trainer needs of it."""

import copy
import logging
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from deblur.config import TrainConfig
from deblur.config.identity import what_matters
from deblur.errors import UserError
from deblur.files import write_bytes
from deblur.inference.checkpoints import BEST, CHECKPOINTS, LAST, load_checkpoint, mismatch
from deblur.inference.description import ORIGINS, SEEN, checked_origins, checked_seen
from deblur.reading import UnreadableFile, read_csv
from deblur.runs.folder import RunFolder
from deblur.runs.records import HISTORY_FILE
from deblur.training.checkpoints import PROGRESS, KeptCheckpoint
from deblur.training.events import PATTERN
from deblur.training.module import DeblurModule
from deblur.training.optimizers import build_optimizer, build_scheduler

_TYPES: Final[Mapping[str, type]] = {
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
    "callbacks": dict,
    "hyper_parameters": dict,
}
"""What a trainer needs besides the weights."""

log = logging.getLogger(__name__)


class _Unusable(Exception):
    """A checkpoint from which a run cannot continue; the text says what is wrong with it."""


@dataclass(frozen=True)
class LastEpoch:
    """Where a run continues.

    Attributes:
        path: the checkpoint.
        epochs: how many are finished.
        steps: how many are taken.
        rows: of history.csv, one an epoch.
        events: how long the event file was [bytes]; None if that is not known.
        seen: digests of the images that the network has seen; None if they are not known.
        origins: names of the networks that it is trained on from, the first one first.
    """

    path: Path
    epochs: int
    steps: int
    rows: Sequence[Mapping[str, Any]]
    events: int | None
    seen: frozenset[str] | None
    origins: tuple[str, ...]


def find_last(run: RunFolder, config: TrainConfig, module: DeblurModule, trainer: L.Trainer) -> LastEpoch | None:
    """Return the epoch after which a run continues: its last one, else its best one, else None, for the start.

    A checkpoint that cannot be used is said to be so. After this, last.ckpt is the one that is returned, and best.ckpt
    holds the best epoch until then; without any, nothing of an earlier start is left.

    Args:
        run: the folder.
        config: of the run.
        module: new.
        trainer: new.
    """
    folder = run.path / CHECKPOINTS
    best, last = folder / BEST, folder / LAST
    found: LastEpoch | None = None
    is_refused = False
    for path in filter(Path.exists, (last, best)):
        try:
            found = _checked(path, run.path, config, module, trainer)
            break
        except UnreadableFile as error:
            raise UserError(f"{error} Make it readable, or delete it to resume without it.") from error
        except (_Unusable, UserError) as error:
            flaw = f"{path} {error}." if isinstance(error, _Unusable) else error
            log.warning(f"{flaw} The run is not resumed from it.")
            is_refused = True
    if found is None:
        if is_refused:
            log.warning(f"{run.path} is trained from the start.")
        if run.is_held:
            _clear(run)
        return None
    log.info(f"Resuming after epoch {found.epochs}, from {found.path.name}")
    if found.path == best and run.is_held:
        write_bytes(last, best.read_bytes())
    return found


def _clear(run: RunFolder) -> None:
    """Remove what an earlier start left."""
    shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)
    for stale in (run.path / HISTORY_FILE, *run.path.glob(PATTERN)):
        stale.unlink(missing_ok=True)


def _checked(path: Path, run: Path, config: TrainConfig, module: DeblurModule, trainer: L.Trainer) -> LastEpoch:
    """Read a checkpoint and try all that is in it.

    Raises:
        _Unusable, UserError: if the run cannot continue from it, or not to the same result.
    """
    content = load_checkpoint(path)
    for key, kind in _TYPES.items():
        if not isinstance(content.get(key), kind):
            raise _Unusable(f"holds no {key}, which a trainer needs")
    _refuse_other_training(content["hyper_parameters"], module)
    _refuse(mismatch(module.state_dict(), content["state_dict"], "state_dict"))
    _refuse_unknown(content["state_dict"], module.state_dict(), "state_dict")
    _refuse(mismatch(trainer.fit_loop.state_dict(), content["loops"].get("fit_loop"), "loops.fit_loop"))
    epochs = content["epoch"] + 1
    counted = content["loops"]["fit_loop"]["epoch_progress"]["current"]
    if (counted["ready"], counted["processed"]) != (epochs, epochs) or epochs > config.trainer.max_epochs:
        raise _Unusable("contradicts itself in how many epochs are finished")
    _refuse_callbacks(content["callbacks"], trainer)
    with _errors_refused("optimizer_states"):
        _try_optimizer(content, config, module)
    rows, events = _progress(content, run, epochs)
    _mend_best(path, content, rows, module)
    seen, origins = checked_seen(content.get(SEEN), path), checked_origins(content.get(ORIGINS), path)
    return LastEpoch(path, epochs, content["global_step"], rows, events, seen, origins)


def _refuse(mismatched: str | None) -> None:
    if mismatched is not None:
        raise _Unusable(f"does not fit this training ({mismatched})")


def _refuse_unknown(found: Mapping[str, Any], expected: Mapping[str, Any], part: str) -> None:
    unknown = [key for key in found if key not in expected]
    if unknown:
        raise _Unusable(f"does not fit this training ({part} has {unknown[0]})")


def _refuse_other_training(stored: Mapping[str, Any], module: DeblurModule) -> None:
    """Refuse the checkpoint of another run, whose weights may fit all the same."""
    with _errors_refused("hyper_parameters"):
        theirs, ours = what_matters(stored), what_matters(dict(module.hparams))
    differing = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
    if differing:
        raise _Unusable(f"is of another training ({', '.join(differing[:5])} differ)")


def _refuse_callbacks(states: Mapping[str, Any], trainer: L.Trainer) -> None:
    """Compare the states of Lightning's callbacks and ours with those of new ones."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined] # Lightning sets it elsewhere
        state, key = callback.state_dict(), f"callbacks.{callback.state_key}"
        if not state or type(callback).__module__.split(".")[0] not in ("deblur", "lightning"):
            continue
        found = states.get(callback.state_key)
        # The type of a score is that of the metric, which a new callback does not know.
        _refuse(mismatch({name: None if isinstance(old, Tensor) else old for name, old in state.items()}, found, key))
        for name, old in state.items():
            score = None if found is None else found[name]
            is_score = isinstance(old, Tensor) or (isinstance(callback, KeptCheckpoint) and score is not None)
            if is_score and not (isinstance(score, Tensor) and score.numel() == 1):
                raise _Unusable(f"does not fit this training ({key}.{name} is no number)")


def _try_optimizer(content: Mapping[str, Any], config: TrainConfig, module: DeblurModule) -> None:
    """Restore the optimizer and the scheduler of a copy of the module, and compare them with new ones."""
    states, schedules = content["optimizer_states"], content["lr_schedulers"]
    scheduler = config.scheduler
    if len(states) != 1 or len(schedules) != (0 if scheduler is None else 1):
        raise _Unusable(f"holds {len(states)} optimizers and {len(schedules)} schedulers")
    made: list[Optimizer] = []
    for _ in range(2):
        network = copy.deepcopy(module.network)
        optimizer = build_optimizer(config.optimizer, network, config.trusted)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        made.append(optimizer)
    new, restored = made
    if scheduler is not None:
        schedulers = [build_scheduler(scheduler, one, steps=100, trusted=config.trusted)["scheduler"] for one in made]
        _refuse(mismatch(schedulers[0].state_dict(), schedules[0], "lr_schedulers"))
        schedulers[1].load_state_dict(copy.deepcopy(schedules[0]))
    _refuse(mismatch({"state": {}, "param_groups": []}, states[0], "optimizer_states"))
    for group, stored in zip(new.state_dict()["param_groups"], states[0]["param_groups"], strict=True):
        _refuse(mismatch(group, stored, "optimizer_states.param_groups"))
    try:
        new.step(_no_loss)
    except Exception:  # a class of the user's own may want more
        return
    expected, found = new.state_dict()["state"], states[0]["state"]
    if expected and not found:
        raise _Unusable("holds no state of the optimizer")
    # A parameter that is not trained has none.
    _refuse(mismatch({key: expected[key] for key in expected.keys() & found.keys()}, found, "optimizer_states.state"))
    restored.load_state_dict(copy.deepcopy(states[0]))
    restored.step(_no_loss)


def _no_loss() -> float:
    return 0.0


@contextmanager
def _errors_refused(part: str) -> Iterator[None]:
    """Refuse a checkpoint for whatever is raised while a part of it is tried: what that is depends on the class."""
    try:
        yield
    except (_Unusable, UserError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise _Unusable(f"does not fit this training ({part}: {type(error).__name__}: {reason})") from error


def _progress(content: Mapping[str, Any], run: Path, epochs: int) -> tuple[list[dict[str, Any]], int | None]:
    """Return the epochs' rows and the length of the event file.

    Checkpoints of older versions do not hold them; history.csv does then.
    """
    held = content.get(PROGRESS)
    if held is None:
        try:
            rows: Any = [_numbers(row) for row in read_csv(run / HISTORY_FILE, needed=("epoch", "step", "seconds"))]
        except UserError as error:
            raise _Unusable(f"holds no epochs, and neither does {HISTORY_FILE}: {error}") from error
        held = {"rows": rows[:epochs], "events": None}
    _refuse(mismatch({"rows": [], "events": None}, held, PROGRESS))
    rows, events = held["rows"], held["events"]
    for row in rows:
        _refuse(mismatch({"epoch": 0, "step": 0, "lr": 0.0, "seconds": 0.0}, row, f"{PROGRESS}.rows"))
        for name, value in row.items():
            if not isinstance(name, str) or not isinstance(value, int | float | None) or isinstance(value, bool):
                raise _Unusable(f"does not fit this training ({PROGRESS}.rows has {name}={value!r})")
    if [row["epoch"] for row in rows] != list(range(1, epochs + 1)):
        raise _Unusable(f"has {len(rows)} rows for {epochs} epochs")
    if not isinstance(events, int | None) or isinstance(events, bool):
        raise _Unusable(f"does not fit this training ({PROGRESS}.events is {events!r})")
    return rows, events


def _numbers(row: Mapping[str, str]) -> dict[str, float | int | None]:
    try:
        return {key: _number(text) for key, text in row.items()}
    except ValueError as error:
        raise UserError(f"{HISTORY_FILE} is damaged ({error}).") from error


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _mend_best(path: Path, content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], module: DeblurModule) -> None:
    """Make sure that best.ckpt holds the best epoch until this one: without it the run could not be tested.

    One of a later epoch does as well, since that epoch comes again.

    Raises:
        _Unusable: if the best epoch is lost.
    """
    score = content["callbacks"]["KeptCheckpoint.best"]["best_model_score"]
    best = path.with_name(BEST)
    if score is None or path == best:
        return
    reason = f"{best} does not exist"
    if best.exists():
        try:
            found = load_checkpoint(best)
            mismatched = mismatch(module.state_dict(), found["state_dict"], "state_dict")
            with _errors_refused("callbacks"):
                theirs = float(found["callbacks"]["KeptCheckpoint.best"]["best_model_score"])
            if mismatched is None and (found["epoch"] > content["epoch"] or theirs == float(score)):
                return
            reason = f"{best} is of another training"
        except UnreadableFile:
            raise
        except (_Unusable, UserError) as error:
            reason = str(error)
    own = rows[-1].get("val/psnr")
    if own is None or not math.isclose(own, float(score), rel_tol=1e-6):
        raise _Unusable(f"needs the best epoch before it, but {reason.removesuffix('.')}")
    log.warning(f"{best} is made again from {path}, which holds the same epoch: {reason.removesuffix('.')}.")
    write_bytes(best, path.read_bytes())
