"""From the words of a command line to a checked configuration, with sentences for a user's mistakes."""

import contextlib
import functools
import hashlib
import logging
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from deblur import __version__
from deblur.cli import EXIT_INTERRUPTED, EXIT_USAGE, import_from_working_folder, terminated_as_interrupted
from deblur.config.arguments import Arguments, read_arguments
from deblur.config.check import refuse_trust_in_files, resolve
from deblur.config.explaining import explain
from deblur.config.help import SCHEMAS, help_text
from deblur.config.identity import DEVICES, is_without_effect
from deblur.config.keys import CAMERAS, PATH_KEYS, TEXT_KEYS, known_keys, options, read_yaml, top_keys
from deblur.config.places import conf_dir
from deblur.config.sections import shown
from deblur.config.sweeps import SweepRefused, compose_command, first_job
from deblur.errors import NO_ROOM, NoRoomError, UserError
from deblur.streams import guarded_output
from deblur.text import as_bytes

_INTERPOLATION = re.compile(r"\$\{(?:oc\.\w+:[^{}]*|(?P<key>\w+)(?:\.\w+)*)\}")
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
USAGE_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    OSError,
)  # what Hydra raises for a wrong command line


def _any_keys() -> DictConfig:
    return DictConfig({}, flags={"struct": False})


ConfigStore.instance().store("evaluate_changes", {"data": _any_keys(), "blur": _any_keys()})
"""conf/evaluate.yaml starts with it: `data` and `blur` take any key. `check` refuses unknown keys of a run's groups."""


def run(
    config_name: str,
    task: Callable[[DictConfig], float | None],
    argv: Sequence[str] | None,
    adapted: Callable[[Sequence[str]], Sequence[str]] = list,
) -> int:
    """Compose `conf/<config_name>.yaml` with a command line and run `task` on it, once or for each job of a sweep.

    Args:
        config_name: the file in conf/, without its suffix.
        task: what to run on the composed configuration.
        argv: the arguments after the program's name; by default those of this process.
        adapted: changes the overrides before Hydra reads them; the flags among the arguments are none.

    Returns:
        The exit code: 0, 2 for a mistake that a sentence on standard error explains, 1 for a full disk, 130 for Ctrl-C.
    """
    with guarded_output():
        return _run(config_name, task, sys.argv[1:] if argv is None else list(argv), adapted)


def _run(
    config_name: str,
    task: Callable[[DictConfig], float | None],
    given: Sequence[str],
    adapted: Callable[[Sequence[str]], Sequence[str]],
) -> int:
    import_from_working_folder()
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    if "--version" in given:
        sys.stdout.write(f"deblur {__version__} (Hydra {hydra.__version__})\n")
        return 0
    overrides: Sequence[str] = ()
    errors: list[str] = []
    codes = [0]
    crashes: list[Exception] = []
    stopped: str | None = None

    @functools.wraps(task)
    def job(config: DictConfig) -> float | None:
        try:
            refuse_trust_in_files(resolve(config).get("trusted"), HydraConfig.get().overrides.task)
            with guarded_output():  # a launcher may have started it in a process of its own
                return task(config)
        except UserError as error:  # the other jobs of a sweep run
            if wants_traceback:
                raise
            errors.append(str(error))
            codes.append(error.exit_code)
            return math.nan
        except Exception as error:
            crashes.append(error)
            raise

    program = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(job)
    try:
        arguments = read_arguments(given, config_name)
        overrides = arguments.overrides
        if arguments.shows not in ("shell_completion", "hydra_help"):
            overrides = adapted([_with_chosen_option(override) for override in overrides])
            overrides = prepare_overrides(replace(arguments, overrides=tuple(overrides)))
        # With HYDRA_FULL_ERROR Hydra hands its errors to us instead of printing them.
        with _environment("HYDRA_FULL_ERROR", "1"), terminated_as_interrupted(), _logging_kept():
            if arguments.shows == "help" and config_name in SCHEMAS:
                sys.stdout.write(help_text(compose_command(arguments, overrides)[0], config_name))
                return 0
            if arguments.shows in ("cfg", "info") and config_name == "train":
                overrides, jobs = first_job(arguments, overrides)
                is_part = any(flag.startswith("--package") for flag in arguments.flags)
                if arguments.shows == "cfg" and jobs > 1 and not is_part:
                    sys.stdout.write(f"# The first of {jobs} jobs: {shlex.join(overrides)}\n")
            with _arguments(hydra_argv(arguments, overrides)):
                program()
    except KeyboardInterrupt as stop:
        stopped = str(stop) or "Stopped."
        return EXIT_INTERRUPTED
    except SweepRefused as refusal:
        if wants_traceback or not isinstance(refusal.usage_error, (UserError, *USAGE_ERRORS)):
            raise refusal.usage_error from None
        reason = explain(refusal.usage_error, config_name, overrides)
        subject = f"The job {refusal.job} is refused, so no job of this sweep was started: " if refusal.job else ""
        errors.append(f"{subject}{reason}")
        codes.append(_exit_code(refusal.usage_error))
    except SystemExit as end:  # after --help
        return EXIT_USAGE if end.code else 0
    except UserError as error:
        if wants_traceback:
            raise
        errors.append(str(error))
        codes.append(error.exit_code)
    except USAGE_ERRORS as error:
        if wants_traceback or error in crashes:
            raise
        errors.append(explain(error, config_name, overrides))
        codes.append(_exit_code(error))
    finally:
        if errors or stopped:
            from deblur.console import say_error, say_stopped  # rich takes a while to import

            if not given and config_name == "evaluate":  # which does nothing without an argument
                errors[-1] += f" python -m deblur.{config_name} --help shows examples and all keys."
            for usage_error in errors:
                say_error(usage_error)
            if stopped:
                say_stopped(stopped)
    return max(codes)


