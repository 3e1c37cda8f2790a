"""Keeps the report of what a model said, and returns the contract's figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.advice import advise
from engine.artifacts import report_path
from engine.boxjudgement import JudgedBoxes
from engine.cases import cases_of
from engine.judgement import MOST_PAIRS, Judged, report_of
from engine.learn.near_duplicates import NearDuplicate, find_near_duplicates
from engine.trainingpictures import fingerprints_of, read_fingerprints, read_taught, read_training_names


def judge(said: Judged | JudgedBoxes, *, model: Path, output: Path) -> dict[str, Any]:
    """Compares what a model said of a test set with its labels, and keeps the report.

    Args:
        said: Of at least one picture.
        model: Folder of the model, with its training pictures if it knows them.
        output: Folder that takes the report.

    Returns:
        The contract's modelPerformance.
    """
    prints = read_fingerprints(model)
    near = None if prints is None else find_near_duplicates(fingerprints_of(said.pictures), prints)
    names = read_training_names(model, [pair.training for pair in (near or [])[:MOST_PAIRS]])
    return keep_report(output, said, near, names, read_taught(model))


def keep_report(
    output: Path,
    said: Judged | JudgedBoxes,
    near: Sequence[NearDuplicate] | None,
    training_names: Sequence[str],
    taught: Mapping[str, int] | None,
) -> dict[str, Any]:
    """Writes the report into a folder, and returns the contract's modelPerformance.

    Args:
        output: The folder.
        said: Of at least one picture.
        near: See `report_of`.
        training_names: See `report_of`.
        taught: How many training pictures each label has; None when that is not known.
    """
    report = report_of(said, near, training_names)
    report["advice"] = [advice.as_wire() for advice in advise(cases_of(said), taught)]
    report_path(output).write_bytes(msgspec.json.encode(report, order="sorted") + b"\n")
    return said.performance()
