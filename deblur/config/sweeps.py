"""The jobs of a sweep, before the first of them starts."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from deblur.config.check import Config, check, refuse_trust_in_files
from deblur.config.places import conf_dir
from deblur.errors import UserError


class SweepRefused(SystemExit):
    """Ends the program before job 0. Hydra turns any plain exception of a callback into a warning and goes on.

    Attributes:
        job: the overrides of the job that is refused.
        mistake: why it is: a mistake of the user, or what Hydra raised.
    """

    def __init__(self, job: str, mistake: Exception) -> None:
        """Keep the mistake."""
        super().__init__(str(mistake))
        self.job = job
        self.mistake = mistake


def checked_jobs(config: DictConfig) -> list[tuple[list[str], Config]]:
    """Compose and check the configurations of all jobs of a sweep.

    Args:
        config: what Hydra composed for the sweep as a whole, with its own section `hydra`.

    Returns:
        The overrides and the checked configuration of each job.

    Raises:
        SweepRefused: for the first job that is refused, naming its overrides.
    """
    loader = GlobalHydra.instance().config_loader()
    axes = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    words = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*axes, *map(str, words or [])])
    jobs = []
    for job in BasicSweeper.split_arguments(overrides, max_batch_size=None)[0]:
        try:
            _refuse_sweep_within(config, job)
            composed = check(loader.load_sweep_config(config, list(job)))
            refuse_trust_in_files(composed, job)
            if composed["resume"] is not None:
                raise UserError("resume=DIR continues one run: leave out -m.")
            if composed["sweep"] is None:
                raise UserError("sweep=null is no name: give one with sweep=NAME.")
        except Exception as error:
            raise SweepRefused(" ".join(job), error) from error
        jobs.append((list(job), composed))
    return jobs


def _refuse_sweep_within(config: DictConfig, job: Sequence[str]) -> None:
    """Refuse a preset that is a sweep where it is one value of an axis: Hydra would leave out its own axes silently."""
    for word in job:
        key, _, name = word.partition("=")
        preset = conf_dir() / "experiment" / f"{name}.yaml"
        is_axis = key == "experiment" and not config.hydra.sweeper.get("params") and preset.is_file()
        if is_axis and "hydra" in DictConfig(OmegaConf.load(preset)):
            raise UserError(f"experiment={name} is a sweep itself: give it alone, one command for each.")
