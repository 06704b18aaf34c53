"""Normalisation, dropout and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn import Tensor, kernels, ops
from tinygrad_cnn.core import REGISTRY


def images(d: Draw, channels: int = 0) -> np.ndarray:
    """(N, C), (N, C, L) or (N, C, H, W) with several values a channel, nowhere almost constant."""
    C = channels or d.int(1, 3)
    return d.distinct(*d.of((3, C), (2, C, 3), (2, C, 2, 2), (4, C, 1)))


def with_affine(d: Draw, x: np.ndarray, shape: Any) -> Sample:
    """x alone, or with a weight, or with a weight and a bias."""
    return [x, d.real(*shape), d.real(*shape)][: d.int(1, 3)], {}


def trained(d: Draw) -> Sample:
    x = images(d)
    return [x, d.real(x.shape[1]), d.real(x.shape[1])], {"eps": d.of(1e-5, 0.1)}


def batch_norm_train(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    return ops.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def batch_norm_op(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Handed the statistics of x, as the function does."""
    mean, var = kernels.batch_stats(x.data if isinstance(x, Tensor) else x)
    op = REGISTRY["batch_norm_train"]
    return op(x, weight, bias, mean=mean, rstd=1 / np.sqrt(var + eps), eps=eps)


def scaled(d: Draw) -> Sample:
    x = images(d)
    return [x, d.real(x.shape[1]), d.real(x.shape[1])], {}


def torch_scale_shift(x: Any, slope: Any, shift: Any) -> Any:
    each = (-1,) + (1,) * (x.ndim - 2)
    return x * slope.reshape(each) + shift.reshape(each)


def evaluated(d: Draw) -> Sample:
    (x, *rest), _ = with_affine(d, x := images(d), (x.shape[1],))
    running = {"mean": d.rng.normal(size=x.shape[1]), "var": d.rng.uniform(0.5, 2, x.shape[1])}
    return [x, *rest], running


def batch_norm_eval(x: Any, weight: Any = None, bias: Any = None, *, mean: Any, var: Any) -> Any:
    return ops.batch_norm(x, mean, var, weight, bias)


def torch_batch_norm_eval(
    x: Any, weight: Any = None, bias: Any = None, *, mean: Any, var: Any
) -> Any:
    return F.batch_norm(x, torch.tensor(mean), torch.tensor(var), weight, bias)


def layers(d: Draw) -> Sample:
    x = d.distinct(*d.shape(0, 2), 2, 3)
    shape = d.of((3,), (2, 3))
    xs, _ = with_affine(d, x, shape)
    return xs, {"normalized_shape": shape}


def grouped(d: Draw) -> Sample:
    groups = d.int(1, 3)
    x = images(d, groups * d.int(2, 3))
    xs, _ = with_affine(d, x, (x.shape[1],))
    return xs, {"num_groups": groups}


def instances(d: Draw) -> Sample:
    C = d.int(1, 3)
    return with_affine(d, d.distinct(2, C, *d.of((3,), (2, 2))), (C,))


def evaluated_instances(d: Draw) -> Sample:
    xs, _ = instances(d)
    C = xs[0].shape[1]
    return xs, {"mean": d.rng.normal(size=C), "var": d.rng.uniform(0.5, 2, C)}


def weighted_torch(name: str) -> Any:
    """F.name(x, first option, weight, bias)"""
    return lambda x, weight=None, bias=None, **k: getattr(F, name)(
        x, *k.values(), weight=weight, bias=bias
    )


# -- losses -------------------------------------------------------------------------------------


