from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from fastroute.analyse import fit_scaling, scaling_table
from fastroute.analyse.resample import Bootstrap

HORIZONS = [10**k for k in range(3, 9)]


def noisy(
    law: Any, trials: Any = 300, sigma: float = 0.3, seed: int = 0, horizons: Any = HORIZONS
) -> list[NDArray[np.float64]]:
    """Samples whose mean is ``law(T)``, with lognormal noise."""
    draw = np.random.default_rng(seed)
    sizes = [trials] * len(horizons) if isinstance(trials, int) else trials
    return [
        law(float(T)) * draw.lognormal(-0.5 * sigma**2, sigma, n)
        for T, n in zip(horizons, sizes, strict=True)
    ]


# What is computed.


def test_exact_powers_are_found_exactly() -> None:
    fit = fit_scaling(HORIZONS, [np.full(25, 3.0 * T**0.66) for T in HORIZONS])
    assert fit.exponent.estimate == pytest.approx(0.66, abs=1e-12)
    assert fit.exponent.high - fit.exponent.low == pytest.approx(0.0, abs=1e-12)
    assert fit.constant == pytest.approx(3.0, rel=1e-9)
    np.testing.assert_allclose(fit.local["slope"], 0.66, atol=1e-12)
    np.testing.assert_allclose(fit.points["fitted"], fit.points["mean"], rtol=1e-9)
    assert fit.warnings == ()


def test_exact_powers_with_a_logarithm_are_told_from_those_without() -> None:
    fit = fit_scaling(HORIZONS, noisy(lambda T: 2.0 * T**0.6 * np.log(T) ** 1.5, sigma=0.1))
    assert fit.preferred == "power_log"
    law = fit.models.filter(model="power_log").row(0, named=True)
    assert law["exponent_low"] < 0.6 < law["exponent_high"]
    assert law["log_power_low"] < 1.5 < law["log_power_high"]
    assert law["weight"] > 0.99
    assert fit.models["weight"].sum() == pytest.approx(1.0)
    plain = fit_scaling(HORIZONS, noisy(lambda T: 2.0 * T**0.6, sigma=0.1))
    assert plain.preferred == "power"


def test_weights_and_errors_are_those_of_the_delta_method() -> None:
    horizons, n, cv = (
        np.array([10, 100, 1000, 5000]),
        np.array([50, 400, 100, 100]),
        np.array([0.1, 0.5, 0.2, 0.3]),
    )
    # Samples that alternate around their mean, with just that coefficient of variation.
    waves = [
        1.0 + c * np.sqrt((m - 1) / m) * (-1.0) ** np.arange(m) for c, m in zip(cv, n, strict=True)
    ]
    fit = fit_scaling(horizons, [T**0.5 * wave for T, wave in zip(horizons, waves, strict=True)])
    x = np.log(horizons)
    weight = n / np.exp(np.polyval(np.polyfit(x, np.log(cv**2), 1), x))
    y = 0.5 * x + 0.5 * cv**2 / n  # with the correction for the curvature of the logarithm
    slope, level = np.polyfit(x, y, 1, w=np.sqrt(weight))
    assert fit.exponent.estimate == pytest.approx(slope, rel=1e-9)
    assert fit.constant == pytest.approx(np.exp(level), rel=1e-9)
    # The samples alternate alike, so that their means vary together.
    shared = np.minimum.outer(n, n) / np.sqrt(np.multiply.outer(n * (n - 1.0), n * (n - 1.0)))
    height = cv * np.sqrt((n - 1) / n)
    covariance = shared * np.multiply.outer(height, height)
    np.testing.assert_allclose(np.diag(covariance), cv**2 / n)
    from_mean = x - np.average(x, weights=weight)
    pull = weight * from_mean / (weight * from_mean**2).sum()
    assert fit.exponent.se == pytest.approx(np.sqrt(pull @ covariance @ pull), rel=1e-9)


def test_local_slopes_are_between_neighbours() -> None:
    fit = fit_scaling([10, 100, 10_000], [np.full(30, v) for v in (1.0, 10.0, 100.0)])
    np.testing.assert_allclose(fit.local["slope"], [1.0, 0.5])
    assert fit.local["horizon_low"].to_list() == [10, 100]
    assert fit.local["horizon_high"].to_list() == [100, 10_000]


