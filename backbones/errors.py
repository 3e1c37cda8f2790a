"""What ends a command with one line: what is wrong, and what to do next.

ShelfError
├── UsageError      the command line asks for something that cannot be
└── FetchError      files of a backbone could not be fetched or unpacked
"""


class ShelfError(Exception):
    """A command cannot be carried out.

    Attributes:
        status: The exit code, 1, or 2 when the command line is at fault.
    """

    status = 1


class UsageError(ShelfError):
    """The command line asks for something that cannot be."""

    status = 2


class FetchError(ShelfError):
    """A URL or an archive does not give what a backbone needs."""
