"""Queries with features: ridge updates, trajectories, `linear`, `replay` with features."""

import math
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.kernels import codes
from fastroute.kernels.jax_ import ridge
from fastroute.kernels.normal import normal
from fastroute.kernels.numba_.compile import compiled
from fastroute.kernels.numba_.ridge import _follow, _list
from fastroute.kernels.ref.estimators import learn_ridge
from fastroute.kernels.ref.rng import uniforms
from fastroute.scenarios import SCENARIOS, save_scenario
from fastroute.simulation import api, engine
from fastroute.study.build import with_full_paths

DATES = {"new": "2024-06-01", "old": "2023-01-01", "mid": "2023-05-01"}
SCRATCH = 600  # numbers that the updates of ridge regression work on
DOCS = Path(__file__).parent.parent / "docs"


@compiled
def follow_all(kept, x, rewards, scratch):
    """Let P and theta follow many rewards."""
    d = np.uint64(x.shape[1])
    flat = x.ravel()
    for t in range(len(rewards)):
        _list(kept, np.uint64(0), flat, np.uint64(t) * d, d, rewards[t], scratch, np.uint64(0))
        _follow(kept, d, scratch, np.uint64(0))


@pytest.mark.parametrize("size", [8, 16, 64])
def test_updates_are_the_solution_of_the_normal_equations(size: int) -> None:
    draw = np.random.default_rng(size)
    count = 100_000
    x = draw.normal(size=(count, size)) / math.sqrt(size)
    rewards = draw.random(count)
    kept = np.zeros((size + 1, size))
    kept[:-1] = np.eye(size)
    follow_all(kept.reshape(-1), x, rewards, np.zeros(SCRATCH))
    gram = np.eye(size) + x.T @ x
    np.testing.assert_allclose(kept[-1], np.linalg.solve(gram, x.T @ rewards), rtol=0, atol=1e-10)
    np.testing.assert_allclose(kept[:-1], np.linalg.inv(gram), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(kept[:-1], kept[:-1].T)


def test_updates_of_both_rooms_are_the_same_to_the_bit() -> None:
    draw = np.random.default_rng(0)
    x, rewards = draw.normal(size=(300, 24)), draw.random(300)
    kept = np.zeros((2, 25, 24))
    kept[:, :-1] = np.eye(24)
    follow_all(kept[0].reshape(-1), x, rewards, np.zeros(SCRATCH))
    for row, reward in zip(x, rewards, strict=True):
        learn_ridge(kept[1], row, float(reward))
    np.testing.assert_array_equal(kept[0], kept[1])


def test_updates_on_jax_are_the_same_to_the_bit() -> None:
    draw = np.random.default_rng(1)
    x, rewards = draw.normal(size=(100, 3, 16)), draw.random((100, 3))
    kept = np.zeros((2, 3, 17, 16))
    kept[:, :, :-1] = np.eye(16)
    slots = draw.integers(0, 3, size=(100, 3))  # of two, so that 2 is for no pull

    @jax.jit
    def follow(inverse: Any, theta: Any, x: Any, slot: Any, reward: Any) -> Any:
        return ridge.follow(inverse, theta, ridge.predict(inverse, theta, x), slot, reward)

    with jax.enable_x64(True):
        learned: Any = kept[..., :-1, :], kept[..., -1, :]
        for now in range(100):
            learned = follow(*learned, x[now], slots[now], rewards[now])
    for now, lane in np.ndindex(100, 3):
        if slots[now, lane] < 2:
            learn_ridge(kept[slots[now, lane], lane], x[now, lane], float(rewards[now, lane]))
    np.testing.assert_array_equal(learned[0], kept[..., :-1, :])
    np.testing.assert_array_equal(learned[1], kept[..., -1, :])


def small_linear() -> fr.Scenario:
    return fr.scenario("linear", d=11, n_models=6, rows=40, seed=3)


def arriving(order: Any) -> fr.Scenario:
    """Recorded outcomes with features; costs go with the queries."""
    draw = np.random.default_rng(8)
    x = draw.normal(size=(31, 5))
    score = np.clip(0.5 + 0.3 * x @ draw.normal(size=(5, 5)), 0.0, 1.0)
    cost = 0.5 + np.abs(x[:, :1]) * np.arange(1, 6)
    return fr.Scenario(
        limit=0.6, arrival=[0, 0, 0, 90, 200], outcomes=fr.Recorded(score, cost, order, x)
    )


# By default every router plays in one world, and one router in all.
@pytest.mark.parametrize("estimator", [fr.Linear(), fr.LinearThompson(init="forced", init_pulls=2)])
@pytest.mark.parametrize(
    ("router", "world"),
    [
        pytest.param(
            r, w, marks=[] if w == "linear" or r == "drift_plus_penalty" else pytest.mark.slow
        )
        for r in ("lp", "drift_plus_penalty", "epsilon_greedy", "elimination")
        for w in ("linear", "iid", "table")
    ],
)
def test_trajectories_are_the_same_in_all_rooms(estimator: Any, router: str, world: str) -> None:
    scenario = small_linear() if world == "linear" else arriving(world)
    policy = fr.Policy(estimator=estimator, router=router)
    settings: Any = {"horizon": 300, "budget": 3.0, "max_deployed": 4, "trials": 3, "seed": 7}
    plain, compiled = (
        fr.simulate(scenario, policy, backend=backend, trace=True, **settings)
        for backend in ("ref", "numba")
    )
    np.testing.assert_array_equal(plain.picks, compiled.picks)
    for name, values in plain.finals.items():
        np.testing.assert_allclose(compiled.finals[name], values, rtol=1e-9, atol=1e-9)


class ByHand:
    """One model a query, the one of highest U, by ridge regressions that are solved anew."""

    def __init__(self, scenario: fr.Scenario, beta: float, ridge: float) -> None:
        law: Any = scenario.reward
        self.x, self.mean = law.features, law.mean
        n, d = law.theta.shape
        self.gram = np.stack([np.eye(d) * ridge] * n)
        self.sums, self.count = np.zeros((n, d)), np.zeros(n)
        self.beta = beta

    def play(self, now: int, seed: int) -> int:
        _, u_reward, _, u_query = uniforms(seed, now, 0, 0, codes.STREAM_ROUND)
        row = int(u_query * len(self.x))
        x = self.x[row]
        upper = [
            np.linalg.solve(a, s) @ x + self.beta * math.sqrt(x @ np.linalg.solve(a, x))
            for a, s in zip(self.gram, self.sums, strict=True)
        ]
        pick = int(np.argmax(np.where(self.count < 1.0, 1.0, np.clip(upper, 0.0, 1.0))))
        self.count[pick] += 1.0
        self.gram[pick] += np.outer(x, x)
        self.sums[pick] += x * (u_reward < self.mean[row, pick])
        return pick


def test_picks_are_those_of_regressions_that_are_solved_anew() -> None:
    scenario = fr.scenario("linear", d=5, n_models=4, rows=60, limit=1.0, cost="fixed")
    policy = fr.Policy(estimator=fr.Linear(beta=0.3, ridge=2.0), router="greedy")
    run = fr.simulate(
        scenario, policy, horizon=400, budget=100.0, max_deployed=4, stages=1, trials=1, trace=True
    )
    again = ByHand(scenario, 0.3, 2.0)
    picks = [again.play(now, 0) for now in range(400)]
    # Models are deployed before anything is known of them: all four, as there are four slots.
    assert set(run.stage_sets[0, 0].tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(run.picks[0], picks)


def test_linear_has_the_means_it_says() -> None:
    scenario = fr.scenario("linear", d=6, n_models=5, rows=3000, spread=0.1)
    law: Any = scenario.reward
    assert law.features.shape == (3000, 6)
    np.testing.assert_allclose((law.features**2).sum(axis=1), 1.0)
    mean = np.clip(law.features @ law.theta.T, 0.0, 1.0)
    np.testing.assert_allclose(law.mean, mean, atol=1e-12)
    np.testing.assert_allclose(scenario.reward_mean, mean.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(scenario.reward_mean, np.linspace(0.45, 0.65, 5), atol=0.01)
    np.testing.assert_allclose(mean.std(axis=0), 0.1, atol=0.01)
    assert fr.scenario("linear", seed=1).reward != fr.scenario("linear", seed=2).reward
    # A larger table begins with the smaller one.
    more: Any = fr.scenario("linear", d=6, n_models=5, rows=3100, spread=0.1).reward
    np.testing.assert_array_equal(more.features[:3000], law.features)


def test_rewards_have_the_mean_of_the_row() -> None:
    scenario = fr.scenario("linear", d=4, n_models=3, rows=20)
    run = fr.simulate(
        scenario, fr.Policy(estimator="linear"), horizon=2000, budget=8.0, max_deployed=3, trials=64
    )
    noise = run.finals["noise"]
    assert abs(noise.mean()) < 4.0 * noise.std(ddof=1) / 8.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"d": 65}, "d=65"),
        ({"d": 1}, "d=1"),
        ({"rows": 0}, "rows=0"),
        ({"spread": -0.1}, "spread=-0.1"),
        ({"price_ratio": 0.5}, "price_ratio=0.5"),
        ({"limit": 0.05}, "limit=0.05"),
    ],
)
def test_options_of_linear(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        SCENARIOS["linear"](**options)


def test_laws_refuse_features_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="65 columns; pass 1 to 64"):
        fr.ByFeatures(np.ones((3, 65)), np.ones((2, 65)))
    with pytest.raises(ValueError, match="theta has 3 columns but features has 2"):
        fr.ByFeatures(np.ones((3, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="features has 2 rows, but there are 3 queries"):
        fr.Recorded(np.ones((3, 2)), np.ones((3, 2)), features=np.ones((2, 2)))


def test_a_world_without_features_is_refused() -> None:
    policy = fr.Policy(estimator="linear")
    with pytest.raises(ValueError, match="needs a scenario whose queries have features"):
        fr.simulate(fr.scenario("sota"), policy, horizon=10, budget=3.0, max_deployed=3)
    with pytest.raises(ValueError, match="leave resolve_every at 1"):
        fr.Policy(estimator="linear", router={"name": "lp", "resolve_every": 2})


def test_too_much_to_remember_is_refused() -> None:
    scenario = fr.scenario("linear", d=64, n_models=600, rows=2)
    with pytest.raises(ValueError, match=r"600 models with 64 features take 19 MiB"):
        fr.simulate(
            scenario, fr.Policy(estimator="linear"), horizon=2, budget=9.0, max_deployed=3, trials=1
        )


def test_much_to_remember_makes_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = fr.Policy(estimator="linear")
    settings: Any = {"horizon": 40, "budget": 3.0, "max_deployed": 4, "trials": 200, "threads": 1}
    whole = fr.simulate(small_linear(), policy, **settings)
    sizes: list[int] = []

    def run_chunk(task: Any, first: int, trials: int, report: Any) -> Any:
        sizes.append(trials)
        return engine.run_chunk(task, first, trials, report)

    monkeypatch.setattr(api, "run_chunk", run_chunk)
    # Six models with 11 features, which take the room of 16.
    monkeypatch.setattr(api, "CONTEXTS", 6 * 17 * 16 * 8 * 130)
    parts = fr.simulate(small_linear(), policy, **settings)
    assert sizes[-2:] == [128, 72]
    np.testing.assert_array_equal(parts.finals["regret"], whole.finals["regret"])


def test_saved_scenarios_keep_features(tmp_path: Path) -> None:
    for scenario in (small_linear(), arriving("iid")):
        save_scenario(scenario, tmp_path / "world.npz")
        read = fr.scenario("saved", file=tmp_path / "world.npz")
        assert (read.reward, read.outcomes) == (scenario.reward, scenario.outcomes)


# --- replay -----------------------------------------------------------------------------------


def outcomes(queries: int = 4, **columns: Any) -> pl.DataFrame:
    """Return a clean table of outcomes of three models, with features of the queries."""
    rows = [
        (f"q{query}", model, (query + place) % 3 / 2.0, 1.0 + place, query / 4.0, -float(query))
        for query in range(queries)
        for place, model in enumerate(DATES)
    ]
    names = ["query", "model", "score", "cost", "emb_0", "emb_1"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(**columns)


def replay(table: Any, features: Any = ("emb_*",), **options: Any) -> Any:
    return fr.scenario("replay", outcomes=table, models=DATES, features=features, **options)


def test_replay_keeps_features_of_every_query() -> None:
    x = [[1.0, q / 4.0, -q] for q in range(4)]
    np.testing.assert_array_equal(replay(outcomes()).outcomes.features, x)
    np.testing.assert_array_equal(
        replay(outcomes(), ["emb_1", "emb_*"], intercept=False).outcomes.features,
        [[-q, q / 4.0] for q in range(4)],
    )
    world = replay(outcomes()).resolve(10, 1)
    assert world.reward.features.shape == (4, 8)
    assert (world.reward.features[:, 3:] == 0.0).all()
    assert replay(outcomes(), None).outcomes.features is None


def test_replay_takes_features_from_a_table_of_queries() -> None:
    table = outcomes().drop("emb_0", "emb_1")
    queries = pl.DataFrame({"query": ["q3", "other", "q1", "q0", "q2"], "size": [3, 9, 1, 0, 2]})
    built = replay(table, "size", queries=queries)
    np.testing.assert_array_equal(built.outcomes.features[:, 1], [0.0, 1.0, 2.0, 3.0])
    # Whole numbers as text, as in CSV files.
    built = replay(table, "size", queries=queries.with_columns(pl.col("size").cast(pl.String)))
    np.testing.assert_array_equal(built.outcomes.features[:, 1], [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="queries: query 'q0' has no row"):
        replay(table, "size", queries=queries.filter(pl.col("query") != "q0"))
    with pytest.raises(ValueError, match="queries without features"):
        replay(table, None, queries=queries)


def test_dropped_queries_take_their_features_along() -> None:
    table = outcomes(score=pl.when(pl.int_range(12) == 4).then(None).otherwise(pl.col("score")))
    built = replay(table, missing="drop")
    np.testing.assert_array_equal(built.outcomes.features[:, 2], [0.0, -2.0, -3.0])


@pytest.mark.parametrize(
    ("columns", "features", "words"),
    [
        ({}, ["embd_*"], "'embd_*' finds no column of the table of outcomes"),
        ({}, [], "features=[] names no column"),
        ({}, [0], 'features=[0] must be names of columns, or patterns; as ["emb_*"]'),
        ({}, ["score"], "finds column 'score', which is no feature"),
        ({}, ["*"], "which is no feature"),
        ({"emb_0": pl.lit("a")}, ["emb_*"], "column 'emb_0' holds 'a' in row 1"),
        (
            {"emb_0": pl.lit(float("nan"))},
            ["emb_*"],
            "column 'emb_0' has no finite number in row 1",
        ),
        ({"emb_0": pl.lit(None)}, ["emb_*"], "has no finite number"),
        ({"emb_0": pl.lit(float("inf"))}, ["emb_*"], "has no finite number"),
        ({"emb_0": pl.concat_list("cost")}, ["emb_*"], "convert it to numbers"),
        ({"emb_0": pl.col("cost")}, ["emb_*"], "the features of query 'q0' differ"),
        (
            {f"x{k}": pl.lit(1.0) for k in range(64)},
            ["x*"],
            "finds 64 columns and the constant one",
        ),
    ],
)
def test_what_is_no_feature_is_refused(columns: Any, features: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replay(outcomes(**columns), features)


def test_example_of_the_page_on_policies() -> None:
    page = (DOCS / "policies.md").read_text(encoding="utf-8")
    source = re.search(r"### By features.*?```python\n(.*?)```", page, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(source[1].replace("trials=64", "trials=8"), names)
    assert names["policy"].name == "linear"
    assert names["run"].trials["captured"].mean() > 0.2


def test_example_of_the_page_on_scenarios() -> None:
    page = (DOCS / "scenarios.md").read_text(encoding="utf-8")
    source = re.search(r"## `linear`.*?```python\n(.*?)```", page, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {"fr": fr}
    exec(source[1], names)
    assert names["theta"].shape == (10, 16)


def test_thompson_draws_one_normal_number_a_model() -> None:
    scenario = fr.scenario("linear", d=3, n_models=3, rows=5, limit=1.0)
    policy = fr.Policy(estimator=fr.LinearThompson(init="formula", deviation=0.2), router="greedy")
    run = fr.simulate(
        scenario, policy, horizon=1, budget=50.0, max_deployed=3, trials=1, seed=9, trace=True
    )
    words = uniforms(9, 0, 0, 0, codes.STREAM_POSTERIOR)
    deployed = run.stage_sets[0, 0]
    # theta is 0 at first, so that U is the larger the larger the draw is, and ||x|| is 1.
    upper = np.clip([0.2 * float(normal(np.array(u))) for u in words[:3]], 0.0, 1.0)
    assert run.picks[0, 0] == deployed[int(np.argmax(upper))]


def test_studies_know_tables_of_queries_from_anywhere(tmp_path: Path) -> None:
    options = {"outcomes": "o.csv", "models": "m.csv", "queries": "q.csv", "features": ["emb_*"]}
    full = with_full_paths("replay", options, tmp_path)
    assert full["queries"] == str(tmp_path / "q.csv")
    assert full["features"] == ["emb_*"]
