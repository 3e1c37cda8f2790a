"""HTTP route templates, matched as ASP.NET Core (and so Azure's host) matches them.

`products/{category:alpha}/{id:int?}`, `{*rest}`, `{size=10}`, and literals such as `imageanalysis:analyze`. Literals
compare without case; among several matches the more literal template wins.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote
from uuid import UUID

from devhost.errors import AppError

_PARAMETER: Final = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<constraints>(?::\w+(?:\([^)]*\))?)*)(?:=(?P<default>[^}]*))?(?P<optional>\?)?\}"
)
_CONSTRAINT: Final = re.compile(r":(\w+)(?:\(([^)]*)\))?")


def _parses(convert: Callable[[str], object]) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            convert(text)
        except ValueError:
            return False
        return True

    return accepts


_PLAIN: Final[Mapping[str, Callable[[str], bool]]] = {
    "int": lambda text: re.fullmatch(r"[+-]?\d{1,19}", text) is not None and -(2**31) <= int(text) < 2**31,
    "long": lambda text: re.fullmatch(r"[+-]?\d{1,19}", text) is not None and -(2**63) <= int(text) < 2**63,
    "alpha": lambda text: re.fullmatch(r"[A-Za-z]*", text) is not None,
    "bool": lambda text: text.lower() in ("true", "false"),
    "decimal": _parses(float),
    "double": _parses(float),
    "float": _parses(float),
    "guid": _parses(UUID),
    "datetime": _parses(datetime.fromisoformat),
    "required": bool,
}
_SIZED: Final[Mapping[str, Callable[[str, list[int]], bool]]] = {
    "minlength": lambda text, sizes: len(text) >= sizes[0],
    "maxlength": lambda text, sizes: len(text) <= sizes[0],
    "length": lambda text, sizes: sizes[0] <= len(text) <= sizes[-1],
    "min": lambda text, sizes: _PLAIN["long"](text) and int(text) >= sizes[0],
    "max": lambda text, sizes: _PLAIN["long"](text) and int(text) <= sizes[0],
    "range": lambda text, sizes: _PLAIN["long"](text) and sizes[0] <= int(text) <= sizes[-1],
}


@dataclass(frozen=True, slots=True)
class Route:
    """A compiled template; make one with `parse_route`."""

    template: str
    pattern: re.Pattern[str]
    checks: tuple[tuple[str, Callable[[str], bool]], ...]
    defaults: Mapping[str, str]
    rank: tuple[int, ...]

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Returns the route's values, decoded, for a percent-encoded path; None when the path is not this route's."""
        found = self.pattern.fullmatch(raw_path.strip("/"))
        if found is None:
            return None
        values = {name: unquote(text) for name, text in found.groupdict().items() if text}
        if not all(check(values[name]) for name, check in self.checks if name in values):
            return None
        return {**self.defaults, **values}


def parse_route(template: str, prefix: str = "") -> Route:
    """Returns the compiled template.

    Raises:
        AppError: The template is malformed, or has a constraint that ASP.NET does not know.
    """
    whole = f"{prefix}/{template}".strip("/")
    checks: list[tuple[str, Callable[[str], bool]]] = []
    defaults: dict[str, str] = {}
    pattern, rank = "", []
    for index, segment in enumerate(whole.split("/") if whole else []):
        expression, kind, may_be_absent = _segment(segment, whole, checks, defaults)
        slash = "/" if index else ""
        pattern += f"(?:{slash}{expression})?" if may_be_absent else slash + expression
        rank.append(kind)
    return Route(whole, re.compile(pattern, re.IGNORECASE), tuple(checks), defaults, tuple(rank))


def _segment(
    segment: str, template: str, checks: list[tuple[str, Callable[[str], bool]]], defaults: dict[str, str]
) -> tuple[str, int, bool]:
    """Returns a segment's expression, its rank (0 literal … 4 catch-all) and whether it may be absent."""
    expression, rank, absent, end = "", 0, False, 0
    for found in _PARAMETER.finditer(segment):
        expression += _literal(segment[end : found.start()], template)
        end = found.end()
        name, star = found["name"], bool(found["star"])
        constraints = _CONSTRAINT.findall(found["constraints"])
        checks.extend((name, _check(word, argument, template)) for word, argument in constraints)
        if found["default"] is not None:
            defaults[name] = found["default"]
        whole = found.span() == (0, len(segment))
        absent = whole and (star or found["optional"] is not None or found["default"] is not None)
        expression += f"(?P<{name}>{'.*' if star else '[^/]+' if whole else '[^/]+?'})"
        rank = max(rank, 4 if star else (3 if not constraints else 2) if whole else 1)
    return expression + _literal(segment[end:], template), rank, absent


def _literal(text: str, template: str) -> str:
    plain = text.replace("{{", "").replace("}}", "")
    if "{" in plain or "}" in plain:
        raise AppError(f"route {template!r} is malformed near {text!r}: write parameters as {{name}} or {{name:int}}")
    return re.escape(text.replace("{{", "{").replace("}}", "}"))


def _check(word: str, argument: str, template: str) -> Callable[[str], bool]:
    if word in _PLAIN:
        return _PLAIN[word]
    if word == "regex":
        expression = re.compile(argument.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
        return lambda text: expression.search(text) is not None
    if word in _SIZED:
        try:
            sizes = [int(size) for size in argument.split(",")]
        except ValueError:
            raise AppError(f"route {template!r} has {word}({argument}); it needs whole numbers") from None
        sized = _SIZED[word]
        return lambda text: sized(text, sizes)
    raise AppError(f"route {template!r} has the constraint {word!r}, which does not exist")
