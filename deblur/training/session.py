"""One training from a checked configuration to a run's files."""

import logging
import math
import os
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import Logger

from deblur.config import TrainConfig, build
from deblur.config.chosen import psnr_note
from deblur.config.places import CONFIG_FILE
from deblur.config.schema import Trainer
from deblur.config.sections import Target
from deblur.console import is_terminal, logging_to
from deblur.data.loading import loader_errors_as_user_errors
from deblur.device import Device, keep_freed_memory, refuse_absent_device, taken_device
from deblur.errors import NO_ROOM, UnfitSettings, disk_error
from deblur.files import remove_partial_files, write_json
from deblur.inference.checkpoints import BEST, CHECKPOINTS, load_checkpoint
from deblur.metrics.measuring import mean_results
from deblur.models.protocol import traits_of
from deblur.processes import end_with_first_process, shared_run_folder, sharing
from deblur.reading import UnusableFile
from deblur.runs.folder import RunFolder, RunIsDone, RunIsPaused
from deblur.runs.paths import output_root_of, run_name
from deblur.runs.records import LOG_FILE, METRICS_FILE, damage_in, read_metrics, read_status
from deblur.training.callbacks import EpochBar, FolderGuard, History, Pause, PublishedHistory, StaysStopped, TimeLeft
from deblur.training.checkpoints import CheckpointFiles, KeptCheckpoint
from deblur.training.loggers import RunLogger, RunPlace, TensorBoard
from deblur.training.parts import build_parts
from deblur.training.results import (
    best_validation,
    describe_data,
    described_infos,
    flat_settings,
    git_state,
    stopwatch,
    versions,
    write_images_table,
    write_samples,
)
from deblur.training.resuming import LastEpoch, find_last
from deblur.training.starting import Start, begin, has_epochs, leave_out_seen
from deblur.training.summary import (
    degraded_warning,
    describe_network,
    receptive_field_warning,
    result_table,
    start_summary,
)

log = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    in_sweep: bool = False,
    progress_bar: bool = True,
    lengthen: bool = False,
    until: int | None = None,
) -> dict[str, Any]:
    """Train a network, test its best checkpoint, and write everything into the run's folder.

    A run that an earlier process left unfinished there resumes from its last checkpoint; a finished one stays as it is.

    Args:
        config: a checked configuration.
        folder: the run's folder.
        in_sweep: whether the run tells nothing on the console, and everything in its own files: also that there is no
            such device.
        progress_bar: whether a terminal shows one.
        lengthen: whether the run in the folder, which differs in having fewer epochs, is made longer.
        until: pause the run after so many epochs; None trains to the end.

    Returns:
        What metrics.json holds; nothing of a paused run, and in the further processes of a training on several devices.

    Raises:
        UserError: for what the user can fix.
        KeyboardInterrupt: after Ctrl-C, when the run's files are in order.
    """
    run = RunFolder(folder, config.plain(), overwrite=config.overwrite, lengthen=lengthen)
    bar = progress_bar and is_terminal()
    try:
        run.refuse_if_done()
        if not in_sweep:
            refuse_absent_device(config.trainer)
        if shared_run_folder() is not None:
            logging.disable(logging.WARNING)  # the first process of the run says it all
            end_with_first_process()
            with taken_device(_settled(config.trainer, folder)) as device, _known_warnings_ignored():
                return _train(config, run, device, bar, until)
        # Leaving the run folder and closing the log write files as well.
        as_user_errors = partial(_disk_errors_as_user_errors, folder, in_sweep)
        with (
            as_user_errors(),
            run,
            as_user_errors(),
            logging_to(folder / LOG_FILE, console_too=not in_sweep, expected=(RunIsPaused,)),
            as_user_errors(),
            sharing(folder),
            taken_device(_settled(config.trainer, folder)) as device,
            _known_warnings_ignored(),
        ):
            run.note_precision(device.precision)
            return _train(config, run, device, bar, until)
    except RunIsDone:
        damage = damage_in(folder)
        if damage is not None:
            raise damage from None
        log.info(f"{folder} is done already.")
        return read_metrics(folder)
    except RunIsPaused:
        return {}
    except KeyboardInterrupt as stop:
        again = shlex.quote(f"resume={folder}")
        raise KeyboardInterrupt(f"Stopped. Resume with: python -m deblur.train {again}") from stop


def _settled(trainer: Trainer, folder: Path) -> Trainer:
    """Return the trainer's settings; if epochs of the run were trained in a precision, `auto` is that."""
    if trainer.precision != "auto":
        return trainer
    try:
        return trainer.model_copy(update={"precision": read_status(folder).get("precision") or "auto"})
    except UnusableFile:
        return trainer


