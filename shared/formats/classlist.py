"""Lists of class names, which YOLO keeps apart from its labels: ``classes.txt``, ``obj.names`` and ``data.yaml``."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import yaml

from shared.formats import MOST_LABELS, Finding, Parsed, label_problem, quoted
from shared.formats.findings import Findings
from shared.formats.lines import not_utf8
from shared.layout import normalise_label

_MOST_FINDINGS: Final = 100
_DEEPEST: Final = 16
_MOST_EVENTS: Final = 100_000
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MANY: Final = f"more than {MOST_LABELS:,} names; the others were left out. Remove those that no label needs."


class _Names:
    """Names by class number, and the line of each; 0 where there is none."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lines = array("L")

    def put(self, number: int, text: str, line: int) -> None:
        """Note a class's name, ``""`` when it has a place but no name."""
        while len(self.texts) <= number:
            self.texts.append("")
            self.lines.append(0)
        self.texts[number] = normalise_label(text)
        self.lines[number] = line


class _RefusedError(Exception):
    """The YAML is no list of classes; the message says why."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.finding = Finding(line=line, reason=reason)


def parse_class_list(data: bytes, file_name: str) -> Parsed:
    """Read names in the order of their class numbers.

    Args:
        data: The file: a name on each line, or YAML whose ``names`` is a list or a map from numbers.
        file_name: Its name, whose ending tells which.

    Returns:
        The names as `labels`, with ``""`` for a number whose name is missing or unusable, so that others keep theirs.
    """
    if bad := not_utf8(data):
        return Parsed(findings=(bad,))
    findings = Findings(_MOST_FINDINGS)
    if not file_name.lower().endswith((".yaml", ".yml")):
        return Parsed(labels=_checked(_of_text(data, findings), findings), findings=findings.all())
    try:
        names = _of_yaml(_events(data), findings)
    except _RefusedError as error:
        return Parsed(findings=(error.finding,))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable characters"
        reason = f"not well-formed YAML ({problem}). Mend the line."
        return Parsed(findings=(Finding(line=mark.line + 1 if mark else 0, reason=reason),))
    return Parsed(labels=_checked(names, findings), findings=findings.all())


def write_class_list(names: Sequence[str]) -> bytes:
    """Write ``classes.txt``: a name on each line."""
    return "".join(f"{name}\n" for name in names).encode()


def write_data_yaml(names: Sequence[str]) -> bytes:
    """Write the part of ``data.yaml`` that names the classes."""
    rows = [f"  {number}: {msgspec.json.encode(name).decode()}" for number, name in enumerate(names)]
    head = "names:" if rows else "names: {}"
    return "\n".join([f"nc: {len(names)}", head, *rows, ""]).encode()


def _checked(names: _Names, findings: Findings) -> tuple[str, ...]:
    """Return the names in order, with ``""`` in the place of what cannot be used."""
    texts = names.texts
    holes = [number for number, text in enumerate(texts) if not text]
    seen: set[str] = set()
    for number, text in enumerate(texts):
        where, line = f"class {number}", names.lines[number]
        if text and (problem := label_problem(text)):
            findings.add(f"{problem}.", where=where, line=line)
            texts[number] = ""
        elif text in seen:
            reason = f"{quoted(text)} is an earlier class too; both become one label. Rename one if they differ."
            findings.add(reason, where=where, line=line)
        elif text:
            seen.add(text)
    if holes:
        listed = ", ".join(map(str, holes[:5])) + (", …" if len(holes) > 5 else "")
        findings.add(f"no name for class {listed}: boxes of it cannot be used. Add the name in its place.")
    return tuple(texts)


def _of_text(data: bytes, findings: Findings) -> _Names:
    names = _Names()
    start, line = 3 if data.startswith(b"\xef\xbb\xbf") else 0, 0
    end_of_text = len(data.rstrip())
    while start < end_of_text:
        if line >= MOST_LABELS:
            findings.add(_MANY, line=line + 1)
            break
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        names.put(line, data[start : min(end, start + 4096)].decode(errors="replace"), line + 1)
        start, line = end + 1, line + 1
    return names


def _events(data: bytes) -> Iterator[yaml.Event]:
    """Walk a YAML file's events lazily, with nothing that refers to something else and nothing deep."""
    depth = 0
    for number, event in enumerate(yaml.parse(data, Loader=_LOADER)):
        line = _line(event)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise _RefusedError("anchors (&) and aliases (*) are not read. Write the names out.", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST or number > _MOST_EVENTS:
            raise _RefusedError("too deep or too long for a list of classes. Keep `names` and `nc` only.", line)
        yield event


def _of_yaml(events: Iterator[yaml.Event], findings: Findings) -> _Names:
    """Read ``names`` and check ``nc``; all else is passed by."""
    root = next((event for event in events if isinstance(event, yaml.NodeEvent)), None)
    if not isinstance(root, yaml.MappingStartEvent):
        raise _RefusedError("no `names` in it. Write `names:` and a list of names.", 1)
    names: _Names | None = None
    count, count_line = "", 0
    for key in events:
        if isinstance(key, yaml.CollectionEndEvent):
            break
        word = key.value if isinstance(key, yaml.ScalarEvent) else ""
        _pass_by(key, events)
        value = next(events)
        if word == "names" and isinstance(value, yaml.SequenceStartEvent):
            names = _of_sequence(events, findings)
        elif word == "names" and isinstance(value, yaml.MappingStartEvent):
            names = _of_mapping(events, findings)
        elif word == "nc" and isinstance(value, yaml.ScalarEvent):
            count, count_line = value.value[:40], _line(value)
        else:
            _pass_by(value, events)
    for _ in events:  # what follows may be malformed, and then nothing of the file is to be trusted
        pass
    if names is None:
        raise _RefusedError("`names` is missing, or neither a list nor a map. Write `names:` and a list of names.")
    named = sum(line > 0 for line in names.lines)
    if count and count != str(named):
        reason = f"nc is {quoted(count)}, but there are {named} names. Correct whichever is wrong."
        findings.add(reason, where="nc", line=count_line)
    return names


def _of_sequence(events: Iterator[yaml.Event], findings: Findings) -> _Names:
    names = _Names()
    for number, event in enumerate(events):
        if isinstance(event, yaml.CollectionEndEvent):
            break
        if number == MOST_LABELS:
            findings.add(_MANY, line=_line(event))
        if number < MOST_LABELS:
            names.put(number, _scalar(event), _line(event))
        _pass_by(event, events)
    return names


def _of_mapping(events: Iterator[yaml.Event], findings: Findings) -> _Names:
    names = _Names()
    for key in events:
        if isinstance(key, yaml.CollectionEndEvent):
            break
        line = _line(key)
        text = key.value if isinstance(key, yaml.ScalarEvent) else "a list or map"
        _pass_by(key, events)
        value = next(events)
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
        if not 0 <= number < MOST_LABELS:
            findings.add(f"{quoted(text)} is no class number: 0 to {MOST_LABELS - 1}, please.", line=line)
        elif number < len(names.lines) and names.lines[number]:
            findings.add(f"class {number} has a name already; the first holds. Number it anew.", line=line)
        else:
            names.put(number, _scalar(value), line)
        _pass_by(value, events)
    return names


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _scalar(event: yaml.Event) -> str:
    """Return a name, or ``""`` for null and for what is no single value."""
    if not isinstance(event, yaml.ScalarEvent) or (not event.style and event.value in _NULLS):
        return ""
    return event.value[:1024]


def _pass_by(event: yaml.Event, events: Iterator[yaml.Event]) -> None:
    """Consume the rest of the node that an event begins."""
    depth = int(isinstance(event, yaml.CollectionStartEvent))
    while depth:
        inner = next(events)
        depth += isinstance(inner, yaml.CollectionStartEvent) - isinstance(inner, yaml.CollectionEndEvent)
