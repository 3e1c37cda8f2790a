"""Finds picture files that would cost far more than their bytes, before a decoder does.

Pillow bounds what metadata and text may unpack to. What it does not bound is counted here: segments, chunks and icons
that are walked one by one, scans that each go over the whole picture, run lengths that are expanded in Python, and
buffers whose size the file chooses. The figures are far above what cameras and programs write.
"""

import struct

from PIL import Image, TiffImagePlugin

from engine.errors import PictureFormatError, PictureSizeError

MAX_SEGMENTS = 2_000  # of a JPEG, before its first scan; an ICC profile and XMP may take 255 each
MAX_SCAN_PIXELS = 1_600_000_000  # scans x pixels of a JPEG; a progressive one has about 10 scans
MAX_CHUNKS = 20_000  # of a PNG
MAX_ICONS = 64
MAX_ICON_SIDE = 1_024  # pixels; the format's own directory knows 256
MAX_RUN_LENGTHS = 4_194_304  # bytes, and pixels, of a BMP with run lengths
MAX_BLOCKS = 20_000  # of a GIF, before its first frame; further frames are not read
MAX_TAGS = 4_096  # of a TIFF
MAX_STRIPS = 65_536  # of a TIFF, or tiles
MAX_TILE = 4_096 * 4_096  # pixels of one TIFF tile
_SCAN_COST = 1_000_000  # pixels that one scan of a small picture costs as much as
_START_OF_SCAN = 0xDA
_STRIP_TAGS = (273, 279, 324, 325)  # offsets and lengths of strips and tiles
_PNG = b"\x89PNG\r\n\x1a\n"


def check_before_opening(content: bytes) -> None:
    """Looks at what Pillow would walk through while it opens a file.

    Raises:
        PictureFormatError: It has far more parts than a picture needs.
        PictureSizeError: A picture inside it is too large.
    """
    if content.startswith(b"\xff\xd8"):
        _check_segments(content)
    elif content.startswith(_PNG):
        _check_chunks(content, 0)
    elif content.startswith(b"BM"):
        _check_bitmap(content, 14)
    elif content.startswith(b"\0\0\1\0"):
        _check_icons(content)
    elif content.startswith(b"GIF8"):
        _check_blocks(content)
    elif content.startswith((b"II", b"MM")):
        _check_tags(content, "<" if content.startswith(b"II") else ">")


def check_before_decoding(image: Image.Image, content: bytes) -> None:
    """Looks at what Pillow would do to decode a file that it has opened.

    Raises:
        PictureFormatError: It has far more scans than a picture needs.
        PictureSizeError: Its tiles are too large.
    """
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        # Entropy-coded data never has this marker; a thumbnail in the metadata may, and is counted as one scan more.
        scans = content.count(bytes((0xFF, _START_OF_SCAN)))
        if scans * max(width * height, _SCAN_COST) > MAX_SCAN_PIXELS:
            raise PictureFormatError(
                f"The JPEG goes over its {width} x {height} pixels in {scans} scans. Save it again with fewer."
            )
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tile = [image.tag_v2.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)]
        if not all(isinstance(side, int) for side in tile) or tile[0] * tile[1] > MAX_TILE:
            raise PictureSizeError(
                f"The TIFF has tiles of {tile[0]} x {tile[1]} pixels; at most {MAX_TILE} are allowed."
            )


def _check_segments(content: bytes) -> None:
    position = 2
    for _ in range(MAX_SEGMENTS):
        if len(content) < position + 4 or content[position] != 0xFF:
            return  # Pillow says what is wrong with it
        code = content[position + 1]
        if code == _START_OF_SCAN:
            return
        if code == 0xFF:  # a byte that fills
            position += 1
        elif code == 0x01 or 0xD0 <= code <= 0xD9:  # these have no length
            position += 2
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4])
    raise PictureFormatError(f"The JPEG has more than {MAX_SEGMENTS} segments before its picture. Save it again.")


def _check_chunks(content: bytes, start: int) -> None:
    position = start + len(_PNG)
    for _ in range(MAX_CHUNKS):
        if len(content) < position + 8 or content[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + int.from_bytes(content[position : position + 4])
    raise PictureFormatError(f"The PNG has more than {MAX_CHUNKS} chunks. Save it again.")


def _check_bitmap(content: bytes, start: int) -> tuple[int, int]:
    """Returns (width, height) of the bitmap header at `start`; zeros when there is none."""
    header = content[start : start + 20]
    if len(header) < 20:
        return 0, 0
    if header[0] == 12:  # the header of OS/2, which has no run lengths
        width, height = struct.unpack_from("<HH", header, 4)
        return width, height
    width, height, _, _, compression = struct.unpack_from("<iiHHI", header, 4)
    if compression in (1, 2) and max(abs(width * height), len(content)) > MAX_RUN_LENGTHS:
        raise PictureSizeError(
            f"The BMP has run lengths and more than {MAX_RUN_LENGTHS} pixels or bytes. Save it as PNG, or without them."
        )
    return abs(width), abs(height)


def _check_blocks(content: bytes) -> None:
    position = 13 + (6 << (content[10] & 7) if len(content) > 10 and content[10] & 0x80 else 0)
    left = MAX_BLOCKS
    while left and position < len(content) and content[position : position + 1] not in (b",", b";"):
        left -= 1
        if content[position : position + 1] != b"!":  # Pillow goes over what it does not know
            position += 1
            continue
        position += 2
        while left and position < len(content):
            size = content[position]
            position += 1 + size
            left -= 1
            if size == 0:
                break
    if not left:
        raise PictureFormatError(f"The GIF has more than {MAX_BLOCKS} blocks before its first frame. Save it again.")


def _check_tags(content: bytes, order: str) -> None:
    try:
        big = struct.unpack_from(f"{order}H", content, 2)[0] == 43  # BigTIFF
        start = struct.unpack_from(f"{order}Q" if big else f"{order}L", content, 8 if big else 4)[0]
        count = struct.unpack_from(f"{order}Q" if big else f"{order}H", content, start)[0]
        if count > MAX_TAGS:
            raise PictureFormatError(f"The TIFF has {count} tags; at most {MAX_TAGS} are read.")
        first, size = (start + 8, 20) if big else (start + 2, 12)
        for number in range(count):
            tag, _, values = struct.unpack_from(f"{order}HHQ" if big else f"{order}HHL", content, first + size * number)
            if tag in _STRIP_TAGS and values > MAX_STRIPS:
                raise PictureFormatError(f"The TIFF has {values} strips or tiles; at most {MAX_STRIPS} are read.")
    except (struct.error, OverflowError):
        return  # it ends in the middle; Pillow says so


def _check_icons(content: bytes) -> None:
    count = int.from_bytes(content[4:6], "little")
    if count > MAX_ICONS:
        raise PictureFormatError(f"The ICO file has {count} icons; at most {MAX_ICONS} are read.")
    for number in range(count):
        entry = content[6 + 16 * number : 22 + 16 * number]
        start = int.from_bytes(entry[12:16], "little")
        if content.startswith(_PNG, start):
            _check_chunks(content, start)
            width, height = (int.from_bytes(content[start + at : start + at + 4]) for at in (16, 20))
        else:
            width, doubled = _check_bitmap(content, start)  # pixels, and as many rows of a mask below
            height = doubled // 2
        if max(width, height) > MAX_ICON_SIDE:
            raise PictureSizeError(
                f"The ICO file has an icon of {width} x {height} pixels; {MAX_ICON_SIDE} a side are allowed."
            )
