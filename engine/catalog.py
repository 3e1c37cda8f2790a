"""The operations on data sets, models and evaluations: the contract's rules between the wire and the store."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from engine.bodies import AuthenticationBody, DatasetBody, EvaluationBody, ModelBody
from engine.errors import InvalidRequestError, NotReadyError, PreconditionFailedError
from engine.jobs import Jobs
from engine.messages import Progress
from engine.records import FINISHED, MODEL_KINDS, AnnotationKind, Dataset, Evaluation, Model, Status
from engine.rules import (
    check_annotation_file_uris,
    check_annotation_kind,
    check_authentication,
    check_budget,
    check_custom_properties,
    check_model_kind,
    check_name,
)
from engine.sealing import Sealer
from engine.store import Store


class Catalog:
    """Registers, trains, evaluates, cancels and deletes by name. Refusals are `RequestError`s."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        sealer: Sealer,
        clock: Callable[[], datetime],
        *,
        on_deleted_model: Callable[[Model], None],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._sealer = sealer
        self._clock = clock
        self._on_deleted_model = on_deleted_model

    def add_dataset(self, name: str, body: DatasetBody) -> Dataset:
        """Registers a data set; its data is not read (contract §2.1)."""
        check_name(name, "data set")
        if body.annotation_kind is None or body.annotation_file_uris is None:
            missing = "annotationKind" if body.annotation_kind is None else "annotationFileUris"
            raise InvalidRequestError(f"{missing} is missing.")
        now = self._clock()
        kind, sas = check_authentication(body.authentication or AuthenticationBody())
        return self._store.datasets.add(
            Dataset(
                name=name,
                annotation_kind=check_annotation_kind(body.annotation_kind),
                annotation_file_uris=check_annotation_file_uris(body.annotation_file_uris),
                authentication=kind,
                sealed_sas=None if sas is None else self._sealer.seal(sas, name),
                custom_properties=_properties(body),
                created=now,
                updated=now,
            )
        )

    def get_dataset(self, name: str) -> Dataset:
        """Returns a data set."""
        check_name(name, "data set")
        return self._store.datasets.get(name)

    def list_datasets(self, skip: int, top: int) -> tuple[list[Dataset], bool]:
        """Returns a page of data sets, and whether more follow."""
        return self._store.datasets.page(skip, top)

    def change_dataset(self, name: str, body: DatasetBody, if_match: str | None) -> Dataset:
        """Replaces the properties that the body has."""
        check_name(name, "data set")
        changes: dict[str, Any] = {}
        if body.annotation_kind is not None:
            changes["annotation_kind"] = check_annotation_kind(body.annotation_kind)
        if body.annotation_file_uris is not None:
            changes["annotation_file_uris"] = check_annotation_file_uris(body.annotation_file_uris)
        if body.authentication is not None:
            kind, sas = check_authentication(body.authentication)
            sealed = None if sas is None else self._sealer.seal(sas, name)
            changes |= {"authentication": kind, "sealed_sas": sealed}
        if body.custom_properties is not None:
            changes["custom_properties"] = check_custom_properties(body.custom_properties)

        def edit(dataset: Dataset) -> Dataset:
            _check_match(dataset, if_match)
            return replace(dataset, **changes, updated=self._clock(), revision=dataset.revision + 1)

        return self._store.datasets.change(name, edit)

    def delete_dataset(self, name: str, if_match: str | None) -> None:
        """Forgets a data set; models that were trained on it stay."""
        check_name(name, "data set")
        self._store.datasets.remove(name, lambda dataset: _check_match(dataset, if_match))

    def add_model(self, name: str, body: ModelBody, traceparent: str | None) -> Model:
        """Queues the training of a new model."""
        check_name(name, "model")
        parameters = body.training_parameters
        test = body.evaluation_parameters.test_dataset_name if body.evaluation_parameters else None
        training = self._dataset(parameters.training_dataset_name, "training")
        kind = MODEL_KINDS[training.annotation_kind]
        if parameters.model_kind is not None and check_model_kind(parameters.model_kind) is not kind:
            raise InvalidRequestError(
                f"modelKind is {parameters.model_kind}, but the training data set '{training.name}' is of kind "
                f"{training.annotation_kind}: it makes a {kind}. Leave modelKind out, or use another data set."
            )
        if test is not None:
            _check_kind(self._dataset(test, "test"), training.annotation_kind, f"model '{name}'")
        now = self._clock()
        model = self._store.models.add(
            Model(
                name=name,
                kind=kind,
                annotation_kind=training.annotation_kind,
                training_dataset=training.name,
                test_dataset=test,
                budget_hours=check_budget(parameters.time_budget_in_hours, kind),
                created=now,
                updated=now,
                traceparent=traceparent,
            )
        )
        self._jobs.wake()
        return model

    def get_model(self, name: str) -> Model:
        """Returns a model."""
        check_name(name, "model")
        return self._store.models.get(name)

    def progress(self, model: Model) -> Progress | None:
        """Returns how far a model's training is; None when none runs. Never waits."""
        return self._jobs.progress(model)

    def list_models(self, skip: int, top: int) -> tuple[list[Model], bool]:
        """Returns a page of models, and whether more follow."""
        return self._store.models.page(skip, top)

    def cancel_model(self, name: str) -> Model:
        """Ends the training of a model; a second call changes nothing."""
        check_name(name, "model")

        def edit(model: Model) -> Model:
            match model.status:
                case Status.NOT_STARTED:
                    return replace(model, status=Status.CANCELLED, updated=self._clock())
                case Status.TRAINING:
                    return replace(model, status=Status.CANCELLING, updated=self._clock())
                case Status.CANCELLING | Status.CANCELLED:
                    return model
            raise InvalidRequestError(f"Model '{name}' has {model.status} already; there is nothing to cancel.")

        model = self._store.models.change(name, edit)
        if model.status is Status.CANCELLING:
            self._jobs.interrupt(model)
        return model

    def delete_model(self, name: str) -> None:
        """Deletes a finished model with its files and evaluations."""
        check_name(name, "model")
        with self._store.transaction():
            model = self._store.models.remove(name, _check_finished_model)
            evaluations = self._store.evaluations.remove_all(name)
        for evaluation in evaluations:
            self._jobs.interrupt(evaluation)
        self._jobs.discard(model)
        self._on_deleted_model(model)

    def add_evaluation(self, model_name: str, name: str, body: EvaluationBody, traceparent: str | None) -> Evaluation:
        """Queues the evaluation of a model on a test data set."""
        check_name(model_name, "model")
        check_name(name, "evaluation")
        test = body.evaluation_parameters.test_dataset_name
        now = self._clock()
        with self._store.transaction():
            model = self._store.models.get(model_name)
            if model.status is not Status.SUCCEEDED:
                raise NotReadyError(f"Model '{model_name}' is {model.status}; only a succeeded one can be evaluated.")
            _check_kind(self._dataset(test, "test"), model.annotation_kind, f"model '{model_name}'")
            evaluation = self._store.evaluations.add(
                Evaluation(
                    name=name,
                    model_name=model_name,
                    test_dataset=test,
                    created=now,
                    updated=now,
                    traceparent=traceparent,
                )
            )
        self._jobs.wake()
        return evaluation

    def get_evaluation(self, model_name: str, name: str) -> Evaluation:
        """Returns an evaluation."""
        check_name(model_name, "model")
        check_name(name, "evaluation")
        return self._store.evaluations.get(name, model_name)

    def delete_evaluation(self, model_name: str, name: str) -> None:
        """Deletes a finished evaluation with its files."""
        check_name(model_name, "model")
        check_name(name, "evaluation")
        self._jobs.discard_evaluation(self._store.evaluations.remove(name, _check_finished_evaluation, model_name))

    def list_evaluations(self, model_name: str, skip: int, top: int) -> tuple[list[Evaluation], bool]:
        """Returns a page of a model's evaluations, and whether more follow."""
        self.get_model(model_name)
        return self._store.evaluations.page(skip, top, model_name)

    def _dataset(self, name: str, role: str) -> Dataset:
        dataset = self._store.datasets.find(name)
        if dataset is None:
            raise InvalidRequestError(
                f"There is no {role} data set '{name[:255]}'. Register it first (PUT datasets).", code="DatasetNotFound"
            )
        return dataset


