"""What was measured, as a table for terminals, as JSON, and as a plot."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.bench import networks
from tinygrad_cnn.bench.machine import is_busy
from tinygrad_cnn.bench.suites import CHAIN, SUITES, LeftOutOf, Result
from tinygrad_cnn.bench.timing import Ratio, exponent
from tinygrad_cnn.viz import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EAGER, LAST = "PyTorch eager", "PyTorch channels_last"
MARKERS = "oDsv^<>P"


@dataclass(frozen=True)
class Report:
    """Everything of one call, as the JSON file holds it."""

    machine: dict[str, Any]
    versions: dict[str, str]
    threads: int
    load: float  # of other work, when it began
    rounds: int  # at most
    minutes: float
    ceilings: dict[str, float]
    results: list[Result]
    left_out: list[LeftOutOf]
    missing: list[str]  # what was to be measured when it was interrupted

    def to_json(self) -> str:
        """One object."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """What `to_json` gave."""
        saved = json.loads(text)
        results = [Result(**r) for r in saved.pop("results")]
        left_out = [LeftOutOf(**r) for r in saved.pop("left_out")]
        return cls(**saved, results=results, left_out=left_out)

    def of(self, suite: str) -> list[Result]:
        """The results of one suite, in the order in which they were measured."""
        return [result for result in self.results if result.suite == suite]

    def cases(self, suite: str) -> dict[tuple[str, str], dict[str, Result]]:
        """{(case, what): {side: result}} of a suite."""
        found: dict[tuple[str, str], dict[str, Result]] = {}
        for result in self.of(suite):
            found.setdefault((result.case, result.what), {})[result.side] = result
        return found


def baseline(sides: Sequence[str]) -> str:
    """The side that the others are compared with: PyTorch eager, else the last of ours."""
    ours = [side for side in sides if side.startswith("tinygrad_cnn")]
    return EAGER if EAGER in sides else (ours or list(sides))[-1]


def _base_of_all(sides: Sequence[str], cases: Iterable[Mapping[str, Result]]) -> str:
    """The baseline among the sides that no case lacks; ours are never left out."""
    cases = [*cases]
    return baseline([side for side in sides if all(side in case for case in cases)])


def ratios(report: Report, what: str) -> dict[str, list[float]]:
    """{side: its ratio to the baseline on each network that it ran}."""
    found: dict[str, list[float]] = {}
    for (_, kind), sides in report.cases("networks").items():
        if kind == what:
            base = sides[baseline(list(sides))].values
            for name, result in sides.items():
                found.setdefault(name, []).append(Ratio.of(result.values, base).value)
    return found


def against_best(report: Report, side: str, what: str) -> float | None:
    """Geometric mean of `side` over PyTorch's best layout on each network."""
    found = []
    for (_, kind), sides in report.cases("networks").items():
        torch = [sides[name].median for name in (EAGER, LAST) if name in sides]
        if kind == what and torch and side in sides:
            found.append(sides[side].median / min(torch))
    return geometric_mean(found) if found else None


def behind(report: Report) -> list[tuple[str, str, str, str, float]]:
    """(network, what, side, the other, ratio) wherever one of ours is slower than another library.

    The worst comes first; each of ours is set against the fastest of the others.
    """
    found = []
    for (name, what), sides in report.cases("networks").items():
        others = {side: r for side, r in sides.items() if not side.startswith("tinygrad_cnn")}
        if not others:
            continue
        best = min(others, key=lambda side: others[side].median)
        for side in sides.keys() - others.keys():
            ratio = Ratio.of(sides[side].values, others[best].values).value
            if ratio > 1:
                found.append((name, what, side, best, ratio))
    return sorted(found, key=lambda each: -each[-1])


