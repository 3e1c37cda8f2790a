"""`import SOURCE CONTAINER/DATASET`: plans, checks, uploads, and says what happens next."""

import argparse
from collections.abc import Callable
from typing import Any

from curate.errors import CurateError
from curate.layouts import WORDS
from curate.plan import Plan
from curate.planning import plan_import
from curate.storage import Storage, Target
from curate.telling import as_values, counted, say, say_findings, say_object
from curate.uploading import check, upload
from shared import layout
from shared.livefile import read_live_file

_EVERY = 500  # blobs between two words of progress


def import_source(args: argparse.Namespace, open_target: Callable[[Target], Storage]) -> int:
    """Import; return the exit code, 1 when something was left out or is odd.

    Raises:
        CurateError: Nothing was imported, or not all of it.
        StorageError: Storage failed; what is done is kept.
    """
    target: Target = args.target
    storage = open_target(target)
    plan = plan_import(
        args.source, target.dataset, layout=args.layout, pictures=args.pictures, background=args.background
    )
    say_findings(plan.findings)
    _say_plan(args, plan, target)
    if not plan.pictures and not plan.first:
        raise CurateError(f"nothing of {args.source} can be imported")
    checked = check(plan, storage.training, replace=args.replace)
    total = sum(1 for _ in plan.uploads())
    written, skipped = 0, len(checked.there)
    if args.dry_run:
        say(f"would upload {counted(total - skipped, 'blob')}, and skip {skipped:,} that are there already")
    else:
        written = upload(plan, storage.training, checked, told=_progress(total - skipped))
        say(f"uploaded {counted(written, 'blob')}; skipped {skipped:,} that were there already")
        _say_next(storage, target)
    if args.json:
        facts: dict[str, Any] = {
            "source": str(args.source),
            "target": str(target),
            "layout": plan.layout,
            "pictures": plan.pictures,
            "labels": dict(sorted(plan.labels.items())),
            "boxes": plan.boxes,
            "blobs": total,
            "uploaded": written,
            "skipped": skipped,
            "replaced": len(checked.clashes),
            "dryRun": args.dry_run,
        }
        say_object({**facts, "findingCount": len(plan.findings), "findings": as_values(plan.findings)})
    return int(bool(plan.findings))


def _say_plan(args: argparse.Namespace, plan: Plan, target: Target) -> None:
    how = "as you say" if args.layout else "recognised"
    say(f"{args.source} is laid out as {WORDS[plan.layout]} ({how})")
    boxes = f", {counted(plan.boxes, 'box', 'boxes')}" if plan.boxes else ""
    labels = ", ".join(f"{label} {count:,}" for label, count in sorted(plan.labels.items())[:20])
    more = f", and {len(plan.labels) - 20:,} more" if len(plan.labels) > 20 else ""
    say(f"{counted(plan.pictures, 'picture')}{boxes} for {target}{': pictures with ' if labels else ''}{labels}{more}")
    if plan.others:
        some = ", ".join(plan.others[:3]) + (", …" if len(plan.others) > 3 else "")
        say(f"ignored: {counted(len(plan.others), 'file')} that no label speaks of, or that say nothing ({some})")


def _progress(total: int) -> Callable[[int], None]:
    """Return what says how far the upload is, now and then."""
    said = 0

    def told(written: int) -> None:
        nonlocal said
        if written - said >= _EVERY and written < total:
            said = written
            say(f"uploaded {written:,} of {total:,}")

    return told


def _say_next(storage: Storage, target: Target) -> None:
    say(
        f"The function app folds them into {target.container}/{layout.live_file(target.dataset)} as the events come; "
        f"/api/status shows how far it is, and ./darkroom dataset lint {target} what it thinks of them."
    )
    if read_live_file(storage.training, layout.live_file(target.dataset)) is None:
        say(
            "If the app is down now, it finds them when it starts, or within an hour by `reconcile` "
            "(`./darkroom up` prints the line that runs it at once)."
        )
