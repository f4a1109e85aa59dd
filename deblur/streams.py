"""Standard output and standard error that never end a command, whatever cannot be encoded or written."""

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

_ERRORS = "deblur.readable"  # name of the codec error handler
# Characters beyond ASCII that this program and its libraries print: lines of tables, bars, bullets, dashes, quotes.
_READABLE = dict.fromkeys("\u2500\u2501\u2574\u2576\u2578\u257a\u2010\u2011\u2013\u2014\u2212", "-")
_READABLE |= {"\u2022": "*", "\u2026": "...", "\u00b1": "+-", "\u2192": "->", "\u00d7": "x", "\u00b0": " deg"}
_READABLE |= dict.fromkeys("\u201c\u201d", '"') | dict.fromkeys("\u2018\u2019", "'")


class _Guarded:
    """A stream of this process whose writes never fail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None  # why something could not be written, other than a closed pipe
        self.is_reported = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._survived():
            self._stream.write(safe_in_a_stream(text))
        return len(text)

    def writelines(self, texts: list[str]) -> None:
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        with self._survived():
            self._stream.flush()

    def isatty(self) -> bool:
        with contextlib.suppress(ValueError):
            return self._stream.isatty()
        return False

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:  # a slow reader of a non-blocking pipe
            pass
        except OSError as error:
            if error.errno != errno.EPIPE:  # as of `... | head`
                self.failure = error
        except ValueError:
            if not self._stream.closed:
                raise


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Guard standard output and standard error while the block runs; a nested block changes nothing.

    A character that the stream's encoding lacks is written as a similar one or an escape, as are control sequences that
    do more than draw on a terminal. If the reader has gone, the disk is full, or the stream is closed or missing, the
    output is lost and the work continues. The traceback of an unexpected error is sanitized as well.
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
                if getattr(sys, name) is now:  # otherwise it was replaced meanwhile, and will be restored later
                    setattr(sys, name, was)


def output_failure() -> OSError | None:
    """Return why standard output could not be written, None if it could; the caller reports it."""
    stream = sys.stdout
    if not isinstance(stream, _Guarded):
        return None
    stream.flush()
    stream.is_reported = True
    return stream.failure


def _end(output: _Guarded, errors: _Guarded) -> None:
    """Warn of lost output, and leave nothing unwritten on which the interpreter would fail as it ends."""
    output.flush()
    if output.failure is not None and not output.is_reported:
        reason = output.failure.strerror
        errors.write(f"warning: standard output could not be written ({reason}): what was printed is not complete.\n")
    for stream in (output, errors):
        try:
            stream._stream.flush()
        except OSError:
            # The text stays in the stream's buffer, which is flushed when the process ends.
            with contextlib.suppress(OSError, io.UnsupportedOperation):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream._stream.fileno())
                os.close(nowhere)
        except ValueError:  # it is closed
            pass


def _open_what_is_closed() -> None:
    """Open closed standard streams to nowhere: otherwise the next file gets their number, and the output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number, this one


@contextlib.contextmanager
def _readable(stream: TextIO) -> Iterator[None]:
    """Let a stream replace characters that its encoding lacks."""
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
            with contextlib.suppress(OSError):  # it flushes first
                stream.reconfigure(errors=before)


def _similar(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement for characters that an encoding lacks, and where to continue."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_READABLE.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def _show_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{kept_lines(''.join(traceback.format_exception(kind, error, trace)))}\n")
