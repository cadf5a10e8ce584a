"""When things happen in a run: stages, changes of the pool, checkpoints."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.scenario import World
from fastroute.scenario.placement import power_stages
from fastroute.solve.validate import positive_int

I8 = NDArray[np.int64]

#: Longest piece of a stage that is played in one call: bounds the time between two reports of
#: progress.  A constant, so that sums do not depend on who plays them.
LONGEST_PIECE = 1 << 15


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


def resolve_stages(rule: int | str, horizon: int, n_models: int, max_deployed: int) -> int:
    """Turn a rule into the number of stages K, an integer in [1, T].

    Parameters
    ----------
    rule : int or str
        K itself; ``"T^x"`` (x a number or a fraction such as ``1/3``), rounded; or ``"theory"``,
        ``N^(2/3) T^(1/3) / M_max``.
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
    if isinstance(rule, str):
        if rule == "theory":
            stages = n_models ** (2 / 3) * horizon ** (1 / 3) / max_deployed
            return int(min(max(round(stages), 1), horizon))
        power = power_stages(rule, horizon)
        if power is None:
            raise ValueError(
                f"stages={rule!r} is not an integer, \"T^x\" (such as 'T^(1/3)') or 'theory'."
            )
        return power
    count = positive_int("stages", rule)
    if count > horizon:
        raise ValueError(f"stages={count} is more than horizon={horizon}: at most one a round.")
    return count


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
