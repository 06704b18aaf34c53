"""Layers of one's own: each an op whose gradients are written out below its formula.

None of them is needed to train a network (nn has most of them): they show how a layer is made from
nothing, and the study compares networks that use them. The gradients are written with the library's
functions, so that they can be differentiated again; tests check both orders numerically.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.nn import Conv2d, Linear, Module, Parameter, init
from tinygrad_cnn.nn.functional import Array, flatten, fold, pad, unfold
from tinygrad_cnn.ops import (
    abs,
    broadcast_to,
    matmul,
    mean,
    permute_dims,
    relu,
    reshape,
    sigmoid,
    sign,
    softmax,
    sum,
    where,
)

# -- convolution, by windows laid out as columns ----------------------------------------------


@op
def conv_by_columns(x, w, /, *, padding):
    """y[n, f, l] = sum_k w[f, k] columns(x)[n, k, l], k over channels and taps, l over places."""
    N, _, H, W = x.shape
    F, _, K, _ = w.shape
    y = np.reshape(w, (F, -1)) @ unfold(x, K, padding=padding)  # (F, C K K) @ (N, C K K, L)
    return y.reshape(N, F, H + 2 * padding - K + 1, W + 2 * padding - K + 1)


def _conv_input(g, _y, _x, w, *, padding):
    """Each window gets g times the weights, and windows that overlap add up: fold."""
    N, F, *_ = g.shape
    columns = matmul(reshape(w, (F, -1)).T, reshape(g, (N, F, -1)))  # (N, C K K, L)
    return fold(columns, _x.shape[2:], w.shape[2], padding=padding)


def _conv_weight(g, _y, x, _w, *, padding):
    """dL/dw[f, k] = sum_{n,l} g[n, f, l] columns(x)[n, k, l]"""
    N, F, *_ = g.shape
    columns = permute_dims(unfold(x, _w.shape[2], padding=padding), (0, 2, 1))  # (N, L, C K K)
    return reshape(sum(matmul(reshape(g, (N, F, -1)), columns), axis=0), _w.shape)


conv_by_columns.vjp(_conv_input, _conv_weight)


class OwnConv2d(Module):
    """A convolution of odd kernel size that keeps the size of the image."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.padding = kernel_size // 2
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = init.kaiming_normal_(Parameter(np.empty(shape, np.float32)))
        self.bias = Parameter(np.zeros((out_channels, 1, 1), np.float32))

    def forward(self, x: Array) -> Array:
        return conv_by_columns(x, self.weight, padding=self.padding) + self.bias


# -- squeeze and excitation: Hu et al. 2018, section 3 ------------------------------------------


@op
def squeeze_excite(x, a, b, /):
    """y[n, c] = s[n, c] x[n, c], s = sigmoid(relu(z a^T) b^T), z[n, c] the mean of x[n, c]"""
    s = _gate(x, a, b)[2]
    return x * s[:, :, None, None]


