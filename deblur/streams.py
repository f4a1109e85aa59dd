"""Standard output and standard error that never end a command: what cannot be shown or written stops no work."""

import codecs
import contextlib
import errno
import io
import os
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

from deblur.text import kept_lines, safe_in_a_stream

_ERRORS = "deblur.readable"  # the name of the error handler for what an encoding lacks
# What is printed beyond ASCII by this program and its libraries: lines of tables, bars and bullets, dashes, quotes.
_READABLE = dict.fromkeys("\u2500\u2501\u2574\u2576\u2578\u257a\u2010\u2011\u2013\u2014\u2212", "-")
_READABLE |= {"\u2022": "*", "\u2026": "...", "\u00b1": "+-", "\u2192": "->", "\u00d7": "x", "\u00b0": " deg"}
_READABLE |= dict.fromkeys("\u201c\u201d", '"') | dict.fromkeys("\u2018\u2019", "'")
_STANDARD = (0, 1, 2)  # the file descriptors of standard input, output and error


class _Guarded:
    """A stream of this process that is safe to write to, whatever it is and whatever is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None  # why something could not be written, if it was not for a reader's end
        self.is_told = False  # whether whoever has to know of it has been told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text as far as the stream takes it."""
        with self._survived():
            self._stream.write(safe_in_a_stream(text))
        return len(text)

    def writelines(self, texts: list[str]) -> None:
        """Write several texts."""
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        """Hand on what has been written, as far as the stream takes it."""
        with self._survived():
            self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether a person watches; nobody watches a closed stream."""
        with contextlib.suppress(ValueError):
            return self._stream.isatty()
        return False

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:  # a reader that is slow, and whose end of the pipe does not wait
            pass
        except OSError as error:
            if error.errno != errno.EPIPE:  # who reads `... | head` has read enough
                self.failure = error
        except ValueError:
            if not self._stream.closed:
                raise


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Let nothing that is printed while the block runs stop it, by any library.

    A character that the stream's encoding lacks is written as a similar one or an escape; a reader who has gone, a full
    disk or a stream that is closed, as those of a program without a console are, lose what is written and end nothing.
    What could do more to a terminal than draw on it is written as an escape. Once is enough: a block within a block
    changes nothing.

    Where an unexpected error leaves the block, its traceback will be shown as clean as everything else.
    """
    if isinstance(sys.stdout, _Guarded):
        yield
        return
    _open_what_is_closed()
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as opened:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name) or opened.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123 # no file of the project
            opened.enter_context(_readable(stream))
            setattr(sys, name, _Guarded(stream))
        guarded: tuple[Any, Any] = sys.stdout, sys.stderr
        try:
            yield
        except Exception:
            if sys.excepthook is sys.__excepthook__:
                sys.excepthook = _show_crash
            raise
        finally:
            _end(*guarded)
            for name, was, now in zip(("stdout", "stderr"), before, guarded, strict=True):
                if getattr(sys, name) is now:  # who replaced it meanwhile puts it back later
                    setattr(sys, name, was)


def output_failure() -> OSError | None:
    """Return why standard output could not be written, None if it could; whoever asks will tell."""
    stream = sys.stdout
    if not isinstance(stream, _Guarded):
        return None
    stream.flush()
    stream.is_told = True
    return stream.failure


def _end(output: _Guarded, errors: _Guarded) -> None:
    """Say what was lost, and leave nothing to be written that the interpreter would fail to write as it ends."""
    output.flush()
    if output.failure is not None and not output.is_told:
        reason = output.failure.strerror
        errors.write(f"warning: standard output could not be written ({reason}): what was printed is not complete.\n")
    for stream in (output, errors):
        try:
            stream._stream.flush()
        except OSError:
            # The text stays in the stream's buffer: it has to go somewhere when the process ends.
            with contextlib.suppress(OSError, io.UnsupportedOperation):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream._stream.fileno())
                os.close(nowhere)
        except ValueError:  # it is closed
            pass


def _open_what_is_closed() -> None:
    """Open closed standard streams to nowhere: else the next file gets their number, and what is printed."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # the lowest number that is free, which is this one


@contextlib.contextmanager
def _readable(stream: TextIO) -> Iterator[None]:
    """Let a stream write what its encoding lacks in another way."""
    if not isinstance(stream, io.TextIOWrapper) or stream.closed:
        yield
        return
    before = stream.errors
    codecs.register_error(_ERRORS, _similar)
    stream.reconfigure(errors=_ERRORS)
    try:
        yield
    finally:
        if not stream.closed:
            with contextlib.suppress(OSError):  # it is flushed before
                stream.reconfigure(errors=before)


def _similar(error: UnicodeError) -> tuple[str, int]:
    """Return what to write in place of characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_READABLE.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def _show_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show a traceback whose texts cannot do anything to a terminal."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{kept_lines(''.join(traceback.format_exception(kind, error, trace)))}\n")
