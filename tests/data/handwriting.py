"""Digits as people draw and photograph them, made from skeletons of strokes: labels are certain.

`draw` is a picture from a painting program, `photograph` one of a digit on squared paper. A
generator fixes everything; what differs is drawn within the limits that the keywords give.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Rng = np.random.Generator
Grey = np.ndarray[Any, np.dtype[np.float64]]

# Each digit in several hands, its strokes parted by "/": a curve (~) or a line (-) through points
# x,y in percent of a box of 100 x 100, x to the right and y down.
HANDS = {
    0: (
        "~ 50,0 20,20 15,60 35,97 65,95 85,55 78,15 50,0",
        "~ 55,3 15,25 10,70 45,100 85,75 88,30 60,2 40,7",
        "~ 50,0 28,30 28,70 50,100 72,70 72,30 50,0",
    ),
    1: (
        "- 50,0 50,100",
        "- 60,0 42,100",
        "- 30,22 52,0 52,100",
        "- 32,20 55,0 50,100 / - 28,100 74,100",
    ),
    2: (
        "~ 15,25 30,3 65,2 80,28 55,60 12,98 / - 12,98 88,97",
        "~ 20,20 45,0 75,18 65,50 30,90 15,88 25,76 50,90 90,98",
        "~ 15,18 50,0 80,20 60,55 15,100 / ~ 15,100 50,94 90,100",
    ),
    3: (
        "~ 18,12 50,0 78,20 68,40 42,47 / ~ 42,47 75,57 82,80 50,100 14,88",
        "- 20,2 78,2 45,42 / ~ 45,42 80,55 80,85 45,100 15,88",
        "~ 20,8 60,0 75,25 50,45 80,65 70,95 20,95",
    ),
    4: (
        "- 30,0 12,58 85,58 / - 70,10 62,100",
        "- 65,100 65,0 10,68 90,68",
        "- 20,3 20,50 80,50 / - 75,0 75,100",
    ),
    5: (
        "- 80,2 25,2 20,45 / ~ 20,45 60,38 82,65 60,97 12,93",
        "~ 28,5 25,42 60,42 80,70 55,100 15,92 / - 27,5 82,3",
    ),
    6: (
        "~ 72,2 38,25 18,65 35,98 70,93 78,65 50,50 22,68",
        "~ 60,0 30,40 22,80 50,100 75,80 60,58 25,75",
        "~ 40,0 25,40 20,75 45,100 80,85 72,60 40,58 22,78",
    ),
    7: (
        "- 15,2 83,2 40,100",
        "- 15,3 82,3 40,100 / - 32,50 78,48",
        "- 15,15 17,3 82,2 50,100",
        "~ 15,6 50,5 85,2 / ~ 85,2 55,45 42,100",
    ),
    8: (
        "~ 75,15 45,0 22,20 50,46 80,72 55,100 22,78 48,47 74,25 70,10",
        "~ 50,0 27,22 50,45 73,22 50,0 / ~ 50,45 18,72 50,100 82,72 50,45",
    ),
    9: (
        "~ 75,25 50,0 20,20 35,48 70,35 75,20 / - 75,20 68,100",
        "~ 75,20 45,0 20,25 45,48 75,25 72,60 55,95 22,95",
        "~ 72,20 45,2 25,25 45,50 72,30 74,15 66,55 60,100",
    ),
}


def strokes_of(hand: str) -> list[tuple[str, Grey]]:
    """The strokes as (kind, knots (n, 2)), the box 1 x 1."""
    words = [stroke.split() for stroke in hand.split("/")]
    return [(kind, np.array([p.split(",") for p in ps], float) / 100) for kind, *ps in words]


def strokes(digit: int, hand: int, rng: Rng, turn: float = 12, wobble: float = 0.02) -> list[Grey]:
    """The digit's strokes as dense points (n, 2), centred, of height about 1, in one's own hand."""
    a = np.radians(rng.uniform(-turn, turn))
    width, slant = rng.uniform(0.65, 1.0), rng.uniform(-0.12, 0.2)
    shape = np.array([[width, -slant], [0, 1]])  # x' = width x - slant y: leaning as most write
    turned = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ shape
    phases = rng.uniform(0, 2 * np.pi, 4)
    result = []
    for kind, points in strokes_of(HANDS[digit][hand % len(HANDS[digit])]):
        knots = points - 0.5 + rng.normal(0, wobble, points.shape)
        dense = _curve(knots) if kind == "~" else _line(knots)
        t = np.linspace(0, 1, len(dense))[:, None]
        shake = 0.4 * wobble * np.sin(2 * np.pi * np.array([3, 4]) * t + phases[:2])
        tremor = 0.15 * wobble * np.sin(2 * np.pi * np.array([11, 13]) * t + phases[2:])
        result.append((dense + shake + tremor) @ turned.T)
    return result


def draw(
    digit: int,
    hand: int,
    rng: Rng,
    *,
    side: int = 100,
    pen: tuple[float, float] = (1, 12),
    light: bool | None = None,
    smooth: bool | None = None,
) -> Image.Image:
    """A digit drawn with the mouse: a hard pen `pen` pixels wide, anywhere in side x side."""
    width = rng.uniform(*pen)
    room = side - width - 4
    lines = strokes(digit, hand, rng)
    lines = _placed(lines, room * rng.uniform(0.5, 0.98), room, rng, (side - room) / 2)
    scale = 4 if (smooth if smooth is not None else rng.random() < 0.5) else 1
    ink = Image.new("L", (side * scale, side * scale))
    _pen(ink, [scale * line for line in lines], scale * width)
    ink = ink.resize((side, side), Image.Resampling.BOX)
    light = bool(rng.random() < 0.3) if light is None else light
    grey = np.asarray(ink, np.uint8)
    return Image.fromarray(grey if light else 255 - grey)


def photograph(
    digit: int,
    hand: int,
    rng: Rng,
    *,
    side: int = 480,
    squares: tuple[float, float] = (3, 14),
    grid: tuple[float, float] = (0.08, 0.45),
    ink: tuple[float, float] = (0.5, 0.85),
    shadow: tuple[float, float] = (0, 0.6),
    noise: tuple[float, float] = (0, 0.03),
) -> Image.Image:
    """A photo of a digit on squared paper, `squares` across, `grid` and `ink` so much darker.

    A shadow with a more or less sharp edge takes away a share of the light, and the rest is uneven;
    the paper is turned and seen from the side, the camera blurs, adds noise and writes JPEG.
    """
    across = rng.uniform(*squares)
    paper = np.ones((side, side, 3)) * rng.uniform([0.88, 0.86, 0.78], [1, 1, 1])
    spacing = side / across
    paper *= _grid(side, spacing, rng.uniform(*grid), rng)
    height = np.clip(spacing * rng.uniform(1.6, 5), 0.3 * side, 0.75 * side)
    lines = _placed(strokes(digit, hand, rng), height, 0.8 * side, rng, 0.1 * side)
    canvas = Image.new("L", (2 * side, 2 * side))
    _pen(canvas, [2 * line for line in lines], 2 * height * rng.uniform(0.03, 0.13))
    written = np.asarray(canvas.resize((side, side), Image.Resampling.BOX), float) / 255
    written *= 1 - 0.25 * _smooth_noise(side, 60, rng)  # pens do not write evenly
    colour = np.array([(1, 1, 1), (1, 0.9, 0.6), (0.95, 0.95, 0.95)][rng.integers(3)])
    paper *= 1 - written[:, :, None] * rng.uniform(*ink) * colour
    picture = Image.fromarray((255 * paper).astype(np.uint8))
    picture = _perspective(picture, rng)
    lit = np.asarray(picture, float) / 255 * _light(side, rng.uniform(*shadow), rng)[:, :, None]
    lit = np.clip(lit + rng.normal(0, rng.uniform(*noise), lit.shape), 0, 1)
    picture = Image.fromarray((255 * lit).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    return jpeg(picture, int(rng.integers(50, 95)))


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """The picture as JPEG of that quality gives it back."""
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=quality)
    with Image.open(io.BytesIO(packed.getvalue())) as image:
        return image.copy()


def _line(knots: Grey) -> Grey:
    t = np.linspace(0, len(knots) - 1, 60 * (len(knots) - 1))
    return np.stack([np.interp(t, range(len(knots)), knots[:, k]) for k in (0, 1)], axis=1)


def _curve(knots: Grey) -> Grey:
    """Through the knots by Catmull and Rom's spline."""
    p = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, 30, endpoint=False)[:, None]
    pieces = [
        b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * b - a - 3 * c + d)))
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*pieces, knots[-1:]])


