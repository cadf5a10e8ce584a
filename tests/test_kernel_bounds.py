"""Confidence bounds against the formulas of the definition, written out once more here.

The formula stands once; it is called as plain Python calls it, compiled, and on whole tables.
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy.optimize import brentq

import fastroute as fr
from fastroute.kernels.formulas import divergence, estimates
from fastroute.kernels.numba_.formulas import formula
from fastroute.policies import Estimator

RULES = ("optimistic", "formula", "prior", "forced")

_compiled = njit(error_model="numpy")(formula(estimates.bounds))


def bounds_by(
    call: Any,
    count: Any,
    sum_reward: Any,
    sum_cost: Any,
    gamma: float,
    cost_min: float,
    cost_max: float,
    init: Any,
    init_pulls: float,
) -> Any:
    """U and L as the estimator with this rule has them."""
    estimator: Estimator = fr.UCB(init=init, init_pulls=max(int(init_pulls), 1))
    below = estimator.unobserved_below
    return call((count, sum_reward, sum_cost), gamma, cost_min, cost_max, -1.0, below)


def plain(*arguments: Any) -> Any:
    return bounds_by(estimates.bounds, *arguments)


def compiled(*arguments: Any) -> Any:
    return bounds_by(_compiled, *arguments)


BOTH = pytest.mark.parametrize("bounds", [plain, compiled], ids=["python", "numba"])


def f_rad(v: float, n: float, gamma: float) -> float:
    return math.sqrt(gamma * v / n) + gamma / n


def expected(
    n: int, rewards: float, costs: float, gamma: float, c_min: float, c_max: float
) -> tuple[float, float]:
    """U and L after n observations with these sums."""
    r_bar = rewards / (n + 1)
    c_bar = costs / (n + 1) / c_max
    upper = np.clip(r_bar + 2.0 * f_rad(r_bar, n + 1, gamma), 0.0, 1.0)
    lower = np.clip(c_max * (c_bar - 2.0 * f_rad(c_bar, n + 1, gamma)), c_min, c_max)
    return float(upper), float(lower)


def draw(rng: np.random.Generator, scale: float = 1.0) -> dict[str, Any]:
    n = int(rng.choice([0, 1, 2, 3, 7, 30, 1000, 10**6]))
    c_max = scale * float(rng.uniform(0.1, 5.0))
    return {
        "count": float(n),
        "sum_reward": float(rng.choice([0.0, n * rng.random(), n])),
        "sum_cost": float(n * c_max * rng.choice([0.0, rng.random(), 1.0])),
        "gamma": float(rng.choice([0.0, 1e-3, 0.1, 1.0, 20.0])),
        "cost_min": c_max * float(rng.choice([0.0, 0.05, 0.5])),
        "cost_max": c_max,
    }


@pytest.mark.parametrize("seed", range(5))
def test_observed_models_follow_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        x = draw(rng)
        for rule in RULES:
            if x["count"] == 0.0 and rule in ("optimistic", "forced"):
                continue
            want = expected(
                int(x["count"]),
                x["sum_reward"],
                x["sum_cost"],
                x["gamma"],
                x["cost_min"],
                x["cost_max"],
            )
            for bounds in (plain, compiled):
                got = bounds(*x.values(), rule, 0.0)
                assert got[0] == pytest.approx(want[0], rel=1e-13, abs=1e-15)
                assert got[1] == pytest.approx(want[1], rel=1e-12, abs=1e-13 * x["cost_max"])


@BOTH
def test_rules_for_a_model_without_observations(bounds: Any) -> None:
    def at(rule: str, count: float = 0.0, pulls: float = 0.0) -> tuple[float, float]:
        found: tuple[float, float] = bounds(
            count, 0.5 * count, 2.0 * count, 0.1, 0.5, 4.0, rule, pulls
        )
        return found

    assert at("optimistic") == (1.0, 0.5)
    # The formulas at n = 0: U = 2 gamma, and L = c_min.
    assert at("formula") == (0.2, 0.5)
    # Forced: as if unobserved up to the given number of pulls, and not one further.
    for count in (0.0, 1.0, 2.0):
        assert at("forced", count, 3.0) == (1.0, 0.5)
    assert at("forced", 3.0, 3.0) == at("formula", 3.0)
    assert at("forced", 3.0, 3.0) != (1.0, 0.5)
    # Prior: pseudo-observations are observations; the forced count is not looked at.
    assert at("prior", 2.0, 5.0) == at("formula", 2.0)
    assert at("optimistic", 2.0, 5.0) == at("formula", 2.0)


@BOTH
def test_one_zero_reward_starves_at_a_small_gamma(bounds: Any) -> None:
    """The documented trap: gamma = 0.1, one pull without reward."""
    upper, _ = bounds(1.0, 0.0, 1.0, 0.1, 0.0, 2.0, "optimistic", 0.0)
    assert upper == pytest.approx(0.1)


@BOTH
def test_without_width_the_bounds_are_the_shrunk_means(bounds: Any) -> None:
    upper, lower = bounds(3.0, 2.0, 6.0, 0.0, 0.0, 4.0, "optimistic", 0.0)
    assert (upper, lower) == (0.5, 1.5)


@BOTH
@pytest.mark.parametrize("power", [-9, -6, -3, 3, 6, 9])
def test_the_unit_of_cost_does_not_matter(bounds: Any, power: int) -> None:
    rng = np.random.default_rng(7)
    scale = 10.0**power
    for _ in range(200):
        x = draw(rng)
        upper, lower = bounds(*x.values(), "optimistic", 0.0)
        for key in ("sum_cost", "cost_min", "cost_max"):
            x[key] *= scale
        scaled = bounds(*x.values(), "optimistic", 0.0)
        assert scaled[0] == upper
        assert scaled[1] == pytest.approx(lower * scale, rel=1e-12, abs=1e-14 * x["cost_max"])


@given(
    st.integers(0, 50),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 30.0),
    st.floats(0.0, 1.0),
    st.sampled_from([1e-9, 1.0, 3e5]),
    st.sampled_from(RULES),
    st.integers(0, 4),
)
def test_bounds_stay_in_range_and_agree_bit_for_bit(
    count: int,
    reward: float,
    cost: float,
    gamma: float,
    low: float,
    top: float,
    rule: str,
    pulls: int,
) -> None:
    arguments = (
        float(count),
        count * reward,
        count * cost * top,
        gamma,
        low * top,
        top,
        rule,
        float(pulls),
    )
    found = plain(*arguments)
    assert compiled(*arguments) == found
    assert 0.0 <= found[0] <= 1.0
    assert low * top <= found[1] <= top


@pytest.mark.parametrize("rule", RULES)
def test_batches_agree_bit_for_bit(rule: str) -> None:
    rng = np.random.default_rng(RULES.index(rule))
    shape = (17, 23)
    count = rng.integers(0, 6, shape).astype(np.float64)
    reward = count * rng.random(shape)
    cost = count * rng.random(shape) * 3.0
    rest: Any = (0.3, 0.25, 3.0, rule, 2)
    out = plain(count, reward, cost, *rest)
    for m, t in np.ndindex(shape):
        one = compiled(float(count[m, t]), float(reward[m, t]), float(cost[m, t]), *rest)
        assert (out[0][m, t], out[1][m, t]) == one
    for m, t in ((0, 0), (3, 9), (16, 22)):
        one = plain(
            float(count[m, t]), float(reward[m, t]), float(cost[m, t]), 0.3, 0.25, 3.0, rule, 2.0
        )
        assert (out[0][m, t], out[1][m, t]) == one


def test_bounds_narrow_with_observations_and_widen_with_gamma() -> None:
    at = [plain(n, 0.3 * n, 0.4 * n, 0.1, 0.0, 1.0, "optimistic", 0.0) for n in (10.0, 100.0, 1e4)]
    assert at[0][0] > at[1][0] > at[2][0] > 0.3
    assert at[0][1] < at[1][1] < at[2][1] < 0.4
    wide = plain(100.0, 30.0, 40.0, 1.0, 0.0, 1.0, "optimistic", 0.0)
    assert wide[0] > at[1][0]
    assert wide[1] < at[1][1]


# --- Bounds by Kullback-Leibler divergence ----------------------------------------------------


def kl(p: float, q: float) -> float:
    return sum(a * math.log(a / b) for a, b in ((p, q), (1.0 - p, 1.0 - q)) if a > 0.0)


@pytest.mark.parametrize("mean", [0.0, 1e-6, 0.01, 0.3, 0.5, 0.9, 1.0 - 1e-6, 1.0])
def test_divergence_bounds_are_above_the_root_and_near_it(mean: float) -> None:
    for level in 10.0 ** np.arange(-8.0, 2.0, 0.25):
        end = 1.0 - 1e-15
        root = 1.0
        if mean < 1.0 and kl(mean, end) > level:
            root = float(brentq(lambda q, at=level: kl(mean, q) - at, mean, end))
        found = divergence.divergence_bound(mean, level)
        assert root - 1e-8 <= found <= root + 1e-6
        assert mean - 1e-12 <= found <= 1.0


def test_divergence_bounds_of_a_model() -> None:
    level, low, top = math.log(1_000.0), 0.1, 4.0
    call = njit(formula(divergence.divergence_bounds))
    for seen in ((0.0, 0.0, 0.0), (1.0, 0.0, 4.0), (30.0, 27.0, 12.0), (1e5, 1e3, 2e5)):
        upper, lower = divergence.divergence_bounds(seen, level, low, top, 1.0)
        if seen[0] == 0.0:
            assert (upper, lower) == (1.0, low)
        else:
            n, reward, cost = seen[0], seen[1] / seen[0], seen[2] / seen[0]
            assert reward < upper <= 1.0
            assert low <= lower < cost
            # On the boundary of what n observations allow, on both sides.
            assert n * kl(reward, upper) == pytest.approx(level, rel=2e-3)
            if lower > low:
                at = n * kl(1.0 - cost / top, 1.0 - lower / top)
                assert at == pytest.approx(level, rel=2e-3)
        assert call(seen, level, low, top, 1.0) == pytest.approx((upper, lower), rel=1e-12)
        interval = divergence.divergence_interval(seen, level, low, top, 1.0)
        assert (interval[2] == math.inf) == (seen[0] == 0.0)
        assert interval[0] + interval[2] >= upper
        assert interval[1] - interval[3] <= lower or lower == low
