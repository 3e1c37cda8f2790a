"""Running counts come out the same in whatever order pictures come and go."""

from hypothesis import given
from hypothesis import strategies as st

from shared.coco import Annotation, Image
from shared.tallies import ASPECT_STEPS, SIZE_STEPS, Counter, Tally, Totals, sort_of

BOX = (0.0, 0.0, 0.5, 0.5)


def image(id_: int = 1, *, size: tuple[int, int] = (64, 64), light: int = 10, by: str = "", note: str = "") -> Image:
    return Image(
        id=id_,
        file_name=str(id_),
        width=size[0],
        height=size[1],
        absolute_url="",
        etag="",
        sha256=f"{id_:08x}" + "0" * 56,
        light=light,
        labelled_by=by,  # type: ignore[arg-type]
        note=note,
    )


def annotation(category: int, *, boxed: bool = False) -> Annotation:
    return Annotation(id=1, image_id=1, category_id=category, bbox=BOX if boxed else None)


def test_every_picture_is_of_one_sort() -> None:
    assert sort_of(image(), []) == "unlabelled"
    assert sort_of(image(by="side-car"), []) == "bare"
    assert sort_of(image(by="folder"), [annotation(1)]) == "single"
    assert sort_of(image(by="import"), [annotation(1), annotation(2)]) == "several"
    assert sort_of(image(by="import"), [annotation(1, boxed=True)]) == "boxed"


def test_a_picture_counts_once_for_each_of_its_labels_and_a_region_each_time() -> None:
    counter = Counter(Totals(), ())
    counter.count_picture(image(5, size=(128, 32), note="odd"), [annotation(1, boxed=True)] * 2 + [annotation(3)], 1)
    assert counter.totals == Totals(pictures=1, boxed=1, notes=1)
    size, aspect = 6 * SIZE_STEPS, 2 * ASPECT_STEPS
    sums = {"light": (10, 100), "size": (size, size**2), "aspect": (aspect, aspect**2)}
    assert counter.tallies == (Tally(1, train=1, regions=2, **sums), Tally(3, train=1, regions=1, **sums))


def test_sides_are_by_digest_and_small_pictures_are_never_tested() -> None:
    counter = Counter(Totals(), ())
    counter.count_picture(image(5), [annotation(1)], 1)
    counter.count_picture(image(6), [annotation(1)], 1)
    counter.count_picture(image(10, size=(64, 20)), [annotation(1)], 1)
    assert [(tally.train, tally.test) for tally in counter.tallies] == [(2, 1)]


pictures = st.lists(
    st.tuples(
        st.integers(1, 10_240),
        st.integers(1, 10_240),
        st.integers(0, 255),
        st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=3),
    ),
    max_size=12,
)


@given(pictures, st.data())
def test_counts_do_not_depend_on_the_order_nor_on_what_came_and_went(
    some: list[tuple[int, int, int, list[tuple[int, bool]]]], data: st.DataObject
) -> None:
    rows = [
        (image(n, size=(width, height), light=light), [annotation(c, boxed=b) for c, b in labels])
        for n, (width, height, light, labels) in enumerate(some)
    ]
    kept = [row for row in rows if data.draw(st.booleans())]
    straight = Counter(Totals(), ())
    for row in kept:
        straight.count_picture(*row, 1)
    roundabout = Counter(Totals(), ())
    for row in data.draw(st.permutations(rows)):
        roundabout.count_picture(*row, 1)
    middle = Counter(roundabout.totals, roundabout.tallies)  # as it is kept in the head
    for row in data.draw(st.permutations([row for row in rows if row not in kept])):
        middle.count_picture(*row, -1)
    assert (middle.totals, middle.tallies) == (straight.totals, straight.tallies)
