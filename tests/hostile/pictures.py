"""Makes hostile pictures, and unusual but good ones: byte by byte, the same bytes each time."""

import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.engine_support import draw_part, encode

type Make = Callable[[], bytes]
type Row = tuple[str, Make, tuple[int, str | None, str | None]]  # name, bytes, (status, code, inner code)

SIDE = 64
LARGE_WEBP = "524946461a000000574542505650384c0d0000002f7ffe1419071011118888fe0700"
PNG = b"\x89PNG\r\n\x1a\n"


def picture(file_format: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    """A small good picture of some format and mode."""
    image = Image.radial_gradient("L").resize((SIDE, SIDE)).convert(mode)
    return encode(image, file_format, **options)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, rows: bytes | None = None) -> bytes:
    """A PNG whose header says what it likes; by default its rows are those of a SIDE x SIDE picture in black."""
    data = zlib.compress(bytes((3 * SIDE + 1) * SIDE) if rows is None else rows, 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return PNG + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND")


def flood_png() -> bytes:
    """A PNG of 50,000 x 50,000 pixels in a few kilobytes."""
    return png(50_000, 50_000, rows=bytes(1_000_000))


def many_chunks() -> bytes:
    """A PNG with more chunks than there are pixels."""
    return png(SIDE, SIDE, chunk(b"teSt") * 20_001)


def text_bomb() -> bytes:
    """A PNG whose text unpacks to a thousand times its size."""
    return png(SIDE, SIDE, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5_000_000), 9))])


def profile_bomb() -> bytes:
    """A PNG whose colour profile does."""
    return png(SIDE, SIDE, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(5_000_000), 9)))


def profile_exif(tags: int = 2_000) -> bytes:
    """A PNG whose text is an EXIF block, in hexadecimal, of tags that all point at the same bytes."""
    block = overlapping_tags(tags)
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    return png(SIDE, SIDE, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text, 9)))


