"""Progress of one simulation: a bar on standard error, or a function of the user."""

import contextlib
from collections.abc import Callable, Iterator

from fastroute.checks import refused

OnProgress = Callable[[int, int], None]


@contextlib.contextmanager
def show_progress(progress: bool | OnProgress | None) -> Iterator[OnProgress | None]:
    """Show a bar where one is asked for; quiet where standard error is not a terminal.

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
        disable=not (console.is_terminal or console.is_jupyter),
    )
    with bar:
        task = bar.add_task("compiling", total=None)
        yield lambda done, total: bar.update(
            task, description="simulating", completed=done, total=total
        )
