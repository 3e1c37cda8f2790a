"""What a dataset teaches: declared in ``dataset.json``, else fixed by its first version, else inferred. Pure.

A picture that does not fit the kind is told, never bent to fit.
"""

from collections.abc import Sequence
from typing import Final, Literal

from shared.coco import Annotation, Image
from shared.tallies import Totals, sort_of

type Kind = Literal["classification", "multilabel", "detection"]

_DECLARE: Final = 'or declare another "kind" in dataset.json'


def infer_kind(totals: Totals) -> Kind | None:
    """Infer the kind from what the pictures have; None when some have boxes and some only a label, or none is there."""
    if not _known(totals):
        return None
    if totals.boxed:
        return None if totals.single or totals.several else "detection"
    return "multilabel" if totals.several else "classification"


def _known(totals: Totals) -> int:
    return totals.single + totals.several + totals.boxed + totals.bare + totals.unlabelled


def likeliest_kind(totals: Totals) -> Kind:
    """Return the kind that most pictures fit: while the kind is not clear, what does not fit it is told."""
    if totals.boxed >= totals.single + totals.several and totals.boxed:
        return "detection"
    return "multilabel" if totals.several else "classification"


def why_unclear(totals: Totals) -> str:
    """Say why no kind could be inferred, and what to do."""
    if not _known(totals):
        return "it has no usable picture"
    return (
        f"{totals.boxed} pictures have boxes and {totals.single + totals.several} have labels without boxes, so it is "
        'not clear what to train. Declare "kind": "detection" or "classification" in dataset.json'
    )


def misfit(kind: Kind, image: Image, annotations: Sequence[Annotation]) -> str | None:
    """Tell why a picture cannot be used in a dataset of a kind, or None when it can."""
    sort = sort_of(image, annotations)
    match sort, kind:
        case "unlabelled", "detection":
            return "has no boxes. Put a side-car beside it, or name it in a COCO file in annotations/."
        case "unlabelled", _:
            return "has no label. Put it into a folder named after its label, below images/, or a side-car beside it."
        case "boxed", "detection":
            return None
        case "bare", "detection":
            return None  # a picture that shows none of the labels is worth training on
        case "bare", _:
            return "is named by a file of labels that gives it none. Correct that file."
        case "boxed", _:
            return f"has boxes, and the dataset's kind is {kind}. Remove them, {_DECLARE}."
        case _, "detection":
            return f"has a label but no boxes, and the dataset's kind is detection. Draw its boxes, {_DECLARE}."
        case "several", "classification":
            return f"has {len(annotations)} labels, and the dataset's kind is classification. Leave one, {_DECLARE}."
    return None
