"""The errors of the local home.

DevhostError
├── AppError            the function app cannot be run as it is (import, bindings, settings, host.json)
├── StorageError        Blob or Queue Storage did not answer, or refused
└── ServiceError        a process of the local home could not be started, or is not running
    ├── PortBusyError   a port it needs is in use
    └── RunningError    the services already run (or do not run) where the opposite was asked
"""


class DevhostError(Exception):
    """Base of everything devhost raises on purpose; its message is written for the person at the terminal."""


class AppError(DevhostError):
    """The function app cannot be run as it is."""


class StorageError(DevhostError):
    """Storage did not answer, or refused; what was asked may be asked again."""


class ServiceError(DevhostError):
    """A process of the local home could not be started."""


class PortBusyError(ServiceError):
    """A port that is needed is in use."""


class RunningError(ServiceError):
    """The services already run, or do not run, where the opposite was asked."""