def _train(
    config: TrainConfig, run: RunFolder, device: Device, progress_bar: bool, until: int | None
) -> dict[str, Any]:
    loggers: list[Logger] = []
    try:
        return _trained(config, run, device, progress_bar, loggers, until)
    except BaseException as error:
        for logger in loggers:
            if isinstance(logger, RunLogger):
                logger.abandon(is_stopped=isinstance(error, KeyboardInterrupt | SystemExit | RunIsPaused))
        raise


def _trained(
    config: TrainConfig, run: RunFolder, device: Device, progress_bar: bool, loggers: list[Logger], until: int | None
) -> dict[str, Any]:
    """Train; the loggers are added to `loggers` when they are built."""
    seconds: dict[str, float] = {}
    if run.is_held:
        remove_partial_files(run.path, is_held=True)
    keep_freed_memory()
    L.seed_everything(config.seed, verbose=False)
    # Nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # missing in torch's stub
    degradation, module, data, own_callbacks = build_parts(config)
    git = git_state()
    history = History(run)
    callbacks: list[Callback] = [EpochBar(leave=False)] if progress_bar else []
    callbacks += [
        *own_callbacks,
        FolderGuard(run),
        StaysStopped(),
        TimeLeft(),
        history,
        KeptCheckpoint(run.path, "best", monitor="val/psnr"),
        # The last checkpoint: it holds the state of the other callbacks, and a run continues from it.
        KeptCheckpoint(run.path, "last"),
        PublishedHistory(history),
    ]
    if until is not None and until < config.trainer.max_epochs:
        callbacks.append(Pause(until))
    loggers += [_build_logger(node, run, config) for node in (config.logger or {}).values() if node]
    trainer = _build_trainer(config, run, device, callbacks, loggers)
    log.info(f"{'run':<9} {run.path}")
    with stopwatch(seconds, "data"):
        data.setup()
    run.refuse_other_data(data.images.fingerprint)
    if traits_of(module.network).takes_kernel:
        data.make_kernels_known(f"{type(module.network).__name__}, which takes the kernel,")
    start = None if config.weights is None or has_epochs(run.path) else begin(config, module.network)
    last = find_last(run, config, module, trainer)
    is_longer = run.is_shorter
    run.lengthen()
    if config.weights is not None:
        if last is not None:
            start = Start(last.origins, last.seen)
        elif start is None:  # the finished epochs are lost
            start = begin(config, module.network)
        module.origins, module.seen_before = start.origins, start.seen or frozenset()
        leave_out_seen(start, config.weights, data)
    _resume(run, history, trainer, last, is_longer=is_longer)
    _log_settings(trainer, config, device, module.validated)
    log.info(start_summary(config, module.network, degradation, data.images, data.splits, device))
    note = psnr_note(config.metrics)
    if note:
        log.info(note)
    warning = receptive_field_warning(module.network, degradation)
    if warning:
        log.warning(warning)
    with (
        stopwatch(seconds, "fit"),
        loader_errors_as_user_errors(data.num_workers),
        _keyboard_interrupt_from_lightning(),
    ):
        trainer.fit(module, datamodule=data, ckpt_path=last.path if last else None, weights_only=True)
    seconds["epochs"] = round(sum(row["seconds"] for row in history.rows), 3)

    best = run.path / CHECKPOINTS / BEST
    stored = load_checkpoint(best)
    best_epoch = stored["epoch"] + 1
    log.info(f"Testing the weights of the best epoch, {best_epoch}")
    # Not by a trainer's ckpt_path: callbacks such as averages of the weights change what that loads.
    module.load_state_dict(stored["state_dict"])
    with (
        stopwatch(seconds, "test"),
        loader_errors_as_user_errors(data.num_workers),
        _keyboard_interrupt_from_lightning(),
    ):
        trainer.test(module, datamodule=data, verbose=False)
    if not trainer.is_global_zero:
        return {}
    if any(math.isnan(row["psnr"]) for row in module.test_rows):
        raise UnfitSettings(
            "The training has diverged: its restored test images are not numbers. Try a smaller optimizer.lr or "
            "+trainer.gradient_clip_val=1."
        )
    test = mean_results(module.test_rows, module.infos)
    described = described_infos(module.infos)
    metrics = {
        "test": test,
        "val": best_validation(best_epoch, history.rows),
        **({"metrics": described} if described else {}),
        **({} if start is None else {"weights": {"origins": list(start.origins), "seen_left_out": data.left_out}}),
        "model": describe_network(module.network),
        "seconds": seconds,
        "data": describe_data(data),
        "versions": versions(),
        "git": git,
        "seed": config.seed,
        "device": {"accelerator": device.accelerator, "name": device.name, "devices": trainer.world_size},
        "threads": device.threads,
        "precision": device.precision,
    }
    run.refuse_if_lost()
    write_images_table(run.path, module.test_rows, module.infos)
    write_samples(run.path, module, data)
    _finish_loggers(trainer)
    write_json(run.path / METRICS_FILE, metrics)
    log.info(result_table(test, module.infos))
    degraded = degraded_warning(test)
    if degraded:
        log.warning(degraded)
    log.info(f"Everything is in {run.path}")
    if any(isinstance(logger, TensorBoard) for logger in trainer.loggers):
        log.info(f"Curves and images: tensorboard --logdir {shlex.quote(config.paths.output_root)}")
    return metrics


