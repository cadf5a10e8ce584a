"""The best set and mix, how sure it is, and what more of something would buy."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.advice.changes import Problem, changed
from fastroute.solve import solve_deployment
from fastroute.solve.frontier import routing_curve
from fastroute.solve.highs import best_shares

F8 = NDArray[np.float64]

# A share below this is none.
_USED: Final = 1e-9
#: Percentiles at the ends of a 95 % interval.
ENDS: Final = (2.5, 97.5)
# Noise of the choice, as a multiple of that of the data. With it, simulated tables of models that
# are alike, alike in part and far apart have a coverage of about 93 to 97 %; with 0.7, 92 %.
_COUPLING: Final = 1.2
# A difference is settled when its interval would leave out zero with this power.
_SETTLED: Final = 1.96 + 0.84
#: Models in the best set in more than this share of the draws, or less than the rest, are sure.
SURE: Final = 0.975


class Estimate(NamedTuple):
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Solution:
    """The best set of a problem and the share of each model.

    Attributes
    ----------
    share : f8 [N]
        Share of the traffic of each model; 0 for those that are not deployed.
    quality, cost : Estimate
        Mean score and mean cost of a query under these shares. The intervals allow for the set
        having been chosen by the same data.
    inclusion : f8 [N]
        Share of the bootstrap draws in whose best set a model is, of those in which there is one.
    met : float
        Share of the draws in which some mix keeps to the limits and the budget.
    spread : bool
        Whether it is known how sure the means are.
    """

    share: F8
    quality: Estimate
    cost: Estimate
    inclusion: F8
    met: float
    spread: bool


class Worth(NamedTuple):
    """What a change would add to the quality: ``what`` in words, and how much.

    The gain is NaN where no mix would keep to the limits and the budget any more.
    """

    what: str
    gain: Estimate


class Decisive(NamedTuple):
    """The model whose uncertainty decides the set.

    Attributes
    ----------
    model : str
    inclusion : float
        Share of the draws in whose best set it is.
    gain : Estimate
        Best quality with it less that without it.
    more : float
        Observations of it, beside those that are there, that would settle on which side of zero
        that is; infinite where more of it cannot.
    """

    model: str
    inclusion: float
    gain: Estimate
    more: float


def best_mix(problem: Problem) -> F8:
    """Return the shares of the best mix, [N].

    Raises
    ------
    ValueError
        When no mix of that many models keeps to the limits, the budget and the floors.
    """
    share = _best(problem)
    if share is None:
        _explain(problem)
    assert share is not None
    return share


def _best(problem: Problem) -> F8 | None:
    most = min(problem.max_deployed, len(problem.models))
    if problem.floors:
        found = best_shares(problem.score, problem.limit, most, problem.rows())
        return None if found is None else np.where(found > _USED, found, 0.0)
    solved = solve_deployment(
        problem.score,
        problem.cost,
        problem.limit,
        problem.budget,
        most,
        fill="none",
        infeasible="ignore",
    )
    return solved.weight if bool(solved.feasible) else None


def _explain(problem: Problem) -> None:
    """Raise the error that says why there is no mix."""
    most = min(problem.max_deployed, len(problem.models))
    widest = float(np.sort(problem.limit)[::-1][:most].sum())
    if widest < 1.0:
        raise ValueError(
            f"max_deployed={most}: the limits of {most} models add up to {widest:.3g} of the "
            "traffic; deploy more models or raise the limit"
        )
    cheapest = best_shares(-problem.cost, problem.limit, most, [])
    if cheapest is not None and float(problem.cost @ cheapest) > problem.budget:
        raise ValueError(
            f"budget={problem.budget:g} must be at least {problem.cost @ cheapest:.6g}, what the "
            f"cheapest mix of {most} models costs per query"
        )
    floors = ", ".join(f"min-score:{floor.task}={floor.least:g}" for floor in problem.floors)
    raise ValueError(
        f"constraint: no mix of {most} models within the budget meets {floors}; lower a floor or "
        "raise the budget"
    )


def solve(problem: Problem) -> Solution:
    """Find the best mix, and over the draws how sure it is."""
    share = best_mix(problem)
    mixes = draw_mixes(problem)
    met = np.isfinite(mixes[:, 0])
    inclusion = np.full(len(share), np.nan)
    if met.any():
        inclusion = (mixes[met] > _USED).mean(axis=0)
    spread = bool(np.ptp(problem.score_draws, axis=0).max(initial=0.0) > 0.0)
    promises = _promises(problem, share)
    return Solution(share, *promises, inclusion, float(met.mean()), spread)


def _promises(problem: Problem, share: F8) -> tuple[Estimate, Estimate]:
    """Return quality and cost of a mix that was chosen by the same data, with intervals.

    The coupled bootstrap (Oliveira, Lei and Tibshirani, arXiv 2111.09447): with noise e of the
    means, the mix that is best under means + c e is judged under means - e / c. The two are
    independent, so that the choice does not flatter what it chose.
    """
    score_noise = problem.score_draws - problem.score_draws.mean(axis=0)
    cost_noise = problem.cost_draws - problem.cost_draws.mean(axis=0)
    chosen = draw_mixes(
        replace(
            problem,
            score_draws=problem.score + _COUPLING * score_noise,
            cost_draws=problem.cost + _COUPLING * cost_noise,
        )
    )
    met = np.isfinite(chosen[:, 0])
    chosen = chosen[met]
    found = []
    for mean, noise in ((problem.score, score_noise), (problem.cost, cost_noise)):
        if not len(chosen):
            found.append(Estimate(float(mean @ share), np.nan, np.nan))
            continue
        judged = np.einsum("bn,bn->b", mean - noise[met] / _COUPLING, chosen)
        centre = float(judged.mean())
        low, high = np.percentile(noise @ share, ENDS)
        found.append(Estimate(centre, centre - float(high), centre - float(low)))
    return found[0], found[1]


def draw_mixes(problem: Problem) -> F8:
    """Return the best mix of every draw, [B, N]; NaN where there is none."""
    most = min(problem.max_deployed, len(problem.models))
    if problem.floors:
        found = np.full(problem.score_draws.shape, np.nan)
        # Floors hold for the estimates of the tasks, which have no draws of their own.
        for place, (score, cost) in enumerate(
            zip(problem.score_draws, problem.cost_draws, strict=True)
        ):
            share = _best(replace(problem, score=score, cost=cost))
            if share is not None:
                found[place] = share
        return found
    solved = solve_deployment(
        problem.score_draws,
        problem.cost_draws,
        problem.limit,
        np.full(len(problem.score_draws), problem.budget),
        most,
        fill="none",
        infeasible="ignore",
    )
    return np.where(np.asarray(solved.feasible)[:, None], solved.weight, np.nan)


def best_values(problem: Problem) -> F8:
    """Return the best quality under the estimates, then under every draw, [1 + B]."""
    own = _best(problem)
    drawn = draw_mixes(problem)
    values = np.einsum("bn,bn->b", problem.score_draws, drawn)
    return np.concatenate([[np.nan if own is None else float(problem.score @ own)], values])


def worths(problem: Problem, solution: Solution) -> list[Worth]:
    """Return what one more unit of each thing buys, and what the loss of each model costs."""
    now = best_values(problem)
    found = []

    def add(what: str, other: Problem) -> None:
        found.append(Worth(what, _spread(best_values(other) - now)))

    if np.isfinite(problem.budget):
        add("10 % more budget", replace(problem, budget=1.1 * problem.budget))
        add("10 % less budget", replace(problem, budget=0.9 * problem.budget))
    if problem.max_deployed < len(problem.models):
        add("one more model", replace(problem, max_deployed=problem.max_deployed + 1))
    if problem.max_deployed > 1:
        add("one model less", replace(problem, max_deployed=problem.max_deployed - 1))
    for place in np.flatnonzero(solution.share > _USED):
        name = problem.models[place]
        if solution.share[place] >= problem.limit[place] - _USED and problem.limit[place] < 1.0:
            limit = problem.limit.copy()
            limit[place] = min(1.0, limit[place] + 0.1)
            more = limit[place] - problem.limit[place]
            add(f"{100.0 * more:.0f} points more traffic for {name}", replace(problem, limit=limit))
        if len(problem.models) > 1:
            add(f"without {name}", without(problem, int(place)))
    return found


def without(problem: Problem, place: int) -> Problem:
    """Return the problem without one model."""
    return changed(problem, [f"drop:{problem.models[place]}"])


def _spread(values: F8) -> Estimate:
    """Return a gain with the percentiles of its draws."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not drawn.size:
        return Estimate(float(values[0]), np.nan, np.nan)
    low, high = np.percentile(drawn, ENDS)
    return Estimate(float(values[0]), float(low), float(high))


