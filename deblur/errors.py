"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """A mistake in a command, a configuration or a file that the user can mend.

    Its text is shown alone, without a traceback. It says what is wrong and where (key, file, value), what is allowed,
    and what to do.
    """
