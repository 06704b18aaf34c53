"""Augmentation of whole batches: a transform is called as transform(batch, rng).

A batch is (N, H, W) or (N, C, H, W), uint8 or float32, and the random transforms give back the
same kind. Every number that is drawn comes from `rng`, so a seed fixes the result. The transforms
are values: they print as they were written, hold no state and change no input.
"""

from __future__ import annotations

from tinygrad_cnn.data.transforms.affine import RandomAffine, resample
from tinygrad_cnn.data.transforms.common import Compose, Normalize, ToFloat, Transform
from tinygrad_cnn.data.transforms.hands import RandomUpstroke
from tinygrad_cnn.data.transforms.places import Cutout, RandomCrop, RandomFlip, RandomShift
from tinygrad_cnn.data.transforms.shades import RandomLight, RandomNoise, RandomThickness

__all__ = [
    "Compose",
    "Cutout",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomFlip",
    "RandomLight",
    "RandomNoise",
    "RandomShift",
    "RandomThickness",
    "RandomUpstroke",
    "ToFloat",
    "Transform",
    "resample",
]
