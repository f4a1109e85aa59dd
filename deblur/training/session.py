"""One training from a checked configuration to a run's files."""

import logging
import shlex
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar, RichProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.console import is_terminal, logging_to
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device, refuse_absent_device, taken_device
from deblur.files import write_json
from deblur.memory import keep_freed_memory
from deblur.metrics import mean_results
from deblur.networks.building import build_network
from deblur.networks.checkpoints import CHECKPOINTS, load_checkpoint
from deblur.reading import UnusableFile
from deblur.runs import (
    HISTORY_FILE,
    LOG_FILE,
    METRICS_FILE,
    RunFolder,
    RunIsDone,
    config_without_paths,
    damage_in,
    end_with_first_process,
    read_metrics,
    read_status,
    shared_run_folder,
    sharing,
)
from deblur.training.calibration import calibrate
from deblur.training.callbacks import FolderGuard, History, TimeLeft
from deblur.training.checkpoints import KeptCheckpoint, LastEpoch, find_last
from deblur.training.loggers import TensorBoard
from deblur.training.module import DeblurModule
from deblur.training.optimizers import build_optimizer, build_scheduler
from deblur.training.results import (
    best_validation,
    describe_data,
    flat_settings,
    git_state,
    stopwatch,
    versions,
    write_images_table,
    write_samples,
)
from deblur.training.summary import describe_network, receptive_field_warning, result_table, start_summary

log = logging.getLogger(__name__)


def train(config: Config, folder: Path, *, in_sweep: bool = False, progress_bar: bool = True) -> dict[str, Any]:
    """Train a network, test its best checkpoint, and write everything into the run's folder.

    A run that an earlier process left unfinished there goes on from its last checkpoint; a finished one stays as it is.

    Args:
        config: a checked configuration.
        folder: the run's folder.
        in_sweep: whether the run tells nothing on the console, and everything in its own files: also that there is no
            such device.
        progress_bar: whether a terminal shows one.

    Returns:
        What metrics.json holds; nothing in the further processes of a training on several devices.

    Raises:
        UserError: for what the user can mend.
        KeyboardInterrupt: after Ctrl-C, when the run's files are in order.
    """
    run = RunFolder(folder, config, overwrite=config.get("overwrite", False))
    bar = progress_bar and is_terminal()
    try:
        run.refuse_if_done()
        if not in_sweep:
            refuse_absent_device(config["trainer"])
        if shared_run_folder() is not None:
            logging.disable(logging.WARNING)  # the first process of the run says it all
            end_with_first_process()
            with taken_device(_settled(config["trainer"], folder)) as device, _known_warnings_ignored():
                return _train(config, run, device, bar)
        with (
            run,
            logging_to(folder / LOG_FILE, console_too=not in_sweep),
            sharing(folder),
            taken_device(_settled(config["trainer"], folder)) as device,
            _known_warnings_ignored(),
        ):
            run.note_precision(device.precision)
            return _train(config, run, device, bar)
    except RunIsDone:
        damage = damage_in(folder)
        if damage is not None:
            raise damage from None
        log.info(f"{folder} is done already.")
        return read_metrics(folder)
    except KeyboardInterrupt as stop:
        again = shlex.quote(f"resume={folder}")
        raise KeyboardInterrupt(f"Stopped. Go on with: python -m deblur.train {again}") from stop


