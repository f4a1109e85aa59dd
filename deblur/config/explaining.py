"""Sentences for the errors that Hydra raises while it reads a command line."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from deblur.choices import listed_names
from deblur.config import schema
from deblur.config.check import unresolved
from deblur.config.keys import did_you_mean, known_keys, nearest, options, owners, question, top_keys
from deblur.errors import NO_ROOM

LAUNCHERS: Final = {  # that Hydra does not bring along
    "joblib": "hydra-joblib-launcher==1.2.0",
    "submitit_local": "hydra-submitit-launcher==1.2.0",
    "submitit_slurm": "hydra-submitit-launcher==1.2.0",
}
_FILE_KEYS: Final = {"data": "data=folder data.root", "blur": "blur=kernel blur.path"}
"""What sets a file or a folder of the user's, of the groups that take one."""


def explain(error: Exception, config_name: str, overrides: Sequence[str]) -> str:
    """Return a sentence for an error that Hydra raised while it read a command line.

    Args:
        error: the error.
        config_name: the command, a file in conf/.
        overrides: of the command.
    """
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and "/" in error.missing_cfg_file:
        return _explain_absent_option(error, overrides)
    if isinstance(error, OverrideParseException):
        return _explain_unreadable(error.override, error.message.splitlines()[0])
    several = re.match(r"Ambiguous value for argument '(.*)'\n|Sweep parameters '(.*)' requires", text)
    if "INTERVAL_SWEEP" in text or (several and "interval(" in str(several[1] or several[2])):
        return (
            "interval(...) is a range without values, and a sweep needs values: list them, such as "
            "optimizer.lr=1e-4,3e-4,1e-3 or seed=range(0,5)."
        )
    if several:
        advice = "add -m to train with one after the other, or " if config_name == "train" else ""
        return f"{several[1] or several[2]} stands for several values: {advice}write a list as [a,b]."
    if again := re.match(r"Multiple values for (\S+)\.|(\S+) appears more than once", text):
        group = again[1] or again[2]
        return f"{group} has been chosen by conf/{config_name}.yaml: write {group}=NAME, without a plus sign."
    if there := re.match(r"Could not append to config\. An item is already at '(.*?)'\.", text):
        return f"{there[1]} exists already: write {there[1]}=VALUE, without a plus sign."
    if re.match(r"Could not override 'hydra\.launcher\.", text):
        return f"{text.split(chr(39))[1]} belongs to a launcher that is not chosen: add hydra/launcher=joblib, for one."
    if absent := re.match(r"Could not delete from config\. '(.*)' does not exist", text):
        return f"~{absent[1]} deletes nothing: there is no {absent[1]}."
    if (merged := re.match(r"Error merging override (.*?)=(\{.*)", text)) and "is not in struct" not in str(
        error.__cause__
    ):
        key = merged[1].lstrip("+")
        return f"{key}={merged[2].rstrip('.')} is not allowed: {key} is a value and has no keys."
    if text.startswith("Config group override must be a string"):
        return _explain_choice_of_no_name(overrides)
    if isinstance(error, OSError) and error.filename is not None:
        cure = "make room, or choose" if error.errno in NO_ROOM else "choose"
        return f"{error.filename} cannot be written ({error.strerror}): {cure} another paths.output_root."
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and "is not in struct" in str(cause) and cause.full_key:
        return _explain_unknown_key(cause, config_name, overrides)
    if isinstance(error, OmegaConfBaseException) and "nterpolation" in type(error).__name__:
        return unresolved(error)
    sentence = " ".join(line.strip() for line in text.splitlines()[:2]).strip().rstrip(".!")
    return sentence if sentence.endswith("?") else f"{sentence}."


