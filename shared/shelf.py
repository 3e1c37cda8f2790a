"""Folds what was seen at some paths into a run of the COCO file's records. Pure: no I/O, no clock.

`Ledger` is what all runs share (ids, categories, counts, class lists); a `Shelf` holds one run's records. Labels are
worked out again for every picture whose bytes, side-car, import or class list changed, so the outcome does not depend
on the order in which these came.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

from shared.coco import Annotation, Category, Claim, ClassList, Image, Problem, Records, Seen, stem_of
from shared.formats import Region
from shared.labels import resolve, scope_of
from shared.pictures import Facts
from shared.tallies import Counter, Tally, Totals

NO_PICTURE: Final = "no picture of this name lies beside it. Upload the picture, or delete the file."
NOT_THERE: Final = "names a picture that is not there. Upload the picture, or correct the file."


class NextIds(msgspec.Struct, frozen=True, kw_only=True):
    """The ids to give out next."""

    image: int = 1
    annotation: int = 1
    category: int = 1


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of an imported file that are forgotten.

    Attributes:
        source: The file.
        but: The version whose claims are kept; None to forget them all.
        kept: The pictures of which that version speaks: it may have meant others when they were not there yet.
    """

    source: str
    but: str | None = None
    kept: Collection[str] = ()

    def covers(self, claim: Claim) -> bool:
        """Tell whether a claim is forgotten."""
        return claim.source == self.source and (claim.etag != self.but or claim.path not in self.kept)


class Ledger:
    """What all records of a file share, under change."""

    def __init__(
        self,
        *,
        next_ids: NextIds,
        categories: Iterable[Category],
        totals: Totals,
        tallies: Iterable[Tally],
        class_lists: Iterable[ClassList],
        url_of: Callable[[str], str],
    ) -> None:
        self.url_of = url_of
        self.counter = Counter(totals, tallies)
        self.class_lists = {entry.path: entry for entry in class_lists}
        self.changes = 0
        self._next = next_ids
        self._categories = {category.name: category.id for category in categories}
        self._names = {id_: name for name, id_ in self._categories.items()}

    def new_image_id(self) -> int:
        """Give out an id."""
        self._next = msgspec.structs.replace(self._next, image=self._next.image + 1)
        return self._next.image - 1

    def new_annotation_id(self) -> int:
        """Give out an id."""
        self._next = msgspec.structs.replace(self._next, annotation=self._next.annotation + 1)
        return self._next.annotation - 1

    def category_id(self, label: str) -> int:
        """Return a label's id, a new one when it has none."""
        if label not in self._categories:
            self._categories[label] = self._next.category
            self._names[self._next.category] = label
            self._next = msgspec.structs.replace(self._next, category=self._next.category + 1)
        return self._categories[label]

    @property
    def next_ids(self) -> NextIds:
        """The ids to give out next."""
        return self._next

    @property
    def categories(self) -> tuple[Category, ...]:
        """The labels that some picture has, in the order of their ids."""
        used = [tally.category_id for tally in self.counter.tallies]
        return tuple(Category(id=id_, name=self._names[id_]) for id_ in used)

    def put_class_list(self, path: str, seen: Seen | None) -> str | None:
        """Note what a class list says now; return the prefix of the paths that are to be labelled anew, or None."""
        before = self.class_lists.pop(path, None)
        after = None
        if seen is not None and seen.names is not None:
            after = self.class_lists[path] = ClassList(path=path, etag=seen.etag, names=seen.names)
        changed = before or after
        if changed is None or (before and after and before.names == after.names):
            return None
        return scope_of(changed)


