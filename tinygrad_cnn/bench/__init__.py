"""How fast, and how much memory: against other libraries, side by side in one run.

    networks     five networks, as data
    opponents    how each library does the work; adding one is one file
    timing       interleaved rounds, ratios with their spread
    suites       what is measured
    roofline     the processor's ceilings
    report       the table, the JSON, the plot
    machine      what computer this is
    remedies     what would make it faster here, measured

`tinygrad-cnn bench` and `tinygrad-cnn doctor` are its face.
"""

from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.bench.run import run

__all__ = ["Report", "run"]
