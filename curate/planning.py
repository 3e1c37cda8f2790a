"""Plans an import of a local source: label folders, COCO, YOLO or Pascal VOC."""

from collections.abc import Mapping
from pathlib import Path

from curate.errors import CurateError, UsageError
from curate.examination import ABSENT, Measured, examine
from curate.layouts import WORDS, Layout, coco_among, pairs, place_of, recognise, refuse_splits
from curate.lintfile import named, read
from curate.plan import Look, Plan, Spoken, Upload, look_at, md5_of
from curate.telling import told_of
from curate.tree import Tree, scan
from shared import limits
from shared.coco import ClassList, stem_of
from shared.formats import Labelling, Parsed, Region, label_problem
from shared.formats.classlist import parse_class_list
from shared.formats.coco import parse_coco
from shared.formats.voc import parse_voc, write_voc
from shared.formats.yolo import parse_yolo
from shared.labels import names_for
from shared.layout import normalise_label
from shared.matching import match_pictures


def plan_import(
    source: Path, dataset: str, *, layout: Layout | None = None, pictures: Path | None = None, background: bool = False
) -> Plan:
    """Find out what a source holds, check it, and plan where it goes.

    Args:
        source: A folder, or a COCO file.
        dataset: The dataset's name.
        layout: How it is laid out; None to recognise that.
        pictures: Where a COCO file's pictures are; None to look beside it.
        background: Take pictures without a side-car for pictures that show none of the labels.

    Raises:
        CurateError: It holds nothing, or a mixture that cannot be told.
    """
    if pictures is not None and not pictures.is_dir():
        raise CurateError(f"{pictures} is not a folder")
    if source.is_file():
        if layout not in (None, "coco"):
            raise UsageError(f"{source} is a file; only COCO comes as a file. Name the folder")
        if source.suffix.lower() != ".json":
            raise CurateError(f"{source} is neither a folder nor a COCO file (.json)")
        return _coco(_Source([source], scan(pictures or _beside(source))), dataset)
    if not source.is_dir():
        raise CurateError(f"{source} is not there")
    tree = scan(source)
    coco = coco_among(tree) if layout in (None, "coco") else ()
    chosen = layout or ("coco" if coco and pictures else recognise(tree, coco))
    match chosen:
        case "coco":
            if not coco:
                raise CurateError(f"{source} holds no COCO file")
            plan = _coco(_Source([tree.file(path) for path in coco], scan(pictures) if pictures else tree), dataset)
            plan.others += [path for path in tree.json if path not in coco]
            return plan
        case "folders":
            if layout is None:
                refuse_splits(tree)
            return _folders(tree, dataset)
        case _:
            return _SideCars(tree, dataset, chosen, background=background).plan()


def _beside(file: Path) -> Path:
    """Return the folder where the pictures of a COCO file should be."""
    folder = file.resolve().parent
    if folder.name.lower() == "annotations":
        folder = folder.parent
    images = folder / "images"
    return images if images.is_dir() else folder


def _folders(tree: Tree, dataset: str) -> Plan:
    plan = Plan(dataset, "folders", tree)
    plan.others = [*tree.xml, *tree.txt, *tree.json, *tree.class_lists, *tree.others]
    for picture, look in look_at(tree, tree.pictures).items():
        place = place_of(picture)
        folder, slash, _ = place.partition("/")
        label = normalise_label(folder)
        if not slash:
            plan.tell(picture, "lies in no folder, so it has no label. Put it into a folder named after its label.")
        elif trouble := label_problem(label):
            plan.tell(picture, f"the folder {trouble}.")
        elif plan.usable(picture, path := plan.image_path(place), look) and plan.put(
            picture, [plan.file_upload(path, picture, look)]
        ):
            plan.count([Region(label)])
    return plan


class _SideCars:
    """Plans YOLO or Pascal VOC."""

    def __init__(self, tree: Tree, dataset: str, layout: Layout, *, background: bool) -> None:
        self._tree = tree
        self._layout = layout
        self._background = background
        self._plan = Plan(dataset, layout, tree)
        self._suffix = ".txt" if layout == "yolo" else ".xml"
        self._files = tree.txt if layout == "yolo" else tree.xml
        self._lists: list[ClassList] = []

    def plan(self) -> Plan:
        """Return the plan."""
        plan, tree = self._plan, self._tree
        rest = tree.xml if self._layout == "yolo" else (*tree.txt, *tree.class_lists)
        plan.others = [*rest, *tree.json, *tree.others]
        if self._layout == "yolo":
            self._put_class_lists()
        used = set()
        looks = look_at(tree, tree.pictures)
        for picture, side_car in pairs(tree, self._files):
            used.add(side_car)
            self._put(picture, side_car, looks[picture])
        if not used - {None}:
            raise CurateError(
                f"{tree.root} holds no {self._suffix} file that has a picture's name: no {WORDS[self._layout]}"
            )
        for path in self._files:
            if path not in used and "/" in path:
                plan.tell(path, "no picture has this name. Add the picture, or delete the file.")
            elif path not in used:
                plan.others.append(path)  # a README or the like
        return plan

    def _put_class_lists(self) -> None:
        if not self._tree.class_lists:
            raise CurateError(
                f"{self._tree.root} has YOLO labels, and no list of their classes. Add classes.txt (a name on each "
                "line, in the order of the numbers) or data.yaml"
            )
        for path in self._tree.class_lists:
            parsed = parse_class_list(read(self._tree.file(path), limits.SIDE_CAR_BYTES), path)
            self._plan.findings += told_of(self._tree.file(path), parsed.findings)
            target = self._plan.image_path(place_of(path))
            if self._plan.put(path, [self._plan.file_upload(target, path)], first=True):
                self._lists.append(ClassList(path=target, etag="", names=parsed.labels))

    def _put(self, picture: str, side_car: str | None, look: Look) -> None:
        plan = self._plan
        path = plan.image_path(place_of(picture))
        if not plan.usable(picture, path, look):
            return
        beside = stem_of(path) + self._suffix
        size = (look.facts.width, look.facts.height)
        if side_car is None:
            if not self._background:
                reason = "has no file of labels, so it is left out. If it shows none of the labels: --background."
                plan.tell(picture, reason)
                return
            regions: tuple[Region, ...] = ()
            data = (
                b"" if self._layout == "yolo" else write_voc(filename=picture.rpartition("/")[2], size=size, regions=())
            )
            upload = Upload(path=beside, data=data, size=len(data), md5=md5_of(data))
        else:
            examined = examine(self._parsed(side_car, beside), {"": size})
            plan.findings += told_of(self._tree.file(side_car), examined.findings)
            if not examined.pictures:
                plan.tell(picture, f"is left out: nothing in {self._tree.file(side_car)} can be used.")
                return
            regions = examined.pictures[0].regions
            upload = plan.file_upload(beside, side_car)
        if plan.put(picture, [upload, plan.file_upload(path, picture, look)]):
            plan.count(regions)

    def _parsed(self, side_car: str, target: str) -> Parsed:
        data = read(self._tree.file(side_car), limits.SIDE_CAR_BYTES)
        if self._layout == "voc":
            return parse_voc(data)
        return named(parse_yolo(data), names_for(target, self._lists))


