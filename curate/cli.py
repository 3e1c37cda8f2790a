"""The command line of `./darkroom dataset`: it takes arguments apart, and turns expected problems into one line."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from curate.errors import CurateError, UsageError
from curate.formats import FORMATS
from curate.layouts import LAYOUTS
from curate.storage import HOME, Storage, Target, open_storage, target_of
from shared.errors import DarkroomError

type Opener = Callable[[Target], Storage]

_HELP: Final = "print one JSON object on one line, last"


def main(arguments: Sequence[str], *, opener: Opener | None = None) -> int:
    """Run one verb and return the exit code.

    It is 0 when all is well, 1 when there is something to tell, and 2 when the command line is wrong. To `lint` a
    finding is something to tell, and whatever keeps it from looking ends with 2: scripts tell the two apart.

    Args:
        arguments: The command line.
        opener: Opens storage; None to look where the command line says.
    """
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    failed = 2 if args.verb == "lint" else 1

    def opened(target: Target) -> Storage:
        return open_storage(target.container, connection=args.connection, home=args.data)

    try:
        return _run(args, opener or opened)
    except (CurateError, DarkroomError) as error:
        sys.stderr.write(f"darkroom dataset {args.verb}: {error}\n")
        return max(failed, error.status if isinstance(error, CurateError) else 1)
    except BrokenPipeError:  # whoever reads us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a folder that cannot be listed, a disk that is full
        sys.stderr.write(f"darkroom dataset {args.verb}: {error.filename or 'a file'}: {error.strerror or error}\n")
        return failed
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace, opener: Opener) -> int:
    # Each verb's module is imported when it runs: the others' libraries take their time.
    match args.verb:
        case "lint":
            return _lint(args, opener)
        case "import":
            from curate.importing import import_source

            args.target = target_of(args.target)
            return import_source(args, opener)
        case _:
            from curate.exporting import export_dataset

            args.target = target_of(args.target)
            return export_dataset(args, opener)


def _lint(args: argparse.Namespace, opener: Opener) -> int:
    from curate.lintdataset import lint_dataset
    from curate.lintfile import lint_file

    text: str = args.target
    file = Path(text)
    if file.is_file():
        args.target = file
        return lint_file(args)
    try:
        target = target_of(text)
    except UsageError as error:
        if file.is_dir():
            raise UsageError(
                f"{text} is a folder; lint takes a file. `import {text} … --dry-run` checks a folder"
            ) from error
        if file.suffix or file.is_absolute():
            raise CurateError(f"there is no file {text}") from error
        raise
    if args.fix is not None:
        raise UsageError("--fix is for files; what is in storage is mended there")
    args.target = target
    return lint_dataset(args, opener, now=datetime.now(UTC))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="darkroom dataset",
        description="Check files of labels and datasets, and move datasets in and out of storage.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_lint(verbs.add_parser("lint", help="say what is wrong with a file of labels, or with a dataset in storage"))
    _add_import(verbs.add_parser("import", help="upload a local dataset: label folders, COCO, YOLO or Pascal VOC"))
    _add_export(verbs.add_parser("export", help="write a dataset as COCO, YOLO or Pascal VOC"))
    return parser


def _add_lint(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say what is wrong with a COCO (.json), Pascal VOC (.xml) or YOLO (.txt, classes.txt, data.yaml) file, one "
        "finding a line; or take a full look at a dataset in storage. Exit code 1 when there are findings, "
        "2 when it could not look."
    )
    parser.add_argument("target", metavar="FILE|CONTAINER/DATASET", help="such as coco.json, or training/parts")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="measure a file's pictures, which are below DIR")
    parser.add_argument(
        "--fix",
        nargs="?",
        const="",
        metavar="OUT",
        help="write a repaired COCO file, with dense ids and normalised boxes (NAME.repaired.json); give it after FILE",
    )
    parser.add_argument("--base-url", metavar="URL", help="with --fix: the URL before names of pictures without a URL")
    _add_common(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Upload a local dataset. SOURCE is a COCO file, or a folder: label/picture.jpg; or pictures with COCO, YOLO or "
        "Pascal VOC labels beside them, in labels/ or in Annotations/. What is there already is skipped; nothing is "
        "deleted. Exit code 1 when something was left out."
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder, or a COCO file")
    parser.add_argument("target", metavar="CONTAINER/DATASET", help="such as training/parts")
    parser.add_argument("--layout", choices=LAYOUTS, help="how SOURCE is laid out, when it is not recognised")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where the pictures of a COCO file are")
    parser.add_argument(
        "--background", action="store_true", help="YOLO, VOC: pictures without labels show none (else: left out)"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite blobs of the same name and other content")
    parser.add_argument("--dry-run", action="store_true", help="check everything, and upload nothing")
    _add_common(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a dataset as ordinary files that other tools, and `import`, read."
    parser.add_argument("target", metavar="CONTAINER/DATASET", help="such as training/parts")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="an empty folder, or one to be made")
    parser.add_argument("--pictures", action="store_true", help="download the pictures as well, into DIR/images")
    parser.add_argument(
        "--snapshot", metavar="DIGEST", help="what a version was trained on, instead of what is there now"
    )
    parser.add_argument("--force", action="store_true", help="write into a folder that is not empty, or go on there")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connection",
        metavar="STRING",
        help="storage connection string; without it TRAINING_STORAGE, or a running ./darkroom up",
    )
    parser.add_argument("--data", type=Path, default=HOME, metavar="DIR", help="data folder of that ./darkroom up")
    parser.add_argument("--json", action="store_true", help=_HELP)
