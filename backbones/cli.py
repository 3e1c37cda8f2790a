"""The command line of `./darkroom backbone`: it takes arguments apart, and turns expected problems into one line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from backbones.errors import ShelfError
from backbones.shelf import ALWAYS_THERE, Shelf

_JSON: Final = "print one JSON object on one line, last"


def main(arguments: Sequence[str], *, shelf: Shelf | None = None, client: httpx.Client | None = None) -> int:
    """Runs one verb and returns the exit code: 0, 1 when it cannot be done, 2 when the command line is wrong.

    Args:
        arguments: The command line.
        shelf: Where backbones lie; None for this machine's.
        client: Fetches; None for one of our own.
    """
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    from engine.learn.errors import LearnError  # after the arguments are known to be right: it takes a second

    try:
        _run(args, shelf or Shelf.of(os.environ), client)
    except (ShelfError, LearnError) as error:
        sys.stderr.write(f"darkroom backbone {args.verb}: {error}\n")
        return error.status if isinstance(error, ShelfError) else 1
    except OSError as error:
        sys.stderr.write(f"darkroom backbone {args.verb}: {error.filename or 'a file'}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(args: argparse.Namespace, shelf: Shelf, client: httpx.Client | None) -> None:
    # What a verb needs is imported when it runs: the engine's libraries take their time.
    match args.verb:
        case "list":
            from backbones.listing import rows_of, table

            rows = rows_of(shelf)
            _tell(args, table(rows), {"use": shelf.used, "backbones": rows})
        case "add":
            from backbones.adding import add_backbone
            from backbones.listing import words

            name, checked = add_backbone(
                shelf, args.source, name=args.name, sha256=args.sha256, manifest=args.manifest, client=client
            )
            said = f"{words(checked)}\nadded as {name}; ./darkroom backbone use {name} starts the engine with it"
            _tell(args, said, {"name": name, "backbone": checked.document()})
        case "check":
            from backbones.checking import check_backbone
            from backbones.listing import words

            checked = check_backbone(_spec(args.backbone, shelf))
            _tell(args, words(checked), {"backbone": checked.document()})
        case _:
            from engine.learn.backbone import digest_of_spec

            digest = digest_of_spec(shelf.resolved(args.backbone))  # before it is chosen: its files may be damaged
            shelf.use(args.backbone)
            said = (
                f"up and demo start the engine with {shelf.used} from now on; what runs keeps what it has until it is "
                "started again.\nModels that were trained with another backbone on this machine still answer; new ones "
                "are trained with this one."
            )
            _tell(args, said, {"use": shelf.used, "digest": digest})


def _spec(text: str, shelf: Shelf) -> str | Path:
    """Returns what a name on the shelf, names joined, or a path stands for."""
    names = {*ALWAYS_THERE, *shelf.names}
    if not {part.strip() for part in text.split("+")} <= names and Path(text).is_dir():
        return Path(text)
    return shelf.resolved(text)


def _tell(args: argparse.Namespace, said: str, document: dict[str, Any]) -> None:
    if args.json:
        sys.stderr.write(f"{said}\n")
        sys.stdout.write(json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        sys.stdout.write(f"{said}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="darkroom backbone",
        description="List, add, check and choose the networks that the engine sees with. docs/backbones.md says which "
        "public ones fit, and how to export them.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "list", "say which there are, which is used, and what they cost")
    add = _verb(verbs, "add", "fetch one, check it, and keep it on this machine")
    add.add_argument(
        "source", metavar="PATH|URL", help="a folder, .zip or .tar.gz of META.json and model.onnx; or a .onnx"
    )
    add.add_argument("--sha256", metavar="HEX", help="digest of what lies at the URL; needed with one")
    add.add_argument("--manifest", type=Path, metavar="FILE", help="META.json of a .onnx that comes alone")
    add.add_argument("--name", help="what it is called here (default: as its META.json says)")
    check = _verb(verbs, "check", "run one on pictures of several sizes, and measure its speed")
    check.add_argument("backbone", metavar="PATH|NAME", help="a folder, or a name that list shows, or several with +")
    use = _verb(verbs, "use", "choose what up and demo start the engine with")
    use.add_argument("backbone", metavar="NAME[+NAME...]|builtin", help="names that list shows; with + they are joined")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
    parser.add_argument("--json", action="store_true", help=_JSON)
    return parser