class _Source:
    """COCO files and the folder that their pictures are in."""

    def __init__(self, files: list[Path], tree: Tree) -> None:
        self.files = files
        self.tree = tree

    def pictures_of(self, file: Path) -> dict[str, str]:
        """Return place → local picture: those below the file's own folder when there are any, else all."""
        own = file.parent.relative_to(self.tree.root).as_posix() if file.is_relative_to(self.tree.root) else "."
        prefix = f"{own}/" if own != "." and own.rpartition("/")[2].lower() != "annotations" else ""
        there = [path for path in (*self.tree.pictures, *self.tree.others) if path.startswith(prefix)]
        return {place_of(path.removeprefix(prefix)): path for path in there or self.tree.pictures}


def _coco(source: _Source, dataset: str) -> Plan:
    plan = Plan(dataset, "coco", source.tree)
    named_pictures: set[str] = set()
    for file in source.files:
        named_pictures |= _put_coco(plan, source, file)
    plan.others += [path for path in source.tree.pictures if path not in named_pictures]
    return plan


def _put_coco(plan: Plan, source: _Source, file: Path) -> set[str]:
    """Plan one COCO file with its pictures; return the local pictures that it names."""
    data = read(file, limits.IMPORT_BYTES)
    parsed = parse_coco(data)
    if not parsed.labellings:
        plan.findings += told_of(file, parsed.findings)
        raise CurateError(f"{file} names no picture that can be used. ./darkroom dataset lint {file} says why")
    local = _local_of(parsed.labellings, source.pictures_of(file), plan.dataset)
    looks = look_at(source.tree, local.values())
    examined = examine(parsed, _measured(parsed.labellings, local, looks))
    plan.findings += told_of(file, examined.findings)
    target = f"{plan.dataset}/annotations/{_name_of(file, source.tree)}"
    upload = Upload(path=target, file=file, size=len(data), md5=md5_of(data))
    if not plan.put(str(file), [upload], first=True):
        return set()
    planned = match_pictures(parsed.labellings, (), plan.dataset)
    usable = {picture.where: picture.regions for picture in examined.pictures}
    paths: dict[str, str] = {}
    for path, labelling in planned.found.items():
        picture = local.get(labelling.where)
        if picture is None or labelling.where not in usable or looks[picture].facts.problem is not None:
            continue  # the examination has told why
        if plan.usable(picture, path, looks[picture]) and plan.put(
            picture, [plan.file_upload(path, picture, looks[picture])]
        ):
            plan.count(usable[labelling.where])
            paths[path] = labelling.where
    plan.spoken.append(Spoken(file=str(file), labellings=parsed.labellings, paths=paths))
    return set(local.values())


def _name_of(file: Path, tree: Tree) -> str:
    """Return the name of a COCO file in ``annotations/``: with its folder when it has one, as names repeat there."""
    return place_of(file.relative_to(tree.root).as_posix()) if file.is_relative_to(tree.root) else file.name


def _local_of(labellings: tuple[Labelling, ...], there: Mapping[str, str], dataset: str) -> dict[str, str]:
    """Return record → local picture."""
    paths = {f"{dataset}/images/{place}": path for place, path in there.items()}
    matches = match_pictures(labellings, paths, dataset)
    return {labelling.where: paths[path] for path, labelling in matches.found.items() if path in paths}


def _measured(labellings: tuple[Labelling, ...], local: Mapping[str, str], looks: Mapping[str, Look]) -> Measured:
    sizes: dict[str, tuple[int, int] | str] = {}
    for labelling in labellings:
        picture = local.get(labelling.where)
        facts = looks[picture].facts if picture else None
        if facts is None:
            sizes[labelling.where] = ABSENT
        else:
            sizes[labelling.where] = facts.problem or (facts.width, facts.height)
    return sizes
