"""Progress of a study: bars on a terminal, a line in a notebook, plain lines elsewhere."""

import logging
import math
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from fastroute.notebook_line import NotebookLine, bar, in_notebook

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task, TaskID

# A log file wants few lines, a person wants to know that it is alive.
_SECONDS_BETWEEN_LINES: Final = 30.0
# A plan that takes longer is reported.
_SECONDS_OF_PLAN: Final = 3.0
# Of so many cells each gets a line when it is done; of more, one now and then.
_FEW_CELLS: Final = 50
_SECONDS_BETWEEN_CELLS: Final = 5.0
_SECONDS_IN_NOTEBOOK: Final = 0.25
# Columns for what tells a cell apart, in a line and beside a bar.
_LABEL_WIDTH: Final = 72
_BAR_LABEL_WIDTH: Final = 40
# Bars of cells below that of the study.
_CELLS_SHOWN: Final = 5


class CellState(NamedTuple):
    """How far a cell is."""

    number: int
    words: list[str]  #: what tells it apart from the others, the most important first
    trials: int  #: in all
    done: int  #: trials that are done
    regret: float  #: mean over these
    halfwidth: float  #: half of its 95 % interval; NaN for a single trial

    def label(self, width: int) -> str:
        """Name the cell, with as much of what tells it apart as fits into so many columns."""
        said, *more = self.words
        for word in more:
            if len(said) + 2 + len(word) > width:
                return f"{said}, ..."
            said += f", {word}"
        return said

    @property
    def estimate(self) -> str:
        """The running estimate in words."""
        margin = f" ± {self.halfwidth:,.3g}" if math.isfinite(self.halfwidth) else ""
        return f"regret {self.regret:,.5g}{margin}"


class Reporter(Protocol):
    """What a running study reports; the unit of work is a trial-round."""

    def __enter__(self) -> Self:
        """Begin to report."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the report, also after an error."""
        ...

    def plan(self, done: int, cells: int) -> None:
        """Say of how many cells it is known what they are."""
        ...

    def begin(self, cells: int, finished: int, rounds: int, done: int) -> None:
        """Say how many cells and trial-rounds there are, and how many were done before."""
        ...

    def advance(self, rounds: int) -> None:
        """Say that trial-rounds were played; from any thread."""
        ...

    def update(self, cell: CellState) -> None:
        """Say that a cell has more trials than before."""
        ...

    def note(self, text: str) -> None:
        """Say something that is worth a line."""
        ...


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        """Begin to report."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the report."""

    def plan(self, done: int, cells: int) -> None:
        """Ignore the plan."""

    def begin(self, cells: int, finished: int, rounds: int, done: int) -> None:
        """Ignore the beginning."""

    def advance(self, rounds: int) -> None:
        """Ignore progress."""

    def update(self, cell: CellState) -> None:
        """Ignore a cell."""

    def note(self, text: str) -> None:
        """Ignore a note."""


