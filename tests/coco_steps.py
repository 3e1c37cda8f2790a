"""Plays what people, events, time-outs and crashes do to a container, and checks the COCO file after each commit."""

import io
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from shared.blocks import LeafSizes
from shared.changes import ChangeRecord, encode_change
from shared.intake import Intake
from shared.storage.memory import MemoryContainer, MemoryQueue
from tests.coco_commits import Commits
from tests.coco_model import DATASET, LIVE, Expected, Stored, expected, said_by
from tests.world import Killed, Pace, Watch, make_intake

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TINY = LeafSizes(target=500, least=180, most=100)  # one or two pictures a leaf


def _picture(shade: int, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 255 - shade, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def _voc(size: tuple[int, int], *objects: tuple[str, int, int, int, int]) -> bytes:
    rows = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x, y, x2, y2 in objects
    )
    width, height = size
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{rows}</annotation>".encode()


def _coco(labels: Sequence[str], images: Mapping[str, Sequence[tuple[int, list[float] | None]]]) -> bytes:
    said = list(enumerate(images.items(), 1))
    annotations = [
        {"id": 1, "image_id": id_, "category_id": category, **({"bbox": box} if box else {})}
        for id_, (_, regions) in said
        for category, box in regions
    ]
    document = {
        "images": [{"id": id_, "file_name": name} for id_, (name, _) in said],
        "annotations": [{**a, "id": number} for number, a in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(labels)],
    }
    return json.dumps(document).encode()


PICTURES = (
    *(_picture(shade, size) for shade, size in ((0, (12, 12)), (21, (60, 60)), (34, (60, 60)), (55, (120, 60)))),
    b"broken",
)
SIDE_CARS = {
    "xml": (
        _voc((12, 12), ("nut", 3, 3, 9, 9)),
        _voc((24, 24), ("bolt", 0, 0, 12, 24), ("nut", 6, 6, 12, 12)),
        _voc((24, 12), ("gear", 6, 3, 12, 9)),
        _voc((12, 12)),
        b"<annotation>",
    ),
    "txt": (b"0 0.5 0.5 0.5 0.5\n", b"1 0.25 0.5 0.5 1\n0 0.5 0.25 1 0.5\n", b"", b"7 0.5 0.5 0.5 0.5\n", b"nut 1 2\n"),
}
LISTS = {
    "txt": (b"nut\nbolt\n", b"bolt\nnut\n", b"gear\n", b""),
    "yaml": (b"names: [nut, bolt]\n", b"names: [washer]\n"),
}
_WHOLE, _BOX, _BOX2 = None, [0.25, 0.25, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5]
IMPORTS = (
    _coco(
        ["nut", "bolt"],
        {f"{DATASET}/images/nut/1.png": [(0, _BOX)], f"{DATASET}/images/3.png": [(1, _BOX2), (0, _BOX)]},
    ),
    _coco(
        ["gear", "nut"],
        {
            f"{DATASET}/images/nut/1.png": [(0, _WHOLE)],
            f"{DATASET}/images/bolt/1.png": [(1, _WHOLE)],
            f"{DATASET}/images/3.png": [],
        },
    ),
    _coco(
        ["gear", "nut"],
        {"nut/1.png": [(0, _WHOLE)], "bolt/1.png": [(1, _BOX)], "bolt/2.png": [], "z/9.png": [(0, _BOX)]},
    ),
    _coco(["washer"], {"3.png": [(0, _WHOLE)], "2.png": [(0, _BOX)], "1.jpg": [(0, _WHOLE)]}),
    b"{",
)
PATHS: dict[str, Sequence[bytes]] = {
    f"{DATASET}/{path}": contents
    for path, contents in {
        "images/nut/1.png": PICTURES,
        "images/nut/1.jpg": PICTURES,
        "images/nut/2.png": PICTURES,
        "images/nut/sub/4": PICTURES,
        "images/bolt/1.png": PICTURES,
        "images/bolt/2.png": PICTURES,
        "images/bolt/3.gif": PICTURES,
        "images/3.png": PICTURES,
        "images/nut/1.xml": SIDE_CARS["xml"],
        "images/nut/1.txt": SIDE_CARS["txt"],
        "images/nut/sub/4.txt": SIDE_CARS["txt"],
        "images/bolt/1.txt": SIDE_CARS["txt"],
        "images/3.xml": SIDE_CARS["xml"],
        "images/lost.xml": SIDE_CARS["xml"],
        "images/classes.txt": LISTS["txt"],
        "images/nut/data.yaml": LISTS["yaml"],
        "annotations/classes.txt": LISTS["txt"],
        "annotations/a.json": IMPORTS,
        "annotations/b.json": IMPORTS,
    }.items()
}
LABELLED = [path for path, contents in PATHS.items() if contents is PICTURES]


