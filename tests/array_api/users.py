"""Functions of SciPy and scikit-learn that were written against the standard, run on Tensors.

Each row names a function and gives what it is called with. `python -m tests.array_api.users` runs
them all and prints, as JSON, what is wrong with each: nothing, where the values are those for NumPy
arrays and the gradients the limits of difference quotients.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.oracle import _Lazy

special = _Lazy("scipy.special")
stats = _Lazy("scipy.stats")
integrate = _Lazy("scipy.integrate")
optimize = _Lazy("scipy.optimize")
scipy_fft = _Lazy("scipy.fft")
metrics = _Lazy("sklearn.metrics")
pairwise = _Lazy("sklearn.metrics.pairwise")
preprocessing = _Lazy("sklearn.preprocessing")
decomposition = _Lazy("sklearn.decomposition")
linear_model = _Lazy("sklearn.linear_model")

ONE = ((4, 3),)
TWO = ((4, 3), (4, 3))

Row = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]

SCIPY: dict[str, Row] = {
    "special.logsumexp": (lambda x: special.logsumexp(x, axis=1), ONE),
    "special.logsumexp with weights": (lambda x, b: special.logsumexp(x, axis=0, b=b), TWO),
    "special.softmax": (lambda x: special.softmax(x, axis=1), ONE),
    "special.log_softmax": (lambda x: special.log_softmax(x, axis=1), ONE),
    "special.xlogy": (lambda x, y: special.xlogy(x, y), TWO),
    "special.rel_entr": (lambda x, y: special.rel_entr(x, y), TWO),
    "stats.zscore": (lambda x: stats.zscore(x, axis=0), ONE),
    "stats.gmean": (lambda x: stats.gmean(x, axis=0), ONE),
    "stats.hmean": (lambda x: stats.hmean(x, axis=0), ONE),
    "stats.pmean": (lambda x: stats.pmean(x, 3, axis=0), ONE),
    "stats.skew": (lambda x: stats.skew(x, axis=0), ONE),
    "stats.kurtosis": (lambda x: stats.kurtosis(x, axis=0), ONE),
    "stats.moment": (lambda x: stats.moment(x, 3, axis=0), ONE),
    "stats.variation": (lambda x: stats.variation(x, axis=0), ONE),
    "stats.entropy, relative": (lambda x, y: stats.entropy(x, y, axis=0), TWO),
    "stats.circmean": (lambda x: stats.circmean(x, axis=0), ONE),
    "stats.quantile": (lambda x: stats.quantile(x, 0.3, axis=0), ONE),
    "stats.directional_stats": (lambda x: stats.directional_stats(x).mean_direction, ONE),
    "integrate.trapezoid": (lambda y: integrate.trapezoid(y, axis=0), ONE),
    "optimize.rosen": (lambda x: optimize.rosen(x), ONE),
    "fft.rfft": (lambda x: abs(scipy_fft.rfft(x)), ONE),
    "fft.irfft": (lambda x: scipy_fft.irfft(x + 0j), ONE),
}

SKLEARN: dict[str, Row] = {
    "mean_squared_error": (
        lambda x, y: metrics.mean_squared_error(x, y, multioutput="raw_values"),
        TWO,
    ),
    "r2_score": (lambda x, y: metrics.r2_score(x, y, multioutput="raw_values"), TWO),
    "cosine_similarity": (lambda x, y: pairwise.cosine_similarity(x, y), TWO),
    "euclidean_distances": (lambda x, y: pairwise.euclidean_distances(x, y), TWO),
    "rbf_kernel": (lambda x, y: pairwise.rbf_kernel(x, y), TWO),
    "StandardScaler": (lambda x: preprocessing.StandardScaler().fit_transform(x), ONE),
    "Normalizer": (lambda x: preprocessing.Normalizer().fit_transform(x), ONE),
    "PCA": (
        lambda x: decomposition.PCA(2, svd_solver="full").fit_transform(x),
        ONE,
    ),
    "Ridge": (lambda x, y: linear_model.Ridge(solver="svd").fit(x, y).coef_, ((4, 3), (4,))),
}

ROWS = {"scipy": SCIPY, "sklearn": SKLEARN}


def complaint(f: Callable[..., Any], shapes: tuple[tuple[int, ...], ...]) -> str | None:
    """What is wrong with f on Tensors, or None."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.2, 2.0, shape) for shape in shapes]
    try:
        leaves = [tg.Tensor(a, requires_grad=True) for a in arrays]
        y = f(*leaves)
        if not isinstance(y, tg.Tensor):
            return f"gives a {type(y).__name__}"
        expected = np.asarray(f(*arrays))
        np.testing.assert_allclose(y.data, expected, rtol=1e-10)
        weights = rng.uniform(0.5, 1.5, y.shape)
        tg.sum(y * weights).backward()
        for i, leaf in enumerate(leaves):
            slope = difference_quotients(lambda *xs: np.sum(f(*xs) * weights), arrays, i)
            np.testing.assert_allclose(leaf.grad.data, slope, rtol=1e-5, atol=1e-6)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def difference_quotients(f: Callable[..., Any], arrays: list[np.ndarray], i: int) -> np.ndarray:
    """df/d(arrays[i])"""
    h = 1e-5
    slope = np.zeros(arrays[i].shape)
    for place in np.ndindex(slope.shape):
        ends = []
        for step in (h, -h):
            moved = [a.copy() for a in arrays]
            moved[i][place] += step
            ends.append(f(*moved))
        slope[place] = (ends[0] - ends[1]) / (2 * h)
    return slope


def main() -> None:
    import sklearn

    report = {}
    for package, rows in ROWS.items():
        with sklearn.config_context(array_api_dispatch=package == "sklearn"):
            report[package] = {name: complaint(*row) for name, row in rows.items()}
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
