import numpy as np
import pytest
from scipy.stats import binom

from fastroute.analyse import quantile_interval, share_interval


def test_median_of_ten_lies_between_the_second_and_the_ninth_value() -> None:
    # The classical table: 1 - 2 P(B <= 1) with B binomial (10, 1/2) is 0.978515625.
    found = quantile_interval(np.arange(10.0)[::-1])
    assert (found.estimate, found.low, found.high, found.n) == (4.5, 1.0, 8.0, 10)
    assert found.coverage == pytest.approx(0.978515625)


@pytest.mark.parametrize("quantile", [0.05, 0.25, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("n", [1, 7, 60, 333])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_ends_are_the_tightest_order_statistics(quantile: float, n: int, level: float) -> None:
    values = np.arange(1.0, n + 1)
    found = quantile_interval(values, quantile, level=level)
    side = (1 - level) / 2 + 1e-12
    lower = 0 if np.isinf(found.low) else int(found.low)
    upper = n + 1 if np.isinf(found.high) else int(found.high)
    # Value l misses when fewer than l values lie below the quantile; one further would miss more
    # often than allowed.
    assert lower == max(
        (k for k in range(1, n + 1) if binom.cdf(k - 1, n, quantile) <= side), default=0
    )
    assert upper == min(
        (k for k in range(1, n + 1) if binom.sf(k - 1, n, quantile) <= side), default=n + 1
    )
    inside = binom.cdf(upper - 1, n, quantile) - (binom.cdf(lower - 1, n, quantile) if lower else 0)
    assert found.coverage == pytest.approx(inside)
    assert found.coverage >= level - 1e-12


def test_interval_holds_the_quantile_as_often_as_it_says() -> None:
    draw = np.random.default_rng(4)
    for law, true in ((draw.standard_cauchy, 1.0), (draw.standard_exponential, np.log(4.0))):
        found = [quantile_interval(law(80), 0.75) for _ in range(2000)]
        held = np.mean([f.low <= true <= f.high for f in found])
        # Five standard errors of a share of 2,000.
        assert abs(held - found[0].coverage) < 5 * (0.05 * 0.95 / 2000) ** 0.5


def test_ties_are_allowed() -> None:
    found = quantile_interval([1.0] * 30 + [2.0] * 30)
    assert (found.low, found.high) == (1.0, 2.0)


@pytest.mark.parametrize("quantile", [0.0, 1.0, float("nan"), -0.1])
def test_no_quantile(quantile: float) -> None:
    with pytest.raises(ValueError, match=r"quantile: .* between 0 and 1"):
        quantile_interval([1.0, 2.0], quantile)


def test_bad_values_and_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="values: nan at position 1"):
        quantile_interval([1.0, np.nan])
    with pytest.raises(ValueError, match="level=2"):
        quantile_interval([1.0], level=2)


def test_share_has_wilsons_interval() -> None:
    found = share_interval(81, 263)
    # Wilson's score interval by its formula.
    z, p, n = 1.959963985, 81 / 263, 263
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found.estimate == pytest.approx(p)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-6)


def test_share_that_never_happened_still_has_a_width() -> None:
    found = share_interval(0, 64)
    assert found.estimate == found.low == 0.0
    assert 0.03 < found.high < 0.07


@pytest.mark.parametrize(("count", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_no_share(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="count: "):
        share_interval(count, n)
