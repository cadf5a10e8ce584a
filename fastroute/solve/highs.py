"""HiGHS behind the same two calls: the fallback for hard deployments, and a second opinion.

HiGHS works with absolute tolerances of its own (1e-10 for rows, 1e-9 with integers), so it gets
costs and rewards of order 1 and only chooses: the basis of a routing LP, the set of a deployment.
The numbers come from the two coupling rows, and what fails the rule of
:mod:`fastroute.kernels.tolerances` or is not the best is left to the compiled kernels.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, REACH, SUPPORT, TINY
from fastroute.kernels.types import Deployment, Routing

F8 = NDArray[np.float64]
LARGEST = float(np.finfo(np.float64).max)
#: Largest loss of value, in units of the rewards, at which an answer still counts as the best.
WORTH = 1e-9
#: Values and budgets (both of order 1) this close are beyond what HiGHS can tell with integers.
DOUBT = 1e-6
#: LPs that the branch and bound may solve where a set chosen by HiGHS is refused.
NODES = 10_000
_local = threading.local()
_stdout_lock = threading.Lock()


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Send file descriptor 1 to nowhere: the constructor of HiGHS prints before any option acts."""
    with _stdout_lock:
        sys.stdout.flush()
        kept = os.dup(1)
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _solver() -> Any:
    """One HiGHS per thread."""
    if not hasattr(_local, "solver"):
        import highspy

        with _quiet_stdout():
            solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("dual_feasibility_tolerance", 1e-10)
        solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", 1e-9)
        _local.solver = solver
    return _local.solver


class _Constraints(NamedTuple):
    """Rows of a model, entry by entry."""

    lower: F8
    upper: F8
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: F8


class _HighsResult(NamedTuple):
    """What HiGHS says of one model."""

    state: Any  #: its ``HighsModelStatus``
    value: F8 | None  #: of the columns; None where it has found no solution
    bound: float  #: no solution has a higher objective
    column: list[Any]  #: status of each column in the basis
    dual: F8  #: of the rows


def _run(
    objective: F8,
    rows: _Constraints,
    col_upper: F8,
    integer: NDArray[np.bool_] | None = None,
    time_limit: float = np.inf,
) -> _HighsResult:
    """Maximise over columns that are at least 0."""
    import highspy

    lp = highspy.HighsLp()
    lp.num_col_ = len(objective)
    lp.num_row_ = len(rows.lower)
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = objective
    lp.col_lower_ = np.zeros(len(objective))
    lp.col_upper_ = col_upper
    lp.row_lower_ = rows.lower
    lp.row_upper_ = rows.upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    start = np.searchsorted(rows.row, np.arange(len(rows.lower) + 1))
    lp.a_matrix_.start_ = start.astype(np.int32)
    lp.a_matrix_.index_ = rows.column.astype(np.int32)
    lp.a_matrix_.value_ = rows.value
    if integer is not None:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(k)] for k in integer]
    solver = _solver()
    # Set anew each time: a problem with integers leaves its own tolerance behind.
    solver.setOptionValue("primal_feasibility_tolerance", 1e-10)
    solver.setOptionValue("time_limit", time_limit)
    solver.passModel(lp)
    solver.run()
    info, solution = solver.getInfo(), solver.getSolution()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return _HighsResult(
        solver.getModelStatus(),
        np.array(solution.col_value) if found else None,
        float(info.mip_dual_bound),
        list(solver.getBasis().col_status),
        np.array(solution.row_dual),
    )


class _Scale(NamedTuple):
    """Costs from 0 to 1 (exact in the LP, as shares add up to 1)."""

    cost: F8
    budget: float
    allowed: float  #: the budget and the tolerance that every backend grants
    low: float
    spread: float