def _placed(lines: list[Grey], height: float, room: float, rng: Rng, start: float) -> list[Grey]:
    """Scaled to `height` at most, and moved anywhere inside `room`."""
    every = np.concatenate(lines)
    low, size = every.min(axis=0), np.ptp(every, axis=0)
    scale = min(height / size[1], room / size.max())
    corner = start + rng.uniform(0, 1, 2) * (room - scale * size)
    return [corner + scale * (line - low) for line in lines]


def _pen(image: Image.Image, lines: list[Grey], width: float) -> None:
    pencil, r = ImageDraw.Draw(image), width / 2
    for line in lines:
        if width <= 1.5:
            pencil.line([tuple(p) for p in line.tolist()], fill=255, width=1)
            continue
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
        even = np.arange(0, length[-1], 0.4)
        for x, y in zip(*(np.interp(even, length, line[:, k]) for k in (0, 1)), strict=True):
            pencil.ellipse((x - r, y - r, x + r, y + r), fill=255)


def _grid(side: int, spacing: float, darkness: float, rng: Rng) -> Grey:
    """The share of light that squared paper gives back, (side, side, 3); lines grey or blue."""
    width, phase = max(1.0, spacing * rng.uniform(0.02, 0.06)), rng.uniform(0, spacing, 2)
    place = np.arange(side) + 0.5
    row, column = (
        np.clip(width / 2 + 0.5 - np.abs((place - p + spacing / 2) % spacing - spacing / 2), 0, 1)
        for p in phase
    )
    ink = np.maximum(row[:, None], column[None, :])[:, :, None]
    colour = np.array([(1, 1, 1), (1, 0.7, 0.25), (1, 0.85, 0.5)][rng.integers(3)])
    return 1 - darkness * ink * colour


