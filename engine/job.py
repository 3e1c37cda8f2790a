"""The job process: trains or evaluates one model, then ends. `python -m engine.job`, started by `engine.jobs` only.

It ends by itself as soon as its standard input closes, that is, when the engine dies, however it dies.
"""

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from engine.access import AllowedHosts, HostMap
from engine.artifacts import read_manifest
from engine.errors import JobError
from engine.evaluation import evaluate
from engine.fetch import Fetcher
from engine.learn.backbone import BUILTIN, Backbone, load_backbone
from engine.learn.errors import BackboneError
from engine.messages import Done, EvaluateRequest, Failed, JobLine, JobRequest, Report, TrainRequest
from engine.reading import DatasetReader
from engine.served import ServedBackbones
from engine.training import train
from engine.worker import Setup
from engine.workers import Crew

_ENGINE_IS_GONE = 3  # exit status
_NICENESS = 10  # of 19: enough that callers of analyze hardly notice a training, which still has what they leave


def run(request: JobRequest, report: Report) -> Done:
    """Does one job in this process.

    Args:
        request: What to do.
        report: Takes progress; called from one thread.

    Raises:
        JobError: With the code and message for the model or evaluation.
    """
    fetcher = Fetcher(AllowedHosts.parse(request.allowed_hosts), hosts=HostMap.parse(request.host_map))
    try:
        backbone = _backbone_of(request)
        scratch = Path(request.scratch)
        scratch.mkdir(parents=True)
        crew = Crew(_setup_of(request))
        reader = DatasetReader(fetcher, backbone, Path(request.features), scratch, report, crew)
        match request.task:
            case TrainRequest() as task:
                return train(task, backbone, reader, report)
            case EvaluateRequest() as task:
                return evaluate(task, backbone, reader, report)
    finally:
        fetcher.close()


def _setup_of(request: JobRequest) -> Setup:
    """Returns what worker processes are told of a job."""
    return Setup(
        backbones=(request.backbone or BUILTIN, *request.backbones_served),
        features=request.features,
        scratch=request.scratch,
        allowed_hosts=request.allowed_hosts,
        host_map=request.host_map,
    )


def _backbone_of(request: JobRequest) -> Backbone:
    """Opens the engine's own backbone, or the one of the model that is to be evaluated, if the engine has that.

    Raises:
        JobError: Its files are not what they should be.
    """
    try:
        own = load_backbone(request.backbone)
        if isinstance(request.task, EvaluateRequest):
            with suppress(OSError, msgspec.DecodeError):  # of a model that cannot be read, its evaluation says so
                digest = read_manifest(Path(request.task.model)).backbone_digest
                return ServedBackbones(own, request.backbones_served).find(digest) or own
    except BackboneError as exc:
        raise JobError("unknown", f"A backbone cannot be used: {exc}.") from exc
    return own


def main(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Reads one request line, does the job, and writes JSON lines."""
    request = msgspec.json.decode(requests.readline(), type=JobRequest)
    threading.Thread(target=_end_with_engine, args=(requests,), daemon=True).start()

    def say(line: JobLine) -> None:
        answers.write(msgspec.json.encode(line) + b"\n")
        answers.flush()

    # A killed engine's child may be about to end while the next engine starts the same job: wait for it.
    with Path(request.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            say(run(request, say))
        except JobError as exc:
            say(Failed(exc.code, exc.message, exc.details))


def _end_with_engine(requests: IO[bytes]) -> None:
    requests.read()
    os._exit(_ENGINE_IS_GONE)


def _give_way() -> None:
    """Lowers the priority of this process; threads that it starts later inherit it.

    The kernel shares the processor between sessions first, and weighs niceness only within one, where its autogroup
    scheduling is on. We are a session of our own, so the session's niceness is set too.
    """
    os.nice(_NICENESS)
    with suppress(OSError):  # another kernel, or no such scheduling
        Path("/proc/self/autogroup").write_text(str(_NICENESS))


if __name__ == "__main__":
    _give_way()
    # Whatever a library prints must not mix with the answers: they get the pipe, stdout becomes stderr.
    pipe = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(pipe, "wb") as answers_pipe:
        # Unbuffered: a daemon thread that waits in a buffered reader would hold its lock while the interpreter ends.
        main(open(0, "rb", buffering=0, closefd=False), answers_pipe)  # noqa: SIM115 - a descriptor, not a path
