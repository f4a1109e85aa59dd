"""From the words of a command line to a checked configuration, with sentences for a user's mistakes."""

import contextlib
import functools
import hashlib
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
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deblur.config.check import did_you_mean
from deblur.config.sweeps import SweepRefused
from deblur.errors import UserError

PATH_KEYS = frozenset(
    {
        "blur.path",
        "data.root",
        "input",
        "output",
        "pairs.blurred",
        "pairs.sharp",
        "paths.cache_root",
        "paths.output_root",
        "resume",
        "run",
    }
)
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell counts


def conf_dir() -> Path:
    """Return the folder with the configuration files: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise UserError(f"There is no conf folder in or beside {package}: install the package again.")


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
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    mistakes: list[UserError] = []

    @functools.wraps(task)
    def job(config: DictConfig) -> float | None:
        try:
            return task(config)
        except UserError as error:  # the other jobs of a sweep go on
            if wants_traceback:
                raise
            mistakes.append(error)
            return math.nan

    program = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(job)
    try:
        # With HYDRA_FULL_ERROR Hydra hands its errors to us instead of printing them.
        with _environment("HYDRA_FULL_ERROR", "1"), _arguments(words), _terminate_like_interrupt():
            program()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SweepRefused as refusal:
        mistakes.append(refusal.mistake)
    except (HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        mistakes.append(UserError(_explain(error, config_name)))
    for mistake in mistakes:
        _say(str(mistake))
    return EXIT_MISTAKE if mistakes else 0


def prepare_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line as Hydra's grammar and parser want them.

    The values of path keys are quoted, `~` is expanded, `-m` comes first, and a sweep without a name gets one that is
    the same for the same command.
    """
    flags = [word for word in words if word in ("-m", "--multirun")]
    others = [_quote_path(word) for word in words if word not in ("-m", "--multirun")]
    if flags and not any(re.match(r"\+*sweep=", word) for word in others):
        digest = hashlib.sha256("\n".join(sorted(others)).encode()).hexdigest()
        others.append(f"sweep=sweep-{digest[:6]}")
    return flags[:1] + others


def _quote_path(word: str) -> str:
    key, equals, value = word.partition("=")
    if key.lstrip("+") not in PATH_KEYS or not value or value == "null" or re.fullmatch(r"'.*'|\".*\"", value):
        return word
    value = str(Path(value).expanduser()) if value.startswith("~") else value
    # Inside quotes Hydra's grammar wants backslashes doubled before a quote, and OmegaConf would read ${...}.
    value = re.sub(r"(\\*)'", r"\1\1\\'", value)
    value = re.sub(r"(\\+)$", r"\1\1", value).replace("${", "\\${")
    return f"{key}{equals}'{value}'"


def _explain(error: Exception, config_name: str) -> str:
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = sorted(error.options)
        return f"{group}={choice} is not allowed: choose {', '.join(options)}.{did_you_mean(choice, options)}"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} cannot be read ({error.message.splitlines()[0]}): write KEY=VALUE, lists as [a,b] "
            "without blanks, and put quotes around other values with blanks or signs: \"KEY='a value'\"."
        )
    if again := re.match(r"Multiple values for (\S+)\.", str(error)):
        group = again[1]
        return f"{group} has been chosen by conf/{config_name}.yaml: write {group}=NAME, without a plus sign."
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and "is not in struct" in str(cause) and cause.full_key:
        return _explain_unknown_key(str(cause.full_key), config_name)
    return " ".join(line.strip() for line in str(error).splitlines()[:2])


def _explain_unknown_key(full_key: str, config_name: str) -> str:
    group, _, key = full_key.rpartition(".")
    having = [
        path.stem for path in sorted((conf_dir() / group).glob("*.yaml")) if group and key in OmegaConf.load(path)
    ]
    if having:
        return f"{full_key} is unknown in the chosen {group}: it belongs to {group}={' or '.join(having)}."
    primary = DictConfig(OmegaConf.load(conf_dir() / f"{config_name}.yaml"))
    groups = [next(iter(entry)) for entry in primary.defaults if not isinstance(entry, str)]
    names = sorted(
        {str(name) for name in (*primary, *groups) if not str(name).startswith(("defaults", "hydra", "override "))}
    )
    if group in names:
        files = [*(conf_dir() / group).glob("*.yaml")]
        loaded = [primary.get(group) or {}, *(OmegaConf.load(path) for path in files)]
        names = sorted({str(name) for keys in loaded for name in keys if not str(name).startswith(("_", "defaults"))})
    known = f"{group} has the keys" if group else "the keys at the top are"
    return f"{full_key} is unknown: {known} {', '.join(names)}.{did_you_mean(key, names)}"


def _say(sentence: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {_escape(sentence)}", highlight=False)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


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
def _terminate_like_interrupt() -> Iterator[None]:
    """Let a polite kill (SIGTERM: batch systems, containers) end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
