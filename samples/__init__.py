"""Pictures to start with: small parts on a table, drawn by a program so that they can be given away and made again.

    drawn = samples.draw("nut", seed=3)
    samples.write_sample(Path("pictures"), per_label=40, seed=0)
    samples.write_mixed(Path("boxes"), count=40, seed=0)  # for detection: several labels a picture, side-cars beside

The same seed gives the same bytes with the same Pillow and NumPy on the same kind of processor.
"""

from samples.mixed import draw_mixed
from samples.scene import HEIGHT, LABELS, WIDTH, Box, Drawn, draw
from samples.writing import COCO_NAME, write_mixed, write_sample

__all__ = [
    "COCO_NAME",
    "HEIGHT",
    "LABELS",
    "WIDTH",
    "Box",
    "Drawn",
    "draw",
    "draw_mixed",
    "write_mixed",
    "write_sample",
]
