"""viz.graph: the same picture every time, for every graph, in every format."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.viz.networks import by_id, kinds, residual_loss
from tinygrad_cnn import nn, viz
from tinygrad_cnn.core.modes import scope
from tinygrad_cnn.errors import ConfigError, DataError, MissingDependencyError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.viz import drawing
from tinygrad_cnn.viz.metrics import width

pytest.importorskip("graphviz")
GOLDEN = Path(__file__).parent / "golden"
GOLDEN_VERSION = "0.2.2"


# -- the model ------------------------------------------------------------------------------------


def test_parameters_inputs_and_scopes_go_by_the_names_of_the_modules() -> None:
    model, loss = residual_loss()
    g = viz.graph(loss, model=model, fold="none")
    names = [n.id for n in g.picture.nodes if n.kind == "parameter"]
    assert names == [name for name, _ in model.named_parameters()]
    assert [n.name for n in g.picture.nodes if n.kind == "input"] == ["input", "labels"]
    assert [s.path for s in g.picture.scopes] == ["", "layers", "layers.0", "layers.1", "layers.2"]


def test_the_modules_that_ran_give_names_where_no_model_is_given() -> None:
    model, loss = residual_loss()
    assert viz.graph(loss).to_json() == viz.graph(loss, model=model).to_json()


def test_nodes_come_after_what_they_are_computed_from() -> None:
    _, loss = residual_loss()
    place = {n.id: i for i, n in enumerate(viz.graph(loss).picture.nodes)}
    assert all(place[e.source] < place[e.target] for e in viz.graph(loss).picture.edges)


def test_edges_carry_the_shapes_of_the_arrays() -> None:
    w = tg.Tensor(np.ones((3, 4)), requires_grad=True)
    g = viz.graph(tg.sum(tg.matmul(w, np.ones((4, 2)))))
    shapes = {(e.source, e.target): e.shape for e in g.picture.edges}
    assert shapes == {
        ("w1", "matmul"): (3, 4),
        ("input", "matmul"): (4, 2),
        ("matmul", "sum"): (3, 2),
        ("sum", "output"): (),
    }


def test_saved_bytes_count_each_array_once_and_no_parameter() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    g = viz.graph(model(tg.Tensor(np.ones((5, 3), np.float32))))
    # each linear keeps its input, (5, 3) and (5, 4), and its weight, which lives anyway
    assert [n.notes.get("saved") for n in g.picture.nodes if n.kind == "op"] == [60, 80]


def test_a_picture_survives_json() -> None:
    g = viz.graph(residual_loss()[1], depth=2)
    assert viz.Picture.from_json(g.to_json()) == g.picture


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x", "version": 1}'])
def test_json_that_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        viz.Picture.from_json(text)


def test_the_same_network_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import numpy as np, tinygrad_cnn as tg; from tinygrad_cnn import nn, viz\n"
        "m = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))\n"
        "g = viz.graph(m(tg.Tensor(np.ones((1, 1, 4, 4)))))\n"
        "print(g.to_json(), g.to_dot(), g.to_text())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": s},
        ).stdout
        for s in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 1000


# -- views ----------------------------------------------------------------------------------------


def test_depth_closes_the_modules_below_it() -> None:
    model, loss = residual_loss()
    closed = {
        depth: [
            n.id
            for n in viz.graph(loss, model=model, depth=depth, fold="none").picture.nodes
            if n.kind == "module"
        ]
        for depth in (0, 1, 2, 3)
    }
    # `layers` groups blocks and computes nothing itself: it is no level of its own
    blocks = [f"Residual/layers/{i}" for i in range(3)]
    assert closed == {0: ["Residual"], 1: blocks, 2: [], 3: []}


def test_modules_are_closed_by_path_by_class_or_by_any_rule() -> None:
    def boxes(closed: Any) -> list[str]:
        g = viz.graph(residual_loss()[1], closed=closed, fold="none")
        return [n.notes.get("path", n.name) for n in g.picture.nodes if n.kind == "module"]

    assert boxes(["layers.1"]) == ["layers.1"]
    assert boxes({"Block"}) == ["layers.0", "layers.1", "layers.2"]
    assert boxes(lambda scope: scope.parameters > 300) == ["Residual"]
    assert boxes(lambda scope: 300 < scope.parameters < 500) == ["layers.2"]


def test_focus_shows_a_module_and_what_is_near() -> None:
    _, loss = residual_loss()
    g = viz.graph(loss, focus="layers.2", hops=1, fold="none")
    assert {s.path for s in g.picture.scopes} == {"", "layers", "layers.1", "layers.2"}
    outside = [n.id for n in g.picture.nodes if not n.scope.startswith("Residual/layers/2")]
    assert outside == ["Residual/layers/1/relu", "Residual/mean"]
    assert "within 1 arrows of layers.2" in g.to_text()


def test_a_focus_that_is_nowhere_suggests_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"layers\.2"):
        viz.graph(residual_loss()[1], focus="layer.2")


def test_scopes_that_are_no_modules_are_frames_too() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    with scope("first half"):
        y = tg.exp(tg.sin(w))
    g = viz.graph(tg.sum(y))
    assert [s.name for s in g.picture.scopes] == ["first half"]
    assert [n.id for n in g.picture.nodes if n.scope] == ["first half/sin", "first half/exp"]


def test_an_op_with_several_outputs_is_one_box() -> None:
    a = tg.Tensor(np.diag([3.0, 2.0]), requires_grad=True)
    q, r = tg.linalg.qr(a)
    g = viz.graph(tg.sum(q) + tg.sum(r))
    (box,) = (n for n in g.picture.nodes if n.op == "qr")
    assert len([e for e in g.picture.edges if e.source == box.id]) == 2


def test_a_module_list_is_a_level_that_frames_its_modules() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU())] * 1)

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return x

    g = viz.graph(Stack()(tg.Tensor(np.ones((1, 2)))))
    assert [s.path for s in g.picture.scopes] == ["", "blocks", "blocks.0"]


class Layered(nn.Module):
    """Linear layers from a ModuleList, tanh behind each."""

    def __init__(self, *, inside: bool) -> None:
        super().__init__()
        self.inside = inside
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.Linear(2, 2), nn.Tanh()) if inside else nn.Linear(2, 2)] * 1
            + [nn.Sequential(nn.Linear(2, 3), nn.Tanh()) if inside else nn.Linear(2, 3)]
        )

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x) if self.inside else tg.tanh(layer(x))
        return x


def test_a_module_list_that_runs_in_pieces_is_no_frame_but_gives_its_name() -> None:
    g = viz.graph(Layered(inside=False)(tg.Tensor(np.ones((1, 2)))), fold="none")
    assert [s.path for s in g.picture.scopes] == [""]
    ops = [n.name for n in g.picture.nodes if n.kind == "op"]
    assert ops == ["layers.0", "tanh", "layers.1", "tanh"]
    g = viz.graph(Layered(inside=True)(tg.Tensor(np.ones((1, 2)))), fold="none")
    assert [s.path for s in g.picture.scopes] == ["", "layers", "layers.0", "layers.1"]


def test_frozen_parameters_and_buffers_keep_their_names() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(np.ones(2))
            self.frozen = nn.Parameter(np.ones(2), requires_grad=False)
            self.register_buffer("offset", np.ones(2))

        def forward(self, x: Any) -> Any:
            return x * self.weight * self.frozen * self.offset

    g = viz.graph(Scaled()(tg.Tensor(np.ones((1, 2)))))
    assert {(n.kind, n.name) for n in g.picture.nodes} >= {
        ("parameter", "weight"),
        ("parameter", "frozen"),
        ("buffer", "offset"),
    }


def test_a_closed_module_tells_its_parameters_and_the_bytes_that_it_saves() -> None:
    model, loss = residual_loss()
    whole, closed = viz.graph(loss, model=model), viz.graph(loss, model=model, depth=0)
    box = by_id(closed)["Residual"]
    assert box.notes["parameters"] == sum(p.size for p in model.parameters())
    assert box.notes["saved"] == sum(
        n.notes.get("saved", 0) for n in whole.picture.nodes if n.scope.startswith("Residual")
    )


def test_a_skip_stays_visible_at_every_depth() -> None:
    model, loss = residual_loss()
    skips = [
        [
            (e.source.rpartition("/")[2], e.target.rpartition("/")[2])
            for e in g.picture.edges
            if e.kind == "skip"
        ]
        for g in (viz.graph(loss, model=model, depth=d, fold="none") for d in (1, None))
    ]
    assert skips[0] == [("relu", "0"), ("0", "1"), ("1", "2")]
    assert skips[1] == [("relu", "add"), ("relu", "add")]  # a projection has a path of its own
    whole = by_id(viz.graph(loss, model=model, depth=0))["Residual"]
    assert whole.notes["residual"] == "3 Block"


def test_an_addition_of_unrelated_values_is_no_skip() -> None:
    class Sum(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return F.relu(x) + F.relu(y)

    x, y = (tg.Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    g = viz.graph(Sum()(x, y))
    assert not [e for e in g.picture.edges if e.kind == "skip"]


def test_a_picture_too_large_is_collapsed_and_says_so() -> None:
    _, loss = residual_loss()
    g = viz.graph(loss, max_nodes=24)
    assert len(g.picture.nodes) <= 24
    (banner,) = g.picture.remarks
    assert "max_nodes=24" in banner
    assert banner in g.to_text()
    assert "max_nodes=24" in g.to_dot()


def test_a_chain_of_a_hundred_thousand_ops_becomes_a_small_picture() -> None:
    y = tg.Tensor(np.ones(2), requires_grad=True)
    for _ in range(50_000):
        y = tg.sin(y * 2.0)
    g = viz.graph(y)
    assert len(g.picture.nodes) < 50
    assert "50,000" not in g.picture.nodes[0].name
    assert "100,002 nodes" in g.picture.remarks[0]
    assert g.to_svg().count('class="node"') == len(g.picture.nodes)


# -- odd graphs -----------------------------------------------------------------------------------


def test_a_leaf_is_its_own_picture() -> None:
    g = viz.graph(tg.Tensor(np.ones(3), requires_grad=True))
    assert kinds(g) == ["parameter"]
    assert "w1" in g.to_text()


def test_a_tensor_without_history_says_that_nothing_was_recorded() -> None:
    g = viz.graph(tg.Tensor(np.ones(3)))
    assert kinds(g) == ["input"]
    assert "nothing was recorded" in g.to_text()


def test_no_tensors_give_an_empty_picture() -> None:
    g = viz.graph([])
    assert kinds(g) == []
    assert "nothing to draw" in g.to_text()
    assert "nothing to draw" in g.to_svg()


def test_a_freed_graph_keeps_its_structure_and_says_that_it_is_freed() -> None:
    model, loss = residual_loss()
    before = viz.graph(loss, model=model)
    loss.backward()
    after = viz.graph(loss, model=model)
    assert [n.id for n in after.picture.nodes] == [n.id for n in before.picture.nodes]
    assert "released" in after.picture.remarks[0]


def test_two_outputs_are_numbered() -> None:
    x = tg.Tensor(np.ones(3), requires_grad=True)
    y = tg.exp(x)
    g = viz.graph([y, tg.sum(y)])
    assert [n.name for n in g.picture.nodes if n.kind == "output"] == ["output 1", "output 2"]


def test_a_model_called_twice_has_two_scopes_and_one_set_of_parameters() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    x = tg.Tensor(np.ones((2, 3)))
    g = viz.graph(tg.sum(model(x) + model(x * 2.0)), model=model)
    assert [(s.id, s.call) for s in g.picture.scopes] == [("Sequential", 1), ("Sequential#2", 2)]
    assert kinds(g).count("parameter") == 2
    users = {e.target for e in g.picture.edges if e.source == "0.weight"}
    assert users == {"Sequential/0/linear", "Sequential#2/0/linear"}


def test_an_input_used_twice_is_one_box() -> None:
    x, w = np.ones(3), tg.Tensor(np.ones(3), requires_grad=True)
    g = viz.graph(tg.sum(w * x + tg.exp(w) * x))
    assert kinds(g).count("input") == 1


def test_given_inputs_keep_their_names() -> None:
    image = tg.Tensor(np.ones((2, 3)))
    w = tg.Tensor(np.ones((3, 3)), requires_grad=True)
    g = viz.graph(tg.matmul(image, w), inputs={"image": image})
    assert g.picture.nodes[0].name == "image"


# -- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".svg", ".png", ".dot", ".gv", ".json", ".txt"])
def test_every_suffix_saves_its_format(tmp_path: Path, suffix: str) -> None:
    g = viz.graph(residual_loss()[1], depth=1)
    path = g.save(tmp_path / f"net{suffix}")
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".json": b"{", ".txt": b"  "}
    assert path.read_bytes().startswith(starts.get(suffix, b"digraph"))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_unknown_suffix_is_refused_and_the_known_ones_are_named(tmp_path: Path) -> None:
    g = viz.graph(tg.Tensor(1.0, requires_grad=True))
    with pytest.raises(ConfigError, match=r"\.svg \.png .*'\.bmp'"):
        g.save(tmp_path / "net.bmp")
    assert not list(tmp_path.iterdir())


def test_every_box_and_arrow_of_the_svg_has_a_title() -> None:
    svg = ET.fromstring(viz.graph(residual_loss()[1]).to_svg())
    space = "{http://www.w3.org/2000/svg}"
    groups = [g for g in svg.iter(f"{space}g") if g.get("class") in ("node", "edge")]
    titles = [g.findtext(f"{space}title") for g in groups]
    words = [g.findtext(f"{space}desc") for g in groups if g.findtext(f"{space}desc")]
    assert {"stem", "stem to relu", "+"} <= set(titles)
    stem = "stem: conv, kernel 3, padding 1, shape (2, 4, 6, 6) float32, 40 parameters"
    assert any(str(w).startswith(stem) for w in words)
    assert all(titles)


@pytest.mark.parametrize("engine", drawing.ENGINES)
@pytest.mark.parametrize("view", ["forward", "both"])
def test_a_parameter_inside_of_a_box_has_a_title_of_its_own(view: str, engine: str) -> None:
    try:
        drawing.find(engine)
    except MissingDependencyError as absent:
        pytest.skip(str(absent))
    g = viz.graph(residual_loss()[1], view=view, color="flops", engine=engine)
    place = {f"n{i}": n for i, n in enumerate(g.picture.nodes)}
    space = "{http://www.w3.org/2000/svg}"
    rows = [e for e in ET.fromstring(g.to_svg()).iter(f"{space}g") if e.get("class") == "row"]
    parameters = {n.id for n in g.picture.nodes if "parameter" in (n.kind, n.family)}
    assert {place[row.attrib["id"]].id for row in rows} == parameters
    for row in rows:
        n = place[row.attrib["id"]]
        shown = str(row.findtext(f"{space}text"))
        assert shown.startswith(f"{row.findtext(f'{space}title')} {n.shape}")
        assert str(n.shape) in str(row.findtext(f"{space}desc"))


def test_a_title_stands_on_top_and_is_no_warning() -> None:
    g = viz.graph(residual_loss()[1], title="small", max_nodes=24)
    (banner,) = re.findall(r"label=<(<TABLE.*?</TABLE>)> labelloc=t", g.to_dot())
    title, remark = re.findall(r"<TD([^>]*)>(.*?)</TD>", banner)
    assert title == ("", '<FONT POINT-SIZE="14"><B>small</B></FONT>')
    assert "BGCOLOR" in remark[0]
    assert "max_nodes" in remark[1]


def test_the_svg_is_read_in_order_of_execution() -> None:
    g = viz.graph(residual_loss()[1], fold="none")
    places = [int(i) for i in re.findall(r'<g id="n(\d+)" class="node"', g.to_svg())]
    assert places == sorted(places)
    assert len(places) > 20


def test_a_notebook_gets_a_picture_and_a_text() -> None:
    bundle = viz.graph(residual_loss()[1])._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert "Residual" in bundle["text/plain"]


def test_without_a_drawing_program_text_json_and_dot_still_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing.shutil, "which", lambda *_, **__: None)
    g = viz.graph(residual_loss()[1])
    with pytest.raises(MissingDependencyError, match=r"tinygrad-cnn\[viz\]"):
        g.to_svg()
    assert all((g.to_text(), g.to_json(), g.to_dot()))
    assert "image/svg+xml" not in g._repr_mimebundle_()
    assert g._repr_svg_() is None


def test_without_the_graphviz_package_text_and_json_still_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    g = viz.graph(residual_loss()[1])
    with pytest.raises(MissingDependencyError, match=r"tinygrad-cnn\[viz\]"):
        g.to_dot()
    assert all((g.to_text(), g.to_json()))
    assert set(g._repr_mimebundle_()) == {"text/plain"}


def test_importing_viz_imports_neither_graphviz_nor_matplotlib() -> None:
    program = (
        "import sys, tinygrad_cnn.viz\n"
        "sys.exit(any(m in sys.modules for m in ('graphviz', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "sideways"}, "view is one of"),
        ({"depth": -1}, "depth is 0 or more"),
        ({"annotate": ("weather",)}, "annotate is a tuple"),
        ({"annotate": "shape"}, "annotate is a tuple"),
    ],
)
def test_a_wrong_option_is_named_with_the_right_ones(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        viz.graph(tg.Tensor(1.0, requires_grad=True), **options)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="graphviz-pure"):
        viz.graph(tg.Tensor(1.0, requires_grad=True), engine="paint").to_svg()


# -- the layout -----------------------------------------------------------------------------------


def text_boxes(svg: str) -> list[tuple[float, float, float, float, str]]:
    """(left, top, right, bottom, words) of every line of text."""
    boxes = []
    for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        size, words = float(t.attrib["font-size"]), str(t.text)
        long = width(words, size, t.get("font-weight") == "bold")
        assert long is not None, words
        left = float(t.attrib["x"]) - (long / 2 if t.get("text-anchor") == "middle" else 0)
        base = float(t.attrib["y"])
        boxes.append((left, base - 0.72 * size, left + long, base + 0.2 * size, words))
    return boxes


@pytest.mark.parametrize("view", ["forward", "both"])
@pytest.mark.parametrize("depth", [0, 1, None])
def test_no_text_overlaps_another(depth: int | None, view: str) -> None:
    _, loss = residual_loss()
    svg = viz.graph(loss, depth=depth, view=view, annotate=("shape", "saved", "flops")).to_svg()
    overlaps = [
        (a[4], b[4])
        for a, b in itertools.combinations(text_boxes(svg), 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5
    ]
    assert not overlaps


def test_text_keeps_its_width_in_whatever_font_there_is() -> None:
    svg = viz.graph(residual_loss()[1]).to_svg()
    texts = list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    assert texts
    for t in texts:
        words, bold = str(t.text), t.get("font-weight") == "bold"
        assert words == words.strip(" ")  # a browser shows no space there, and would stretch
        wanted = width(words, float(t.attrib["font-size"]), bold)
        assert float(t.attrib["textLength"]) == pytest.approx(wanted, abs=0.01)


def tiny() -> viz.Graph:
    """A graph of ops that will not change, for the files in golden/."""
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    return viz.graph(tg.sum(net(tg.Tensor(np.ones((4, 3), np.float32)))), view="both")


@pytest.mark.parametrize("suffix", [".json", ".dot", ".txt"])
def test_the_tiny_graph_is_written_byte_for_byte_as_it_was(tmp_path: Path, suffix: str) -> None:
    golden = GOLDEN / f"tiny{suffix}"
    written = tiny().save(tmp_path / golden.name).read_bytes()
    assert written == golden.read_bytes(), "if that is intended, save the tiny graph there again"


def test_the_tiny_graph_is_drawn_byte_for_byte_as_it_was() -> None:
    here = [d.version for d in metadata.distributions(name="graphviz-pure")]
    if here != [GOLDEN_VERSION]:
        pytest.skip(f"golden/tiny.svg was drawn by graphviz-pure {GOLDEN_VERSION}")
    g = tiny()
    g.engine = "graphviz-pure"
    assert g.to_svg() == (GOLDEN / "tiny.svg").read_text(encoding="utf-8")


# -- hostile names --------------------------------------------------------------------------------


def hostile(name: str) -> viz.Graph:
    """A graph in which every name that a user can choose is `name`."""

    def forward(self: Any, x: Any) -> Any:
        return F.relu(self.child(x))

    child = nn.Linear(2, 2)
    outer = type(name, (nn.Module,), {"forward": forward})()
    object.__setattr__(outer, "child", child)
    vars(outer)[name] = nn.Linear(2, 2)
    x = tg.Tensor(np.ones((1, 2), np.float32))
    return viz.graph(outer(vars(outer)[name](x)), inputs={name: x}, title=name)


NAMES = st.one_of(
    st.text(min_size=1, max_size=30).filter(lambda s: "\0" not in s),
    st.sampled_from(
        ['"', "<b>", "</script><script>alert(1)</script>", "\\N", "\\", "a:b:c", "]]>", "&lt;", "<",
         "<i>x</i>", "\n", "\r\n", " ", "-->", "\ud800", "\x01", "}", "n0 -> n1 [label=x]", '\\"']
    ),
)  # fmt: skip


@pytest.mark.parametrize("engine", drawing.ENGINES)
@pytest.mark.parametrize("name", ["]", "]]>", "&", "<b>", "\u2202"])
def test_both_engines_draw_names_of_signs_alone(name: str, engine: str) -> None:
    try:
        drawing.find(engine)
    except MissingDependencyError as absent:
        pytest.skip(str(absent))
    g = hostile(name)
    g.engine = engine
    texts = ET.fromstring(g.to_svg()).iter("{http://www.w3.org/2000/svg}text")
    assert name in [t.text for t in texts]


@given(NAMES)
@settings(max_examples=60)
def test_hostile_names_are_text_and_nothing_else(name: str) -> None:
    try:
        g = hostile(name)
    except UnicodeEncodeError:  # type() takes no lone surrogates
        return
    space = "{http://www.w3.org/2000/svg}"
    svg = ET.fromstring(g.to_svg())
    groups = [e.get("class") for e in svg.iter(f"{space}g")]
    assert groups.count("node") == len(g.picture.nodes) - kinds(g).count("parameter") + len(
        g.picture.scopes
    )
    assert not list(svg.iter(f"{space}script"))
    assert viz.Picture.from_json(g.to_json()) == g.picture
    assert len(g.to_text().splitlines()) < 20
