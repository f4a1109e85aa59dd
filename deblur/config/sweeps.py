"""What happens to a sweep before its first job."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from deblur.config.check import check
from deblur.errors import UserError


class SweepRefused(SystemExit):
    """Ends the program before job 0. Hydra turns any plain exception of a callback into a warning and goes on.

    Attributes:
        mistake: what the user has to mend.
    """

    def __init__(self, mistake: UserError) -> None:
        """Keep the mistake."""
        super().__init__(str(mistake))
        self.mistake = mistake


class CheckJobs(Callback):
    """Check the configurations of all jobs of a sweep before job 0 starts."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Compose and check each job.

        Raises:
            SweepRefused: for the first job that is refused, naming its overrides.
        """
        loader = GlobalHydra.instance().config_loader()
        axes = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
        words = [*axes, *(str(word) for word in config.hydra.overrides.task)]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
        for job in BasicSweeper.split_arguments(overrides, max_batch_size=None)[0]:
            composed = loader.load_sweep_config(config, list(job))
            try:
                if check(composed)["resume"] is not None:
                    raise UserError("resume=DIR continues one run: leave out -m.")
            except UserError as error:
                refusal = f"The job {' '.join(job)} is refused, so no job of this sweep was started: {error}"
                raise SweepRefused(UserError(refusal)) from None
