"""The errors that leave Darkroom's domain, in one tree, and what each is to an HTTP caller.

    DarkroomError
    ├── InvalidRequestError        the caller's request cannot be answered as it is
    ├── AccessDeniedError          no key, or a wrong one
    ├── UnknownModelError          no dataset and no version has this name
    ├── NoChampionError            the dataset has no promoted version yet
    ├── StorageError               storage refused or did not answer
    │   ├── BlobNotFoundError
    │   ├── BlobChangedError       If-Match or If-None-Match did not hold: somebody else was first
    │   ├── BlobTooLargeError
    │   ├── BlobRefusedError       storage refuses this one blob, and will again
    │   └── BlobArchivedError      it is in the archive tier, or on its way out of it
    ├── BrokenFileError            a file of ours in storage cannot be read
    ├── VisionError                the engine
    │   ├── VisionUnavailableError it did not answer, or answered 429 or 5xx
    │   └── VisionRefusedError     it answered 4xx
    └── AnnouncementError          Event Grid did not take an event

An outcome that is expected ("not yet", "this picture is broken") is a value, not an error.
"""

from typing import Final


class DarkroomError(Exception):
    """Base of every error that this domain raises.

    Attributes:
        code: Stable machine-readable name, sent as ``error.code`` and ``x-ms-error-code`` (contract §5).
        inner_code: More specific name, sent as ``error.innererror.code``, or None.
    """

    code: str = "InternalServerError"

    def __init__(self, message: str, *, inner_code: str | None = None) -> None:
        super().__init__(message)
        self.inner_code = inner_code


class InvalidRequestError(DarkroomError):
    """The request is malformed, too large, or names nothing that can be resolved."""

    code = "InvalidRequest"


class AccessDeniedError(DarkroomError):
    """The subscription key is missing or wrong."""

    code = "401"


class UnknownModelError(DarkroomError):
    """No dataset and no version has the requested name."""

    code = "404"


class NoChampionError(DarkroomError):
    """The dataset exists but no version of it was promoted yet."""

    code = "NoChampion"


class StorageError(DarkroomError):
    """Storage refused a call or did not answer after the client library's own retries."""

    code = "StorageUnavailable"


class BlobNotFoundError(StorageError):
    """The blob does not exist."""


class BlobChangedError(StorageError):
    """A conditional write lost: the blob is not (or no longer) what the caller had read."""


class BlobTooLargeError(StorageError):
    """The blob is larger than the caller is ready to read.

    Attributes:
        etag: The version that was too large.
        size: Its size in bytes.
    """

    def __init__(self, message: str, *, etag: str, size: int) -> None:
        super().__init__(message)
        self.etag = etag
        self.size = size


class BlobRefusedError(StorageError):
    """Storage answered that it does not give this blob out, as one that is encrypted with somebody else's key."""


class BlobArchivedError(StorageError):
    """The blob is in the archive tier, where nothing can read it.

    Attributes:
        etag: Its version.
    """

    def __init__(self, message: str, *, etag: str) -> None:
        super().__init__(message)
        self.etag = etag


class BrokenFileError(DarkroomError):
    """A file that Darkroom keeps in storage is not what Darkroom wrote."""

    code = "BrokenFile"


class VisionError(DarkroomError):
    """Talking to the engine failed."""

    code = "EngineUnavailable"


class VisionUnavailableError(VisionError):
    """The engine did not answer, or answered 429 or 5xx; trying again later may help."""


class VisionRefusedError(VisionError):
    """The engine answered 4xx.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int, inner_code: str | None = None) -> None:
        super().__init__(message, inner_code=inner_code)
        self.status = status


class AnnouncementError(DarkroomError):
    """Event Grid did not take an event; it may be sent again, with the same id."""

    code = "AnnouncementFailed"


HTTP_STATUS: Final[dict[type[DarkroomError], int]] = {
    InvalidRequestError: 400,
    AccessDeniedError: 401,
    UnknownModelError: 404,
    NoChampionError: 409,
    BrokenFileError: 500,
    StorageError: 503,
    VisionUnavailableError: 503,
}


def http_status(error: DarkroomError) -> int:
    """Return the HTTP status of an error: its class's, or its nearest listed ancestor's; 500 if none is listed."""
    return next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
