"""Price lists, and the scenarios that are made of what was read."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.outcomes.price_lists import read_price_list
from fastroute.scenarios import check_table, read_prices
from made_up import LITELLM, PRICES, written

# Price lists


@pytest.mark.parametrize(
    "prices",
    [
        {
            "sample_spec": {
                "input_cost_per_token": 0,
                "output_cost_per_token": 0,
                "deprecation_date": "a date",
            },
            "ox": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
            "image": {"output_cost_per_image": 3},
        },
        {
            "data": [
                {
                    "id": "farm/ox",
                    "created": 1740816000,
                    "pricing": {"prompt": "0.000001", "completion": "0.000002"},
                }
            ]
        },
        {"ox": {"input_token_price_per_million": 1.0, "output_token_price_per_million": 2.0}},
        {"ox": {"price_history": [{"from": "2024-01-01", "input": 1.0, "output": 2.0}]}},
        [{"model": "ox", "input": 1e-6, "output": 2e-6}],
        {"model": ["ox"], "price_in_per_M": [1.0], "price_out_per_M": [2.0]},
    ],
)
def test_price_lists_are_read_in_usd_per_token(tmp_path: Path, prices: Any) -> None:
    frame = read_price_list(prices).frame.filter(pl.col("model").str.ends_with("ox"))
    assert frame.select("input", "output").row(0) == pytest.approx((1e-6, 2e-6))
    if isinstance(prices, Mapping) and "model" not in prices:
        path = written(tmp_path / "prices.json", prices)
        assert read_price_list(path).frame.equals(read_price_list(prices).frame)
    log = [{"query": "q", "model": "ox", "score": 1, "tokens_in": 10, "tokens_out": 5}]
    assert fr.read_outcomes(log, prices=prices).frame["cost"].to_list() == pytest.approx([2e-5])


def test_the_price_is_that_of_the_day() -> None:
    prices = {
        "ox": [
            {"from": "2025-01-01", "input": 10.0, "output": 10.0},
            {"from": "2025-06-01", "input": 1.0, "output": 1.0},
        ]
    }
    days = ("2024-12-01", "2025-01-01", "2025-05-31T23:59:59Z", "2025-06-01", None)
    log = [
        {
            "query": str(i),
            "model": "farm/ox",
            "score": 1,
            "time": day,
            "tokens_in": 1,
            "tokens_out": 0,
        }
        for i, day in enumerate(days)
    ]
    outcomes = fr.read_outcomes(log, prices=prices)
    assert outcomes.frame["cost"].to_list() == [None, *map(pytest.approx, (1e-5, 1e-5, 1e-6, 1e-6))]
    changes = read_prices(prices)
    assert [(change.model, change.at, change.cost_factor) for change in changes] == [
        ("ox", date(2025, 6, 1), pytest.approx(0.1))
    ]


def test_models_without_a_price_are_named() -> None:
    log = [{"query": m, "model": m, "score": 1, "tokens_in": 10} for m in ("ox", "gnu")]
    outcomes = fr.read_outcomes(log, prices=PRICES)
    assert "has no price of 'gnu'" in outcomes.warnings[0]
    assert outcomes.frame["cost"].null_count() == 1


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        (
            {"ox": {"input_cost_per_token": "$1", "output_cost_per_token": 1}},
            "'\\$1' of 'ox' is not a",
        ),
        ({"ox": {"input_cost_per_token": -2, "output_cost_per_token": 1}}, "must be a number >= 0"),
        ({"ox": {"colour": "red"}}, "names no price"),
        ({"ox": [{"from": "2025-01-01", "input": i, "output": 1} for i in (1, 2)]}, "two prices"),
        ({"ox": [{"from": "soon", "input": 1, "output": 1}]}, "'soon' is not a date"),
        ("litellm", "the package is not installed|no such file"),
    ],
)
def test_wrong_price_lists_are_refused(prices: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"prices.*({words})"):
        read_price_list(prices)


def test_models_arrive_and_leave_by_a_price_list() -> None:
    rows = [
        {"query": f"q{i}", "model": m, "score": (i + k) % 2, "tokens_in": 10, "tokens_out": 5}
        for i in range(4)
        for k, m in enumerate("abcd")
    ]
    prices = {
        m: {
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 1e-6,
            "release_date": f"2024-0{k + 1}-01",
            "deprecation_date": "2024-02-15" if m == "a" else None,
        }
        for k, m in enumerate("abcd")
    }
    outcomes = fr.read_outcomes(rows, prices=prices)
    for scenario in (
        fr.scenario("replay", outcomes=outcomes, initial=2, limit=1.0),
        fr.scenario("means", models=outcomes, initial=2, limit=1.0),
    ):
        assert scenario.models == tuple("abcd")
        assert scenario.arrival.tolist() == pytest.approx([0.0, 0.0, 0.8 * 29 / 60, 0.8])
        assert scenario.retirement is not None
        assert scenario.retirement.tolist() == pytest.approx([0.8 * 14 / 60, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"'a' left by .* exclude=\['a'\]"):
        fr.scenario("replay", outcomes=outcomes, initial=3, limit=1.0)


# In scenarios and in the check


def test_scenarios_take_what_was_read(tmp_path: Path) -> None:
    rows = [
        {"query": f"q{i}", "model": m, "score": (i + k) % 2, "cost": 0.1 * (k + 1)}
        for i in range(4)
        for k, m in enumerate("ab")
    ]
    days = {"a": "2024-01-01", "b": "2024-02-01"}
    outcomes = fr.read_outcomes(rows)
    one = fr.scenario("replay", outcomes=outcomes, models=days, limit=1.0)
    two = fr.scenario("replay", outcomes=rows, models=days, limit=1.0)
    assert one.outcomes is not None
    assert two.outcomes is not None
    assert np.array_equal(one.outcomes.score, two.outcomes.score)
    means = fr.scenario("means", models=outcomes, limit=1.0)
    assert means.models == ("a", "b")
    assert means.reward_mean.tolist() == [0.5, 0.5]
    assert means.cost_mean.tolist() == pytest.approx([0.1, 0.2])
    log = fr.read_outcomes(rows[::3])
    with pytest.raises(ValueError, match=r"no query that several models answered.*'means'"):
        fr.scenario("replay", outcomes=log, models=days)
    with pytest.raises(ValueError, match="pass it to read_outcomes"):
        fr.scenario("replay", outcomes=outcomes, models=days, columns={"score": "score"})
    board = written(tmp_path / "b.csv", "model,accuracy,total_cost,n\na,50,10,100\nb,60,20,100\n")
    read = fr.scenario("means", models=board, limit=1.0, score_range=(0, 100), cost_per="run")
    assert read.reward_mean.tolist() == [0.5, 0.6]
    assert read.cost_mean.tolist() == [0.1, 0.2]


def test_the_check_says_what_a_log_and_a_leaderboard_are(tmp_path: Path) -> None:
    path = written(tmp_path / "log.jsonl", LITELLM)
    assert [problem.kind for problem in check_table(path).problems] == ["no_score"]
    scores = [{"session_id": f"s{i}", "score": i / 4} for i in range(4)]
    log = check_table(path, scores=scores)
    assert log.ok, str(log)
    assert "read as     litellm" in str(log)
    assert "failed requests (column 'status')" in str(log)
    assert "note: each query went to one model" in str(log)
    board = check_table(written(tmp_path / "b.csv", "model,score,cost\na,0.5,0.1\nb,60,0.2\n"))
    assert [problem.kind for problem in board.problems] == ["score"]
    assert "note: a leaderboard" in str(board)


def test_tables_of_others_are_recognised(shared: Path) -> None:
    data = shared / "data"
    full = fr.read_outcomes(data / "paretobandit_k4" / "outcomes.parquet")
    assert (full.kind, len(full.models), full.n_queries, len(full.tasks)) == ("full", 4, 3559, 31)
    partial = fr.read_outcomes(data / "llmrouterbench_240")
    assert (partial.kind, len(partial.models), partial.n_queries) == ("partial", 33, 240)
    board = fr.read_outcomes(data / "llmrouterbench_240" / "models.csv")
    assert (board.kind, len(board.models), len(board.released)) == ("means", 33, 33)
    wide = fr.read_outcomes(data / "routerbench_reference" / "sample10_0shot.csv")
    assert (wide.kind, len(wide.models), wide.n_queries) == ("full", 11, 10)
