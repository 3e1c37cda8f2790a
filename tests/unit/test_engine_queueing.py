from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from engine.queueing import Kind, Line, Turns, next_turn


class Queue:
    """Jobs that wait, by id, with the choice made as the engine makes it."""

    def __init__(self) -> None:
        self.waiting: dict[Kind, dict[int, str]] = {kind: {} for kind in Kind}
        self.turns = Turns()
        self._ids = Counter[Kind]()

    def add(self, kind: Kind, dataset: str) -> int:
        self._ids[kind] += 1
        self.waiting[kind][self._ids[kind]] = dataset
        return self._ids[kind]

    def lines(self, kind: Kind) -> Iterable[Line]:
        for dataset in set(self.waiting[kind].values()):
            ids = [number for number, name in self.waiting[kind].items() if name == dataset]
            yield Line(dataset, min(ids), max(ids))

    def take(self) -> tuple[Kind, str, int] | None:
        turn = next_turn(self.turns, {kind: self.lines(kind) for kind in Kind})
        if turn is None:
            return None
        self.turns = turn.turns
        return turn.kind, self.waiting[turn.kind].pop(turn.job), turn.job

    def take_all(self) -> list[tuple[Kind, str, int]]:
        taken = []
        while (job := self.take()) is not None:
            taken.append(job)
        return taken


def test_a_single_job_waits_for_one_of_a_hundred_of_another_group() -> None:
    queue = Queue()
    for _ in range(100):
        queue.add(Kind.TRAINING, "many")
    for _ in range(3):
        queue.take()
    queue.add(Kind.TRAINING, "one")
    assert (Kind.TRAINING, "one", 101) in [queue.take(), queue.take()]


def test_versions_of_one_dataset_are_one_group() -> None:
    queue = Queue()
    for name in ("parts.1.train", "parts.2.train", "parts.3.train", "screws.1.train"):
        queue.add(Kind.TRAINING, name)
    assert [job[1] for job in queue.take_all()] == [
        "parts.1.train",
        "screws.1.train",
        "parts.2.train",
        "parts.3.train",
    ]


def test_trainings_and_evaluations_take_turns_while_both_wait() -> None:
    queue = Queue()
    for _ in range(4):
        queue.add(Kind.TRAINING, "a")
    for _ in range(2):
        queue.add(Kind.EVALUATION, "a")
    kinds = [kind for kind, _, _ in queue.take_all()]
    assert kinds == [Kind.TRAINING, Kind.EVALUATION, Kind.TRAINING, Kind.EVALUATION, Kind.TRAINING, Kind.TRAINING]


def test_a_job_that_is_queued_again_goes_on_at_once() -> None:
    queue = Queue()
    for name in ("a", "b", "c"):
        queue.add(Kind.TRAINING, name)
    job = queue.take()
    assert job is not None
    queue.waiting[Kind.TRAINING][job[2]] = "a"  # its process was killed
    queue.turns = Turns()  # with the engine
    assert queue.take() == job


def test_nothing_waits_for_nothing() -> None:
    assert next_turn(Turns(), {}) is None


KINDS = st.sampled_from(list(Kind))
STEPS = st.lists(st.one_of(st.none(), st.tuples(KINDS, st.sampled_from("abcde"))), max_size=80)


@given(STEPS)
def test_no_job_waits_for_more_than_one_of_each_other_group_and_as_many_of_the_other_kind(
    steps: list[tuple[Kind, str] | None],
) -> None:
    queue = Queue()
    overtaken: dict[tuple[Kind, str], Counter[str]] = {}  # of a group that waits -> turns of others in its kind
    others: Counter[tuple[Kind, str]] = Counter()  # of a group that waits -> turns of the other kind
    for step in [*steps, *[None] * len(steps)]:
        if step is not None:
            queue.add(*step)
            overtaken.setdefault(step, Counter())
            continue
        taken = queue.take()
        if taken is None:
            assert not overtaken
            continue
        kind, group, number = taken
        assert number < min((job for job, name in queue.waiting[kind].items() if name == group), default=number + 1)
        for waiting, turns in overtaken.items():
            if waiting[0] is kind and waiting[1] != group:
                turns[group] += 1
            elif waiting[0] is not kind:
                others[waiting] += 1
            assert max(turns.values(), default=0) <= 2  # once, and once more when it stood first as this one came
            assert others[waiting] <= turns.total() + 1
        del overtaken[kind, group]
        del others[kind, group]
        if group in queue.waiting[kind].values():
            overtaken[kind, group] = Counter()


@given(st.lists(st.tuples(KINDS, st.sampled_from("abcde")), max_size=60))
def test_every_job_gets_its_turn_once(jobs: list[tuple[Kind, str]]) -> None:
    queue = Queue()
    expected = {(kind, group, queue.add(kind, group)) for kind, group in jobs}
    taken = queue.take_all()
    assert len(taken) == len(expected)
    assert set(taken) == expected
