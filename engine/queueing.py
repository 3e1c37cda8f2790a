"""Whose turn it is, when more jobs wait than may run. Pure: no clock, no store, no thread.

Trainings and evaluations take turns while both wait: an evaluation is short, and whoever waits for it should not wait
for a row of trainings. Within a kind, groups take turns, so that a hundred jobs of one do not hold up the one job of
another; a group's own jobs keep their order. A group is a data set's name up to its first dot, which is how Darkroom
names the versions of one data set.

A job at the head of its group's jobs waits for at most one job of each other group that waits already, and of the other
kind for as many; jobs that come later do not overtake it. (One exception: a job whose process was killed keeps its
place at the front when it is queued again, a few times at most.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a job does."""

    TRAINING = "training"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class Line:
    """Jobs of one kind and data set that wait.

    Attributes:
        dataset: Its name.
        oldest: Id of the job that came first; ids of a kind grow with time.
        newest: Id of the one that came last.
    """

    dataset: str
    oldest: int
    newest: int

    @property
    def group(self) -> str:
        """Whom the jobs belong to."""
        return self.dataset.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Turns:
    """Who has had a turn.

    Attributes:
        last: Kind of the job that began last.
        served: (kind, group) -> the newest job that waited when the group had its turn, and the number of that turn.
            Groups that no longer wait are left out: whatever they queue later is newer than what waits now.
        count: Turns so far.
    """

    last: Kind | None = None
    served: Mapping[tuple[Kind, str], tuple[int, int]] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """The job to begin with, and the state for the next choice."""

    kind: Kind
    job: int
    turns: Turns


def next_turn(turns: Turns, waiting: Mapping[Kind, Iterable[Line]]) -> Turn | None:
    """Chooses the next job, or None when none waits.

    A group's rank within its kind is the newest job that waited when it last had its turn, or its own oldest job if
    that came later: so it stands behind whoever waited then, and ahead of whoever comes after.
    """
    lines = {kind: list(found) for kind, found in waiting.items()}
    kinds = [kind for kind in Kind if lines.get(kind)]
    if not kinds:
        return None
    kind = min(kinds, key=lambda kind: kind is turns.last)

    def rank(line: Line) -> tuple[int, int, int]:
        newest, turn = turns.served.get((kind, line.group), (0, 0))
        return max(newest, heads[line.group]), turn, line.oldest

    heads: dict[str, int] = {}
    for line in lines[kind]:
        heads[line.group] = min(line.oldest, heads.get(line.group, line.oldest))
    chosen = min(lines[kind], key=rank)
    waits = {(kind, line.group) for kind in kinds for line in lines[kind]}
    kept = {key: turn for key, turn in turns.served.items() if key in waits}
    newest = max(line.newest for line in lines[kind])
    kept[kind, chosen.group] = (newest, turns.count + 1)
    return Turn(kind, chosen.oldest, Turns(kind, kept, turns.count + 1))
