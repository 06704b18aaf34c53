"""Pictures: of computation graphs (graph) and of training (plots).

Importing this needs neither graphviz nor matplotlib; drawing names what is missing.

>>> import tinygrad_cnn as tg
>>> from tinygrad_cnn import viz
>>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
>>> print(viz.graph(tg.sum(w * w)))
   step      from  output
1  w1              (2,)
2  multiply     1  (2,)
3  sum          2  ()
4  output       3  ()
"""

from tinygrad_cnn.viz import plots
from tinygrad_cnn.viz.diff import Change, Difference, assert_same_graph, diff
from tinygrad_cnn.viz.graphs import Graph, graph
from tinygrad_cnn.viz.picture import Edge, Node, Picture, Scope
from tinygrad_cnn.viz.recording import Record, record
from tinygrad_cnn.viz.summaries import Summary, summary

__all__ = [
    "Change",
    "Difference",
    "Edge",
    "Graph",
    "Node",
    "Picture",
    "Record",
    "Scope",
    "Summary",
    "assert_same_graph",
    "diff",
    "graph",
    "plots",
    "record",
    "summary",
]
