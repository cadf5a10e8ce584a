"""Solvers of the routing LP: fastroute's own and its rivals."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fastroute.bench.rivals.base import F8, Solver
from fastroute.bench.rivals.highs import new_highs, pass_model, shares
from fastroute.bench.workloads import Problems

Run = Callable[[], F8]


def fastroute_kernel(lps: Problems) -> Run:
    """Compiled kernel on the whole batch, without validation."""
    from fastroute.kernels.numba_ import routing

    def run() -> F8:
        share: F8 = routing.solve(*lps[:4]).share
        return share

    return run


def fastroute_public(lps: Problems, backend: str = "numba") -> Run:
    """Public call on the whole batch; returns NumPy arrays, so JAX has finished."""
    from fastroute.solve import solve_routing

    def run() -> F8:
        return np.asarray(solve_routing(*lps[:4], backend=backend).share)

    return run


def scipy_linprog(lps: Problems) -> Run:
    """One ``linprog`` call per LP."""
    from scipy.optimize import linprog

    one = np.ones((1, lps.reward.shape[1]))

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for i, (u, c, a, b) in enumerate(zip(*lps[:4], strict=True)):
            bounds = np.column_stack([np.zeros_like(a), a])
            found = linprog(-u, A_ub=c[None], b_ub=[b], A_eq=one, b_eq=[1.0], bounds=bounds)
            if found.x is not None:
                out[i] = found.x
        return out

    return run


def highspy_fresh(lps: Problems) -> Run:
    """Pass a new model to HiGHS for every LP."""
    solver = new_highs()
    model = pass_model(solver, lps)

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for i in range(len(out)):
            solver.clearSolver()
            model(i)
            solver.run()
            out[i] = shares(solver)
        return out

    return run


def highspy_kept(lps: Problems) -> Run:
    """Keep the model in HiGHS, change its numbers, and start from the last basis."""
    solver = new_highs()
    pass_model(solver, lps)(0)
    size = lps.reward.shape[1]
    index = np.arange(size, dtype=np.int32)
    zero = np.zeros(size)
    equal = bool((lps.limit == lps.limit[0]).all())
    costs = lps.cost.tolist()
    infinite = solver.getInfinity()

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for i in range(len(out)):
            solver.changeColsCost(size, index, lps.reward[i])
            for m, c in enumerate(costs[i]):
                solver.changeCoeff(1, m, c)
            if not equal:
                solver.changeColsBounds(size, index, zero, lps.limit[i])
            solver.changeRowBounds(1, -infinite, lps.budget[i])
            solver.run()
            out[i] = shares(solver)
        return out

    return run


def highspy_block(lps: Problems, block: int = 1000) -> Run:
    """Solve a thousand LPs as one block-diagonal LP."""
    import highspy

    solver = new_highs()
    size = lps.reward.shape[1]

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for start in range(0, len(out), block):
            part = slice(start, min(start + block, len(out)))
            count = part.stop - start
            lp = highspy.HighsLp()
            lp.num_col_, lp.num_row_ = count * size, 2 * count
            lp.sense_ = highspy.ObjSense.kMaximize
            lp.col_cost_ = lps.reward[part].ravel()
            lp.col_lower_ = np.zeros(count * size)
            lp.col_upper_ = lps.limit[part].ravel()
            lp.row_lower_ = np.concatenate([np.ones(count), np.full(count, -highspy.kHighsInf)])
            lp.row_upper_ = np.concatenate([np.ones(count), lps.budget[part]])
            lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
            lp.a_matrix_.start_ = np.arange(0, 2 * count * size + 1, 2, dtype=np.int32)
            row = np.repeat(np.arange(count, dtype=np.int32), size)
            lp.a_matrix_.index_ = np.column_stack([row, row + count]).ravel()
            value = np.column_stack([np.ones(count * size), lps.cost[part].ravel()])
            lp.a_matrix_.value_ = value.ravel()
            solver.passModel(lp)
            solver.run()
            out[part] = shares(solver).reshape(count, size)
        return out

    return run


def ortools_glop(lps: Problems) -> Run:
    """Keep the model in OR-tools' GLOP, change its numbers, and solve incrementally."""
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver("GLOP")
    size = lps.reward.shape[1]
    share = [solver.NumVar(0.0, float(a), "") for a in lps.limit[0]]
    mass = solver.Constraint(1.0, 1.0)
    budget = solver.Constraint(-solver.infinity(), float(lps.budget[0]))
    objective = solver.Objective()
    objective.SetMaximization()
    for p in share:
        mass.SetCoefficient(p, 1.0)
    lists = [array.tolist() for array in lps[:4]]

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for i, (u, c, a, b) in enumerate(zip(*lists, strict=True)):
            for m in range(size):
                objective.SetCoefficient(share[m], u[m])
                budget.SetCoefficient(share[m], c[m])
                share[m].SetUb(a[m])
            budget.SetUb(b)
            if solver.Solve() == pywraplp.Solver.OPTIMAL:
                out[i] = [p.solution_value() for p in share]
        return out

    return run


