"""Losses beyond cross-entropy and the squares, and the distances that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn import ops

REDUCTIONS = ("mean", "sum", "none")


def as_torch(options: dict[str, Any]) -> dict[str, Any]:
    return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def same_name(name: str) -> Callable[..., Any]:
    """F.name, array options as tensors."""
    return lambda *xs, **k: getattr(F, name)(*xs, **as_torch(k))


def probable(d: Draw) -> Sample:
    """Probabilities and targets in 0..1."""
    shape = (*d.shape(0, 1, empty=False), 3)
    options: dict[str, Any] = {"reduction": d.of(*REDUCTIONS)}
    if d.flag():
        options["weight"] = d.rng.uniform(0.5, 2, 3)
    return [d.real(*shape, low=0.1, high=0.9), d.real(*shape, low=0.1, high=0.9)], options


def divergent(d: Draw) -> Sample:
    shape = (2, *d.shape(0, 2, empty=False))
    log_target = d.flag()
    target = d.real(*shape) if log_target else d.real(*shape, low=0.1, high=0.9)
    options = {"reduction": d.of("batchmean", *REDUCTIONS), "log_target": log_target}
    return [d.real(*shape), target], options


def apart(d: Draw) -> Sample:
    """Two of one shape whose difference is not near 0, nor near delta."""
    delta = d.of(1.0, 0.5)
    target = d.real(*d.shape(empty=False))
    x = target + d.away(*target.shape, kinks=(-delta, 0.0, delta))
    return [x, target], {"reduction": d.of(*REDUCTIONS), "delta": delta}


def signs(d: Draw, *shape: int) -> np.ndarray:
    return d.rng.choice([-1.0, 1.0], shape)


def signed(**options: Any) -> Callable[[Draw], Sample]:
    """Scores away from the margins 1 and 0.5 either way, and targets 1 or -1, held fixed."""

    def draw(d: Draw) -> Sample:
        x = d.away(*d.shape(empty=False), kinks=(-1.0, -0.5, 0.5, 1.0), high=2.5)
        chosen = {k: d.of(*v) for k, v in options.items()}
        return [x], {"target": signs(d, *x.shape), "reduction": d.of(*REDUCTIONS), **chosen}

    return draw


def ranked(d: Draw) -> Sample:
    x2 = d.real(*d.shape(empty=False))
    x1 = x2 + d.away(*x2.shape, kinks=(-0.5, 0.0, 0.5))
    options = {"margin": d.of(0.0, 0.5), "reduction": d.of(*REDUCTIONS)}
    return [x1, x2], {"target": signs(d, *x2.shape), **options}


def classified(d: Draw) -> Sample:
    """Scores whose differences keep away from the margin."""
    N, K = d.int(1, 4), d.int(1, 4)
    options: dict[str, Any] = {
        "target": d.rng.integers(0, K, N),
        "p": d.of(1, 2),
        "margin": d.of(1.0, 0.37),
        "reduction": d.of(*REDUCTIONS),
    }
    if d.flag():
        options["weight"] = d.rng.uniform(0.5, 2, K)
    scores = 0.4 * d.rng.permuted(np.tile(np.arange(K), (N, 1)), axis=1)
    return [d.laid_out(scores + d.rng.uniform(0, 0.02, (N, K)))], options


def labelled(d: Draw) -> Sample:
    shape = (*d.shape(0, 1, empty=False), 3)
    options: dict[str, Any] = {"reduction": d.of(*REDUCTIONS)}
    if d.flag():
        options["weight"] = d.rng.uniform(0.5, 2, 3)
    return [d.real(*shape, high=5.0), d.rng.uniform(0, 1, shape)], options


def alike(d: Draw) -> Sample:
    """Pairs whose cosine is clear of both margins."""
    x1 = d.real(*d.of((4,), (3, 4)), low=0.5)
    flip = signs(d, *x1.shape[:-1])[..., None]
    x2 = flip * x1 + d.rng.uniform(-0.2, 0.2, x1.shape)
    options = {"margin": d.of(0.0, 0.3), "reduction": d.of(*REDUCTIONS)}
    return [x1, x2], {"target": signs(d, *x1.shape[:-1]), **options}


def triplet(d: Draw) -> Sample:
    """Three points, no two close, and near minus far away from -margin."""
    anchor = d.real(*d.of((3,), (4, 3)))
    options = {"p": d.of(2.0, 3.0), "swap": d.flag(), "reduction": d.of(*REDUCTIONS)}
    near = anchor + d.away(*anchor.shape, margin=0.2, high=0.5)
    far = anchor + d.of(0.7, 4.0) * (2 + d.rng.uniform(0, 1, anchor.shape))
    return [anchor, near, far], options


def pair(d: Draw) -> Sample:
    return [d.real(2, 3, low=0.3), d.real(2, 3, low=0.3)], {"axis": d.axis(2)}


def distant(d: Draw) -> Sample:
    x1 = d.real(*d.shape(0, 1, empty=False), 3)
    x2 = x1 + d.away(*x1.shape, margin=0.3)
    return [x1, x2], {"ord": d.of(1.0, 2.0, 3.0), "keepdims": d.flag()}


def directed(d: Draw) -> Sample:
    return [d.away(2, 3, margin=0.3)], {"ord": d.of(1.0, 2.0, 3.0), "axis": d.axis(2)}


CASES = [
    case("binary_cross_entropy", probable, None, same_name("binary_cross_entropy")),
    case("clipped_log", lambda d: ([d.real(3, low=0.1)], {}), None, lambda x: torch.log(x)),
    case("kl_div", divergent, None, same_name("kl_div")),
    case("huber_loss", apart),
    case(
        "hinge_loss",
        signed(),
        None,
        lambda x, **k: F.margin_ranking_loss(x, torch.zeros_like(x), margin=1.0, **as_torch(k)),
    ),
    case("soft_margin_loss", signed(), None, same_name("soft_margin_loss")),
    case(
        "hinge_embedding_loss",
        signed(margin=(1.0, 0.5)),
        None,
        same_name("hinge_embedding_loss"),
    ),
    case("margin_ranking_loss", ranked, None, same_name("margin_ranking_loss")),
    case("multi_margin_loss", classified, None, same_name("multi_margin_loss"), twice=False),
    case(
        "multilabel_soft_margin_loss",
        labelled,
        None,
        same_name("multilabel_soft_margin_loss"),
    ),
    case("cosine_embedding_loss", alike, None, same_name("cosine_embedding_loss")),
    case("triplet_margin_loss", triplet, None, same_name("triplet_margin_loss")),
    case(
        "normalize",
        directed,
        None,
        lambda x, ord, axis: F.normalize(x, ord, axis),
    ),
    case("cosine_similarity", pair, None, lambda x1, x2, axis: F.cosine_similarity(x1, x2, axis)),
    case(
        "pairwise_distance",
        distant,
        None,
        lambda x1, x2, ord, keepdims: F.pairwise_distance(x1, x2, ord, 1e-6, keepdims),
    ),
    case(
        "hinge_loss of integers",
        lambda d: ([d.away(3, kinks=(-1.0, 1.0))], {"target": np.array([1, -1, 1])}),
        lambda x, target: ops.hinge_loss(x, target),
        lambda x, target: (1 - torch.tensor(target) * x).clamp(min=0).mean(),
    ),
]
