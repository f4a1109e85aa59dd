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
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.console import is_terminal, logging_to
from deblur.data.datamodule import DeblurDataModule
from deblur.device import Device, choose_device
from deblur.files import write_json
from deblur.runs import (
    LOG_FILE,
    METRICS_FILE,
    RunFolder,
    config_without_paths,
    earlier_status,
    read_json,
    shared_run_folder,
    sharing,
)
from deblur.training.callbacks import HISTORY_FILE, History, TimeLeft
from deblur.training.loggers import TensorBoard
from deblur.training.module import DeblurModule
from deblur.training.optimizers import build_optimizer, build_scheduler
from deblur.training.results import (
    best_validation,
    describe_data,
    flat_settings,
    git_state,
    mean_results,
    stopwatch,
    versions,
    write_images_table,
    write_samples,
)
from deblur.training.summary import describe_network, receptive_field_warning, result_table, start_summary

CHECKPOINTS = "checkpoints"

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> dict[str, Any]:
    """Train a network, test its best checkpoint, and write everything into the run's folder.

    A run that an earlier process left unfinished there goes on from its last checkpoint; a finished one stays as it is.

    Args:
        config: a checked configuration.
        folder: the run's folder.

    Returns:
        What metrics.json holds; nothing in the further processes of a training on several devices.

    Raises:
        UserError: for what the user can mend.
        KeyboardInterrupt: after Ctrl-C, when the run's files are in order.
    """
    if earlier_status(folder, config).get("state") == "done":
        log.info(f"{folder} is done already.")
        return read_json(folder / METRICS_FILE)
    device = choose_device(config["trainer"])
    run = RunFolder(folder, config)
    if shared_run_folder() is not None:
        logging.disable(logging.WARNING)  # the first process of the run says it all
        with _known_warnings_ignored():
            return _train(config, run, device)
    try:
        with run, logging_to(folder / LOG_FILE), sharing(folder), _known_warnings_ignored():
            return _train(config, run, device)
    except KeyboardInterrupt as stop:
        again = shlex.quote(f"resume={folder}")
        raise KeyboardInterrupt(f"Stopped. Go on with: python -m deblur.train {again}") from stop


def _train(config: Config, run: RunFolder, device: Device) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    trusted = config["trusted"]
    L.seed_everything(config["seed"], verbose=False)
    degradation = build(config["blur"], Degradation, trusted=trusted)
    module = DeblurModule(
        model=config["model"],
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        loss=config["loss"],
        seed=config["seed"],
        blur=config_without_paths(config["blur"]),
        data=config_without_paths(config["data"]),
        trusted=trusted,
    )
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
    last = _last_checkpoint(run)
    history = History(run)
    trainer = _build_trainer(config, run, device, history, last)
    log.info(f"{'run':<9} {run.path}")
    with stopwatch(seconds, "data"):
        data.setup()
    log.info(start_summary(config, module.network, degradation, data.images, data.splits, device))
    warning = receptive_field_warning(module.network, degradation)
    if warning:
        log.warning(warning)
    with stopwatch(seconds, "fit"), _keyboard_interrupt_from_lightning():
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    seconds["epochs"] = round(sum(row["seconds"] for row in history.rows), 3)

    best = run.path / CHECKPOINTS / "best.ckpt"
    log.info(f"Testing the best epoch's weights, {best}")
    with stopwatch(seconds, "test"), _keyboard_interrupt_from_lightning():
        trainer.test(module, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
    if not trainer.is_global_zero:
        return {}
    test = mean_results(module.test_rows)
    metrics = {
        "test": test,
        "val": best_validation(best, history.rows),
        "model": describe_network(module.network),
        "seconds": seconds,
        "data": describe_data(data),
        "versions": versions(),
        "git": git_state(),
        "seed": config["seed"],
        "device": {"accelerator": device.accelerator, "name": device.name},
        "threads": device.threads,
        "precision": device.precision,
    }
    write_images_table(run.path, module.test_rows)
    write_samples(run.path, module, data)
    _log_hyperparameters(trainer, config, device, test)
    write_json(run.path / METRICS_FILE, metrics)
    log.info("\n" + result_table(test))
    log.info(f"\nEverything is in {run.path}; look at it with\n  tensorboard --logdir {config['paths']['output_root']}")
    return metrics


def _last_checkpoint(run: RunFolder) -> Path | None:
    """Return where to go on from; without a checkpoint, clear away what an earlier start left."""
    last = run.path / CHECKPOINTS / "last.ckpt"
    if last.is_file():
        epoch = torch.load(last, map_location="cpu", weights_only=True)["epoch"]
        log.info(f"Going on after epoch {epoch + 1}, from {last}")
        return last
    if run.is_held:
        shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)
        for stale in (run.path / HISTORY_FILE, *run.path.glob("events.out.tfevents.*")):
            stale.unlink(missing_ok=True)
    return None


def _build_trainer(config: Config, run: RunFolder, device: Device, history: History, last: Path | None) -> L.Trainer:
    trusted = config["trusted"]
    callbacks = [
        *(build(node, Callback, trusted=trusted) for node in (config["callbacks"] or {}).values() if node),
        TimeLeft(),
        _keep_checkpoint(run, "best", monitor="val/psnr"),
        history,
        # The last one: it holds the state of the others, and a run goes on from it.
        _keep_checkpoint(run, "last"),
    ]
    if is_terminal():
        callbacks.insert(0, RichProgressBar(leave=False))
    settings = dict(config["trainer"])
    settings |= {
        "accelerator": device.accelerator,
        "precision": device.precision,
        "deterministic": device.deterministic,
        "default_root_dir": run.path,
        "callbacks": callbacks,
        "logger": [_build_logger(node, run, last, config) for node in (config["logger"] or {}).values() if node],
        "enable_progress_bar": is_terminal(),
        "enable_model_summary": False,
        "use_distributed_sampler": False,  # the data module shares the images out itself
    }
    return build(settings, L.Trainer, trusted=trusted)


def _keep_checkpoint(run: RunFolder, name: str, monitor: str | None = None) -> ModelCheckpoint:
    return ModelCheckpoint(
        run.path / CHECKPOINTS,
        name,
        monitor=monitor,
        mode="max",
        auto_insert_metric_name=False,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )


def _build_logger(node: Mapping[str, Any], run: RunFolder, last: Path | None, config: Config) -> Logger:
    purge = {}
    if last is not None and str(node.get("_target_")).endswith(".TensorBoard"):
        purge["purge_step"] = torch.load(last, map_location="cpu", weights_only=True)["global_step"] + 1
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
