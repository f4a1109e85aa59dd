"""Train one network, or one for each job of a sweep: `python -m deblur.train`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deblur.announcing import announce_training
from deblur.errors import UserError, disk_error
from deblur.processes import end_with_command, shared_run_folder
from deblur.streams import guarded_output

if TYPE_CHECKING:  # what is imported here comes before the first line
    from omegaconf import DictConfig

    from deblur.sweeps.sweep import Job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.train --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if argv is None else argv
    with guarded_output():
        announce_training(given)
        from deblur.config.command_line import run
        from deblur.sweeps.progress import watching
        from deblur.sweeps.session import conclude, launcher_failed

        with watching(given) as watch:
            try:
                code = run("train", _task, argv)
            except Exception as error:
                if watch.sweep is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                # Each run keeps its own troubles to itself, so this is the launcher's.
                code = launcher_failed(error)
        if watch.search is not None:
            return watch.search.conclude(code)
        return code if watch.sweep is None else conclude(watch.sweep, code)


def _task(composed: "DictConfig") -> float | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from deblur.config import check
    from deblur.config.extras import refuse_absent_loggers
    from deblur.data.sizes import refuse_too_large_patch
    from deblur.runs.paths import naming_overrides, near_place, refuse_unwritable, run_folder
    from deblur.runs.states import is_lengthened, resumed_config
    from deblur.sweeps.progress import LOCAL_LAUNCHERS, current_watch
    from deblur.sweeps.session import train_job
    from deblur.sweeps.sweep import Job, join
    from deblur.training.starting import refuse_unfit_weights

    config = check(composed)
    if config.trainer.devices == "auto":
        from deblur.device import all_devices  # seconds of imports

        # The number decides how large a step's batch is: a run that is resumed elsewhere needs the same.
        config.trainer.devices = all_devices(config.trainer.accelerator)
    if config.search is not None:
        from deblur.sweeps.search import search

        search(config)
        return None
    hydra = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    lengthens = False
    if config.resume is not None:
        folder = Path(os.path.realpath(config.resume))
        if not folder.exists():
            raise UserError(f"resume={folder} does not exist: give the folder of a run.{near_place(folder)}")
        config = check(resumed_config(folder, config.plain(), overrides), stored=True)
        lengthens = is_lengthened(folder, config.plain())
    else:
        folder = shared_run_folder() or run_folder(config, naming_overrides(overrides, hydra.sweeper.get("params")))
    if hydra.mode == RunMode.MULTIRUN:
        launcher = str(hydra.launcher._target_).rpartition(".")[2]
        if launcher in LOCAL_LAUNCHERS:
            end_with_command()
        return train_job(config, folder, alone=launcher == "BasicLauncher")
    refuse_absent_loggers(config)
    refuse_too_large_patch(config)
    try:
        refuse_unwritable(folder)
    except OSError as error:
        raise disk_error(
            error, f"The run folder {folder} cannot be written ({error.strerror}): choose another paths.output_root."
        ) from error
    refuse_unfit_weights(config, folder)
    if config.dry_run:
        _show_what_would_run(Job((), config, folder))
        return None
    if config.sweep is not None and config.resume is None:
        waiting = current_watch()
        join(config, folder, sys.argv[1:] if waiting is None else waiting.argv)
    from deblur.training.session import train  # seconds of imports, after everything that can be refused without them

    train(config, folder, lengthen=lengthens)
    return None


def _show_what_would_run(job: "Job") -> None:
    from deblur.config.sweeps import SweepRefused
    from deblur.console import say
    from deblur.sweeps.dry_run import listing
    from deblur.sweeps.sweep import refuse_conflict

    if job.config.sweep is not None:
        refuse_conflict(job)

    folder = job.folder.parent if job.config.sweep is not None else job.folder.parent.parent
    try:
        say(listing(folder, [job]))
    except SweepRefused as refusal:
        raise refusal.usage_error from None


if __name__ == "__main__":
    sys.exit(main())
