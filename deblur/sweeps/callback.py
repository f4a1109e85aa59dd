"""What Hydra calls when a sweep starts."""

import shlex
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from deblur.config.sweeps import SweepRefused, checked_jobs
from deblur.data.sizes import refuse_too_large_patch
from deblur.errors import UserError
from deblur.runs import naming_words, run_folder
from deblur.sweeps.sweep import Job, Sweep
from deblur.sweeps.watch import current_watch


class WatchSweep(Callback):
    """Checks all jobs of a sweep before the first one, notes them, and has them watched."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check, note, watch.

        Raises:
            SweepRefused: for the first job that cannot be.
        """
        axes = config.hydra.sweeper.get("params")
        jobs = [
            Job(tuple(words), checked, run_folder(checked, naming_words(words, axes)))
            for words, checked in checked_jobs(config)
        ]
        for job in jobs:
            try:
                refuse_too_large_patch(job.config)
            except UserError as error:
                raise SweepRefused(" ".join(job.overrides), error) from error
        sweep = Sweep(jobs[0].folder.parent, tuple(jobs))
        waiting = current_watch()
        try:
            conflict = sweep.first_conflict()
            if conflict is None:
                words = sys.argv[1:] if waiting is None else waiting.words
                sweep.note(f"python -m deblur.train {shlex.join(words)}")
        except Exception as error:  # a damaged or unwritable folder
            raise SweepRefused(" ".join(jobs[0].overrides), error) from error
        if conflict is not None:
            raise SweepRefused(" ".join(conflict[0].overrides), conflict[1])
        if waiting is not None:
            at_once = waiting.start(sweep, config.hydra.launcher)
            if str(config.hydra.launcher._target_).endswith(".JoblibLauncher"):
                # It would start a process for each processor core, and those without a run would wait for minutes.
                with read_write(config), open_dict(config):
                    config.hydra.launcher.n_jobs = at_once
