"""The one exception for mistakes that a user can mend, and what turns those of the disk into it."""

import contextlib
from collections.abc import Iterator, Sequence


class UserError(Exception):
    """A mistake in a command, a configuration or a file that the user can mend.

    Its text is shown alone, without a traceback. It says what is wrong and where (key, file, value), what is allowed,
    and what to do.
    """


class PartlyDone(UserError):
    """Some of what was asked for could not be done, as the text says; the rest was.

    Attributes:
        shown: what to show of the rest.
    """

    def __init__(self, shown: str, problems: Sequence[str]) -> None:
        """Tell of both."""
        super().__init__(" ".join(problems))
        self.shown = shown


@contextlib.contextmanager
def disk_errors_told() -> Iterator[None]:
    """Turn what the operating system refuses, with a file or its name, into a sentence.

    Raises:
        UserError: for such an error.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise UserError(
            f"{error.filename} cannot be read or written ({error.strerror}): make it so, or choose another."
        ) from error
