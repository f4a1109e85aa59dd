"""From the words of a command line to a checked configuration, with sentences for a user's mistakes."""

import contextlib
import functools
import hashlib
import logging
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deblur.config import schema
from deblur.config.check import did_you_mean, refuse_trust_in_files
from deblur.config.places import conf_dir
from deblur.config.sweeps import SweepRefused
from deblur.errors import UserError
from deblur.runs.identity import WITHOUT_EFFECT, is_within

PATH_KEYS = frozenset(
    {
        "blur.path",
        "data.blurred",
        "data.root",
        "data.sharp",
        "input",
        "output",
        "paths.cache_root",
        "paths.output_root",
        "resume",
        "run",
    }
)
TEXT_KEYS = PATH_KEYS | {
    "data.blurred_folder",
    "data.sharp_folder",
    "sweep",
}  # their values are text, even where they look like a number or a list
LAUNCHERS = {  # that Hydra does not bring along
    "joblib": "hydra-joblib-launcher==1.2.0",
    "submitit_local": "hydra-submitit-launcher==1.2.0",
    "submitit_slurm": "hydra-submitit-launcher==1.2.0",
}
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell counts
MISTAKES = (HydraException, OmegaConfBaseException, ValueError, OSError)  # what Hydra raises for a wrong command line


def run(config_name: str, task: Callable[[DictConfig], float | None], words: Sequence[str] | None) -> int:
    """Compose `conf/<config_name>.yaml` with a command line and run `task` on it, once or for each job of a sweep.

    Args:
        config_name: the file in conf/, without its suffix.
        task: what to run on the composed configuration.
        words: the words after the program's name; by default those of this process.

    Returns:
        The exit code: 0, 2 for a mistake that a sentence on standard error explains, 130 for Ctrl-C.
    """
    words = prepare_words(sys.argv[1:] if words is None else words)
    if "" not in sys.path:
        sys.path.append("")  # console scripts find a user's modules in the working folder, as `python -m` does
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    mistakes: list[str] = []
    crashes: list[Exception] = []

    @functools.wraps(task)
    def job(config: DictConfig) -> float | None:
        try:
            refuse_trust_in_files(config, HydraConfig.get().overrides.task)
            return task(config)
        except UserError as error:  # the other jobs of a sweep go on
            if wants_traceback:
                raise
            mistakes.append(str(error))
            return math.nan
        except Exception as error:
            crashes.append(error)
            raise

    # Hydra copies its whole store, one to a process, for each group that --help lists: a third of the time that takes.
    ConfigStore.__deepcopy__ = lambda store, _: store  # type: ignore[attr-defined] # it has none
    program = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(job)
    try:
        # With HYDRA_FULL_ERROR Hydra hands its errors to us instead of printing them.
        with _environment("HYDRA_FULL_ERROR", "1"), _arguments(words), _signals(), _logging_kept():
            program()
    except KeyboardInterrupt as stop:
        mistakes.append(str(stop) or "Stopped.")
        return EXIT_INTERRUPTED
    except SweepRefused as refusal:
        if wants_traceback or not isinstance(refusal.mistake, (UserError, *MISTAKES)):
            raise refusal.mistake from None
        reason = explain(refusal.mistake, config_name, words)
        mistakes.append(f"The job {refusal.job} is refused, so no job of this sweep was started: {reason}")
    except SystemExit as end:  # after --help, or a flag that does not exist
        return int(end.code or 0)
    except MISTAKES as error:
        if wants_traceback or error in crashes:
            raise
        mistakes.append(explain(error, config_name, words))
    finally:
        if mistakes:
            from deblur.console import say_error  # rich takes a while to import

            for mistake in mistakes:
                say_error(mistake)
    return EXIT_MISTAKE if mistakes else 0


def prepare_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line as Hydra's grammar and parser want them.

    The values of path keys are quoted and `~` is expanded in them, unless the value stands in quotes already: those
    are Hydra's own. `-m` comes first, and a sweep without a name gets one that is the same for the same command.
    """
    flags = [word for word in words if word in ("-m", "--multirun")]
    others = [_quote_text(word) for word in words if word not in ("-m", "--multirun")]
    if flags and not any(map(_names_a_sweep, others)):
        deciding = sorted(word for word in others if not _is_without_effect(word))
        digest = hashlib.sha256("\n".join(deciding).encode()).hexdigest()
        others.append(f"sweep=sweep-{digest[:6]}")
    return flags[:1] + others


def _names_a_sweep(word: str) -> bool:
    """Tell whether a word gives a sweep's name, or chooses a preset that does."""
    key, _, value = word.lstrip("+").partition("=")
    preset = conf_dir() / "experiment" / f"{value}.yaml"
    return key == "sweep" or (key == "experiment" and preset.is_file() and "sweep" in _read(preset))