class Shelf:
    """A run of records under change."""

    def __init__(self, records: Records, ledger: Ledger) -> None:
        self._ledger = ledger
        self._images = {image.file_name: image for image in records.images}
        self._problems = {problem.path: problem for problem in records.problems}
        self._claims = {(claim.path, claim.source): claim for claim in records.claims}
        self._annotations: dict[int, list[Annotation]] = defaultdict(list)
        for annotation in records.annotations:
            self._annotations[annotation.image_id].append(annotation)
        self._side_cars: dict[str, set[str]] = defaultdict(set)  # stem → paths
        self._sources: dict[str, set[str]] = defaultdict(set)  # picture → imported files that name it
        for path, source in self._claims:
            self._index(path, source)
        self._stems: dict[str, set[str]] | None = None  # stem → pictures; made when first asked for
        self._before: dict[str, tuple[Image, list[Annotation]] | None] = {}
        self._orphans: set[tuple[str, str]] = set()  # claims to ask again whether there is a picture
        self.touched = False

    # What was seen

    def put(self, path: str, seen: Seen | None) -> None:
        """Make the records say what lies at a path."""
        problem = seen and (seen.problem or (seen.facts and seen.facts.problem))
        self._put_problem(path, Problem(path=path, etag=seen.etag, reason=problem) if seen and problem else None)
        self._put_claim((path, ""), seen.claim if seen else None)
        facts = seen.facts if seen else None
        if facts is not None and facts.problem is None:
            self._put_image(path, facts)
        elif path in self._images:
            self._change(path)
            del self._images[path]
            if self._stems is not None:
                self._stems[stem_of(path)].discard(path)
            self.touched = True

    def put_import(self, claim: Claim) -> None:
        """Note what an imported file says of a picture, which may not be there yet."""
        self._put_claim((claim.path, claim.source), claim)

    def drop_imports(self, dropped: Dropped) -> None:
        """Forget what an imported file said."""
        for key, claim in list(self._claims.items()):
            if dropped.covers(claim):
                self._put_claim(key, None)

    def name_again(self, prefix: str) -> None:
        """Label anew what class numbers label below a prefix."""
        for (path, source), claim in self._claims.items():
            if claim.numbered and path.startswith(prefix):
                self._change_beside(path, source)

    # The outcome

    def settle(self) -> None:
        """Work out the labels of all pictures that something changed for, and count them."""
        for path in sorted(self._before):
            before, image = self._before[path], self._images.get(path)
            if before is not None:
                self._ledger.counter.count_picture(*before, -1)
            if image is None:
                if before is not None:
                    del self._annotations[before[0].id]
                    self._ledger.changes += 1
                continue
            after = self._labelled(image)
            self._ledger.counter.count_picture(after, self._annotations[after.id], 1)
            same_labels = before is not None and _said(before[1]) == _said(self._annotations[after.id])
            if before is None or before[0].sha256 != after.sha256 or not same_labels:
                self._ledger.changes += 1
            self.touched |= before is None or before[0] != after or before[1] != self._annotations[after.id]
        for key in sorted(self._orphans & self._claims.keys()):
            self._note_orphan(key)

    def records(self) -> Records:
        """Return the records, in the order of their paths."""
        images = [self._images[path] for path in sorted(self._images)]
        return Records(
            images=images,
            annotations=[annotation for image in images for annotation in self._annotations.get(image.id, ())],
            problems=[self._problems[path] for path in sorted(self._problems)],
            claims=[self._claims[key] for key in sorted(self._claims)],
        )

    # Its parts

    def _index(self, path: str, source: str) -> None:
        if source:
            self._sources[path].add(source)
        else:
            self._side_cars[stem_of(path)].add(path)

    def _pictures_of(self, stem: str) -> set[str]:
        """Return the pictures of a stem, from an index that is made when first asked for."""
        if self._stems is None:
            self._stems = defaultdict(set)
            for path in self._images:
                self._stems[stem_of(path)].add(path)
        return self._stems[stem]

    def _change(self, path: str) -> None:
        """Remember a picture's state before its first change, and that its claims' notes may change."""
        if path not in self._before:
            image = self._images.get(path)
            self._before[path] = (image, list(self._annotations[image.id])) if image else None
        self._orphans.update((side_car, "") for side_car in self._side_cars.get(stem_of(path), ()))
        self._orphans.update((path, source) for source in self._sources.get(path, ()))

    def _change_beside(self, path: str, source: str) -> None:
        """Remember the pictures that a claim speaks of."""
        self._orphans.add((path, source))
        for picture in [path] if source else self._pictures_of(stem_of(path)):
            if picture in self._images:
                self._change(picture)

    def _put_problem(self, path: str, problem: Problem | None) -> None:
        before = self._problems.pop(path, None)
        if problem is not None:
            self._problems[path] = problem
        if before != problem:
            self._ledger.counter.count("problems", (problem is not None) - (before is not None))
            self.touched = True

    def _put_claim(self, key: tuple[str, str], claim: Claim | None) -> None:
        before = self._claims.get(key)
        if claim is not None and before is not None:
            claim = msgspec.structs.replace(claim, note=before.note)  # until it is settled
        if before == claim:
            return
        self.touched = True
        if claim is None:
            del self._claims[key]
            self._ledger.counter.count("orphans", -bool(before and before.note))
            (self._sources if key[1] else self._side_cars)[key[0] if key[1] else stem_of(key[0])].discard(
                key[1] or key[0]
            )
        else:
            self._claims[key] = claim
            self._index(*key)
        self._change_beside(*key)

    def _put_image(self, path: str, facts: Facts) -> None:
        before = self._images.get(path)
        image = Image(
            id=before.id if before else self._ledger.new_image_id(),
            file_name=path,
            width=facts.width,
            height=facts.height,
            absolute_url=self._ledger.url_of(path),
            etag=facts.etag,
            sha256=facts.sha256,
            light=facts.light,
            metadata_labels=facts.labels,
            labelled_by=before.labelled_by if before else "",
            note=before.note if before else "",
        )
        if image != before:
            self._change(path)
            self._images[path] = image
            if self._stems is not None:
                self._stems[stem_of(path)].add(path)
            self.touched = True

    def _labelled(self, image: Image) -> Image:
        """Give a picture its labels; annotations that say the same keep their ids."""
        path = image.file_name
        found = resolve(
            image,
            [self._claims[side_car, ""] for side_car in sorted(self._side_cars.get(stem_of(path), ()))],
            [self._claims[path, source] for source in sorted(self._sources.get(path, ()))],
            list(self._ledger.class_lists.values()),
        )
        image = msgspec.structs.replace(image, labelled_by=found.by, note=found.note)
        self._images[path] = image
        kept = {(old.category_id, old.bbox): old for old in self._annotations[image.id]}
        self._annotations[image.id] = [
            kept.get(key)
            or Annotation(id=self._ledger.new_annotation_id(), image_id=image.id, category_id=key[0], bbox=key[1])
            for region in _in_order(found.regions)
            for key in [(self._ledger.category_id(region.label), region.box)]
        ]
        return image

    def _note_orphan(self, key: tuple[str, str]) -> None:
        path, source = key
        before = self._claims[key]
        there = path in self._images if source else bool(self._pictures_of(stem_of(path)))
        note = "" if there else NOT_THERE if source else NO_PICTURE
        if note != before.note:
            self._claims[key] = msgspec.structs.replace(before, note=note)
            self._ledger.counter.count("orphans", bool(note) - bool(before.note))
            self.touched = True


def _in_order(regions: Iterable[Region]) -> list[Region]:
    return sorted(set(regions), key=lambda region: (region.label, region.box or ()))


def _said(annotations: Sequence[Annotation]) -> list[tuple[int, object]]:
    return [(annotation.category_id, annotation.bbox) for annotation in annotations]
