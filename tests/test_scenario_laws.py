import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

import fastroute as fr
from fastroute.kernels.formulas import where
from fastroute.scenarios.laws.alias import alias_table
from fastroute.scenarios.laws.beta import beta_strata
from fastroute.scenarios.laws.lognormal import LOGNORMAL_HEADROOM, lognormal_strata
from fastroute.scenarios.laws.strata import STRATA


def alias_weights(prob: np.ndarray, alias: np.ndarray) -> np.ndarray:
    """Return the law that an alias table draws from."""
    weight = prob / prob.size
    np.add.at(weight, alias, (1.0 - prob) / prob.size)
    return weight


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60))
def test_alias_table_reproduces_the_weights(values: list[float]) -> None:
    weight = np.array(values)
    assume(weight.sum() > 1e-3)
    prob, alias = alias_table(weight)
    assert ((prob >= 0.0) & (prob <= 1.0)).all()
    assert ((alias >= 0) & (alias < weight.size)).all()
    np.testing.assert_allclose(
        alias_weights(prob, alias), weight / weight.sum(), rtol=1e-12, atol=1e-14
    )


def test_alias_table_is_exact_on_binary_fractions() -> None:
    weight = np.array([1.0, 2.0, 4.0, 1.0])
    assert (alias_weights(*alias_table(weight)) == weight / 8.0).all()


def test_alias_table_never_draws_a_task_without_weight() -> None:
    prob, alias = alias_table(np.array([0.0, 3.0, 0.0, 1.0]))
    assert (prob[[0, 2]] == 0.0).all()
    assert set(alias[prob < 1.0].tolist()) <= {1, 3}


def test_alias_table_draws_as_the_kernels_do() -> None:
    weight = np.array([0.5, 0.2, 0.3])
    prob, alias = alias_table(weight)
    uniform = (np.arange(300_000) + 0.5) / 300_000
    column = np.floor(uniform * 3).astype(int)
    kept = uniform * 3 - column < prob[column]
    drawn = np.where(kept, column, alias[column])
    np.testing.assert_allclose(np.bincount(drawn) / drawn.size, weight, atol=1e-5)