def _scale(cost: F8, limit: F8, budget: float) -> _Scale:
    present = limit > 0.0
    low = float(cost[present].min())
    high = float(cost[present].max())
    spread = high - low if high > low else max(high, TINY)
    b = min(budget, high)
    reach = min(high, REACH * b)
    tolerance = BUDGET_RANGE * max(reach - low, 0.0) + BUDGET_SCALE * reach
    c = np.where(present, (cost - low) / spread, 0.0)
    left = max((b - low) / spread, -2.0)
    return _Scale(c, left, left + tolerance / spread, low, spread)


def _power_of_two_scale(*values: F8) -> float:
    """Power of two that brings the largest of the values to order 1; 1 where it is about that."""
    top = max((float(np.abs(x).max()) for x in values), default=0.0)
    return 1.0 if top == 0.0 or 2.0**-10 <= top <= 2.0**10 else 2.0 ** -np.frexp(top)[1]


def routing(reward: F8, cost: F8, limit: F8, budget: F8) -> Routing:
    """Routing LPs one by one through HiGHS; arguments and result as in the kernels.

    Problems without a distribution within the limits and the budget, and those whose basis HiGHS
    does not find, have the answers of the compiled kernel.
    """
    from fastroute.kernels.numba_.routing import solve

    out = solve(reward, cost, limit, budget)
    for r in np.flatnonzero(out.status == codes.OPTIMAL):
        found = _route(reward[r], cost[r], limit[r], float(budget[r]))
        if found is not None:
            out.share[r], out.value[r], out.budget_price[r], out.simplex_price[r] = found
    return out


def _route(u: F8, cost: F8, a: F8, budget: float) -> tuple[F8, float, float, float] | None:
    """Shares, value and prices of one LP, None where they are not proven to be the best."""
    import highspy

    size = len(u)
    scale = _scale(cost, a, budget)
    mass = min(1.0, float(a.sum()))
    every = np.arange(size)
    used = np.concatenate([np.full(size, True), scale.cost != 0.0])
    rows = _Constraints(
        np.array([mass, -np.inf]),
        np.array([mass, scale.allowed]),
        np.repeat([0, 1], size)[used],
        np.concatenate([every, every])[used],
        np.concatenate([np.ones(size), scale.cost])[used],
    )
    unit = _power_of_two_scale(u)
    found = _run(u * unit, rows, a)
    if found.state != highspy.HighsModelStatus.kOptimal or found.value is None:
        return None
    share = _shares(found, cost, a, budget)
    if share is None or float(share @ scale.cost) > scale.allowed:
        return None
    value = float(share @ u)
    marginal, price = float(found.dual[0]) / unit, max(float(found.dual[1]), 0.0) / unit
    # Weak duality, with costs from 0 to 1.
    worth = np.maximum(u - marginal - price * scale.cost, 0.0)
    best = price * scale.budget + marginal + float(np.where(a > 0.0, a * worth, 0.0).sum())
    if abs(best - value) > WORTH * (1.0 / unit + price):
        return None
    # Prices of costs below 1e-300 exceed the largest number; they are cut there.
    with np.errstate(over="ignore"):
        marginal -= min(float(price * np.float64(scale.low / scale.spread)), LARGEST)
        price = min(float(np.float64(price) / scale.spread), LARGEST)
    return share, value, price, max(marginal, -LARGEST)


def _shares(found: _HighsResult, cost: F8, a: F8, budget: float) -> F8 | None:
    """Shares of the basis from the two coupling rows, None where they leave the limits."""
    import highspy

    kinds = highspy.HighsBasisStatus
    basic = np.array([k == kinds.kBasic for k in found.column]) & (a > 0.0)
    full = np.array([k == kinds.kUpper for k in found.column])
    share = np.where(full, a, 0.0)
    rest = 1.0 - float(share.sum())
    members = np.flatnonzero(basic)
    members = members[np.argsort(cost[members], kind="stable")]
    if len(members) == 2 and cost[members[0]] < cost[members[1]]:
        cheap, dear = members
        left = budget - cost[cheap] - float(share @ np.where(full, cost - cost[cheap], 0.0))
        share[dear] = left / (cost[dear] - cost[cheap])
        share[cheap] = rest - share[dear]
    elif len(members) == 1:
        share[members[0]] = rest
    elif members.size:
        return None
    inside = np.clip(share, 0.0, a)
    return inside if np.abs(inside - share).max() <= MASS else None


