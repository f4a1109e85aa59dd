"""The settings of a search's next trial, drawn by Optuna from its ranges and the trials before it."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from deblur.config.search import Choice, LinearRange, LogRange, Range
from deblur.config.sections import shown
from deblur.errors import UserError

if TYPE_CHECKING:  # it takes seconds
    from optuna.distributions import BaseDistribution

DIGITS: Final = 4  # significant ones of a drawn number: it is part of a run's name and of commands

Settings = Mapping[str, Any]


class Observation(NamedTuple):
    """An earlier trial, from which the sampler learns.

    Attributes:
        settings: values by key; a choice is the text that `shown` makes of it.
        value: the larger the better; None of a trial that failed.
    """

    settings: Settings
    value: float | None


def refuse_without_optuna() -> None:
    """Refuse a search without Optuna, before it is imported.

    Raises:
        UserError: if it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UserError('A search needs Optuna, which is not installed: pip install "deblur-lab[search]".')


def next_settings(ranges: Mapping[str, Range], seed: int, trials: Sequence[Observation]) -> dict[str, Any]:
    """Return the settings of the next trial.

    They depend on the arguments alone: each trial has a sampler of its own, whose random numbers come from the seed and
    the number of the trial. So a search that is resumed asks as one that was never interrupted.

    Args:
        ranges: by key.
        seed: of the search.
        trials: all earlier ones, in their order.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {key: _distribution(one) for key, one in ranges.items()}
    state = int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0])
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=state))
    for settings, value in trials:
        ended = {"value": value} if value is not None else {"state": TrialState.FAIL}
        study.add_trial(create_trial(params=dict(settings), distributions=distributions, **ended))
    drawn = study.ask(distributions).params
    return {key: _rounded(drawn[key], one) for key, one in ranges.items()}


def _distribution(one: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(one, Choice):
        return CategoricalDistribution([shown(value) for value in one.values])  # it takes no lists
    if isinstance(one, LogRange | LinearRange):
        low, high = map(float, one.values)
        return FloatDistribution(low, high, log=isinstance(one, LogRange))
    low, high = one.values
    return IntDistribution(low, high)


def _rounded(value: Any, one: Range) -> Any:
    """Return a drawn number with a few digits, within its range."""
    if not isinstance(value, float):
        return value
    low, high = map(float, one.values)
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)
