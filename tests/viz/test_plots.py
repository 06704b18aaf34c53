"""The pictures hold what they were given, and leave the user's matplotlib alone."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_cnn.errors import MissingDependencyError, ShapeError
from tinygrad_cnn.viz import plots

DIGITS = [str(d) for d in range(10)]


def history(epochs: int, validation: bool = True) -> dict[str, Any]:
    shares = [1 - 0.5**e for e in range(1, epochs + 1)]
    none = [None] * epochs
    return {
        "epoch": list(range(1, epochs + 1)),
        "train_loss": [1 - s + 0.1 for s in shares],
        "val_loss": [1 - s for s in shares] if validation else none,
        "train_accuracy": shares,
        "val_accuracy": shares if validation else none,
        "lr": [0.1] * epochs,
    }


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))]


def test_curves_show_both_losses_and_both_accuracies() -> None:
    columns = history(5)
    losses, accuracies, rate = plots.learning_curves(columns).axes
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), columns["train_loss"])
    np.testing.assert_array_equal(losses.lines[1].get_ydata(), columns["val_loss"])
    np.testing.assert_allclose(
        accuracies.lines[1].get_ydata(), 100 * np.array(columns["val_accuracy"])
    )
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), columns["lr"])


def test_curves_name_the_best_epoch() -> None:
    columns = history(5) | {"val_accuracy": [0.1, 0.2, 0.95, 0.9, 0.9]}
    assert "best 95.00 %\nin epoch 3" in texts(plots.learning_curves(columns))


@pytest.mark.parametrize("columns", [history(0), history(1), history(3, validation=False)])
def test_curves_of_a_training_cut_short_can_be_drawn(columns: dict[str, Any]) -> None:
    assert plots.png(plots.learning_curves(columns), dpi=40).startswith(b"\x89PNG")


def test_curves_are_drawn_on_the_figure_that_was_given() -> None:
    figure = plots.new_figure(9, 3)
    assert plots.learning_curves(history(2), figure) is figure


def test_confusions_are_printed_with_recall_and_precision() -> None:
    matrix = np.diag([3, 4, 8])
    matrix[1, 0] = 1
    shown = texts(plots.confusion_matrix(matrix, ["a", "b", "c"]).figure)
    assert "80.0" in shown  # recall of b: 4 of 5
    assert "75.0" in shown  # precision of a: 3 of 4
    assert "1 of 16 taken for another class" in shown


def test_a_class_without_examples_has_no_recall() -> None:
    shown = texts(plots.confusion_matrix(np.diag([3, 0]), ["a", "b"]).figure)
    assert shown.count("-") == 2


def test_a_confusion_matrix_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"2 classes need a matrix of shape \(2, 2\), got \(3, 3\)"
    ):
        plots.confusion_matrix(np.eye(3), ["a", "b"])


def test_gallery_captions_tell_truth_prediction_and_probability() -> None:
    images = np.zeros((2, 28, 28), dtype=np.uint8)
    figure = plots.error_gallery(images, [4, 7], [9, 1], [0.987, 0.5], DIGITS)
    assert {"4 → 9\n98.7%", "7 → 1\n50.0%"} <= set(texts(figure))


def test_a_gallery_without_mistakes_says_none() -> None:
    images = np.zeros((0, 28, 28), dtype=np.uint8)
    assert "none" in texts(plots.error_gallery(images, [], [], [], DIGITS))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (3, 32, 32)])
def test_contact_sheets_take_grey_and_colour(shape: tuple[int, ...]) -> None:
    figure = plots.contact_sheet(np.zeros((9, *shape), dtype=np.uint8), list("123456789"))
    assert plots.png(figure, dpi=40).startswith(b"\x89PNG")


def test_contact_sheets_fit_into_a_figure_with_a_layout_of_its_own() -> None:
    figure = plots.new_figure(4, 4, layout="constrained")
    plots.contact_sheet(np.zeros((3, 28, 28), dtype=np.uint8), list("123"), "title", figure)
    assert plots.png(figure, dpi=40).startswith(b"\x89PNG")


def test_contact_sheets_want_one_caption_for_each_image() -> None:
    with pytest.raises(ShapeError, match="got 1 captions for 2 images"):
        plots.contact_sheet(np.zeros((2, 8, 8)), ["one"])


def test_drawing_does_not_import_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plots.png(plots.learning_curves(history(2)), dpi=40)
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"tinygrad-cnn\[viz\]"):
        plots.new_figure(1, 1)