def _exit_code(error: Exception) -> int:
    """Return the exit code of a command that an error ends; a full disk is no mistake."""
    no_room = isinstance(error, OSError) and error.errno in NO_ROOM
    return NoRoomError.exit_code if no_room else getattr(error, "exit_code", EXIT_USAGE)


def hydra_argv(arguments: Arguments, overrides: Sequence[str]) -> list[str]:
    """Return the arguments as Hydra's parser takes them: the overrides in one piece, after the flags.

    What shows a text goes without `--multirun`, with which Hydra allows no other command.
    """
    multirun = ["--multirun"] if arguments.multirun and arguments.shows is None else []
    return [*multirun, *arguments.flags, *overrides]


def prepare_overrides(arguments: Arguments) -> list[str]:
    """Return the overrides of a command as Hydra's grammar wants them.

    The values of path keys are quoted and `~` is expanded in them, unless the value stands in quotes already: those
    are Hydra's own. A comma separates several values of `weights`, unless a file has that name. An option that an
    environment variable names is put in its place. A sweep without a name gets one that is the same for the same
    command. What has been prepared stays as it is.

    Raises:
        UserError: for an environment variable that is not set.
    """
    overrides = [_quote_text(_with_chosen_option(_as_group(override))) for override in arguments.overrides]
    if arguments.multirun and not any(_names_a_sweep(override, arguments) for override in overrides):
        deciding = sorted(override for override in overrides if not _is_without_effect(override))
        digest = hashlib.sha256(as_bytes("\n".join(deciding))).hexdigest()
        overrides.append(f"sweep=sweep-{digest[:6]}")
    return overrides


def _names_a_sweep(override: str, arguments: Arguments) -> bool:
    """Return whether an override gives a sweep's name, or chooses a preset that does."""
    key, _, value = override.lstrip("+").partition("=")
    presets = [Path(folder, "experiment", f"{value}.yaml") for folder in arguments.folders]
    return key == "sweep" or (
        key == "experiment" and any(preset.is_file() and "sweep" in read_yaml(preset) for preset in presets)
    )


def _is_without_effect(override: str) -> bool:
    key, _, value = override.lstrip("+~").partition("=")
    # The values of a sweep's runs are checked later, and all of them have one device.
    return key.startswith(("hydra.", "hydra/")) or is_without_effect(key, 1 if key == DEVICES else value)


def _as_group(override: str) -> str:
    """Return `blur.camera=photo` as `blur/camera=photo`: the option of a group within a group, written as a key.

    Null is the option none: as a value, it would take away the keys of a camera that the same command changes.
    """
    key, _, value = override.partition("=")
    chosen = ["none" if one == "null" else one for one in value.split(",")]
    is_chosen = key == CAMERAS.replace("/", ".") and all(one in options(CAMERAS) for one in chosen)
    return f"{CAMERAS}={','.join(chosen)}" if is_chosen else override


def _with_chosen_option(override: str) -> str:
    """Return an override of a group with what an environment variable says: names of runs and sweeps are made of it."""
    key, _, value = override.partition("=")
    if "${oc.env:" not in value or not options(key.lstrip("+")):
        return override
    return f"{key}={shown(resolve({key: value})[key])}"


def _quote_text(override: str) -> str:
    key, equals, value = override.partition("=")
    key_alone = key.lstrip("+")
    is_own = _is_own_text(key_alone, override)
    if not (key_alone in TEXT_KEYS or is_own) or not equals or _QUOTED.fullmatch(value):
        return override
    if key_alone == "weights" and not os.path.lexists(os.path.expanduser(value)):  # noqa: PTH111 # as below
        return f"{key}={','.join(quoted(each, is_path=True) for each in value.split(','))}"
    return f"{key}={quoted(value, is_path=key_alone in PATH_KEYS or is_own)}"


def quoted(value: str, *, is_path: bool) -> str:
    """Return a text in quotes of Hydra's grammar; null, and what stands in quotes already, as it is."""
    if value == "null" or _QUOTED.fullmatch(value):
        return value
    if is_path:
        value = os.path.expanduser(value)  # noqa: PTH111 # Path.expanduser raises for a user that does not exist
    # Inside quotes Hydra's grammar wants backslashes doubled before a quote, and OmegaConf before ${...}.
    value = re.sub(r"(\\*)(\$\{)", lambda found: found[1] * 2 + _dollar(value, found.start(2)), value)
    value = re.sub(r"(\\*)'", r"\1\1\\'", value)
    value = re.sub(r"(\\+)$", r"\1\1", value)
    return f"'{value}'"


def _is_own_text(key: str, override: str) -> bool:
    """Return whether a key of the user's own image source has a value that Hydra's grammar refuses, such as a path."""
    if not key.startswith("data.") or key in known_keys("train"):
        return False
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return True
    return False


def _dollar(value: str, start: int) -> str:
    """Return the `${` at a place of a path for OmegaConf, which takes it for the start of an interpolation.

    It is one if it names an environment variable or a key of the configuration; else it is a part of a file's name.
    """
    found = _INTERPOLATION.match(value, start)
    is_meant = found is not None and (found["key"] is None or found["key"] in top_keys("train"))
    return "${" if is_meant else "\\${"


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _arguments(argv: Sequence[str]) -> Iterator[None]:
    """Let Hydra, which reads sys.argv, see these words."""
    before = sys.argv
    sys.argv = [before[0], *argv]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Put the root logger back as it was: Hydra leaves a handler of its own there."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