def to_mygrad(report: Report) -> str:
    """How many times as long as ours a training step of the default network takes in MyGrad."""
    sides = report.cases("networks").get(("default", "training"), {})
    ours = [side for side in sides if side.startswith("tinygrad_cnn")]
    if "MyGrad" not in sides or not ours:
        return ""
    ratios = {side: Ratio.of(sides["MyGrad"].values, sides[side].values) for side in ours}
    told = (f"{r.value:.1f} ({r.low:.1f}-{r.high:.1f}) {short(s)}" for s, r in ratios.items())
    return f"MyGrad's training step of `default`, in steps of ours: {', '.join(told)}"


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean of the logarithms.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return float(np.exp(np.mean(np.log(values))))


def text(report: Report) -> str:
    """The whole report for a terminal of 80 columns."""
    tables = [TABLES[suite](report) for suite in SUITES if report.of(suite)]
    return "\n\n".join(filter(None, [head(report), *tables, _left_out(report), _missing(report)]))


def head(report: Report) -> str:
    """Where and with what."""
    m = report.machine
    blas = dict.fromkeys(f"{b['library']} {b['version']} {b['core_type']}" for b in m["blas"])
    versions = dict.fromkeys(f"{name.split()[0]} {v}" for name, v in report.versions.items())
    c = report.ceilings
    paragraphs = [
        f"{m['processor']}, {m['vectors'] or 'vectors not known'}, {report.threads} threads; "
        f"{', '.join(blas) or 'BLAS not known'}",
        f"Python {m['python']}, NumPy {m['numpy']}, {', '.join(versions)}",
        f"ceilings, float32: {c['gflops']:,.0f} GFLOP/s of products, "
        f"{c['gbytes']:,.0f} GB/s of memory",
        f"medians of at most {report.rounds} interleaved rounds; "
        f"ratios to {baseline([*report.versions])} with the quartiles of the rounds' "
        "ratios, below 1 is faster",
    ]
    if is_busy(report.load, m["cores"]):
        paragraphs.append(
            f"OTHER WORK RAN (load {report.load:.1f} on {m['cores']} cores): measure again on an "
            "idle machine before you believe any of it"
        )
    return "\n".join(textwrap.fill(text, 80, subsequent_indent="  ") for text in paragraphs)


def _networks(report: Report) -> str:
    names = dict.fromkeys(case for case, _ in report.cases("networks"))
    blocks = [*(_network(report, name) for name in names), _summary(report)]
    return "\n\n".join(filter(None, [*blocks, to_mygrad(report), roofline(report)]))


def _network(report: Report, name: str) -> str:
    network = networks.NETWORKS[name]
    cases = report.cases("networks")
    training, inference = (cases[name, what] for what in ("training", "inference"))
    rows = [[side, *timed(training, side), *timed(inference, side)] for side in training]
    heading = ["ms", "training", "ratio", "", "inference", "ratio", ""]
    return f"{name}: {network.summary}; batch {network.batch}\n" + grid([heading, *rows])


def roofline(report: Report) -> str:
    """How near to BLAS's best rate a training step comes, products alone counted."""
    found = {
        name: sides
        for (name, what), sides in report.cases("networks").items()
        if what == "training"
    }
    sides = _in_order(report, found.values())
    ridge = report.ceilings["gflops"] / report.ceilings["gbytes"]
    rows = [
        [
            name,
            f"{2 * networks.products(network)[1] / networks.traffic(network):.1f}",
            *(f"{share(report, network, case[s]):.0%}" if s in case else "-" for s in sides),
        ]
        for name, case in found.items()
        for network in [networks.NETWORKS[name]]
    ]
    note = (
        "a training step's products as a share of the ceiling of products; intensity:\n"
        "its operations for a byte of memory moved "
        f"(below {ridge:.0f}, memory is the ceiling)"
    )
    return note + "\n" + grid([["", "intensity", *map(short, sides)], *rows])


def _in_order(report: Report, cases: Iterable[Mapping[str, Result]]) -> list[str]:
    """The sides that any of the cases has, in the order in which they were asked."""
    present = {side for case in cases for side in case}
    return [side for side in report.versions if side in present]


