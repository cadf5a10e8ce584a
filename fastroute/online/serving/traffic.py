"""Which models have served the last queries."""

from collections import Counter, deque
from typing import Final

from fastroute.online.serving.messages import Minute, TrafficAnswer

#: Queries that shares are of.
LAST: Final = 1000
#: Minutes that are kept.
MINUTES: Final = 60


class Traffic:
    """The last queries, and those of every minute of the last hour."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=LAST)
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=MINUTES)

    def note(self, model: str, moment: float) -> None:
        """Note which model has served a query, at a time in seconds of the epoch."""
        self._last.append(model)
        minute = int(moment // 60.0)
        # A clock that goes back counts to the newest minute.
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, Counter()))
        self._minutes[-1][1][model] += 1

    def answer(self, moment: float) -> TrafficAnswer:
        """Return the last queries by model."""
        counts = Counter(self._last)
        first = int(moment // 60.0) - MINUTES
        return TrafficAnswer(
            last=len(self._last),
            shares={model: count / len(self._last) for model, count in counts.most_common()},
            minutes=tuple(
                Minute(start=60.0 * minute, served=dict(served))
                for minute, served in self._minutes
                if minute > first
            ),
        )