def test_change_of_slope_is_that_of_a_parabola() -> None:
    # Slope 0.9 at the first horizon, 0.5 at the last, linear in log T between them.
    x = np.log(HORIZONS)
    y = 0.9 * (x - x[0]) - 0.4 * (x - x[0]) ** 2 / (2 * (x[-1] - x[0]))
    fit = fit_scaling(HORIZONS, [np.full(30, v) for v in np.exp(y)])
    assert fit.slope_change is not None
    assert fit.slope_change.estimate == pytest.approx(-0.4, abs=1e-9)
    assert "from about 0.900 to 0.500" in fit.warnings[0]


def test_information_criterion_is_that_of_known_variances() -> None:
    fit = fit_scaling(HORIZONS, noisy(lambda T: T**0.5))
    for row, k in zip(fit.models.iter_rows(named=True), (2, 3), strict=True):
        assert row["parameters"] == k
        small = 2 * k * (k + 1) / (6 - k - 1)
        assert row["aicc"] == pytest.approx(row["chi2"] + 2 * k + small)


def test_numbers_do_not_depend_on_the_unit() -> None:
    samples = noisy(lambda T: T**0.5, sigma=0.8)
    one = fit_scaling(HORIZONS, samples, resamples=299)
    other = fit_scaling(HORIZONS, [1e-9 * s for s in samples], resamples=299)
    assert one.exponent == pytest.approx(other.exponent, rel=1e-8)
    assert one.constant == pytest.approx(1e9 * other.constant)


def test_same_seed_same_interval() -> None:
    samples = noisy(lambda T: T**0.5, trials=40)
    one, two, other = (
        fit_scaling(HORIZONS, samples, resamples=99, seed=seed).exponent for seed in (1, 1, 2)
    )
    assert one == two
    assert one.estimate == other.estimate
    assert one.high != other.high


def test_trials_are_resampled_whole() -> None:
    # Every trial has its own constant: the exponent is the same in each, whatever is drawn.
    level = np.random.default_rng(0).lognormal(0.0, 1.0, 60)
    fit = fit_scaling([10, 100, 1000], [T**0.7 * level for T in (10, 100, 1000)])
    assert fit.exponent.high - fit.exponent.low < 1e-9
    shuffled = np.random.default_rng(1)
    apart = fit_scaling(
        [10, 100, 1000], [T**0.7 * shuffled.permutation(level) for T in (10, 100, 1000)]
    )
    assert apart.exponent.high - apart.exponent.low > 0.05


def test_resampling_keeps_the_numbers_of_trials_and_the_shared_ones() -> None:
    draw = np.random.default_rng(3)
    first = draw.lognormal(0.0, 0.5, 40)
    # The second sample continues the first: they share 40 trials.
    second = np.append(first, draw.lognormal(0.0, 0.5, 160))
    boot = Bootstrap([first, second], 4000, 0)
    assert boot.trials.tolist() == [40, 200]
    # The resampled means have the covariance that the delta method gives.
    spread = np.cov(boot.resampled.log_mean.T)
    np.testing.assert_allclose(spread, boot.data.cov, rtol=0.15)
    expected = np.cov(first, ddof=1) / 40 / first.mean() ** 2
    assert boot.data.cov[0, 0] == pytest.approx(expected)


def test_one_resample_by_hand() -> None:
    draw = np.random.default_rng(3)
    short, long = draw.lognormal(0.0, 0.8, 6), draw.lognormal(0.0, 0.8, 15)
    boot = Bootstrap([long, short], 1, 11)
    # The six shared trials are drawn among themselves, then the nine others.
    rng = np.random.default_rng(11)
    first, rest = rng.integers(0, 6, (1, 6))[0], rng.integers(0, 9, (1, 9))[0]
    a, b = np.concatenate([long[:6][first], long[6:][rest]]), short[first]
    # Each trial moves a log mean by its relative deviation over n.
    push_a, push_b = (a / a.mean() - 1.0) / 15, (b / b.mean() - 1.0) / 6
    expected = np.array(
        [
            [(push_a**2).sum() * 15 / 14, (push_a[:6] * push_b).sum() * np.sqrt(15 / 14 * 6 / 5)],
            [0.0, (push_b**2).sum() * 6 / 5],
        ]
    )
    expected[1, 0] = expected[0, 1]
    np.testing.assert_allclose(boot.resampled.cov[0], expected, rtol=1e-10)
    bent = np.log([a.mean(), b.mean()]) + 0.5 * np.diag(expected)
    np.testing.assert_allclose(boot.resampled.log_mean[0], bent, rtol=1e-10)


