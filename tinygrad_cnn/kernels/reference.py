"""The specification: every kernel as the shortest correct NumPy.

Letters: N samples, C channels, F filters, S spatial sizes, O output sizes, K kernel sizes;
x an input, w a weight, y an output, g = dL/dy. Formulas show one spatial axis; more axes repeat it.
Arguments are valid (ops see to that), results are fresh and C-contiguous, no input is written to.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.kernels.geometry import (
    Array,
    Ints,
    conv_output_size,
    fold,
    pool_output_size,
    unfold,
)

# --- convolution: three maps, linear in each argument and transposes of one another -------------


def _einsum(formula: str, dims: int, a: Array, b: Array) -> Array:
    """np.einsum in which O stands for the output axes and K for the kernel axes."""
    letters = formula.replace("O", "xyz"[:dims]).replace("K", "ijk"[:dims])
    product: Array = np.einsum(letters, a, b, optimize=True)
    return product


def _per_channel(v: Array, like: Array) -> Array:
    """(C,) -> (C, 1, ...), to meet the channels of `like` (N, C, *S)."""
    return v.reshape(v.shape + (1,) * (like.ndim - 2))


def conv(
    x: Array,
    w: Array,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """y[n,f,i] = bias[f] + sum_{c,a} x[n, c, s*i + d*a - p] * w[f,c,a], x being 0 outside.

    x (N, C, *S), w (F, C/groups, *K), bias (F,) or None for 0 -> y (N, F, *O). Filters f of group q
    see channels of group q.

    >>> import numpy as np
    >>> conv(np.array([[[1., 2., 3.]]]), np.array([[[1., 1.]]]), (1,), (0,), (1,), 1)
    array([[[3., 5.]]])
    """
    kernel, dims = w.shape[2:], w.ndim - 2
    out = conv_output_size(x.shape[2:], kernel, stride, padding, dilation)
    columns = unfold(x, out, kernel, stride, padding, dilation)  # (N, C, *O, *K)
    parts = [
        _einsum("ncOK,fcK->nfO", dims, columns_q, w_q)
        for columns_q, w_q in zip(np.split(columns, groups, 1), np.split(w, groups), strict=True)
    ]
    y = np.concatenate(parts, axis=1)
    return np.ascontiguousarray(y if bias is None else y + _per_channel(bias, y))


def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """dx[n,c,j] = sum over f and all (i, a) with s*i + d*a - p = j of g[n,f,i] * w[f,c,a].

    g (N, F, *O), w (F, C/groups, *K) -> dx (N, C, *size): the transpose of `conv` in x.

    >>> import numpy as np
    >>> conv_input(np.array([[[1., 2.]]]), np.array([[[1., 10.]]]), (3,), (1,), (0,), (1,), 1)
    array([[[ 1., 12., 20.]]])
    """
    dims = w.ndim - 2
    columns = [
        _einsum("nfO,fcK->ncOK", dims, g_q, w_q)
        for g_q, w_q in zip(np.split(g, groups, 1), np.split(w, groups), strict=True)
    ]
    return fold(np.concatenate(columns, axis=1), size, stride, padding, dilation)


def conv_weight(
    x: Array, g: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """dw[f,c,a] = sum_{n,i} x[n, c, s*i + d*a - p] * g[n,f,i].

    x (N, C, *S), g (N, F, *O) -> dw (F, C/groups, *size): the transpose of `conv` in w.

    >>> import numpy as np
    >>> conv_weight(np.array([[[1., 2., 4.]]]), np.ones((1, 1, 2)), (2,), (1,), (0,), (1,), 1)
    array([[[3., 6.]]])
    """
    dims = x.ndim - 2
    columns = unfold(x, g.shape[2:], size, stride, padding, dilation)  # (N, C, *O, *K)
    dw = [
        _einsum("nfO,ncOK->fcK", dims, g_q, columns_q)
        for g_q, columns_q in zip(np.split(g, groups, 1), np.split(columns, groups, 1), strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(dw))


# --- pooling --------------------------------------------------------------------------------------


def _kernel_last(columns: Array, dims: int) -> Array:
    """(N, C, *O, *K) -> (N, C, *O, K): the kernel axes as one, row by row."""
    return columns.reshape(*columns.shape[: 2 + dims], int(np.prod(columns.shape[2 + dims :])))


def argmax_dtype(kernel: Ints) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned dtype that can number the taps of a kernel."""
    return np.min_scalar_type(max(int(np.prod(kernel)) - 1, 0))


