"""Wrong gradients, made on purpose, to see whether a test notices.

from tinygrad_cnn.testing import mutants

with mutants.mutate("tanh", "sign"):   # inside, tanh's gradient has the wrong sign
    ...
print(mutants.kill_matrix())           # which property notices which mistake in the library's ops
@op_property(..., mutants=True)        # does your test notice mistakes in your op?
"""

from tinygrad_cnn.testing.mutants.catalogue import MUTANTS, Mutant, Work
from tinygrad_cnn.testing.mutants.killing import (
    KillMatrix,
    as_case,
    draw,
    kill_matrix,
    killers,
    must_be_killed,
    mutants_of,
    violated,
)
from tinygrad_cnn.testing.mutants.mutations import MUTATIONS, Call, Mutation
from tinygrad_cnn.testing.mutants.swapping import mutate, swapped

__all__ = [
    "MUTANTS",
    "MUTATIONS",
    "Call",
    "KillMatrix",
    "Mutant",
    "Mutation",
    "Work",
    "as_case",
    "draw",
    "kill_matrix",
    "killers",
    "must_be_killed",
    "mutants_of",
    "mutate",
    "swapped",
    "violated",
]