def test_batches_do_not_change_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = noisy(lambda T: T**0.5, trials=[50, 50, 30, 30, 20, 20])
    whole = fit_scaling(HORIZONS, samples, resamples=400).exponent
    monkeypatch.setattr("fastroute.analyse.resample._BATCH", 1000)
    parts = fit_scaling(HORIZONS, samples, resamples=400).exponent
    assert parts.estimate == whole.estimate
    assert parts.high - parts.low == pytest.approx(whole.high - whole.low, rel=0.2)


# Warnings.


def test_curvature_is_warned_of_only_when_it_matters() -> None:
    bend = noisy(lambda T: T**0.66 + 20 * T**0.4, sigma=0.05, trials=400)
    fit = fit_scaling(HORIZONS, bend)
    assert len(fit.warnings) == 1
    assert "a single exponent depends on which horizons are fitted" in fit.warnings[0]
    assert fit_scaling(HORIZONS, bend, tolerance=0.5).warnings == ()
    straight = noisy(lambda T: T**0.66, sigma=0.05, trials=400)
    assert fit_scaling(HORIZONS, straight).warnings == ()


def test_a_kink_is_warned_of() -> None:
    kink = noisy(lambda T: T**0.66 * (1.2 if T in (1e4, 1e7) else 1.0), sigma=0.1)
    fit = fit_scaling(HORIZONS, kink)
    assert fit.misfit is not None
    assert fit.misfit < 1e-6
    assert "off the power law" in fit.warnings[0]


def test_straight_lines_raise_few_alarms() -> None:
    alarms = sum(
        bool(
            fit_scaling(
                HORIZONS[:5],
                noisy(lambda T: T**0.5, trials=100, sigma=0.6, seed=seed, horizons=HORIZONS[:5]),
                resamples=299,
                seed=seed,
            ).warnings
        )
        for seed in range(150)
    )
    # At most 6 % of 150 are expected: 5 of the parabola, 1 of the misfit; three deviations more.
    assert alarms <= 18


def test_short_ladders_are_warned_of() -> None:
    fit = fit_scaling([100, 200], [np.full(5, 10.0), np.full(40, 14.0)])
    assert (fit.slope_change, fit.misfit, fit.preferred) == (None, None, None)
    words = " ".join(fit.warnings)
    for expected in ("Two horizons", "a factor of 2"):
        assert expected in words
    assert fit.models["model"].to_list() == ["power"]
    four = fit_scaling(HORIZONS[:4], noisy(lambda T: T**0.5, horizons=HORIZONS[:4]))
    assert four.preferred is None
    assert four.models["model"].to_list() == ["power", "power_log"]
    assert four.models["aicc"][1] is None


# Refusals.