@dataclass(frozen=True)
class Step:
    """One thing that happens.

    Attributes:
        what: Its name; the method of `Player` that does it.
        path: Where.
        number: Which content or label.
        kill: Whoever does it is killed at this storage call, from 0; None lets it live. Only intake can be killed.
        after: Killed after the call rather than before.
        stall: Nobody is killed, but stands still at that call until all leases ran out and this was done.
    """

    what: str
    path: str = ""
    number: int = 0
    kill: int | None = None
    after: bool = False
    stall: "Step | None" = None


_paths = st.sampled_from(sorted(PATHS))
_numbers = st.integers(0, 4)
_kills = st.one_of(st.none(), st.integers(0, 100))
_stalls = st.one_of(
    st.none(), st.builds(Step, st.sampled_from(["upload", "remove", "resume", "reconcile"]), _paths, _numbers)
)


def _acts(what: str, paths: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(what), paths, _numbers, _kills, st.booleans(), _stalls)


_STEPS = st.lists(
    st.one_of(
        st.builds(Step, st.just("write"), _paths, _numbers),
        st.builds(Step, st.just("write"), _paths, _numbers),
        _acts("upload", _paths),
        _acts("upload", _paths),
        _acts("upload", _paths),
        _acts("remove", _paths),
        _acts("event", _paths),
        st.builds(Step, st.just("label"), st.sampled_from(LABELLED), _numbers),
        st.builds(Step, st.just("delete"), _paths),
        st.builds(Step, st.just("hint"), _paths),
        st.builds(Step, st.sampled_from(["lose", "reorder", "duplicate"])),
        _acts("resume", st.just("")),
        _acts("reconcile", st.just("")),
        _acts("run_out", st.just("")),
    ),
    min_size=3,
    max_size=12,
)
STEPS = st.builds(
    lambda fill, steps: [*fill, *steps],
    st.lists(st.builds(Step, st.sampled_from(["fill", "fill_and_tell"]), number=st.integers(0, 99)), max_size=1),
    _STEPS,
)


class Switch:
    """Kills whoever makes a certain storage call; the dead make no more of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.live()

    def live(
        self, *, kill: int | None = None, after: bool = False, meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Let them live, until the given call from now on; with `meanwhile`, that is done then and they live on."""
        self._left, self._after, self._dead, self._meanwhile = kill, after, False, meanwhile

    def pull(self) -> bool:
        """Count a call; return whether its caller dies after it."""
        with self._lock:
            if self._dead:
                raise Killed
            strikes = self._left == 0
            if self._left is not None:
                self._left -= 1
            if strikes and self._meanwhile is None:
                self._dead = True
                if not self._after:
                    raise Killed
                return True
        if strikes and self._meanwhile is not None:
            self._meanwhile()
        return False


