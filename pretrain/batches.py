"""Batches from another process, which draws and asks the teachers while this one learns."""

import multiprocessing
import queue
from multiprocessing.queues import Queue

import cv2
import numpy as np
from numpy.typing import NDArray

from pretrain.drawings import Artist
from pretrain.errors import PretrainError
from pretrain.options import Options
from pretrain.teachers import Teacher

AHEAD = 6  # batches
PATIENCE = 5.0  # seconds between looks whether the other process is alive
Batch = tuple[NDArray[np.uint8], dict[str, dict[int, NDArray[np.float32]]]]


def asked(step: int, teachers: int) -> tuple[int, ...]:
    """Says which teachers see a batch: the first, and one of the others in turn."""
    return (0,) if teachers == 1 else (0, 1 + step % (teachers - 1))


def fill(options: Options, batches: "Queue[Batch]") -> None:
    """Puts batch after batch, in an order that the seed decides, until the process is ended."""
    cv2.setNumThreads(1)
    artist = Artist(options.seed, options.side)
    teachers = [Teacher(folder) for folder in options.teachers]
    step = 0
    while True:
        pictures = np.stack([view for _ in range(options.scenes) for view in artist.draw(options.views)])
        chosen = [teachers[number] for number in asked(step, len(teachers))]
        batches.put((pictures, {teacher.name: teacher.maps(pictures) for teacher in chosen}))
        step += 1


class Batches:
    """Batches of pictures (B, side, side, 3) and the teachers' answers; use it in a `with`."""

    def __init__(self, options: Options) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue: Queue[Batch] = context.Queue(AHEAD)
        self._process = context.Process(target=fill, args=(options, self._queue), daemon=True)

    def __enter__(self) -> "Batches":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
        self._queue.cancel_join_thread()

    def next(self) -> Batch:
        """Waits for the next batch.

        Raises:
            PretrainError: The other process has ended.
        """
        while True:
            try:
                return self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                if not self._process.is_alive():
                    code = self._process.exitcode
                    raise PretrainError(
                        f"the process that draws ended with {code}; read its message above, then --resume from last.pt"
                    ) from None
