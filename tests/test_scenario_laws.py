import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

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
