"""Fourier transforms under the names of the array API standard, differentiable to any order.

>>> import tinygrad_cnn as tg
>>> x = tg.Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
>>> power = tg.sum(tg.abs(tg.fft.rfft(x)) ** 2)
>>> power.backward()
>>> x.grad
Tensor([12., 20., 20., 28.], dtype=float32)
"""

from tinygrad_cnn.ops.face import show
from tinygrad_cnn.ops.fourier import (
    fft,
    fftfreq,
    fftn,
    fftshift,
    hfft,
    ifft,
    ifftn,
    ifftshift,
    ihfft,
    irfft,
    irfftn,
    rfft,
    rfftfreq,
    rfftn,
)

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

show(globals(), __all__)
