"""What ends a command with one line: what is wrong, and what to do next."""


class CurateError(Exception):
    """A command cannot be carried out.

    Attributes:
        status: The exit code, 1, or 2 when the command line is at fault.
    """

    status = 1


class UsageError(CurateError):
    """The command line asks for something that cannot be."""

    status = 2
