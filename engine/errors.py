"""Every error of the engine, in one tree.

EngineError
├── StartError                     the engine cannot start: settings, data folder
├── RequestError                   answered to the caller as it is: HTTP status, code, message
│   ├── InvalidRequestError        400 (code InvalidRequest unless a narrower one is given)
│   ├── PermissionDeniedError      401
│   ├── NotFoundError              404
│   ├── AlreadyExistsError         409
│   ├── NotReadyError              409
│   ├── PreconditionFailedError    412
│   ├── TooBusyError               429 with Retry-After
│   └── DiskRefusedError           500
├── JobError                       written on a model or an evaluation: contract code, message
├── FetchError                     a URL could not be read
│   ├── RefusedUrlError            not an allowed address; never tried
│   ├── MissingError               404 or 410
│   ├── ChangedError               412: no longer the bytes that were asked for
│   ├── ForbiddenError             401, 403 or another refusal
│   ├── TooLargeError              more bytes than the limit
│   └── UnreachableError           no answer, 429 or 5xx; worth another try
├── PictureError                   bytes that cannot be used as a picture
│   ├── PictureFormatError         not a picture we can decode
│   └── PictureSizeError           too few or too many bytes or pixels
└── SealError                      a stored secret cannot be opened with ENGINE_SECRET
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.records import Finding


class EngineError(Exception):
    """The root: whatever the engine raises on purpose."""


class StartError(EngineError):
    """The engine cannot start; the message says what to change."""


class RequestError(EngineError):
    """A refusal that is answered to the caller (contract §5).

    Args:
        message: What, which, and what to do next.
        code: The error code on the wire; the class's own when absent.
        inner_code: The code of `innererror`, when the contract names one.
    """

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "InvalidRequest"

    def __init__(self, message: str, *, code: str | None = None, inner_code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.inner_code = inner_code


class InvalidRequestError(RequestError):
    """The request cannot be understood or is not allowed in this state."""


class PermissionDeniedError(RequestError):
    """The key is missing or wrong. The contract's code is the string "401"."""

    status = 401
    default_code = "401"


class NotFoundError(RequestError):
    """Nothing has this name."""

    status = 404
    default_code = "404"


class AlreadyExistsError(RequestError):
    """The name is taken; a PUT never overwrites."""

    status = 409
    default_code = "AlreadyExists"


class NotReadyError(RequestError):
    """The thing exists but cannot do this now."""

    status = 409
    default_code = "ModelNotReady"


class PreconditionFailedError(RequestError):
    """`If-Match` names another revision."""

    status = 412
    default_code = "PreconditionFailed"


class TooBusyError(RequestError):
    """Too many calls wait already.

    Args:
        message: How many, and when to try again.
        retry_seconds: What `Retry-After` says.
    """

    status = 429
    default_code = "TooManyRequests"

    def __init__(self, message: str, *, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class DiskRefusedError(RequestError):
    """The engine's disk refuses, most likely because it is full."""

    status = 500
    default_code = "InternalServerError"


class JobError(EngineError):
    """A job ended without a result; the code is one of contract §5's.

    Args:
        code: On the model or evaluation.
        message: What, which, and what to do next.
        details: What is wrong with a data set, thing by thing.
    """

    def __init__(self, code: str, message: str, details: "Sequence[Finding]" = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


class FetchError(EngineError):
    """A URL could not be read. Messages carry the URL without its query."""


class RefusedUrlError(FetchError):
    """The URL is not http(s), or its host is not allowed, or it leads to a private address."""


class MissingError(FetchError):
    """Nothing lies at the URL."""


class ChangedError(FetchError):
    """What lies at the URL is no longer what was recorded."""


class ForbiddenError(FetchError):
    """The store refuses to hand it out."""


class TooLargeError(FetchError):
    """More bytes than the limit."""


class UnreachableError(FetchError):
    """No usable answer; another try may help.

    Args:
        message: What happened.
        retry_after: Seconds the store asked us to wait, if it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PictureError(EngineError):
    """Bytes that cannot be used as a picture. `inner_code` is the contract's `innererror.code`."""

    inner_code: ClassVar[str] = "InvalidImageFormat"


class PictureFormatError(PictureError):
    """Not a picture in a format we read, or a broken one."""


class PictureSizeError(PictureError):
    """Too few or too many bytes or pixels."""

    inner_code = "InvalidImageSize"


class SealError(EngineError):
    """A stored secret was sealed with another ENGINE_SECRET, or was tampered with."""
