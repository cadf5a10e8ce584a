"""Time per deployment problem, where the vertex suffices and where branch and bound is needed."""

from typing import Any, Final

import numpy as np
import pytest

from fastroute.bench.measure import Measure, answer_errors, skip_if_refused
from fastroute.bench.rivals.base import Solver, missing, versions
from fastroute.bench.rivals.deployment import SOLVERS
from fastroute.bench.workloads import Problems, equal_limit_problems, unequal_limit_problems

BATCH: Final = 100_000
#: Problems that are timed one by one, and how often each.
SINGLES: Final = 500
PASSES: Final = 5
#: Problems whose objective is compared with that of HiGHS.
SAMPLE: Final = 30


def _cases(*, smoke: bool = False) -> list[Any]:
    return [pytest.param(solver, id=solver.name, marks=_marks(solver, smoke)) for solver in SOLVERS]


def _marks(solver: Solver, smoke: bool) -> list[pytest.MarkDecorator]:
    if solver.full:
        return [pytest.mark.full]
    return [pytest.mark.smoke] if smoke and solver.ours else []


def _facts(solver: Solver, problems: Problems) -> dict[str, Any]:
    from fastroute.solve import solve_deployment

    if reason := missing(solver.imports):
        pytest.skip(reason)
    if solver.backend:
        skip_if_refused(lambda: solve_deployment([1.0], [1.0], 1.0, 1.0, 1, backend=solver.backend))
    return {
        "group": "deployment",
        "solver": solver.name,
        "unit": "problem",
        "models": problems.reward.shape[1],
        "max_deployed": problems.max_deployed,
        "what": solver.what,
        "source": solver.source,
        "ours": solver.ours,
        "versions": versions(solver.packages),
        "compiler": solver.compiler,
    }


def _exact(problems: Problems) -> Any:
    from fastroute.solve import solve_deployment

    sample = problems.first(SAMPLE)
    return solve_deployment(*sample, backend="highs").value


@pytest.mark.parametrize("solver", _cases(smoke=True))
def test_equal_limits(solver: Solver, measure: Measure) -> None:
    """Solve a batch with N = 15, M_max = 5: the vertex of the relaxation is the answer."""
    problems = equal_limit_problems(measure.size(BATCH)).first(solver.most)
    weight = measure(
        lambda: solver.prepare(problems),
        case="N=15, M_max=5",
        units=len(problems.budget),
        **_facts(solver, problems),
    )
    if weight is not None:
        measure.keep(answer_errors(weight, problems, _exact(problems)))


@pytest.mark.parametrize("solver", _cases())
def test_unequal_limits(solver: Solver, measure: Measure) -> None:
    """Solve problems with N = 32, M_max = 3 one by one; all of them need branch and bound.

    Every problem is timed on its own, several times; of each the best time is kept, and of these
    the median over problems is the result.
    """
    problems = unequal_limit_problems(SINGLES).first(min(solver.most, SINGLES))
    singles = [problems.take(slice(i, i + 1)) for i in range(len(problems.budget))]
    weights = measure.each(
        lambda: [solver.prepare(single) for single in singles],
        passes=PASSES,
        case="N=32, M_max=3",
        units=len(singles),
        **_facts(solver, problems),
    )
    if weights is not None:
        measure.keep(answer_errors(np.concatenate(weights), problems, _exact(problems)))
