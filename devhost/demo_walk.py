"""One walk through the whole loop, as a user of storage and of the two HTTP endpoints would take it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from devhost.console import Console
from devhost.demo_pictures import Collection, LabelledPicture
from devhost.demo_report import Answer, Outcome
from devhost.errors import DevhostError
from devhost.settings import TRAINING_CONTAINER

_UPLOADS_AT_ONCE: Final = 8
_PREDICTIONS_AT_ONCE: Final = 4
_PAUSE: Final = 0.25
_ENDED: Final = frozenset({"promoted", "rejected", "failed", "timedOut", "cancelled"})


class WalkError(DevhostError):
    """The loop did not come to its end."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the services are and what opens them."""

    endpoint: str
    key: str
    function_key: str
    storage_connection_string: str


@dataclass(slots=True)
class Clock:
    """Times the hops and knows the deadline.

    Attributes:
        deadline: By `now`.
        hop: The hop that runs, "" between hops.
        seconds: How long each hop took.
    """

    deadline: float
    now: Callable[[], float] = time.monotonic
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


class Walk:
    """Uploads, watches, predicts. Use it as a context manager."""

    def __init__(self, access: Access, dataset: str, collection: Collection, *, clock: Clock, console: Console) -> None:
        """Prepares the walk; nothing is sent yet."""
        self._access = access
        self._dataset = dataset
        self._collection = collection
        self._clock = clock
        self._console = console
        self._http = httpx.Client(base_url=access.endpoint, timeout=30.0, trust_env=False)
        self._account = BlobServiceClient.from_connection_string(access.storage_connection_string)
        self._container: ContainerClient = self._account.get_container_client(TRAINING_CONTAINER)

    def __enter__(self) -> "Walk":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._account.close()

    def run(self) -> Outcome:
        """Takes the whole walk.

        Raises:
            WalkError: A hop took too long, or the version was not promoted, or storage or an endpoint refused.
        """
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

    def status(self) -> Mapping[str, Any]:
        """Returns the dataset's entry in /api/status; an empty one while there is none or nothing answers."""
        try:
            answer = self._http.get("/api/status", headers={"x-functions-key": self._access.function_key})
            datasets = answer.raise_for_status().json()["datasets"]
        except (httpx.HTTPError, ValueError, KeyError):
            return {}
        return next((entry for entry in datasets if entry["name"] == self._dataset), {})

    def _upload(self) -> None:
        pictures = self._collection.uploaded
        with self._clock.timing("upload"), ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            sent: list[Future[None]] = [pool.submit(self._send, picture) for picture in pictures]
            try:
                self._until(lambda: self._sent(sent))
                for one in sent:
                    one.result()
            except (AzureError, OSError) as error:
                raise WalkError(f"a picture could not be uploaded: {error}") from error
            finally:
                pool.shutdown(cancel_futures=True)
        self._console.say(f"uploaded {len(pictures)} pictures to {TRAINING_CONTAINER}/{self._dataset}/images/")

    def _sent(self, sent: list[Future[None]]) -> bool:
        done = sum(one.done() for one in sent)
        if done == len(sent):
            return True
        self._console.progress(f"uploaded {done} of {len(sent)} pictures; {self._describe_file(self._live())}")
        return False

    def _send(self, picture: LabelledPicture) -> None:
        with picture.path.open("rb") as file:
            self._container.upload_blob(f"{self._dataset}/images/{picture.name}", file, overwrite=True)

    def _live(self) -> Mapping[str, Any]:
        try:
            content = self._container.download_blob(f"{self._dataset}/coco/live.json").readall()
        except ResourceNotFoundError:
            return {"images": [], "categories": [], "problems": []}
        live: Mapping[str, Any] = json.loads(content)
        return live

    def _describe_file(self, live: Mapping[str, Any]) -> str:
        labels = ", ".join(sorted(category["name"] for category in live["categories"]))
        return f"the COCO file has {len(live['images'])} pictures" + (f" ({labels})" if labels else "")

    def _folded(self) -> bool:
        live = self._live()
        known = {image["file_name"] for image in live["images"]}
        known |= {problem["path"] for problem in live.get("problems", ())}
        wanted = {f"{self._dataset}/images/{picture.name}" for picture in self._collection.uploaded}
        if wanted <= known:
            path = f"{TRAINING_CONTAINER}/{self._dataset}/coco/live.json"
            self._console.say(f"{self._describe_file(live)}: {path}")
            return True
        self._console.progress(self._describe_file(live))
        return False

    def _training_started(self) -> str | None:
        status = self.status()
        version = self._covering(status)
        if version is not None:
            labels = ", ".join(f"{entry['label']} {_count(entry)}" for entry in status["labels"])
            self._console.say(f"threshold met: {labels}")
            return str(version["version"])
        self._console.progress("; ".join(status.get("decision", {}).get("reasons", ())) or "waiting for the status")
        return None

    def _trained(self) -> bool:
        version = self._covering(self.status())
        if version is None:
            return False
        if version["state"] in ("registered", "submitted", "training"):
            pictures = f"{version['trainPictures']} pictures, {version['testPictures']} more for its test"
            self._console.progress(f"{version['state']} on {pictures}")
            return False
        self._console.say(f"trained on {version['trainPictures']} pictures; judged on {version['testPictures']} others")
        return True

    def _promoted(self) -> Mapping[str, Any] | None:
        status = self.status()
        version = self._covering(status)
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

    def _covering(self, status: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Returns the newest version if it is made of all the pictures that the dataset has now."""
        if not status.get("versions"):
            return None
        newest: Mapping[str, Any] = status["versions"][-1]
        ready = [entry for entry in status["labels"] if not entry["needed"]]
        made_of = newest["trainPictures"] + newest["testPictures"]
        return newest if made_of == sum(_count(entry) for entry in ready) else None

    def _predict(self, champion: Mapping[str, Any]) -> Outcome:
        held_out = self._collection.held_out
        answers: list[Answer] = []
        with ThreadPoolExecutor(_PREDICTIONS_AT_ONCE) as pool:
            for answer in pool.map(lambda picture: self._ask(picture, champion["version"]), held_out):
                answers.append(answer)
                self._console.progress(f"asked about {len(answers)} of {len(held_out)} held-out pictures")
        return Outcome(champion["version"], champion["snapshot"], tuple(answers))

    def _ask(self, picture: LabelledPicture, version: str) -> Answer:
        try:
            answer = self._http.post(
                "/computervision/imageanalysis:analyze",
                params={"api-version": "2023-04-01-preview", "model-name": self._dataset},
                headers={"Ocp-Apim-Subscription-Key": self._access.key, "Content-Type": "application/octet-stream"},
                content=picture.path.read_bytes(),
            )
        except (httpx.HTTPError, OSError) as error:
            raise WalkError(f"no answer about {picture.name}: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise WalkError(f"no answer about {picture.name}: {answer.status_code} {answer.text[:500]}")
        if answer.headers["x-model-name"] != version:
            raise WalkError(f"{picture.name} was answered by {answer.headers['x-model-name']}, not by {version}")
        best = answer.json()["customModelResult"]["tagsResult"]["values"][0]
        return Answer(picture.name, picture.label, best["name"], best["confidence"])

    def _until[T](self, probe: Callable[[], T | None]) -> T:
        """Asks again and again until the answer is something."""
        while True:
            try:
                found = probe()
            except AzureError as error:
                raise WalkError(f"storage refused: {error}") from error
            if found:
                return found
            if self._clock.expired:
                raise WalkError(self._what_hangs())
            time.sleep(_PAUSE)

    def _what_hangs(self) -> str:
        status = self.status()
        said = [f"'{reason}'" for reason in status.get("decision", {}).get("reasons", ())]
        said += [f"{problem['path']}: {problem['reason']}" for problem in status.get("problems", ())[:5]]
        running = status.get("training")
        said += [f"{running['version']} is {running['state']}"] if running else []
        heard = "; ".join(said) or ("nothing unusual" if status else "nothing: it does not answer or knows no dataset")
        return f"the hop '{self._clock.hop}' did not end in time (--timeout gives it more). Status says: {heard}"


def _count(entry: Mapping[str, Any]) -> int:
    return int(entry["train"]) + int(entry["test"])
