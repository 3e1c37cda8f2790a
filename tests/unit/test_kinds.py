import itertools

import pytest

from shared.coco import Annotation, Image
from shared.kinds import Kind, infer_kind, misfit, why_unclear
from shared.tallies import Totals, sort_of

BOX = (0.0, 0.0, 0.5, 0.5)
IMAGE = Image(id=1, file_name="a", width=1, height=1, absolute_url="", etag="", sha256="", labelled_by="side-car")


@pytest.mark.parametrize(
    ("totals", "kind"),
    [
        (Totals(), None),
        (Totals(single=3), "classification"),
        (Totals(single=3, unlabelled=2, bare=1), "classification"),
        (Totals(single=3, several=1), "multilabel"),
        (Totals(boxed=1), "detection"),
        (Totals(boxed=1, bare=2, unlabelled=1), "detection"),
        (Totals(boxed=1, single=1), None),
        (Totals(boxed=1, several=1), None),
    ],
)
def test_a_kind_is_inferred_from_what_pictures_have_and_never_guessed(totals: Totals, kind: Kind | None) -> None:
    assert infer_kind(totals) == kind


def test_an_unclear_kind_is_told_with_its_figures_and_the_remedy() -> None:
    told = why_unclear(Totals(boxed=2, single=3, several=4))
    assert told.startswith("2 pictures have boxes and 7 have labels without boxes")
    assert "dataset.json" in told


ANNOTATIONS = {
    "single": [Annotation(id=1, image_id=1, category_id=1)],
    "several": [Annotation(id=n, image_id=1, category_id=n) for n in (1, 2)],
    "boxed": [Annotation(id=1, image_id=1, category_id=1, bbox=BOX)],
    "bare": [],
}
FITS = {
    ("single", "classification"),
    ("single", "multilabel"),
    ("several", "multilabel"),
    ("boxed", "detection"),
    ("bare", "detection"),
}
KINDS: tuple[Kind, ...] = ("classification", "multilabel", "detection")


@pytest.mark.parametrize(("sort", "kind"), list(itertools.product(ANNOTATIONS, KINDS)))
def test_a_misfit_is_told_with_the_remedy(sort: str, kind: Kind) -> None:
    assert sort_of(IMAGE, ANNOTATIONS[sort]) == sort
    told = misfit(kind, IMAGE, ANNOTATIONS[sort])
    assert (told is None) == ((sort, kind) in FITS)
    assert told is None or told.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_which_nobody_speaks_fits_no_kind(kind: Kind) -> None:
    unlabelled = Image(id=1, file_name="a", width=1, height=1, absolute_url="", etag="", sha256="")
    remedy = "Put a side-car beside it" if kind == "detection" else "named after its label"
    assert remedy in (misfit(kind, unlabelled, []) or "")