class _DeploymentProblem(NamedTuple):
    """One deployment problem."""

    reward: F8
    cost: F8
    limit: F8
    budget: float
    charge: F8
    max_deployed: int

    def rows(self) -> tuple[F8, F8, F8, F8]:
        """Reward, cost, limit and budget as a batch of one."""
        u, c, a = (x[None] for x in self[:3])
        return u, c, a, np.array([self.budget])


class _ChosenSet(NamedTuple):
    """Weights over the chosen set, and what is known of them."""

    weight: F8
    status: int
    gap: float = 0.0


def deployment(
    reward: F8,
    cost: F8,
    limit: F8,
    budget: F8,
    charge: F8,
    max_deployed: int,
    time_limit: float = np.inf,
) -> Deployment:
    """Deployment problems one by one through HiGHS; result as in the kernels.

    HiGHS chooses the sets; the exact LP over a set gives its weights and says whether it meets the
    budget.  Where the two disagree, or nearly so, the branch and bound decides if it can.
    ``time_limit`` is what one search may take, in seconds; a set that is not proven the best by
    then has the status ``TIME_LIMIT``.  The multipliers are those of the LP relaxation.
    """
    from fastroute.kernels.numba_ import deployment as kernel
    from fastroute.kernels.numba_.routing import solve as relax

    batch, size = reward.shape
    relaxed = relax(reward, cost, limit, budget)
    out = Deployment(
        np.zeros((batch, size), np.bool_),
        np.zeros((batch, size)),
        np.zeros(batch),
        np.zeros(batch),
        relaxed.budget_price,
        relaxed.simplex_price,
        np.full(batch, codes.HIGHS, np.int64),
        np.zeros(batch, np.int64),
        np.ones(batch, np.int64),
    )
    for r in range(batch):
        one = _DeploymentProblem(
            reward[r], cost[r], limit[r], float(budget[r]), charge[r], max_deployed
        )
        choice = None
        widest = np.sort(limit[r])[::-1][:max_deployed]
        if widest.sum() >= 1.0 - MASS:
            bound = relaxed.value[r] if relaxed.status[r] == codes.OPTIMAL else np.inf
            choice = _choose(one, float(bound), time_limit)
        if choice is None:
            decided = kernel.solve(*one.rows(), charge[r : r + 1], max_deployed, NODES)
            if decided.status[0] != codes.NODE_LIMIT:
                for mine, theirs in zip(out, decided, strict=True):
                    mine[r] = theirs[0]
                continue
            choice = _decide_exactly(one, time_limit)
        out.weight[r] = np.where(choice.weight > SUPPORT, choice.weight, 0.0)
        out.deployed[r] = out.weight[r] > 0.0
        out.value[r] = out.weight[r] @ reward[r] - charge[r][out.deployed[r]].sum()
        out.gap[r] = choice.gap
        out.status[r] = choice.status
    return out


def _choose(one: _DeploymentProblem, bound: float, time_limit: float) -> _ChosenSet | None:
    """Best set by HiGHS, or the cheapest one where none meets the budget; None where in doubt.

    ``bound`` is a value that no set exceeds.
    """
    import highspy

    states = highspy.HighsModelStatus
    unit = _power_of_two_scale(one.reward, one.charge)
    found = _best(one, time_limit, unit)
    if found.value is not None:
        choice = _exact_weights(one, found.value)
        if choice.status != codes.OPTIMAL:
            return None
        value = choice.weight @ one.reward - one.charge[choice.weight > SUPPORT].sum()
        gap = max(min(found.bound / unit, bound) - float(value), 0.0)
        if found.state == states.kTimeLimit:
            return choice._replace(gap=gap, status=codes.TIME_LIMIT)
        if found.state != states.kOptimal or gap * unit > DOUBT:
            return None
        return choice._replace(gap=gap if gap * unit > WORTH else 0.0)
    if found.state in (states.kInfeasible, states.kUnboundedOrInfeasible):
        choice = _cheapest(one, time_limit)
        scale = _scale(one.cost, one.limit, one.budget)
        beyond = float(choice.weight @ scale.cost) - scale.budget
        return choice if choice.status == codes.OVER_BUDGET and beyond > DOUBT else None
    return _fallback_set(one) if found.state == states.kTimeLimit else None


