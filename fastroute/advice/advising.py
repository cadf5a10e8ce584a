"""From a table of outcomes to a decision: which models to deploy, and what would change it."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.advice.changes import Problem, changed, problem_of, read_constraint
from fastroute.advice.learning import Learning, learn
from fastroute.advice.solution import (
    ENDS,
    Decisive,
    Estimate,
    Solution,
    Worth,
    aiq,
    best_values,
    decisive,
    solve,
    worths,
)
from fastroute.outcomes import Estimates, Outcomes, read_outcomes
from fastroute.solve.frontier import Frontier, deployment_frontier
from fastroute.solve.highs import best_shares

if TYPE_CHECKING:
    import polars as pl

F8 = NDArray[np.float64]

__all__ = ["Advice", "FrontierBand", "advise"]

# Budgets at which the frontier has an interval.
_BAND_POINTS: Final = 33
_USED: Final = 1e-9


class FrontierBand(NamedTuple):
    """Intervals of the best quality at some budgets, each f8 [P]."""

    budget: F8
    value: F8
    low: F8
    high: F8


@dataclass(frozen=True)
class Advice:
    """What to deploy, how sure that is, and what more of something would buy.

    Attributes
    ----------
    source : str
        The table.
    problem : Problem
        Means, draws, limits and budget that the answer is for.
    solution : Solution
        Shares, quality and cost with 95 % intervals, and how often each model is in the best set
        over bootstrap draws of the queries.
    worths : tuple of Worth
        What one more unit of each thing buys.
    decisive : Decisive or None
        The model whose interval decides the set; None where the set is sure.
    learning : Learning or None
        What it costs to learn it online; None where the traffic was not given.
    notes : tuple of str
        What a reader must know: of the table, and of what was left out.
    cost_unit : str
    asked : dict of str to object
        What was asked: budget, max_deployed, limit, what_if, constraints, draws, seed.
    unchanged : Estimate or None
        Quality of the best mix without the changes of `what_if`, floors kept; None without any.
    """

    source: str
    problem: Problem
    solution: Solution
    worths: tuple[Worth, ...]
    decisive: Decisive | None
    learning: Learning | None
    notes: tuple[str, ...]
    cost_unit: str
    asked: dict[str, Any]
    unchanged: Estimate | None = None

    @property
    def deployed(self) -> tuple[str, ...]:
        """Names of the models to deploy, the one with the most traffic first."""
        order = np.argsort(-self.solution.share, kind="stable")
        return tuple(
            self.problem.models[place] for place in order if self.solution.share[place] > _USED
        )

    @cached_property
    def table(self) -> "pl.DataFrame":
        """One row per model: share, score and cost with intervals, how often in the best set."""
        import polars as pl

        problem = self.problem
        score = np.percentile(problem.score_draws, ENDS, axis=0)
        cost = np.percentile(problem.cost_draws, ENDS, axis=0)
        frame = pl.DataFrame(
            {
                "model": problem.models,
                "share": self.solution.share,
                "in_best_set": self.solution.inclusion,
                "score": problem.score,
                "score_low": score[0],
                "score_high": score[1],
                "cost": problem.cost,
                "cost_low": cost[0],
                "cost_high": cost[1],
                "limit": problem.limit,
                "observations": problem.ess,
            }
        )
        return frame.sort(["share", "in_best_set", "score"], descending=True, maintain_order=True)

    @cached_property
    def frontiers(self) -> dict[int, Frontier]:
        """Best quality against the budget by the number of models, above the quality floors.

        Exact, from where a mix keeps to the limits and the floors, up to where more models buy
        nothing at any budget.
        """
        problem = self.problem
        rows = replace(problem, budget=math.inf).rows()
        floors = [(values, least) for values, least, _ in rows]
        found: dict[int, Frontier] = {}
        last: Frontier | None = None
        for most in range(1, len(problem.models) + 1):
            if np.sort(problem.limit)[::-1][:most].sum() < 1.0 - 1e-12:
                continue
            if floors and best_shares(problem.score, problem.limit, most, rows) is None:
                continue
            frontier = deployment_frontier(problem.score, problem.cost, problem.limit, most, floors)
            if last is not None and _is_same(last, frontier):
                break
            found[most] = last = frontier
        return found

    @cached_property
    def bands(self) -> dict[int, FrontierBand]:
        """Intervals of the frontiers, by the number of models; none where there are floors.

        Floors make an integer program of every draw and budget.
        """
        if self.problem.floors:
            return {}
        return {most: self._band(most) for most in self.frontiers}

    def _band(self, most: int) -> FrontierBand:
        """Return the intervals of a frontier, at budgets that all frontiers share."""
        problem = replace(self.problem, max_deployed=most)
        low = float(min(frontier.budget[0] for frontier in self.frontiers.values()))
        high = float(problem.cost.max())
        budgets = np.linspace(low, high, _BAND_POINTS)
        rows = []
        for budget in budgets:
            values = best_values(replace(problem, budget=float(budget)))
            drawn = values[1:][np.isfinite(values[1:])]
            if not math.isfinite(values[0]) or not drawn.size:
                continue
            ends = np.percentile(drawn, ENDS)
            # The best of the draws is better than the truth; what it is better by is taken off.
            excess = float(drawn.mean()) - float(values[0])
            rows.append((budget, values[0], ends[0] - excess, ends[1] - excess))
        return FrontierBand(*np.array(rows).T.reshape(4, -1))

    @property
    def aiq(self) -> float:
        """Average improvement in quality (RouterBench) of the hull of single models."""
        return aiq(self.problem.cost, self.problem.score)

    def routing_table(self) -> dict[str, float]:
        """Return the share of each deployed model; the shares add up to 1."""
        shares = dict(zip(self.problem.models, self.solution.share.tolist(), strict=True))
        return {name: shares[name] for name in self.deployed}

    def to_dict(self) -> dict[str, Any]:
        """Return the whole answer as numbers, words and lists, for JSON; infinity is None."""
        return {
            "source": self.source,
            "asked": _plain(self.asked),
            "cost_unit": self.cost_unit,
            "deploy": self.routing_table(),
            "quality": _plain(self.solution.quality._asdict()),
            "quality_unchanged": None
            if self.unchanged is None
            else _plain(self.unchanged._asdict()),
            "draws_within_budget": self.solution.met,
            "cost": _plain(self.solution.cost._asdict()),
            "models": [_plain(row) for row in self.table.to_dicts()],
            "worth": [{"what": one.what, **_plain(one.gain._asdict())} for one in self.worths],
            "frontier": {
                str(most): {
                    "budget": frontier.budget.tolist(),
                    "quality": frontier.value.tolist(),
                    "slope": frontier.slope.tolist(),
                    "intervals": None
                    if most not in self.bands
                    else {name: ends.tolist() for name, ends in self.bands[most]._asdict().items()},
                }
                for most, frontier in self.frontiers.items()
            },
            "aiq": _plain(self.aiq),
            "decisive": None
            if self.decisive is None
            else {
                "model": self.decisive.model,
                "in_best_set": self.decisive.inclusion,
                "gain": _plain(self.decisive.gain._asdict()),
                "more_observations": _plain(self.decisive.more),
            },
            "learning": None if self.learning is None else _plain(self.learning.to_dict()),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Return the whole answer as JSON."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def to_litellm(self) -> str:
        """Return a ``model_list`` for a LiteLLM proxy: one entry per deployed model, with weights.

        All entries are called ``advised``, so that the proxy's routing strategy ``simple-shuffle``
        splits the traffic by their weights.
        """
        asked = ", ".join(f"{name}={value}" for name, value in self.asked.items() if value)
        lines = [f"# From {self.source}: {asked}"]
        if self.asked["what_if"]:
            lines.append("# The answer to a what-if: prices or models in it may not exist.")
        lines.append("model_list:")
        for name, share in self.routing_table().items():
            lines += [
                "  - model_name: advised",
                "    litellm_params:",
                f"      model: {json.dumps(name, ensure_ascii=False)}",
                f"      weight: {share:.6g}",
            ]
        lines += ["router_settings:", "  routing_strategy: simple-shuffle"]
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        """Return the answer as text."""
        from fastroute.advice.words import text_of

        return text_of(self)


def advise(
    table: "Outcomes | Estimates | str | os.PathLike[str] | pl.DataFrame",
    *,
    budget: float | None = None,
    max_deployed: int | None = None,
    limit: float = 1.0,
    what_if: Sequence[str] = (),
    constraints: Sequence[str] = (),
    queries_per_day: int | None = None,
    days: float = 30.0,
    present: Sequence[str] = (),
    draws: int = 1000,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    progress: bool = False,
    **reading: Any,
) -> Advice:
    """Say which models to deploy and how to split the traffic, and how sure that is.

    Parameters
    ----------
    table : Outcomes, Estimates, path or frame
        What :func:`fastroute.read_outcomes` reads: benchmark outcomes, a leaderboard, or a log in
        which each query went to one model.
    budget : float, optional
        Largest mean cost of a query, in the unit of the table. Default: that of the router whose
        decision log it is; for any other table none.
    max_deployed : int, optional
        Largest number of models that are deployed; a decision log has its own.
    limit : float
        Largest share of the traffic of any one model, in (0, 1].
    what_if : sequence of str
        Changes before the answer: ``price:MODEL=0.5x``, ``price:MODEL=0.002``,
        ``limit:MODEL=0.3``, ``drop:MODEL``, ``add:NAME,score=0.8,cost=0.001``.
    constraints : sequence of str
        Quality floors, ``min-score:TASK=0.7``.
    queries_per_day : int, optional
        Traffic; given, learning it online is simulated too.
    days : float
        Days that are simulated.
    present : sequence of str
        The models that are deployed now, to compare learning with staying: names, or
        ``NAME=SHARE`` with the shares of the traffic. Without shares the best split of them is
        taken, whatever the limits.
    draws : int
        Bootstrap draws of the queries.
    seed : int
        Of the draws and of the simulation.
    columns, **reading
        Sent on to :func:`fastroute.read_outcomes`.
    progress : bool
        Whether the simulation shows its progress.

    Returns
    -------
    Advice
        Printed, it is one screen; see its attributes for the numbers.

    Raises
    ------
    ValueError
        When an argument is out of range, a model or task is unknown, or nothing meets the budget,
        the limits and the floors.

    Notes
    -----
    The set and the shares solve the deployment problem of StageRoute (arXiv 2506.17254, eq. 5) for
    the estimated means. Intervals come from a joint bootstrap of the queries: the rule is applied
    to every draw, and the error that it makes there is the error that it may make here.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({
    ...     "query": [1, 1, 2, 2, 3, 3], "model": ["a", "b"] * 3,
    ...     "score": [1.0, 0.0, 1.0, 1.0, 0.0, 0.0], "cost": [2.0, 1.0] * 3,
    ... })
    >>> advise(table, budget=1.5, max_deployed=2).routing_table()
    {'a': 0.5, 'b': 0.5}
    """
    outcomes = table
    if not isinstance(table, Outcomes | Estimates):
        outcomes = read_outcomes(table, columns=columns, **reading)
    if isinstance(outcomes, Outcomes):
        budget = outcomes.budget if budget is None else budget
        max_deployed = outcomes.max_deployed if max_deployed is None else max_deployed
    if max_deployed is None:
        raise ValueError("max_deployed: is missing; say how many models may be deployed")
    if budget is not None:
        budget = checks.positive("budget", budget)
    limit = checks.fraction("limit", limit, zero=False)
    checks.integer("max_deployed", max_deployed)
    checks.integer("draws", draws, 1)
    estimates, source, unit, notes = _estimates(outcomes, draws, seed)
    problem, left = problem_of(
        estimates, math.inf if budget is None else budget, int(max_deployed), limit
    )
    if not problem.models:
        raise ValueError(_nothing_known(estimates, source))
    if left:
        notes.append(f"Left out, because too little is known of them: {', '.join(left)}.")
    floors = tuple(read_constraint(problem, text) for text in constraints)
    before = replace(problem, floors=floors)
    problem = changed(before, what_if)
    if floors:
        notes.append(
            "Quality floors are met by the estimated means of the tasks; the frontier under them "
            "has no intervals."
        )
    solution = solve(problem)
    learning = None
    if queries_per_day is not None:
        per_day = checks.integer("queries_per_day", queries_per_day)
        learning = learn(
            problem,
            queries_per_day=per_day,
            days=checks.positive("days", days),
            present=tuple(checks.name_list("present", list(present))),
            seed=seed,
            progress=progress,
        )
    elif present:
        raise ValueError("present: give queries_per_day too, so that learning can be simulated")
    return Advice(
        source,
        problem,
        solution,
        tuple(worths(problem, solution)),
        decisive(problem, solution),
        learning,
        tuple(notes),
        unit,
        {
            "budget": budget,
            "max_deployed": int(max_deployed),
            "limit": limit,
            "what_if": list(what_if),
            "constraints": list(constraints),
            "draws": int(draws),
            "seed": seed,
        },
        _unchanged(before) if what_if else None,
    )


def _nothing_known(estimates: Estimates, source: str) -> str:
    """Return why nothing can be advised: scores or costs are missing, and what to do."""
    means = {"scores": estimates.score, "costs": estimates.cost}
    remedies = {"scores": "a table of them, scores=...", "costs": "a price list, prices=..."}
    lacking = [name for name, values in means.items() if not np.isfinite(values).any()]
    if lacking:
        return (
            f"table: {source} has no {' and no '.join(lacking)}; pass "
            f"{' and '.join(remedies[name] for name in lacking)}, or map columns, columns={{...}}"
        )
    return f"table: no model of {source} has both scores and costs; nothing can be advised"


def _unchanged(problem: Problem) -> Estimate:
    """Return the quality of the best mix; NaN where there is none."""
    try:
        return solve(problem).quality
    except ValueError:
        return Estimate(math.nan, math.nan, math.nan)


def _estimates(outcomes: Any, draws: int, seed: int) -> tuple[Estimates, str, str, list[str]]:
    """Return the estimates of outcomes, their name, the unit of the costs, and notes."""
    if isinstance(outcomes, Estimates):
        return outcomes, "estimates", "cost per query", list(outcomes.notes)
    estimates = outcomes.estimate(draws=draws, seed=seed)
    notes = [*outcomes.warnings, *estimates.notes]
    return estimates, outcomes.source, outcomes.cost_unit, notes


def _is_same(a: Frontier, b: Frontier) -> bool:
    """Tell whether two frontiers have the same corners."""
    return a.budget.shape == b.budget.shape and bool(
        np.allclose(a.budget, b.budget, rtol=1e-12, atol=0.0)
        and np.allclose(a.value, b.value, rtol=0.0, atol=1e-12)
    )


def _plain(value: Any) -> Any:
    """Return a value for JSON: what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