def _properties(body: DatasetBody) -> dict[str, str] | None:
    return None if body.custom_properties is None else check_custom_properties(body.custom_properties)


def _check_match(dataset: Dataset, if_match: str | None) -> None:
    if if_match is None:
        return
    tags = [tag.strip() for tag in if_match.split(",")]
    if "*" not in tags and dataset.etag not in tags and str(dataset.revision) not in tags:
        raise PreconditionFailedError(
            f"Data set '{dataset.name}' has eTag {dataset.etag}, not {if_match[:80]}. Read it again before changing it."
        )


def _check_kind(test: Dataset, kind: AnnotationKind, what: str) -> None:
    if test.annotation_kind is not kind:
        raise InvalidRequestError(
            f"The test data set '{test.name}' is of kind {test.annotation_kind}; "
            f"{what} is trained on {kind}. Use a test data set of that kind."
        )


def _check_finished_model(model: Model) -> None:
    if model.status not in FINISHED:
        raise InvalidRequestError(
            f"Model '{model.name}' is {model.status}. "
            f"Cancel it (POST models/{model.name}:cancel) and wait, then delete it."
        )


def _check_finished_evaluation(evaluation: Evaluation) -> None:
    if evaluation.status not in FINISHED:
        raise InvalidRequestError(f"Evaluation '{evaluation.name}' is {evaluation.status}. Wait, then delete it.")
