"""What it costs to learn the answer online: policies simulated on a world that is as unsure."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.advice.changes import Problem, only
from fastroute.advice.solution import best_mix
from fastroute.analyse import mean_interval
from fastroute.policies import Policy, policy
from fastroute.scenarios import Scenario
from fastroute.simulation import Run, simulate
from fastroute.solve import solve_deployment
from fastroute.warning import FastrouteWarning

F8 = NDArray[np.float64]

# Rounds that are simulated at most, and trials times rounds of one policy.
_MOST_ROUNDS: Final = 2_000_000
_TRIAL_ROUNDS: Final = 3e7
_FEWEST, _MOST = 16, 256
# Shares may miss 1 by so much.
_WHOLE: Final = 1e-6
_GAMMAS: Final = (0.02, 0.05, 0.1, "scaled:0.1")
_STAGES: Final = ("T^(1/3)", "T^(1/2)")


class LearningRow(NamedTuple):
    """One policy.

    Attributes
    ----------
    policy : str
    loss, low, high : float
        Quality lost per query over the days against knowing the best set from the start, in units
        of the score, overspending charged, with its 95 % interval over trials.
    cost : float
        Mean cost of a query.
    beats_present_from : float
        Day from which on it has gained more than by staying with the present set; infinite where
        it never has, NaN without one.
    """

    policy: str
    loss: float
    low: float
    high: float
    cost: float
    beats_present_from: float


class Learning(NamedTuple):
    """What learning costs.

    Attributes
    ----------
    rows : tuple of LearningRow
        The cheapest first.
    gamma : float or str
        The width of the confidence radius with which StageRoute loses least.
    stages : str
        The rule for the number of stages with which it does.
    queries, days : int, float
        What was simulated.
    trials : int
        Worlds, each with its own means from the joint bootstrap.
    present_loss : float
        Quality lost per query by staying with the present set, overspending charged at the price
        of the budget; NaN without one.
    present_cost : float
        Mean cost of a query by staying.
    note : str
        What is a surrogate in it.
    """

    rows: tuple[LearningRow, ...]
    gamma: float | str
    stages: str
    queries: int
    days: float
    trials: int
    present_loss: float
    present_cost: float
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as numbers, words and lists."""
        return {**self._asdict(), "rows": [row._asdict() for row in self.rows]}


def learn(
    problem: Problem,
    *,
    queries_per_day: int,
    days: float,
    present: Sequence[str] = (),
    seed: int = 0,
    progress: bool = False,
) -> Learning:
    """Simulate StageRoute, its best rivals and two baselines on worlds drawn from the estimates.

    Raises
    ------
    ValueError
        When a model of `present` is unknown, or scores are not in [0, 1].
    """
    if problem.score.min() < 0.0 or problem.score.max() > 1.0:
        raise ValueError(
            "queries_per_day: scores must be in [0, 1] to simulate learning; read the table with "
            "score_range=(least, largest)"
        )
    wanted = max(round(queries_per_day * days), 100)
    queries = min(wanted, _MOST_ROUNDS)
    trials = int(np.clip(_TRIAL_ROUNDS / queries, _FEWEST, _MOST))
    scores, costs = _means(problem, trials, seed)
    world = Scenario(
        scores,
        costs,
        limit=problem.limit,
        models=problem.models,
        name="advised",
        note="means from a bootstrap of the table, rewards 0 or 1, costs uniform around their mean",
    )
    most = min(problem.max_deployed, len(problem.models))
    settings: dict[str, Any] = {
        "horizon": queries,
        "budget": problem.budget if np.isfinite(problem.budget) else "slack",
        "max_deployed": most,
        "trials": trials,
        "seed": seed,
    }

    def play(one: Policy, stages: str) -> Run:
        with warnings.catch_warnings():
            # That some of them overspend or starve models is in their loss.
            warnings.simplefilter("ignore", FastrouteWarning)
            return simulate(world, one, stages=stages, progress=progress, **settings)

    tried = {
        (gamma, stages): play(policy("stageroute", gamma=gamma), stages)
        for gamma in _GAMMAS
        for stages in _STAGES
    }
    gamma, stages = min(tried, key=lambda key: _loss(tried[key]).mean())
    runs = {
        "stageroute": tried[gamma, stages],
        **{name: play(policy(name), stages) for name in ("thompson", "greedy", "uniform")},
    }
    staying, present_cost = _staying(problem, present, scores, costs)
    rows = [_row(name, run, staying, queries_per_day) for name, run in runs.items()]
    note = (
        "A surrogate: each trial has means of its own from the joint bootstrap, rewards are 0 or "
        "1, costs uniform around their mean, and all models are there from the start."
    )
    if queries < wanted:
        note += f" The first {queries:,} of {wanted:,} queries were simulated."
    return Learning(
        tuple(sorted(rows, key=lambda row: row.loss)),
        gamma,
        stages,
        queries,
        queries / queries_per_day,
        trials,
        staying,
        present_cost,
        note,
    )


