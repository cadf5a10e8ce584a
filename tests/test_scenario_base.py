import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.scenarios import (
    Bernoulli,
    Beta,
    FixedCost,
    Lognormal,
    Recorded,
    Scenario,
    UniformCost,
)
from fastroute.scenarios.optimum import optimum, surely_feasible


def build(**changes: Any) -> Scenario:
    """Return a small scenario with some arguments changed."""
    arguments: dict[str, Any] = {"reward_mean": [0.2, 0.8], "cost_mean": [1.0, 2.0]}
    return Scenario(**{**arguments, **changes})


def by_task(**changes: Any) -> dict[str, Any]:
    """Return arguments for rewards by task, as a table of a study has them."""
    table = {"name": "by_task", "weight": [3.0, 1.0], "mean": [[0.0, 1.0], [0.4, 0.2]]}
    return {"reward_mean": None, "reward": {**table, **changes}}


SCORE = [[0.0, 1.0], [1.0, 0.5], [0.5, 0.0]]
COST = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
TABLE: dict[str, Any] = {
    "reward_mean": None,
    "cost_mean": None,
    "outcomes": Recorded(SCORE, COST),
}
LOGNORMAL = {"name": "lognormal", "sigma": 1.0}

# Arguments that are refused, and what the message must say: field, value and remedy.
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"reward_mean": [0.2, 1.2]}, ["reward_mean[1] = 1.2", "[0, 1]", "rescale"]),
    ({"reward_mean": [-0.2, 0.2]}, ["reward_mean[0] = -0.2", "[0, 1]"]),
    ({"reward_mean": [np.nan, 0.2]}, ["reward_mean", "nan", "replace"]),
    ({"reward_mean": [0.2]}, ["cost_mean has 2 models", "reward_mean has 1"]),
    ({"reward_mean": []}, ["reward_mean", "(0,)", "non-empty"]),
    ({"reward_mean": [["a", "b"]]}, ["reward_mean", "numbers"]),
    ({"reward_mean": [[0.1, 0.2], [0.3]]}, ["reward_mean", "equal length"]),
    ({"reward_mean": [[[0.2, 0.2]]]}, ["reward_mean", "(1, 1, 2)"]),
    ({"reward_mean": None}, ["reward_mean=None", "pass"]),
    ({"cost_mean": None}, ["cost_mean=None", "pass"]),
    ({"cost_mean": [1.0, -2.0]}, ["cost_mean[1] = -2", ">= 0"]),
    ({"cost_mean": [1.0, np.inf]}, ["cost_mean", "inf", "replace"]),
    (
        {"reward_mean": [[0.1, 0.2]] * 3, "cost_mean": [[1.0, 1.0]] * 2},
        ["cost_mean has 2 trials", "reward_mean has 3"],
    ),
    ({"limit": 0.0}, ["limit[0] = 0", "(0, 1]"]),
    ({"limit": [0.5, 1.5]}, ["limit[1] = 1.5", "use 1"]),
    ({"limit": [0.5] * 3}, ["limit has 3", "2 models"]),
    ({"arrival": [0, -1]}, ["arrival[1] = -1", "from 0"]),
    ({"arrival": [0, 2.5]}, ["arrival[1] = 2.5", "arrival_unit='horizon'"]),
    ({"arrival": [0, np.inf]}, ["arrival[1] = inf", "drop"]),
    ({"arrival": [0, np.nan]}, ["arrival[1] = nan"]),
    ({"arrival": [1, 2]}, ["arrival", "arrives at 1", "at least one"]),
    ({"arrival": [0]}, ["arrival", "(1,)", "(2,)"]),
    ({"arrival": [0, 2], "arrival_unit": "horizon"}, ["arrival[1] = 2", "arrival_unit='round'"]),
    ({"arrival": [0, 5], "retirement": [9, 5]}, ["retirement[1] = 5", "arrival[1] = 5", "None"]),
    ({"retirement": [3, -1]}, ["retirement[1] = -1"]),
    ({"arrival_unit": "rounds"}, ["arrival_unit='rounds'", "'round'"]),
    ({"horizon": 0}, ["horizon=0", ">= 1"]),
    ({"horizon": 2.5}, ["horizon=2.5", "whole"]),
    ({"reward": "bernouli"}, ["reward='bernouli'", "'bernoulli'"]),
    ({"cost": "log-normal"}, ["cost='log-normal'", "'lognormal'"]),
    ({"cost": FixedCost}, ["cost=", "FixedCost(...)"]),
    ({"reward": FixedCost()}, ["reward=FixedCost()", "RewardLaw", "bernoulli"]),
    ({"cost": "no_such_module:Law"}, ["cost='no_such_module:Law'", "PYTHONPATH"]),
    ({"cost": "math:sqrt"}, ["cost='math:sqrt'", "subclass of fastroute.CostLaw"]),
    ({"cost_range": (0.0, 2.0)}, ["cost_range=(0.0, 2.0)", "[0.5, 3]", "widen"]),
    ({"cost_range": (0.6, 3.0)}, ["cost_range=(0.6, 3.0)", "[0.5, 3]", "widen"]),
    ({"cost_range": (2.0, 1.0)}, ["cost_range=(2.0, 1.0)", "c_min <= c_max"]),
    ({"cost_range": (0.0, 0.0), "cost_mean": [0.0, 0.0]}, ["cost_range", "c_max > 0"]),
    ({"cost_range": (0.0, 1.0, 2.0)}, ["cost_range", "pair"]),
    ({"cost_range": 3.0}, ["cost_range=3.0", "pair (c_min, c_max)"]),
    ({"cost_range": "ab"}, ["cost_range='ab'", "pair"]),
    ({"cost_mean": np.ma.array([1.0, 9.0], mask=[False, True])}, ["cost_mean", "1 masked"]),
    ({"cost_mean": np.array(["2020-01-01"] * 2, "M8[D]")}, ["cost_mean", "array of numbers"]),
    ({"reward_mean": ["0.5", "0.6"]}, ["reward_mean", "array of numbers"]),
    (
        {"cost": LOGNORMAL, "cost_range": (0.0, 2.1)},
        ["cost_range=(0.0, 2.1)", "c_max >= 2.22"],
    ),
    (
        {"cost": LOGNORMAL, "cost_mean": [0.0, 1.0]},
        ["cost_mean[0] = 0", "cost='fixed'"],
    ),
    ({"cost": "lognormal"}, ["cost='lognormal' needs sigma", "pass", "Lognormal(sigma=...)"]),
    ({"cost": {**LOGNORMAL, "sigma": 0.0}}, ["cost='lognormal'", "sigma=0.0", "> 0"]),
    ({"cost": {"name": "uniform", "sigma": 1.0}}, ["cost='uniform'", "'sigma'", "valid: (none)"]),
    ({"cost": {**LOGNORMAL, "sgma": 1.0}}, ["'sgma'", "did you mean 'sigma'"]),
    ({"reward": "beta"}, ["reward='beta' needs concentration", "pass"]),
    ({"reward": {"name": "beta", "concentration": np.nan}}, ["reward='beta'", "concentration=nan"]),
    (
        {"reward": {"name": "bernoulli", "concentration": 2.0}},
        ["reward='bernoulli'", "'concentration'"],
    ),
    (
        {"reward": Beta(2.0), "reward_mean": [[0.1, 0.2]] * 3},
        ["reward=Beta(concentration=2.0)", "one row per trial", "'bernoulli'"],
    ),
    ({"reward": "by_task"}, ["reward='by_task' needs weight and mean", "pass"]),
    ({"reward": {"name": "beta", "mean": [[0.1, 0.2]]}}, ["reward='beta'", "'mean'"]),
    ({**by_task(), "reward_mean": [0.5, 0.5]}, ["reward_mean=[0.5, 0.5]", "ByTask", "omit"]),
    ({**by_task(), "reward_mean": [0.5]}, ["reward_mean=[0.5]", "omit"]),
    (by_task(weight=[1.0]), ["by_task", "mean has 2 rows", "1 entries"]),
    (by_task(weight=[1.0, -1.0]), ["by_task", "weight[1] = -1"]),
    (by_task(weight=[0.0, 0.0]), ["by_task", "weight", "positive"]),
    (by_task(mean=[[0.0, 2.0], [0.4, 0.2]]), ["by_task", "mean[(0, 1)] = 2"]),
    ({**TABLE, "reward": "beta"}, ["reward='beta'", "both", "drop reward"]),
    ({**TABLE, "cost": "uniform"}, ["cost='uniform'", "both", "drop cost"]),
    ({"outcomes": SCORE}, ["outcomes=", "Recorded(score, cost)"]),
    ({**TABLE, "cost_mean": [1.0, 1.0]}, ["cost_mean", "Recorded", "omit"]),
    ({**TABLE, "cost_range": (2.0, 6.0)}, ["cost_range=(2.0, 6.0)", "[1, 6]"]),
    ({"models": ["a"]}, ["models has 1", "2 models"]),
    ({"models": ["a", "a"]}, ["models", "'a'", "unique"]),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_bad_arguments_are_refused_with_field_value_and_remedy(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        build(**changes)
    message = str(error.value)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cost": [[1.0, 2.0]]}, ["cost", "(1, 2)", "(3, 2)", "pass one cost per score"]),
        ({"cost": [[1.0, -2.0]] * 3}, ["cost[(0, 1)] = -2", ">= 0"]),
        ({"score": [[1.0, 2.0]] * 3}, ["score[(0, 1)] = 2", "[0, 1]"]),
        ({"order": "iidd"}, ["order='iidd'", "'iid'"]),
    ],
)
def test_bad_records_are_refused_with_field_value_and_remedy(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        Recorded(**{"score": SCORE, "cost": COST, **changes})
    message = str(error.value)
    assert [word for word in words if word not in message] == []


def test_defaults() -> None:
    scenario = build()
    assert scenario.models == ("model-0", "model-1")
    assert scenario.n_models == 2
    assert scenario.instances == 1
    assert scenario.cost_range == (0.5, 3.0)
    assert (scenario.limit == 1.0).all()
    assert (scenario.arrival == 0).all()
    assert scenario.retirement is None
    assert "custom" in repr(scenario)


def test_arrays_are_copies_and_frozen() -> None:
    reward = np.array([0.2, 0.8])
    scenario = build(reward_mean=reward)
    reward[0] = 0.9
    assert scenario.reward_mean[0] == 0.2
    with pytest.raises(ValueError, match="read-only"):
        scenario.reward_mean[0] = 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenario.name = "other"  # type: ignore[misc]


def test_replace_and_pickle_keep_everything() -> None:
    scenario = build(**by_task(), limit=[0.5, 0.9], retirement=[None, 7])
    copies = (dataclasses.replace(scenario), pickle.loads(pickle.dumps(scenario)))
    for copy in copies:
        for field in dataclasses.fields(Scenario):
            np.testing.assert_array_equal(getattr(copy, field.name), getattr(scenario, field.name))
    assert dataclasses.replace(scenario, name="other").name == "other"


@pytest.mark.parametrize(
    ("law", "costs", "expected"),
    [
        ("uniform", [1.0, 2.0], (0.5, 3.0)),
        ("fixed", [1.0, 2.0], (1.0, 2.0)),
        ("uniform", [0.0, 2.0], (0.0, 3.0)),
        ("fixed", [0.0, 0.0], (0.0, 1.0)),
    ],
)
def test_default_cost_range_is_the_support(
    law: Any, costs: list[float], expected: tuple[float, float]
) -> None:
    assert build(cost=law, cost_mean=costs).cost_range == expected


def test_default_cut_of_the_lognormal_law_is_its_quantile() -> None:
    scenario = build(cost=Lognormal(sigma=0.5))
    median = 2.0 * np.exp(-0.125)
    assert scenario.cost_range == (0.0, pytest.approx(median * np.exp(3.0902 * 0.5), rel=1e-4))
    # Very wide laws have quantiles below their mean; the cut stays above it.
    assert build(cost=Lognormal(sigma=9.0)).cost_range[1] > 2.0


def test_resolve_gives_contiguous_arrays_for_every_law() -> None:
    scenarios = [
        build(),
        build(reward_mean=[[0.1, 0.2]] * 3),
        build(cost_mean=[[1.0, 2.0]] * 3, cost="fixed"),
        build(reward=Beta(concentration=3.0)),
        build(cost=Lognormal(sigma=1.0)),
        build(**by_task()),
        build(**TABLE),
    ]
    for scenario in scenarios:
        world = scenario.resolve(100, 3)
        rows = scenario.instances
        assert world.reward_mean.shape == world.cost_mean.shape == (rows, 2)
        for law in (world.reward, world.cost):
            assert law.table.shape[1] == (0 if law.kernel == "elementwise" else 2)
            assert (law.draw is not None) == (law.kernel == "elementwise")
            assert law.task_alias.dtype == np.int64
        for array in (*world, *world.reward, *world.cost):
            if isinstance(array, np.ndarray):
                assert array.flags.c_contiguous
                assert array.dtype in (np.float64, np.int64)
        assert world.arrival.dtype == world.retirement.dtype == np.int64
        assert (world.retirement == 100).all()


def test_resolve_bernoulli_uniform() -> None:
    world = build(cost_range=(0.0, 5.0)).resolve(10, 1)
    assert (world.reward.draw, world.cost.draw) == (Bernoulli.draw, UniformCost.draw)
    assert (world.cost_min, world.cost_max) == (0.0, 5.0)
    assert world.reward.kernel == world.cost.kernel == "elementwise"
    assert world.reward.table.shape == world.cost.table.shape == (0, 0)
    assert build(cost="fixed").resolve(10, 1).cost.draw is FixedCost.draw


def test_resolve_tables_keep_the_means() -> None:
    scenario = build(reward=Beta(concentration=3.0), cost=Lognormal(sigma=1.0))
    world = scenario.resolve(10, 1)
    assert world.reward.kernel == world.cost.kernel == "atoms"
    np.testing.assert_allclose(world.reward.table.mean(axis=0), [0.2, 0.8], rtol=1e-12)
    np.testing.assert_allclose(world.cost.table.mean(axis=0), [1.0, 2.0], rtol=1e-12)
    assert world.cost.table.max() <= world.cost_max


def test_resolve_tasks() -> None:
    scenario = build(**by_task())
    np.testing.assert_allclose(scenario.reward_mean, [0.1, 0.8])
    world = scenario.resolve(10, 1)
    assert world.reward.kernel == "by_task"
    assert world.reward.task_prob.shape == world.reward.task_alias.shape == (2,)
    np.testing.assert_array_equal(world.reward.table, by_task()["reward"]["mean"])
    # Means that agree may be given.
    assert build(**{**by_task(), "reward_mean": [0.1, 0.8]}).n_models == 2


@pytest.mark.parametrize("order", ["iid", "table"])
def test_resolve_replay(order: Any) -> None:
    scenario = build(**{**TABLE, "outcomes": Recorded(SCORE, COST, order=order)})
    assert scenario.cost_range == (1.0, 6.0)
    np.testing.assert_allclose(scenario.reward_mean, [0.5, 0.5])
    np.testing.assert_allclose(scenario.cost_mean, [3.0, 4.0])
    world = scenario.resolve(10, 1)
    kernel = "replay_in_order" if order == "table" else "replay"
    assert world.reward.kernel == world.cost.kernel == kernel
    np.testing.assert_array_equal(world.cost.table, COST)


def test_resolve_refuses_what_does_not_fit() -> None:
    scenario = build(reward_mean=[[0.1, 0.2]] * 3)
    with pytest.raises(ValueError, match="trials=4 but the scenario has 3 instances"):
        scenario.resolve(10, 4)
    with pytest.raises(ValueError, match="horizon=0 must be a whole number >= 1"):
        scenario.resolve(0, 3)
    with pytest.raises(ValueError, match=r"trials=2\.5 must be a whole number"):
        scenario.resolve(10, 2.5)  # type: ignore[arg-type]
    tight = build(cost=LOGNORMAL, cost_range=(0.5, 50.0))
    with pytest.raises(ValueError, match=r"cost_range=\(0\.5, 50\.0\) .* lower c_min"):
        tight.resolve(10, 1)


def test_times_in_rounds() -> None:
    world = build(arrival=[0, 30], retirement=[20, None]).resolve(100, 1)
    assert world.arrival.tolist() == [0, 30]
    assert world.retirement.tolist() == [20, 100]
    # A model that comes after the end is never available.
    short = build(arrival=[0, 30], retirement=[20, None]).resolve(10, 1)
    assert short.arrival.tolist() == [0, 10]
    assert short.retirement.tolist() == [10, 10]


def test_times_in_fractions_of_the_horizon() -> None:
    scenario = build(arrival=[0.0, 0.29], retirement=[0.5, None], arrival_unit="horizon")
    world = scenario.resolve(100, 1)
    assert world.arrival.tolist() == [0, 29]
    assert world.retirement.tolist() == [50, 100]
    with pytest.raises(ValueError, match="horizon=1 is too short: model 'model-0'"):
        scenario.resolve(1, 1)


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6),
    st.integers(1, 10**9),
)
def test_arrivals_stay_within_any_horizon(later: list[float], horizon: int) -> None:
    size = len(later) + 1
    scenario = Scenario([0.5] * size, [1.0] * size, arrival=[0.0, *later], arrival_unit="horizon")
    world = scenario.resolve(horizon, 1)
    assert (world.arrival >= 0).all()
    assert (world.arrival <= world.retirement).all()
    assert (world.retirement == horizon).all()
    assert (np.abs(world.arrival - np.array([0.0, *later]) * horizon) <= 1.0 + 1e-6).all()


