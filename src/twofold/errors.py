"""The errors that a user can cause; each says in one line what was wrong and what to do about it."""


class TwofoldError(Exception):
    """A mistake that the user can mend. The command line prints its message and exits with `exit_code`."""

    exit_code = 1


class SettingError(TwofoldError, ValueError):
    """An option or argument has a value that cannot be used."""

    exit_code = 2


class StoreError(TwofoldError):
    """The results store cannot be opened, read or written."""

    exit_code = 3


class DataError(TwofoldError):
    """A file or an array of digits is missing, damaged or does not suffice."""

    exit_code = 4
