import inspect
import re
from collections.abc import Iterator

import pytest

from engine import errors
from engine.analyze import first_file
from engine.errors import EngineError, InvalidRequestError


def names_below(parent: type[Exception]) -> Iterator[str]:
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child.__name__
            yield from names_below(child)


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == list(names_below(EngineError))


def test_every_error_of_the_engine_is_in_the_tree() -> None:
    for _, error in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(error, EngineError)


def form(*parts: tuple[str, bytes]) -> bytes:
    pieces = [f"--b\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts]
    return b"".join(pieces) + b"--b--\r\n"


def test_the_first_file_of_a_form_is_taken_byte_for_byte() -> None:
    content = bytes(range(256)) + b"\r\n--a\r\n\r\n--"
    body = form(
        ("Content-Disposition: form-data; name=a", b"x"), ('content-disposition: form-data; FileName="p"', content)
    )
    assert first_file(body, "multipart/form-data; boundary=b") == content
    assert first_file(form(("A: b", content)), 'multipart/form-data; boundary="b"') == content


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(form(("A: b", b"")), "multipart/form-data"), (b"x", "multipart/form-data; boundary=b"), (b"", "x; boundary=b")],
)
def test_a_form_without_boundary_or_part_is_refused(body: bytes, media_type: str) -> None:
    with pytest.raises(InvalidRequestError, match="multipart"):
        first_file(body, media_type)