def labelled(d: Draw) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits (N, K, *S), some of them huge, with labels, some of them ignored."""
    N, K, S = d.int(1, 4), d.int(1, 4), d.of((), (), (2,), (2, 3))
    logits = d.real(N, K, *S, high=d.of(2.0, 30.0))
    target = d.rng.integers(0, K, (N, *S))
    options: dict[str, Any] = {"reduction": d.of("mean", "sum", "none")}
    if d.flag():
        options["weight"] = d.rng.uniform(0.5, 2, K)
    if d.flag() and target.size > 1:
        options["ignore_index"] = ignored = d.of(-100, 0, 255)
        target.flat[1] = ignored
        target.flat[0] = K - 1
    if (target == options.get("ignore_index", -100)).all():
        options["ignore_index"] = -1
    options["target"] = target
    return logits, options


def classified(d: Draw) -> Sample:
    logits, options = labelled(d)
    return [logits], {**options, "label_smoothing": d.of(0.0, 0.0, 0.1, 1.0)}


def scored(d: Draw) -> Sample:
    logits, options = labelled(d)
    return [logits], options


def as_torch(options: dict[str, Any]) -> dict[str, Any]:
    return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def softly(d: Draw) -> Sample:
    shape = (2, 3, *d.of((), (2,)))
    options: dict[str, Any] = {
        "reduction": d.of("mean", "sum", "none"),
        "label_smoothing": d.of(0.0, 0.2),
    }
    if d.flag():
        options["weight"] = d.rng.uniform(0.5, 2, 3)
    return [d.real(*shape), np.abs(d.real(*shape))], options


def compared(**options: Any) -> Any:
    """A prediction and a truth of one shape, nowhere equal."""

    def draw(d: Draw) -> Sample:
        shape = d.shape(empty=False)
        target = d.real(*shape)
        chosen = {k: d.of(*v) for k, v in options.items()}
        x = target + d.away(*shape, kinks=(-1.0, -0.5, 0.0, 0.5, 1.0))
        return [x, target], {"reduction": d.of("mean", "sum", "none"), **chosen}

    return draw


def binary(d: Draw) -> Sample:
    shape = (*d.shape(0, 1, empty=False), 3)
    options: dict[str, Any] = {"reduction": d.of("mean", "sum", "none")}
    for name in ("weight", "pos_weight"):
        if d.flag():
            options[name] = d.rng.uniform(0.5, 2, 3)
    return [d.real(*shape, high=d.of(2, 20)), d.rng.uniform(0, 1, shape)], options


CASES = [
    case(
        "batch_norm in training",
        trained,
        batch_norm_train,
        lambda x, weight, bias, eps: F.batch_norm(x, None, None, weight, bias, True, eps=eps),
    ),
    case(
        "batch_norm_train",
        trained,
        batch_norm_op,
        lambda x, weight, bias, eps: F.batch_norm(x, None, None, weight, bias, True, eps=eps),
    ),
    case("scale_shift", scaled, None, torch_scale_shift),
    case("batch_norm in evaluation", evaluated, batch_norm_eval, torch_batch_norm_eval),
    case(
        "layer_norm",
        layers,
        lambda x, weight=None, bias=None, *, normalized_shape: ops.layer_norm(
            x, normalized_shape, weight, bias
        ),
        weighted_torch("layer_norm"),
    ),
    case(
        "group_norm",
        grouped,
        lambda x, weight=None, bias=None, *, num_groups: ops.group_norm(
            x, num_groups, weight, bias
        ),
        weighted_torch("group_norm"),
    ),
    case(
        "instance_norm",
        instances,
        None,
        lambda x, weight=None, bias=None: F.instance_norm(x, None, None, weight, bias),
    ),
    case(
        "instance_norm by running statistics",
        evaluated_instances,
        lambda x, weight=None, bias=None, *, mean, var: ops.instance_norm(
            x, weight, bias, running_mean=mean, running_var=var, use_input_stats=False
        ),
        lambda x, weight=None, bias=None, *, mean, var: F.instance_norm(
            x, torch.tensor(mean), torch.tensor(var), weight, bias, use_input_stats=False
        ),
    ),
    case("dropout", lambda d: ([d.real(3, 4)], {"p": d.of(0.0, 0.3, 1.0)}), None, None),
    case("dropout2d", lambda d: ([d.real(2, 3, 2, 2)], {"p": 0.5}), None, None),
    case(
        "masked_scale",
        lambda d: ([d.real(3, 4)], {"mask": d.mask(3, 4), "factor": 1.5}),
        None,
        lambda x, mask, factor: x * torch.tensor(mask) * factor,
    ),
    case("cross_entropy", classified, None, lambda x, **k: F.cross_entropy(x, **as_torch(k))),
    case(
        "cross_entropy of probabilities",
        softly,
        None,
        lambda x, t, **k: F.cross_entropy(x, t, **as_torch(k)),
    ),
    case(
        "softmax_cross_entropy",
        lambda d: ([d.real(4, 3, high=5), d.rng.integers(0, 3, 4)], {}),
        None,
        lambda x, labels: F.cross_entropy(x, labels, reduction="none"),
    ),
    case("nll_loss", scored, None, lambda x, **k: F.nll_loss(x, **as_torch(k))),
    case("mse_loss", compared()),
    case("l1_loss", compared()),
    case("smooth_l1_loss", compared(beta=(1.0, 0.5))),
    case(
        "binary_cross_entropy_with_logits",
        binary,
        None,
        lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t, **as_torch(k)),
    ),
]
