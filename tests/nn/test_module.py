"""Module: registration, the tree, state, modes, errors."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn
from tinygrad_cnn.errors import CheckpointError, ConfigError, DTypeError


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(np.ones(3))
        self.linear = nn.Linear(3, 3)
        self.register_buffer("seen", np.zeros(2))
        self.register_buffer("scratch", np.zeros(2), persistent=False)

    def forward(self, x):
        return self.linear(x) * self.scale


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.second = Block()
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x):
        return self.head(self.second(self.first(x)))


# -- registration --


def test_parameters_are_listed_in_order_of_assignment_with_their_paths():
    assert [name for name, _ in Net().named_parameters()] == [
        "first.scale",
        "first.linear.weight",
        "first.linear.bias",
        "second.scale",
        "second.linear.weight",
        "second.linear.bias",
        "head.1.weight",
        "head.1.bias",
    ]


def test_modules_are_listed_depth_first_with_parents_before_children():
    net = Net()
    assert [name for name, _ in net.named_modules()] == [
        "",
        "first",
        "first.linear",
        "second",
        "second.linear",
        "head",
        "head.0",
        "head.1",
    ]
    assert [name for name, _ in net.named_children()] == ["first", "second", "head"]
    assert list(net.children()) == [net.first, net.second, net.head]


def test_buffers_are_listed_apart_from_parameters():
    assert [name for name, _ in Net().named_buffers()] == [
        "first.seen",
        "first.scratch",
        "second.seen",
        "second.scratch",
    ]
    assert [p.shape for p in Block().parameters(recurse=False)] == [(3,)]
    assert len(list(Net().buffers(recurse=False))) == 0


def test_a_shared_module_or_parameter_is_listed_once_and_saved_under_every_name():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twice = nn.Sequential(net, net)
    assert [name for name, _ in twice.named_modules()] == ["", "0", "0.0", "0.1"]
    assert [name for name, _ in twice.named_parameters()] == ["0.0.weight", "0.0.bias", "0.1.bias"]
    assert len(list(twice.named_parameters(remove_duplicate=False))) == 8
    assert len(twice.state_dict()) == 8


def test_deleting_or_replacing_an_attribute_forgets_what_it_held():
    block = Block()
    del block.scale
    del block.seen
    block.linear = None
    assert list(block.parameters()) == []
    assert [name for name, _ in block.named_buffers()] == ["scratch"]


def test_a_parameter_may_be_absent():
    layer = nn.Linear(2, 2)
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(Tensor(np.ones((1, 2), np.float32))).shape == (1, 2)


def test_a_module_that_forgets_super_init_works_all_the_same():
    class Forgetful(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            return self.linear(x)

    net = Forgetful()
    assert len(list(net.parameters())) == 2
    assert net.training
    assert net.eval()(Tensor(np.ones((1, 2), np.float32))).shape == (1, 2)


def test_a_misspelt_attribute_names_the_nearest_one():
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'wieght'.*'weight'"):
        nn.Linear(2, 2).wieght  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'qqqq'$"):
        nn.Linear(2, 2).qqqq  # noqa: B018
    assert not hasattr(nn.Linear(2, 2), "running_mean")


def test_a_tensor_cannot_take_the_place_of_a_parameter():
    layer = nn.Linear(2, 2)
    for value in (np.zeros((2, 2)), Tensor(np.zeros((2, 2))), [1.0]):
        with pytest.raises(
            DTypeError, match=r"Linear.weight is a parameter.*nn.Parameter\(value\)"
        ):
            layer.weight = value


def test_a_module_cannot_be_replaced_by_something_else():
    with pytest.raises(DTypeError, match=r"Net.head is a module and cannot become a int"):
        Net().head = 3


def test_a_leaf_that_is_no_parameter_is_refused_and_computed_tensors_are_kept():
    block = Block()
    with pytest.raises(DTypeError, match=r"Block.extra.*nn.Parameter\(tensor\).*detach"):
        block.extra = Tensor([1.0], requires_grad=True)
    block.constant = Tensor([1.0])
    block.last = block(Tensor(np.ones((1, 3))))
    assert "last" not in dict(block.named_buffers())


def test_a_module_cannot_contain_itself():
    net = Net()
    with pytest.raises(ConfigError, match="cannot contain itself"):
        net.first.parent = net


@pytest.mark.parametrize("name", ["", "a.b", "forward", "training"])
def test_names_that_cannot_be_attributes_are_refused(name):
    with pytest.raises(ConfigError, match="name"):
        Block().register_buffer(name, np.zeros(1))


def test_register_parameter_and_add_module_check_their_types():
    block = Block()
    block.register_parameter("extra", nn.Parameter(np.ones(1)))
    block.register_parameter("none", None)
    block.add_module("more", nn.ReLU())
    assert "extra" in dict(block.named_parameters())
    with pytest.raises(DTypeError, match=r"takes an nn.Parameter or None, got a Tensor"):
        block.register_parameter("bad", Tensor([1.0]))
    with pytest.raises(DTypeError, match="takes a Module or None, got a int"):
        block.add_module("bad", 1)


def test_a_buffer_stays_a_buffer_when_an_array_is_assigned():
    block = Block()
    block.seen = np.arange(2.0)
    assert isinstance(block.seen, Tensor)
    assert block.state_dict()["seen"].tolist() == [0.0, 1.0]


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty()(1)


# -- modes --


def test_train_and_eval_reach_the_whole_tree_and_return_the_module():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_apply_visits_children_before_parents():
    order = []
    Block().apply(lambda m: order.append(type(m).__name__))
    assert order == ["Linear", "Block"]


def test_frozen_parameters_get_no_gradient_and_zero_grad_forgets():
    net = Net()
    net.first.requires_grad_(False)
    net(Tensor(np.ones((4, 3)))).sum().backward()
    assert all(p.grad is None for p in net.first.parameters())
    assert all(p.grad is not None for p in net.second.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.first.requires_grad_().scale.requires_grad


def test_to_casts_floats_alone_and_keeps_the_parameters_identity():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = list(net.parameters())
    net.to(np.float64)
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {v.dtype.name for v in net.state_dict().values()} == {"float64", "int64"}
    y = net(Tensor(np.ones((2, 1, 4, 4))))
    y.sum().backward()
    assert y.dtype == before[0].grad.dtype == np.float64
    with pytest.raises(ConfigError, match="float dtype"):
        net.to(np.int64)


# -- state --


def test_the_state_is_a_copy_without_transient_buffers():
    block = Block()
    state = block.state_dict()
    assert list(state) == ["scale", "seen", "linear.weight", "linear.bias"]
    state["scale"][:] = 7
    assert block.scale.data.tolist() == [1, 1, 1]


def test_loading_a_state_restores_the_same_outputs():
    a, b = Net(), Net()
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)))
    assert not np.array_equal(a(x).data, b(x).data)
    assert b.load_state_dict(a.state_dict()) == ([], [])
    np.testing.assert_array_equal(a(x).data, b(x).data)


def test_a_wrong_shape_names_the_parameter_and_both_shapes_and_nothing_is_written():
    net, state = Net(), Net().state_dict()
    before = net.state_dict()
    state["second.linear.weight"] = np.zeros((4, 3))
    with pytest.raises(
        CheckpointError, match=r"second.linear.weight has shape \(3, 3\) in this Net and \(4, 3\)"
    ):
        net.load_state_dict(state)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_missing_and_unexpected_names_are_told_and_allowed_when_not_strict():
    net, state = Net(), Net().state_dict()
    del state["first.scale"]
    state["foo"] = np.zeros(1)
    with pytest.raises(
        CheckpointError, match=r"missing first.scale; unexpected foo;.*strict=False"
    ):
        net.load_state_dict(state)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["first.scale"], ["foo"])
    np.testing.assert_array_equal(net.state_dict()["head.1.bias"], state["head.1.bias"])


def test_long_lists_of_names_are_cut_short():
    with pytest.raises(CheckpointError, match=r"missing (\S+, ){3}\S+ and 6 more; unexpected none"):
        Net().load_state_dict({})


@pytest.mark.parametrize("value", [np.array(["a", "b", "c"]), np.array([1j, 2, 3]), [None] * 3])
def test_arrays_that_are_not_numbers_are_refused(value):
    state = Block().state_dict() | {"scale": value}
    with pytest.raises(CheckpointError, match=r"scale is float64 in this Block"):
        Block().load_state_dict(state)


def test_other_float_dtypes_are_cast():
    state = {name: value.astype(np.float16) for name, value in Net().state_dict().items()}
    net = Net()
    net.load_state_dict(state)
    assert net.first.scale.dtype == np.float64


def test_a_deep_copy_is_independent():
    net = Net()
    twin = copy.deepcopy(net)
    twin.first.scale.data[...] = 5
    assert net.first.scale.data.tolist() == [1, 1, 1]
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]


def test_a_model_and_its_graph_die_by_reference_count():
    gc.disable()
    try:
        net = Net()
        y = net(Tensor(np.ones((2, 3))))
        alive = weakref.ref(net), weakref.ref(y)
        del net, y
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


# -- repr --


def test_the_repr_is_an_indented_tree():
    assert repr(nn.Sequential(nn.Sequential(nn.Linear(1, 2, bias=False)), nn.ReLU())) == (
        "Sequential(\n"
        "  (0): Sequential(\n"
        "    (0): Linear(in_features=1, out_features=2, bias=False)\n"
        "  )\n"
        "  (1): ReLU()\n"
        ")"
    )


# -- calls --


def scopes(y: Tensor) -> set[str]:
    """The scopes of all nodes under y."""
    found, stack, seen = set(), [y._node], set()
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.scope is not None:
            found.add(str(node.scope))
        stack.extend(node.parents)
    return found


def test_nodes_remember_the_path_of_the_module_that_made_them():
    y = Net()(Tensor(np.ones((2, 3))))
    assert scopes(y) == {
        "first",
        "first.linear",
        "second",
        "second.linear",
        "head.0",
        "head.1",
    }


def test_a_shared_module_is_named_by_where_it_was_called():
    shared = nn.Linear(3, 3)

    class Wrap(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = shared

        def forward(self, x):
            return self.inner(x)

    y = nn.Sequential(Wrap(), Wrap())(Tensor(np.ones((2, 3), np.float32)))
    assert scopes(y) == {"0.inner", "1.inner"}


def test_a_module_that_its_caller_does_not_own_goes_by_its_class():
    class Borrower(nn.Module):
        def __init__(self, others):
            super().__init__()
            self.others = others

        def forward(self, x):
            return self.others[0](x) + 1

    y = Borrower([nn.Linear(3, 3)])(Tensor(np.ones((2, 3), np.float32)))
    assert scopes(y) == {"Borrower", "Linear"}


def test_nodes_outside_of_any_call_have_no_scope_even_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("x")

    with pytest.raises(KeyError):
        Broken()(1)
    assert (Tensor([1.0], requires_grad=True) * 2)._node.scope is None


def test_paths_survive_the_death_of_the_name_of_the_model():
    y = Net()(Tensor(np.ones((2, 3))))
    gc.collect()
    assert "head.1" in scopes(y)
    assert repr(y._node.scope) == "<Call of head.1: Linear>"


# -- containers --


def test_sequential_is_a_list_of_what_it_calls():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    net.append(nn.Linear(3, 1))
    assert len(net) == 3
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Linear"]
    assert isinstance(net[:2], nn.Sequential)
    assert net[-1].out_features == 1
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    assert isinstance(net[0:1][0], nn.Linear)


def test_sequential_calls_a_module_as_often_as_it_holds_it():
    double = nn.Linear(1, 1, bias=False)
    double.weight.data[...] = 2
    assert nn.Sequential(double, double, double)(Tensor([[1.0]])).item() == 8


def test_sequential_takes_names_from_a_dict():
    net = nn.Sequential({"conv": nn.Conv2d(1, 1, 1), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"]
    assert net(Tensor(np.ones((1, 1, 2, 2), np.float32))).shape == (1, 1, 2, 2)


def test_containers_refuse_what_is_no_module():
    with pytest.raises(
        DTypeError, match=r"Sequential: holds Modules, got a type; make an instance"
    ):
        nn.Sequential(nn.ReLU)
    with pytest.raises(DTypeError, match="ModuleList: holds Modules, got a function"):
        nn.ModuleList([test_containers_refuse_what_is_no_module])


def test_module_dict_behaves_like_a_dict():
    heads = nn.ModuleDict({"a": nn.Linear(1, 1)})
    heads["b"] = nn.ReLU()
    assert list(heads.keys()) == ["a", "b"]
    assert "b" in heads
    del heads["b"]
    assert len(heads) == 1
    assert [type(m).__name__ for m in heads.values()] == ["Linear"]
    with pytest.raises(KeyError):
        heads["c"]


# -- options --


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(0, 3), "Linear: in_features must be an integer of at least 1, got 0"),
        (lambda: nn.Linear(2.5, 3), "in_features must be an integer"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), r"groups must divide in_channels.*1, 3"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), r"groups must divide out_channels.*1, 2, 3, 6"),
        (lambda: nn.Conv2d(1, 1, 0), "Conv2d: kernel_size must be an integer >= 1, or 2 of them"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), "kernel_size"),
        (lambda: nn.Conv1d(1, 1, 3, stride=0), "Conv1d: stride"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), "padding must be an integer >= 0"),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size"),
        (lambda: nn.AvgPool2d(2, stride=0), "AvgPool2d: stride"),
        (lambda: nn.AdaptiveAvgPool2d(0), "output_size"),
        (lambda: nn.Dropout(1.5), r"Dropout: p is the probability.*got 1.5"),
        (lambda: nn.Dropout2d(-0.1), "Dropout2d: p"),
        (lambda: nn.GroupNorm(4, 6), "num_groups must divide num_channels"),
        (lambda: nn.BatchNorm2d(0), "num_features"),
        (lambda: nn.LayerNorm((4, 0)), r"normalized_shape\[1\]"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx"),
        (lambda: nn.MultiheadAttention(8, 3), "num_heads must divide embed_dim"),
        (lambda: nn.CrossEntropyLoss(reduction="avg"), "reduction must be"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), "label_smoothing"),
        (lambda: nn.SmoothL1Loss(beta=-1), "beta"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_advice(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_batch_norm_says_which_shape_it_takes():
    with pytest.raises(tg.errors.ShapeError, match=r"\(N, C, H, W\) with C = num_features = 3"):
        nn.BatchNorm2d(3)(Tensor(np.ones((2, 4, 5, 5))))
    with pytest.raises(tg.errors.ShapeError, match=r"\(N, C\) or \(N, C, L\)"):
        nn.BatchNorm1d(3)(Tensor(np.ones((2, 3, 5, 5))))


# -- dropout --


def test_dropout_keeps_the_mean_and_is_the_identity_in_eval_mode():
    tg.manual_seed(0)
    x = Tensor(np.ones((200, 200)))
    y = nn.Dropout(0.3)(x).numpy()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs(y.mean() - 1) < 0.01
    np.testing.assert_array_equal(nn.Dropout(0.3).eval()(x).data, x.data)
    assert not nn.Dropout(1.0)(x).numpy().any()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d, (50, 20, 3)),
        (nn.Dropout2d, (50, 20, 3, 2)),
        (nn.Dropout3d, (50, 20, 1, 3, 2)),
    ],
)
def test_channel_dropout_drops_whole_channels(layer, shape):
    tg.manual_seed(0)
    y = layer(0.5)(Tensor(np.ones(shape))).numpy().reshape(50, 20, -1)
    assert ((y == 0).all(2) | (y == 2).all(2)).all()
    assert 0.4 < (y[..., 0] == 0).mean() < 0.6


# -- the whole --


def test_a_tiny_network_learns_and_the_same_seed_gives_the_same_weights():
    def train() -> tuple[list[float], dict[str, np.ndarray]]:
        tg.manual_seed(0)
        rng = np.random.default_rng(0)
        x = rng.normal(size=(64, 1, 6, 6)).astype(np.float32)
        y = (x.mean((1, 2, 3)) > 0).astype(np.int64)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(16, 2),
        )
        optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(net(Tensor(x)), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, net.state_dict()

    losses, state = train()
    assert losses[-1] < 0.5 * losses[0]
    again, same = train()
    assert again == losses
    assert all(np.array_equal(state[name], same[name]) for name in state)
