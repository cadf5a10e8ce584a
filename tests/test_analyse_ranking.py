import numpy as np
import polars as pl
import pytest

from fastroute.analyse import best_power, ranking


def _trials(**values: list[float]) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"trial": range(len(found)), "kind": name, "priced_regret": found})
        for name, found in values.items()
    ]
    return pl.concat(frames)


def test_a_ranking_tells_what_is_clear_and_what_is_not() -> None:
    rng = np.random.default_rng(1)
    luck = 10.0 * rng.standard_normal(200)
    noise = rng.standard_normal((2, 200))
    frame = _trials(
        worse=list(luck + 5.0 + noise[0]), equal=list(luck + 0.01 + noise[1]), best=list(luck)
    )
    ranked = ranking(frame, "kind")
    assert ranked.get_column("kind").to_list() == ["best", "equal", "worse"]
    assert ranked.get_column("tied").to_list() == [True, True, False]
    assert ranked.get_column("mean")[0] == pytest.approx(luck.mean())
    assert ranked.get_column("difference")[2] == pytest.approx(5.0 + noise[0].mean())
    # Luck that is shared is twice as wide as the differences; it must not blur them.
    assert ranked.get_column("difference_low")[2] > 4.5


def test_a_ranking_compares_trials_that_all_have() -> None:
    frame = _trials(a=[1.0, 2.0, 300.0], b=[1.5, 2.5])
    ranked = ranking(frame, "kind")
    assert ranked.get_column("n").to_list() == [2, 2]
    assert ranked.get_column("mean").to_list() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.concat([_trials(a=[1.0])] * 2), "'kind' has a trial twice"),
        (_trials(a=[1.0]).vstack(_trials(b=[1.0, 2.0]).tail(1)), "no trial is common"),
    ],
)
def test_a_ranking_of_what_cannot_be_paired_is_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranking(frame, "kind")


def _valley(setting: np.ndarray, option: np.ndarray, power: float, noise: float) -> np.ndarray:
    """Values that are lowest where option = setting ^ power, [trials, X, G]."""
    target = power * np.log(setting)[:, None]
    rng = np.random.default_rng(2)
    mean = 100.0 + 5.0 * (np.log(option) - target) ** 2
    return mean + noise * rng.standard_normal((120, setting.size, option.size))


def test_the_best_option_follows_the_power_it_was_made_of() -> None:
    setting, option = np.array([0.5, 1.0, 2.0, 4.0]), np.geomspace(0.1, 10.0, 9)
    found = best_power(setting, option, _valley(setting, option, 0.5, 0.5))
    assert found.exponent.low < 0.5 < found.exponent.high
    assert found.exponent.high - found.exponent.low < 0.2
    np.testing.assert_allclose(found.best, setting**0.5, rtol=0.1)
    assert not found.at_edge.any()
    flat = best_power(setting, option, _valley(setting, option, 0.0, 0.5))
    assert flat.exponent.low < 0.0 < flat.exponent.high


def test_without_noise_the_parabola_is_exact() -> None:
    setting, option = np.array([0.7, 1.3]), np.array([0.1, 0.5, 1.0, 4.0])
    found = best_power(setting, option, _valley(setting, option, 1.0, 0.0))
    np.testing.assert_allclose(found.best, setting, rtol=1e-12)
    assert found.exponent.estimate == pytest.approx(1.0)
    assert found.exponent.low == pytest.approx(found.exponent.high)


def test_a_best_option_at_the_end_of_the_grid_is_marked() -> None:
    setting, option = np.array([1.0, 100.0]), np.geomspace(0.5, 2.0, 5)
    found = best_power(setting, option, _valley(setting, option, 1.0, 0.1))
    assert found.at_edge.tolist() == [False, True]
    assert found.best[1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("setting", "option", "shape", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], (5, 2, 2), "values: shape"),
        ([1.0, 1.0], [1.0, 2.0, 3.0], (5, 2, 3), "two settings"),
        ([1.0, 2.0], [1.0, 2.0], (5, 2, 2), "three increasing options"),
        ([0.0, 2.0], [1.0, 2.0, 3.0], (5, 2, 3), "setting: give a list of numbers above zero"),
    ],
)
def test_a_best_power_of_too_little_is_refused(
    setting: list[float], option: list[float], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        best_power(setting, option, np.ones(shape))
