"""With which configuration a stopped run goes on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deblur.errors import UserError
from deblur.runs.identity import WITHOUT_EFFECT, is_within
from deblur.runs.records import read_config
from deblur.runs.states import state_of


def resumed_config(folder: Path, config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration with which `resume=FOLDER` goes on: the run's own.

    Args:
        folder: the run's folder.
        config: what the command line gave.
        overrides: its words; only such as cannot change the result are taken.

    Raises:
        UserError: where the folder is no run, the run is done, or the command changes its result.
    """
    stored = read_config(folder)
    if state_of(folder) == "done":
        raise UserError(f"The run {folder} is done: there is nothing to resume.")
    for word in overrides:
        key = word.lstrip("+").partition("=")[0]
        if not is_within(key, WITHOUT_EFFECT):
            raise UserError(
                f"resume={folder} goes on with the run's own configuration: leave out {key}, or start a new run."
            )
        if key != "resume":
            _take(key, config, stored)
    # What a configuration file trusts is no word of the user's; and what is resumed is not to be replaced.
    return {**stored, "trusted": config.get("trusted", []), "overwrite": False}


def _take(key: str, source: Mapping[str, Any], target: dict[str, Any]) -> None:
    """Copy the value of a dotted key from one configuration into another."""
    *sections, last = key.split(".")
    for section in sections:
        source, target = source[section], target.setdefault(section, {})
    target[last] = source[last]
