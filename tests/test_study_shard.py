"""Shards as Parquet: nothing is lost, and they are the same bytes for the same trials."""

from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.simulation.api import simulate_part
from fastroute.simulation.merge import Accounts, concatenate, concatenate_all
from fastroute.simulation.settings import Settings
from fastroute.study.errors import DamagedError
from fastroute.study.shard import from_parquet, to_parquet

SETTINGS: dict[str, Any] = {
    "horizon": 300,
    "budget": 3.0,
    "max_deployed": 4,
    "trials": 150,
    "checkpoints": 7,
}


def part(first: int, stop: int, **changes: Any) -> Accounts:
    scenario, policy = fr.scenario("sota"), fr.policy("stageroute")
    settings = {**SETTINGS, **changes}
    return simulate_part(
        scenario, policy, Settings(**settings), first, stop, keep_stages=True
    ).accounts


def assert_same(one: Any, other: Any) -> None:
    """Compare accounts: every array with its type, shape and bits."""
    if isinstance(one, tuple):
        assert type(one) is type(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name, value in one.items():
            assert_same(value, other[name])
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("curves", [False, True])
@pytest.mark.parametrize("stages", [False, True])
@pytest.mark.parametrize(("first", "stop"), [(0, 128), (128, 150), (64, 65)])
def test_what_is_written_is_read_back(curves: bool, stages: bool, first: int, stop: int) -> None:
    accounts = part(first, stop).reduced(curves=curves, stages=stages)
    content = to_parquet(accounts)
    read = from_parquet(content)
    assert_same(accounts._replace(picks=read.picks), read)
    assert to_parquet(read) == content


def test_a_shard_without_a_column_is_refused() -> None:
    accounts = part(0, 5)
    finals = {name: values for name, values in accounts.finals.items() if name != "late_cost"}
    with pytest.raises(DamagedError, match=r"no column late_cost: .*run the study again"):
        from_parquet(to_parquet(accounts._replace(finals=finals)))


def test_one_model_one_stage_and_one_trial() -> None:
    scenario = fr.Scenario([0.5], [1.0])
    accounts = simulate_part(
        scenario,
        fr.policy("uniform"),
        Settings(horizon=1, budget=1.0, max_deployed=1, trials=1),
        0,
        1,
        keep_stages=True,
    ).accounts
    for reduce in (False, True):
        reduced = accounts.reduced(curves=reduce, stages=reduce)
        read = from_parquet(to_parquet(reduced))
        assert_same(reduced._replace(picks=read.picks), read)


def test_reducing_before_writing_or_after_reading_is_the_same() -> None:
    accounts = part(0, 128)
    later = from_parquet(to_parquet(accounts)).reduced(curves=True, stages=True)
    assert_same(accounts.reduced(curves=True, stages=True)._replace(picks=later.picks), later)


def test_shards_of_any_size_join_to_the_same() -> None:
    whole = concatenate([part(0, 150)])
    parts = concatenate(
        [from_parquet(to_parquet(part(*cut))) for cut in ((0, 64), (64, 100), (100, 150))]
    )
    assert_same(whole._replace(picks=parts.picks), parts)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
@pytest.mark.parametrize("reduce", [False, True])
def test_very_many_shards_join_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, count: int, reduce: bool
) -> None:
    # A block is a single trial here, so that single trials can be reduced.
    monkeypatch.setattr("fastroute.simulation.blocks.BLOCK", 1)
    parts = [part(k, k + 1).reduced(curves=reduce, stages=reduce) for k in range(count)]
    joined = concatenate_all(iter(parts))
    assert_same(joined, concatenate(parts))
    assert concatenate_all([]) is None
