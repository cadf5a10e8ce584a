"""Solvers of the deployment problem: fastroute's own and its rivals."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fastroute.bench.rivals.base import F8, Solver
from fastroute.bench.rivals.highs import new_highs, shares
from fastroute.bench.workloads import Problems

Run = Callable[[], F8]
#: CP-SAT knows integers only: shares and limits are counted in this many parts, and objective and
#: costs are rounded to multiples of its inverse.
PARTS: Final = 10**6


def fastroute_kernel(problems: Problems) -> Run:
    """Compiled kernel on the whole batch, without validation and fill."""
    from fastroute.kernels.numba_ import deployment

    free = np.zeros_like(problems.reward)

    def run() -> F8:
        weight: F8 = deployment.solve(*problems[:4], free, problems.max_deployed).weight
        return weight

    return run


def fastroute_public(problems: Problems, backend: str = "auto") -> Run:
    """Public call on the whole batch; returns NumPy arrays, so JAX has finished."""
    from fastroute.solve import solve_deployment

    def run() -> F8:
        found = solve_deployment(*problems, backend=backend)
        return np.asarray(found.weight)

    return run


def _rows(c: F8, a: F8) -> F8:
    """Return the rows over (d, z): mass, cost, number deployed, and ``d <= a z``."""
    size = len(c)
    zero = np.zeros(size)
    return np.vstack(
        [
            np.concatenate([np.ones(size), zero]),
            np.concatenate([c, zero]),
            np.concatenate([zero, np.ones(size)]),
            np.hstack([np.eye(size), -np.diag(a)]),
        ]
    )


def scipy_milp(problems: Problems) -> Run:
    """One ``milp`` call per problem."""
    from scipy.optimize import LinearConstraint, milp

    size = problems.reward.shape[1]
    zero = np.zeros(size)
    integer = np.repeat([0, 1], size)
    lower = np.concatenate([[1.0], np.full(size + 2, -np.inf)])

    def run() -> F8:
        out = np.full(problems.reward.shape, np.nan)
        for i, (u, c, a, b) in enumerate(zip(*problems[:4], strict=True)):
            upper = np.concatenate([[1.0, b, problems.max_deployed], zero])
            found = milp(
                np.concatenate([-u, zero]),
                constraints=LinearConstraint(_rows(c, a), lower, upper),
                integrality=integer,
                bounds=(0, 1),
                options={"mip_rel_gap": 0.0},
            )
            if found.x is not None:
                out[i] = found.x[:size]
        return out

    return run


def _new_mip() -> Any:
    solver = new_highs()
    # Presolve and cuts are what solves these problems at the root.
    solver.setOptionValue("presolve", "choose")
    solver.setOptionValue("mip_rel_gap", 0.0)
    return solver


def _highs_model(problems: Problems) -> tuple[Any, Callable[[int], None]]:
    """Return the model and what writes the numbers of a problem to it."""
    import highspy

    size = problems.reward.shape[1]
    row, col = np.nonzero(_rows(np.ones(size), np.ones(size)))
    zero = np.zeros(size)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = 2 * size, size + 3
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_lower_ = np.zeros(2 * size)
    lp.row_lower_ = np.concatenate([[1.0], np.full(size + 2, -highspy.kHighsInf)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(row, np.arange(size + 4)).astype(np.int32)
    lp.a_matrix_.index_ = col.astype(np.int32)
    lp.integrality_ = [highspy.HighsVarType.kContinuous] * size + [
        highspy.HighsVarType.kInteger
    ] * size

    def write(i: int) -> None:
        c, a = problems.cost[i], problems.limit[i]
        lp.col_cost_ = np.concatenate([problems.reward[i], zero])
        lp.col_upper_ = np.concatenate([a, np.ones(size)])
        lp.row_upper_ = np.concatenate([[1.0, problems.budget[i], problems.max_deployed], zero])
        lp.a_matrix_.value_ = _rows(c, a)[row, col]

    return lp, write


def highspy_fresh(problems: Problems) -> Run:
    """Pass a new model to HiGHS for every problem."""
    solver = _new_mip()
    lp, write = _highs_model(problems)
    size = problems.reward.shape[1]

    def run() -> F8:
        out = np.full(problems.reward.shape, np.nan)
        for i in range(len(out)):
            write(i)
            solver.passModel(lp)
            solver.run()
            out[i] = shares(solver)[:size]
        return out

    return run


def highspy_kept(problems: Problems) -> Run:
    """Keep the model in HiGHS and change its numbers."""
    solver = _new_mip()
    lp, write = _highs_model(problems)
    write(0)
    solver.passModel(lp)
    size = problems.reward.shape[1]
    index = np.arange(size, dtype=np.int32)
    zero = np.zeros(size)
    equal = bool((problems.limit == problems.limit[0]).all())
    infinite = solver.getInfinity()

    def run() -> F8:
        out = np.full(problems.reward.shape, np.nan)
        for i in range(len(out)):
            solver.changeColsCost(size, index, problems.reward[i])
            for m, c in enumerate(problems.cost[i].tolist()):
                solver.changeCoeff(1, m, c)
            if not equal:
                solver.changeColsBounds(size, index, zero, problems.limit[i])
                for m, a in enumerate(problems.limit[i].tolist()):
                    solver.changeCoeff(3 + m, size + m, -a)
            solver.changeRowBounds(1, -infinite, problems.budget[i])
            solver.run()
            out[i] = shares(solver)[:size]
        return out

    return run


def ortools_cp_sat(problems: Problems) -> Run:
    """One CP-SAT model per problem, on integers: inexact by rounding."""
    from ortools.sat.python import cp_model

    size = problems.reward.shape[1]
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1

    def run() -> F8:
        out = np.full(problems.reward.shape, np.nan)
        for i in range(len(out)):
            u, c, a = (np.rint(x[i] * PARTS).astype(np.int64).tolist() for x in problems[:3])
            model = cp_model.CpModel()
            d = [model.new_int_var(0, top, "") for top in a]
            z = [model.new_bool_var("") for _ in range(size)]
            model.add(sum(d) == PARTS)
            budget = int(problems.budget[i] * PARTS)
            model.add(cp_model.LinearExpr.weighted_sum(d, c) <= budget * PARTS)
            model.add(sum(z) <= problems.max_deployed)
            for m in range(size):
                model.add(d[m] <= a[m] * z[m])
            model.maximize(cp_model.LinearExpr.weighted_sum(d, u))
            if solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                out[i] = np.array([solver.value(x) for x in d]) / PARTS
        return out

    return run


def cvxpy_highs(problems: Problems) -> Run:
    """One parametrised mixed-integer problem, compiled once, solved by HiGHS."""
    import cvxpy as cp

    size = problems.reward.shape[1]
    d, z = cp.Variable(size), cp.Variable(size, boolean=True)
    u, c, a = cp.Parameter(size), cp.Parameter(size), cp.Parameter(size)
    b = cp.Parameter()
    problem = cp.Problem(
        cp.Maximize(u @ d),
        [
            cp.sum(d) == 1,
            c @ d <= b,
            d >= 0,
            d <= cp.multiply(a, z),
            cp.sum(z) <= problems.max_deployed,
        ],
    )

    def run() -> F8:
        out = np.full(problems.reward.shape, np.nan)
        for i in range(len(out)):
            u.value, c.value, a.value = (x[i] for x in problems[:3])
            b.value = problems.budget[i]
            problem.solve(solver="HIGHS", mip_rel_gap=0.0)
            if d.value is not None:
                out[i] = d.value
        return out

    return run


SOLVERS: Final = (
    Solver(
        "fastroute",
        fastroute_kernel,
        "compiled kernel, no validation of input",
        "fastroute.kernels.numba_.deployment.solve",
        100_000,
        ("numba",),
        ours=True,
        full=False,
    ),
    Solver(
        "fastroute, public call",
        fastroute_public,
        "the same through fastroute.solve_deployment, input validated, empty slots filled",
        "fastroute.solve_deployment",
        100_000,
        ("numba",),
        ours=True,
    ),
    Solver(
        "fastroute, JAX",
        lambda problems: fastroute_public(problems, "jax"),
        "fastroute.solve_deployment on the JAX backend",
        'fastroute.solve_deployment(backend="jax")',
        100_000,
        ("jax",),
        ours=True,
        backend="jax",
    ),
    Solver(
        "scipy milp",
        scipy_milp,
        "one call per problem (HiGHS inside)",
        "SciPy manual, scipy.optimize.milp",
        30,
        ("scipy",),
        ("scipy",),
        full=False,
    ),
    Solver(
        "HiGHS, fresh model",
        highspy_fresh,
        "a new model passed to one solver for every problem",
        "HiGHS documentation, Python interface: passModel, run",
        30,
        ("highspy",),
        ("highspy",),
        full=False,
    ),
    Solver(
        "HiGHS, model kept",
        highspy_kept,
        "model kept; all coefficients changed, then run again",
        "HiGHS documentation, Python interface: modifying a model",
        30,
        ("highspy",),
        ("highspy",),
    ),
    Solver(
        "OR-tools CP-SAT",
        ortools_cp_sat,
        "one model per problem, numbers rounded to millionths, one worker",
        "OR-Tools reference, ortools.sat.python.cp_model",
        10,
        ("ortools",),
        ("ortools",),
    ),
    Solver(
        "cvxpy, HiGHS",
        cvxpy_highs,
        "one mixed-integer problem with parameters, compiled once",
        "CVXPY manual, Disciplined Parametrized Programming",
        30,
        ("cvxpy", "highspy"),
        ("cvxpy", "highspy"),
    ),
)