def _explain_absent_option(error: MissingConfigException, overrides: Sequence[str]) -> str:
    missing = str(error.missing_cfg_file)
    keys = (override.lstrip("+").partition("=")[0] for override in overrides)
    # Of data=/a/b Hydra makes data//a/b.
    group = next((key for key in keys if key and missing.startswith(f"{key}/")), missing.rpartition("/")[0])
    choice = missing[len(group) + 1 :]
    known = sorted(error.options or options(group))
    if group == "hydra/launcher" and choice in LAUNCHERS:
        return f'{group}={choice} needs a package that is not installed: pip install "{LAUNCHERS[choice]}".'
    sentence = f"{group}={choice} is not allowed: choose {', '.join(known)}."
    is_place = any(sign in choice for sign in ("/", os.sep, ".")) or (choice != "" and Path(choice).exists())
    if is_place and group in _FILE_KEYS:
        return f"{sentence}{question([_as_file(group, choice)])}"
    near = nearest(choice, known)
    return f"{sentence}{question([near] if near else [])}"


def _explain_unreadable(override: str, reason: str) -> str:
    key, equals, value = override.partition("=")
    group = key.lstrip("+")
    sentence = (
        f"{override} cannot be read ({reason}): write KEY=VALUE, lists as [a,b] without blanks, and put quotes around "
        "other values with blanks or signs: \"KEY='a value'\"."
    )
    return sentence + question([_as_file(group, value)] if group in _FILE_KEYS and equals and value else [])


def _as_file(group: str, place: str) -> str:
    """Return the overrides that choose a file or folder of the user's for a group."""
    option, _, key = _FILE_KEYS[group].partition(" ")
    return f"{option} {shlex.quote(f'{key}={place}')}"


def _explain_choice_of_no_name(overrides: Sequence[str]) -> str:
    for override in overrides:
        group, _, choice = override.lstrip("+").partition("=")
        known = options(group)
        if known and choice not in known:
            return f"{group}={choice} is not allowed: choose {', '.join(known)}, or leave {group} out."
    return "An option of a group is chosen by its name: GROUP=NAME."


def _explain_unknown_key(error: OmegaConfBaseException, config_name: str, overrides: Sequence[str]) -> str:
    full_key, value = _as_given(str(error.full_key), overrides)
    group = full_key.partition(".")[0]
    having = (owners(full_key) or owners(str(error.full_key))) if group in top_keys(config_name) else []
    if having and any(re.match(rf"{group}=.*[,(]", override) for override in overrides):
        # Hydra tries the other overrides on the default option before it looks at those that a sweep goes through.
        return f"{full_key} is unknown at the start of a sweep over {group}: write {full_key}=choice(VALUE)."
    if having:
        return f"{full_key} is unknown in the chosen {group}: it belongs to {group}={' or '.join(having)}."
    section = error.parent_node if isinstance(error.parent_node, DictConfig) else DictConfig({})
    above, _, unknown = str(error.full_key).rpartition(".")
    names = (
        {str(name) for name in section} - {"_target_", "name", "hydra"}
        if above
        else {key for key in top_keys(config_name) if "/" not in key}
    )
    # One that is known has to be added: it is an argument of another library's class that no option sets.
    is_known = full_key in known_keys(config_name)
    asked = "" if is_known else did_you_mean(full_key, config_name, value)
    if not names:
        group = above.replace(".", "/")
        chosen = [f"{group}={name}" for name in options(group) if name != "none"]  # such as those of blur/camera
        chosen = chosen or [f"experiment={name}" for name in options("experiment") if name == above]
        without = f" without {listed_names(chosen)}" if chosen else ""
        return f"{error.full_key} is unknown: {above} has no keys{without}."
    if not asked and not is_known:
        near = nearest(unknown, names)
        asked = question([f"{above}.{near}" if above else near] if near else [])
    known = f"{above} has the keys" if above else "the keys at the top are"
    sentence = f"{error.full_key} is unknown: {known} {', '.join(sorted(names))}.{asked}"
    target = str(section.get("_target_"))
    if "_target_" in section and target not in schema.BY_TARGET and not target.startswith("deblur.blur."):
        sentence += f" For an argument of {target} write +{full_key}=VALUE."
    return sentence


def _as_given(unknown: str, overrides: Sequence[str]) -> tuple[str, str | None]:
    """Return the key and the value of the override of which a part is unknown.

    Of `optimizer.lr=1` Hydra names `optimizer` alone.
    """
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key == unknown or key.startswith(f"{unknown}."):
            return key, value[1:-1] if re.fullmatch(r"'[^'\\]*'", value) else value
    return unknown, None
