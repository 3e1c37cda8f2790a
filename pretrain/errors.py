"""What can go wrong while a backbone is made."""


class PretrainError(Exception):
    """The message says what, which, and what to do next."""
