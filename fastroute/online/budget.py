"""Money that may be spent in a day or a month: what was spent, and what is reserved.

A query is only routed to a model when the window has room for its expected cost beside all that was
spent and all that is in flight.  So spending goes beyond the window by no more than the costs of
the queries in flight exceed what was expected of them.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from fastroute.online.plain import Plain

_DAY: Final = timedelta(days=1)


class Window(Plain):
    """Money that may be spent in a period.

    Attributes
    ----------
    total : float
        Money of a period, in the unit of the costs.
    per : {"day", "month"}
        Calendar days or months of UTC.
    rollover : bool
        Whether what a period leaves is there for the next one.
    when_spent : {"cheapest", "refuse"}
        What happens to a query for which there is no room: it goes to the deployed model of lowest
        expected cost, if there is room for that, or it is refused.
    """

    total: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    per: Literal["day", "month"] = "month"
    rollover: bool = False
    when_spent: Literal["cheapest", "refuse"] = "cheapest"

    def period(self, now: float) -> tuple[float, float]:
        """Return start and end of the period that a time is in, in seconds of the epoch."""
        moment = datetime.fromtimestamp(now, UTC)
        start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.per == "day":
            return start.timestamp(), (start + _DAY).timestamp()
        start = start.replace(day=1)
        later = (start + 31 * _DAY).replace(day=1)
        return start.timestamp(), later.timestamp()


class Account:
    """What a router has spent and reserved in the period of its window.

    Parameters
    ----------
    window : Window
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.start = self.end = -1.0
        self.available = 0.0  #: money of the period
        self.spent = 0.0
        self.reserved = 0.0  #: expected cost of the queries in flight
        self.others = 0.0  #: what other replicas have spent in the period, as far as is known

    def move_to(self, now: float) -> None:
        """Begin the period that a time is in; a clock that goes back changes nothing."""
        if now < self.end:
            return
        start, end = self.window.period(now)
        left = 0.0
        if self.window.rollover and self.end > 0.0:
            left = max(self.available - self.spent - self.others, 0.0)
            # Periods without a query leave all of their money.
            while self.end < start:
                _, self.end = self.window.period(self.end)
                left += self.window.total
        self.set_period(start, end, self.window.total + left)

    def set_period(self, start: float, end: float, available: float) -> None:
        """Begin a period in which so much money is there."""
        self.start, self.end, self.available = start, end, available
        self.spent = self.reserved = self.others = 0.0

    @property
    def room(self) -> float:
        """Money that is neither spent nor reserved."""
        return self.available - self.spent - self.reserved - self.others

    def reserve(self, expected: float) -> None:
        """Set the expected cost of a query aside."""
        self.reserved += expected

    def pay(self, expected: float, cost: float) -> None:
        """Book the cost of a query for which ``expected`` was set aside."""
        self.reserved = max(self.reserved - expected, 0.0)
        self.spent += cost