def short(side: str) -> str:
    """Its name in a narrow column.

    >>> short("PyTorch channels_last"), short("JAX jit")
    ('ch_last', 'JAX jit')
    """
    for long, brief in (("tinygrad_cnn ", ""), ("PyTorch ", ""), ("channels_last", "ch_last")):
        side = side.replace(long, brief)
    return side


def timed(sides: dict[str, Result], side: str) -> list[str]:
    """Milliseconds, ratio to the baseline, and its quartiles."""
    base = baseline(list(sides))
    return [_milliseconds(sides[side].median), *_compared(sides[side], sides[base])]


def _milliseconds(seconds: float) -> str:
    """Three digits of it.

    >>> _milliseconds(0.0123456), _milliseconds(1.2)
    ('12.3', '1,200')
    """
    ms = 1000 * seconds
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def _compared(result: Result, base: Result) -> list[str]:
    if result is base:
        return ["1", ""]
    ratio = Ratio.of(result.values, base.values)
    return [f"{ratio.value:.2f}", f"{ratio.low:.2f}-{ratio.high:.2f}"]


def share(report: Report, network: networks.Network, step: Result) -> float:
    """The products of a training step over its time, as a share of the ceiling."""
    flops = 2 * networks.products(network)[1]
    return flops / step.median / 1e9 / report.ceilings["gflops"]


def _summary(report: Report) -> str:
    heading = ["", "training", "worst", "of best", "inference", "worst", "of best"]
    rows = []
    found = {what: ratios(report, what) for what in ("training", "inference")}
    count = max(map(len, found["training"].values()))
    for side, values in found["training"].items():
        if len(values) == count:  # a mean over fewer networks compares with nothing
            cells = [side]
            for what in found:
                of_best = against_best(report, side, what)
                mine = found[what][side]
                cells += [f"{geometric_mean(mine):.2f}", f"{max(mine):.2f}"]
                cells += [f"{of_best:.2f}" if of_best else ""]
            rows.append(cells)
    note = "geometric mean and worst of the ratios; of best: over PyTorch's better layout"
    return note + "\n" + grid([heading, *rows])


def _convolutions(report: Report) -> str:
    cases = report.cases("convolutions")
    sides = _in_order(report, cases.values())
    base = _base_of_all(sides, cases.values())
    blocks = [f"one convolution and its gradients: {base} in ms, the others in ratios"]
    heading = ["", base, *(side for side in sides if side != base)]
    rows = [
        [
            case,
            _milliseconds(found[base].median),
            *(
                f"{Ratio.of(found[side].values, found[base].values).value:.2f}"
                if side in found
                else "-"
                for side in heading[2:]
            ),
        ]
        for (case, _), found in cases.items()
    ]
    return "\n".join([*blocks, grid([list(map(short, heading)), *rows])])


def _overhead(report: Report) -> str:
    (found,) = report.cases("overhead").values()
    rows = [
        [
            side,
            f"{1e6 * result.median / (2 * CHAIN):.2f}",
            *_compared(result, found[baseline([*found])]),
        ]
        for side, result in found.items()
    ]
    return grid([["an op on 4 elements, recorded and swept", "us", "ratio", ""], *rows])


def _memory(report: Report) -> str:
    cases = report.cases("memory")
    sides = _in_order(report, cases.values())
    rows = [
        [
            side,
            *(
                f"{found[side].median / 2**20:,.0f}" if side in found else "-"
                for found in cases.values()
            ),
        ]
        for side in sides
    ]
    return grid(
        [["peak memory of a step, MiB above the idle model", *(c for c, _ in cases)], *rows]
    )


