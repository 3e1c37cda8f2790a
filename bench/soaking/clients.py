"""A caller that does everything a caller can do, in an order that chance gives."""

import random
import threading
from collections.abc import Callable
from typing import Any, Final

import httpx

from bench.soaking.pictures import BAD, GOOD, PictureServer, damaged
from bench.soaking.process import KEY
from bench.soaking.record import ENDED, Record

VERSION: Final = "2023-04-01-preview"
BASE: Final = "models/base"  # trained before the soak, never deleted: the model that always answers
_MODELS: Final = 6  # kept at once, beside the base
_EVALUATIONS: Final = 6  # kept at once, of the base
_ANY_MODEL: Final = 0.1  # share of analyze calls that go to whatever model, though it may not be able to answer
_PAUSES: Final = (0.02, 0.08)  # s between two calls


class Caller:
    """Calls the engine and keeps the record.

    Args:
        endpoint: Of the engine.
        record: Shared by all callers.
        killing: Set while the engine is killed and restarted: then no answer is no failure.
    """

    def __init__(self, endpoint: str, record: Record, killing: threading.Event) -> None:
        self._record = record
        self._killing = killing
        self._client = httpx.Client(
            base_url=endpoint, headers={"Ocp-Apim-Subscription-Key": KEY}, timeout=60, trust_env=False
        )

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Calls an operation below /computervision; returns None when no answer came."""
        arguments["params"] = {"api-version": VERSION} | arguments.get("params", {})
        was_killing = self._killing.is_set()
        shown = f"{method} {path}"
        try:
            answer = self._client.request(method, f"/computervision/{path}", **arguments)
        except httpx.TransportError as exc:
            self._record.note_silence(shown, exc, killing=was_killing or self._killing.is_set())
            return None
        self._record.note_answer(shown, answer.status_code, answer.text if answer.status_code >= 500 else "")
        return answer

    def register(self, name: str, annotations: str, *, kind: str = "imageClassification") -> None:
        """Registers a data set."""
        body = {"annotationKind": kind, "annotationFileUris": [annotations], "authentication": {"kind": "none"}}
        self.call("PUT", f"datasets/{name}", json=body)

    def train(self, path: str, dataset: str, test: str | None = None) -> None:
        """Starts a training, and remembers it when it was accepted."""
        body: dict[str, Any] = {"trainingParameters": {"trainingDatasetName": dataset, "timeBudgetInHours": 1}}
        if test is not None:
            body["evaluationParameters"] = {"testDatasetName": test}
        self._put_job(path, body)

    def evaluate(self, path: str, test: str) -> None:
        """Starts an evaluation, and remembers it when it was accepted."""
        self._put_job(path, {"evaluationParameters": {"testDatasetName": test}})

    def look(self, path: str) -> str | None:
        """Asks how a job is; returns its status, "lost" when the engine knows no such job, None without an answer.

        One that failed without a reason is "unexplained", which is no end.
        """
        answer = self.call("GET", path)
        if answer is None or answer.status_code not in (200, 404):
            return None
        body = answer.json()
        status = str(body["status"]) if answer.status_code == 200 else "lost"
        if status == "failed" and not body.get("error", {}).get("message"):
            status = "unexplained"
        self._record.see(path, status)
        return status

    def delete(self, path: str) -> None:
        """Deletes a job that has ended."""
        self._record.forget(path)
        self.call("DELETE", path)

    def _put_job(self, path: str, body: dict[str, Any]) -> None:
        answer = self.call("PUT", path, json=body)
        if answer is not None and answer.status_code == 201:
            self._record.accept(path)


class Visitor:
    """Plays all that callers do, one thing after the other, until it is told to stop.

    Args:
        name: Goes into the names of what it makes.
        caller: Its connection.
        record: Shared by all.
        server: Where pictures are.
        rng: Its chance.
    """

    def __init__(self, name: str, caller: Caller, record: Record, server: PictureServer, rng: random.Random) -> None:
        self._name = name
        self._caller = caller
        self._record = record
        self._server = server
        self._rng = rng
        self._made = 0
        self._acts: dict[Callable[[], object], int] = {
            self._analyze: 10,
            self._analyze_damaged: 5,
            self._analyze_url: 3,
            self._poll: 8,
            self._list: 4,
            self._come_and_go: 2,
            self._renew_models: 2,
            self._renew_evaluations: 2,
            self._read_results: 3,
            self._cancel: 1,
        }

    def play(self, stop: threading.Event) -> None:
        """Goes on until `stop`."""
        acts, weights = list(self._acts), list(self._acts.values())
        while not stop.wait(self._rng.uniform(*_PAUSES)):
            self._rng.choices(acts, weights)[0]()
        self._caller.close()

    def _analyze(self) -> None:
        self._ask_about(content=self._rng.choice(self._server.pictures), headers={"Content-Type": "image/png"})

    def _analyze_damaged(self) -> None:
        content = damaged(self._rng.choice(self._server.pictures), self._rng)
        self._ask_about(content=content, headers={"Content-Type": "image/jpeg"})

    def _analyze_url(self) -> None:
        self._ask_about(json={"url": self._server.picture_url(self._rng)})

    def _ask_about(self, **arguments: Any) -> None:
        able = [path for path, status in self._record.jobs().items() if status == "succeeded" and path.count("/") == 1]
        anybody = self._rng.random() < _ANY_MODEL
        model = self._rng.choice([BASE, *(self._record.models() if anybody else able)]).removeprefix("models/")
        self._caller.call("POST", "imageanalysis:analyze", params={"model-name": model}, **arguments)

    def _poll(self) -> None:
        self._caller.look(self._rng.choice(list(self._record.jobs())))

    def _list(self) -> None:
        path = self._rng.choice(["models", "datasets", f"{BASE}/evaluations", "nothing-here"])
        self._caller.call("GET", path, params={"top": self._rng.choice([1, 10, 30]), "skip": self._rng.randrange(3)})

    def _come_and_go(self) -> None:
        name, path = self._new("d"), self._rng.choice([*GOOD, *BAD])
        self._caller.register(name, self._server.annotations(path))
        self._caller.call("PATCH", f"datasets/{name}", json={"customProperties": {"line": "7"}})
        self._caller.call("DELETE", f"datasets/{name}", headers={"If-Match": '"1"'})
        self._caller.call("DELETE", f"datasets/{name}")

    def _renew_models(self) -> None:
        if len(self._record.models()) <= _MODELS:
            dataset = self._rng.choice([*GOOD, *GOOD, *BAD])
            self._caller.train(f"models/{self._new('m')}", dataset, self._rng.choice([None, *GOOD]))
            return
        ended = [path for path in self._record.models(ended=True) if path != BASE]
        if ended:
            self._caller.delete(ended[0])

    def _renew_evaluations(self) -> None:
        mine = {path: status for path, status in self._record.jobs().items() if path.startswith(f"{BASE}/")}
        ended = [path for path, status in mine.items() if status in ENDED]
        if len(mine) < _EVALUATIONS:
            self._caller.evaluate(f"{BASE}/evaluations/{self._new('e')}", self._rng.choice([*GOOD, *GOOD, *BAD]))
        elif ended:
            self._caller.delete(ended[0])

    def _read_results(self) -> None:
        path = self._rng.choice(list(self._record.jobs()))
        kinds = [":report", ":predictions"] if "/evaluations/" in path else [":report", ":export"]
        self._caller.call("GET", path + self._rng.choice(kinds))

    def _cancel(self) -> None:
        running = self._record.models(ended=False)
        if running:
            self._caller.call("POST", f"{self._rng.choice(running)}:cancel")

    def _new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}-{self._name}-{self._made}"
