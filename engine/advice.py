"""What would help a model most, in words: only what the counts support, in order of the mistakes it may save.

A pure function of `Cases`; `engine.cases` makes them of what a model said.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.learn.chance import binomial_tail, hypergeometric_tail

NOTHING: Final = -1
REASONS: Final = ("few", "meagre", "marked", "confused", "missed", "unfounded")
MOST_ADVICE: Final = 5
LEVEL: Final = 0.05
"""What is named would be there by chance alone no more often than this, over all that was looked at (Bonferroni)."""

_LEAST: Final = 3  # of fewer mistakes nothing is said
_FEW: Final = 10  # pictures; when no label has so many, more of all help
_SPARSE: Final = 3  # times fewer pictures than the other labels have
_UNFOUNDED: Final = 0.25  # of what is found: from here on it is named
_DOUBLED: Final = 0.2  # of the mistakes go with each doubling of the pictures, as in our few-shot benchmark
_WORTH: Final = {"confused": 0.5, "unfounded": 0.5, "missed": 0.3}  # of its mistakes; a guess, for the order alone


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that cases may have in common.

    Attributes:
        name: In a word, such as "dark".
        words: What such cases are, such as "among the darkest quarter of the pictures".
        remedy: What to do, such as "add some dark ones".
        has: (n,) whether each case has it.
    """

    name: str
    words: str
    remedy: str
    has: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cases:
    """What a model said of n cases whose truth is known: pictures, labels of pictures, or boxes.

    Attributes:
        noun: What a case is, in the plural.
        labels: The model's k labels.
        truth: (n,) number of the true label.
        said: (n,) number of the label that was said in its place; NOTHING when none was.
        marks: What cases may have in common.
        unfounded: (k,) how often each label was said where it is not true, and no other label was in its place.
    """

    noun: str
    labels: tuple[str, ...]
    truth: NDArray[np.intp]
    said: NDArray[np.intp]
    marks: tuple[Mark, ...]
    unfounded: NDArray[np.intp]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(n,) whether each case is a mistake."""
        wrong: NDArray[np.bool_] = self.truth != self.said
        return wrong

    def per_label(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Counts the chosen (n,) cases of each true label: (k,)."""
        return np.bincount(self.truth[chosen], minlength=len(self.labels))


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence.

    Attributes:
        reason: One of REASONS.
        labels: Those it is about; none when it is about all.
        words: The sentence.
        counts: The numbers in it, by name.
        gain: How many of the mistakes may go.
        trait: Name of the mark it is about, if it is about one.
    """

    reason: str
    labels: tuple[str, ...]
    words: str
    counts: dict[str, int]
    gain: float
    trait: str = ""

    def as_wire(self) -> dict[str, Any]:
        """Returns what stands in a report."""
        body = {"reason": self.reason, "labels": list(self.labels), "words": self.words, "counts": self.counts}
        return body | ({"trait": self.trait} if self.trait else {})


def advise(cases: Cases, taught: Mapping[str, int] | None) -> list[Advice]:
    """Says what would help most, at most MOST_ADVICE sentences, the one that may save most mistakes first.

    Args:
        cases: What the model said.
        taught: How many training pictures each label has; None when that is not known.
    """
    specific = [*_few(cases, taught or {}), *_marked(cases), *_confused(cases), *_unfounded(cases)]
    named = {label for advice in specific for label in advice.labels}
    found = [*specific, *_meagre(cases, taught or {}), *(one for one in _missed(cases) if one.labels[0] not in named)]
    found.sort(key=lambda advice: (-advice.gain, advice.words))
    return found[:MOST_ADVICE]


def _few(cases: Cases, taught: Mapping[str, int]) -> Iterator[Advice]:
    """Names labels with far fewer training pictures than the others, if they have mistakes."""
    mistakes = cases.per_label(cases.wrong).tolist()
    counts = sorted(taught[label] for label in cases.labels if label in taught)
    for label, missed in zip(cases.labels, mistakes, strict=True):
        own = taught.get(label, 0)
        if not own or not missed or len(counts) < 2:
            continue
        others = counts.copy()
        others.remove(own)
        if _SPARSE * own <= (usual := median(others)):
            words = f"label '{label}' has {_some(own, 'picture')}, {_others(others)}; add some."
            gain = missed * (1 - (1 - _DOUBLED) ** float(np.log2(usual / own)))
            yield Advice("few", (label,), words, {"pictures": own, "least": others[0], "most": others[-1]}, gain)


def _meagre(cases: Cases, taught: Mapping[str, int]) -> Iterator[Advice]:
    """Asks for more of all when no label has many pictures."""
    mistakes = int(cases.wrong.sum())
    if taught and mistakes and (most := max(taught.values())) < _FEW:
        least = min(taught.values())
        have = f"{least} to {most} pictures" if least < most else _some(most, "picture")
        words = f"the labels have {have} each; twice as many of all would help."
        yield Advice("meagre", (), words, {"least": least, "most": most}, _DOUBLED * mistakes)


def _marked(cases: Cases) -> Iterator[Advice]:
    """Names what mistakes have in common that right answers have less often (Fisher's exact test), a mark once."""
    wrong, all_cases = cases.wrong, np.ones(len(cases.truth), dtype=np.bool_)
    tables = []  # of each label, and of all together: wrong and marked, wrong, marked, all
    for mark in cases.marks:
        columns = [cases.per_label(chosen) for chosen in (wrong & mark.has, wrong, mark.has, all_cases)]
        rows = list(zip(cases.labels, *(column.tolist() for column in columns), strict=True))
        if len(rows) > 1:
            rows.append(("", *(int(column.sum()) for column in columns)))
        tables += [(mark, *row) for row in rows if row[2] >= _LEAST]
    likely = [
        (hypergeometric_tail(both, mistakes, marked, total) * len(tables), mark, label, both, mistakes, marked, total)
        for mark, label, both, mistakes, marked, total in tables
        if both * total > mistakes * marked
    ]
    best: dict[str, Advice] = {}
    for chance, mark, label, both, mistakes, marked, total in sorted(likely, key=lambda one: (one[0], one[2])):
        if chance <= LEVEL:
            best.setdefault(label, _about_mark(mark, label, both, mistakes, marked, total))
    yield from _once(best.pop("", None), list(best.values()))


def _once(whole: Advice | None, single: list[Advice]) -> list[Advice]:
    """Leaves out what is said twice: of all labels together, or of single ones for the same trait."""
    alike = [one for one in single if whole is not None and one.trait == whole.trait]
    if whole is None or any(3 * one.counts["marked"] >= 2 * whole.counts["marked"] for one in alike):
        return single
    return [whole, *(one for one in single if one not in alike)]


def _about_mark(mark: Mark, label: str, both: int, mistakes: int, marked: int, total: int) -> Advice:
    right, right_marked = total - mistakes, marked - both
    whose = f"label '{label}': " if label else "over all labels, "
    others = f"{right_marked} of {right} of the others"
    words = f"{whose}{both} of {mistakes} mistakes are {mark.words}, {others}; {mark.remedy}."
    usual = (mistakes - both) / max(total - marked, 1)  # the rate of mistakes among the other cases
    counts = {"mistakes": mistakes, "marked": both, "right": right, "rightMarked": right_marked}
    return Advice("marked", (label,) if label else (), words, counts, both - usual * marked, mark.name)


def _confused(cases: Cases) -> Iterator[Advice]:
    """Names pairs of labels that are taken for one another more often than if mistakes fell on all labels alike."""
    count = len(cases.labels)
    if count < 3:
        return  # of two labels each is taken for the other, whatever is wrong
    taken = cases.wrong & (cases.said != NOTHING)
    low, high = np.sort(np.stack([cases.truth[taken], cases.said[taken]]), axis=0)
    pairs = Counter((low * count + high).tolist())
    mistakes, totals = cases.per_label(taken), cases.per_label(np.ones(len(cases.truth), dtype=np.bool_))
    tested = {pair: times for pair, times in pairs.items() if times >= _LEAST}
    for pair, times in tested.items():
        both = list(divmod(pair, count))
        chance = binomial_tail(times, int(mistakes[both].sum()), 1 / (count - 1))
        if chance * len(tested) <= LEVEL:
            one, other = (cases.labels[number] for number in both)
            of = int(totals[both].sum())
            words = (
                f"'{one}' and '{other}' are taken for one another in {times} of {of} {cases.noun}; look at their "
                "labels, or add pictures that show the difference."
            )
            yield Advice("confused", (one, other), words, {"mistakes": times, "of": of}, _WORTH["confused"] * times)


def _missed(cases: Cases) -> Iterator[Advice]:
    """Names labels that are missed more often than the others (Fisher's exact test)."""
    mistakes, totals = cases.per_label(cases.wrong), cases.per_label(np.ones(len(cases.truth), dtype=np.bool_))
    all_mistakes, all_cases = int(mistakes.sum()), int(totals.sum())
    tested = np.flatnonzero(mistakes >= _LEAST).tolist()
    for number in tested:
        missed, of = int(mistakes[number]), int(totals[number])
        others, others_of = all_mistakes - missed, all_cases - of
        chance = hypergeometric_tail(missed, all_mistakes, of, all_cases)
        if others_of and chance * len(tested) <= LEVEL:
            label = cases.labels[number]
            words = (
                f"label '{label}' is missed in {missed} of {of} {cases.noun}, the others in {others} of {others_of}; "
                "look at its labels, or add pictures of it."
            )
            excess = missed - of * others / others_of
            counts = {"mistakes": missed, "of": of, "otherMistakes": others, "otherOf": others_of}
            yield Advice("missed", (label,), words, counts, _WORTH["missed"] * excess)


def _unfounded(cases: Cases) -> Iterator[Advice]:
    """Names labels that are often said where nothing has them."""
    said = np.bincount(cases.said[cases.said != NOTHING], minlength=len(cases.labels)) + cases.unfounded
    for label, times, of in zip(cases.labels, cases.unfounded.tolist(), said.tolist(), strict=True):
        if times >= _LEAST and times >= _UNFOUNDED * of:
            words = (
                f"label '{label}' is said {times} of {of} times where it is not; add it where it is missing, or more "
                "pictures without it."
            )
            counts = {"unfounded": times, "of": of}
            yield Advice("unfounded", (label,), words, counts, _WORTH["unfounded"] * times)


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _others(counts: Sequence[int]) -> str:
    if len(counts) == 1:
        return f"the other {counts[0]}"
    return f"the others {counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else f"the others {counts[0]}"
