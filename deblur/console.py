"""Output: colored on a terminal, plain elsewhere, and in train.log.

It may hold names and texts of any origin, which are sanitized here: see `deblur.text`.
"""

import itertools
import logging
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import TextIO

import rich
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deblur.errors import UserError
from deblur.text import Lines, kept_lines, lines, one_line

TABLE_WIDTH = 10_000  # characters; a limit that cuts no cell
TERMINAL_WIDTH = 80  # characters
LEAST_NAME = 12  # characters of a name in a line of a table, however wide the other columns are
ELLIPSIS = "\u2026"
LIBRARIES = ("lightning", "lightning.pytorch", "lightning.fabric")

_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def say(text: str) -> None:
    """Print a line, or the lines of a `Lines`; an active progress bar stays below it."""
    rich.get_console().print(Text(lines(text)), soft_wrap=True)


def say_error(sentence: str) -> None:
    """Print an error on standard error."""
    # A Text has no [markup] and no :names: of emojis.
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error:", "bold red"), " ", lines(sentence)))


def say_stopped(sentence: str) -> None:
    """Print on standard error how to resume a command that was stopped, which is no error."""
    Console(stderr=True, soft_wrap=True).print(Text(lines(sentence)))


def duration(seconds: float) -> str:
    """Return a time in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def is_terminal(*, of_errors: bool = False) -> bool:
    """Return whether standard output, or standard error, is a terminal; a closed or missing stream is none."""
    stream: TextIO | None = sys.stderr if of_errors else sys.stdout
    with suppress(ValueError):
        return stream is not None and stream.isatty()
    return False


@contextmanager
def logging_to(
    path: Path, *, console_too: bool = True, expected: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Log this package and the warnings of the libraries to a file, which is appended to, and to the console.

    An exception ends the file with its text, unless it is expected.
    """
    console: logging.Handler = _Console(sys.stdout)
    if is_terminal():
        console = _Terminal()
    console.setFormatter(_Plain())
    file = _File(path, encoding="utf-8")
    file.setFormatter(_Clean("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    with _loggers_kept("", "deblur", *LIBRARIES):
        root = logging.getLogger()
        root.handlers[:] = [console, file] if console_too else [file]
        root.setLevel(logging.WARNING)
        logging.getLogger("deblur").setLevel(logging.INFO)
        for name in LIBRARIES:
            library = logging.getLogger(name)
            library.handlers.clear()
            library.propagate = True
            library.setLevel(logging.WARNING)
        logging.captureWarnings(True)
        try:
            yield
        except expected:
            raise
        except BaseException as error:
            # Not to the console: the caller that catches it prints it.
            trace = None if isinstance(error, UserError | KeyboardInterrupt) else sys.exc_info()
            text = str(error) or type(error).__name__
            file.handle(logging.LogRecord("deblur", logging.ERROR, __file__, 0, text, None, trace))
            raise
        finally:
            logging.captureWarnings(False)
            with suppress(OSError):  # a full disk: closing flushes again
                file.close()


@contextmanager
def _loggers_kept(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    """Return a table as text, below its title; the first column is aligned left, the others right."""
    made = Table(box=rich.box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        made.add_column(one_line(column), justify="right" if index else "left", no_wrap=True)
    for row in rows:
        made.add_row(*map(one_line, row))
    text = StringIO()
    # Without markup: `[dB]` in a heading is text, not a style.
    Console(file=text, width=TABLE_WIDTH, color_system=None, markup=False, emoji=False).print(made)
    body = Lines("\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n"))
    return lines(title, "", body) if title else body


def fitted_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    """Return a table of runs that fits a terminal of 80 characters, if its other columns leave room for names.

    Args:
        title: above it; long lines are wrapped.
        columns: their headings; the first one is of names.
        rows: their cells. If the names are too long, a part that all share becomes an ellipsis, which the title
            explains, and what is still too long is continued in the next line.
    """
    whole = table("", columns, rows)
    excess = max(map(len, whole.splitlines())) - TERMINAL_WIDTH
    if excess <= 0:
        return table(wrapped(title), columns, rows)
    names = [one_line(row[0]) for row in rows]
    room = max(max(map(len, [columns[0], *names])) - excess, LEAST_NAME)
    short = _without_shared(names)
    if short != names:
        title = lines(*([title] if title else []), f"{ELLIPSIS} stands for what all names share, as in {names[0]}")
    fitted: list[Sequence[str]] = []
    for name, row in zip(short, rows, strict=True):
        first, *others = textwrap.wrap(name, room) or [""]
        fitted += [[first, *row[1:]], *([other, *[""] * (len(row) - 1)] for other in others)]
    return table(wrapped(title), columns, fitted)


def wrapped(text: str) -> Lines:
    """Return a text in lines that fit a terminal of 80 characters."""
    kept = lines(text).splitlines()
    # A name of a run is broken only if it has to be.
    return lines(*(part for line in kept for part in textwrap.wrap(line, TERMINAL_WIDTH, break_on_hyphens=False)))


def _without_shared(names: Sequence[str]) -> list[str]:
    """Return names of parts between hyphens with an ellipsis for each part, or several, that is the same in all.

    What stands between the first and the last part that differ is compared only in names of equally many parts.
    """
    split = [name.split("-") for name in names]
    if len(set(names)) < 2:
        return list(names)
    if len(set(map(len, split))) == 1:
        shared = {at for at, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) == 1}
    else:
        most = min(map(len, split)) - 1  # something is left of each name
        before = next((at for at in range(most) if len({parts[at] for parts in split}) > 1), most)
        after = next((at for at in range(most - before) if len({parts[-1 - at] for parts in split}) > 1), most - before)
        shared = {*range(before), *range(-after, 0)}
    short = []
    for parts in split:
        kept = ["" if {at, at - len(parts)} & shared else part for at, part in enumerate(parts)]
        joined = [part or ELLIPSIS for part, _ in itertools.groupby(kept)]
        short.append("-".join(joined).replace(f"-{ELLIPSIS}", ELLIPSIS).replace(f"{ELLIPSIS}-", ELLIPSIS))
    return short


class _Clean(logging.Formatter):
    """Shows records of this package as one line, unless they are `Lines`, and those of libraries with indented lines.

    No line of a library's text can pass for a record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging names it
        message = record.getMessage()
        is_own = record.name == "deblur" or record.name.startswith("deblur.")
        record.message = lines(message) if is_own else kept_lines(message).replace("\n", "\n  ")
        return super().formatMessage(record)

    def formatException(self, ei: _ErrorInfo) -> str:  # logging names it
        return kept_lines(super().formatException(ei))


class _Plain(_Clean):
    """The same for the console, which shows the level only of warnings and errors."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


class _Undisturbed(logging.Handler):
    """A handler that ignores a full disk or a closed console, for which logging would print a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging names it
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Console(_Undisturbed, logging.StreamHandler[TextIO]):
    pass


class _Terminal(_Undisturbed):
    """Prints above an active progress bar; the terminal wraps long lines itself, so that a path can be copied."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = Text(self.format(record))
            if record.levelno >= logging.WARNING:
                text.stylize("bold yellow", 0, len(record.levelname) + 1)
            rich.get_console().print(text, soft_wrap=True)
        except Exception:
            self.handleError(record)


class _File(_Undisturbed, logging.FileHandler):
    pass
