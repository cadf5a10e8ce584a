"""`routerbench`: a surrogate with the published means of RouterBench."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.scenarios.arrivals import arrivals_by_release, release_calendar, release_order
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.laws import ByTask, CostLaw
from fastroute.scenarios.laws.words import cost_law

__all__ = ["FAMILIES", "PublishedMeans", "published_means", "routerbench"]

FAMILIES = (
    "ARC-Challenge",
    "GSM8K",
    "HellaSwag",
    "MBPP",
    "MMLU",
    "MT-Bench",
    "RAG",
    "Winogrande",
)
"""The eight families of the 86 tasks."""


class PublishedMeans(NamedTuple):
    """The published 0-shot means of RouterBench.

    Attributes
    ----------
    models : tuple of str [N]
        Eleven models, in the order of the source.
    released : tuple of date [N]
    cost : f8 [N]
        Mean cost in USD per query, over all prompts (cost per task is not published).
    overall : f8 [N]
        Mean score over all prompts, rounded to 4 decimals by the source.
    tasks, families : tuple of str [J]
        The 86 tasks and the family of each.
    prompts : i8 [J]
        Number of prompts of each task.
    score : f8 [J, N]
        Mean score of each task and model.
    """

    models: tuple[str, ...]
    released: tuple[date, ...]
    cost: NDArray[np.float64]
    overall: NDArray[np.float64]
    tasks: tuple[str, ...]
    families: tuple[str, ...]
    prompts: NDArray[np.int64]
    score: NDArray[np.float64]


@cache
def published_means() -> PublishedMeans:
    """Return the published means that ship with the package (Hu et al., arXiv 2403.12031).

    Returns
    -------
    PublishedMeans
        Shared and read-only.
    """
    tasks = _rows("routerbench_tasks.csv")
    models = {row["model"]: row for row in _rows("routerbench_models.csv")}
    names = tuple(tasks[0])[3:]
    means = PublishedMeans(
        models=names,
        released=tuple(date.fromisoformat(models[name]["release_date"]) for name in names),
        cost=np.array([float(models[name]["mean_cost_usd"]) for name in names]),
        overall=np.array([float(models[name]["mean_score"]) for name in names]),
        tasks=tuple(row["eval_name"] for row in tasks),
        families=tuple(row["family"] for row in tasks),
        prompts=np.array([int(row["n_prompts"]) for row in tasks], dtype=np.int64),
        score=np.array([[float(row[name]) for name in names] for row in tasks]),
    )
    for array in (means.cost, means.overall, means.prompts, means.score):
        checks.freeze(array)
    return means


def _rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a packaged CSV file, without its comment lines."""
    text = (resources.files("fastroute.scenarios") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def routerbench(
    *,
    families: str | Sequence[str] | None = None,
    limit: float = 0.4,
    initial: int = 5,
    spread: float = 0.8,
    cost: CostLaw | str | Mapping[str, Any] = "uniform",
) -> Scenario:
    """Return a **surrogate** of RouterBench with its published means.

    A query draws one of the selected tasks in proportion to its number of prompts; the reward
    is Bernoulli with the published mean of that task and model. What the surrogate keeps are
    the 0-shot means of 86 tasks x 11 models, so models are correlated through the tasks only.
    What is not known: the outcomes of single queries, and cost per task. The cost of a model is
    its mean over *all* prompts, whatever families are selected, and varies around that mean by
    ``cost``. Scores that are not 0 or 1 in the source (GSM8K, MT-Bench and others) become
    Bernoulli with the same mean.

    Parameters
    ----------
    families : str or sequence of str, optional
        Families of tasks to draw from, of ``FAMILIES``; default all.
    limit : float
        Throughput limit of every model, in (0, 1].
    initial : int
        Number of models there from the first round; the others arrive by release date (equal
        dates: order of the published table).
    spread : float
        Fraction of the horizon at which the newest model arrives, in [0, 1].
    cost : CostLaw, str or mapping
        Law of the costs around their means: ``"uniform"``, ``"fixed"``,
        ``{"name": "lognormal", "sigma": 0.5}`` or one of your own.

    Returns
    -------
    Scenario
        Models by release date, costs in USD per query.

    Raises
    ------
    ValueError
        For an unknown family, naming the nearest one, or an option out of range.

    References
    ----------
    Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", arXiv 2403.12031.
    """
    law = cost_law(cost)
    means = published_means()
    chosen = FAMILIES if families is None else _families(families)
    rows = [index for index, family in enumerate(means.families) if family in chosen]
    order = release_order(means.released)
    mix = "" if families is None else f" of the families {', '.join(chosen)}"
    return Scenario(
        cost_mean=means.cost[order],
        limit=limit,
        arrival=arrivals_by_release(
            [means.released[index] for index in order], limit=limit, initial=initial, spread=spread
        ),
        arrival_unit="horizon",
        calendar=release_calendar(
            [means.released[index] for index in order], initial=initial, spread=spread
        ),
        reward=ByTask(means.prompts[rows], means.score[np.ix_(rows, order)]),
        cost=law,
        models=[means.models[index] for index in order],
        name="routerbench",
        note=(
            f"surrogate: published 0-shot means of RouterBench{mix}, {len(rows)} tasks drawn by "
            "number of prompts; single outcomes and cost per task are not known, so costs vary "
            f"around each model's mean over all prompts ({law.name} law)"
        ),
        cost_unit="USD per query",
    )


def _families(families: str | Sequence[str]) -> tuple[str, ...]:
    """Return checked family names, without repetition."""
    names = (families,) if isinstance(families, str) else tuple(dict.fromkeys(families))
    if not names:
        raise ValueError("families=[] selects no task; name at least one family, or omit it")
    for name in names:
        checks.choice("families", name, FAMILIES)
    return names
