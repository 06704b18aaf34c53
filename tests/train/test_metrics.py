"""Metrics agree with scikit-learn's and with counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.train import metrics


def test_accuracy_counts_the_rows_whose_largest_logit_stands_at_the_label() -> None:
    logits = np.array([[0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert metrics.accuracy(logits, np.array([1, 0, 0, 1])) == 0.75


def test_probabilities_sum_to_one_where_exp_of_the_logits_overflows() -> None:
    p = metrics.probabilities(np.array([[1e4, 0.0], [0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(p, [[1.0, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, 6, size=(2, 40))
    labels[labels == 3] = 4  # a class that never occurs, though it may be predicted
    predictions[predictions == 5] = 0  # a class that is never predicted
    matrix = metrics.confusion_matrix(labels, predictions, classes=7)  # 6: in neither
    expected = sklearn.precision_recall_fscore_support(
        labels, predictions, labels=range(7), zero_division=0
    )
    np.testing.assert_array_equal(
        matrix, sklearn.confusion_matrix(labels, predictions, labels=range(7))
    )
    scores = np.array(metrics.class_scores(matrix)).T
    np.testing.assert_allclose(scores[:4], np.array(expected))
    one_vs_all = [np.mean((labels == c) == (predictions == c)) for c in range(7)]
    np.testing.assert_allclose(scores[4], one_vs_all)


def test_top_mistakes_are_the_wrong_ones_surest_first() -> None:
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    mistakes = metrics.top_mistakes(p, np.array([1, 1, 1, 0]), count=2)
    assert [(m.index, m.truth, m.prediction) for m in mistakes] == [(1, 1, 0), (3, 0, 1)]


def test_there_are_no_mistakes_where_all_is_right() -> None:
    assert metrics.top_mistakes(np.eye(3), np.arange(3), count=5) == []
    assert metrics.top_confusions(np.diag([4, 5]), count=5) == []


def test_top_confusions_are_the_fullest_cells_off_the_diagonal() -> None:
    matrix = np.array([[9, 1, 0], [0, 9, 3], [2, 0, 9]])
    fullest = metrics.top_confusions(matrix, count=2)
    assert fullest == [metrics.Confusion(1, 2, 3), metrics.Confusion(2, 0, 2)]


def test_the_interval_of_a_perfect_score_ends_at_one_and_is_not_empty() -> None:
    low, high = metrics.wilson_interval(50, 50)
    assert low == pytest.approx(0.9287, abs=1e-4)
    assert high == pytest.approx(1.0)
