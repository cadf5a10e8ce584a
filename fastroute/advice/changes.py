"""What if: prices, models and limits changed before an answer is computed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.outcomes import Estimates

F8 = NDArray[np.float64]

__all__ = ["Constraint", "Problem", "changed", "read_constraint"]

_FORMS: Final = (
    "price:MODEL=0.5x (half its price), price:MODEL=0.002, limit:MODEL=0.3, drop:MODEL or "
    "add:NAME,score=0.8,cost=0.001"
)
_CONSTRAINT: Final = re.compile(r"\s*min-score:(.+)=([^=]+)")


@dataclass(frozen=True)
class Constraint:
    """A quality floor: the mean score over a task is at least so much."""

    task: str
    least: float


@dataclass(frozen=True)
class Problem:
    """Means of the models with draws of them, and what a deployment must keep to.

    Attributes
    ----------
    models : tuple of str [N]
    score, cost, limit : f8 [N]
    score_draws, cost_draws : f8 [B, N]
    ess : f8 [N]
        Effective sample size of each model; infinite for a model whose means are given.
    budget : float
        Largest mean cost of a query; infinite for none.
    max_deployed : int
    tasks : tuple of str [T]
    score_by_task : f8 [T, N] or None
    floors : tuple of Constraint
    """

    models: tuple[str, ...]
    score: F8
    cost: F8
    limit: F8
    score_draws: F8
    cost_draws: F8
    ess: F8
    budget: float
    max_deployed: int
    tasks: tuple[str, ...] = ()
    score_by_task: F8 | None = None
    floors: tuple[Constraint, ...] = ()

    def rows(self) -> "list[tuple[F8, float, float]]":
        """Return budget and floors as rows of a program: coefficients, least and largest value."""
        found: list[tuple[F8, float, float]] = []
        if np.isfinite(self.budget):
            found.append((self.cost, -np.inf, self.budget))
        for floor in self.floors:
            assert self.score_by_task is not None
            row = self.score_by_task[self.tasks.index(floor.task)]
            found.append((row, floor.least, np.inf))
        return found


def problem_of(
    estimates: Estimates, budget: float, max_deployed: int, limit: float
) -> tuple[Problem, tuple[str, ...]]:
    """Return the problem of estimates, and the models of which too little is known."""
    known = np.isfinite(estimates.score) & np.isfinite(estimates.cost)
    known &= np.isfinite(estimates.score_draws).all(axis=0)
    known &= np.isfinite(estimates.cost_draws).all(axis=0)
    places = np.flatnonzero(known)
    by_task = estimates.score_by_task
    problem = Problem(
        tuple(estimates.models[place] for place in places),
        estimates.score[places],
        estimates.cost[places],
        np.full(len(places), limit),
        estimates.score_draws[:, places],
        estimates.cost_draws[:, places],
        estimates.ess[places],
        budget,
        max_deployed,
        estimates.tasks,
        None if by_task is None else by_task[:, places],
    )
    left = tuple(model for model, here in zip(estimates.models, known, strict=True) if not here)
    return problem, left


def changed(problem: Problem, changes: Sequence[str]) -> Problem:
    """Return a problem after changes, each written as ``price:MODEL=0.5x`` and the like.

    Raises
    ------
    ValueError
        When a change has another form, names an unknown model, or its number is out of range.
    """
    for text in changes:
        kind, _, rest = text.partition(":")
        apply = {"price": _price, "limit": _limit, "drop": _drop, "add": _add}.get(kind.strip())
        if apply is None or not rest:
            raise checks.refused("what_if", text, _FORMS)
        problem = apply(problem, rest.strip(), text)
    return problem


def _price(problem: Problem, rest: str, text: str) -> Problem:
    name, value = _assigned(rest, text)
    place = _place(problem, name, text)
    factor = value.endswith("x")
    number = _number(value.removesuffix("x"), text)
    cost, draws = problem.cost.copy(), problem.cost_draws.copy()
    if not factor and not cost[place] > 0.0:
        cost[place] = draws[:, place] = number
    else:
        scale = number if factor else number / cost[place]
        cost[place] *= scale
        draws[:, place] *= scale
    return replace(problem, cost=cost, cost_draws=draws)


def _limit(problem: Problem, rest: str, text: str) -> Problem:
    name, value = _assigned(rest, text)
    limit = problem.limit.copy()
    limit[_place(problem, name, text)] = checks.fraction(
        f"what_if {text}", _number(value, text), zero=False
    )
    return replace(problem, limit=limit)


def _drop(problem: Problem, rest: str, text: str) -> Problem:
    place = _place(problem, rest, text)
    kept = [at for at in range(len(problem.models)) if at != place]
    if not kept:
        raise checks.refused("what_if", text, "a change that leaves a model")
    return only(problem, kept)


def _add(problem: Problem, rest: str, text: str) -> Problem:
    name, *pairs = (part.strip() for part in rest.split(","))
    given = dict(part.split("=", 1) for part in pairs if "=" in part)
    if not name or given.keys() != {"score", "cost"} or len(pairs) != len(given):
        raise checks.refused("what_if", text, "add:NAME,score=0.8,cost=0.001")
    if name in problem.models:
        raise checks.refused("what_if", text, f"a new name; {name!r} is a model of the table")
    score = checks.fraction(f"what_if {text}: score", _number(given["score"], text), zero=True)
    cost = _number(given["cost"], text)

    def more(values: F8, value: float) -> F8:
        return np.concatenate([values, np.full((*values.shape[:-1], 1), value)], axis=-1)

    by_task = problem.score_by_task
    return replace(
        problem,
        models=(*problem.models, name),
        score=more(problem.score, score),
        cost=more(problem.cost, cost),
        limit=more(problem.limit, float(problem.limit[0])),
        score_draws=more(problem.score_draws, score),
        cost_draws=more(problem.cost_draws, cost),
        ess=more(problem.ess, np.inf),
        score_by_task=None if by_task is None else more(by_task, score),
    )


def only(problem: Problem, kept: list[int]) -> Problem:
    """Return the problem with some of its models, by their places."""
    by_task = problem.score_by_task
    return replace(
        problem,
        models=tuple(problem.models[at] for at in kept),
        score=problem.score[kept],
        cost=problem.cost[kept],
        limit=problem.limit[kept],
        score_draws=problem.score_draws[:, kept],
        cost_draws=problem.cost_draws[:, kept],
        ess=problem.ess[kept],
        score_by_task=None if by_task is None else by_task[:, kept],
    )


def read_constraint(problem: Problem, text: str) -> Constraint:
    """Read ``min-score:TASK=0.7``.

    Raises
    ------
    ValueError
        When the text has another form, or the table has no such task.
    """
    found = _CONSTRAINT.fullmatch(text)
    if found is None:
        raise checks.refused("constraint", text, "min-score:TASK=NUMBER")
    task = found[1].strip()
    if task not in problem.tasks:
        raise checks.refused(
            "constraint", text, f"about a task of the table{checks.nearest(task, problem.tasks)}"
        )
    return Constraint(
        task, checks.fraction(f"constraint {text}", _number(found[2], text), zero=True)
    )


def _assigned(rest: str, text: str) -> tuple[str, str]:
    # Names of models may hold an equals sign; values do not.
    name, sign, value = rest.rpartition("=")
    if not sign or not name or not value:
        raise checks.refused("what_if", text, _FORMS)
    return name.strip(), value.strip()


def _place(problem: Problem, name: str, text: str) -> int:
    if name not in problem.models:
        raise checks.refused(
            "what_if", text, f"about a model of the table{checks.nearest(name, problem.models)}"
        )
    return problem.models.index(name)


def _number(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not (np.isfinite(number) and number >= 0.0):
        raise checks.refused("number", value, f"a number from 0 in {text!r}")
    return number
