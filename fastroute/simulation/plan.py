"""When things happen in a run: stages, changes of the pool, checkpoints."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastroute.rules import Formula, FormulaError, rule, stages_of
from fastroute.scenarios import World
from fastroute.scenarios.costs import BudgetMarks, budget_marks
from fastroute.solve.validate import positive_int

I8 = NDArray[np.int64]
Number = TypeVar("Number", int, float)

#: Longest piece of a stage that is played in one call: bounds the time between two reports of
#: progress.  A constant, so that sums do not depend on who plays them.
LONGEST_PIECE = 1 << 15
#: Most points of a curve.
MOST_CHECKPOINTS = 1 << 20


class Piece(NamedTuple):
    """Rounds ``start <= t < stop`` with one deployed set and one pool."""

    start: int
    stop: int
    pool: int  #: row of ``Plan.pools`` available in these rounds
    checkpoint: int  #: checkpoint reached at ``stop``, -1 for none


class Stage(NamedTuple):
    """One stage and its pieces."""

    opened: int
    rounds: int
    pool: int  #: row of ``Plan.pools`` available when the stage opens
    pieces: tuple[Piece, ...]


class Plan(NamedTuple):
    """Timetable of a run, the same for every trial."""

    horizon: int
    stage_length: int
    stages: tuple[Stage, ...]
    pools: NDArray[np.bool_]  #: [P, N], row 0 is the pool of round 0
    checkpoints: I8  #: number of rounds completed at each checkpoint


def resolve_rules(
    budget: Any, stages: Any, world: World, horizon: int, max_deployed: int
) -> tuple[Any, int]:
    """Work out the budget and the number of stages of a run, where they are given as rules.

    Parameters
    ----------
    budget : number or str
        ``"cheapest"``, ``"slack"``, ``"0.5 * slack"``, ...: any formula of :mod:`fastroute.rules`.
        A number is returned as it is.
    stages : int or str
        As in :func:`resolve_stages`; a rule may use ``slack``, ``cheapest`` and ``b`` too.
    world : World
    horizon, max_deployed : int
        T and M_max.

    Returns
    -------
    budget, stages : number, int

    Raises
    ------
    ValueError
        For what is no rule, a rule without a value, a negative budget, or more stages than rounds.
    """
    names: dict[str, float] = {"T": horizon, "N": len(world.limit), "M_max": max_deployed}
    found = {
        name: _read(name, value)
        for name, value in (("budget", budget), ("stages", stages))
        if isinstance(value, str)
    }
    if any(formula.names.intersection(BudgetMarks._fields) for formula in found.values()):
        names |= budget_marks(world, horizon, max_deployed)._asdict()
    if "budget" in found:
        budget = _value("budget", budget, lambda: found["budget"](names))
        if budget < 0.0:
            raise ValueError(f"budget comes to {budget:g}, but must be >= 0.")
    return budget, _stages(stages, found.get("stages"), {**names, "b": budget})


def resolve_stages(stages: int | str, horizon: int, n_models: int, max_deployed: int) -> int:
    """Turn a rule into the number of stages K, an integer in [1, T].

    Parameters
    ----------
    stages : int or str
        K itself; a formula of :mod:`fastroute.rules` such as ``"T^(1/3)"``, rounded; or
        ``"theory"``, ``N^(2/3) T^(1/3) / M_max``.
    horizon, n_models, max_deployed : int
        T, N and M_max.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For any other rule, or more stages than rounds.
    """
    names = {"T": horizon, "N": n_models, "M_max": max_deployed}
    found = _read("stages", stages, tuple(names)) if isinstance(stages, str) else None
    return _stages(stages, found, names)


def _stages(given: Any, found: Formula | None, names: Mapping[str, float]) -> int:
    if found is not None:
        return _value("stages", given, lambda: stages_of(found, names))
    count = positive_int("stages", given)
    if count > names["T"]:
        raise ValueError(f"stages={count} is more than horizon={names['T']}: at most one a round.")
    return count


def _read(setting: str, text: str, names: tuple[str, ...] | None = None) -> Formula:
    try:
        return rule(setting, text, names)
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


def make_plan(world: World, horizon: int, stages: int, checkpoints: I8) -> Plan:
    """Cut the horizon where a stage opens, the pool changes, or a checkpoint is due.

    Retirements take effect when the next stage opens, arrivals at once for the optimum (a policy
    can deploy them from the next stage on).
    """
    length = -(-horizon // stages)
    pools: dict[bytes, int] = {}
    rows: list[NDArray[np.bool_]] = []

    def pool_of(mask: NDArray[np.bool_]) -> int:
        key = mask.tobytes()
        if key not in pools:
            pools[key] = len(rows)
            rows.append(mask)
        return pools[key]

    due = {int(r): i for i, r in enumerate(checkpoints)}
    planned: list[Stage] = []
    for opened in range(0, horizon, length):
        end = min(opened + length, horizon)
        kept = world.retirement > opened
        cuts = {opened, end, *range(opened, end, LONGEST_PIECE)}
        cuts.update(int(a) for a in world.arrival if opened < a < end)
        cuts.update(int(r) for r in checkpoints[(checkpoints > opened) & (checkpoints < end)])
        marks = sorted(cuts)
        pieces = tuple(
            Piece(start, stop, pool_of(kept & (world.arrival <= start)), due.get(stop, -1))
            for start, stop in pairwise(marks)
        )
        planned.append(Stage(opened, end - opened, pieces[0].pool, pieces))
    return Plan(horizon, length, tuple(planned), np.array(rows), checkpoints)
