"""The generator against published answers, and against itself in plain Python."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from fastroute.kernels.numba_ import rng as numba_rng
from fastroute.kernels.ref import rng as ref_rng

WORD = st.integers(0, 2**32 - 1)
EDGES = (0, 1, 2**31, 2**32 - 1)

# Counter, key, answer of philox4x32-10 in the Random123 distribution (kat_vectors).
KNOWN = [
    ([0x00000000] * 4, [0x00000000] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@njit
def called_by_a_kernel(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Only kernels can call kernels that have no wrapper for Python."""
    return numba_rng.philox4x32(c0, c1, c2, c3, k0, k1)


def compiled_philox(*words: int) -> list[int]:
    return [int(x) for x in called_by_a_kernel(*(np.uint64(w) for w in words))]


def compiled_uniforms(*words: int) -> tuple[float, ...]:
    return tuple(numba_rng.uniforms(*(np.uint64(w) for w in words)))


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN, ids=["zeros", "ones", "pi"])
def test_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    assert list(ref_rng.philox4x32(*counter, *key)) == answer
    assert compiled_philox(*counter, *key) == answer


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN, ids=["zeros", "ones", "pi"])
def test_uniforms_are_the_known_words(
    counter: list[int], key: list[int], answer: list[int]
) -> None:
    seed = key[0] + (key[1] << 32)
    expected = tuple(x / 2**32 for x in answer)
    assert ref_rng.uniforms(seed, *counter) == expected
    assert compiled_uniforms(seed, *counter) == expected


@given(st.tuples(*[WORD] * 6))
def test_compiled_words_are_those_of_the_reference(words: tuple[int, ...]) -> None:
    assert compiled_philox(*words) == list(ref_rng.philox4x32(*words))


@pytest.mark.parametrize("words", list(product((0, 2**32 - 1), repeat=6)))
def test_compiled_words_at_the_edges(words: tuple[int, ...]) -> None:
    assert compiled_philox(*words) == list(ref_rng.philox4x32(*words))


@given(st.integers(0, 2**64 - 1), st.tuples(*[WORD] * 4))
def test_compiled_uniforms_are_those_of_the_reference(seed: int, words: tuple[int, ...]) -> None:
    found = compiled_uniforms(seed, *words)
    assert found == ref_rng.uniforms(seed, *words)
    for u in found:
        assert 0.0 <= u < 1.0
        assert (u * 2**32).is_integer()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 9])
