"""Turns a record into the request that its job process gets."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import JobError
from engine.messages import DatasetSource, EvaluateRequest, JobRequest, TrainRequest
from engine.records import AnnotationKind, Evaluation, Model
from engine.sealing import Sealer
from engine.store import Store

type Work = Model | Evaluation

OUTPUT = "output"


def job_key(work: Work) -> str:
    """The name of a record's job, in paths: its id, because names may come back."""
    return f"{type(work).__name__.lower()}-{work.id}"


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where jobs find and leave things.

    Attributes:
        data: The engine's data folder.
        backbone: ENGINE_BACKBONE, None for the built-in one.
        allowed_hosts: ENGINE_ALLOWED_HOSTS as it was given.
        hour_seconds: Length of an hour of budget; shorter in tests.
        host_map: ENGINE_HOST_MAP as it was given.
        backbones_served: Of ENGINE_BACKBONES_SERVED, one by one.
    """

    data: Path
    backbone: str | None
    allowed_hosts: str
    hour_seconds: float = 3600.0
    host_map: str = ""
    backbones_served: tuple[str, ...] = ()

    @property
    def work(self) -> Path:
        """Folder of what is not finished."""
        return self.data / "work"

    def job(self, work: Work) -> Path:
        """Folder of what a job has not finished, all of it; OUTPUT in it is what it leaves."""
        return self.work / job_key(work)

    @property
    def locks(self) -> Path:
        """Folder of what keeps a job from running twice at once."""
        return self.data / "locks"

    def model(self, name: str) -> Path:
        """Folder of a finished model."""
        return self.data / "models" / name

    def evaluation(self, model_name: str, name: str) -> Path:
        """Folder of a finished evaluation."""
        return self.evaluations(model_name) / name

    def evaluations(self, model_name: str) -> Path:
        """Folder of the finished evaluations of a model."""
        return self.data / "evaluations" / model_name


class Orders:
    """Looks up what a job needs when it starts, and not before: until then a data set may still be changed."""

    def __init__(self, store: Store, sealer: Sealer, place: JobPlace) -> None:
        self._store = store
        self._sealer = sealer
        self._place = place

    def request(self, work: Work) -> JobRequest:
        """Returns the request for a record's job.

        Raises:
            JobError: A data set is gone or of another kind.
            SealError: A data set's SAS cannot be opened.
        """
        task: TrainRequest | EvaluateRequest
        folder = self._place.job(work)
        output = str(folder / OUTPUT)
        if isinstance(work, Model):
            kind = work.annotation_kind
            test = None if work.test_dataset is None else self._source(work.test_dataset, kind)
            task = TrainRequest(self._source(work.training_dataset, kind), test, output)
        else:
            model = self._store.models.find(work.model_name)
            if model is None:
                raise JobError("modelNotFound", f"Model '{work.model_name}' was deleted before the job started.")
            source = self._source(work.test_dataset, model.annotation_kind)
            task = EvaluateRequest(source, work.model_name, str(self._place.model(work.model_name)), output)
        return JobRequest(
            task=task,
            lock=str(self._place.locks / f"{job_key(work)}.lock"),
            scratch=str(folder / "scratch"),
            features=str(self._place.data / "features"),
            backbone=self._place.backbone,
            allowed_hosts=self._place.allowed_hosts,
            host_map=self._place.host_map,
            backbones_served=self._place.backbones_served,
        )

    def _source(self, name: str, kind: AnnotationKind) -> DatasetSource:
        dataset = self._store.datasets.find(name)
        if dataset is None:
            raise JobError(
                "datasetNotFound", f"Data set '{name}' was deleted before the job started. Register it again."
            )
        if dataset.annotation_kind is not kind:
            raise JobError(
                "incorrectModelKind",
                f"Data set '{name}' is of kind {dataset.annotation_kind} now, the model is made of {kind}. "
                "Use a data set of that kind.",
            )
        sas = None if dataset.sealed_sas is None else self._sealer.open(dataset.sealed_sas, dataset.name)
        return DatasetSource(name, kind, dataset.annotation_file_uris, sas)
