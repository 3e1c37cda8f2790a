"""Reads a data set for a job: its COCO files, then every picture they name.

Nothing stops at the first thing that is wrong. All files are read before the job fails for their findings; only when
they have none are the pictures fetched, and all of them before the job fails for theirs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.access import Access, shown
from engine.coco import CocoReader, Example
from engine.errors import FetchError
from engine.executor import Executor, Threads
from engine.extractors import EmbeddingExtractor, Extractor, MirroredEmbeddingExtractor
from engine.featurecache import FeatureCache
from engine.features import EmbeddedSet, ExtractedSet, embedded, extract_set
from engine.fetch import Fetcher
from engine.findings import OF_THE_STORE, Findings, Reason, quoted
from engine.learn.backbone import Backbone
from engine.learn.views import are_few
from engine.limits import MAX_COCO_BYTES, Limits, Role, limits_of
from engine.messages import DatasetSource, Progress, Report
from engine.walk import PictureReader, verdict
from engine.workers import Crew, Spread


class DatasetReader:
    """Reads data sets over the network; features that are cached are not made again.

    Args:
        fetcher: Reads URLs.
        backbone: Makes the features.
        features: Folder of the feature cache.
        scratch: Folder for what is not whole yet.
        report: Takes progress.
        crew: Makes the features of many pictures; without it this process makes all.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        backbone: Backbone,
        features: Path,
        scratch: Path,
        report: Report,
        crew: Crew | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._backbone = backbone
        self._features = features
        self._scratch = scratch
        self._report = report
        self._crew = crew

    def read(self, source: DatasetSource, role: Role) -> EmbeddedSet:
        """Returns the data set's pictures with their labels and features; for training, with views of few pictures.

        Args:
            source: Where it lies.
            role: What it is for.

        Raises:
            JobError: datasetCorrupt, or unknown when the store is to blame; names all that is wrong.
        """
        findings = Findings(source.name)
        examples, pictures = self._examples(source, role, findings)
        plain = self._made(examples, pictures, EmbeddingExtractor(self._backbone), f"embed_{role}_pictures", findings)
        if role == "test" or not are_few([example.labels for example in examples]):
            return embedded(plain)
        mirrored = MirroredEmbeddingExtractor(self._backbone)
        return embedded(plain, self._made(examples, pictures, mirrored, f"embed_{role}_views", findings))

    def extract(
        self, source: DatasetSource, role: Role, choose: Callable[[Sequence[Example]], Extractor]
    ) -> ExtractedSet:
        """Returns the data set's pictures with what an extractor makes of them.

        Args:
            source: Where it lies.
            role: What it is for.
            choose: Returns one of `EXTRACTORS` for the pictures that the annotation files name.

        Raises:
            JobError: As for `read`.
        """
        findings = Findings(source.name)
        examples, pictures = self._examples(source, role, findings)
        return self._made(examples, pictures, choose(examples), f"embed_{role}_pictures", findings)

    def _made(
        self,
        examples: Sequence[Example],
        pictures: PictureReader,
        extractor: Extractor,
        stage: str,
        findings: Findings,
    ) -> ExtractedSet:
        """Makes what the cache lacks. Raises JobError when a picture cannot be used."""
        cache = FeatureCache(self._features, extractor, self._scratch)

        def tell(done: int, total: int, made: int, to_make: int) -> None:
            self._report(Progress(stage, done / total, made, to_make))

        executor: Executor = Threads(extractor, cache, pictures)
        if self._crew is not None:
            executor = Spread(self._crew, executor, extractor, pictures)
        extracted = extract_set(examples, cache, executor, pictures.sides, findings, tell)
        findings.raise_any()
        return extracted

    def _examples(
        self, source: DatasetSource, role: Role, findings: Findings
    ) -> tuple[Sequence[Example], PictureReader]:
        """Reads the annotation files. Raises JobError when anything is wrong with them."""
        limits = limits_of(source.kind, role)
        access = Access.of(source.annotation_file_uris, source.sas)
        coco = CocoReader(source.kind, limits.most_images, findings)
        progress = self._progress(f"read_{role}_annotations")
        examples: list[Example] = []
        for done, uri in enumerate(source.annotation_file_uris, 1):
            content = self._annotation_file(uri, access, findings)
            if content is not None:
                examples += coco.read(content, shown(uri))
            progress(done, len(source.annotation_file_uris))
        findings.raise_any()  # before they are counted, because those with a finding would be missed
        _count(examples, f"data set {quoted(source.name)}", limits, findings)
        findings.raise_any()
        return examples, PictureReader(self._fetcher, access, limits.sides)

    def _annotation_file(self, uri: str, access: Access, findings: Findings) -> bytes | None:
        try:
            return self._fetcher.read(uri, limit=MAX_COCO_BYTES, access=access)
        except FetchError as exc:
            reason, _ = verdict(exc)
            told = reason in OF_THE_STORE or reason is Reason.ADDRESS_REFUSED
            words = f"This annotation file cannot be read. {exc}"
            findings.add(reason if told else Reason.FILE_UNREADABLE, shown(uri), words)
            return None

    def _progress(self, stage: str) -> Callable[[int, int], None]:
        self._report(Progress(stage, 0.0))
        return lambda done, total: self._report(Progress(stage, done / total))


def _count(examples: Sequence[Example], dataset: str, limits: Limits, findings: Findings) -> None:
    """Notes which labels are too many or have too few pictures."""
    counts = Counter(label for example in examples for label in example.labels)
    if not counts:
        findings.add(Reason.EMPTY, dataset, "has no annotated picture. Add some.")
    elif len(counts) < limits.least_labels:
        words = (
            f"has {len(counts)} label ({quoted(min(counts))}); training needs at least {limits.least_labels}. Add some."
        )
        findings.add(Reason.TOO_FEW, dataset, words)
    elif len(counts) > limits.most_labels:
        words = f"has {len(counts):,} labels; at most {limits.most_labels:,} are allowed. Leave some out."
        findings.add(Reason.TOO_MANY, dataset, words)
    for label, count in sorted(counts.items()):
        if count < limits.least_images:
            words = (
                f"has {count} of {limits.least_images} pictures that a label needs at least. Add some or leave it out."
            )
            findings.add(Reason.TOO_FEW, f"{dataset}: label {quoted(label)}", words)
