"""Pictures of what one's code computes: as a table, as SVG, and as a page to explore.

Run `python examples/drawing_graphs.py [FOLDER]`; the pictures are written there. Modules become
frames, equal blocks are folded into one; `view="both"` puts each op's gradient beside it, with the
bytes kept for it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import models, viz
from tinygrad_cnn.errors import MissingDependencyError
from tinygrad_cnn.nn import functional as F

names = [name for name in sys.argv[1:] if name != "--smoke"]
folder = Path(names[0] if names else ".")

# -- any expression -----------------------------------------------------------------------------

a, b = tg.Tensor([1.0, 2.0], requires_grad=True), tg.Tensor([3.0, 4.0], requires_grad=True)
print(viz.graph(tg.sum(a * b + tg.exp(a)), inputs={"a": a, "b": b}))

# -- a network ----------------------------------------------------------------------------------

net = models.MnistLeaky()
x = tg.Tensor(np.zeros((8, 1, 28, 28), np.float32))
loss = F.cross_entropy(net(x), np.zeros(8, np.int64))
try:
    viz.graph(loss, net, inputs={"images": x}).save(folder / "network.svg")
    viz.graph(loss, net, inputs={"images": x}, view="both").save(folder / "both.svg")
    viz.graph(loss, net, inputs={"images": x}).save(folder / "network.html")
    print("network.svg, both.svg, and network.html to explore")
except MissingDependencyError as error:
    print(f"no SVG: {error}")

# -- what changes from one version to the next ----------------------------------------------------

wider = models.MnistLeaky(negative_slope=0.2)
before, after = (viz.graph(F.cross_entropy(n(x), np.zeros(8, np.int64)), n) for n in (net, wider))
print(viz.diff(before, after))

# -- layers, parameters, work ---------------------------------------------------------------------

print(viz.summary(models.resnet20(), (1, 3, 32, 32), depth=1))
