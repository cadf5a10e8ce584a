import math
import statistics

import numpy as np
import polars as pl
import pytest

from fastroute.analyse import mean_interval, paired_difference, paired_ratio


def trials(values: list[float], order: list[int] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame({"trial": range(len(values)), "regret": values, "cost": values})
    return frame if order is None else frame[order]


def test_against_the_definition() -> None:
    a, b = [5.0, 2.0, 9.0, 4.0], [6.0, 2.0, 11.0, 3.0]
    answer = paired_difference(trials(a), trials(b))
    differences = [-1.0, 0.0, -2.0, 1.0]
    se = statistics.stdev(differences) / 2.0
    assert answer.mean == pytest.approx(-0.5)
    assert answer.se == pytest.approx(se)
    # 3.18245 is the two-sided 95 % quantile of Student's t with 3 degrees of freedom.
    assert answer.high == pytest.approx(-0.5 + 3.18245 * se, rel=1e-5)
    assert answer.low == pytest.approx(-0.5 - 3.18245 * se, rel=1e-5)
    assert answer.share_lower == 0.5  # two of four; the tie does not count
    assert (answer.n, answer.level) == (4, 0.95)


def test_rows_are_paired_by_trial_whatever_their_order() -> None:
    a, b = [5.0, 2.0, 9.0], [6.0, 2.5, 11.0]
    assert paired_difference(trials(a), trials(b)) == paired_difference(
        trials(a, [2, 0, 1]), trials(b, [1, 2, 0])
    )


def test_arrays_are_paired_by_position_and_agree_with_frames() -> None:
    a, b = [5.0, 2.0, 9.0], [6.0, 2.5, 11.0]
    assert paired_difference(a, np.array(b)) == paired_difference(trials(a), trials(b))


def test_swapping_the_sides_turns_the_sign() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=20), draw.normal(size=20)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high)
    assert there.share_lower == pytest.approx(1.0 - back.share_lower)


def test_shared_noise_cancels() -> None:
    draw = np.random.default_rng(4)
    world, own = draw.normal(0.0, 10.0, 500), draw.normal(0.0, 0.1, (2, 500))
    a, b = world + own[0], world + own[1] + 1.0
    answer = paired_difference(a, b)
    assert answer.se == pytest.approx(0.1 * math.sqrt(2 / 500), rel=0.2)
    assert answer.se < 0.02 * mean_interval(a).se
    assert abs(answer.mean + 1.0) < 5 * answer.se


def test_a_single_pair_has_no_interval() -> None:
    answer = paired_difference([1.0], [3.0])
    assert answer.mean == -2.0
    assert math.isnan(answer.low)
    assert math.isnan(answer.high)


@pytest.mark.parametrize(
    ("a", "b", "column", "words"),
    [
        (trials([1.0]), trials([1.0]), "regrett", "no column 'regrett'"),
        (trials([1.0, 2.0]), trials([1.0]), "regret", "1 trials are on one side only"),
        (trials([1.0, 2.0], [0, 0]), trials([1.0]), "regret", "filter the frame"),
        (trials([1.0]), [1.0], "regret", "two of a kind"),
        ([1.0, 2.0], [1.0], "regret", "2 and 1 trials"),
        (trials([float("nan")]), trials([1.0]), "regret", "nan at position 0"),
    ],
)
def test_what_cannot_be_paired_is_refused(a: object, b: object, column: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paired_difference(a, b, column)  # type: ignore[arg-type]


def test_the_interval_of_a_ratio_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        shared, own = rng.gamma(4.0, 1.0, 60), rng.normal(0.0, 0.5, 60)
        found = paired_ratio(3.0 * shared + own, 2.0 * shared)
        hits += found.low < 1.5 < found.high
    # 5 standard deviations of 400 tries around 95 %.
    assert abs(hits / 400 - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 400)


def test_a_ratio_is_that_of_the_means_and_needs_one() -> None:
    found = paired_ratio([2.0, 6.0], [1.0, 3.0])
    assert (found.estimate, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    with pytest.raises(ValueError, match="b: the mean 0 is not above 0"):
        paired_ratio([2.0, 6.0], [1.0, -1.0])