def growth(report: Report) -> Iterator[tuple[str, str, str, float, list[tuple[int, float]]]]:
    """(family, what, side, exponent, [(size, cost)]) of each curve; an image's size is its area."""
    curves: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for result in report.of("growth"):
        family, _, size = result.case.partition("=")
        curve = curves.setdefault((family, result.what, result.side), [])
        curve.append((int(size), result.median))
    for (family, what, side), curve in curves.items():
        if len(curve) < 2:
            continue  # one point has no slope
        power = 2 if family == "image" else 1
        sizes, costs = zip(*((size**power, cost) for size, cost in curve), strict=True)
        yield family, what, side, exponent(sizes, costs), curve


def _growth(report: Report) -> str:
    rows = [
        [family + (" (area)" if family == "image" else ""), side, what, f"{k:.2f}",
         f"{curve[0][0]} to {curve[-1][0]}"]
        for family, what, side, k, curve in growth(report)
    ]  # fmt: skip
    heading = ["k of cost ~ size^k", "", "", "k", "sizes"]
    return grid([heading, *rows])


def _imports(report: Report) -> str:
    (found,) = report.cases("imports").values()
    numpy = found["numpy"].median
    rows = [
        [module, f"{result.median:.2f}", f"{result.median - numpy:+.2f}"]
        for module, result in found.items()
    ]
    return grid([["import, s", "", "beyond NumPy"], *rows])


TABLES: dict[str, Callable[[Report], str]] = {
    "networks": _networks,
    "convolutions": _convolutions,
    "overhead": _overhead,
    "memory": _memory,
    "growth": _growth,
    "imports": _imports,
}


def _left_out(report: Report) -> str:
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in report.left_out:
        reasons.setdefault((item.side, item.reason), []).append(item.case)
    lines = [
        textwrap.fill(
            f"{side}: {reason}" + (f" [{', '.join(filter(None, cases))}]" if any(cases) else ""),
            width=80,
            initial_indent="  ",
            subsequent_indent="    ",
        )
        for (side, reason), cases in reasons.items()
    ]
    return "\n".join(["left out", *lines]) if lines else ""


def _missing(report: Report) -> str:
    names = textwrap.fill(
        ", ".join(report.missing), 80, initial_indent="  ", subsequent_indent="  "
    )
    return f"interrupted; not measured\n{names}" if report.missing else ""


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Columns: the first to the left, numbers to the right.

    >>> print(grid([["", "ms"], ["a", "1.5"], ["bc", "12"]]))
         ms
    a   1.5
    bc   12
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def plot(report: Report) -> Figure:
    """Ratios to the baseline by network, a panel for training and one for inference."""
    figure = plots.new_figure(9, 4.2)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, what in zip(panels, ("training", "inference"), strict=True):
        _panel(ax, report, what)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _panel(ax: Axes, report: Report, what: str) -> None:
    found = {
        case: sides for (case, kind), sides in report.cases("networks").items() if kind == what
    }
    sides = _in_order(report, found.values())
    base = _base_of_all(sides, found.values())
    for i, side in enumerate(name for name in sides if name != base):
        points = [
            (row, Ratio.of(case[side].values, case[base].values))
            for row, case in enumerate(found.values())
            if side in case
        ]
        rows = [row + (i + 1 - len(sides) / 2) * 0.11 for row, _ in points]
        values = [ratio.value for _, ratio in points]
        spread = [[min(r.low, r.value), max(r.high, r.value)] for _, r in points]
        ax.hlines(
            rows, *np.transpose(spread), color=plots.COLOURS[i % len(plots.COLOURS)], linewidth=1.2
        )
        ax.plot(
            values,
            rows,
            MARKERS[i % len(MARKERS)],
            color=plots.COLOURS[i % len(plots.COLOURS)],
            markersize=5,
            label=side,
        )
    ax.axvline(1, color=plots.GREY, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.4, -0.6)
    ax.set_title(f"{what.capitalize()}: time over that of {base}", fontsize=9)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.tick_params(labelsize=8, length=0)
    ax.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    ax.spines[["top", "right", "left"]].set_visible(False)
