"""Money by day and month: what a router spends is bounded by what it promises."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

import fastroute as fr
from fastroute.online.budget import Account, Window
from test_online_router import COST, NAMES, Clock

APRIL = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0


def spend(routers, clock, *, days, per_day, in_flight, seed=1):
    """Queries whose costs become known some decisions later.

    Returns what was spent by day, and the largest excess of what was in flight at once over what
    was expected of it.
    """
    rng = random.Random(seed)
    spent: dict[int, float] = {}
    waiting: list[tuple[fr.OnlineRouter, int, float, float]] = []
    excess = 0.0
    for _ in range(int(days * per_day)):
        clock.now += DAY / per_day
        router = rng.choice(routers)
        try:
            choice = router.choose()
        except fr.BudgetSpentError:
            continue
        cost = COST[choice.serve] * rng.lognormvariate(0.0, 0.8)
        expected = router._state.open[choice.id].reserved
        waiting.append((router, choice.id, cost, expected))
        excess = max(excess, sum(max(c - e, 0.0) for _, _, c, e in waiting))
        day = int((clock.now - APRIL) // DAY)
        spent[day] = spent.get(day, 0.0) + cost
        if len(waiting) > in_flight:
            answered, identifier, paid, _ = waiting.pop(0)
            answered.observe(identifier, reward=0.5, cost=paid)
    return spent, excess


@pytest.mark.parametrize("when_spent", ["cheapest", "refuse"])
def test_a_month_is_not_exceeded_by_more_than_the_surprise_in_flight(when_spent):
    clock = Clock(APRIL)
    total = 6_000.0
    router = fr.OnlineRouter(
        models=COST,
        budget=1.4,
        max_deployed=3,
        stage=fr.every(hours=6),
        cost_range=(0.0, 20.0),
        window=fr.Window(total=total, per="month", when_spent=when_spent),
        clock=clock,
    )
    spent, excess = spend([router], clock, days=29.9, per_day=300, in_flight=20)
    paid = sum(spent.values())
    assert paid > 0.98 * total, "the money of the month is used"
    assert paid <= total + excess


def test_days_have_their_own_money_and_leave_the_rest_to_the_next():
    clock = Clock(APRIL)
    window = fr.Window(total=200.0, per="day", rollover=True, when_spent="refuse")
    router = fr.OnlineRouter(
        models=COST,
        budget=1.4,
        max_deployed=3,
        stage=fr.every(hours=6),
        cost_range=(0.0, 20.0),
        window=window,
        clock=clock,
    )
    quiet, _ = spend([router], clock, days=1.99, per_day=50, in_flight=0)
    clock.now = APRIL + 2 * DAY
    busy, excess = spend([router], clock, days=0.99, per_day=2_000, in_flight=5)
    left = 2 * 200.0 - sum(quiet.values())
    assert left > 100.0
    assert 200.0 < busy[2] <= 200.0 + left + excess


def test_replicas_exceed_a_window_by_no_more_than_what_they_do_not_know_of_each_other(tmp_path):
    clock = Clock(APRIL)
    options: dict[str, Any] = {
        "models": COST,
        "budget": 1.4,
        "max_deployed": 3,
        "stage": fr.every(hours=6),
        "cost_range": (0.0, 20.0),
        "window": fr.Window(total=800.0, per="month", when_spent="refuse"),
        "clock": clock,
        "staleness": DAY / 300 * 10,  # ten decisions
    }
    routers = [fr.OnlineRouter(tmp_path / "state.db", replica=k, **options) for k in range(2)]
    for router in routers:
        log: Any = router._log
        add, flush = log.add, log.flush
        # What is told is in the log at once: only what is stale is not known.
        log.add = lambda row, add=add, flush=flush: (add(row), flush())
    spent, excess = spend(routers, clock, days=10, per_day=300, in_flight=0)
    # Ten decisions of the other one, and what was in flight there.
    stale = 10 * max(COST.values()) * 3.0
    assert 0.95 * 800.0 < sum(spent.values()) <= 800.0 + excess + stale


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        ("2026-12-31T12:00:00", "2026-12-01", "2027-01-01"),
        ("2028-02-29T00:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_months_are_those_of_the_calendar(now, start, end):
    def seconds(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    assert Window(total=1.0).period(seconds(now)) == (seconds(start), seconds(end))


def test_periods_without_a_query_leave_all_of_their_money():
    account = Account(Window(total=10.0, per="day", rollover=True))
    account.move_to(APRIL)
    account.reserve(4.0)
    account.pay(4.0, 6.0)
    account.move_to(APRIL + 3 * DAY)
    assert account.available == pytest.approx(10.0 + 4.0 + 2 * 10.0)
    account.move_to(APRIL)
    assert account.start == APRIL + 3 * DAY, "a clock that goes back begins no period"


def test_names_of_models_without_a_cost_expect_the_budget():
    router = fr.OnlineRouter(
        models=NAMES,
        budget=2.0,
        max_deployed=2,
        stage=fr.every(decisions=10),
        window=fr.Window(total=5.0, when_spent="refuse"),
    )
    for _ in range(2):
        router.choose()
    with pytest.raises(fr.BudgetSpentError, match=r"has 1 left of 5"):
        router.choose()
