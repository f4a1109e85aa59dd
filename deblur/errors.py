"""The exception for errors that a user can fix, and the conversion of the system's errors into it."""

import contextlib
import errno
import sys
from collections.abc import Iterator, Sequence
from typing import ClassVar

from deblur.text import Lines

# The disk is full, the user's quota is used up, or the file is larger than the file system or a limit allows.
NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})

if sys.platform != "win32":
    import resource  # at the top: importing it opens a file, which fails once too many are open


class UserError(Exception):
    """An error in a command, a configuration or a file that the user can fix.

    Its text is shown without a traceback. It states what is wrong and where (key, file, value), what is allowed, and
    what to do.

    Attributes:
        exit_code: of a command that ends with it.
    """

    exit_code: ClassVar[int] = 2


class NoRoomError(UserError):
    """The disk is full. Nothing is wrong with the command: issued again, it continues."""

    exit_code: ClassVar[int] = 1


class UnfitSettings(UserError):
    """A training failed because of its settings, not of the machine or of files: again, it would fail in the same way.

    It has diverged, for example.
    """


def disk_error(error: OSError, sentence: str) -> UserError:
    """Return a sentence as a `NoRoomError` if the error of the system is a full disk, otherwise as a `UserError`."""
    return (NoRoomError if error.errno in NO_ROOM else UserError)(sentence)


class PartlyDone(UserError):
    """Some parts of a command failed, as the text states; the others succeeded.

    Attributes:
        shown: results of the others.
    """

    def __init__(self, shown: Lines, problems: Sequence[str]) -> None:
        """Join the problems to a text."""
        super().__init__(" ".join(problems))
        self.shown = shown


@contextlib.contextmanager
def disk_errors_as_user_errors() -> Iterator[None]:
    """Turn the system's errors about a file into a `UserError`."""
    try:
        yield
    except OSError as error:
        if too_many := too_many_files(error):
            raise UserError(too_many) from error
        if error.filename is None:
            raise
        raise disk_error(
            error, f"{error.filename} cannot be read or written ({error.strerror}): make it so, or choose another."
        ) from error


def too_many_files(error: BaseException) -> str | None:
    """Return a sentence for an error that is due to too many open files, None for another error.

    Libraries raise errors of their own classes, with the system's words in them.
    """
    code = error.errno if isinstance(error, OSError) else None
    if code not in (errno.EMFILE, errno.ENFILE) and not any(words in str(error) for words in _TOO_MANY_FILES):
        return None
    if sys.platform == "win32":
        return "Too many files are open: end other programs."
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"Too many files are open (the limit is {limit}): raise the limit with ulimit -n {max(4096, 4 * limit)}."


_TOO_MANY_FILES = ("Too many open files", "items of ancdata")  # the second: a descriptor that was not received
