"""The schemas of what our extensions answer: predictions of an evaluation, and reports."""

from engine.advice import MOST_ADVICE, REASONS
from engine.boxjudgement import SAME_PLACE, SURE
from engine.objects import MOST_OBJECTS
from engine.openapi.shapes import COUNT, SHARE, TEXT, TEXT_OR_NULL, Json, closed, list_of, map_of, ref


def report_schemas() -> Json:
    """What our extensions answer; `labels` is a text for classification and a list of texts for multi-label data."""
    labels = {"type": ["string", "array"], "items": TEXT}
    place = {"image": TEXT, "url": TEXT}
    box = {"boundingBox": ref("Box")}
    true_boxes = list_of(closed({"name": TEXT, **box}))
    found_boxes = list_of(closed({"name": TEXT, "confidence": SHARE, **box}), maxItems=MOST_OBJECTS)
    prediction = {
        "anyOf": [
            closed({**place, "truth": labels, "predicted": list_of(ref("Tag"))}),
            closed({**place, "truth": true_boxes, "predicted": found_boxes}),
        ]
    }
    mistake = {
        "anyOf": [
            closed({**place, "truth": labels, "predicted": labels, "confidence": SHARE}, label=TEXT),
            closed({**place, "truth": TEXT_OR_NULL, "predicted": TEXT_OR_NULL, "confidence": SHARE, **box}),
        ]
    }
    rates = closed({"precision": SHARE, "recall": SHARE, "pictures": COUNT, "predicted": COUNT}, boxes=COUNT)
    counts = list_of(list_of(COUNT))
    pair = closed({"test": TEXT, "training": TEXT, "distance": COUNT})
    without = {"anyOf": [ref("ModelPerformance"), {"type": "null"}], "description": "Null when all test pictures are."}
    near = closed({"pairs": list_of(pair, maxItems=100), "count": COUNT, "without": without})
    words = {"reason": {"enum": list(REASONS)}, "labels": list_of(TEXT, maxItems=2), "words": TEXT}
    advice = closed({**words, "counts": map_of(COUNT)}, trait=TEXT)
    report = closed(
        {
            "pictures": COUNT,
            "labels": COUNT,
            "perLabel": map_of(rates),
            "worstMistakes": list_of(mistake, maxItems=20),
        },
        confusionMatrix=closed({"labels": list_of(TEXT), "counts": counts}),
        labelCounts=map_of(counts),
        boxConfusion=closed(
            {"labels": list_of(TEXT), "counts": counts, "missed": list_of(COUNT), "unfounded": list_of(COUNT)}
        ),
        nearDuplicates=near,
        advice=list_of(advice, maxItems=MOST_ADVICE),
    )
    report["description"] = (
        "Rows of counts are the truth. Multi-label data has one two-by-two table a label (not said and said, of not "
        "true and true) in place of the confusion matrix. Detection counts boxes that were found with a confidence of "
        f"{SURE} at least: those at the place of a true box (they share {SAME_PLACE:.0%}), and of each label the true "
        "boxes that were missed and the found ones that are at no true box. Near duplicates are test pictures that "
        "were in training. "
        "Advice says what would help most, what may save most mistakes first; `counts` are the numbers in its words."
    )
    report["oneOf"] = [{"required": [name]} for name in ("confusionMatrix", "labelCounts", "boxConfusion")]
    return {"PicturePrediction": prediction, "Report": report}