def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Array, Array]:
    """y[n,c,i] = max_a x[n, c, s*i + d*a - p], with the tap a that holds it.

    x (N, C, *S) -> y (N, C, *O) and argmax (N, C, *O), unsigned, counting taps row by row.
    The first of equals is taken, a NaN before any number, the padding never.

    >>> import numpy as np
    >>> y, argmax = max_pool(np.array([[[1., 5., 5., 2.]]]), (2,), (2,), (0,), (1,), False)
    >>> y, argmax
    (array([[[5., 5.]]]), array([[[1, 0]]], dtype=uint8))
    """
    dims = x.ndim - 2
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    where = (out, kernel, stride, padding, dilation)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    values = _kernel_last(unfold(x, *where, value=lowest), dims)
    real = _kernel_last(unfold(np.ones_like(x, bool), *where), dims)  # False in the padding
    y = values.max(axis=-1)
    best = real & ((values == y[..., None]) | np.isnan(values))
    return y, best.argmax(axis=-1).astype(argmax_dtype(kernel))


def window_gather(
    x: Array, argmax: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """y[n,c,i] = x[n, c, s*i + d*argmax[n,c,i] - p], x being 0 outside.

    x (N, C, *S), argmax (N, C, *O) as from `max_pool` -> y (N, C, *O).

    >>> import numpy as np
    >>> window_gather(np.array([[[1., 5., 4., 2.]]]), np.array([[[1, 0]]]), (2,), (2,), (0,), (1,))
    array([[[5., 4.]]])
    """
    dims = x.ndim - 2
    columns = unfold(x, argmax.shape[2:], kernel, stride, padding, dilation)
    chosen = argmax[..., None].astype(np.intp)
    y = np.take_along_axis(_kernel_last(columns, dims), chosen, axis=-1)[..., 0]
    return np.ascontiguousarray(y)


def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """dx[n,c,j] = sum of g[n,c,i] over the i with s*i + d*argmax[n,c,i] - p = j.

    g, argmax (N, C, *O) -> dx (N, C, *size): the transpose of `window_gather`.

    >>> import numpy as np
    >>> window_scatter(np.ones((1, 1, 2)), np.array([[[1, 0]]]), (4,), (2,), (2,), (0,), (1,))
    array([[[0., 1., 1., 0.]]])
    """
    columns = np.zeros((*g.shape, int(np.prod(kernel))), g.dtype)
    np.put_along_axis(columns, argmax[..., None].astype(np.intp), g[..., None], axis=-1)
    return fold(columns.reshape(g.shape + kernel), size, stride, padding, dilation)


def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    """y[n,c,i] = sum_a x[n, c, s*i + a - p], x being 0 outside.

    x (N, C, *S) -> y (N, C, *O).

    >>> import numpy as np
    >>> sum_pool(np.array([[[1., 2., 3., 4.]]]), (2,), (2,), (0,), False)
    array([[[3., 7.]]])
    """
    dims = x.ndim - 2
    dilation = (1,) * dims
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    columns = unfold(x, out, kernel, stride, padding, dilation)
    return np.ascontiguousarray(_kernel_last(columns, dims).sum(axis=-1, dtype=x.dtype))


def sum_pool_input(g: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints) -> Array:
    """dx[n,c,j] = sum of g[n,c,i] over the windows i that hold j: the transpose of `sum_pool`.

    g (N, C, *O) -> dx (N, C, *size).

    >>> import numpy as np
    >>> sum_pool_input(np.array([[[1., 10.]]]), (3,), (2,), (1,), (0,))
    array([[[ 1., 11., 10.]]])
    """
    columns = np.broadcast_to(g.reshape(g.shape + (1,) * len(kernel)), g.shape + kernel)
    return fold(columns, size, stride, padding, (1,) * len(kernel))


# --- over channels, and batch normalization -------------------------------------------------------


def channel_sum(x: Array) -> Array:
    """s[c] = sum of x[:,c] over all axes but 1; x (N, C, *S) -> s (C,).

    >>> import numpy as np
    >>> channel_sum(np.array([[1., 5.], [3., 5.]]))
    array([ 4., 10.])
    """
    return np.asarray(x.sum((0, *range(2, x.ndim))))


def batch_stats(x: Array) -> tuple[Array, Array]:
    """mean[c] = E[x[:,c]] and var[c] = E[(x[:,c] - mean[c])^2], biased, over all axes but 1.

    x (N, C, *S) -> mean, var (C,), summed in float64 at least and returned in x's dtype.

    >>> import numpy as np
    >>> batch_stats(np.array([[1., 5.], [3., 5.]]))
    (array([2., 5.]), array([1., 0.]))
    """
    axes, wide = (0, *range(2, x.ndim)), np.result_type(x, np.float64)
    mean = x.mean(axes, dtype=wide)
    var = np.square(x - _per_channel(mean, x)).mean(axes)
    return mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array, bias: Array) -> Array:
    """y = (x - mean) * rstd * weight + bias, channel by channel (Ioffe & Szegedy 2015, alg. 1).

    x (N, C, *S); mean, rstd, weight, bias (C,) -> y (N, C, *S).
    """
    mean, rstd, weight, bias = (_per_channel(v, x) for v in (mean, rstd, weight, bias))
    return np.ascontiguousarray((x - mean) * rstd * weight + bias)