def _settled(trainer: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return the trainer's settings; if epochs of the run were trained in a precision, `auto` is that."""
    if trainer["precision"] != "auto":
        return trainer
    try:
        return {**trainer, "precision": read_status(folder).get("precision") or "auto"}
    except UnusableFile:
        return trainer


def _train(config: Config, run: RunFolder, device: Device, progress_bar: bool) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    trusted = config["trusted"]
    keep_freed_memory()
    L.seed_everything(config["seed"], verbose=False)
    # Nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # missing in torch's stub
    degradation = build(config["blur"], Degradation, trusted=trusted)
    module = DeblurModule(
        model=config["model"],
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        loss=config["loss"],
        seed=config["seed"],
        blur=config_without_paths(config["blur"]),
        data=config_without_paths(config["data"]),
        network=build_network(config["model"], trusted),
    )
    module.trusted = trusted
    # Wrong arguments are refused here, before images are decoded or drawn.
    optimizer = build_optimizer(config["optimizer"], module.network, trusted)
    if config["scheduler"] is not None:
        build_scheduler(config["scheduler"], optimizer, steps=100, trusted=trusted)
    data = build(
        config["data"],
        DeblurDataModule,
        degradation,
        trusted=trusted,
        training_seed=config["seed"],
        context=module.context,
        cache_root=config["paths"]["cache_root"],
    )
    git = git_state()
    last = _last_epoch(run)
    history = History(run)
    if last is not None:
        history.keep(last.epochs)
    callbacks: list[Callback] = [RichProgressBar(leave=False)] if progress_bar else []
    callbacks += [
        *(build(node, Callback, trusted=trusted) for node in (config["callbacks"] or {}).values() if node),
        FolderGuard(run),
        TimeLeft(),
        KeptCheckpoint(run.path, "best", monitor="val/psnr"),
        history,
        # The last one: it holds the state of the others, and a run goes on from it.
        KeptCheckpoint(run.path, "last"),
    ]
    trainer = _build_trainer(config, run, device, callbacks, last)
    log.info(f"{'run':<9} {run.path}")
    with stopwatch(seconds, "data"):
        data.setup()
    run.refuse_other_data(data.images.fingerprint)
    with stopwatch(seconds, "calibration"):
        calibrate(module.network, data)
    log.info(start_summary(config, module.network, degradation, data.images, data.splits, device))
    warning = receptive_field_warning(module.network, degradation)
    if warning:
        log.warning(warning)
    with stopwatch(seconds, "fit"), _keyboard_interrupt_from_lightning():
        trainer.fit(module, datamodule=data, ckpt_path=last.path if last else None, weights_only=True)
    seconds["epochs"] = round(sum(row["seconds"] for row in history.rows), 3)

    best = run.path / CHECKPOINTS / "best.ckpt"
    best_epoch = load_checkpoint(best)["epoch"]
    log.info(f"Testing the weights of the best epoch, {best_epoch + 1}: {best}")
    with stopwatch(seconds, "test"), _keyboard_interrupt_from_lightning():
        trainer.test(module, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
    if not trainer.is_global_zero:
        return {}
    test = mean_results(module.test_rows)
    metrics = {
        "test": test,
        "val": best_validation(best_epoch, history.rows),
        "model": describe_network(module.network),
        "seconds": seconds,
        "data": describe_data(data),
        "versions": versions(),
        "git": git,
        "seed": config["seed"],
        "device": {"accelerator": device.accelerator, "name": device.name, "devices": trainer.world_size},
        "threads": device.threads,
        "precision": device.precision,
    }
    run.refuse_if_lost()
    write_images_table(run.path, module.test_rows)
    write_samples(run.path, module, data)
    _log_hyperparameters(trainer, config, device, test)
    write_json(run.path / METRICS_FILE, metrics)
    log.info("\n" + result_table(test))
    log.info(f"\nEverything is in {run.path}; look at it with\n  tensorboard --logdir {config['paths']['output_root']}")
    return metrics


def _last_epoch(run: RunFolder) -> LastEpoch | None:
    """Return where to go on from; without a checkpoint, clear away what an earlier start left."""
    last = find_last(run.path)
    if last is not None:
        log.info(f"Going on after epoch {last.epochs}, from {last.path}")
        return last
    if run.is_held:
        shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)
        for stale in (run.path / HISTORY_FILE, *run.path.glob("events.out.tfevents.*")):
            stale.unlink(missing_ok=True)
    return None


def _build_trainer(
    config: Config, run: RunFolder, device: Device, callbacks: list[Callback], last: LastEpoch | None
) -> L.Trainer:
    settings = dict(config["trainer"])
    settings |= {
        "accelerator": device.accelerator,
        "devices": device.devices,
        "precision": device.precision,
        "deterministic": device.deterministic,
        "default_root_dir": run.path,
        "callbacks": callbacks,
        "logger": [_build_logger(node, run, last, config) for node in (config["logger"] or {}).values() if node],
        "enable_progress_bar": any(isinstance(callback, ProgressBar) for callback in callbacks),
        "enable_model_summary": False,
        "use_distributed_sampler": False,  # the data module shares the images out itself
    }
    return build(settings, L.Trainer, trusted=config["trusted"])


def _build_logger(node: Mapping[str, Any], run: RunFolder, last: LastEpoch | None, config: Config) -> Logger:
    purge: dict[str, Any] = {}
    if last is not None and str(node.get("_target_")).endswith(".TensorBoard"):
        purge["purge_step"] = last.steps + 1
    return build({"save_dir": str(run.path), **node}, Logger, trusted=config["trusted"], **purge)


def _log_hyperparameters(trainer: L.Trainer, config: Config, device: Device, test: Mapping[str, Any]) -> None:
    settings = flat_settings(config, device.accelerator)
    results = {f"hp/{name}": test[name] for name in ("psnr", "ssim", "gain") if test[name] is not None}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(settings, results)
        else:
            logger.log_hyperparams(settings)
        if isinstance(logger, TensorBoard):
            logger.close()


@contextmanager
def _keyboard_interrupt_from_lightning() -> Iterator[None]:
    """Raise KeyboardInterrupt again where Lightning made it a SystemExit."""
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
