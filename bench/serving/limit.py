"""What one core can do without HTTP: `python -m bench.serving.limit --backbone DIR --model FILE --picture FILE`.

The engine's own code decodes, resizes, runs the network and the head, again and again. A question is
`{"seconds": s}`; the answer tells how many pictures were done, and in how many seconds.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from engine.processes import ONE_THREAD


def main(arguments: list[str]) -> None:
    """Answers until the parent closes the pipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--backbone", "--model", "--picture"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args(arguments)
    os.environ.update(ONE_THREAD)  # as the engine does; NumPy reads it when it is imported
    from bench.serving.children import answer_questions
    from engine.learn.backbone import load_backbone
    from engine.learn.classifier import Classifier
    from engine.predictor import prediction_of

    backbone, classifier = load_backbone(options.backbone), Classifier.load(options.model)
    picture = options.picture.read_bytes()

    def work(question: dict[str, Any]) -> dict[str, Any]:
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < question["seconds"]:
            prediction_of(picture, backbone, classifier)
            done += 1
        return {"pictures": done, "wall": time.perf_counter() - began}

    answer_questions(work)


if __name__ == "__main__":
    main(sys.argv[1:])