class Mortal:
    """A container, queue or lease whose user may be killed at each call."""

    def __init__(self, inner: Any, switch: Switch) -> None:
        self._inner = inner
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in ("url", "read_signature"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            strikes = self._switch.pull()
            result = found(*args, **kwargs)
            if strikes:
                raise Killed
            if name == "lease" and result is not None:
                return Mortal(result, self._switch)
            return self._each(result) if name in ("pages", "list", "folders", "loose") else result

        return call

    def _each(self, results: Iterator[Any]) -> Iterator[Any]:
        for result in results:
            if self._switch.pull():
                raise Killed
            yield result


class WatchedContainer(MemoryContainer):
    """A container whose live COCO file is checked whenever it is committed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.commits = Commits()
        self.document: dict[str, Any] = {}

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Commit, and check."""
        etag = super().commit_blocks(path, block_ids, if_match=if_match, create_only=create_only)
        if path == LIVE:
            blocks = {id_: len(block) for id_, block in self._blocks[path].items()}
            self.document = self.commits.check(self.blobs[path].data, blocks)
        return etag


class Player:
    """Plays steps over memory storage.

    Attributes:
        kills: How often somebody was killed.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self.training = WatchedContainer("training")
        self.registry = MemoryContainer("registry")
        self.queue = MemoryQueue()
        self.kills = 0
        self._watch = Watch()
        self._pace = replace(
            pace or Pace(sizes=TINY, fold_batch=3, import_batch=2, page=3),
            watch=self._watch,
        )
        self._switch = Switch()

    def play(self, steps: Sequence[Step]) -> None:
        """Play steps, one after the other."""
        for step in steps:
            getattr(self, f"_{step.what}")(step)

    def settle(self, rounds: int = 3) -> None:
        """Let time pass: what timed out comes back, and timers run until there is nothing left to do.

        The first round finds what no event told, the second looks for pictures that imports named by a part of their
        path, and the third does so once more where the second labelled some.
        """
        for _ in range(rounds):
            self._alive(lambda intake: intake.reconcile(now=NOW))

    def stored(self) -> dict[str, Stored]:
        """Return what people have in the container."""
        return {
            path: Stored(blob.properties.etag, blob.data, blob.properties.metadata.get("label"))
            for path, blob in self.training.blobs.items()
            if path != LIVE
        }

    def said(self) -> Expected:
        """Return what the file says."""
        return said_by(self.training.document) if self.training.document else Expected()

    def model(self) -> Expected:
        """Return what it should say."""
        return expected(self.stored())

    def state(self) -> str:
        """Return a digest of everything in storage."""
        return self.training.digest() + self.registry.digest()

    # Steps

    def _fill(self, step: Step) -> None:
        """Let a container be there before Darkroom: some of all paths."""
        chance = random.Random(step.number)
        for path in chance.sample(sorted(PATHS), chance.randrange(8, len(PATHS))):
            self._write(Step("write", path, chance.randrange(5)))

    def _fill_and_tell(self, step: Step) -> None:
        self._fill(step)
        self._alive(lambda intake: intake.reconcile(now=NOW))

    def _write(self, step: Step) -> None:
        contents = PATHS[step.path]
        self.training.write(step.path, contents[step.number % len(contents)])

    def _upload(self, step: Step) -> None:
        self._write(step)
        self._event(step)

    def _delete(self, step: Step) -> None:
        self.training.delete(step.path)

    def _remove(self, step: Step) -> None:
        self._delete(step)
        self._mortal(step, lambda intake: intake.forget(step.path))

    def _event(self, step: Step) -> None:
        self._mortal(step, lambda intake: intake.notice(step.path))

    def _label(self, step: Step) -> None:
        self._set_label(step.path, [None, "nut", "bolt", "gear", "washer"][step.number])

    def _set_label(self, path: str, label: str | None) -> None:
        if path in self.training.blobs:
            self.training.set_metadata(path, {"label": label} if label else {})

    def _hint(self, step: Step) -> None:
        self.queue.send(encode_change(ChangeRecord(path=step.path)))

    def _lose(self, step: Step) -> None:
        self.queue.messages.clear()

    def _reorder(self, step: Step) -> None:
        self.queue.messages = dict(reversed(self.queue.messages.items()))

    def _duplicate(self, step: Step) -> None:
        for body in list(self.queue.messages.values()):
            self.queue.send(body)

    def _resume(self, step: Step) -> None:
        self._mortal(step, lambda intake: intake.resume(now=NOW))

    def _reconcile(self, step: Step) -> None:
        self._mortal(step, lambda intake: intake.reconcile(now=NOW))

    def _run_out(self, step: Step) -> None:
        """Reconcile with a clock that runs out soon."""
        self._watch.step = 60
        self._mortal(step, lambda intake: intake.reconcile(now=NOW))
        self._watch.step = 0

    def _mortal(self, step: Step, act: Callable[[Intake], object]) -> None:
        stall = step.stall
        meanwhile = None if stall is None else lambda: self._meanwhile(stall)
        self._switch.live(kill=step.kill, after=step.after, meanwhile=meanwhile)
        try:
            act(self._intake())
        except Killed:
            self.kills += 1
            self._time_out()
        finally:
            self._switch.live()

    def _meanwhile(self, step: Step) -> None:
        self._time_out()
        own, self._switch = self._switch, Switch()
        try:
            self.play([step])
        finally:
            self._switch = own

    def _alive(self, act: Callable[[Intake], object]) -> None:
        self._time_out()
        act(self._intake())

    def _intake(self) -> Intake:
        stores: Iterator[Any] = (Mortal(store, self._switch) for store in (self.training, self.registry, self.queue))
        return make_intake(*itertools.islice(stores, 3), self._pace)

    def _time_out(self) -> None:
        self.training.leases.clear()
        self.registry.leases.clear()
        self.queue.reveal()
