"""Brings boxes of every origin into the one form that is trained on: shares of the real picture, inside its border."""

import math
from typing import Final

from shared.formats import EPSILON, Box, Finding, Labelling, Region

_DIGITS: Final = 8  # a ten-thousandth of a pixel at 10,240 pixels
_STEP: Final = 10**-_DIGITS
_RATIO_OFF: Final = 0.01


def fit_boxes(labelling: Labelling, size: tuple[int, int]) -> tuple[tuple[Region, ...], tuple[Finding, ...]]:
    """Express the boxes of a labelling as shares of its picture.

    Pixels are divided by the size that the file states, and by the real one when it states none, so boxes survive a
    picture that was scaled since. A box over the border by at most `EPSILON` is cut. Labels of the whole picture pass
    as they are; exact repetitions are dropped.

    Args:
        labelling: What a file says of the picture.
        size: The picture's real width and height in pixels, as it is shown (after the EXIF turn).

    Returns:
        The regions, whose boxes pass the official check in float arithmetic: 0 ≤ left, top < 1, 0 < width, height ≤ 1,
        left + width ≤ 1, top + height ≤ 1; and a finding for each box that cannot be used.
    """
    regions: list[Region] = []
    findings: list[Finding] = []
    mismatch = _mismatch(labelling.size, size) if labelling.size else None
    if mismatch and any(region.box for region in labelling.regions):
        findings.append(Finding(where=labelling.where, line=labelling.line, reason=mismatch))
    per = (labelling.size or size) if labelling.unit == "pixel" else (1, 1)
    for number, region in enumerate(labelling.regions, start=1):
        if region.box is None:
            regions.append(region)
        elif not mismatch:
            box = _fit(region.box, per, size)
            if isinstance(box, str):
                where = f"{labelling.where}, box {number}" if labelling.where else f"box {number}"
                findings.append(Finding(where=where, line=labelling.line, reason=f"'{region.label}': {box}"))
            else:
                regions.append(Region(region.label, box))
    return tuple(dict.fromkeys(regions)), tuple(findings)


def _mismatch(stated: tuple[int, int], real: tuple[int, int]) -> str | None:
    """Tell how the stated size contradicts the real one, but for scale; one pixel of rounding is allowed."""
    if min(*stated, *real) <= 0:
        return f"a size of {_by(stated)} pixels cannot be. Write the picture's width and height."
    allowed = max(_RATIO_OFF, 1 / max(10, min(*stated, *real)))
    if abs(stated[0] * real[1] / (stated[1] * real[0]) - 1) <= allowed:
        return None
    if stated == (real[1], real[0]):
        return (
            f"the file says {_by(stated)} pixels, the picture is {_by(real)}: it is turned by its EXIF orientation and "
            "was labelled unturned. Turn the pixels (`exiftran -a`, `mogrify -auto-orient`) and draw the boxes again."
        )
    return (
        f"the file says {_by(stated)} pixels, the picture is {_by(real)}, which is another shape: the boxes belong to "
        "another picture or crop. Label this picture, or upload the one that was labelled."
    )


def _fit(box: Box, per: tuple[int, int], size: tuple[int, int]) -> Box | str:
    """Return a box in shares and inside the picture, or why there is none."""
    if not all(map(math.isfinite, box)) or min(size) <= 0:
        return "its box has numbers that are not finite. Draw it again."
    left, width = _span(box[0] / per[0], box[2] / per[0])
    top, height = _span(box[1] / per[1], box[3] / per[1])
    if math.isnan(width) or math.isnan(height):
        return "its box lies beyond the picture's border. Draw it inside the picture."
    if width * size[0] < 0.5 or height * size[1] < 0.5:
        return "its box is thinner than half a pixel. Draw it larger, or remove it."
    return left, top, width, height


def _span(start: float, extent: float) -> tuple[float, float]:
    """Cut one dimension to 0…1 and round it; the extent is NaN when it stands out further than may be cut."""
    end = start + extent
    if start < -EPSILON or end > 1 + EPSILON:
        return 0.0, math.nan
    start = round(max(start, 0.0), _DIGITS)
    extent = round(min(end, 1.0) - start, _DIGITS)
    while start + extent > 1:  # rounding went up, or the sum did
        extent = round(extent - _STEP, _DIGITS)
    return start, extent


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