def _resume(run: RunFolder, history: History, trainer: L.Trainer, last: LastEpoch | None, *, is_longer: bool) -> None:
    """Bring the files of the run to where its checkpoint is."""
    if last is None:
        if run.is_held:
            run.report_epoch(0)
        return
    history.resume(last.rows)
    for logger in trainer.loggers:
        is_elsewhere = isinstance(logger, TensorBoard) and Path(logger.log_dir) != run.path
        if isinstance(logger, RunLogger) and run.is_held and not is_elsewhere:
            logger.resume(last.events, last.steps, last.rows, new_settings=is_longer)


def _build_trainer(
    config: TrainConfig, run: RunFolder, device: Device, callbacks: list[Callback], loggers: list[Logger]
) -> L.Trainer:
    settings = config.trainer.plain()
    plugins = settings.get("plugins") or []
    settings |= {
        "accelerator": device.accelerator,
        "devices": device.devices,
        "precision": device.precision,
        "deterministic": device.deterministic,
        "default_root_dir": run.path,
        "callbacks": callbacks,
        "plugins": [*([plugins] if isinstance(plugins, str) else plugins), CheckpointFiles()],
        "logger": loggers,
        "enable_progress_bar": any(isinstance(callback, ProgressBar) for callback in callbacks),
        "enable_model_summary": False,
        "use_distributed_sampler": False,  # the data module shares the images out itself
    }
    return build(settings, L.Trainer, trusted=config.trusted)


def _build_logger(node: Target, run: RunFolder, config: TrainConfig) -> Logger:
    logger = build({"save_dir": str(run.path), **node.plain()}, Logger, trusted=config.trusted)
    if isinstance(logger, RunLogger):
        root = output_root_of(run.path) or Path(os.path.realpath(config.paths.output_root))
        logger.enter(RunPlace(run_name(run.path), config.sweep, root))
    return logger


def _log_settings(trainer: L.Trainer, config: TrainConfig, device: Device, metrics: Sequence[str]) -> None:
    settings = flat_settings(config, device.accelerator)
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.log_settings(settings)
        else:
            logger.log_hyperparams(settings)
        if isinstance(logger, TensorBoard):
            logger.log_charts(metrics)


def _finish_loggers(trainer: L.Trainer) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.finish(trainer.global_step)


@contextmanager
def _disk_errors_as_user_errors(folder: Path, in_sweep: bool) -> Iterator[None]:
    """Say in a sentence that a file of the run cannot be written, or that there is no room for it.

    Raises:
        UserError: for such an error.
    """
    try:
        yield
    except OSError as error:
        file = Path(str(error.filename or "a file"))
        if error.errno not in NO_ROOM and folder not in (file, *file.parents):
            raise  # of the user's own code
        again = "give the same command again"
        if not in_sweep and (folder / CONFIG_FILE).is_file():
            again = f"resume with: python -m deblur.train {shlex.quote(f'resume={folder}')}"
        cure = "make room" if error.errno in NO_ROOM else "make it writable"
        sentence = (
            f"{file} cannot be written ({error.strerror}). What was written before is intact: {cure}, and {again}"
        )
        raise disk_error(error, sentence) from error


@contextmanager
def _keyboard_interrupt_from_lightning() -> Iterator[None]:
    """Raise KeyboardInterrupt again if Lightning made it a SystemExit."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error


@contextmanager
def _known_warnings_ignored() -> Iterator[None]:
    """Leave out advice of Lightning that does not fit: the images are in memory, loader processes would slow them."""
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            "Checkpoint directory .* exists and is not empty.*",
            "The number of training batches .* is smaller than the logging interval.*",
            ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ):
            warnings.filterwarnings("ignore", message)
        yield
