"""What the triggers call: a path that was written or deleted goes to whoever keeps it, and timers catch the rest."""

from datetime import datetime, timedelta
from typing import Final

from shared import layout
from shared.dataset import Datasets
from shared.imports import Imports
from shared.reconcile import Pass, Reconciliation

QUIET: Final = timedelta(minutes=1)  # without a change, before imports are matched with pictures that came later


class Intake:
    """Changes in the training container, on their way into the COCO files.

    Attributes:
        datasets: Folds pictures and side-cars.
        imports: Applies the files in ``annotations/``.
        reconciliation: Finds what no event told.
    """

    def __init__(self, *, container: str, datasets: Datasets, imports: Imports, reconciliation: Reconciliation) -> None:
        self._container = container
        self.datasets = datasets
        self.imports = imports
        self.reconciliation = reconciliation

    def notice(self, path: str) -> None:
        """Take in a blob that was written: a picture, a side-car, or a file to import."""
        if layout.is_import(path):
            self.imports.notice(path)
        else:
            self.datasets.notice(path)

    def forget(self, path: str) -> None:
        """Take in that a blob may be gone."""
        if layout.is_import(path):
            self.imports.notice(path)
        else:
            self.datasets.forget(path)

    def forget_subject(self, subject: str) -> None:
        """Take in that the blob an Event Grid subject names may be gone; other containers' blobs are none of ours."""
        path = layout.path_of_subject(subject, self._container)
        if path is not None:
            self.forget(path)

    def resume(self, *, now: datetime) -> None:
        """Go on with what earlier calls left.

        Raises:
            DarkroomError: The first failure, after everything had its turn.
        """
        try:
            self.datasets.fold()
        finally:
            try:
                self._import(quiet_since=now - QUIET)
            finally:
                self.reconciliation.resume(now=now)

    def reconcile(self, *, now: datetime) -> dict[str, Pass]:
        """Compare storage with the COCO files, fold what no event told, and return what was found per folder.

        Raises:
            DarkroomError: The first failure, after everything had its turn.
        """
        try:
            return self.reconciliation.run(now=now)
        finally:
            self._import(quiet_since=now)

    def _import(self, *, quiet_since: datetime) -> None:
        try:
            self.imports.retry_missing(quiet_since=quiet_since)
        finally:
            self.imports.run()
