"""How large a data set may be, and how small (contract §3.1); where the contract's sources disagree, the larger bound.

| per data set           | classification, multi-label | detection                   |
|------------------------|-----------------------------|-----------------------------|
| images, training       | 1,000,000 (both)            | 200,000 (both)              |
| images, evaluation     | 100,000 (both)              | 100,000 (both)              |
| categories             | 2-3,000 (docs 2,500)        | 1-1,500 (docs 1,000)        |
| images/category, train | 2 (both)                    | 2 (both)                    |
| regions an image       | none                        | 1,000 (both)                |
| pixels a side          | 10-10,240 in training, 50-16,000 in evaluation (repository; docs agree but for one text) |

"docs" is the concept page, "repository" the official sample's quota_limit.md, which is meant where no source is named.
The official check script asks for one image per category in detection; training on one is possible nowhere else.
"""

from dataclasses import dataclass
from typing import Literal

from engine.images import PREDICTION, TRAINING, SideLimits
from engine.records import AnnotationKind

type Role = Literal["training", "test"]

MAX_COCO_BYTES = 512 * 1024 * 1024  # a file; ours, the contract names no limit
MAX_ANNOTATIONS = 10_000_000  # a data set; ours, it bounds memory
MAX_REGIONS = 1_000  # an image


@dataclass(frozen=True, slots=True)
class Limits:
    """What a data set must keep to.

    Attributes:
        most_images: Records of images in all its files.
        least_labels: Categories that are used.
        most_labels: Likewise.
        least_images: Images of each category that is used.
        sides: Pixels a side of each picture.
    """

    most_images: int
    least_labels: int
    most_labels: int
    least_images: int
    sides: SideLimits


def limits_of(kind: AnnotationKind, role: Role) -> Limits:
    """Returns the limits of a data set of a kind that is trained on or tested with."""
    detection = kind is AnnotationKind.DETECTION
    most_labels = 1_500 if detection else 3_000
    if role == "test":
        return Limits(100_000, 1, most_labels, 1, PREDICTION)
    return Limits(200_000 if detection else 1_000_000, 1 if detection else 2, most_labels, 2, TRAINING)
