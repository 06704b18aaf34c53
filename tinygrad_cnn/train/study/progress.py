"""How far a study is: a line a training; in a terminal also a bar for all of it, and time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.errors import require
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.history import Batch
from tinygrad_cnn.train.report import duration
from tinygrad_cnn.train.study.plan import Plan, Task

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer


class Progress(Callback):
    """Counts in seconds of the plan, and corrects them by how the plan has kept so far.

    Lines go to stdout. The bar goes to stderr, and only where this is a terminal.
    """

    def __init__(self, plan: Plan, quiet: bool = False) -> None:
        self.plan = plan
        self.quiet = quiet
        self.done = self.before = 0.0  # seconds as planned: of all that is done, and done earlier
        self.spent = 0.0  # what the rest of it took
        self.number = 0
        self.task: Task | None = None
        self.bar: Any = require("tqdm", "train").tqdm(
            total=100,
            bar_format="{desc} {bar} {postfix}",
            leave=False,
            dynamic_ncols=True,
            disable=quiet or not sys.stderr.isatty(),
        )

    def skip(self, task: Task) -> None:
        """A task that was done before."""
        self.number += 1
        self.done += task.seconds
        self.before += task.seconds

    def begin(self, task: Task) -> None:
        """A task begins."""
        self.number += 1
        self.task, self.started = task, time.perf_counter()

    def end(self, accuracy: float, failure: str = "") -> None:
        """It has ended: say what it gave."""
        assert self.task is not None
        seconds = time.perf_counter() - self.started
        self.done += self.task.seconds
        self.spent += seconds
        told = failure.split(":")[0] if failure else f"{accuracy:7.2%}"
        self.tell(
            f"{self._count()}  {self.task.name:<36}  {told}  {duration(seconds):>12}"
            f"{self._to_go(self.done)}"
        )

    def on_batch_end(self, trainer: Trainer, batch: Batch) -> None:
        """Advance the bar."""
        assert self.task is not None
        steps = trainer.steps_per_epoch * trainer.epochs
        reached = self.done + self.task.seconds * trainer.steps / max(steps, 1)
        self.bar.n = min(100 * reached / max(self.plan.seconds, 1e-9), 100)
        self.bar.set_description_str(f"{self._count()} {self.task.name}", refresh=False)
        spent = self.spent + time.perf_counter() - self.started
        self.bar.set_postfix_str(self._to_go(reached, spent).strip(", "), refresh=False)
        self.bar.update(0)

    def close(self) -> None:
        """Remove the bar."""
        self.bar.close()

    def _count(self) -> str:
        return f"[{self.number:>3}/{len(self.plan.tasks)}]"

    def _to_go(self, reached: float, spent: float | None = None) -> str:
        """The time left, if the rest of the plan keeps as well as what was done of it now."""
        left, own = self.plan.seconds - reached, reached - self.before
        pace = (self.spent if spent is None else spent) / own if own > 0 else 1.0
        return f", about {duration(left * pace)} to go" if left > 0 else ""

    def tell(self, line: str) -> None:
        """Print a line, above the bar."""
        if not self.quiet:
            self.bar.write(line, file=sys.stdout)
            sys.stdout.flush()