def decisive(problem: Problem, solution: Solution) -> Decisive | None:
    """Return the model whose interval decides the set; None where no model is in doubt.

    A model without which no mix keeps to the budget and the limits decides nothing: it must be
    there.
    """
    if not solution.spread or len(problem.models) == 1:
        return None
    inside = solution.inclusion
    for place in np.argsort(np.abs(inside - 0.5), kind="stable"):
        if not 1.0 - SURE < inside[place] < SURE:
            return None
        gains = _gain_of(problem, int(place))
        if np.isfinite(gains[0]):
            more = _more_rows(problem, int(place), gains)
            name = problem.models[place]
            return Decisive(name, float(inside[place]), _spread(gains), more)
    return None


def _more_rows(problem: Problem, place: int, gains: F8) -> float:
    """Return how many more observations of a model would settle whether it gains anything."""
    here, spread = float(gains[0]), _deviation(gains)
    rows = float(problem.ess[place])
    if here == 0.0 or not np.isfinite(rows):
        return np.inf
    # The part of the spread that more observations of this model alone would take away.
    fixed = _with_means(problem, place)
    rest = _deviation(_gain_of(fixed, place))
    wanted = (here / _SETTLED) ** 2 - rest**2
    own = max(spread**2 - rest**2, 0.0)
    return max(rows * (own / wanted - 1.0), 0.0) if wanted > 0.0 else np.inf


