"""The jobs of a sweep, before the first of them starts."""

from collections.abc import Sequence
from typing import Final

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from deblur.config.arguments import Arguments
from deblur.config.check import check, refuse_trust_in_files
from deblur.config.schema import TrainConfig
from deblur.errors import UserError

_SWEEPER: Final = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"


class SweepRefused(SystemExit):
    """Ends the program before job 0. Hydra turns any plain exception of a callback into a warning.

    Attributes:
        job: the overrides of the job that is refused.
        usage_error: why it is: a usage error, or what Hydra raised.
    """

    def __init__(self, job: str, usage_error: Exception) -> None:
        """Keep the usage error."""
        super().__init__(str(usage_error))
        self.job = job
        self.usage_error = usage_error


class SweepListed(SystemExit):
    """Ends the program with success after the jobs of a sweep have been listed."""


def loader_of(arguments: Arguments) -> ConfigLoader:
    """Return Hydra's loader of configuration files for a command, without a running Hydra."""
    search_path = create_config_search_path(arguments.folders[0])
    for folder in arguments.folders[1:]:
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(search_path)


def compose_command(arguments: Arguments, overrides: Sequence[str]) -> tuple[DictConfig, ConfigLoader]:
    """Compose the configuration of a command as a whole, and return what composed it.

    Args:
        arguments: of the command.
        overrides: its overrides, as Hydra's grammar wants them.

    Raises:
        HydraException: if Hydra cannot read them.
    """
    loader = loader_of(arguments)
    config = loader.load_configuration(
        arguments.config_name, list(overrides), RunMode.MULTIRUN, validate_sweep_overrides=False
    )
    return config, loader


def first_job(arguments: Arguments, overrides: Sequence[str]) -> tuple[list[str], int]:
    """Return the overrides of the first job that a command starts, and how many there are.

    Hydra shows the configuration of one run alone: `--cfg job` and its kind are given that of the first job.

    Args:
        arguments: of the command.
        overrides: its overrides, as Hydra's grammar wants them.

    Raises:
        HydraException: if Hydra cannot read them.
    """
    config, loader = compose_command(arguments, overrides)
    if not arguments.multirun and config.hydra.mode != RunMode.MULTIRUN:
        return list(overrides), 1
    jobs = _jobs(config, loader, overrides)
    return jobs[0], len(jobs)


def _jobs(config: DictConfig, loader: ConfigLoader, overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job that Hydra's own sweeper starts for a command."""
    axes = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*axes, *overrides])
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def checked_jobs(config: DictConfig) -> list[tuple[list[str], TrainConfig]]:
    """Compose and check the configurations of all jobs of a sweep.

    Args:
        config: what Hydra composed for the sweep as a whole, with its own section `hydra`.

    Returns:
        The overrides and the checked configuration of each job.

    Raises:
        SweepRefused: for the first job that is refused, naming its overrides.
    """
    loader = GlobalHydra.instance().config_loader()
    sweeper = str(config.hydra.sweeper.get("_target_"))
    if sweeper != _SWEEPER:
        raise SweepRefused(
            "",
            UserError(
                f"hydra/sweeper with the class {sweeper} is not supported: it picks its jobs one after the other, so "
                "that they cannot be checked before the first one starts. Leave it out, and list the values: "
                "optimizer.lr=1e-4,1e-3."
            ),
        )
    given = [str(override) for override in OmegaConf.to_container(config.hydra.overrides.task, resolve=False) or []]
    try:
        listed = _jobs(config, loader, given)
    except Exception as error:
        raise SweepRefused("", error) from error
    jobs = []
    for job in listed:
        try:
            merged = loader.load_sweep_config(config, job)
            _refuse_sweep_within(config, merged)
            composed = check(merged)
            refuse_trust_in_files(composed.trusted, job)
            if composed.search is not None:
                raise UserError("A search is a sweep itself: leave out -m, and give one command for each.")
            if composed.resume is not None:
                raise UserError("resume=DIR continues one run: leave out -m.")
            if composed.sweep is None:
                raise UserError("sweep=null is no name: give one with sweep=NAME.")
        except Exception as error:
            raise SweepRefused(" ".join(job), error) from error
        jobs.append((job, composed))
    return jobs


def checked_trial(overrides: Sequence[str]) -> TrainConfig:
    """Compose and check the configuration of the running command with further overrides, as a run alone.

    Args:
        overrides: of one trial of its search.

    Raises:
        Exception: of the user's mistakes, as `checked_jobs` wraps them.
    """
    hydra = HydraConfig.get()
    given = [*hydra.overrides.hydra, *hydra.overrides.task, *overrides]
    config = check(
        GlobalHydra.instance().config_loader().load_configuration(str(hydra.job.config_name), given, RunMode.RUN)
    )
    config.search = None
    return config


def _refuse_sweep_within(sweep: DictConfig, job: DictConfig) -> None:
    """Refuse a preset that is a sweep if it is one value of an axis: Hydra would leave out its own axes silently."""
    if job.hydra.sweeper.get("params") and not sweep.hydra.sweeper.get("params"):
        name = job.hydra.runtime.choices.get("experiment")
        raise UserError(f"experiment={name} is a sweep itself: give it alone, one command for each.")
