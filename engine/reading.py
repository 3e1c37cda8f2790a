"""Reads a data set for a job: its COCO files, then every picture they name, as features."""

from pathlib import Path

from engine.access import Access, shown
from engine.coco import CORRUPT, CocoFile, labelled_pictures, parse_coco
from engine.errors import FetchError, ForbiddenError, JobError, UnreachableError
from engine.features import EmbeddedSet, Embedder, FeatureCache
from engine.fetch import Fetcher
from engine.learn.backbone import Backbone
from engine.messages import DatasetSource, Progress, Report

MAX_COCO_BYTES = 512 * 1024 * 1024


class DatasetReader:
    """Reads data sets over the network; features that are cached are not made again.

    Args:
        fetcher: Reads URLs.
        backbone: Makes the features.
        features: Folder of the feature cache.
        report: Takes progress.
    """

    def __init__(self, fetcher: Fetcher, backbone: Backbone, features: Path, report: Report) -> None:
        self._fetcher = fetcher
        self._embedder = Embedder(backbone, FeatureCache(features, backbone), fetcher)
        self._report = report

    def read(self, source: DatasetSource, role: str) -> EmbeddedSet:
        """Returns the data set's pictures with their labels.

        Args:
            source: Where it lies.
            role: What progress calls it: training or test.

        Raises:
            JobError: datasetCorrupt, or unknown when something cannot be reached; names it.
        """
        self._report(Progress(f"read_{role}_annotations", 0.0))
        access = Access.of(source.annotation_file_uris, source.sas)
        files = [(shown(uri), self._coco_file(uri, access)) for uri in source.annotation_file_uris]
        examples = labelled_pictures(files)
        if not examples:
            raise JobError(CORRUPT, f"Data set '{source.name}' has no annotated picture. Add some.")
        stage = f"embed_{role}_pictures"
        self._report(Progress(stage, 0.0))
        return self._embedder.embed(examples, access, lambda done, total: self._report(Progress(stage, done / total)))

    def _coco_file(self, uri: str, access: Access) -> CocoFile:
        try:
            content = self._fetcher.read(uri, limit=MAX_COCO_BYTES, access=access)
        except (UnreachableError, ForbiddenError) as exc:
            raise JobError("unknown", f"Annotation file: {exc}") from exc
        except FetchError as exc:
            raise JobError(CORRUPT, f"Annotation file: {exc}") from exc
        return parse_coco(content, shown(uri))