class Bars:
    """A bar for the study with rate and time left, and bars for the cells that are under way."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Last(ProgressColumn):
            """Rate and time left of the study, or the estimate of a cell."""

            left = TimeRemainingColumn(compact=True)

            def render(self, task: "Task") -> Text:
                if estimate := task.fields.get("estimate"):
                    return Text(estimate, style="dim")
                rate = Text(rate_text(task.finished_speed or task.speed), style="cyan")
                return Text.assemble(rate, ", ", self.left.render(task), " left")

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            Last(),
            console=console,
            transient=True,
        )
        self._study: TaskID | None = None
        self._plan: TaskID | None = None
        self._begun = time.monotonic()
        self._cells: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bars away."""
        self._progress.stop()

    def plan(self, done: int, cells: int) -> None:
        """Show a bar of the plan when it takes long."""
        if self._plan is None:
            if time.monotonic() - self._begun < _SECONDS_OF_PLAN:
                return
            self._plan = self._progress.add_task("planning", total=cells, estimate=" ")
        self._progress.update(self._plan, completed=done)

    def begin(self, cells: int, finished: int, rounds: int, done: int) -> None:
        """Show the bar of the study."""
        if self._plan is not None:
            self._progress.remove_task(self._plan)
            self._plan = None
        name = "1 cell" if cells == 1 else f"{cells:,} cells"
        if self._study is not None:
            self._progress.remove_task(self._study)
        self._study = self._progress.add_task(name, total=rounds, completed=done)

    def advance(self, rounds: int) -> None:
        """Move the bar of the study."""
        if self._study is not None:
            self._progress.advance(self._study, rounds)

    def update(self, cell: CellState) -> None:
        """Move the bar of a cell; it goes when the cell is done, or when others are newer."""
        task = self._cells.pop(cell.number, None)
        if cell.done >= cell.trials:
            if task is not None:
                self._progress.remove_task(task)
            return
        if task is None:
            task = self._progress.add_task(cell.label(_BAR_LABEL_WIDTH), total=cell.trials)
        self._cells[cell.number] = task
        self._progress.update(task, completed=cell.done, estimate=cell.estimate)
        while len(self._cells) > _CELLS_SHOWN:
            self._progress.remove_task(self._cells.pop(next(iter(self._cells))))

    def note(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """A line when a cell is done, and now and then while nothing else happens.

    Attributes
    ----------
    between_lines, between_cells : float
        Seconds.
    few_cells : int
        Of so many cells each gets a line.
    """

    between_lines: float = _SECONDS_BETWEEN_LINES
    between_cells: float = _SECONDS_BETWEEN_CELLS
    few_cells: int = _FEW_CELLS

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._lock = threading.Lock()
        self._cells = self._finished = 0
        self._rounds = self._before = self._done = 0
        self._begun = self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to report."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the report."""

    def plan(self, done: int, cells: int) -> None:
        """Say how far the plan is, when it takes long."""
        now = time.monotonic()
        first = self._spoken == self._begun
        if now - self._spoken >= (_SECONDS_OF_PLAN if first else self.between_lines):
            self._spoken = now
            self._say(f"planning: {done:,} of {cells:,} cells")

    def begin(self, cells: int, finished: int, rounds: int, done: int) -> None:
        """Say what there is to do."""
        self._cells, self._finished = cells, finished
        self._rounds, self._before, self._done = rounds, done, done
        self._begun = self._spoken = time.monotonic()
        if done:
            self.note(f"{done / rounds:.0%} was done before")

    def advance(self, rounds: int) -> None:
        """Say how far the study is, when the last line is long ago."""
        with self._lock:
            self._done = min(self._done + rounds, self._rounds)
            if time.monotonic() - self._spoken < self.between_lines:
                return
            self._spoken = time.monotonic()
            line = (
                f"[{self._finished}/{self._cells}] {self._done / self._rounds:.0%}{self._speed()}"
            )
        self._say(line)

    def update(self, cell: CellState) -> None:
        """Say that a cell is done."""
        if cell.done < cell.trials:
            return
        with self._lock:
            self._finished += 1
            seldom = self._finished < self._cells and self._cells > self.few_cells
            if seldom and time.monotonic() - self._spoken < self.between_cells:
                return
            self._spoken = time.monotonic()
            line = (
                f"[{self._finished}/{self._cells}] {cell.label(_LABEL_WIDTH)}: {cell.estimate}, "
                f"{cell.trials:,} trials{self._speed()}"
            )
        self._say(line)

    def _speed(self) -> str:
        spent = max(time.monotonic() - self._begun, 1e-9)
        rate = (self._done - self._before) / spent
        left = (self._rounds - self._done) / rate if rate > 0.0 else math.inf
        words = f", {left:,.0f} s left" if 0.0 < left < math.inf else ""
        return f"; {rate_text(rate)}{words}"

    def _say(self, line: str) -> None:
        """Write how far the study is."""
        self.note(line)

    def note(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class InNotebook(Lines):
    """One line that says how far the study is, written again and again; notes stay above it."""

    between_lines = between_cells = _SECONDS_IN_NOTEBOOK
    few_cells = 0

    def __init__(self, console: "Console") -> None:
        super().__init__(console)
        self._line = NotebookLine()

    def _say(self, line: str) -> None:
        self._line.write(f"{bar(self._done / max(self._rounds, 1))}  {line}")

    def note(self, text: str) -> None:
        """Write a line that stays."""
        NotebookLine().write(text)


def make_reporter(show: bool) -> Reporter:
    """Return what reports a study, as suits where it is shown, or nothing."""
    if not show:
        return Silent()
    console = _find_console()
    if in_notebook():
        return InNotebook(console)
    return (Bars if console.is_terminal else Lines)(console)


def _find_console() -> "Console":
    """Return the console on standard error: that of the log, whose lines then go above the bars."""
    from rich.console import Console

    for handler in logging.getLogger("fastroute").handlers:
        found = getattr(handler, "console", None)
        if isinstance(found, Console) and found.stderr:
            return found
    return Console(stderr=True, emoji=False)


def rate_text(rate: float | None) -> str:
    """Write trial-rounds per second for people: ``31.2 M rounds/s``."""
    if not rate:
        return "- rounds/s"
    for unit, scale in (("G ", 1e9), ("M ", 1e6), ("k ", 1e3)):
        if rate >= scale:
            return f"{rate / scale:.3g} {unit}rounds/s"
    return f"{rate:.3g} rounds/s"
