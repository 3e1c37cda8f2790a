"""Keeps the report of what a model said, and returns the contract's figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.artifacts import report_path
from engine.boxjudgement import JudgedBoxes
from engine.judgement import MOST_PAIRS, Judged, report_of
from engine.learn.near_duplicates import NearDuplicate, find_near_duplicates
from engine.trainingpictures import fingerprints_of, read_fingerprints, read_training_names


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
    return keep_report(output, said, near, names)


def keep_report(
    output: Path, said: Judged | JudgedBoxes, near: Sequence[NearDuplicate] | None, training_names: Sequence[str]
) -> dict[str, Any]:
    """Writes the report into a folder, and returns the contract's modelPerformance."""
    report = report_of(said, near, training_names)
    report_path(output).write_bytes(msgspec.json.encode(report, order="sorted") + b"\n")
    return said.performance()