def _decide_exactly(one: _DeploymentProblem, time_limit: float) -> _ChosenSet:
    """Set for a problem that neither HiGHS nor the branch and bound decides within tolerances.

    What HiGHS accepts for a slightly smaller budget meets the budget itself.
    """
    unit = _power_of_two_scale(one.reward, one.charge)
    found = _best(one, time_limit, unit, less=2.0 * WORTH)
    if found.value is not None:
        choice = _exact_weights(one, found.value)
        if choice.status == codes.OPTIMAL:
            value = choice.weight @ one.reward - one.charge[choice.weight > SUPPORT].sum()
            return choice._replace(gap=max(found.bound / unit - float(value), 0.0))
    return _cheapest(one, time_limit)


def _best(
    one: _DeploymentProblem, time_limit: float, unit: float, less: float = 0.0
) -> _HighsResult:
    """Ask HiGHS for the best set within the budget."""
    scale = _scale(one.cost, one.limit, one.budget)
    objective = np.concatenate([one.reward, -one.charge]) * unit
    return _run_mip(one, objective, scale.cost, scale.allowed - less, time_limit)


def _cheapest(one: _DeploymentProblem, time_limit: float) -> _ChosenSet:
    """Ask HiGHS for the cheapest set; it may meet the budget after all."""
    import highspy

    c = _scale(one.cost, one.limit, one.budget).cost
    found = _run_mip(one, np.concatenate([-c, np.zeros(len(c))]), c, np.inf, time_limit)
    if found.value is None or found.state != highspy.HighsModelStatus.kOptimal:
        return _fallback_set(one)
    choice = _exact_weights(one, found.value)
    return choice if choice.status != codes.NO_CAPACITY else _fallback_set(one)


def _run_mip(
    one: _DeploymentProblem, objective: F8, cost: F8, budget: float, time_limit: float
) -> _HighsResult:
    """Run HiGHS over weights and binaries; columns are the weights, then the binaries."""
    size = len(cost)
    every = np.arange(size)
    lower = np.concatenate([[1.0], np.full(size + 2, -np.inf)])
    upper = np.concatenate([[1.0, budget, float(one.max_deployed)], np.zeros(size)])
    row = np.concatenate([np.repeat([0, 1, 2], size), np.repeat(every + 3, 2)])
    column = np.concatenate(
        [every, every, every + size, np.stack([every, every + size], 1).ravel()]
    )
    links = np.stack([np.ones(size), -one.limit], 1).ravel()
    value = np.concatenate([np.ones(size), cost, np.ones(size), links])
    used = value != 0.0
    rows = _Constraints(lower, upper, row[used], column[used], value[used])
    top = np.concatenate([one.limit, (one.limit > 0.0).astype(np.float64)])
    return _run(objective, rows, top, np.repeat([False, True], size), time_limit)


def _exact_weights(one: _DeploymentProblem, value: F8) -> _ChosenSet:
    """Weights of a set that HiGHS has chosen, free of its tolerances."""
    from fastroute.kernels.numba_.routing import solve as relax

    u, c, a, b = one.rows()
    answer = relax(u, c, np.where(value[len(one.cost) :] > 0.5, a, 0.0), b)
    return _ChosenSet(answer.share[0], int(answer.status[0]))


def _fallback_set(one: _DeploymentProblem) -> _ChosenSet:
    """Set of the widest models, for want of a better one; nothing is proven of it."""
    widest = np.argsort(-one.limit, kind="stable")[: one.max_deployed]
    chosen = np.zeros(2 * len(one.limit))
    chosen[len(one.limit) + widest] = 1.0
    return _exact_weights(one, chosen)._replace(status=codes.TIME_LIMIT, gap=np.inf)


