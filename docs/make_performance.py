"""Fill performance.md with the numbers of performance.json, and draw its plot.

    tinygrad-cnn bench --json docs/performance.json
    python docs/make_performance.py

The page's text is written by hand; what stands between two marks is written here. A test holds the
page to the file of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tinygrad_cnn.bench import report as reports
from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.viz import plots

HERE = Path(__file__).parent
PAGE, NUMBERS, PLOT = HERE / "performance.md", HERE / "performance.json", HERE / "images/ratios.png"
MARK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, report: Report) -> str:
    """The page with every marked place filled anew."""
    return MARK.sub(lambda m: f"{m[1]}\n{PLACES[m[2]](report)}\n\n{m[3]}", page)


def _machine(report: Report) -> str:
    return f"```text\n{reports.head(report)}\n```"


def _plot(report: Report) -> str:
    base = reports.baseline([*report.versions])
    alt = f"Ratio of each side's time to that of {base}, in training and inference"
    return f"![{alt}](images/{PLOT.name})"


def _summary(report: Report) -> str:
    """A line a side: geometric means and worst cases."""
    found = {what: reports.ratios(report, what) for what in ("training", "inference")}
    rows = [["", "training", "worst", "over the better layout", "inference", "worst", ""]]
    count = max(map(len, found["training"].values()))
    for side, values in found["training"].items():
        if len(values) < count:
            continue
        cells = [side]
        for what, by_side in found.items():
            of_best = reports.against_best(report, side, what)
            mine = by_side[side]
            cells += [f"{reports.geometric_mean(mine):.2f}", f"{max(mine):.2f}"]
            cells += [f"{of_best:.2f}" if of_best else ""]
        rows.append(cells)
    rows[0][-1] = rows[0][3]
    return _table(rows)


def _networks(report: Report) -> str:
    """Every network, every side: milliseconds and ratio."""
    rows = [["network", "side", "training, ms", "ratio", "inference, ms", "ratio"]]
    cases = report.cases("networks")
    for name in dict.fromkeys(case for case, _ in cases):
        training, inference = (cases[name, what] for what in ("training", "inference"))
        for i, side in enumerate(training):
            cells = [*_timed(training, side), *_timed(inference, side)]
            rows.append(["" if i else f"`{name}`", side, *cells])
    return _table(rows)


def _timed(sides: dict[str, reports.Result], side: str) -> list[str]:
    ms, ratio, spread = reports.timed(sides, side)
    return [ms, f"{ratio} ({spread})" if spread else ratio]


def _mygrad(report: Report) -> str:
    """The other library that is NumPy alone."""
    return (
        reports.to_mygrad(report).replace("blocked", "`blocked`").replace("compiled", "`compiled`")
        + "."
    )


def _behind(report: Report) -> str:
    """Where another library is faster than one of our tiers, the worst first."""
    rows = [["tier", "network", "", "fastest there", "ratio to it"]]
    for network, what, side, other, ratio in reports.behind(report):
        rows.append([f"`{reports.short(side)}`", f"`{network}`", what, other, f"{ratio:.2f}"])
    return _table(rows)


def _of(suite: str) -> Callable[[Report], str]:
    """A suite as the terminal shows it."""
    return lambda report: f"```text\n{reports.TABLES[suite](report)}\n```"


def _roofline(report: Report) -> str:
    return f"```text\n{reports.roofline(report)}\n```"


def _table(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(cells)} |" for cells in rows)
    rule = "|" + "---|" * 1 + "---:|" * (len(rows[0]) - 1)
    return "\n".join([head, rule, *body])


PLACES: dict[str, Callable[[Report], str]] = {
    "machine": _machine,
    "plot": _plot,
    "summary": _summary,
    "networks": _networks,
    "mygrad": _mygrad,
    "behind": _behind,
    "roofline": _roofline,
    **{name: _of(name) for name in ("convolutions", "overhead", "memory", "growth", "imports")},
}


def main() -> None:
    """Write the page and the plot."""
    report = Report.from_json(NUMBERS.read_text(encoding="utf-8"))
    write_atomic(PAGE, filled(PAGE.read_text(encoding="utf-8"), report))
    write_atomic(PLOT, plots.png(reports.plot(report)))


if __name__ == "__main__":
    main()