def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm` where mean and rstd are x's own: with z = (x - mean) * rstd,

    dbias = sum(g), dweight = sum(g * z), dx = weight * rstd * (g - E[g] - z * E[g * z]),
    sums and means over all axes but 1 (Ioffe & Szegedy 2015, section 3).

    g, x (N, C, *S); mean, rstd, weight (C,) -> dx (N, C, *S), dweight (C,), dbias (C,).
    """
    axes, count = (0, *range(2, x.ndim)), max(x.size // max(x.shape[1], 1), 1)
    wide = np.result_type(g, x, np.float64)
    z = (x - _per_channel(mean, x)) * _per_channel(rstd, x)
    dbias = g.sum(axes, dtype=wide).astype(z.dtype)
    dweight = (g * z).sum(axes, dtype=wide).astype(z.dtype)
    centred = g - _per_channel(dbias / count, x) - z * _per_channel(dweight / count, x)
    return np.ascontiguousarray(centred * _per_channel(weight * rstd, x)), dweight, dbias


# --- products of matrices -------------------------------------------------------------------------


def matmul(a: Array, b: Array) -> Array:
    """y[..., i, j] = sum_k a[..., i, k] b[..., k, j], the rules of np.matmul for other shapes.

    >>> import numpy as np
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    product: Array = np.matmul(a, b, order="C")
    return product


# --- activations and losses -----------------------------------------------------------------------


def leaky_relu(x: Array, slope: float) -> Array:
    """y = x where x > 0, slope * x elsewhere; slope 0 is ReLU (and gives 0, not NaN, at -inf).

    >>> import numpy as np
    >>> leaky_relu(np.array([-2., 0., 3.]), 0.5)
    array([-1.,  0.,  3.])
    """
    return np.asarray(np.where(x > 0, x, x * slope) if slope else np.maximum(x, 0), order="C")


def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    """dx = g where y > 0, slope * g elsewhere; y is the output, or anything with x's sign.

    >>> import numpy as np
    >>> leaky_relu_grad(np.ones(3), np.array([-1., 0., 3.]), 0.5)
    array([0.5, 0.5, 1. ])
    """
    return np.asarray(np.where(y > 0, g, g * slope if slope else 0), order="C")


def softmax(x: Array) -> Array:
    """y_k = exp(x_k) / sum_j exp(x_j) over the last axis, computed from x - max(x).

    >>> import numpy as np
    >>> softmax(np.log([1., 3.]))
    array([0.25, 0.75])
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.ascontiguousarray(e / e.sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    """y_k = x_k - log(sum_j exp(x_j)) over the last axis, computed from x - max(x)."""
    z = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    return np.ascontiguousarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """losses[n] = -log softmax(logits[n])[labels[n]], and the probabilities softmax(logits).

    logits (N, K), labels (N,) integers in [0, K) -> losses (N,), probabilities (N, K).

    >>> import numpy as np
    >>> losses, probabilities = softmax_cross_entropy(np.log([[1., 3.]]), np.array([1]))
    >>> losses, probabilities
    (array([0.28768207]), array([[0.25, 0.75]]))
    """
    log_p = log_softmax(logits)
    return -log_p[np.arange(len(labels)), labels], np.exp(log_p)


def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    """y[n,c,i,j] = images[n,c] at inverse[n] @ (x, y, 1) + bend[n,:,i,j], bilinear, 0 outside.

    images (N, C, H, W), inverse (N, 2, 3), bend (N, 2, H, W) or None, all float32; x = j - (W-1)/2
    and y = i - (H-1)/2 are the output pixel's coordinates from the centre, the sum the input's.
    A place that is NaN lies outside.
    """
    N, _, H, W = images.shape
    centre = np.array([(W - 1) / 2, (H - 1) / 2], np.float32)[:, None, None]
    x, y = np.indices((H, W), np.float32)[::-1] - centre
    a = inverse[..., None, None]  # (N, 2, 3, 1, 1)
    place = a[:, :, 0] * x + (a[:, :, 1] * y + (a[:, :, 2] + (centre + 1)))  # (N, 2, H, W)
    if bend is not None:
        place += bend
    # With one row of zeros before an image and two behind it, every place has four neighbours.
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
    u, v = np.nan_to_num(place, posinf=np.inf, neginf=-np.inf).swapaxes(0, 1)
    u, v = np.clip(u, 0, W + 1), np.clip(v, 0, H + 1)
    left, top, n = u.astype(int), v.astype(int), np.arange(N)[:, None, None]
    u, v = ((u - left)[..., None], (v - top)[..., None])
    u, v = u.astype(np.float32), v.astype(np.float32)
    upper, lower = (
        (1 - u) * padded[n, :, top + i, left] + u * padded[n, :, top + i, left + 1] for i in (0, 1)
    )
    return np.ascontiguousarray(np.moveaxis((1 - v) * upper + v * lower, 3, 1))  # C from behind


# --- optimizers: these change their arguments -----------------------------------------------------


def sgd_step(
    p: Array,
    g: Array,
    v: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """v = momentum * v + (1 - dampening) * g';  p = p - lr * v, or p - lr * (g' + momentum * v)

    with nesterov; g' = g + weight_decay * p. Without v, p = p - lr * g'. Changes p and v.

    >>> import numpy as np
    >>> p, v = np.array([1.]), np.array([2.])
    >>> sgd_step(p, np.array([1.]), v, 0.25, 0.5, 0.0, 0.0, False)
    >>> p, v
    (array([0.5]), array([2.]))
    """
    g = g + weight_decay * p if weight_decay else g
    step = g
    if v is not None:
        v[...] = momentum * v + (1 - dampening) * g
        step = g + momentum * v if nesterov else v
    p -= lr * step


def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """m = b1 m + (1 - b1) g';  v = b2 v + (1 - b2) g'^2;  p = p - lr m^ / (sqrt(v^) + eps)

    where m^ = m / (1 - b1^t), v^ = v / (1 - b2^t), g' = g + weight_decay * p; decoupled decay takes
    p = p - lr * weight_decay * p instead, first. With `largest` that maximum of all v serves as v.
    Changes p, m, v and largest.

    >>> import numpy as np
    >>> p, m, v = np.array([1.]), np.zeros(1), np.zeros(1)
    >>> adam_step(p, np.array([3.]), m, v, None, 1, 0.5, (0.9, 0.999), 0.0, 0.0, False)
    >>> p  # the first step is lr * sign(g)
    array([0.5])
    """
    b1, b2 = betas
    if weight_decay and decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = g + weight_decay * p
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    if largest is not None:
        v = np.maximum(largest, v, out=largest)
    p -= lr / (1 - b1**t) * m / (np.sqrt(v) / math.sqrt(1 - b2**t) + eps)
