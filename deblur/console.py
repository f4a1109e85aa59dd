"""What a run says: to a terminal with colours and progress bars, to anything else plainly, and to train.log."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TextIO

import rich
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from deblur.errors import UserError

TABLE_WIDTH = 10_000  # characters; a limit that cuts no cell
LIBRARIES = ("lightning", "lightning.pytorch", "lightning.fabric")


def say(line: str) -> None:
    """Print a line; a progress bar that is being shown stays below it."""
    rich.get_console().print(Text(line), soft_wrap=True)


def say_error(sentence: str) -> None:
    """Print what went wrong on standard error."""
    # A Text is printed as it is: neither [markup] nor :names: of emojis mean anything in it.
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error:", "bold red"), " ", sentence))


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def is_terminal() -> bool:
    """Tell whether a person watches."""
    return sys.stdout.isatty()


@contextmanager
def logging_to(path: Path, *, console_too: bool = True) -> Iterator[None]:
    """Send the log of this package to the console and to a file, and the warnings of the libraries with it.

    Args:
        path: the log file; an existing one is continued.
        console_too: whether the console shows all of it, or nothing.
    """
    console: logging.Handler = _Console(sys.stdout)
    if is_terminal():
        console = _Terminal(show_time=False, show_level=False, show_path=False, highlighter=None)
    console.setFormatter(_Plain())
    file = _File(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
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
        except BaseException as error:
            # The console hears of it from whoever catches it.
            trace = None if isinstance(error, UserError | KeyboardInterrupt) else sys.exc_info()
            text = str(error) or type(error).__name__
            file.handle(logging.LogRecord("deblur", logging.ERROR, __file__, 0, text, None, trace))
            raise
        finally:
            logging.captureWarnings(False)
            with suppress(OSError):  # what could not be written to a full disk is tried once more
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


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text; the first column is aligned left, the others right."""
    made = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    text = StringIO()
    # Without markup: `[dB]` in a heading is text, and no style.
    Console(file=text, width=TABLE_WIDTH, color_system=None, markup=False, emoji=False).print(made)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


class _Undisturbed(logging.Handler):
    """A handler that a full disk or a closed console does not disturb, where logging would print a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging names it
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Console(_Undisturbed, logging.StreamHandler[TextIO]):
    pass


class _Terminal(_Undisturbed, RichHandler):
    pass


class _File(_Undisturbed, logging.FileHandler):
    pass
