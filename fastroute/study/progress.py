"""Progress of a study on standard error: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

# A log file wants few lines, a person wants to know that it is alive.
_SECONDS_BETWEEN_LINES: Final = 30.0


class Reporter(Protocol):
    """What a running study tells; units are trial-rounds."""

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

    def start(self, label: str) -> None:
        """Say that the next policy starts."""
        ...

    def advance(self, share: float) -> None:
        """Say which share of the current policy, in [0, 1], is done."""
        ...


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        """Begin to report."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the report."""

    def start(self, label: str) -> None:
        """Ignore the start of a policy."""

    def advance(self, share: float) -> None:
        """Ignore the progress of a policy."""


class Bar:
    """One bar over all policies, with trial-rounds per second and the time left."""

    def __init__(self, console: "Console", policies: int, size: int) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: "Task") -> Text:
                return Text(rate_text(task.finished_speed or task.speed), style="cyan")

        self._size = size
        self._before = 0
        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            Rate(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=policies * size)
        self._started = 0

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._progress.stop()

    def start(self, label: str) -> None:
        """Name the policy that runs now."""
        self._before = self._started * self._size
        self._started += 1
        self._progress.update(self._task, description=label, completed=self._before)

    def advance(self, share: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=self._before + share * self._size)


class Lines:
    """A line when a policy starts and now and then while it runs."""

    def __init__(self, console: "Console", policies: int, size: int) -> None:
        self._console = console
        self._policies = policies
        self._size = size
        self._started = 0
        self._label, self._ended = "", True
        self._begun = self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        """Begin to report."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the report."""

    def start(self, label: str) -> None:
        """Write which policy starts."""
        self._started += 1
        self._label, self._ended = label, False
        self._begun = self._spoken = time.monotonic()
        self._write(f"[{self._started}/{self._policies}] {label}")

    def advance(self, share: float) -> None:
        """Write how far the policy is, when the last line is long ago or it has ended."""
        now = time.monotonic()
        if self._ended or (share < 1.0 and now - self._spoken < _SECONDS_BETWEEN_LINES):
            return
        self._spoken, self._ended = now, share >= 1.0
        spent = max(now - self._begun, 1e-9)
        rate = rate_text(share * self._size / spent)
        left = f", {spent * (1.0 - share) / share:,.0f} s left" if 0.0 < share < 1.0 else ""
        self._write(
            f"[{self._started}/{self._policies}] {self._label}: {share:.0%} in {spent:,.1f} s, "
            f"{rate}{left}"
        )

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def reporter(show: bool, policies: int, size: int) -> Reporter:
    """Return what reports a study of `policies` runs of `size` trial-rounds each."""
    if not show:
        return Silent()
    from rich.console import Console

    console = Console(stderr=True)
    return (Bar if console.is_terminal else Lines)(console, policies, size)


def rate_text(rate: float | None) -> str:
    """Write trial-rounds per second for people: ``31.2 M rounds/s``."""
    if not rate:
        return "- rounds/s"
    for unit, scale in (("G ", 1e9), ("M ", 1e6), ("k ", 1e3)):
        if rate >= scale:
            return f"{rate / scale:.3g} {unit}rounds/s"
    return f"{rate:.3g} rounds/s"
