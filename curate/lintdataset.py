"""`lint CONTAINER/DATASET`: a full look at a dataset in storage, whatever its size; the engine is not needed."""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from curate.errors import CurateError
from curate.storage import Storage, Target
from curate.telling import Told, as_values, counted, say, say_findings, say_object
from shared import layout
from shared.assessment import Assessment, Assessor
from shared.blocks import tallies_of
from shared.errors import BlobChangedError
from shared.imports import ImportedFile, Imports
from shared.kinds import why_unclear
from shared.policy import Rules
from shared.quality import advice, spread_of
from shared.settings import Settings
from shared.stock import LabelStock
from shared.survey import Survey
from shared.tallies import Tally

_TRIES: Final = 3


def lint_dataset(args: argparse.Namespace, open_target: Callable[[Target], Storage], *, now: datetime) -> int:
    """Check a dataset; return the exit code, 1 when there is anything to mend.

    Raises:
        CurateError: There is no such dataset, or it changes all the time.
        StorageError: Storage failed.
        BrokenFileError: Its COCO file is not what Darkroom wrote.
    """
    target: Target = args.target
    storage = open_target(target)
    assessor = Assessor(training=storage.training, registry=storage.registry, rules=_default_rules())
    assessment, survey = _look(assessor, storage, target, now)
    imports = Imports(training=storage.training, registry=storage.registry).of(target.dataset)
    findings = _findings(assessment, survey, imports)
    missing = _missing_now(assessment, imports)
    hidden = (survey.finding_count - len(survey.findings)) if survey else 0
    hidden += sum(file.finding_count - len(file.findings) for file in imports.values())
    tallies = tallies_of(assessment.live.head) if assessment.live else {}
    labels = [_label(assessment, label, stock, tallies.get(label)) for label, stock in assessment.labels.items()]
    _say(target, assessment, labels, imports, missing)
    say_findings(findings)
    if hidden:
        say(f"and {hidden:,} more. Mend the ones above first.")
    count = len(findings) + hidden
    say(f"{counted(count, 'finding')}")
    if args.json:
        facts = _facts(target, assessment, labels, imports, missing)
        say_object({**facts, "findingCount": count, "findings": as_values(findings)})
    return int(bool(count))


def _look(assessor: Assessor, storage: Storage, target: Target, now: datetime) -> tuple[Assessment, Survey | None]:
    for _ in range(_TRIES):
        assessment = assessor.assess(target.dataset, now=now)
        if assessment.live is None:
            raise CurateError(assessment.trouble[1] if assessment.trouble else _why_nothing(storage, target))
        if assessment.survey is not None:
            return assessment, assessment.survey
        try:
            survey, _stock = assessor.survey(assessment)
        except BlobChangedError:
            continue
        labels = {of.label: LabelStock(of.train, of.test, of.copies) for of in survey.labels}
        return replace(assessment, survey=survey, labels=labels), survey
    raise CurateError(f"pictures of {target} are still coming in: its COCO file changed while it was read. Try again")


def _default_rules() -> Rules:
    """Return the thresholds of an app that sets none; a dataset's own in `dataset.json` come before them."""
    fields = Settings.model_fields

    def default(name: str) -> int:
        return int(fields[name].default)

    return Rules(
        min_pictures_per_label=default("min_pictures_per_label"),
        min_labels=default("min_labels"),
        min_new_pictures=default("min_new_pictures"),
        quiet_period=timedelta(seconds=default("quiet_period")),
        cool_down=timedelta(seconds=default("cool_down")),
    )


def _why_nothing(storage: Storage, target: Target) -> str:
    dataset = target.dataset
    if next(storage.training.list(f"{dataset}/images/"), None) is not None:
        return (
            f"{target} has pictures, and the function app has not seen them yet. Start it (./darkroom up); it finds "
            "them when it starts, and by `reconcile` within an hour"
        )
    known = sorted(name for name in storage.training.folders() if layout.is_dataset_name(name))
    more = f" and {len(known) - 10:,} more" if len(known) > 10 else ""
    others = f"; there are {', '.join(known[:10])}{more}" if known else ""
    return f"there is no dataset '{dataset}' in container '{target.container}'{others}"


