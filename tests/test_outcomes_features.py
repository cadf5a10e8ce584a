"""Means by a regression on features: against its definition, and by simulation."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import fastroute as fr
from fastroute.outcomes import bootstrap
from fastroute.outcomes.estimates import Method

F8 = NDArray[np.float64]

_BASE, _SLOPE = np.array([0.8, 0.65, 0.5]), np.array([-0.6, -0.3, 0.4])
_PRICE = 0.001 * np.array([1.0, 2.0, 4.0])
# Over features that are uniform on [0, 1] and centred.
TRUTH = np.array([_BASE, 1.5 * _PRICE])


def log_of(rng: np.random.Generator, queries: int, propensity: str) -> pl.DataFrame:
    """Return a log whose routing depends on a feature, of which the task knows a part only.

    `propensity` is "logged", "wrong" (all alike) or "none".
    """
    length, noise = rng.random(queries), rng.random(queries)
    chance = _BASE + _SLOPE * (length - 0.5)[:, None]
    score = (rng.random((queries, 3)) < chance).astype(np.float64)
    cost = _PRICE * (1.0 + length)[:, None] * rng.uniform(0.8, 1.2, (queries, 3))
    share = np.exp(2.0 * length[:, None] * np.array([-1.0, 0.0, 1.0]))
    share /= share.sum(axis=1, keepdims=True)
    chosen = (rng.random((queries, 1)) > share.cumsum(axis=1)).sum(axis=1)
    at = np.arange(queries)
    columns: dict[str, Any] = {
        "query": [f"q{q}" for q in range(queries)],
        "task": np.where(length > 0.5, "long", "short"),
        "model": np.array(["m0", "m1", "m2"])[chosen],
        "score": score[at, chosen],
        "cost": cost[at, chosen],
        "length": 100.0 * length,
        "noise": noise,
    }
    if propensity != "none":
        columns["propensity"] = share[at, chosen] if propensity == "logged" else 1.0 / 3.0
    return pl.DataFrame(columns)


def estimated(frame: pl.DataFrame, method: Method, draws: int, seed: int = 0) -> Any:
    """Return estimates with the models in their order, by features but where that is by task."""
    features = None if method == "by task" else ["length", "noise"]
    found = fr.read_outcomes(frame, features=features).estimate(draws, seed, method)
    order = [found.models.index(f"m{place}") for place in range(3)]
    return found, order


@pytest.mark.parametrize("method", ["by features", "doubly robust"])
def test_estimates_are_what_their_definition_says(method: Method) -> None:
    frame = log_of(np.random.default_rng(3), 200, "logged")
    found, order = estimated(frame, method, 5)
    length, noise = (frame[name].to_numpy() for name in ("length", "noise"))
    task = frame["task"].to_numpy()
    design = np.column_stack(
        [
            np.ones(200),
            *((one - one.mean()) / one.std() for one in (length, noise)),
            *((task == name).astype(float) for name in ("long", "short")),
        ]
    )
    half = np.random.default_rng(0).permutation(200) % 2
    # A penalty is a row of its own, which says that the coefficient is 0.
    rows = np.diag([0.0, 1.0, 1.0, 1.0, 1.0])
    for name in ("score", "cost"):
        value = frame[name].to_numpy()
        for place, model in enumerate(order):
            mine = frame["model"].to_numpy() == f"m{place}"
            predicted = np.empty(200)
            for side in (0, 1):
                seen = mine & (half != side)
                left = np.vstack([design[seen], rows])
                right = np.append(value[seen], np.zeros(5))
                beta = np.linalg.lstsq(left, right, rcond=None)[0]
                predicted[half == side] = design[half == side] @ beta
            expected = predicted.mean()
            if method == "doubly robust":
                weight = 1.0 / frame["propensity"].to_numpy()[mine]
                expected += weight @ (value - predicted)[mine] / weight.sum()
            assert getattr(found, name)[model] == pytest.approx(expected, rel=1e-9)


def test_the_best_method_is_taken_and_features_stay_with_the_outcomes() -> None:
    frame = log_of(np.random.default_rng(0), 60, "logged")
    read = fr.read_outcomes(frame, features="len*")
    assert read.features == ("length",)
    assert read.frame["feature.length"].to_list() == frame["length"].to_list()
    assert read.estimate(2).method == "doubly robust"
    alone = fr.read_outcomes(frame.drop("task"), features="length").estimate(2)
    assert alone.method == "doubly robust"
    found = fr.read_outcomes(frame.drop("propensity"), features="length").estimate(2)
    assert found.method == "by features"
    assert any("depended on more than these" in note for note in found.notes)
    with pytest.raises(ValueError, match=r"'by features' needs columns.*features=\["):
        fr.read_outcomes(frame).estimate(2, method="by features")
    advice = fr.advise(frame, max_deployed=2, draws=20, features=["length"])
    assert advice.problem.models == read.models


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ("lenght", "did you mean 'length'"),
        (["score"], "'score', which is no feature"),
        (["task"], "'task' holds"),
        ([], "names no column"),
    ],
)
def test_what_is_no_feature_is_refused(features: Any, said: str) -> None:
    frame = log_of(np.random.default_rng(0), 30, "none")
    with pytest.raises(ValueError, match=said):
        fr.read_outcomes(frame, features=features)


def test_features_that_differ_between_models_are_refused() -> None:
    rows = [
        {
            "query": f"q{q}",
            "model": m,
            "score": 0.5,
            "cost": 1.0,
            "length": q + (m == "b") * (q == 7),
        }
        for q in range(9)
        for m in "ab"[: 1 + (q > 4)]
    ]
    with pytest.raises(ValueError, match="those of query 'q7' differ from row to row"):
        fr.read_outcomes(rows, features="length").estimate(2)
    board = [{"model": "a", "score": 0.5, "cost": 1.0, "length": 1.0}]
    with pytest.raises(ValueError, match="a leaderboard, which has no queries"):
        fr.read_outcomes(board, features="length")


def test_a_model_of_which_nothing_is_known_is_nan_and_few_rows_are_no_error() -> None:
    frame = log_of(np.random.default_rng(1), 40, "logged")
    more = pl.DataFrame({**frame[0].to_dict(as_series=False), "query": ["x"], "model": ["new"]})
    none = more.with_columns(
        query=pl.lit("y"), model=pl.lit("none"), score=pl.lit(None, pl.Float64)
    )
    found = fr.read_outcomes(pl.concat([frame, more, none]), features="length").estimate(20)
    assert np.isnan(found.score[found.models.index("none")])
    assert np.isfinite(np.delete(found.score_draws, found.models.index("none"), axis=1)).all()


def test_random_groups_of_queries_spread_as_queries_do(monkeypatch: pytest.MonkeyPatch) -> None:
    read = fr.read_outcomes(log_of(np.random.default_rng(5), 3000, "logged"), features="length")
    single = read.estimate(1000)
    monkeypatch.setattr(bootstrap, "_MOST_DRAWN", 1000)
    grouped = read.estimate(1000)
    np.testing.assert_allclose(grouped.score, single.score, rtol=1e-9)
    spread = [found.score_draws.std(axis=0) for found in (grouped, single)]
    np.testing.assert_allclose(spread[0], spread[1], rtol=0.15)


def covered(propensity: str, method: Method, logs: int, draws: int) -> tuple[F8, F8]:
    """Return which intervals cover the truth, [logs, 2, 3], and by how much scores are off."""
    rng = np.random.default_rng(2026)
    hits, errors = np.empty((logs, 2, 3)), np.empty((logs, 3))
    for at in range(logs):
        found, order = estimated(log_of(rng, 1500, propensity), method, draws, at)
        for which, ends in enumerate((found.score_interval, found.cost_interval)):
            low, high = ends[order].T
            hits[at, which] = (low <= TRUTH[which]) & (TRUTH[which] <= high)
        errors[at] = found.score[order] - TRUTH[0]
    return hits, errors


@pytest.mark.parametrize(
    ("propensity", "method"), [("none", "by features"), ("wrong", "doubly robust")]
)
def test_features_take_a_bias_away_that_tasks_leave(propensity: str, method: Method) -> None:
    _, errors = covered(propensity, method, logs=20, draws=2)
    assert np.abs(errors.mean(axis=0)).max() < 0.015
    _, biased = covered("none", "by task", logs=20, draws=2)
    assert np.abs(biased.mean(axis=0)).max() > 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("propensity", "method"),
    [("none", "by features"), ("wrong", "doubly robust"), ("logged", "doubly robust")],
)
def test_intervals_cover_the_truth_95_times_of_100(propensity: str, method: Method) -> None:
    hits, errors = covered(propensity, method, logs=400, draws=400)
    coverage = hits.mean(axis=(0, 2))
    assert ((coverage >= 0.93) & (coverage <= 0.97)).all(), coverage
    # The mean error is none, within its own error.
    assert (np.abs(errors.mean(axis=0)) < 4.0 * errors.std(axis=0) / 20.0).all()
