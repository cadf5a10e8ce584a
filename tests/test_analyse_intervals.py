import math
import statistics

import numpy as np
import pytest

from fastroute.analyse import bootstrap_interval, mean_interval, student_halfwidth

# Two-sided 95 % quantiles of Student's t from printed tables.
T_95 = {1: 12.7062, 2: 4.30265, 9: 2.26216, 29: 2.04523}


@pytest.mark.parametrize(("degrees", "quantile"), T_95.items())
def test_student_halfwidth_agrees_with_printed_tables(degrees: int, quantile: float) -> None:
    assert float(student_halfwidth(2.0, degrees + 1)) == pytest.approx(2.0 * quantile, rel=1e-5)


def test_student_halfwidth_broadcasts_and_is_nan_without_a_spread() -> None:
    half = student_halfwidth([1.0, 1.0, 1.0], [10, 1, 0])
    assert half[0] == pytest.approx(T_95[9], rel=1e-5)
    assert np.isnan(half[1:]).all()


def test_mean_interval_against_the_definition() -> None:
    values = [3.0, 5.0, 4.0]
    interval = mean_interval(values)
    se = statistics.stdev(values) / math.sqrt(3)
    assert interval.estimate == pytest.approx(4.0)
    assert interval.se == pytest.approx(se)
    assert interval.high - interval.estimate == pytest.approx(T_95[2] * se, rel=1e-5)
    assert interval.estimate - interval.low == pytest.approx(T_95[2] * se, rel=1e-5)
    assert (interval.n, interval.level) == (3, 0.95)


def test_a_single_trial_has_no_interval() -> None:
    for interval in (mean_interval([2.5]), bootstrap_interval([2.5])):
        assert interval.estimate == 2.5
        assert all(math.isnan(x) for x in (interval.se, interval.low, interval.high))


@pytest.mark.parametrize("function", [mean_interval, bootstrap_interval])
def test_intervals_cover_the_truth_as_often_as_they_say(function: object) -> None:
    assert callable(function)
    draw = np.random.default_rng(5)
    repeats, level = 400, 0.9
    hits = 0
    options = {"resamples": 400} if function is bootstrap_interval else {}
    for _ in range(repeats):
        interval = function(draw.normal(3.0, 2.0, 40), level=level, **options)
        hits += interval.low <= 3.0 <= interval.high
    # The bootstrap of 40 values is known to undercover by a little: a point off is allowed.
    sigma = math.sqrt(level * (1 - level) / repeats)
    assert abs(hits / repeats - level) < 5 * sigma + 0.01


def test_bootstrap_of_a_large_normal_sample_agrees_with_student() -> None:
    values = np.random.default_rng(1).normal(10.0, 1.0, 2_000)
    boot, student = bootstrap_interval(values), mean_interval(values)
    # Ends of a bootstrap interval have a Monte Carlo error of about 1.7 % of the half-width.
    half = student.high - student.estimate
    assert boot.low == pytest.approx(student.low, abs=0.09 * half)
    assert boot.high == pytest.approx(student.high, abs=0.09 * half)
    assert boot.se == pytest.approx(student.se, rel=0.05)


def test_bootstrap_leans_with_a_skewed_sample() -> None:
    values = np.random.default_rng(2).exponential(1.0, 60)
    interval = bootstrap_interval(values)
    assert interval.high - interval.estimate > interval.estimate - interval.low


def test_bootstrap_is_seeded_and_takes_any_statistic() -> None:
    values = np.random.default_rng(3).normal(size=50)
    first = bootstrap_interval(values, np.median, seed=7, resamples=500)
    assert first == bootstrap_interval(values, np.median, seed=7, resamples=500)
    assert first != bootstrap_interval(values, np.median, seed=8, resamples=500)
    assert first.estimate == statistics.median(values.tolist())
    assert first.low <= first.estimate <= first.high


def test_bootstrap_of_equal_values_has_no_width() -> None:
    interval = bootstrap_interval([4.0] * 10, resamples=50)
    assert (interval.estimate, interval.se, interval.low, interval.high) == (4.0, 0.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "one-dimensional array that is not empty"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([1.0, float("nan"), 2.0], "nan at position 1"),
        ([1.0, float("inf")], "inf at position 1"),
    ],
)
def test_bad_samples_are_refused(values: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mean_interval(values)
    with pytest.raises(ValueError, match=words):
        bootstrap_interval(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.5])
def test_bad_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        mean_interval([1.0, 2.0], level)
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval([1.0, 2.0], level=level)


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(ValueError, match="resamples=0 must be"):
        bootstrap_interval([1.0, 2.0], resamples=0)
