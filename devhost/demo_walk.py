"""One walk through the whole loop, hop by hop: each is watched until it is done, or time is up."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from devhost.console import Console
from devhost.demo_access import UnusablePictureError
from devhost.demo_pictures import Collection, LabelledPicture
from devhost.demo_report import Outcome
from devhost.errors import DevhostError

_UPLOADS_AT_ONCE: Final = 8
_PREDICTIONS_AT_ONCE: Final = 4
_MOST_PROBLEMS: Final = 5
_ENDED: Final = frozenset({"promoted", "rejected", "failed", "timedOut", "cancelled"})


class WalkError(DevhostError):
    """The loop did not come to its end."""


class Product[Said](Protocol):
    """The product from outside; see `devhost.demo_access.Access`."""

    @property
    def folder(self) -> str: ...
    def upload(self, picture: LabelledPicture) -> None: ...
    def live_file(self) -> Mapping[str, Any]: ...
    def status(self) -> Mapping[str, Any]: ...
    def ask(self, picture: LabelledPicture) -> tuple[Said, str]: ...
    def advice(self, version: str) -> str: ...


@dataclass(slots=True)
class Clock:
    """Times the hops and knows the deadline.

    Attributes:
        deadline: When to give up, by `now`.
        now: Returns the seconds since whenever.
        pause: Waits a little before something is asked again.
        hop: The hop that runs, "" between hops.
        seconds: How long each hop took.
    """

    deadline: float
    now: Callable[[], float] = time.monotonic
    pause: Callable[[], None] = lambda: time.sleep(0.25)
    hop: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, hop: str) -> Iterator[None]:
        """Times a hop."""
        start, self.hop = self.now(), hop
        yield
        self.seconds[hop], self.hop = round(self.now() - start, 3), ""

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.now() > self.deadline


class Walk[Said]:
    """Uploads, watches, predicts."""

    def __init__(self, product: Product[Said], collection: Collection, *, clock: Clock, console: Console) -> None:
        """Prepares the walk; nothing is sent yet."""
        self._product = product
        self._collection = collection
        self._clock = clock
        self._console = console

    def run(self) -> Outcome[Said]:
        """Takes the whole walk.

        Raises:
            WalkError: A hop took too long, or the version was not promoted.
            devhost.demo_access.AccessError: Storage or an endpoint refused.
        """
        with self._clock.timing("upload"):
            self._upload()
        with self._clock.timing("fold"):
            self._until(self._folded)
        with self._clock.timing("threshold"):
            version = self._until(self._training_started)
        self._console.say(f"training {version}")
        with self._clock.timing("train"):
            self._until(self._trained)
        with self._clock.timing("promote"):
            champion = self._until(self._promoted)
        with self._clock.timing("predict"):
            return self._predict(champion)

    def _upload(self) -> None:
        pictures = self._collection.uploaded
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            sent = [pool.submit(self._product.upload, picture) for picture in pictures]
            try:
                self._until(lambda: self._all_sent(sent))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self._console.say(f"uploaded {len(pictures)} pictures to {self._product.folder}")

    def _all_sent(self, sent: list[Future[None]]) -> bool:
        done = [one for one in sent if one.done()]
        for one in done:
            one.result()
        self._console.progress(f"uploaded {len(done)} of {len(sent)} pictures; {_summary(self._product.live_file())}")
        return len(done) == len(sent)

    def _folded(self) -> bool:
        live = self._product.live_file()
        known = {image["file_name"] for image in live["images"]} | {problem["path"] for problem in live["problems"]}
        if any(self._product.folder + picture.name not in known for picture in self._collection.uploaded):
            self._console.progress(_summary(live))
            return False
        self._console.say(_summary(live))
        for problem in live["problems"][:_MOST_PROBLEMS]:
            self._console.say(f"{problem['path']} cannot be used: {problem['reason']}")
        return True

    def _training_started(self) -> str | None:
        status = self._product.status()
        version = _covering(status)
        if version is None:
            reasons = status.get("decision", {}).get("reasons", ())
            self._console.progress("; ".join(reasons) or "waiting for the status")
            return None
        labels = ", ".join(f"{entry['label']} {_count(entry)}" for entry in status["labels"] if not entry["needed"])
        self._console.say(f"threshold met: {labels}")
        return str(version["version"])

    def _trained(self) -> bool:
        version = _covering(self._product.status())
        if version is None:
            return False
        if version["state"] in ("registered", "submitted", "training"):
            self._console.progress(f"{version['state']}: {version['trainPictures']} pictures")
            return False
        if version["state"] in ("evaluating", "promoted", "rejected"):
            judged = f"; judged on {version['testPictures']} others" if version["testPictures"] else ""
            self._console.say(f"trained on {version['trainPictures']} pictures{judged}")
        return True

    def _promoted(self) -> Mapping[str, Any] | None:
        status = self._product.status()
        version = _covering(status)
        if version is None or version["state"] not in _ENDED:
            return None
        if version["state"] != "promoted":
            raise WalkError(f"{version['version']} ended {version['state']}: {version['reason']}")
        champion: Mapping[str, Any] | None = status["champion"]
        if champion is None or champion["version"] != version["version"]:
            return None
        reason = champion.get("reason") or f"{champion['metric']} {champion['value']:.2f}"
        self._console.say(f"promoted {champion['version']}: {reason}")
        return champion

    def _predict(self, champion: Mapping[str, Any]) -> Outcome[Said]:
        held_out = self._collection.held_out
        answers: list[Said] = []
        with ThreadPoolExecutor(_PREDICTIONS_AT_ONCE) as pool:
            asked = [(picture, pool.submit(self._product.ask, picture)) for picture in held_out]
            for number, (picture, future) in enumerate(asked, start=1):
                try:
                    answer, version = future.result()
                except UnusablePictureError as error:
                    self._console.say(str(error))
                    continue
                if version != champion["version"]:
                    raise WalkError(f"{picture.name} was answered by {version}, not by {champion['version']}")
                answers.append(answer)
                self._console.progress(f"asked about {number} of {len(held_out)} held-out pictures")
        if not answers:
            raise WalkError("no held-out picture could be used, so nothing was predicted")
        advice = self._product.advice(champion["version"])
        return Outcome(champion["version"], champion["snapshot"], tuple(answers), advice)

    def _until[T](self, probe: Callable[[], T | None]) -> T:
        """Asks again and again until the answer is something."""
        while not (found := probe()):
            if self._clock.expired:
                raise WalkError(self._what_hangs())
            self._clock.pause()
        return found

    def _what_hangs(self) -> str:
        status = self._product.status()
        said = [f"'{reason}'" for reason in status.get("decision", {}).get("reasons", ())]
        said += [f"{problem['path']}: {problem['reason']}" for problem in status.get("problems", ())[:_MOST_PROBLEMS]]
        said += [
            f"{one['version']} is {one['state']} {one['reason']}".strip() for one in status.get("versions", ())[-1:]
        ]
        heard = "; ".join(said) or ("nothing unusual" if status else "nothing: it does not answer or knows no dataset")
        return f"the hop '{self._clock.hop}' did not end in time (--timeout gives it more). Status says: {heard}"


def _summary(live: Mapping[str, Any]) -> str:
    labels = ", ".join(sorted(category["name"] for category in live["categories"]))
    return f"the COCO file has {len(live['images'])} pictures" + (f" ({labels})" if labels else "")


def _covering(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the newest version if it is made of all the pictures that the dataset has now."""
    if not status.get("versions"):
        return None
    newest: Mapping[str, Any] = status["versions"][-1]
    if status["kind"] == "detection":  # a picture may show several labels
        usable = status["pictures"]
    else:
        usable = sum(_count(entry) for entry in status["labels"] if not entry["needed"])
    return newest if newest["trainPictures"] + newest["testPictures"] == usable else None


def _count(entry: Mapping[str, Any]) -> int:
    return int(entry["train"]) + int(entry["test"])