class Mixtures:
    """LP over mixtures of points, whose number grows; solved from the last basis.

    Maximises the value of a mixture, within limits on what it needs.

    Parameters
    ----------
    limit : ndarray, [R]
        Largest need of each kind; infinite for none.
    """

    def __init__(self, limit: F8) -> None:
        import highspy

        self._rows = len(limit)
        lp = highspy.HighsLp()
        lp.num_col_ = 0
        lp.num_row_ = self._rows + 1
        lp.sense_ = highspy.ObjSense.kMaximize
        lp.row_lower_ = np.append(np.full(self._rows, -np.inf), 1.0)
        lp.row_upper_ = np.append(limit, 1.0)
        lp.a_matrix_.start_ = np.zeros(1, np.int32)
        self._solver = _solver()
        self._solver.setOptionValue("primal_feasibility_tolerance", 1e-10)
        self._solver.setOptionValue("time_limit", np.inf)
        self._solver.passModel(lp)

    def add(self, value: float, need: F8) -> None:
        """Add a point with its value and its needs, [R]."""
        entries = np.append(need, 1.0)
        rows = np.arange(self._rows + 1, dtype=np.int32)
        self._solver.addCol(value, 0.0, np.inf, len(rows), rows, entries)

    def solve(self) -> tuple[float, F8, F8]:
        """Return the value of the best mixture, the weights of the points, and the prices, [R].

        Raises
        ------
        RuntimeError
            When HiGHS finds none.
        """
        import highspy

        self._solver.run()
        state = self._solver.getModelStatus()
        if state == highspy.HighsModelStatus.kUnknown:
            # From some last bases its tolerances are not met; from none they are.
            self._solver.clearSolver()
            self._solver.run()
            state = self._solver.getModelStatus()
        if state != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"HiGHS finds no mixture of points: {state}")
        solution = self._solver.getSolution()
        prices = np.maximum(np.array(solution.row_dual)[:-1], 0.0)
        return self._solver.getObjectiveValue(), np.array(solution.col_value), prices


def best_shares(
    objective: F8,
    limit: F8,
    max_deployed: int,
    rows: "list[tuple[F8, float, float]]",
    time_limit: float = np.inf,
) -> F8 | None:
    """Shares of at most `max_deployed` models that maximise an objective within some rows.

    Parameters
    ----------
    objective : f8 [N]
    limit : f8 [N]
        Largest shares.
    max_deployed : int
    rows : list of (f8 [N], float, float)
        Coefficients, lowest and highest value of their product with the shares.
    time_limit : float
        Seconds.

    Returns
    -------
    f8 [N] or None
        None where there are no such shares, or none was found in time.
    """
    size = len(objective)
    every, ones = np.arange(size), np.ones(size)
    whole = max_deployed >= size
    # Shares, then whether each model is used: shares add up to 1, and need their model.
    entries = [(np.zeros(size, int), every, ones)]
    lower, upper = [1.0], [1.0]
    if not whole:
        entries.append((np.full(size, 1), size + every, ones))
        lower.append(0.0)
        upper.append(float(max_deployed))
        for model in range(size):
            row = np.full(2, len(lower))
            entries.append((row, np.array([model, size + model]), np.array([1.0, -limit[model]])))
            lower.append(-np.inf)
            upper.append(0.0)
    for values, low, high in rows:
        entries.append((np.full(size, len(lower)), every, values))
        lower.append(low)
        upper.append(high)
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    used = value != 0.0
    constraints = _Constraints(
        np.array(lower), np.array(upper), row[used], column[used], value[used]
    )
    integer = None if whole else np.repeat([False, True], size)
    tops = limit if whole else np.concatenate([limit, ones])
    weights = objective if whole else np.concatenate([objective, np.zeros(size)])
    found = _run(weights, constraints, tops, integer, time_limit)
    return None if found.value is None else found.value[:size]
