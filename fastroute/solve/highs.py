"""HiGHS behind the same two calls: the fallback for hard deployments, and a second opinion."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastroute.kernels import codes
from fastroute.kernels.tolerances import BUDGET_RANGE, BUDGET_SCALE, MASS, SUPPORT
from fastroute.kernels.types import Deployment, Routing

F8 = NDArray[np.float64]
LARGEST = float(np.finfo(np.float64).max)
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


def _run(
    objective: F8, rows: F8, lower: F8, upper: F8, col_upper: F8, integer: NDArray[np.bool_]
) -> Any:
    """Maximise over a dense model; returns the solver, or None when infeasible."""
    import highspy

    lp = highspy.HighsLp()
    count, size = rows.shape
    lp.num_col_ = size
    lp.num_row_ = count
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = objective
    lp.col_lower_ = np.zeros(size)
    lp.col_upper_ = col_upper
    lp.row_lower_ = lower
    lp.row_upper_ = upper
    row, col = np.nonzero(rows)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(row, np.arange(count + 1)).astype(np.int32)
    lp.a_matrix_.index_ = col.astype(np.int32)
    lp.a_matrix_.value_ = rows[row, col]
    if integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(k)] for k in integer]
    solver = _solver()
    # Set anew each time: a problem with integers leaves its own tolerance behind.
    solver.setOptionValue("primal_feasibility_tolerance", 1e-10)
    solver.passModel(lp)
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kOptimal:
        return solver
    if status in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    ):
        return None
    raise RuntimeError(
        f"HiGHS ended with {solver.modelStatusToString(status)!r} on a problem of {size} columns."
    )


def _scaled(cost: F8, limit: F8, budget: float) -> tuple[F8, float, float, float]:
    """Costs and budget mapped to [0, 1] (exact in the LP, as shares add up to 1)."""
    present = limit > 0.0
    low = float(cost[present].min())
    high = float(cost[present].max())
    spread = high - low if high > low else 1.0
    # The tolerance that every backend grants the budget row.
    slack = BUDGET_RANGE + BUDGET_SCALE * (high / spread)
    return (cost - low) / spread, min((budget - low) / spread + slack, 2.0), low, spread


def routing(reward: F8, cost: F8, limit: F8, budget: F8) -> Routing:
    """Routing LPs one by one through HiGHS; arguments and result as in the kernels."""
    batch, size = reward.shape
    out = Routing(
        np.zeros((batch, size)),
        np.zeros(batch),
        np.zeros(batch),
        np.zeros(batch),
        np.zeros(batch, np.int64),
    )
    continuous = np.zeros(size, np.bool_)
    infinite = np.inf
    for r in range(batch):
        u, a = reward[r], limit[r]
        if a.sum() < 1.0 - MASS:
            out.status[r] = codes.NO_CAPACITY
            out.share[r] = a / a.sum()
            out.value[r] = out.share[r] @ u
            continue
        c, b, low, spread = _scaled(cost[r], a, float(budget[r]))
        rows = np.vstack([np.ones(size), c])
        mass = min(1.0, float(a.sum()))
        low_rows = np.array([mass, -infinite])
        solver = _run(u, rows, low_rows, np.array([mass, b]), a, continuous)
        if solver is None:
            out.status[r] = codes.OVER_BUDGET
            solver = _run(-c, rows, low_rows, np.array([mass, infinite]), a, continuous)
            # The best reward among the cheapest distributions, within HiGHS's own tolerance.
            cheapest = -float(solver.getInfo().objective_function_value) + 1e-9
            first = solver.getSolution()
            solver = _run(u, rows, low_rows, np.array([mass, cheapest]), a, continuous)
            solution = first if solver is None else solver.getSolution()
        else:
            solution = solver.getSolution()
        out.share[r] = np.clip(solution.col_value, 0.0, a)
        out.value[r] = out.share[r] @ u
        # Prices of costs below 1e-300 exceed the largest number; they are cut there.
        price = max(solution.row_dual[1], 0.0)
        with np.errstate(over="ignore"):
            out.budget_price[r] = min(np.float64(price) / spread, LARGEST)
            shift = np.float64(price) * (low / spread)
        out.simplex_price[r] = max(solution.row_dual[0] - min(shift, LARGEST), -LARGEST)
    return out


def deployment(
    reward: F8, cost: F8, limit: F8, budget: F8, charge: F8, max_deployed: int
) -> Deployment:
    """Deployment problems one by one through HiGHS; result as in the kernels.

    The multipliers are those of the LP relaxation, from the compiled routing kernel.
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
    integer = np.repeat([False, True], size)
    eye = np.eye(size)
    for r in range(batch):
        u, a, f = reward[r], limit[r], charge[r]
        if not (a > 0.0).any():
            out.status[r] = codes.NO_CAPACITY
            continue
        c, b, _, _ = _scaled(cost[r], a, float(budget[r]))
        zero = np.zeros(size)
        rows = np.vstack(
            [
                np.concatenate([np.ones(size), zero]),
                np.concatenate([c, zero]),
                np.concatenate([zero, np.ones(size)]),
                np.hstack([eye, -np.diag(a)]),
            ]
        )
        lower = np.concatenate([[1.0], np.full(size + 2, -np.inf)])
        upper = np.concatenate([[1.0, b, float(max_deployed)], zero])
        top = np.concatenate([a, (a > 0.0).astype(np.float64)])
        solver = _run(np.concatenate([u, -f]), rows, lower, upper, top, integer)
        if solver is None:
            out.status[r] = codes.OVER_BUDGET
            upper[1] = np.inf
            solver = _run(np.concatenate([-c, zero]), rows, lower, upper, top, integer)
        if solver is None:
            out.status[r] = codes.NO_CAPACITY
            one = slice(r, r + 1)
            widest = kernel.solve(
                reward[one], cost[one], limit[one], budget[one], charge[one], max_deployed
            )
            weight = widest.weight[0]
        else:
            out.gap[r] = _gap(solver)
            # HiGHS chooses the set; the exact LP over it gives weights free of its tolerances.
            chosen = np.array(solver.getSolution().col_value[size:]) > 0.5
            one = slice(r, r + 1)
            inside = np.where(chosen, limit[one], 0.0)
            weight = relax(reward[one], cost[one], inside, budget[one]).share[0]
        out.weight[r] = np.where(weight > SUPPORT, weight, 0.0)
        out.deployed[r] = out.weight[r] > 0.0
        out.value[r] = out.weight[r] @ u - f[out.deployed[r]].sum()
    return out


def _gap(solver: Any) -> float:
    """Distance between the answer and the dual bound, 0 below what HiGHS was asked to prove."""
    info = solver.getInfo()
    gap = abs(float(info.mip_dual_bound) - float(info.objective_function_value))
    return gap if np.isfinite(gap) and gap > 1e-9 else 0.0
