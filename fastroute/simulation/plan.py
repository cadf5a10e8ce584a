"""When things happen in a run: stages, changes of the pool, checkpoints."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastroute.rules import Formula, FormulaError, rule, stages_of
from fastroute.scenarios import World
from fastroute.scenarios.costs import BudgetMarks, budget_marks
from fastroute.simulation.settings import Settings

I8 = NDArray[np.int64]
Number = TypeVar("Number", int, float)

#: Longest piece of a stage that is played in one call: bounds the time between two reports of
#: progress.  A constant, so that sums do not depend on who plays them.
LONGEST_PIECE = 1 << 15


class Piece(NamedTuple):
    """Rounds ``start <= t < stop`` with one deployed set, one pool and one regime."""

    start: int
    stop: int
    pool: int  #: row of ``Plan.pools`` available in these rounds
    opening: (
        int  #: row of what was available when the stage opened, under the means of these rounds
    )
    checkpoint: int  #: checkpoint reached at ``stop``, -1 for none


class Stage(NamedTuple):
    """One stage and its pieces."""

    opened: int
    loaded: int  #: first round in which all deployed models take traffic
    rounds: int
    pool: int  #: row of ``Plan.pools`` available when the stage opens
    pieces: tuple[Piece, ...]


class Plan(NamedTuple):
    """Timetable of a run, the same for every trial."""

    horizon: int
    stage_length: int
    stages: tuple[Stage, ...]
    pools: NDArray[np.bool_]  #: [P, N], row 0 is the pool of round 0
    regimes: I8  #: whose means hold in each row of ``pools``, an index of ``World.regimes``; [P]
    checkpoints: I8  #: number of rounds completed at each checkpoint


def resolve_rules(settings: Settings, world: World) -> tuple[float, int]:
    """Work out the budget and the number of stages of a run, where they are given as rules.

    Parameters
    ----------
    settings : Settings
        Budget and stages are numbers or formulas of :mod:`fastroute.rules`; that of the stages is
        rounded and kept between one and one a round, or ``"theory"``,
        ``N^(2/3) T^(1/3) / M_max``.
    world : World

    Returns
    -------
    budget, stages : float, int

    Raises
    ------
    ValueError
        For what is not a rule, a rule without a value, or a negative budget.
    """
    names: dict[str, float] = {
        "T": settings.horizon,
        "N": len(world.limit),
        "M_max": settings.max_deployed,
    }
    budget, stages = settings.budget, settings.stages
    budget_rule = _read("budget", budget) if isinstance(budget, str) else None
    stages_rule = _read("stages", stages) if isinstance(stages, str) else None
    asked = [found.names for found in (budget_rule, stages_rule) if found is not None]
    if any(used.intersection(BudgetMarks._fields) for used in asked):
        names |= budget_marks(world, settings.horizon, settings.max_deployed)._asdict()
    if budget_rule is not None:
        spent = _value("budget", budget, lambda: budget_rule(names))
        if spent < 0.0:
            raise ValueError(f"budget comes to {spent:g}, but must be >= 0.")
        budget = spent
    names["b"] = float(budget)
    if stages_rule is not None:
        stages = _value("stages", stages, lambda: stages_of(stages_rule, names))
    return float(budget), int(stages)


def _read(setting: str, text: str) -> Formula:
    try:
        return rule(setting, text)
    except FormulaError as error:
        kind = "an integer" if setting == "stages" else "a number"
        raise ValueError(f"{setting}={text!r} must be {kind} or a rule; {error}.") from None


def _value(setting: str, given: Any, work_out: Callable[[], Number]) -> Number:
    try:
        return work_out()
    except FormulaError as error:
        raise ValueError(f"{setting}={given!r}: {error}.") from None


def log_spaced(horizon: int, count: int) -> I8:
    """Up to ``count`` distinct numbers of rounds, log-spaced from 1 to the horizon."""
    points = np.geomspace(1.0, float(horizon), count) if count > 1 else np.array([float(horizon)])
    return np.unique(np.rint(points).astype(np.int64))


def checkpoint_rounds(checkpoints: Any, horizon: int) -> I8:
    """Return the numbers of rounds of the points of a curve: log-spaced, or those given."""
    if isinstance(checkpoints, int):
        return log_spaced(horizon, checkpoints)
    return np.unique(np.append(np.array(checkpoints, dtype=np.int64), horizon))


def make_plan(
    world: World,
    horizon: int,
    stages: int,
    checkpoints: I8,
    load_rounds: int = 0,
    openings: Sequence[int] | None = None,
) -> Plan:
    """Cut the horizon where something happens.

    Stages open every ``ceil(horizon / stages)`` rounds, or in the rounds ``openings``.

    That is where a stage opens, its new models are loaded, the pool, a mean or a limit changes, or
    a checkpoint is due.  Retirements take effect when the next stage opens, arrivals at once for
    the optimum (a policy can deploy them from the next stage on).
    """
    length = -(-horizon // stages)
    changed = [regime.start for regime in world.later]
    pools: dict[tuple[bytes, int], int] = {}
    rows: list[NDArray[np.bool_]] = []

    def pool_of(mask: NDArray[np.bool_], now: int) -> int:
        key = mask.tobytes(), bisect_right(changed, now)
        if key not in pools:
            pools[key] = len(rows)
            rows.append(mask)
        return pools[key]

    due = {int(r): i for i, r in enumerate(checkpoints)}
    planned: list[Stage] = []
    opens = range(0, horizon, length) if openings is None else openings
    for opened, end in pairwise((*opens, horizon)):
        loaded = min(opened + load_rounds, end)
        kept = world.retirement > opened
        cuts = {opened, loaded, end, *range(opened, end, LONGEST_PIECE)}
        cuts.update(int(a) for a in world.arrival if opened < a < end)
        cuts.update(start for start in changed if opened < start < end)
        cuts.update(int(r) for r in checkpoints[(checkpoints > opened) & (checkpoints < end)])
        at_opening = kept & (world.arrival <= opened)
        pieces = tuple(
            Piece(
                start,
                stop,
                pool_of(kept & (world.arrival <= start), start),
                pool_of(at_opening, start),
                due.get(stop, -1),
            )
            for start, stop in pairwise(sorted(cuts))
        )
        planned.append(Stage(opened, loaded, end - opened, pieces[0].pool, pieces))
    regimes = np.array([regime for _, regime in pools], np.int64)
    return Plan(horizon, length, tuple(planned), np.array(rows), regimes, checkpoints)
