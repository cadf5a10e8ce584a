"""Progress of one simulation: a bar on standard error, a line in a notebook, or a function."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from fastroute.checks import refused
from fastroute.notebook_line import NotebookLine, bar, in_notebook

OnProgress = Callable[[int, int], None]

# A notebook is told this often, and nothing of what is over sooner.
_SECONDS_BETWEEN: Final = 0.25


@contextlib.contextmanager
def show_progress(progress: bool | OnProgress | None) -> Iterator[OnProgress | None]:
    """Show a bar where one is asked for, on a terminal or in a notebook; quiet elsewhere.

    Yields
    ------
    callable or None
        Called as ``tell(done, total)`` with trial-rounds.

    Raises
    ------
    ValueError
        When `progress` is neither True, False nor a function.
    """
    if progress is None or progress is False:
        yield None
        return
    if progress is not True:
        if not callable(progress):
            raise refused("progress", progress, "True, False or a function of (done, total)")
        yield progress
        return
    if in_notebook():
        yield _notebook_bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, emoji=False)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("compiling", total=None)
        yield lambda done, total: bar.update(
            task, description="simulating", completed=done, total=total
        )


def _notebook_bar() -> OnProgress:
    """Return what shows a bar in a notebook."""
    line = NotebookLine()
    begun = spoken = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal spoken
        now = time.monotonic()
        shown = spoken > begun
        if now - spoken < _SECONDS_BETWEEN and not (shown and done >= total):
            return
        spoken = now
        left = (now - begun) * (total - done) / max(done, 1)
        words = f"{left:,.0f} s left" if done < total else f"{now - begun:,.1f} s"
        line.write(f"simulating {bar(done / total)}, {words}")

    return tell