@settings(max_examples=50)
@given(st.floats(0.0, 1.0), st.floats(0.05, 1e4))
def test_beta_strata_keep_the_mean_and_stay_in_range(mean: float, concentration: float) -> None:
    atoms = beta_strata(np.array([mean]), concentration, 512)[:, 0]
    assert ((atoms >= 0.0) & (atoms <= 1.0)).all()
    assert (np.diff(atoms) >= -1e-15).all()
    assert atoms.mean() == pytest.approx(mean, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("mean", [0.02, 0.3, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("concentration", [0.5, 2.0, 30.0])
def test_beta_strata_have_the_variance_and_shape_of_the_law(
    mean: float, concentration: float
) -> None:
    atoms = beta_strata(np.array([mean]), concentration)[:, 0]
    assert atoms.shape == (STRATA,)
    # Strata lose the variance within them, most of it in a long thin tail.
    variance = mean * (1 - mean) / (concentration + 1)
    assert (1.0 - 1e-2) * variance < atoms.var() <= variance * (1.0 + 1e-12)
    law = stats.beta(mean * concentration, (1 - mean) * concentration)
    middle = law.ppf((np.arange(STRATA) + 0.5) / STRATA)
    assert np.abs(atoms - middle).max() < 0.02


def test_beta_strata_of_certain_rewards_are_constant() -> None:
    atoms = beta_strata(np.array([0.0, 1.0]), 4.0)
    assert (atoms == [[0.0, 1.0]]).all()


@settings(max_examples=50)
@given(
    st.floats(1e-6, LOGNORMAL_HEADROOM),
    st.floats(0.01, 3.0),
    st.sampled_from([1e-6, 1.0, 250.0]),
)
def test_lognormal_strata_keep_the_mean_under_the_cut(
    share: float, sigma: float, cost_max: float
) -> None:
    atoms = lognormal_strata(np.array([share * cost_max]), sigma, cost_max, 512)[:, 0]
    assert ((atoms >= 0.0) & (atoms <= cost_max)).all()
    assert (np.diff(atoms) >= 0.0).all()
    assert atoms.mean() == pytest.approx(share * cost_max, rel=1e-12)


def test_lognormal_strata_far_from_the_cut_are_lognormal() -> None:
    mean, sigma = 2.0, 0.5
    atoms = lognormal_strata(np.array([mean]), sigma, 1e6)[:, 0]
    assert atoms.var() == pytest.approx(mean**2 * (np.exp(sigma**2) - 1.0), rel=5e-3)
    law = stats.lognorm(sigma, scale=mean * np.exp(-(sigma**2) / 2))
    middle = law.ppf((np.arange(STRATA) + 0.5) / STRATA)
    np.testing.assert_allclose(atoms[10:-10], middle[10:-10], rtol=1e-3)


def test_lognormal_strata_match_the_cut_law_by_quadrature() -> None:
    mean, sigma, cost_max = 0.8, 0.7, 1.5
    atoms = lognormal_strata(np.array([mean]), sigma, cost_max)[:, 0]
    # The location is not returned; the median of the atoms gives it back.
    grid = np.linspace(-1.0, 1.5, 20_001)
    share = stats.norm.cdf((np.log(cost_max) - grid) / sigma)
    medians = np.exp(grid + sigma * stats.norm.ppf(0.5 * share))
    location = float(np.interp(np.median(atoms), medians, grid))
    cost = np.linspace(1e-9, cost_max, 400_001)
    density = stats.lognorm(sigma, scale=np.exp(location)).pdf(cost)
    weight = density / np.trapezoid(density, cost)
    assert np.trapezoid(cost * weight, cost) == pytest.approx(mean, rel=1e-3)
    variance = np.trapezoid((cost - mean) ** 2 * weight, cost)
    assert atoms.var() == pytest.approx(variance, rel=5e-3)


# Laws of one's own


def midpoints(number: int) -> list[float]:
    return [(index + 0.5) / number for index in range(number)]


@pytest.mark.parametrize("k", [0.5, 0.98, 0.999])
def test_the_heavy_tailed_law_of_the_page(root: Path, k: float) -> None:
    page = (root / "docs" / "scenarios.md").read_text(encoding="utf-8")
    source = re.search(r"```python\n(from dataclasses import dataclass.*?)```", page, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {"__name__": "page"}
    exec(source[1], names)
    assert names["scenario"].cost == names["CutPareto"](k=0.98)
    law = names["CutPareto"](k)
    mean = np.array([0.3, 7.0])
    low, high = law.support(mean)
    draw, parameters = law.draw, law.parameters()
    for at, one in enumerate(mean.tolist()):
        costs = np.array([draw(uniform, one, *parameters) for uniform in midpoints(20_000)])
        assert costs.mean() == pytest.approx(one, rel=1e-6)
        assert draw(0.0, one, *parameters) == pytest.approx(low[at], rel=1e-12)
        assert draw(1.0, one, *parameters) == pytest.approx(high[at], rel=1e-12)
        # A Pareto law of exponent 2: P(cost > x) falls as x to the power -2.
        beyond = np.array([(costs > low[at] * factor).mean() for factor in (1.2, 1.3)])
        np.testing.assert_allclose(
            beyond, 1.0 - (1.0 - np.array([1.2, 1.3]) ** -2.0) / k, atol=1e-4
        )
    with pytest.raises(ValueError, match=r"k=1\.0 must lie between 0 and 1"):
        names["CutPareto"](1.0)
    with pytest.raises(ValueError, match=r"cost_range=\(0\.0, 4\.5\) but cost=CutPareto"):
        fr.Scenario([0.5], [4.0], cost=law, cost_range=(0.0, 4.5))


def test_built_in_formulas_have_their_means_and_supports() -> None:
    mean = np.array([0.25, 0.75])
    for one in mean.tolist():
        drawn = [fr.Bernoulli.draw(uniform, one) for uniform in midpoints(1_000)]
        assert set(drawn) == {0.0, 1.0}
        assert np.mean(drawn) == one
        assert fr.UniformCost.draw(0.5, one) == fr.FixedCost.draw(0.5, one) == one
    low, high = fr.UniformCost().support(mean)
    np.testing.assert_array_equal(low, fr.UniformCost.draw(0.0, mean))
    np.testing.assert_array_equal(high, fr.UniformCost.draw(1.0, mean))


@dataclass(frozen=True)
class Steps(fr.CostLaw):
    """One query in four is dear: a table of equally likely costs."""

    off: float = 1.0

    def support(self, mean: Any) -> Any:
        return mean * 0.0, mean * 4.0

    def atoms(self, mean: Any, cost_range: tuple[float, float]) -> Any:
        return np.outer([0.0, 0.0, 0.0, 4.0 * self.off], mean)


@dataclass(frozen=True)
class Rounded(fr.RewardLaw):
    """Rewards of half a point, beside 0 or 1; ``top`` is too much above 1."""

    top: float = 1.0

    @staticmethod
    def draw(uniform: Any, mean: Any, top: Any) -> Any:
        return where(uniform < mean, top, 0.0)


def test_a_law_of_ones_own_is_resolved_as_the_built_in_ones() -> None:
    world = fr.Scenario([0.5, 0.7], [1.0, 2.0], reward=Rounded(), cost=Steps()).resolve(10, 1)
    assert (world.reward.kernel, world.reward.draw) == ("elementwise", Rounded.draw)
    assert world.reward.parameters == (1.0,)
    assert (world.cost.kernel, world.cost.draw) == ("atoms", None)
    np.testing.assert_array_equal(world.cost.table.mean(axis=0), [1.0, 2.0])
    assert (world.cost_min, world.cost_max) == (0.0, 8.0)
    # A formula can have other means in every trial, a table cannot.
    assert fr.Scenario([[0.5, 0.7]] * 3, [1.0, 2.0], reward=Rounded()).instances == 3
    with pytest.raises(ValueError, match=r"cost=Steps\(off=1\.0\) has one table for all trials"):
        fr.Scenario([[0.5, 0.7]] * 3, [1.0, 2.0], cost=Steps())


def test_a_law_of_ones_own_that_is_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reward=Rounded\(top=1\.5\) draws 1\.5 .* \[0, 1\]"):
        fr.Scenario([0.5], [1.0], reward=Rounded(1.5))
    with pytest.raises(ValueError, match=r"mean of atoms\[0\] = 0\.5 is not the mean asked for"):
        fr.Scenario([0.5], [1.0], cost=Steps(0.5)).resolve(10, 1)

    class Bare(fr.RewardLaw):
        pass

    class NoSupport(fr.CostLaw):
        @staticmethod
        def draw(uniform: float, mean: float) -> float:
            return mean

    class Wide(fr.FixedCost):
        @staticmethod
        def draw(uniform: float, mean: float) -> float:
            return mean + uniform

    with pytest.raises(TypeError, match=r"Bare must say how outcomes are drawn"):
        fr.Scenario([0.5], [1.0], reward=Bare())
    with pytest.raises(TypeError, match=r"NoSupport .* define support\(mean\)"):
        fr.Scenario([0.5], [1.0], cost=NoSupport())
    with pytest.raises(ValueError, match=r"draws 1\.5 with uniform=0\.5 .* correct Wide\.support"):
        fr.Scenario([0.5], [1.0], cost=Wide())
    with pytest.raises(TypeError, match=r"Method\.draw must be a static function"):

        class Method(fr.RewardLaw):
            def draw(self, uniform: float, mean: float) -> float:
                return mean