def test_table_is_made_of_uniforms(seed: int, size: int) -> None:
    where = (7, 2**32 - 3, 1)
    table = numba_rng.uniform_table(np.uint64(seed), *where, 3, size)
    np.testing.assert_array_equal(table, ref_rng.uniform_table(seed, *where, 3, size))
    for trial, k in np.ndindex(3, size):
        one = ref_rng.uniforms(seed, 7, k // 4, 2**32 - 3 + trial, 1)[k % 4]
        assert table[trial, k] == one


def test_table_does_not_depend_on_how_trials_are_shared_out() -> None:
    whole = numba_rng.uniform_table(np.uint64(5), 11, 0, 2, 50, 6)
    parts = [
        numba_rng.uniform_table(np.uint64(5), 11, first, 2, 10, 6) for first in range(0, 50, 10)
    ]
    np.testing.assert_array_equal(whole, np.vstack(parts))
    shorter = numba_rng.uniform_table(np.uint64(5), 11, 0, 2, 50, 3)
    np.testing.assert_array_equal(whole[:, :3], shorter)


def test_empty_tables() -> None:
    for module in (numba_rng, ref_rng):
        assert module.uniform_table(np.uint64(1), 0, 0, 0, 0, 4).shape == (0, 4)
        assert module.uniform_table(np.uint64(1), 0, 0, 0, 4, 0).shape == (4, 0)


def test_every_coordinate_counts() -> None:
    """Two counters that differ in one coordinate, low or high, share no draw."""
    seen: dict[tuple[float, ...], tuple[int, ...]] = {}
    base = (3, 5, 7, 11, 1)
    for place in range(5):
        top = 64 if place == 0 else 32
        for bit in range(top):
            words = tuple(w ^ (1 << bit if k == place else 0) for k, w in enumerate(base))
            four = compiled_uniforms(*words)
            assert four not in seen, (words, seen[four])
            seen[four] = words
    values = [x for four in seen for x in four]
    # 768 draws of 32 bits: equal ones are possible, but not with this counter.
    assert len(set(values)) == len(values)


def test_coordinates_do_not_stand_in_for_each_other() -> None:
    draws = {compiled_uniforms(*words) for words in product((0, 1, 2), repeat=5)}
    assert len(draws) == 3**5


# --- Statistics: fixed seed, six standard deviations. -----------------------------------------

SIGMAS = 6.0
LENGTH = 1 << 16


def series(seed: int, stream: int, rounds: int = 16, first_trial: int = 0) -> NDArray[np.float64]:
    """One long row: trials x words of a few rounds."""
    trials = LENGTH // (4 * rounds)
    return np.concatenate(
        [
            numba_rng.uniform_table(np.uint64(seed), t, first_trial, stream, trials, 4).ravel()
            for t in range(rounds)
        ]
    )


def assert_uncorrelated(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    correlation = float(np.mean((x - 0.5) * (y - 0.5))) * 12.0
    assert abs(correlation) < SIGMAS / np.sqrt(len(x))


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_moments(stream: int) -> None:
    u = series(20_240_607, stream)
    n = len(u)
    assert abs(u.mean() - 0.5) < SIGMAS * np.sqrt(1.0 / 12.0 / n)
    assert abs(((u - 0.5) ** 2).mean() - 1.0 / 12.0) < SIGMAS * np.sqrt(1.0 / 180.0 / n)
    counts = np.bincount((u * 256).astype(np.int64), minlength=256)
    chi2 = float(((counts - n / 256) ** 2).sum() / (n / 256))
    assert abs(chi2 - 255.0) < SIGMAS * np.sqrt(2.0 * 255.0)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 1024])
def test_serial_correlation(lag: int) -> None:
    u = series(20_240_607, 0)
    assert_uncorrelated(u[:-lag], u[lag:])


def test_the_four_words_of_a_round_are_independent() -> None:
    words = series(3, 0).reshape(-1, 4)
    for i in range(4):
        for j in range(i):
            assert_uncorrelated(words[:, i], words[:, j])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1, 0, 0), (1, 1, 0)),
        ((1, 0, 0), (2, 0, 0)),
        ((1, 0, 0), (1 + 2**32, 0, 0)),
        ((1, 0, 0), (2**64 - 1, 0, 0)),
        ((1, 1, 0), (1, 2, 0)),
        ((1, 0, 0), (1, 0, 2**20)),
    ],
    ids=["stream", "seed", "high seed word", "last seed", "streams 1, 2", "trials"],
)
def test_cross_correlation(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
    x = series(a[0], a[1], first_trial=a[2])
    y = series(b[0], b[1], first_trial=b[2])
    assert_uncorrelated(x, y)
    assert_uncorrelated(x[1:], y[:-1])
    assert not np.isin(x[:2000], y).sum() > 4  # 2000 x 65536 pairs of 32 bits: 0.03 expected


def test_rounds_and_trials_are_independent() -> None:
    table = np.stack(
        [numba_rng.uniform_table(np.uint64(9), t, 0, 0, 256, 1)[:, 0] for t in range(256)]
    )
    assert_uncorrelated(table[1:].ravel(), table[:-1].ravel())
    assert_uncorrelated(table[:, 1:].ravel(), table[:, :-1].ravel())
    by_round = (table.mean(1) - 0.5) * np.sqrt(12.0 * 256)
    by_trial = (table.mean(0) - 0.5) * np.sqrt(12.0 * 256)
    for z in (by_round, by_trial):
        assert abs(float((z**2).mean()) - 1.0) < SIGMAS * np.sqrt(2.0 / 256)