def _means(problem: Problem, trials: int, seed: int) -> tuple[F8, F8]:
    """Return the means of every trial: one draw of the bootstrap each."""
    if not len(problem.score_draws):
        ones = np.ones((trials, 1))
        return ones * problem.score, ones * problem.cost
    place = np.random.default_rng(seed).integers(0, len(problem.score_draws), trials)
    return (
        np.clip(problem.score_draws[place], 0.0, 1.0),
        np.maximum(problem.cost_draws[place], 0.0),
    )


def _loss(run: Run) -> F8:
    return run.trials.get_column("priced_regret").to_numpy() / run.settings["horizon"]


def _row(name: str, run: Run, staying: float, per_day: int) -> LearningRow:
    found = mean_interval(_loss(run))
    cost = float(run.trials.get_column("cost").to_numpy().mean())
    since = np.nan
    if np.isfinite(staying):
        curve = run.curves.filter(quantity="priced_regret").sort("round")
        rounds, lost = (curve.get_column(one).to_numpy() for one in ("round", "mean"))
        behind = np.flatnonzero(lost >= staying * rounds)
        later = rounds[behind[-1] + 1 :] if behind.size else rounds
        since = float(later[0]) / per_day if later.size else np.inf
    return LearningRow(name, found.estimate, found.low, found.high, cost, since)


def _staying(
    problem: Problem, present: Sequence[str], scores: F8, costs: F8
) -> tuple[float, float]:
    """Return quality lost per query and cost of staying with the present set; NaN without one."""
    if not present:
        return float("nan"), float("nan")
    share = present_shares(problem, present)
    best = solve_deployment(
        scores,
        costs,
        problem.limit,
        np.full(len(scores), problem.budget),
        min(problem.max_deployed, len(problem.models)),
        fill="none",
        infeasible="ignore",
    )
    spent = costs @ share
    over = np.maximum(spent - problem.budget, 0.0)
    charge = np.where(over > 0.0, np.asarray(best.budget_price) * over, 0.0)
    return float((np.asarray(best.value) - scores @ share + charge).mean()), float(spent.mean())


def present_shares(problem: Problem, present: Sequence[str]) -> F8:
    """Return the shares of what is deployed now, [N].

    Each entry is a name, or ``NAME=SHARE``. Without shares the traffic is split as is best for the
    estimated means, within the budget where that can be met; the limits are those of new plans.

    Raises
    ------
    ValueError
        When a model is unknown, or shares are given for some only or do not add up to 1.
    """
    given: dict[str, float | None] = {}
    for text in present:
        name, sign, value = text.rpartition("=")
        if not sign or text in problem.models:
            name, value = text, ""
        if name not in problem.models:
            raise checks.refused(
                "present", name, f"a model of the table{checks.nearest(name, problem.models)}"
            )
        given[name] = None if not value else _share(value, text)
    places = [problem.models.index(name) for name in given]
    share = np.zeros(len(problem.models))
    known = [one for one in given.values() if one is not None]
    if known:
        if len(known) < len(given) or abs(sum(known) - 1.0) > _WHOLE:
            raise checks.refused("present", list(present), "shares of all models that add up to 1")
        share[places] = known
        return share
    kept = replace(
        only(problem, places), max_deployed=len(places), floors=(), limit=np.ones(len(places))
    )
    if float(kept.cost.min()) > kept.budget:
        kept = replace(kept, budget=float("inf"))
    share[places] = best_mix(kept)
    return share


def _share(value: str, text: str) -> float:
    try:
        return checks.fraction(f"present {text}", float(value), zero=True)
    except ValueError:
        raise checks.refused(
            "present", text, "NAME or NAME=SHARE, with a share in [0, 1]"
        ) from None