def _cvxpy(lps: Problems, solver: str) -> Run:
    import cvxpy as cp

    size = lps.reward.shape[1]
    p = cp.Variable(size)
    u, c, a = cp.Parameter(size), cp.Parameter(size), cp.Parameter(size)
    b = cp.Parameter()
    problem = cp.Problem(cp.Maximize(u @ p), [cp.sum(p) == 1, c @ p <= b, p >= 0, p <= a])

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        for i in range(len(out)):
            u.value, c.value, a.value = lps.reward[i], lps.cost[i], lps.limit[i]
            b.value = lps.budget[i]
            problem.solve(solver=solver)
            if p.value is not None:
                out[i] = p.value
        return out

    return run


def cvxpy_highs(lps: Problems) -> Run:
    """One parametrised problem, compiled once, solved by HiGHS."""
    return _cvxpy(lps, "HIGHS")


def cvxpy_clarabel(lps: Problems) -> Run:
    """One parametrised problem, compiled once, solved by Clarabel."""
    return _cvxpy(lps, "CLARABEL")


def quantecon_simplex(lps: Problems) -> Run:
    """Jitted simplex called from a jitted loop, all buffers passed in."""
    from numba import njit
    from quantecon.optimize import linprog_simplex

    @njit
    def solve_all(
        reward: Any, cost: Any, limit: Any, budget: Any, a_ub: Any, b_ub: Any, a_eq: Any, out: Any
    ) -> None:
        batch, size = reward.shape
        rows = size + 2
        tableau = np.empty((rows + 1, size + (size + 1) + rows + 1))
        basis = np.empty(rows, np.int_)
        x = np.empty(size)
        lambd = np.empty(rows)
        one = np.ones(1)
        for i in range(batch):
            a_ub[0, :] = cost[i]
            b_ub[0] = budget[i]
            b_ub[1:] = limit[i]
            found = linprog_simplex(
                reward[i], a_ub, b_ub, a_eq, one, tableau=tableau, basis=basis, x=x, lambd=lambd
            )
            if found.success:
                out[i, :] = x

    size = lps.reward.shape[1]
    a_ub = np.vstack([np.zeros((1, size)), np.eye(size)])
    buffers = a_ub, np.empty(size + 1), np.ones((1, size))

    def run() -> F8:
        out = np.full(lps.reward.shape, np.nan)
        solve_all(*lps[:4], *buffers, out)
        return out

    return run


SOLVERS: Final = (
    Solver(
        "fastroute",
        fastroute_kernel,
        "compiled kernel, one cold batch, no validation of input",
        "fastroute.kernels.numba_.routing.solve",
        10**6,
        ("numba",),
        ours=True,
        full=False,
    ),
    Solver(
        "fastroute, public call",
        fastroute_public,
        "the same through fastroute.solve_routing, input validated",
        "fastroute.solve_routing",
        10**6,
        ("numba",),
        ours=True,
    ),
    Solver(
        "fastroute, JAX",
        lambda lps: fastroute_public(lps, "jax"),
        "fastroute.solve_routing on the JAX backend, input validated",
        'fastroute.solve_routing(backend="jax")',
        10**6,
        ("jax",),
        ours=True,
        backend="jax",
    ),
    Solver(
        "fastroute, reference",
        lambda lps: fastroute_public(lps, "ref"),
        "exact rational arithmetic in plain Python: the truth of the tests",
        'fastroute.solve_routing(backend="ref")',
        50,
        ours=True,
    ),
    Solver(
        "scipy linprog",
        scipy_linprog,
        "one call per LP (HiGHS inside)",
        "SciPy manual, scipy.optimize.linprog",
        250,
        ("scipy",),
        ("scipy",),
        full=False,
    ),
    Solver(
        "HiGHS, fresh model",
        highspy_fresh,
        "a new model passed to one solver for every LP",
        "HiGHS documentation, Python interface: passModel, run",
        1000,
        ("highspy",),
        ("highspy",),
    ),
    Solver(
        "HiGHS, model kept",
        highspy_kept,
        "model and basis kept; all coefficients changed, then run again",
        "HiGHS documentation, Python interface: modifying a model",
        4000,
        ("highspy",),
        ("highspy",),
        full=False,
    ),
    Solver(
        "HiGHS, 1000 LPs as one",
        highspy_block,
        "a thousand LPs stacked into one block-diagonal LP",
        "HiGHS documentation, Python interface: passModel, run",
        2000,
        ("highspy",),
        ("highspy",),
    ),
    Solver(
        "OR-tools GLOP, model kept",
        ortools_glop,
        "model kept; all coefficients changed, then solved incrementally",
        "OR-Tools reference, pywraplp.Solver",
        4000,
        ("ortools",),
        ("ortools",),
    ),
    Solver(
        "cvxpy, HiGHS",
        cvxpy_highs,
        "one problem with parameters, compiled once",
        "CVXPY manual, Disciplined Parametrized Programming",
        200,
        ("cvxpy", "highspy"),
        ("cvxpy", "highspy"),
    ),
    Solver(
        "cvxpy, Clarabel",
        cvxpy_clarabel,
        "one problem with parameters, compiled once",
        "CVXPY manual, Disciplined Parametrized Programming",
        200,
        ("cvxpy", "clarabel"),
        ("cvxpy", "clarabel"),
    ),
    Solver(
        "quantecon simplex",
        quantecon_simplex,
        "jitted simplex inside a jitted loop, buffers reused",
        "QuantEcon.py reference, optimize.linprog_simplex",
        50_000,
        ("quantecon", "numba"),
        ("quantecon",),
        full=False,
    ),
)
