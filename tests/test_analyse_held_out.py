"""Many alternatives against a reference: joint intervals, and the best one held out."""

import numpy as np
import pytest

from fastroute.analyse import choose_and_judge, compare_jointly, mean_interval


def test_joint_intervals_are_those_of_each_at_the_corrected_level() -> None:
    values = np.random.default_rng(1).normal(0.5, 1.0, (2, 3, 20))
    found = compare_jointly(values, level=0.9)
    for place in np.ndindex(2, 3):
        one = mean_interval(values[place], level=1.0 - 0.1 / 6)
        assert found.mean[place] == pytest.approx(one.estimate)
        assert found.low[place] == pytest.approx(one.low)
        assert found.high[place] == pytest.approx(one.high)
    assert (found.less == (found.high < 0.0)).all()
    assert (found.more == (found.low > 0.0)).all()


def test_the_choice_sees_the_first_half_and_the_judgement_the_second() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 0.1, (3, 2, 40))
    values[1, :, :20] -= 5.0
    values[2, :, 20:] -= 5.0
    found = choose_and_judge(values)
    assert (found.chosen, found.less, found.more) == (1, 2, 0)
    again = compare_jointly(values[1, :, 20:])
    np.testing.assert_array_equal(found.judged.mean, again.mean)
    np.testing.assert_array_equal(found.judged.high, again.high)
    assert not found.judged.less.any()


def test_losses_count_against_wins() -> None:
    noise = np.random.default_rng(3).normal(0.0, 0.1, (2, 3, 20))
    both_ways = np.array([-1.0, -1.0, 1.0])[:, None]
    once = np.array([-1.0, 0.0, -1.0])[:, None]
    assert choose_and_judge(noise + np.stack([both_ways, once])).chosen == 1


def test_the_same_counts_for_who_wins_elsewhere() -> None:
    noise = np.random.default_rng(5).normal(0.0, 0.1, (3, 2, 20))
    noise[1:, 1] = 0.0
    twin, winner = np.zeros(2)[:, None], np.array([-1.0, 0.0])[:, None]
    noise[1] = 0.0
    unsure = np.array([-5.0, 0.0])[:, None]
    values = noise + np.stack([unsure, twin, winner])
    values[0, 1] -= values[0, 1, :10].mean()
    found = choose_and_judge(values)
    assert found.chosen == 2
    assert found.judged.less.tolist() == [True, False]
    assert found.judged.same.tolist() == [False, True]


def test_what_is_equal_in_every_trial_is_neither_less_nor_more() -> None:
    found = choose_and_judge(np.zeros((2, 2, 6)))
    assert (found.chosen, found.less, found.more) == (0, 0, 0)
    assert not (found.judged.less | found.judged.more).any()


def test_two_trials_are_chosen_and_judged_without_intervals() -> None:
    found = choose_and_judge([[[1.0, 2.0]], [[0.0, 3.0]]])
    assert np.isnan(found.judged.low).all()
    assert not found.judged.more.any()


@pytest.mark.slow
def test_intervals_of_the_best_of_equal_alternatives_cover() -> None:
    rng = np.random.default_rng(4)
    tries, covered, naive = 4000, 0, 0
    for _ in range(tries):
        # What the reference brings in is shared by all of them.
        values = rng.normal(0.0, 1.0, (30, 1, 40)) - rng.normal(0.0, 1.0, (1, 1, 40))
        judged = choose_and_judge(values).judged
        covered += bool(judged.low[0] <= 0.0 <= judged.high[0])
        best = values[values.mean(axis=(1, 2)).argmin(), 0]
        same = mean_interval(best)
        naive += same.low <= 0.0 <= same.high
    assert 0.93 < covered / tries < 0.97
    # Chosen and judged by the same trials, it would look better than it is.
    assert naive / tries < 0.85


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 1, 1), (0, 1, 4)])
def test_what_cannot_be_judged_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="differences: shape"):
        choose_and_judge(np.zeros(shape))
    with pytest.raises(ValueError, match="finite"):
        compare_jointly([[1.0, np.nan]])
