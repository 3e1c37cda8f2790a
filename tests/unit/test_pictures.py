import hashlib
import io
import struct

import pytest
from PIL import Image

from shared.pictures import inspect
from tests.pictures import draw, turned


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_a_whole_picture_of_any_known_format_is_measured(file_format: str) -> None:
    data = draw(1, file_format=file_format)
    facts = inspect(data, etag="0x1")
    assert (facts.problem, facts.width, facts.height, facts.etag) == (None, 64, 56, "0x1")
    assert facts.sha256 == hashlib.sha256(data).hexdigest()


def test_a_picture_on_its_side_is_measured_after_the_turn() -> None:
    facts = inspect(turned(1), etag="0x1")
    assert (facts.width, facts.height) == (56, 64)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_truncated_picture_is_recorded_as_such(file_format: str, share: float) -> None:
    data = draw(1, size=(400, 300), file_format=file_format)
    facts = inspect(data[: int(len(data) * share)], etag="0x1")
    assert facts.problem is not None
    assert facts.width == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"I am text named .jpg", "not a picture"),
        (draw(1, size=(1, 1)), "1 x 1 px; training takes 10 to 10,240"),
        (draw(1, size=(20_000, 12), file_format="PNG"), "20,000 x 12 px"),
        (draw(1, size=(9, 40)), "9 x 40 px"),
    ],
)
def test_what_cannot_be_used_is_told_why(data: bytes, says: str) -> None:
    problem = inspect(data, etag="0x1").problem
    assert problem is not None
    assert says in problem


def test_a_decompression_bomb_is_refused_without_being_decoded() -> None:
    header = draw(1, file_format="PNG")
    bomb = header[:16] + (60_000).to_bytes(4) + (60_000).to_bytes(4) + header[24:]  # the PNG's own width and height
    problem = inspect(bomb, etag="0x1").problem
    assert problem is not None


def test_a_picture_whose_damage_the_decoder_did_not_expect_is_recorded_as_damaged() -> None:
    buffer = io.BytesIO()
    Image.new("L", (40, 30)).save(buffer, "TIFF")
    offset_is_a_number = struct.pack("<HHI", 273, 4, 1)  # tag StripOffsets, a LONG, one of them
    offset_is_a_text = struct.pack("<HHI", 273, 2, 1)
    assert offset_is_a_number in buffer.getvalue()
    data = buffer.getvalue().replace(offset_is_a_number, offset_is_a_text)
    problem = inspect(data, etag="0x1").problem
    assert problem is not None
    assert "damaged" in problem
