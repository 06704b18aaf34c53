"""The functional forms: PyTorch's names and order of arguments, and PyTorch's values."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, manual_seed, nn
from tinygrad_cnn.errors import AxisError, DTypeError, IndexingError, ShapeError
from tinygrad_cnn.nn import functional as F

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 2, 2, 1, 3])
MAPS = RNG.normal(size=(2, 4, 3, 2))  # (N, C, H, W)
MAP_LABELS = RNG.integers(0, 4, (2, 3, 2))
X, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1])
SOFT = RNG.dirichlet(np.ones(4), 6)

CASES = [
    ("cross_entropy", (LOGITS, LABELS), {}),
    ("cross_entropy", (LOGITS, LABELS, WEIGHT), {}),
    ("cross_entropy", (LOGITS, LABELS), {"ignore_index": 2}),
    ("cross_entropy", (LOGITS, LABELS, WEIGHT), {"ignore_index": 2, "label_smoothing": 0.1}),
    ("cross_entropy", (LOGITS, LABELS), {"label_smoothing": 0.2, "reduction": "sum"}),
    ("cross_entropy", (LOGITS, LABELS), {"reduction": "none"}),
    ("cross_entropy", (MAPS, MAP_LABELS), {}),
    ("cross_entropy", (MAPS, MAP_LABELS, WEIGHT), {"reduction": "none", "label_smoothing": 0.1}),
    ("cross_entropy", (LOGITS, SOFT), {}),
    ("cross_entropy", (1000 * LOGITS, LABELS), {}),
    ("nll_loss", (LOGITS, LABELS), {}),
    ("nll_loss", (LOGITS, LABELS, WEIGHT), {"ignore_index": 3}),
    ("nll_loss", (MAPS, MAP_LABELS), {"reduction": "sum"}),
    ("mse_loss", (X, T), {}),
    ("mse_loss", (X, T), {"reduction": "none"}),
    ("l1_loss", (X, T), {}),
    ("l1_loss", (X, T), {"reduction": "sum"}),
    ("smooth_l1_loss", (X, T), {}),
    ("huber_loss", (X, T), {"delta": 0.3, "reduction": "none"}),
    ("kl_div", (X, np.abs(T)), {"reduction": "batchmean"}),
    ("kl_div", (X, T), {"log_target": True, "reduction": "sum"}),
    ("binary_cross_entropy", (np.abs(X) % 1, np.abs(T) % 1, np.abs(T)), {}),
    ("soft_margin_loss", (X, np.sign(T)), {}),
    ("hinge_embedding_loss", (X, np.sign(T), 0.5), {"reduction": "none"}),
    ("margin_ranking_loss", (X, T, np.sign(T), 0.5), {}),
    ("multi_margin_loss", (LOGITS, LABELS, 2, 0.5, WEIGHT), {}),
    ("multilabel_soft_margin_loss", (X, np.abs(T) % 1, np.abs(T[0])), {}),
    ("cosine_embedding_loss", (X, T, np.sign(T[:, 0]), 0.1), {}),
    ("triplet_margin_loss", (X, T, T[::-1].copy(), 3.0, 3.0, 1e-6, True), {}),
    ("cosine_similarity", (X, T), {"dim": 0}),
    ("pairwise_distance", (X, T, 1.0, 1e-6, True), {}),
    ("normalize", (X, 1.0, 0), {}),
    ("smooth_l1_loss", (X, T), {"beta": 0.3, "reduction": "sum"}),
    ("binary_cross_entropy_with_logits", (X, np.abs(T) % 1), {}),
    ("binary_cross_entropy_with_logits", (100 * X, np.abs(T) % 1, np.abs(T)), {}),
    ("binary_cross_entropy_with_logits", (X, np.abs(T) % 1), {"pos_weight": WEIGHT[:3]}),
    ("softmax", (X, 0), {}),
    ("log_softmax", (X,), {"dim": 1}),
    ("softplus", (X, 2.0), {}),
    ("softplus", (30 * X,), {}),
    ("softmin", (X, 0), {}),
    ("glu", (MAPS, 1), {}),
    ("threshold", (X, 0.1, 20.0), {}),
    ("prelu", (MAPS, WEIGHT), {}),
    ("rrelu", (X, 0.1, 0.3), {}),
    ("relu6", (5 * X,), {}),
    ("max_pool2d", (MAPS, 2, 1), {}),
    ("avg_pool2d", (MAPS, 2, 1, 1, False, True, 3), {}),
    ("lp_pool2d", (np.abs(MAPS), 3.0, 2), {}),
    ("lp_pool1d", (np.abs(MAPS[0]), 2.0, 2), {}),
    ("pad", (MAPS, (1, 2, 0, 1)), {}),
    ("pad", (MAPS, (0, 1)), {"value": 3.0}),
    ("pad", (MAPS, (-1, 2, 1, -2)), {}),
    ("interpolate", (MAPS, None, 2.0), {}),
    ("interpolate", (MAPS, (5, 3)), {"mode": "bicubic", "align_corners": True}),
    ("pixel_shuffle", (MAPS, 2), {}),
    ("channel_shuffle", (MAPS, 2), {}),
    ("unfold", (MAPS, 2, 1, 1, 2), {}),
    ("instance_norm", (MAPS, None, None, WEIGHT), {}),
    ("adaptive_max_pool2d", (MAPS, (2, 1)), {}),
    ("lp_pool3d", (np.abs(MAPS[None]), 2.0, (2, 1, 2)), {}),
    ("layer_norm", (X, (3,)), {}),
    ("group_norm", (MAPS, 2, WEIGHT), {}),
]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape)


def as_torch(torch: Any, value: Any) -> Any:
    """A tensor that requires a gradient where ours would."""
    if not isinstance(value, np.ndarray):
        return value
    return torch.tensor(value, requires_grad=value.dtype.kind == "f")


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_values_and_gradients_are_pytorchs(torch, name, args, kwargs):
    ours = [Tensor(a, requires_grad=True) if is_float(a) else a for a in args[:1]] + list(args[1:])
    theirs = [as_torch(torch, a) for a in args]
    theirs[1:] = [t.detach() if hasattr(t, "detach") else t for t in theirs[1:]]
    options = {k: v if np.isscalar(v) else torch.tensor(v) for k, v in kwargs.items()}
    y = getattr(F, name)(*ours, **kwargs)
    expected = getattr(torch.nn.functional, name)(*theirs, **options)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    g = normal(*y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours[0].grad.data, theirs[0].grad.numpy(), rtol=1e-10, atol=1e-12)


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arrays_give_arrays_of_the_same_values(name, args, kwargs):
    y = getattr(F, name)(*args, **kwargs)
    assert not isinstance(y, Tensor)
    expected = getattr(F, name)(Tensor(args[0]), *args[1:], **kwargs)
    np.testing.assert_allclose(y, expected.data, rtol=1e-12)


LOSSES: list[tuple[Any, ...]] = [
    (nn.CrossEntropyLoss(WEIGHT, ignore_index=1, label_smoothing=0.1), LOGITS, LABELS),
    (nn.NLLLoss(reduction="sum"), LOGITS, LABELS),
    (nn.MSELoss(), X, T),
    (nn.L1Loss("none"), X, T),
    (nn.SmoothL1Loss(beta=0.5), X, T),
    (nn.BCEWithLogitsLoss(pos_weight=WEIGHT[:3]), X, np.abs(T) % 1),
    (nn.BCELoss(WEIGHT[:3]), np.abs(X) % 1, np.abs(T) % 1),
    (nn.HuberLoss(delta=0.4), X, T),
    (nn.KLDivLoss("batchmean"), X, np.abs(T)),
    (nn.SoftMarginLoss(), X, np.sign(T)),
    (nn.HingeEmbeddingLoss(0.7), X, np.sign(T)),
    (nn.MultiMarginLoss(2, 0.7, WEIGHT), LOGITS, LABELS),
    (nn.MultiLabelSoftMarginLoss(WEIGHT[:3]), X, np.abs(T) % 1),
    (nn.MarginRankingLoss(0.3), X, T, np.sign(X)),
    (nn.CosineEmbeddingLoss(0.2), X, T, np.sign(T[:, 0])),
    (nn.TripletMarginLoss(2.0, 3.0), X, T, T[::-1].copy()),
]


@pytest.mark.oracle
@pytest.mark.parametrize("row", LOSSES, ids=lambda row: type(row[0]).__name__)
def test_losses_as_modules_agree_with_pytorch(torch, row):
    loss, *inputs = row
    options = dict(vars(loss))
    for name in ("training", "_persistent"):
        del options[name]
    options = {
        k: torch.tensor(v.data) if isinstance(v, Tensor) else v
        for k, v in options.items()
        if v is not None
    }
    theirs = getattr(torch.nn, type(loss).__name__)(**options)
    y = loss(*map(Tensor, inputs))
    expected = theirs(*map(torch.tensor, inputs)).numpy()
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    assert list(loss.state_dict()) == list(theirs.state_dict())


FUNCTIONS = [
    name
    for name, thing in vars(F).items()
    if inspect.isfunction(thing) and thing.__module__ == F.__name__ and not name.startswith("_")
]
OURS_ALONE = {"flatten", "unflatten"}
WITH_INDICES = re.compile(r"(adaptive_)?max_pool.d")
NOT_TAKEN_OVER = {"size_average", "reduce", "inplace", "_stacklevel", "dtype"}


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in OURS_ALONE])
def test_options_come_under_pytorchs_names_in_its_order(torch, name):
    options = list(inspect.signature(getattr(F, name)).parameters)
    suffix = "_with_indices" if WITH_INDICES.fullmatch(name) else ""
    theirs = getattr(torch.nn.functional, name + suffix)
    try:
        expected = list(inspect.signature(theirs).parameters)
    except ValueError:  # a built-in: its documentation begins with the signature
        head = theirs.__doc__.strip().split(") ->")[0].split("(", 1)[1]
        expected = [p.split("=")[0].strip() for p in head.split(",")]
    expected = [p for p in expected if p not in NOT_TAKEN_OVER | {"*"}]
    operands = 2 if name in ("embedding", "one_hot") or "loss" in name or "entropy" in name else 1
    assert options[operands:] == expected[operands : len(options)]


def test_one_hot_marks_the_label():
    np.testing.assert_array_equal(F.one_hot(np.array([[1], [0]]), 3), [[[0, 1, 0]], [[1, 0, 0]]])
    assert isinstance(F.one_hot(Tensor([1, 0])), Tensor)
    assert F.one_hot(np.zeros((0,), int), 4).shape == (0, 4)
    with pytest.raises(IndexingError, match=r"0\.\.5 with num_classes=3"):
        F.one_hot(np.array([0, 5]), 3)
    with pytest.raises(DTypeError, match="labels must be integers"):
        F.one_hot(np.array([0.5]))


def test_flatten_and_unflatten_undo_each_other():
    x = Tensor(normal(2, 3, 4, 5), requires_grad=True)
    y = F.flatten(x, 1, 2)
    assert y.shape == (2, 12, 5)
    np.testing.assert_array_equal(F.unflatten(y, 1, (3, -1)).data, x.data)
    assert F.flatten(Tensor(3.0)).shape == (1,)
    assert F.unflatten(np.zeros((2, 0)), 1, (0, -1)).shape == (2, 0, 0)
    with pytest.raises(ShapeError, match="start_dim must not come after end_dim"):
        F.flatten(x, 2, 1)
    with pytest.raises(ShapeError, match=r"multiply to the length of axis 1, got \(2, 4\)"):
        F.unflatten(y, 1, (2, 4))
    with pytest.raises(AxisError):
        F.flatten(x, 7)


def test_pad_counts_from_the_last_axis():
    assert F.pad(np.ones((2, 3)), (1, 2, 3, 4)).shape == (9, 6)
    with pytest.raises(ShapeError, match="two numbers an axis"):
        F.pad(np.ones(2), (1,))


# -- attention --

Q, K, V = (
    RNG.normal(size=(2, 3, 5, 4)),
    RNG.normal(size=(2, 3, 6, 4)),
    RNG.normal(size=(2, 3, 6, 2)),
)
MASK = RNG.random((2, 1, 5, 6)) > 0.3
MASK[..., 0] = True


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"attn_mask": MASK},
        {"attn_mask": RNG.normal(size=(5, 6))},
        {"scale": 0.3},
    ],
)
def test_scaled_dot_product_attention_agrees_with_pytorch(torch, options):
    ours = [Tensor(a, requires_grad=True) for a in (Q, K, V)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (Q, K, V)]
    y = F.scaled_dot_product_attention(*ours, **options)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *theirs, **{k: torch.tensor(v) if np.ndim(v) else v for k, v in options.items()}
    )
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10)
    g = normal(*y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_a_query_that_may_look_nowhere_gets_zero_and_finite_gradients():
    mask = np.ones((5, 6), bool)
    mask[2] = False
    q = Tensor(Q, requires_grad=True)
    y = F.scaled_dot_product_attention(q, K, V, mask)
    assert not y.data[:, :, 2].any()
    y.sum().backward()
    assert np.isfinite(q.grad.data).all()
    assert not q.grad.data[:, :, 2].any()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("options", "masks"),
    [
        ({}, {}),
        ({"bias": False, "batch_first": True}, {"average_attn_weights": False}),
        ({"batch_first": True}, {"key_padding_mask": np.array([[0, 0, 0, 1, 1], [0] * 5]) == 1}),
        ({}, {"attn_mask": np.triu(np.ones((4, 5)), 2) == 1}),
        ({}, {"attn_mask": RNG.normal(size=(4, 5))}),
        (
            {"batch_first": True},
            {
                "attn_mask": RNG.random((2 * 2, 4, 5)) > 0.8,
                "key_padding_mask": np.array([[0, 0, 0, 0, 1], [0] * 5]) == 1,
            },
        ),
        ({"kdim": 3, "vdim": 7}, {}),
    ],
)
def test_multihead_attention_agrees_with_pytorch(torch, options, masks):
    manual_seed(0)
    ours = nn.MultiheadAttention(8, 2, **options).to(np.float64)
    theirs = torch.nn.MultiheadAttention(8, 2, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    sizes = (8, options.get("kdim", 8), options.get("vdim", 8))
    inputs = [normal(2, n, e) for n, e in zip((4, 5, 5), sizes, strict=True)]
    if not options.get("batch_first"):
        inputs = [x.swapaxes(0, 1) for x in inputs]
    q = Tensor(inputs[0], requires_grad=True)
    tq = torch.tensor(inputs[0], requires_grad=True)
    y, weights = ours(q, *map(Tensor, inputs[1:]), **masks)
    ty, tweights = theirs(
        tq,
        *map(torch.tensor, inputs[1:]),
        **{k: torch.tensor(v) for k, v in masks.items() if isinstance(v, np.ndarray)},
        **{k: v for k, v in masks.items() if not isinstance(v, np.ndarray)},
    )
    np.testing.assert_allclose(y.data, ty.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(weights.data, tweights.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = normal(*y.shape)
    y.backward(g)
    ty.backward(torch.tensor(g))
    np.testing.assert_allclose(q.grad.data, tq.grad.numpy(), rtol=1e-9, atol=1e-12)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(
            dict(ours.named_parameters())[name].grad.data, p.grad.numpy(), rtol=1e-9, atol=1e-12
        )


@pytest.mark.oracle
def test_a_sample_whose_keys_are_all_padding_gives_what_pytorchs_fast_path_does(torch):
    manual_seed(0)
    ours = nn.MultiheadAttention(8, 2, batch_first=True).to(np.float64)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    x, padding = normal(2, 5, 8), np.array([[True] * 5, [False] * 5])
    q = Tensor(x, requires_grad=True)
    y, weights = ours(q, q, q, key_padding_mask=padding)
    expected, _ = theirs(
        *[torch.tensor(x)] * 3, key_padding_mask=torch.tensor(padding), need_weights=False
    )
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert not weights.data[0].any()
    y.sum().backward()
    assert np.isfinite(q.grad.data).all()


def test_a_mask_of_numbers_and_one_of_booleans_add_up():
    manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).to(np.float64)
    x, padding = Tensor(normal(2, 5, 8)), np.array([[False] * 4 + [True], [False] * 5])
    causal = np.triu(np.full((5, 5), -np.inf), 1)
    y, _ = attention(x, x, x, key_padding_mask=padding, attn_mask=causal)
    expected, _ = attention(x, x, x, key_padding_mask=padding, attn_mask=causal < 0)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-12)


def test_attention_says_which_shapes_do_not_fit():
    q, k, v = (np.zeros((2, n, e)) for n, e in ((3, 4), (5, 4), (5, 2)))
    with pytest.raises(ShapeError, match=r"one length E, got \(2, 3, 4\) and \(2, 5, 2\)"):
        F.scaled_dot_product_attention(q, v, v)
    with pytest.raises(ShapeError, match="a value for each key"):
        F.scaled_dot_product_attention(q, k, v[:, :4])
    with pytest.raises(ShapeError, match=r"broadcast to the scores .* \(2, 3, 5\), got \(3, 4\)"):
        F.scaled_dot_product_attention(q, k, v, np.ones((3, 4), bool))
    with pytest.raises(DTypeError, match=r"booleans .* got int64; convert it with astype"):
        F.scaled_dot_product_attention(q, k, v, np.ones((3, 5), int))


def test_squeeze_and_excitation_scales_each_channel_by_one_number():
    manual_seed(0)
    layer = nn.SqueezeExcitation(4, squeeze_channels=2).to(np.float64)
    x = normal(3, 4, 5, 6)
    w1, b1, w2, b2 = (
        layer.state_dict()[k] for k in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    )
    hidden = np.maximum(x.mean((2, 3)) @ w1[:, :, 0, 0].T + b1, 0)
    scale = 1 / (1 + np.exp(-(hidden @ w2[:, :, 0, 0].T + b2)))
    np.testing.assert_allclose(layer(Tensor(x)).data, x * scale[:, :, None, None], rtol=1e-12)


# -- pooling with indices --


@pytest.mark.oracle
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"ceil_mode": True}, {"dilation": 2}])
def test_indices_of_a_max_pooling_are_pytorchs(torch, n, options):
    x = normal(2, 3, *(7, 5, 6)[:n])
    y, indices = getattr(F, f"max_pool{n}d")(Tensor(x), 3, 2, return_indices=True, **options)
    ty, tindices = getattr(torch.nn.functional, f"max_pool{n}d")(
        torch.tensor(x), 3, 2, return_indices=True, **options
    )
    np.testing.assert_array_equal(y.data, ty.numpy())
    np.testing.assert_array_equal(indices.data, tindices.numpy())
    plain = getattr(F, f"max_pool{n}d")(x, 3, 2, **options)
    np.testing.assert_array_equal(y.data, plain)


@pytest.mark.oracle
def test_indices_of_an_adaptive_max_pooling_are_pytorchs(torch):
    x = normal(2, 3, 7, 5)
    y, indices = nn.AdaptiveMaxPool2d((3, 4), return_indices=True)(Tensor(x))
    ty, tindices = torch.nn.AdaptiveMaxPool2d((3, 4), return_indices=True)(torch.tensor(x))
    np.testing.assert_array_equal(y.data, ty.numpy())
    np.testing.assert_array_equal(indices.data, tindices.numpy())


def test_the_first_of_equal_elements_is_the_maximum_of_its_cell():
    x = Tensor(np.zeros((1, 1, 4, 4)), requires_grad=True)
    y, indices = F.adaptive_max_pool2d(x, 2, return_indices=True)
    assert indices.data.ravel().tolist() == [0, 2, 8, 10]
    y.sum().backward()
    assert np.flatnonzero(x.grad.data).tolist() == [0, 2, 8, 10]


@pytest.mark.oracle
@pytest.mark.parametrize("output_size", [None, (7, 6), (2, 3, 7, 6)])
def test_unpooling_puts_maxima_back_where_pytorch_does(torch, output_size):
    x = normal(2, 3, 7, 6)
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    y = unpool(*pool(Tensor(x)), output_size=output_size)
    tpool, tunpool = torch.nn.MaxPool2d(2, return_indices=True), torch.nn.MaxUnpool2d(2)
    expected = tunpool(*tpool(torch.tensor(x)), output_size=output_size)
    np.testing.assert_array_equal(y.data, expected.numpy())
    with pytest.raises(
        ShapeError, match=r"outside the image of size \(3, 2\); pass the output_size"
    ):
        F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(3, 2))


# -- embedding --


@pytest.mark.oracle
def test_rows_longer_than_max_norm_are_cut_in_the_table(torch):
    table, rows = normal(6, 4) * 3, np.array([[0, 2], [5, 0]])
    ours = nn.Embedding.from_pretrained(table, freeze=False)
    ours.max_norm, ours.norm_type = 1.5, 1.0
    theirs = torch.tensor(table)
    y = ours(Tensor(rows))
    expected = torch.nn.functional.embedding(torch.tensor(rows), theirs, None, 1.5, 1.0)
    np.testing.assert_allclose(y.data, expected.numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.weight.data, theirs.numpy(), rtol=1e-12)
    assert ours.weight.requires_grad
    assert not nn.Embedding.from_pretrained(table).weight.requires_grad
    assert repr(ours) == "Embedding(6, 4, max_norm=1.5, norm_type=1.0)"


def test_an_index_outside_the_table_is_named():
    with pytest.raises(IndexingError, match=r"0\.\.5 for a table of 6 rows, got -1\.\.2"):
        F.embedding(np.array([2, -1]), np.zeros((6, 4)))


def test_multihead_attention_works_without_a_batch_and_without_weights():
    manual_seed(0)
    attention = nn.MultiheadAttention(8, 4).to(np.float64)
    x = normal(5, 8)
    y, weights = attention(Tensor(x), Tensor(x), Tensor(x))
    assert (y.shape, weights.shape) == ((5, 8), (5, 5))
    batched, none = attention(*[Tensor(x[:, None])] * 3, need_weights=False)
    assert none is None
    np.testing.assert_allclose(batched.data[:, 0], y.data)
    with pytest.raises(ShapeError, match="two axes"):
        attention(*[Tensor(np.zeros(8))] * 3)


def test_attention_dropout_acts_in_training_mode_alone():
    manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
    x = Tensor(normal(2, 5, 8).astype(np.float32))
    assert not np.array_equal(attention(x, x, x)[0].data, attention(x, x, x)[0].data)
    attention.eval()
    np.testing.assert_array_equal(attention(x, x, x)[0].data, attention(x, x, x)[0].data)
