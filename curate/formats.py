"""Writes an export's label files, one format a class: each takes pictures as they come and holds none of them."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec

from shared.coco import stem_of
from shared.formats.cocowriter import CocoNumbering, Exported
from shared.formats.voc import write_voc
from shared.formats.yolo import write_class_list, write_data_yaml, write_yolo
from shared.sides import Side

FORMATS: Final = ("coco", "yolo", "voc")


class LabelWriter(Protocol):
    """Writes the labels of pictures into a folder; file names are relative to its ``images`` folder."""

    def put(self, picture: Exported, side: Side | None) -> None:
        """Write a picture's labels."""

    def finish(self) -> None:
        """Write what can be written only when all pictures are known."""


def writer_of(name: str, folder: Path, labels: tuple[str, ...], sides: tuple[Side, ...]) -> LabelWriter:
    """Return the writer of a format.

    Args:
        name: One of `FORMATS`.
        folder: Where to write.
        labels: All labels.
        sides: The sides that pictures may be on; when there are any, they are told in the format's own way.
    """
    makers: dict[str, Callable[[], LabelWriter]] = {
        "coco": lambda: CocoWriter(folder, labels, sides),
        "yolo": lambda: YoloWriter(folder, labels, sides),
        "voc": lambda: VocWriter(folder, sides),
    }
    return makers[name]()


class CocoWriter:
    """``annotations.json``, or a file a side."""

    def __init__(self, folder: Path, labels: tuple[str, ...], sides: tuple[Side, ...]) -> None:
        self._files = {side: _CocoFile(folder / f"{side or 'annotations'}.json", labels) for side in sides or (None,)}

    def put(self, picture: Exported, side: Side | None) -> None:
        """Write a picture's records."""
        self._files[side].put(picture)

    def finish(self) -> None:
        """Put the files together."""
        for file in self._files.values():
            file.finish()


class _CocoFile:
    """One COCO file, whose images and annotations wait in files of their own."""

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        self._path = path
        self._numbering = CocoNumbering(labels)
        self._images = _Section(path.with_name(f".{path.name}.images"))
        self._annotations = _Section(path.with_name(f".{path.name}.annotations"))

    def put(self, picture: Exported) -> None:
        image, annotations = self._numbering.records(picture)
        self._images.put(image)
        for annotation in annotations:
            self._annotations.put(annotation)

    def finish(self) -> None:
        partial = self._path.with_name(f".{self._path.name}")
        with partial.open("wb") as whole:
            categories = msgspec.json.encode(self._numbering.categories)
            whole.write(b'{"info":{"description":"Darkroom export"},"categories":' + categories + b',"images":[')
            self._images.move_into(whole)
            whole.write(b'],"annotations":[')
            self._annotations.move_into(whole)
            whole.write(b"]}\n")
        partial.replace(self._path)


class _Section:
    """Records that wait in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("wb")
        self._encoder = msgspec.json.Encoder()
        self._comma = b"\n"

    def put(self, record: msgspec.Struct) -> None:
        self._file.write(self._comma + self._encoder.encode(record))
        self._comma = b",\n"

    def move_into(self, whole: IO[bytes]) -> None:
        self._file.close()
        with self._path.open("rb") as file:
            while data := file.read(2**20):
                whole.write(data)
        self._path.unlink()


class _Lists:
    """A list of pictures for each side."""

    def __init__(self, sides: tuple[Side, ...], path_of: Callable[[Side], Path]) -> None:
        self._files: dict[Side | None, IO[str]] = {}
        for side in sides:
            path = path_of(side)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[side] = path.open("w", encoding="utf-8", newline="\n")

    def put(self, side: Side | None, line: str) -> None:
        if side in self._files:
            self._files[side].write(f"{line}\n")

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class YoloWriter:
    """``labels/*.txt``, ``classes.txt``, and ``data.yaml`` as Ultralytics reads it."""

    def __init__(self, folder: Path, labels: tuple[str, ...], sides: tuple[Side, ...]) -> None:
        self._folder = folder
        self._labels = labels
        self._sides = sides
        self._lists = _Lists(sides, lambda side: folder / f"{side}.txt")

    def put(self, picture: Exported, side: Side | None) -> None:
        """Write a picture's file."""
        write_file(
            self._folder / "labels" / f"{stem_of(picture.file_name)}.txt", write_yolo(picture.regions, self._labels)
        )
        self._lists.put(side, f"./images/{picture.file_name}")

    def finish(self) -> None:
        """Write the lists of classes."""
        self._lists.close()
        train, val = ("train.txt", "test.txt") if self._sides else ("images", "images")
        write_file(self._folder / "classes.txt", write_class_list(self._labels))
        where = f"train: {train}\nval: {val}\n".encode()  # relative to the file, as there is no `path`
        write_file(self._folder / "data.yaml", where + write_data_yaml(self._labels))


class VocWriter:
    """``Annotations/*.xml``, and ``ImageSets/Main`` when there are sides."""

    def __init__(self, folder: Path, sides: tuple[Side, ...]) -> None:
        self._folder = folder
        self._lists = _Lists(sides, lambda side: folder / "ImageSets" / "Main" / f"{side}.txt")

    def put(self, picture: Exported, side: Side | None) -> None:
        """Write a picture's file."""
        stem = stem_of(picture.file_name)
        name = picture.file_name.rpartition("/")[2]
        data = write_voc(filename=name, size=picture.size, regions=picture.regions)
        write_file(self._folder / "Annotations" / f"{stem}.xml", data)
        self._lists.put(side, stem)

    def finish(self) -> None:
        """Close the lists."""
        self._lists.close()


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)
