"""Where detectors will be trained."""

from engine.errors import JobError
from engine.messages import Done, TrainRequest


def train_detector(task: TrainRequest) -> Done:
    """Refuses: this version cannot train a detector.

    Raises:
        JobError: Always, with code `unknown`.
    """
    raise JobError(
        "unknown",
        f"This version has no detector yet, so the training on data set '{task.training.name}' ends here. "
        "Train it again with a version that has one.",
    )