def _is_without_effect(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key.startswith(("hydra.", "hydra/")) or is_within(key, WITHOUT_EFFECT)


def _quote_text(word: str) -> str:
    key, equals, value = word.partition("=")
    key_alone = key.lstrip("+")
    if key_alone not in TEXT_KEYS or not equals or value == "null" or re.fullmatch(r"'.*'|\".*\"", value, re.DOTALL):
        return word
    if key_alone in PATH_KEYS:
        value = os.path.expanduser(value)  # noqa: PTH111 # Path.expanduser raises for a user that does not exist
    # OmegaConf would read ${...}; inside quotes Hydra's grammar wants backslashes doubled before a quote.
    value = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    value = re.sub(r"(\\*)'", r"\1\1\\'", value)
    value = re.sub(r"(\\+)$", r"\1\1", value)
    return f"{key}{equals}'{value}'"


def explain(error: Exception, config_name: str, words: Sequence[str]) -> str:
    """Return a sentence for an error that Hydra raised while it read a command line."""
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = sorted(error.options)
        if group == "hydra/launcher" and choice in LAUNCHERS:
            return f'{group}={choice} needs a package that is not installed: pip install "{LAUNCHERS[choice]}".'
        return f"{group}={choice} is not allowed: choose {', '.join(options)}.{did_you_mean(choice, options)}"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} cannot be read ({error.message.splitlines()[0]}): write KEY=VALUE, lists as [a,b] "
            "without blanks, and put quotes around other values with blanks or signs: \"KEY='a value'\"."
        )
    if several := re.match(r"Ambiguous value for argument '(.*)'\n|Sweep parameters '(.*)' requires", text):
        return (
            f"{several[1] or several[2]} stands for several values: add -m to train with one after the other, or "
            "write a list as [a,b]."
        )
    if again := re.match(r"Multiple values for (\S+)\.|(\S+) appears more than once", text):
        group = again[1] or again[2]
        return f"{group} has been chosen by conf/{config_name}.yaml: write {group}=NAME, without a plus sign."
    if re.match(r"Could not override 'hydra\.launcher\.", text):
        return f"{text.split(chr(39))[1]} belongs to a launcher that is not chosen: add hydra/launcher=joblib, for one."
    if absent := re.match(r"Could not delete from config\. '(.*)' does not exist", text):
        return f"~{absent[1]} deletes nothing: there is no {absent[1]}."
    if text.startswith("Config group override must be a string"):
        return _explain_choice_of_no_name(words)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be written ({error.strerror}): choose another paths.output_root."
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and "is not in struct" in str(cause) and cause.full_key:
        return _explain_unknown_key(cause, config_name, words)
    return " ".join(line.strip() for line in text.splitlines()[:2]).strip().rstrip(".") + "."


def _explain_choice_of_no_name(words: Sequence[str]) -> str:
    for word in words:
        group, _, choice = word.lstrip("+").partition("=")
        options = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
        if group and options and choice not in options:
            return f"{group}={choice} is not allowed: choose {', '.join(options)}, or leave {group} out."
    return "An option of a group is chosen by its name: GROUP=NAME."


def _explain_unknown_key(error: OmegaConfBaseException, config_name: str, words: Sequence[str]) -> str:
    full_key = str(error.full_key)
    group, _, key = full_key.rpartition(".")
    # `in` would leave out what is there but has no value yet, such as data.root
    having = [path.stem for path in sorted((conf_dir() / group).glob("*.yaml")) if key in list(_read(path))]
    if group and having and any(re.match(rf"{group}=.*[,(]", word) for word in words):
        # Hydra tries the other words on the default option before it looks at those that a sweep goes through.
        return f"{full_key} is unknown where a sweep over {group} starts: write {full_key}=choice(VALUE)."
    if group and having:
        return f"{full_key} is unknown in the chosen {group}: it belongs to {group}={' or '.join(having)}."
    section = error.parent_node if isinstance(error.parent_node, DictConfig) else DictConfig({})
    names = {str(name) for name in section} - {"_target_", "name", "hydra"}
    if not group:
        defaults = _read(conf_dir() / f"{config_name}.yaml").defaults
        chosen = {str(next(iter(entry))) for entry in defaults if not isinstance(entry, str)}
        names |= {name for name in chosen if not name.startswith("override ")}
    if not names:
        return f"{full_key} is unknown: {group} has no keys."
    known = f"{group} has the keys" if group else "the keys at the top are"
    sentence = f"{full_key} is unknown: {known} {', '.join(sorted(names))}.{did_you_mean(key, sorted(names))}"
    target = str(section.get("_target_"))
    if "_target_" in section and target not in schema.BY_TARGET:
        sentence += f" For an argument of {target} write +{full_key}=VALUE."
    return sentence


def _read(path: Path) -> DictConfig:
    return DictConfig(OmegaConf.load(path))


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
def _arguments(words: Sequence[str]) -> Iterator[None]:
    """Let Hydra, which reads sys.argv, see these words."""
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let a polite kill (SIGTERM: batch systems, containers) end a run as Ctrl-C does; put both back afterwards.

    Lightning ignores Ctrl-C for good once it has heard one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