def _smooth_noise(side: int, grain: int, rng: Rng) -> Grey:
    """(side, side) in 0..1, alike over about `grain` pixels."""
    cells = max(side // grain, 2)
    small = Image.fromarray((255 * rng.random((cells, cells))).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), float) / 255


def _light(side: int, shadow: float, rng: Rng) -> Grey:
    """How much light falls where: a slope from side to side, and a shadow with an edge."""
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, side)])
    a, b = rng.uniform(0, 2 * np.pi, 2)
    slope = 1 - rng.uniform(0, 0.25) * (1 + np.cos(a) * x + np.sin(a) * y) / 2
    bend = 0.15 * np.sin(3 * (x * np.sin(b) - y * np.cos(b)) + a)
    distance = np.cos(b) * x + np.sin(b) * y + bend - rng.uniform(-0.6, 0.6)
    edge = 1 / (1 + np.exp(-np.clip(distance / rng.uniform(0.01, 0.15), -50, 50)))
    return slope * (1 - shadow * edge)


def _perspective(picture: Image.Image, rng: Rng) -> Image.Image:
    """Seen from the side, and turned by up to 4 degrees; what comes into view is paper."""
    side = picture.width
    a = np.radians(rng.uniform(-4, 4))
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * (1 - rng.uniform(0, 0.1, (4, 2)))
    quad = side / 2 + 0.93 * side / 2 * (corners @ turn.T)
    return picture.transform(
        (side, side), Image.Transform.QUAD, quad.ravel().tolist(), Image.Resampling.BILINEAR
    )