def _gate(x: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    z = mean(x, axis=(2, 3))  # (N, C, H, W) -> (N, C)
    h = relu(matmul(z, a.T))  # -> (N, R)
    return z, h, sigmoid(matmul(h, b.T))  # -> (N, C)


def _squeeze_excite_gradients(g, _y, x, a, b):
    """s multiplies x, and depends on it through two small matrices: the product rule."""
    z, h, s = _gate(x, a, b)
    dt = sum(g * x, axis=(2, 3)) * s * (1 - s)  # through the sigmoid; (N, C)
    dh = matmul(dt, b) * (h > 0)  # (N, R)
    dz = matmul(dh, a) / math.prod(x.shape[2:])  # to each pixel its share of the mean; (N, C)
    dx = g * s[:, :, None, None] + broadcast_to(dz[:, :, None, None], x.shape)
    return dx, matmul(dh.T, z), matmul(dt.T, h)


squeeze_excite.vjp_joint(_squeeze_excite_gradients)


class OwnSqueezeExcitation(Module):
    """Scales each channel by how much all of them together call for it."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = Linear(channels, channels // reduction, bias=False)
        self.excite = Linear(channels // reduction, channels, bias=False)

    def forward(self, x: Array) -> Array:
        return squeeze_excite(x, self.squeeze.weight, self.excite.weight)


# -- attention of every pixel to every other: Vaswani et al. 2017, section 3.2.1 ----------------


@op
def attend(q, k, v, /):
    """y[n, :, i] = sum_j p[n, i, j] v[n, :, j], p = softmax_j(q[n, :, i] . k[n, :, j] / sqrt(D))"""
    return matmul(v, _turn(_weights(q, k)))  # (N, E, L) @ (N, L, L)


def _turn(x: Any) -> Any:
    return permute_dims(x, (0, 2, 1))


def _weights(q: Any, k: Any) -> Any:
    return softmax(matmul(_turn(q), k) / math.sqrt(q.shape[1]), axis=-1)  # (N, L, L)


def _attend_gradients(g, _y, q, k, v):
    """Through the average dp = g^T v, the softmax ds = p (dp - sum p dp), and the product q . k."""
    p = _weights(q, k)
    dp = matmul(_turn(g), v)  # (N, L, E) @ (N, E, L)
    ds = p * (dp - sum(dp * p, axis=-1, keepdims=True)) / math.sqrt(q.shape[1])
    return matmul(k, _turn(ds)), matmul(q, ds), matmul(g, p)


attend.vjp_joint(_attend_gradients)


class OwnSelfAttention(Module):
    """y = x + gain * attention(x), over all pixels of an image; gain starts at 0.

    Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", section 3: a layer that
    begins as the identity leaves the network around it as trainable as it was.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.query = Conv2d(channels, channels // reduction, 1)
        self.key = Conv2d(channels, channels // reduction, 1)
        self.value = Conv2d(channels, channels, 1)
        self.gain = Parameter(np.zeros(1, np.float32))

    def forward(self, x: Array) -> Array:
        q, k, v = (flatten(layer(x), 2) for layer in (self.query, self.key, self.value))
        return x + self.gain * reshape(attend(q, k, v), x.shape)  # (N, C, H W) -> (N, C, H, W)


# -- pooling over windows of 2 x 2 --------------------------------------------------------------


def _windows(x: Any) -> Any:
    """(N, C, H, W) -> (N, C, H/2, W/2, 4); an odd last row or column is left out."""
    N, C, H, W = x.shape
    h, w = H // 2, W // 2
    cut = reshape(x[:, :, : 2 * h, : 2 * w], (N, C, h, 2, w, 2))
    return reshape(permute_dims(cut, (0, 1, 2, 4, 3, 5)), (N, C, h, w, 4))


def _image(windows: Any, shape: tuple[int, ...]) -> Any:
    """The inverse: windows (N, C, h, w, 4) back in their places, zeros where there is none."""
    N, C, h, w, _ = windows.shape
    apart = permute_dims(reshape(windows, (N, C, h, w, 2, 2)), (0, 1, 2, 4, 3, 5))
    image = reshape(apart, (N, C, 2 * h, 2 * w))
    return pad(image, (0, shape[3] - 2 * w, 0, shape[2] - 2 * h))


@op
def lp_mean(x, /, *, p):
    """y = (mean over the window of |x|^p)^(1/p): the average for p = 1, towards the largest for p
    -> infinity.
    """
    return np.mean(np.abs(_windows(x)) ** p, axis=-1) ** (1 / p)


def _lp_mean_gradient(g, y, x, *, p):
    """dy/dx = (|x| / y)^(p-1) sign(x) / 4, and 0 where the whole window is 0."""
    windows = _windows(x)
    norm = where(y > 0, y, 1)[..., None]
    share = (abs(windows) / norm) ** (p - 1) * sign(windows) / 4
    return _image(g[..., None] * share, x.shape)


lp_mean.vjp(_lp_mean_gradient)


class OwnLpPool(Module):
    """lp_mean of windows of 2 x 2."""

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Array) -> Array:
        return lp_mean(x, p=self.p)


@op(residuals=("winner",))
def mixed_pool(x, m, /):
    """y = m max(window) + (1 - m) mean(window); Lee et al. 2016, "Generalizing Pooling"."""
    windows = _windows(x)
    winner = windows.argmax(axis=-1)[..., None] == np.arange(4)  # the first, where several tie
    return m * windows.max(axis=-1) + (1 - m) * windows.mean(axis=-1), winner


def _mixed_pool_input(g, _y, _x, m, winner):
    return _image(g[..., None] * (m * winner + (1 - m) / 4), _x.shape)


def _mixed_pool_mix(g, _y, x, _m, winner):
    windows = _windows(x)
    return reshape(sum(g * (sum(windows * winner, axis=-1) - mean(windows, axis=-1))), _m.shape)


mixed_pool.vjp(_mixed_pool_input, _mixed_pool_mix)


class OwnMixedPool(Module):
    """mixed_pool of windows of 2 x 2; how much of each is learnt, from one half on."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = Parameter(np.zeros(1, np.float32))

    def forward(self, x: Array) -> Array:
        return mixed_pool(x, sigmoid(self.mix))


# -- an activation with a slope to learn: Ramachandran et al. 2017 ------------------------------


@op
def gated(x, b, /):
    """y = x s, s = 1 / (1 + e^(-b x)): x / 2 for b = 0, relu(x) for b -> infinity."""
    return x * sigmoid(b * x)


def _gated_slopes(g, _y, x, b):
    """dy/dx = s + b x s (1 - s)   dy/db = x^2 s (1 - s)"""
    s = sigmoid(b * x)
    bend = s * (1 - s) * x
    return g * (s + b * bend), g * (x * bend)


gated.vjp_joint(_gated_slopes)


class OwnActivation(Module):
    """gated, with a sharpness for each channel that starts at 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sharpness = Parameter(np.ones((channels, 1, 1), np.float32))

    def forward(self, x: Array) -> Array:
        return gated(x, self.sharpness)
