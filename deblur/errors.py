"""The one exception for mistakes that a user can fix, and what turns those of the disk into it."""

import contextlib
import errno
import sys
from collections.abc import Iterator, Sequence
from typing import ClassVar

from deblur.text import Lines

# There is no room, the user's quota is used up, or the file would be larger than the file system or a limit allows.
NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})

if sys.platform != "win32":
    import resource  # at the top: importing it opens a file, for which it is too late once there are too many


class UserError(Exception):
    """A mistake in a command, a configuration or a file that the user can fix.

    Its text is shown alone, without a traceback. It says what is wrong and where (key, file, value), what is allowed,
    and what to do.

    Attributes:
        exit_code: of a command that ends with it.
    """

    exit_code: ClassVar[int] = 2


class NoRoomError(UserError):
    """A file could not be written for want of room. Nothing is wrong with the command: given again, it continues."""

    exit_code: ClassVar[int] = 1


def disk_error(error: OSError, sentence: str) -> UserError:
    """Return a sentence as the error of its kind: `NoRoomError` if the disk is full, else `UserError`.

    Args:
        error: of the operating system.
        sentence: what is said.
    """
    return (NoRoomError if error.errno in NO_ROOM else UserError)(sentence)


class PartlyDone(UserError):
    """Some of what was asked for could not be done, as the text says; the rest was.

    Attributes:
        shown: what to show of the rest.
    """

    def __init__(self, shown: Lines, problems: Sequence[str]) -> None:
        """Tell of both."""
        super().__init__(" ".join(problems))
        self.shown = shown


@contextlib.contextmanager
def disk_errors_as_user_errors() -> Iterator[None]:
    """Turn what the operating system refuses, with a file or its name, into a sentence.

    Raises:
        UserError: for such an error.
    """
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
    """Return a sentence for an error that came of too many open files, which is not the fault of any one file.

    Args:
        error: any one; libraries raise errors of their own kinds, with the system's words in them.

    Returns:
        The sentence; None for another error.
    """
    code = error.errno if isinstance(error, OSError) else None
    if code not in (errno.EMFILE, errno.ENFILE) and not any(argv in str(error) for argv in _TOO_MANY_FILES):
        return None
    if sys.platform == "win32":
        return "Too many files are open: end other programs."
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"Too many files are open (the limit is {limit}): raise the limit with ulimit -n {max(4096, 4 * limit)}."


_TOO_MANY_FILES = ("Too many open files", "items of ancdata")  # the second comes of a file that could not be received
