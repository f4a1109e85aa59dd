"""What Hydra calls when a sweep starts."""

import shlex
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from deblur.config.chosen import build_loss, build_metrics
from deblur.config.sweeps import SweepListed, SweepRefused, checked_jobs
from deblur.console import say
from deblur.data.sizes import refuse_too_large_patch
from deblur.errors import UserError
from deblur.runs.paths import naming_overrides, refuse_unwritable, run_folder
from deblur.sweeps.dry_run import JobRefused, listing, planned_runs
from deblur.sweeps.sweep import Job, Sweep
from deblur.sweeps.watch import current_watch, processes


class WatchSweep(Callback):
    """Checks all jobs of a sweep before the first one, notes them, and has them watched."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check, note, watch; or check and list, for `dry_run=true`.

        Raises:
            SweepRefused: for the first job that cannot be, and for whatever else goes wrong: Hydra would make a warning
                of any other exception and start the sweep unchecked.
            SweepListed: after a list.
        """
        try:
            self._start(config)
        except (SweepRefused, SweepListed):
            raise
        except JobRefused as refusal:
            raise SweepRefused(" ".join(refusal.job.overrides), refusal.usage_error) from refusal
        except Exception as error:  # a damaged or unwritable folder
            raise SweepRefused("", error) from error

    def _start(self, config: DictConfig) -> None:
        axes = config.hydra.sweeper.get("params")
        jobs = [
            Job(tuple(overrides), checked, run_folder(checked, naming_overrides(overrides, axes)))
            for overrides, checked in checked_jobs(config)
        ]
        for job in jobs:
            try:
                refuse_too_large_patch(job.config)
                build_loss(job.config["loss"], job.config["trusted"])
                build_metrics(job.config["metrics"], job.config["trusted"])
            except UserError as error:
                raise JobRefused(job, error) from error
        sweep = Sweep(jobs[0].folder.parent, tuple(jobs))
        refuse_unwritable(sweep.folder)
        conflict = sweep.first_conflict()
        if conflict is not None:
            raise JobRefused(*conflict)
        if any(job.config["dry_run"] for job in jobs):
            at_once = processes(config.hydra.launcher, len(jobs))
            say(listing(sweep.folder, list(planned_runs(jobs)), at_once))
            raise SweepListed
        waiting = current_watch()
        overrides = sys.argv[1:] if waiting is None else waiting.argv
        sweep.note(f"python -m deblur.train {shlex.join(overrides)}")
        if waiting is not None:
            at_once = waiting.start(sweep, config.hydra.launcher)
            if str(config.hydra.launcher._target_).endswith(".JoblibLauncher"):
                # It would start a process for each processor core, and those without a run would wait for minutes.
                with read_write(config), open_dict(config):
                    config.hydra.launcher.n_jobs = at_once
