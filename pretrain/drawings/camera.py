"""A camera with a camera's defects: perspective, uneven light, colour cast, haze, blur, noise, compression."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pretrain.drawings.colours import Floats


def photograph(rng: np.random.Generator, canvas: Floats, side: int) -> NDArray[np.uint8]:
    """Takes a picture (side, side, 3) of a canvas (n, n, 3) with values about 0…255."""
    out = _blurred(rng, _exposed(rng, _seen(rng, canvas, side)))
    if rng.random() < 0.4:  # grain, of each channel or of the brightness
        amount = rng.uniform(0.005, 0.06)
        shape = out.shape if rng.random() < 0.5 else (*out.shape[:2], 1)
        out = out + rng.normal(0, amount, shape).astype(np.float32)
    picture = (np.clip(out, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.35:
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))])
        picture = np.asarray(
            cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        )  # OpenCV thinks it BGR on both ways, so that RGB stays RGB
    return picture


def _seen(rng: np.random.Generator, canvas: Floats, side: int) -> Floats:
    """Looks at a canvas from somewhere: (side, side, 3) in 0…1."""
    n = len(canvas)
    zoom = np.exp(rng.uniform(np.log(0.72), np.log(2.2)))
    half = n / 2 / zoom / 1.08
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    turn = rng.normal(0, 0.25)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], np.float32)
    quad = corners * half * [np.exp(rng.normal(0, 0.12)), 1] + rng.normal(0, 0.07 * half, (4, 2))
    quad = quad @ rotation.T + n / 2 + rng.normal(0, 0.06 * n, 2)
    if rng.random() < 0.5:  # in a mirror
        quad = quad[[1, 0, 3, 2]]
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), ((corners + 1) / 2 * side).astype(np.float32))
    if zoom < 1:
        canvas = cv2.GaussianBlur(canvas, (3, 3), 0)
    mirrored = cv2.BORDER_REFLECT_101
    out = cv2.warpPerspective(canvas, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=mirrored)
    return np.clip(out, 0, 255) / 255


def _exposed(rng: np.random.Generator, out: Floats) -> Floats:
    """Changes the light: uneven and vignetted, gamma, colour cast, grey film, haze."""
    side = len(out)
    if rng.random() < 0.5:
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
        shade = 1 + rng.normal(0, 0.25) * x + rng.normal(0, 0.25) * y - rng.choice([0, 0, 0.3]) * (x * x + y * y)
        out = out * np.clip(shade, 0.15, 2)[..., None]
    gamma = np.exp(rng.normal(0, 0.25))
    cast = np.exp(rng.normal(0, 0.18, 3) * 0.5 + rng.normal(0, 0.15))
    out = np.clip(out, 0, 1.5).astype(np.float32) ** gamma * cast
    if rng.random() < 0.08:
        out = out.mean(-1, keepdims=True) * np.ones(3, np.float32)
    if rng.random() < 0.15:
        out = 1 - (1 - out) * rng.uniform(0.4, 0.9)
    return out


def _blurred(rng: np.random.Generator, out: Floats) -> Floats:
    """Blurs some pictures by focus, some by motion."""
    chance = rng.random()
    if chance < 0.2:
        return cv2.GaussianBlur(out.astype(np.float32), (0, 0), rng.uniform(0.4, 1.8))
    if chance < 0.27:
        k = int(rng.integers(3, 8))
        kernel = np.zeros((k, k), np.float32)
        kernel[k // 2] = 1 / k
        turned = cv2.getRotationMatrix2D(((k - 1) / 2, (k - 1) / 2), rng.random() * 180, 1)
        kernel = cv2.warpAffine(kernel, turned, (k, k))
        return cv2.filter2D(out, -1, kernel / (kernel.sum() + 1e-6))
    return out
