"""Time per routing LP: a cold batch against solvers that take one at a time."""

from typing import Any

import pytest

from fastroute.bench.measure import Measure, answer_errors, skip_if_refused
from fastroute.bench.rivals.base import Solver, missing, versions
from fastroute.bench.rivals.routing import SOLVERS
from fastroute.bench.workloads import routing_problems

#: Number of models -> LPs in the batch.
BATCHES = {2: 10**5, 3: 10**5, 5: 10**6, 8: 10**6, 16: 10**6, 32: 10**6, 64: 10**5}
#: Numbers of models in the short run.
SHORT = (5, 32)
#: Solvers of the smoke run: ours, and one to divide by.
SMOKE = ("fastroute", "HiGHS, model kept")
#: LPs whose objective is compared with the exact one.
SAMPLE = 50


def _cases() -> list[Any]:
    return [
        pytest.param(
            models,
            solver,
            id=f"{models}-{solver.name}",
            marks=_marks(models, solver),
        )
        for models in BATCHES
        for solver in SOLVERS
    ]


def _marks(models: int, solver: Solver) -> list[pytest.MarkDecorator]:
    found = [pytest.mark.full] if solver.full or models not in SHORT else []
    if solver.ours and solver.compiler:
        found.append(pytest.mark.each_set)
    if models == SHORT[0] and solver.name in SMOKE:
        found.append(pytest.mark.smoke)
    return found


@pytest.mark.parametrize(("models", "solver"), _cases())
def test_routing_lp(models: int, solver: Solver, measure: Measure) -> None:
    """Solve a batch of LPs; slow solvers get the first few of it."""
    from fastroute.solve import solve_routing

    if reason := missing(solver.imports):
        pytest.skip(reason)
    if solver.backend:
        skip_if_refused(lambda: solve_routing([1.0], [1.0], 1.0, 1.0, backend=solver.backend))
    problems = routing_problems(models, measure.size(BATCHES[models])).first(solver.most)
    exact = solve_routing(*problems.first(SAMPLE)[:4], backend="ref")
    share = measure(
        lambda: solver.prepare(problems),
        group="routing",
        case=f"M={models}",
        solver=solver.name,
        unit="LP",
        units=len(problems.budget),
        compiler=solver.compiler,
        models=models,
        binding=float((exact.budget_price > 0.0).mean()),
        what=solver.what,
        source=solver.source,
        ours=solver.ours,
        versions=versions(solver.packages),
    )
    if share is not None:
        measure.keep(answer_errors(share, problems, exact.value))
