"""Means of models with their joint uncertainty, against formulas written out and by simulation."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import fastroute as fr
from fastroute.outcomes import bootstrap
from fastroute.outcomes.estimates import Method

F8 = NDArray[np.float64]


def outcomes(rows: list[dict[str, Any]] | pl.DataFrame) -> fr.Outcomes:
    """Return outcomes without their warnings."""
    return fr.read_outcomes(rows)


def full_table(queries: int, models: int, seed: int = 0) -> tuple[fr.Outcomes, F8, F8]:
    """Return a table in which every model answered every query, and its matrices [Q, N]."""
    rng = np.random.default_rng(seed)
    hard = rng.random((queries, 1))
    score = (rng.random((queries, models)) > hard).astype(np.float64)
    cost = 0.001 * (1.0 + hard) * np.arange(1, models + 1)
    frame = pl.DataFrame(
        {
            "query": np.repeat([f"q{i}" for i in range(queries)], models),
            "task": np.repeat([f"t{i % 2}" for i in range(queries)], models),
            "model": [f"m{j}" for j in range(models)] * queries,
            "score": score.ravel(),
            "cost": cost.ravel(),
        }
    )
    return outcomes(frame), score, cost


def test_means_of_a_full_table() -> None:
    table, score, cost = full_table(400, 3)
    found = table.estimate(draws=2000, seed=1)
    assert found.method == "means"
    assert found.models == ("m0", "m1", "m2")
    np.testing.assert_allclose(found.score, score.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.cost, cost.mean(axis=0), rtol=1e-12)
    assert found.score_draws.shape == found.cost_draws.shape == (2000, 3)
    # All models are drawn on the same queries: the covariances are those of the queries.
    both = np.hstack([found.score_draws, found.cost_draws])
    expected = np.cov(np.hstack([score, cost]), rowvar=False, bias=True) / 400
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(both, rowvar=False) / scale, expected / scale, atol=0.1)
    assert found.tasks == ("t0", "t1")
    assert found.score_by_task is not None
    np.testing.assert_allclose(found.score_by_task[1], score[1::2].mean(axis=0), rtol=1e-12)
    assert found.ess.tolist() == [400.0, 400.0, 400.0]
    assert found.notes == ()
    inside = (found.score_interval[:, 0] < found.score) & (found.score < found.score_interval[:, 1])
    assert inside.all()
    assert found.table().columns[:4] == ["model", "score", "score_low", "score_high"]


def test_the_seed_says_the_draws_and_blocks_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _, _ = full_table(50, 2)
    one, two = table.estimate(draws=40, seed=3), table.estimate(draws=40, seed=3)
    assert np.array_equal(one.score_draws, two.score_draws)
    assert not np.array_equal(one.score_draws, table.estimate(draws=40, seed=4).score_draws)
    monkeypatch.setattr(bootstrap, "_BLOCK", 7 * 50)
    np.testing.assert_allclose(
        table.estimate(draws=40, seed=3).score_draws, one.score_draws, rtol=1e-12
    )


def test_random_groups_of_queries_spread_as_queries_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [full_table(3000, 3)[0], synthetic(np.random.default_rng(5), 3000, "logged")]
    single = [table.estimate(draws=1000) for table in tables]
    monkeypatch.setattr(bootstrap, "_MOST_DRAWN", 1000)
    monkeypatch.setattr(bootstrap, "_DENSE", 0)
    for one, table in zip(single, tables, strict=True):
        grouped = table.estimate(draws=1000)
        assert np.array_equal(grouped.score, one.score)
        for draws in ("score_draws", "cost_draws"):
            spread = [getattr(found, draws).std(axis=0) for found in (grouped, one)]
            np.testing.assert_allclose(spread[0], spread[1], rtol=0.15)
            middle = [getattr(found, draws).mean(axis=0) for found in (grouped, one)]
            assert (np.abs(middle[0] - middle[1]) < 0.25 * spread[1]).all()


def test_dense_and_sparse_sums_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    log = small_log()
    dense = log.estimate(draws=20)
    monkeypatch.setattr(bootstrap, "_DENSE", 0)
    sparse = log.estimate(draws=20)
    np.testing.assert_allclose(sparse.score_draws, dense.score_draws, rtol=1e-12)
    np.testing.assert_allclose(sparse.cost_draws, dense.cost_draws, rtol=1e-12)


def test_draws_without_a_row_of_a_model_keep_its_mean() -> None:
    rows = [{"query": f"q{i}", "model": "ab"[i == 0], "score": 0.5, "cost": 2.0} for i in range(9)]
    found = outcomes(rows).estimate(draws=50)
    assert (found.score_draws == 0.5).all()
    one = outcomes(rows[:1]).estimate(draws=50)
    assert (one.cost_draws == 2.0).all()


def test_weights_of_queries_are_poisson() -> None:
    weights = np.concatenate(
        [block for _, block in bootstrap.query_weights(50, 4000, np.random.default_rng(0))]
    )
    assert weights.shape == (50, 4000)
    share = np.bincount(weights.astype(int).ravel(), minlength=4)[:4] / weights.size
    np.testing.assert_allclose(share, np.exp(-1.0) / np.array([1, 1, 2, 6]), atol=4e-3)


def small_log(seed: int = 0, rows: int = 60) -> fr.Outcomes:
    """Return a log with tasks and propensities, of which some costs are missing."""
    rng = np.random.default_rng(seed)
    return outcomes(
        [
            {
                "query": f"q{i}",
                "model": f"m{rng.integers(3)}",
                "task": f"t{rng.integers(2)}",
                "score": float(rng.random()),
                "cost": None if i % 7 == 0 else float(rng.random()),
                "propensity": float(rng.uniform(0.2, 1.0)),
            }
            for i in range(rows)
        ]
    )


def naive(log: fr.Outcomes, method: Method, name: str, weight: F8) -> list[float]:
    """Return the estimates as they are defined, row by row; one weight for each query."""
    rows = [
        (row | {"w": weight[at]})
        for at, row in enumerate(log.frame.iter_rows(named=True))
        if row[name] is not None
    ]
    tasks = {
        task: sum(
            weight[at]
            for at, row in enumerate(log.frame.iter_rows(named=True))
            if row["task"] == task
        )
        / weight.sum()
        for task in log.tasks
    }
    found = []
    for model in log.models:
        mine = [row for row in rows if row["model"] == model]

        def mean(some: list[dict[str, Any]], by: str) -> float:
            total = sum(row[by] for row in some)
            return sum(row[by] * row[name] for row in some) / total if total else float("nan")

        for row in mine:
            row["ipw"] = row["w"] / row["propensity"]
        cell = {task: mean([row for row in mine if row["task"] == task], "w") for task in log.tasks}
        direct = sum(tasks[task] * cell[task] for task in log.tasks)
        rest = sum(row["ipw"] * (row[name] - cell[row["task"]]) for row in mine)
        found.append(
            {
                "means": mean(mine, "w"),
                "weighted": mean(mine, "ipw"),
                "by task": direct,
                "doubly robust": direct + rest / sum(row["ipw"] for row in mine),
            }[method]
        )
    return found


@pytest.mark.parametrize("method", ["means", "by task", "weighted", "doubly robust"])
def test_estimates_are_what_their_definition_says(
    monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    log = small_log()
    assert log.kind == "logged"
    weight = np.random.default_rng(1).integers(1, 4, 60).astype(np.float64)

    def given(draws: int, queries: int, rng: object) -> Iterator[tuple[slice, F8]]:
        yield slice(0, draws), np.tile(weight, (draws, 1))

    monkeypatch.setattr(bootstrap, "query_weights", given)
    found = log.estimate(draws=2, method=method)
    for name in ("score", "cost"):
        expected = naive(log, method, name, np.ones(60))
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-12)
        drawn = naive(log, method, name, weight)
        np.testing.assert_allclose(getattr(found, f"{name}_draws")[1], drawn, rtol=1e-12)


def test_the_best_method_is_taken() -> None:
    log = small_log()
    frame = log.frame
    assert log.estimate(draws=2).method == "doubly robust"
    assert outcomes(frame.drop("task")).estimate(draws=2).method == "weighted"
    assert outcomes(frame.drop("propensity")).estimate(draws=2).method == "by task"
    plain = outcomes(frame.drop("propensity", "task")).estimate(draws=2)
    assert plain.method == "means"
    assert "biased where it depended on the query which model answered" in plain.notes[0]


def test_methods_that_need_more_are_refused() -> None:
    frame = small_log().frame
    with pytest.raises(ValueError, match=r"'weighted' needs the probability.*'propensity'"):
        outcomes(frame.drop("propensity")).estimate(draws=2, method="weighted")
    with pytest.raises(ValueError, match=r"'by task' needs the task of each query.*'task'"):
        outcomes(frame.drop("task")).estimate(draws=2, method="by task")
    with pytest.raises(ValueError, match="method='best' is unknown"):
        outcomes(frame).estimate(draws=2, method="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="draws=0"):
        outcomes(frame).estimate(draws=0)
    board = outcomes([{"model": "a", "score": 0.5, "cost": 1.0}])
    with pytest.raises(ValueError, match="a leaderboard"):
        board.estimate(method="by task")


def test_a_lack_of_overlap_is_said_in_words() -> None:
    rows = [
        {"query": f"s{i}", "task": "short", "model": ("a", "b")[i % 2], "score": 0.5, "cost": 1.0}
        for i in range(200)
    ]
    rows += [
        {
            "query": f"l{i}",
            "task": "long",
            "model": "b" if i < 4 else "a",
            "score": 1.0,
            "cost": 1.0,
        }
        for i in range(1000)
    ]
    found = outcomes(rows).estimate(draws=5)
    assert "'b' saw 0.4 % of the queries of task 'long': nothing can be said there" in found.notes
    assert not any("'a' saw" in note for note in found.notes)
    none = outcomes([row for row in rows if not (row["model"] == "b" and row["task"] == "long")])
    found = none.estimate(draws=5)
    assert "'b' saw none of the queries of task 'long': nothing can be said there" in found.notes
    assert found.score_by_task is not None
    assert np.isnan(found.score_by_task[found.tasks.index("long"), found.models.index("b")])
    # What it scored elsewhere stands for what it never saw.
    assert found.score[found.models.index("b")] == 0.5


def test_effective_rows_count_weights() -> None:
    rows = [
        {
            "query": f"q{i}",
            "model": "a",
            "score": float(i % 2),
            "cost": 1.0,
            "propensity": 0.001 if i == 0 else 1.0,
        }
        for i in range(400)
    ]
    found = outcomes(rows).estimate(draws=5, method="weighted")
    assert found.ess[0] == pytest.approx(1399.0**2 / (1e6 + 399.0))
    assert any("400 rows say as much as 2" in note for note in found.notes)
    some = outcomes([*rows, {**rows[1], "query": "last", "propensity": None}])
    found = some.estimate(draws=5, method="weighted")
    assert "1 rows have no propensity and are not weighted" in found.notes


def test_a_leaderboard_is_as_sure_as_its_number_of_queries() -> None:
    board = [{"model": m, "score": s, "cost": 0.1, "n": 400} for m, s in (("a", 0.5), ("b", 1.0))]
    found = outcomes(board).estimate(draws=4000)
    assert found.score.tolist() == [0.5, 1.0]
    np.testing.assert_allclose(found.score_draws.std(axis=0), [0.025, 0.0], rtol=0.05)
    assert np.unique(found.cost_draws).tolist() == [0.1]
    found = outcomes([{k: v for k, v in row.items() if k != "n"} for row in board]).estimate()
    assert np.ptp(found.score_draws, axis=0).tolist() == [0.0, 0.0]
    assert "how sure its means are is not known" in found.notes[0]


def test_nothing_known_of_a_model_is_nan_and_no_error() -> None:
    rows = [
        {"query": f"q{i}", "model": "ab"[i % 2], "score": 1.0 if i % 2 else None, "cost": 1.0}
        for i in range(40)
    ]
    found = outcomes(rows).estimate(draws=10)
    assert np.isnan(found.score[0])
    assert np.isnan(found.score_draws[:, 0]).all()
    assert found.score[1] == 1.0
    assert (found.cost == 1.0).all()
    assert "fewer than 30 rows of 'a', 'b'" in found.notes[-1]


# By simulation: how often the interval covers the mean over all queries

_BASE = np.array([[0.8, 0.5], [0.6, 0.7], [0.4, 0.9]])
_PRICE = 0.001 * np.array([1.0, 2.0, 4.0])


def population() -> tuple[F8, F8]:
    """Return the true mean score and cost of the three models of a synthetic log."""
    hard = (np.arange(20_000) + 0.5) / 20_000
    score = np.clip(_BASE[:, :, None] - 0.3 * hard + 0.15, 0.02, 0.98).mean(axis=(1, 2))
    return score, 1.5 * _PRICE


def synthetic(rng: np.random.Generator, queries: int, kind: str) -> fr.Outcomes:
    """Return a log whose routing depends on the task and on how hard a query is, or a table."""
    task, hard = rng.integers(0, 2, queries), rng.random((queries, 1))
    chance = np.clip(_BASE[:, task].T - 0.3 * hard + 0.15, 0.02, 0.98)
    score = (rng.random((queries, 3)) < chance).astype(np.float64)
    cost = _PRICE * (1.0 + hard)
    propensity = 1.0 + hard * np.array([0.0, 1.0, 3.0])
    propensity = propensity + task[:, None] * np.array([2.0, 0.0, 0.0])
    propensity /= propensity.sum(axis=1, keepdims=True)
    if kind == "logged":
        query = np.arange(queries)
        chosen = (rng.random((queries, 1)) > propensity.cumsum(axis=1)).sum(axis=1)
    else:
        there = np.ones((queries, 3), dtype=bool)
        if kind == "partial":
            there[:, 1:] = rng.random((queries, 2)) < np.where(task == 0, 0.9, 0.4)[:, None]
        query, chosen = np.nonzero(there)
    columns: dict[str, Any] = {
        "query": query.astype(str),
        "task": np.array(["t0", "t1"])[task[query]],
        "model": np.array(["m0", "m1", "m2"])[chosen],
        "score": score[query, chosen],
        "cost": cost[query, chosen],
    }
    if kind == "logged":
        columns["propensity"] = propensity[query, chosen]
    return outcomes(pl.DataFrame(columns))


def covered(
    kind: str, method: Method, logs: int, queries: int, draws: int
) -> tuple[NDArray[np.bool_], F8]:
    """Return which intervals cover the truth, [logs, 2, 3], and by how much scores are off."""
    truth = population()
    rng = np.random.default_rng(2026)
    hits, errors = np.empty((logs, 2, 3), dtype=bool), np.empty((logs, 3))
    for at in range(logs):
        table = synthetic(rng, queries, kind)
        assert table.kind == kind
        found = table.estimate(draws=draws, seed=at, method=method)
        order = [found.models.index(f"m{j}") for j in range(3)]
        for which, ends in enumerate((found.score_interval, found.cost_interval)):
            low, high = ends[order].T
            hits[at, which] = (low <= truth[which]) & (truth[which] <= high)
        errors[at] = found.score[order] - truth[0]
    return hits, errors


@pytest.mark.parametrize("method", ["weighted", "doubly robust"])
def test_propensities_take_the_bias_of_the_routing_away(method: Method) -> None:
    hits, errors = covered("logged", method, logs=20, queries=1500, draws=100)
    assert np.abs(errors.mean(axis=0)).max() < 0.015
    assert hits.mean() > 0.88
    plain, biased = covered("logged", "means", logs=20, queries=1500, draws=100)
    assert np.abs(biased.mean(axis=0)).max() > 0.03
    assert plain.mean() < 0.75


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("logged", "weighted"),
        ("logged", "doubly robust"),
        ("partial", "by task"),
        ("full", "means"),
    ],
)
def test_intervals_cover_the_truth_95_times_of_100(kind: str, method: Method) -> None:
    hits, errors = covered(kind, method, logs=400, queries=1500, draws=400)
    coverage = hits.mean(axis=(0, 2))
    assert ((coverage >= 0.93) & (coverage <= 0.97)).all(), coverage
    # The mean error is none, within its own error.
    assert (np.abs(errors.mean(axis=0)) < 4.0 * errors.std(axis=0) / 20.0).all()