def _deviation(gains: F8) -> float:
    """Return the standard deviation of the draws of a gain; NaN of fewer than two."""
    drawn = gains[1:][np.isfinite(gains[1:])]
    return float(drawn.std(ddof=1)) if drawn.size > 1 else float("nan")


def _gain_of(problem: Problem, place: int) -> F8:
    """Return the best quality when a model must be deployed less that without it, [1 + B]."""
    return _forced(problem, place) - best_values(without(problem, place))


def _forced(problem: Problem, place: int) -> F8:
    """Return the best quality, under estimates and draws, of the sets that use a model at all.

    A model that is not worth its place gets a tenth of its limit: the difference then is below
    zero, and says how far the model is from being chosen.
    """
    probe = 0.1 * problem.limit[place]
    scores = np.vstack([problem.score, problem.score_draws])
    costs = np.vstack([problem.cost, problem.cost_draws])
    kept = [at for at in range(len(problem.models)) if at != place]
    left = 1.0 - probe
    most = min(problem.max_deployed - 1, len(kept))
    if most < 1:
        return np.where(costs[:, place] <= problem.budget, scores[:, place], np.nan)
    solved = solve_deployment(
        scores[:, kept],
        costs[:, kept],
        np.minimum(problem.limit[kept] / left, 1.0),
        (problem.budget - probe * costs[:, place]) / left,
        most,
        fill="none",
        infeasible="ignore",
    )
    value = left * np.asarray(solved.value) + probe * scores[:, place]
    value = np.where(np.asarray(solved.feasible), value, np.nan)
    # Where the model is chosen anyway, with as much traffic as it deserves.
    own = _best(problem)
    mixes = np.vstack(
        [np.full(len(scores[0]), np.nan) if own is None else own, draw_mixes(problem)]
    )
    return np.where(mixes[:, place] > _USED, best_values(problem), value)


def _with_means(problem: Problem, place: int) -> Problem:
    """Return the problem in whose draws one model has its estimates."""
    score, cost = problem.score_draws.copy(), problem.cost_draws.copy()
    score[:, place], cost[:, place] = problem.score[place], problem.cost[place]
    return replace(problem, score_draws=score, cost_draws=cost)


def hull(cost: F8, score: F8) -> tuple[F8, F8]:
    """Return the non-decreasing convex hull of single models: costs and scores of its corners."""
    curve = routing_curve(score, cost, np.ones(len(cost)))
    assert curve is not None
    return curve.budget, curve.value


def aiq(cost: F8, score: F8) -> float:
    """Average improvement in quality: the mean height of the hull over the range of costs.

    RouterBench (arXiv 2403.12031), section 3: the area under the non-decreasing convex hull of the
    models, over the range from the lowest to the highest cost. NaN for a single cost.
    """
    costs, scores = hull(cost, score)
    low, high = float(cost.min()), float(cost.max())
    if not high > low:
        return float("nan")
    at, value = np.append(costs, high), np.append(scores, scores[-1])
    return float(np.trapezoid(value, at) / (high - low))