def overlapping_tags(count: int) -> bytes:
    """A TIFF directory of which each tag claims the whole block."""
    tags = b"".join(struct.pack("<HHII", 1_000 + n, 1, 12 * count, 8) for n in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + tags + bytes(4)


def with_segments(*segments: tuple[int, bytes], content: bytes | None = None) -> bytes:
    """A JPEG with more segments before its own."""
    parts = [struct.pack(">BBH", 0xFF, code, len(data) + 2) + data for code, data in segments]
    content = content or picture()
    return content[:2] + b"".join(parts) + content[2:]


def many_scans(width: int = SIDE, count: int = 2_000) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    content = encode(Image.new("L", (width, width)), "JPEG", progressive=True)
    end = content.rfind(b"\xff\xd9")
    last = content[content.rfind(b"\xff\xda") : end]
    return content[:end] + last * count + content[end:]


def turned(orientation: int) -> bytes:
    """A JPEG with an EXIF orientation, a known one or not."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(Image.new("RGB", (SIDE, SIDE + 8)), "JPEG", exif=exif)


def bitmap(width: int, height: int, *, compression: int = 0, bits: int = 24, rows: bytes = b"") -> bytes:
    """A BMP whose header says what it likes."""
    palette = bytes(1_024) if bits == 8 else b""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + palette + rows


def icon(inner: bytes, *, count: int = 1, offset: int | None = None) -> bytes:
    """An ICO that holds something, and says it is 64 x 64."""
    start = 6 + 16 * count if offset is None else offset
    entry = struct.pack("<BBBBHHII", SIDE, SIDE, 0, 0, 1, 32, len(inner), start)
    return struct.pack("<HHH", 0, 1, count) + entry * count + inner


def tiff(*tags: tuple[int, int, int, int], rows: bytes = bytes(3_600), following: int = 0, start: int = 0) -> bytes:
    """A grey TIFF; `tags` (tag, type, count, value) replace those of a 60 x 60 picture."""
    known = {tag: (tag, 4, 1, value) for tag, value in ((256, 60), (257, 60), (258, 8), (259, 1), (262, 1), (277, 1))}
    known |= {tag: (tag, 4, 1, value) for tag, value in ((273, 8), (278, 60), (279, 3_600))}
    known |= {tag[0]: tag for tag in tags}
    directory = struct.pack("<H", len(known)) + b"".join(struct.pack("<HHII", *known[tag]) for tag in sorted(known))
    place = 8 + len(rows)
    return b"II*\0" + struct.pack("<I", start or place) + rows + directory + struct.pack("<I", following or 0)


def animation(blocks: bytes = b"", frames: bytes = b"") -> bytes:
    """A GIF with something before, and something behind, its first frame."""
    content = picture("GIF", "P")
    first = content.index(b"\x2c\0\0\0\0")
    return content[:first] + blocks + content[first:-1] + frames + b";"


def cut(content: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return content[: int(len(content) * share)]


def flipped(content: bytes, seed: int) -> bytes:
    """A file with a few bits turned, the signature left alone."""
    rng = random.Random(seed)
    changed = bytearray(content)
    for _ in range(12):
        changed[rng.randrange(16, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def part() -> bytes:
    """A picture of a part, as the model knows them."""
    return draw_part("bolt", 1)


FORMAT = (400, "InvalidRequest", "InvalidImageFormat")
SIZE = (400, "InvalidRequest", "InvalidImageSize")
FINE = (200, None, None)
EITHER = (0, None, None)  # a picture, or refused for its format: bits were turned at random

TRUNCATED: list[Row] = [
    (f"{kind}, {share:.0%} of it", lambda kind=kind, share=share: cut(picture(kind), share), FORMAT)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "MPO")
    for share in (0.05, 0.6)
]
TURNED_BITS: list[Row] = [
    (f"{kind}, bits turned ({seed})", lambda kind=kind, seed=seed: flipped(picture(kind), seed), EITHER)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO")
    for seed in (1, 2)
]
FLOODS: list[Row] = [
    ("PNG of 50,000 x 50,000", flood_png, SIZE),
    ("PNG of 2^31-1 x 1", lambda: png(2**31 - 1, 1), SIZE),
    ("PNG of 0 x 0", lambda: png(0, 0), FORMAT),
    ("PNG of 16,000 x 16,000", lambda: png(16_000, 16_000, depth=1, colour=0, rows=b""), SIZE),
    ("PNG with 20,001 chunks", many_chunks, FORMAT),
    ("PNG with a text bomb", text_bomb, FORMAT),
    ("PNG with a profile bomb", profile_bomb, FORMAT),
    ("PNG with EXIF in its text", profile_exif, FINE),
    ("PNG without rows", lambda: png(SIDE, SIDE, rows=b""), FORMAT),
    ("PNG whose rows are a bomb", lambda: png(SIDE, SIDE, rows=bytes(5_000_000)), FINE),
    ("PNG whose chunk is longer than the file", lambda: PNG + b"\xff\xff\xff\xffIHDR", FORMAT),
    ("PNG of depth 3", lambda: png(SIDE, SIDE, depth=3), FORMAT),
    ("WebP of 16,000 x 9,300 in 34 bytes", lambda: bytes.fromhex(LARGE_WEBP), SIZE),
    ("JPEG of 2,000 scans", many_scans, FORMAT),
    ("JPEG of 2,001 segments", lambda: with_segments(*[(0xFE, b"")] * 2_001), FORMAT),
    ("JPEG with a megabyte of filling", lambda: b"\xff\xd8" + b"\xff" * 1_000_000 + picture()[2:], FORMAT),
    ("JPEG with EXIF that overlaps", lambda: with_segments((0xE1, b"Exif\0\0" + overlapping_tags(5_000))), FINE),
    (
        "JPEG with an index of pictures that overlaps",
        lambda: with_segments((0xE2, b"MPF\0" + overlapping_tags(5_000))),
        FINE,
    ),
    (
        "JPEG of 65,500 x 65,500",
        lambda: picture().replace(struct.pack(">HH", SIDE, SIDE), b"\xff\xdc\xff\xdc", 1),
        SIZE,
    ),
    ("GIF of 65,535 x 65,535", lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + picture("GIF", "P")[13:], SIZE),
    ("GIF with 20,001 comments", lambda: animation(b"!\xfe\x01a\0" * 20_001), FORMAT),
    ("GIF with a megabyte of junk", lambda: animation(bytes(1_000_000)), FORMAT),
    ("GIF of 5,000 frames", lambda: animation(frames=b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0" * 5_000), FINE),
    (
        "GIF whose frame is larger than it",
        lambda: picture("GIF", "P").replace(b"\x2c\0\0\0\0\x40\0\x40\0", b"\x2c\0\0\0\0\xff\xff\xff\xff"),
        SIZE,
    ),
    ("BMP of 2^31-1 x 2^31-1", lambda: bitmap(2**31 - 1, 2**31 - 1), SIZE),
    ("BMP of -64 x 64", lambda: bitmap(-SIDE, SIDE, rows=bytes(3 * SIDE * SIDE)), SIZE),
    ("BMP of 64 x -64, which is upside down", lambda: bitmap(SIDE, -SIDE, rows=bytes(3 * SIDE * SIDE)), FINE),
    ("BMP of 64 x -2^31", lambda: bitmap(SIDE, -(2**31)), SIZE),
    (
        "BMP of 16,000 x 9,300 in run lengths",
        lambda: bitmap(16_000, 9_300, compression=1, bits=8, rows=b"\1\0\0\0" * 9_300),
        SIZE,
    ),
    (
        "BMP of run lengths that add nothing",
        lambda: bitmap(SIDE, SIDE, compression=1, bits=8, rows=b"\0\2\0\0" * 1_100_000),
        SIZE,
    ),
    ("TIFF of 2,000,000 strips", lambda: tiff((273, 4, 2_000_000, 8), (279, 4, 2_000_000, 8)), FORMAT),
    ("TIFF of 65,000 tags", lambda: b"II*\0\x08\0\0\0" + struct.pack("<H", 65_000) + bytes(12 * 65_000), FORMAT),
    (
        "TIFF of one tile of 26,000 x 26,000",
        lambda: tiff((322, 4, 1, 26_000), (323, 4, 1, 26_000), (324, 4, 1, 8), (325, 4, 1, 9)),
        SIZE,
    ),
    ("TIFF of 2^32-1 x 2^32-1", lambda: tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1)), SIZE),
    ("TIFF whose directory is itself", lambda: tiff(following=3_608), FINE),
    ("TIFF whose directory lies behind its end", lambda: tiff(start=1_000_000), FORMAT),
    ("TIFF whose strips lie behind its end", lambda: tiff((273, 4, 1, 2**32 - 1)), FORMAT),
    ("BigTIFF with 2^63 tags", lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + bytes(64), FORMAT),
    ("ICO with a PNG of 30,000 x 30,000", lambda: icon(png(30_000, 30_000)), SIZE),
    ("ICO with a bitmap of 30,000 x 30,000", lambda: icon(bitmap(30_000, 60_000, bits=1)[14:]), SIZE),
    ("ICO in an ICO", lambda: icon(icon(picture("PNG"))), SIZE),
    ("ICO of 65,535 icons", lambda: icon(picture("PNG"), count=65_535), FORMAT),
    ("ICO whose icon lies behind its end", lambda: icon(picture("PNG"), offset=10_000_000), FORMAT),
    ("ICO of no icon", lambda: icon(b"", count=0), FORMAT),
]
STRANGERS: list[Row] = [
    (name, lambda content=content: content, FORMAT)
    for name, content in {
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "PDF": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\n",
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "EXE": b"MZ\x90\0" + bytes(200),
        "ELF": b"\x7fELF" + bytes(200),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) (r) file\n",
        "PostScript behind a DOS header": b"\xc5\xd0\xd3\xc6"
        + struct.pack("<II", 32, 40)
        + bytes(20)
        + b"%!PS-Adobe-3.0\n",
        "PSD": b"8BPS\0\1" + bytes(200),
        "AVIF": b"\0\0\0\x1cftypavif" + bytes(200),
        "HEIC": b"\0\0\0\x1cftypheic" + bytes(200),
        "JPEG XL": b"\xff\x0a" + bytes(200),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200),
        "ZIP": b"PK\3\4" + bytes(200),
        "gzip": zlib.compress(bytes(1_000), wbits=31),
        "XBM": b"#define a_width 64\n#define a_height 64\nstatic char a_bits[] = {0};\n",
        "PPM": b"P6 64 64 255\n" + bytes(3 * 64 * 64),
        "DDS": b"DDS " + bytes(200),
        "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(100),
        "FITS": b"SIMPLE  =                    T" + bytes(200),
        "only a JPEG's signature": b"\xff\xd8\xff",
        "only a PNG's signature": PNG,
        "zeros": bytes(5_000),
        "one byte": b"\xff",
    }.items()
]
GOOD: list[Row] = [
    ("JPEG in CMYK", lambda: picture("JPEG", "CMYK"), FINE),
    ("JPEG in grey", lambda: picture("JPEG", "L"), FINE),
    ("TIFF in CMYK", lambda: picture("TIFF", "CMYK"), FINE),
    ("TIFF in YCbCr", lambda: picture("TIFF", "YCbCr"), FINE),
    ("TIFF in Lab", lambda: picture("TIFF", "LAB"), FINE),
    ("TIFF in 32-bit floats", lambda: picture("TIFF", "F"), FINE),
    ("PNG in 16-bit grey", lambda: encode(Image.new("I;16", (SIDE, SIDE), 40_000), "PNG"), FINE),
    ("PNG with palette", lambda: picture("PNG", "P"), FINE),
    ("PNG with alpha", lambda: picture("PNG", "RGBA"), FINE),
    ("PNG in one bit", lambda: picture("PNG", "1"), FINE),
    ("PNG with bytes behind its end", lambda: picture("PNG") + bytes(1_000), FINE),
    (
        "GIF, animated",
        lambda: picture("GIF", "P", save_all=True, append_images=[Image.new("P", (SIDE, SIDE), 3)]),
        FINE,
    ),
    (
        "WebP, animated",
        lambda: picture("WEBP", "RGB", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "red")]),
        FINE,
    ),
    (
        "MPO of two",
        lambda: picture("MPO", "RGB", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "red")]),
        FINE,
    ),
    (
        "TIFF of two pages",
        lambda: picture("TIFF", "RGB", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "red")]),
        FINE,
    ),
    ("JPEG with broken EXIF", lambda: with_segments((0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")), FINE),
    ("JPEG with EXIF of no directory", lambda: with_segments((0xE1, b"Exif\0\0")), FINE),
    *[(f"JPEG with orientation {turn}", lambda turn=turn: turned(turn), FINE) for turn in (*range(10), 255, 65_535)],
]
ALL = TRUNCATED + TURNED_BITS + FLOODS + STRANGERS + GOOD