def _findings(assessment: Assessment, survey: Survey | None, imports: Mapping[str, ImportedFile]) -> list[Told]:
    live = assessment.live
    if live is None:
        return []
    found = [Told(place=p.path, reason=p.reason) for p in live.problems(live.head.info.totals.problems)]
    config = layout.dataset_config(assessment.dataset)
    if assessment.trouble is not None:
        found.append(Told(place=config, reason=assessment.trouble[1]))
    elif assessment.kind is None:
        found.append(Told(place=config, reason=f"{why_unclear(live.head.info.totals)}."))
    if survey is not None:
        found += [Told(place=finding.path, reason=finding.reason) for finding in survey.findings]
    found += [Told(place=path, reason=reason) for path, file in imports.items() for reason in file.findings]
    return sorted(found, key=lambda told: (told.place, told.reason))


def _label(assessment: Assessment, label: str, stock: LabelStock, tally: Tally | None) -> dict[str, Any]:
    spread = msgspec.structs.asdict(spread_of(tally)) if tally else {}
    needed = max(0, assessment.rules.min_pictures_per_label - stock.train - stock.test)
    return {
        "label": label,
        "train": stock.train,
        "test": stock.test,
        "copies": stock.copies,
        "needed": needed,
        "spread": {name: round(value, 3) for name, value in spread.items()},
        "advice": list(advice(label, tally, stock)) if tally else [],
    }


def _say(
    target: Target,
    assessment: Assessment,
    labels: list[dict[str, Any]],
    imports: Mapping[str, ImportedFile],
    missing: Mapping[str, int],
) -> None:
    pictures = assessment.live.head.info.totals.pictures if assessment.live else 0
    say(f"{target}: {assessment.kind or 'kind not clear'}, {counted(pictures, 'picture')}")
    width = max([len("label"), *(len(row["label"]) for row in labels)])
    if labels:
        say(f"{'label':{width}}  train   test copies  light   size aspect   (the last three: how much pictures differ)")
    for row in labels:
        spread = "  ".join(f"{row['spread'].get(name, 0):5.2f}" for name in ("light", "size", "aspect"))
        short = f"   {row['needed']} more needed" if row["needed"] else ""
        say(f"{row['label']:{width}}  {row['train']:5} {row['test']:6} {row['copies']:6}  {spread}{short}")
    for row in labels:
        for text in row["advice"]:
            say(f"advice: {text}")
    for path, file in sorted(imports.items()):
        say(f"{path}: {file.state}, {counted(file.pictures, 'picture')}{_missing(missing[path])}")


def _missing(count: int) -> str:
    return f", {count:,} of them not there" if count else ""


def _missing_now(assessment: Assessment, imports: Mapping[str, ImportedFile]) -> Counter[str]:
    """Count the pictures that each imported file names and that are not there; the file's own count may be old."""
    missing: Counter[str] = Counter()
    if assessment.live is not None and any(file.missing for file in imports.values()):
        for records in assessment.live.records():
            missing.update(claim.source for claim in records.claims if claim.source and claim.note)
    return missing


def _facts(
    target: Target,
    assessment: Assessment,
    labels: list[dict[str, Any]],
    imports: Mapping[str, ImportedFile],
    missing: Mapping[str, int],
) -> dict[str, Any]:
    totals = assessment.live.head.info.totals if assessment.live else None
    return {
        "dataset": str(target),
        "kind": assessment.kind,
        "pictures": totals.pictures if totals else 0,
        "labels": labels,
        "imports": [
            {"path": path, "state": file.state, "pictures": file.pictures, "missing": missing[path]}
            for path, file in sorted(imports.items())
        ],
    }