@pytest.mark.parametrize(
    ("horizons", "samples", "words"),
    [
        ([10], [[1.0, 2.0]], "two horizons or more"),
        ([10, 100], [[1.0, 2.0]], "samples: 1 for 2 horizons"),
        ([100, 10], [[1.0, 2.0]] * 2, "increasing"),
        ([1, 10], [[1.0, 2.0]] * 2, ">= 2"),
        ([10, 100], [[1.0, 1.1], [1.0]], "horizon 100: 1 trial"),
        ([10, 100], [[1.0, 1.1], [1.0, np.inf]], r"samples\[1\]: inf at position 1"),
        ([10, 100], [[1.0, 1.1], []], r"samples\[1\]: shape \(0,\)"),
        ([10, 100], [[1.0, 1.1], [-1.0, -1.1]], "horizon 100: .* priced_regret"),
        ([10, 100], [[1.0, 1.1], [1.0, -1.0]], "has no logarithm"),
    ],
)
def test_what_cannot_be_fitted_is_refused(horizons: Any, samples: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_scaling(horizons, samples)


def test_a_mean_near_zero_says_how_many_trials_would_do() -> None:
    values = np.tile([-1.0] * 7 + [11.0], 2)  # mean 0.5, standard error 1.025
    with pytest.raises(ValueError, match="about 269 trials instead of 16") as error:
        fit_scaling([10, 100], [np.full(16, 1.0), values])
    assert "horizon 100" in str(error.value)
    fit_scaling([10, 100], [np.full(16, 1.0), np.tile(values, 17)])
    # Without trials below zero there is no doubt about the sign.
    fit_scaling([10, 100], [np.full(16, 1.0), np.maximum(values, 0.0)])


def test_resamples_with_a_mean_below_zero_widen_the_interval() -> None:
    # 1.8 standard errors above zero would be refused; at 2.2 one resample in fifty is below.
    values = 1.0 + 7.2 * np.tile([-1.0, 1.0], 128)
    fit = fit_scaling([10, 1000], [np.full(256, 1.0), values])
    assert np.isfinite(fit.exponent.high)
    narrow = fit_scaling([10, 1000], [np.full(256, 1.0), 1.0 + 1.8 * np.tile([-1.0, 1.0], 128)])
    width = [f.exponent.high - f.exponent.low for f in (fit, narrow)]
    assert width[0] > 4.4 * width[1]
    # At a level that those resamples reach, nothing is known of the exponent.
    assert fit_scaling([10, 1000], [np.full(256, 1.0), values], level=0.995).exponent.high == np.inf


@pytest.mark.parametrize("options", [{"level": 1.0}, {"resamples": 0}, {"tolerance": -0.1}])
def test_bad_settings_are_refused(options: dict[str, Any]) -> None:
    name = next(iter(options))
    frame = pl.DataFrame({"horizon": [10, 100], "trial": [0, 0], "regret": [1.0, 2.0]})
    with pytest.raises(ValueError, match=f"{name}="):
        fit_scaling([10, 100], [[1.0, 2.0]] * 2, **options)
    with pytest.raises(ValueError, match=f"{name}="):
        scaling_table(frame, ["regret"], **options)


# Frames.


def study_frame() -> pl.DataFrame:
    draw = np.random.default_rng(0)
    rows = []
    for policy, slope in (("b", 0.66), ("a", 0.5)):
        for horizon in HORIZONS:
            noise = draw.lognormal(0.0, 0.2, 60 if horizon < 10**7 else 24)
            rows += [
                {
                    "policy": policy,
                    "horizon": horizon,
                    "trial": trial,
                    "regret": horizon**slope * value,
                    "routing": -value if policy == "a" else value * horizon**0.4,
                }
                for trial, value in enumerate(noise)
            ]
    return pl.DataFrame(rows)


def test_table_fits_every_quantity_of_every_policy() -> None:
    frame = study_frame()
    table = scaling_table(frame, ["regret", "routing"], resamples=299)
    assert table["policy"].to_list() == ["b", "b", "a", "a"]
    assert table["quantity"].to_list() == ["regret", "routing"] * 2
    assert table["trials"].to_list() == [24] * 4
    assert table["exponent"][:3].to_list() == pytest.approx([0.66, 0.4, 0.5], abs=0.02)
    assert table["exponent"][3] is None
    assert "priced_regret" in table["warning"][3]
    one = frame.filter(policy="b").sort("trial", "horizon", descending=True)
    alone = scaling_table(one, ["regret"], resamples=299)
    assert alone.row(0) == table.row(0)
    samples = [
        frame.filter(policy="b", horizon=T).sort("trial")["regret"].to_numpy() for T in HORIZONS
    ]
    fit = fit_scaling(HORIZONS, samples, resamples=299)
    assert (table["low"][0], table["high"][0]) == (fit.exponent.low, fit.exponent.high)


def test_table_of_refusals_only_has_the_same_columns() -> None:
    frame = study_frame().with_columns(-pl.col("regret"))
    table = scaling_table(frame, ["regret"], resamples=99)
    assert table.schema == scaling_table(study_frame(), ["regret"], resamples=99).schema
    assert table["exponent"].null_count() == len(table)


def test_frames_that_cannot_be_read_are_refused() -> None:
    frame = study_frame()
    with pytest.raises(ValueError, match="no column 'discovery'"):
        scaling_table(frame)
    with pytest.raises(ValueError, match="horizon 1000 has a trial twice"):
        scaling_table(frame, ["regret"], by=())
    with pytest.raises(ValueError, match="only horizon 1000"):
        scaling_table(frame.filter(horizon=1000), ["regret"])
    with pytest.raises(ValueError, match="no rows"):
        scaling_table(frame.clear(), ["regret"])
