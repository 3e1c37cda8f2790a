"""A blob trigger's path pattern, matched as the host matches it: each `{name}` takes as much as it can, slashes too.

Azure's host turns `training/{dataset}/images/{name}` into `^training/(?<dataset>.*)/images/(?<name>.*)$`, so for
`training/a/images/images/x.png` the data set is `a/images`. Doubled braces are literal ones.
"""

import re
from dataclasses import dataclass
from typing import Final

from devhost.errors import AppError

_TOKEN: Final = re.compile(r"(\{\{|\}\}|\{([A-Za-z_]\w*)\})")


@dataclass(frozen=True, slots=True)
class BlobPath:
    """A compiled pattern; make one with `parse_blob_path`.

    Attributes:
        container: The container, without parameters.
        prefix: What each matching blob's name starts with.
    """

    template: str
    container: str
    prefix: str
    pattern: re.Pattern[str]

    def match(self, path: str) -> dict[str, str] | None:
        """Returns what the parameters captured in `container/blob`, None when the pattern does not match."""
        found = self.pattern.match(path) if path.partition("/")[2] else None
        return found.groupdict() if found else None


def parse_blob_path(template: str) -> BlobPath:
    """Returns the compiled pattern; a lone container name means every blob in it.

    Raises:
        AppError: The pattern is malformed, or its container is a parameter.
    """
    container, _, blob = template.strip("/").partition("/")
    if not re.fullmatch(r"[a-z0-9$-]+", container):
        raise AppError(
            f"blob path {template!r} must start with the plain name of a container, such as training/{{name}}"
        )
    expression, end, prefix = "", 0, None
    for found in _TOKEN.finditer(blob):
        expression += _literal(blob[end : found.start()], template)
        end = found.end()
        if found[2] and prefix is None:
            prefix = blob[: found.start()]
        expression += f"(?P<{found[2]}>.*)" if found[2] else re.escape(found[1][0])
    expression += _literal(blob[end:], template) if blob else ".*"
    prefix = (blob if prefix is None else prefix).replace("{{", "{").replace("}}", "}")
    try:
        pattern = re.compile(f"^{re.escape(container)}/{expression}$")
    except re.error as error:
        raise AppError(f"blob path {template!r} is malformed: {error}") from error
    return BlobPath(template, container, prefix, pattern)


def _literal(text: str, template: str) -> str:
    if "{" in text or "}" in text:
        raise AppError(f"blob path {template!r} is malformed near {text!r}: write parameters as {{name}}")
    return re.escape(text)
