"""Where detectors will be trained; until then, reads a detection data set whole and says what will not happen."""

from engine.errors import JobError
from engine.messages import Done, TrainRequest
from engine.reading import DatasetReader


def train_detector(task: TrainRequest, reader: DatasetReader) -> Done:
    """Checks the data sets of `task`; that is all this version can do for a detector.

    Raises:
        JobError: A data set cannot be used, or, with code `unknown`, all of them can.
    """
    reader.check(task.training, "training")
    if task.test is not None:
        reader.check(task.test, "test")
    raise JobError(
        "unknown",
        f"This version has no detector yet, so this training ends here. Data set '{task.training.name}' is fine: "
        "all its annotations and pictures can be used. Train it again with a version that has a detector.",
    )
