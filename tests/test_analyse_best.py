import numpy as np
import pytest

from fastroute.analyse import best_of, paired_difference


def test_against_paired_differences_at_the_corrected_level() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(mean, 1.0, 50) for mean in (3.0, 1.0, 1.2)]
    found = best_of(samples, level=0.9)
    assert found.best == int(np.argmin([sample.mean() for sample in samples]))
    assert found.means == pytest.approx([sample.mean() for sample in samples])
    for sample, excess in zip(samples, found.excess, strict=True):
        # Three pairs share the 10 % that may go wrong.
        assert excess == paired_difference(sample, samples[found.best], level=1.0 - 0.1 / 3.0)
    assert 0 not in found.ties
    assert found.best in found.ties


def test_noise_that_is_shared_cancels() -> None:
    shared = np.random.default_rng(2).normal(0.0, 10.0, 40)
    own = np.random.default_rng(3).normal(0.0, 0.01, 40)
    assert best_of([shared + 1.0 + own, shared + 1.1]).ties == (0,)
    assert best_of([shared + 1.0, np.roll(shared, 1) + 1.1]).ties == (0, 1)


def test_equal_alternatives_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(4)
    wrong = sum(len(best_of(list(rng.normal(0.0, 1.0, (6, 30)))).ties) < 6 for _ in range(400))
    # At most 5 % of the time; 400 tries stay below 20 + 5 standard deviations.
    assert wrong < 20 + 5 * np.sqrt(400 * 0.05 * 0.95)


def test_one_alternative_is_the_best() -> None:
    assert best_of([[1.0, 2.0]]).ties == (0,)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="none are given"):
        best_of([])
    with pytest.raises(ValueError, match=r"samples\[1\]"):
        best_of([[1.0, 2.0], [1.0, np.nan]])
