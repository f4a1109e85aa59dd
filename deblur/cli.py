"""Plain commands: typer reads the arguments, and an error is one sentence on standard error."""

import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, TypeAlias

import typer
from typer.core import TyperCommand, TyperOption
from typer.exceptions import TyperException

from deblur.choices import Accelerator
from deblur.errors import UserError, disk_errors_as_user_errors
from deblur.streams import guarded_output

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell counts


def command_app(*, add_completion: bool = False) -> typer.Typer:
    """Return an app without commands, with help in plain text and errors that `run_app` shows.

    Args:
        add_completion: whether it can install the completion of a shell, which works only for console scripts.
    """
    return typer.Typer(
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


class PlainCommand(TyperCommand):
    """A command that refuses an option given twice, of which typer would take the last without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Args:
            ctx: the `typer.Context`, of which the base class expects typer's own base class.
            args: the arguments.

        Raises:
            UserError: if an option that takes one value is given twice.
        """
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in given if not ctx.resilient_parsing else ():  # a shell that completes asks for no check
            if isinstance(option, TyperOption) and not option.multiple and given.count(option) > 1:
                raise UserError(f"{' / '.join(option.opts)} is given twice: give it once.")
        return super().parse_args(ctx, args)


def run_app(app: typer.Typer, argv: Sequence[str] | None = None, *, program: str) -> int:
    """Run a command line.

    A `UserError` ends it with one sentence; with HYDRA_FULL_ERROR=1 in the environment, with a traceback.

    Args:
        app: the commands.
        argv: the arguments; by default those of this process.
        program: its name in `--help`.

    Returns:
        The exit code: 0, 2 for a usage error or another `UserError`, 1 for a full disk, 130 for Ctrl-C.
    """
    import_from_working_folder()
    with guarded_output():
        try:
            with terminated_as_interrupted(), disk_errors_as_user_errors():
                code = app(sys.argv[1:] if argv is None else list(argv), prog_name=program, standalone_mode=False)
        except TyperException as error:
            context = getattr(error, "ctx", None)  # of the subcommand whose arguments are wrong
            command = program if context is None else context.command_path
            # Some messages have several lines or no full stop.
            sentence = re.sub(r"\s*\n\s*", " ", error.format_message()).replace("Value error, ", "").rstrip(".,")
            end = "" if sentence.endswith("?") else "."
            return _refused(f"{sentence}{end}", f"{command} --help shows what is allowed.")
        except UserError as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            return _refused(str(error), code=error.exit_code)
        except KeyboardInterrupt as stop:
            return _stopped(str(stop) or "Stopped.")
        if code == EXIT_INTERRUPTED:  # of typer, for Ctrl-C
            return _stopped("Stopped.")
        return code if isinstance(code, int) else 0


def not_empty(text: str) -> str:
    """Return an option's text.

    Raises:
        typer.BadParameter: if it is empty, as of an unset shell variable.
    """
    if not text:
        raise typer.BadParameter("it is empty: give a name, or leave the option out")
    return text


def place(text: str) -> Path:
    """Return the path of a file or folder.

    Raises:
        typer.BadParameter: if it is empty.
    """
    return Path(not_empty(text))


def fraction(text: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        typer.BadParameter: for anything else.
    """
    return _number(text, "from 0 to 1", lambda number: 0 <= number <= 1)


def fraction_above_zero(text: str) -> float:
    """Return a number above 0 and at most 1.

    Raises:
        typer.BadParameter: for anything else.
    """
    return _number(text, "above 0 and at most 1", lambda number: 0 < number <= 1)


def above_zero(text: str) -> float:
    """Return a number above 0.

    Raises:
        typer.BadParameter: for anything else.
    """
    return _number(text, "above 0", lambda number: 0 < number < math.inf)


def _number(text: str, allowed: str, is_allowed: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not is_allowed(number):
        raise typer.BadParameter(f"{text} is not allowed: give a number {allowed}")
    return number


AcceleratorOption: TypeAlias = Annotated[
    Accelerator, typer.Option(help="Where to compute; auto takes a GPU if there is one.")
]

Trusted: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        parser=not_empty,
        metavar="MODULE",
        help="A module of your own whose classes the network may name; may be given several times.",
    ),
]


def import_from_working_folder() -> None:
    """Let a console script import a user's modules from the working folder, as `python -m` does."""
    if "" not in sys.path:
        sys.path.append("")


def _refused(sentence: str, cure: str = "", code: int = EXIT_USAGE) -> int:
    from deblur.console import say_error  # rich takes a while to import

    say_error(f"{sentence} {cure}".strip())
    return code


def _stopped(sentence: str) -> int:
    from deblur.console import say_stopped

    say_stopped(sentence)
    return EXIT_INTERRUPTED


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM (batch systems, containers) end a command as Ctrl-C does; restore both handlers afterwards.

    Lightning ignores Ctrl-C for good after the first.
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
