import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import PictureError, PictureFormatError, PictureSizeError
from engine.images import MAX_BYTES, PREDICTION, TRAINING, WORKING_SIDE, decode_picture
from tests.engine_support import encode

RED = (255, 0, 0)


def test_a_picture_becomes_upright_rgb_with_its_submitted_size() -> None:
    image = Image.new("RGB", (80, 60), RED)
    image.paste((0, 0, 255), (0, 0, 20, 60))  # a blue bar on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the left becomes the top
    picture = decode_picture(encode(image, "JPEG", exif=exif, quality=95), PREDICTION)
    assert (picture.width, picture.height) == (60, 80)
    assert picture.pixels.shape == (80, 60, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels[5, 30, 2] > 200 > 50 > picture.pixels[5, 30, 0]


def test_alpha_lies_over_white() -> None:
    layer = Image.new("RGBA", (60, 60), (*RED, 0))
    layer.paste((*RED, 255), (0, 0, 30, 60))
    for content in (encode(layer, "PNG"), encode(layer.convert("P"), "PNG"), encode(layer, "WEBP", lossless=True)):
        pixels = decode_picture(content, PREDICTION).pixels
        assert pixels[30, 10].tolist() == [255, 0, 0]
        assert pixels[30, 50].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_of_pixels_becomes_rgb(mode: str) -> None:
    content = encode(Image.new("L", (60, 50), 128).convert(mode), "TIFF")
    assert decode_picture(content, PREDICTION).pixels.shape == (50, 60, 3)


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    ramp = np.tile(np.linspace(0, 65_535, 64, dtype=np.uint16), (60, 1))
    pixels = decode_picture(encode(Image.fromarray(ramp), "PNG"), PREDICTION).pixels
    assert pixels[0, :, 0].tolist() == (ramp[0] // 256).tolist()


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in (RED, (0, 255, 0))]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_picture(content, PREDICTION).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_large_picture_is_reduced_but_keeps_its_submitted_size(file_format: str) -> None:
    picture = decode_picture(encode(Image.new("RGB", (6_000, 2_000), RED), file_format), PREDICTION)
    assert (picture.width, picture.height) == (6_000, 2_000)
    assert max(picture.pixels.shape) == WORKING_SIDE
    assert picture.pixels.shape[1] == pytest.approx(3 * picture.pixels.shape[0], abs=3)


@pytest.mark.parametrize("size", [(50, 50), (50, 16_000), (16_000, 50)])
def test_sizes_at_the_limits_of_prediction_are_read(size: tuple[int, int]) -> None:
    picture = decode_picture(encode(Image.new("L", size), "PNG"), PREDICTION)
    assert (picture.width, picture.height) == size


@pytest.mark.parametrize("size", [(1, 1), (49, 60), (60, 16_001), (20_000, 20_000), (16_000, 16_000)])
def test_sizes_beyond_the_limits_of_prediction_are_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(PictureSizeError, match=f"{size[0]} x {size[1]}"):
        decode_picture(encode(Image.new("1", size), "PNG"), PREDICTION)


def test_training_takes_smaller_pictures_than_prediction() -> None:
    content = encode(Image.new("L", (10, 10)), "PNG")
    assert decode_picture(content, TRAINING).width == 10
    with pytest.raises(PictureSizeError):
        decode_picture(content, PREDICTION)
    with pytest.raises(PictureSizeError):
        decode_picture(encode(Image.new("1", (10_241, 50)), "PNG"), TRAINING)


@pytest.mark.parametrize("content", [b"", b"\0" * (MAX_BYTES + 1)], ids=["empty", "too many bytes"])
def test_bytes_beyond_the_limits_are_refused(content: bytes) -> None:
    with pytest.raises(PictureSizeError, match="bytes"):
        decode_picture(content, PREDICTION)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_a_truncated_picture_is_refused(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), file_format)
    with pytest.raises(PictureFormatError):
        decode_picture(content[: len(content) // 2], PREDICTION)


@pytest.mark.parametrize(
    "content",
    [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n"],
    ids=["text", "svg", "postscript"],
)
def test_what_is_no_picture_we_read_is_refused(content: bytes) -> None:
    with pytest.raises(PictureFormatError, match="Use a whole JPEG"):
        decode_picture(content, PREDICTION)


small = {f: encode(Image.new("RGB", (60, 60), RED), f) for f in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "ICO")}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # corrupt EXIF is told by a warning, and left out
@settings(deadline=None)
@given(st.sampled_from(sorted(small)), st.data())
def test_whatever_bytes_are_changed_gives_a_picture_or_a_refusal(file_format: str, data: st.DataObject) -> None:
    content = bytearray(small[file_format])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode_picture(bytes(content), PREDICTION)
    except PictureError:
        return
    assert picture.pixels.shape[2] == 3
