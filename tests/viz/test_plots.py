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


@pytest.mark.parametrize("name", ["5", "T-shirt/top", "a class with quite a long name"])
def test_every_word_beside_a_confusion_matrix_lies_inside_of_the_picture(name: str) -> None:
    classes = [f"{name}{c}" for c in range(10)]
    figure = plots.confusion_matrix(np.eye(10, dtype=int) * 100, classes).figure
    figure.draw_without_rendering()
    edges = figure.bbox
    words = [t for t in figure.findobj(match=lambda a: hasattr(a, "get_text")) if t.get_text()]
    assert {"precision\nin %", "recall\nin %", classes[-1]} <= {t.get_text() for t in words}
    for text in words:
        box = text.get_window_extent()
        assert (edges.x0 <= box.x0, box.x1 <= edges.x1) == (True, True), text.get_text()
        assert (edges.y0 <= box.y0, box.y1 <= edges.y1) == (True, True), text.get_text()


def test_long_names_of_classes_do_not_run_into_one_another() -> None:
    classes = ["T-shirt/top", "Trouser", "Pullover", "Ankle boot"] * 2
    ax = plots.confusion_matrix(np.eye(8, dtype=int), classes)
    assert {label.get_rotation() for label in ax.get_xticklabels()[:-1]} == {40.0}


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


# -- inside of the layers -------------------------------------------------------------------------


def titles(ax: Any) -> str:
    return ax.get_title(loc="left") + ax.get_title()


@pytest.mark.parametrize(
    ("shape", "images"),
    [((16, 1, 3, 3), 16), ((8, 3, 5, 5), 8), ((6, 4, 3, 3), 24), ((1, 1, 1, 1), 1)],
)
def test_filters_are_drawn_one_by_one_with_a_gap_around_each(
    shape: tuple[int, ...], images: int
) -> None:
    weight = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    ax = plots.filters(weight)
    drawn = np.ma.masked_invalid(ax.images[0].get_array())
    assert f"{shape[0]} filters, {shape[2]} x {shape[3]}" in titles(ax)
    if shape[1] == 3:  # coloured: 1 for the largest of all, white between
        assert drawn.max() == 1.0
        assert drawn.shape[2] == 3
    else:
        assert drawn.count() == weight.size == images * shape[2] * shape[3]
        np.testing.assert_array_equal(np.sort(drawn.compressed()), weight.ravel())


def test_zero_is_the_middle_of_the_scale_of_filters() -> None:
    image = plots.filters(np.array([-1.0, 0.0, 2.0, 0.5]).reshape(1, 1, 2, 2)).images[0]
    assert image.get_clim() == (-2.0, 2.0)


def test_filters_of_many_channels_are_a_row_each_and_the_title_tells_what_is_left_out() -> None:
    ax = plots.filters(np.ones((64, 32, 3, 3)), most=64)
    assert titles(ax) == "64 filters (the first 4), 3 x 3, 32 channels (the first 16)"
    assert np.ma.masked_invalid(ax.images[0].get_array()).count() == 4 * 16 * 9


def test_feature_maps_share_a_scale_and_dead_ones_are_counted() -> None:
    maps = np.stack([np.full((4, 5), c, float) for c in (0, 1, 2)])
    ax = plots.feature_maps(maps)
    assert titles(ax) == "3 feature maps, 4 x 5, 1 all zero"
    assert ax.images[0].get_clim() == (0.0, 2.0)


def test_the_flow_of_gradients_is_a_row_a_layer_with_its_newest_norm() -> None:
    ax = plots.gradient_flow({"first": [1.0, 1e-6], "second": [1.0, 10.0]})
    image = ax.images[0]
    np.testing.assert_allclose(image.get_array(), [[1.0, 1e-6], [1.0, 10.0]])
    assert image.norm(1e-6) == 0.0
    assert image.norm(10.0) == 1.0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert {" 1e-06", " 10"} <= set(texts(ax.figure))


def test_zero_and_nan_are_no_shades_of_the_scale() -> None:
    ax = plots.gradient_flow({"a": [0.0, 1.0, float("nan")], "b": [float("inf")]})
    known, bad = (image.get_array() for image in ax.images)
    assert known.mask.tolist() == [[True, False, True], [True, True, True]]
    assert bad.mask.tolist() == [[True, True, False], [True, True, False]]
    assert plots.png(ax.figure, dpi=40).startswith(b"\x89PNG")


def test_histograms_hold_every_value_and_tell_of_zeros_and_nans() -> None:
    values = np.array([-1.0, 0.0, 0.0, 0.0, 1.0, np.nan])
    ax = plots.activation_histograms({"relu": values, "none": np.zeros(0)})
    heights, _, base = ax.patches[0].get_data()
    assert base == 1
    assert sorted(set(np.round((heights - base) / 0.85 * 3))) == [0, 1, 3]
    assert {" zero 50%", " 1 NaN or Inf", " empty"} <= set(texts(ax.figure))


@pytest.mark.parametrize("draw", [plots.gradient_flow, plots.activation_histograms])
def test_layers_without_anything_to_show_say_so(draw: Any) -> None:
    assert any("so far" in text for text in texts(draw({}).figure))
    assert any("so far" in text for text in texts(draw({"a": []}).figure))


@pytest.mark.parametrize(
    ("draw", "shape"), [(plots.filters, (3, 3)), (plots.feature_maps, (2, 3, 4, 5))]
)
def test_arrays_of_another_shape_are_refused_with_the_right_one(draw: Any, shape: Any) -> None:
    with pytest.raises(ShapeError, match=r"shape \(.*, got"):
        draw(np.zeros(shape))


@pytest.mark.parametrize(
    ("draw", "what"),
    [
        (plots.filters, np.ones((2, 1, 3, 3))),
        (plots.feature_maps, np.ones((2, 3, 3))),
        (plots.gradient_flow, {"a": [1.0]}),
        (plots.activation_histograms, {"a": np.ones(3)}),
    ],
)
def test_layers_are_drawn_on_the_axis_that_was_given(draw: Any, what: Any) -> None:
    ax = plots.new_figure(4, 3).subplots()
    assert draw(what, ax) is ax


def test_drawing_does_not_import_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plots.png(plots.learning_curves(history(2)), dpi=40)
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"tinygrad-cnn\[viz\]"):
        plots.new_figure(1, 1)
