"""What every suite ends with: one JSON object on one line, an exit code, and the file that keeps a case's figures."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

SERVING_PACKAGES: Final = ("numpy", "onnxruntime", "pillow", "starlette", "uvicorn")
_ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value.

    Attributes:
        name: snake_case, as the issue that asked for it gives it.
        value: What was measured.
        unit: Its unit.
        bound: The bound in words, such as ``< 1.0``; empty when the figure is only printed.
        ok: Whether the bound holds.
    """

    name: str
    value: float
    unit: str
    bound: str = ""
    ok: bool = True


def print_figures(suite: str, figures: Iterable[Figure], *, as_json: bool) -> int:
    """Print a suite's figures; return 1 when a bound is missed, else 0."""
    listed = list(figures)
    if as_json:
        shown = {f.name: {"value": f.value, "unit": f.unit, "bound": f.bound, "ok": f.ok} for f in listed}
        sys.stdout.write(json.dumps({"suite": suite, "figures": shown}) + "\n")
    else:
        for figure in listed:
            bound = f"  (bound {figure.bound}: {'ok' if figure.ok else 'MISSED'})" if figure.bound else ""
            sys.stdout.write(f"{figure.name:32} {figure.value:10.4g} {figure.unit}{bound}\n")
    return 0 if all(figure.ok for figure in listed) else 1


def revision() -> str:
    """Return the commit that is checked out, marked ``-dirty`` when files differ from it. Ask before measuring."""
    git = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    done = subprocess.run(git, cwd=_ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - fixed command
    return done.stdout.strip()


def by_name(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """Return figures as a result file has them."""
    return {figure.name: {k: v for k, v in asdict(figure).items() if k != "name"} for figure in figures}


def keep_result(
    path: Path,
    figures: Mapping[str, Any],
    *,
    at: str,
    seed: int,
    config: Mapping[str, Any],
    packages: Iterable[str],
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write the result of one case, with what is needed to measure it again.

    Args:
        path: Of the file; its folder is made.
        figures: By name.
        at: The `revision` that was measured.
        seed: Of all chance in it.
        config: What was chosen.
        packages: Those whose versions matter.
        details: What else was seen.
    """
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    result = {"schema": 1, "config": config, "seed": seed, "revision": at, "versions": versions, "figures": figures}
    if details is not None:
        result["details"] = details
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