def test_a_scenario_tied_to_a_horizon_refuses_another() -> None:
    tied = build(horizon=100, name="tied")
    assert tied.resolve(100, 3).retirement.tolist() == [100, 100]
    with pytest.raises(ValueError, match=r"horizon=99 but scenario 'tied' .* horizon=100; build"):
        tied.resolve(99, 3)
    assert build().horizon is None


@given(st.data())
def test_what_is_surely_feasible_is_feasible(data: st.DataObject) -> None:
    size, instances = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    shape = (instances, size)
    count = instances * size

    def numbers(count: int, least: float, most: float) -> list[float]:
        values = st.sampled_from([least, most, 0.5 * (least + most)]) | st.floats(least, most)
        return data.draw(st.lists(values, min_size=count, max_size=count))

    scenario = Scenario(
        np.reshape(numbers(count, 0.0, 1.0), shape),
        np.reshape(numbers(count, 0.0, 2.0), shape),
        limit=numbers(size, 0.1, 1.0),
        arrival=[0, *data.draw(st.tuples(*[st.sampled_from([0, 5])] * (size - 1)))],
    )
    world = scenario.resolve(10, instances)
    max_deployed = data.draw(st.integers(1, size))
    budget = data.draw(st.floats(0.0, 3.0))
    first = (world.arrival <= 0)[None, :]
    found = optimum(world, first, budget, max_deployed, "numba")
    sure = surely_feasible(world, budget, max_deployed)
    assert not sure or (found.status == 0).all()
    # Where all traffic fits to the cheapest model and the budget is ample, nothing is left to ask.
    assert sure or (world.limit < 1.0).any() or budget < 2.1
