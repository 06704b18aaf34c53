"""Images moved by maps of the plane: turned, scaled, sheared, bent; read off bilinearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinygrad_cnn import kernels
from tinygrad_cnn.data.transforms.common import Array, like, with_channels
from tinygrad_cnn.errors import ConfigError, ShapeError

_EXACT_IN_FLOAT32 = 1 << 24
_WAVES = (1, 2, 3)  # half waves across the image: slower than a digit's strokes are wide


@dataclass(frozen=True)
class RandomAffine:
    """Each image turned, sheared, scaled, moved and bent, by its own random amounts.

    An output pixel p shows the input at q + d(p), where

        p = s R(a) S(k) q + t,   R(a) = [cos a, -sin a; sin a, cos a],   S(k) = [1, tan k; 0, 1]

    with x to the right and y down from the centre, so that a > 0 turns clockwise. Drawn uniformly:
    a in +-`degrees`, k in +-`shear` degrees, s in `scale`, both parts of t in +-`translate`
    pixels. d is a smooth random field, each direction with a standard deviation of `bend` pixels:
    a straight stroke is curved as another hand would (1 is much for 28 x 28). Values between
    pixels are interpolated bilinearly; outside the image they are zero.

    Source for d: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks
    applied to visual document analysis", ICDAR 2003, section 2.

    >>> turn = RandomAffine(degrees=10, translate=2, scale=(0.9, 1.1))
    >>> turn(np.zeros((64, 28, 28), np.uint8), np.random.default_rng(0)).shape
    (64, 28, 28)
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    bend: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        sizes = (self.degrees, self.translate, self.bend)
        if not (all(0 <= size < np.inf for size in sizes) and 0 <= self.shear < 90):
            raise ConfigError(
                f"RandomAffine: degrees, translate and bend are numbers from 0 up, shear in 0..90; "
                f"got {self!r}"
            )
        if not 0 < low <= high < np.inf:
            raise ConfigError(
                f"RandomAffine: scale is (low, high), positive numbers; got {self.scale}"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape, uint8 for uint8 and float32 for floats, each image transformed."""
        x = with_channels(batch)
        maps = self.inverses(len(x), rng)
        return like(resample(x, maps, self.bends(x.shape, rng) if self.bend else None), batch)

    def inverses(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Random maps (count, 2, 3) from output to input: q = S(-k) R(-a) (p - t) / s."""
        turn, skew, right, down = rng.uniform(-1, 1, size=(4, count))
        a, tan = np.radians(self.degrees * turn), np.tan(np.radians(self.shear * skew))
        s = rng.uniform(*self.scale, size=count)
        cos, sin = np.cos(a), np.sin(a)
        linear = np.array([[cos + tan * sin, sin - tan * cos], [-sin, cos]]) / s  # (2, 2, N)
        offset = -np.einsum("ijn,jn->in", linear, self.translate * np.array([right, down]))
        return np.concatenate([linear, offset[:, None]], axis=1).transpose(2, 0, 1)  # (N, 2, 3)

    def bends(self, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """d (N, 2, H, W) for a batch (N, C, H, W): random sums of the slowest cosine waves."""
        N, H, W = shape[0], *shape[2:]
        rows, columns = (
            np.cos(np.pi * np.outer((np.arange(size) + 0.5) / size, _WAVES)).astype(np.float32)
            for size in (H, W)
        )
        # A sum of K^2 products of cosines, each of the mean square 1/4, has the variance
        # K^2 sigma^2 / 4, which is to be bend^2.
        sigma = 2 * self.bend / len(_WAVES)
        amounts = rng.normal(0, sigma, (N, 2, len(_WAVES), len(_WAVES))).astype(np.float32)
        return np.asarray(rows @ amounts @ columns.T, np.float32)


def resample(images: Array, inverse: Array, bend: Array | None = None) -> npt.NDArray[np.float32]:
    """y[n, c, i, j] = images[n, c] at inverse[n] @ (x, y, 1) + bend[n, :, i, j], bilinear, zero
    outside the image.

    `images` (N, C, H, W), `inverse` (N, 2, 3), `bend` (N, 2, H, W) in pixels, x first;
    x = j - (W-1)/2 and y = i - (H-1)/2 are the output pixel's coordinates from the centre, and
    the sum is the input's.

    >>> mirror = np.array([[[-1, 0, 0], [0, 1, 0]]])
    >>> resample(np.array([[[[1, 2, 3]]]]), mirror)
    array([[[[3., 2., 1.]]]], dtype=float32)
    """
    H, W = images.shape[2:]
    if (H + 3) * (W + 3) > _EXACT_IN_FLOAT32:
        raise ShapeError(f"resample: images of up to 4,093 x 4,093 pixels, got {H:,} x {W:,}")
    return kernels.resample(
        images.astype(np.float32, copy=False),
        inverse.astype(np.float32, copy=False),
        None if bend is None else bend.astype(np.float32, copy=False),
    )
