"""A leaderboard is a scenario: one row per model with its mean score and cost."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.scenarios import Bernoulli, Beta, Lognormal, scenario

BOARD = pl.DataFrame(
    [
        ("c", 0.9, 3.0, "2024-06-01"),
        ("a", 0.5, 0.1, "2024-01-01"),
        ("b", 0.7, 1.0, "2024-03-01"),
        ("d", 0.8, 2.0, "2024-08-10"),
    ],
    schema=["model", "score", "cost", "release_date"],
    orient="row",
)


def means(models: Any = BOARD, **options: Any) -> Any:
    return scenario("means", models=models, **{"limit": 0.5, "initial": 2, **options})


def change(row: int, **values: Any) -> list[dict[str, Any]]:
    """Return the board with some values of one row changed."""
    records = BOARD.to_dicts()
    records[row].update(values)
    return records


def test_models_arrive_by_release_date_with_their_means() -> None:
    built = means(spread=0.8)
    assert built.models == ("a", "b", "c", "d")
    assert built.reward_mean.tolist() == [0.5, 0.7, 0.9, 0.8]
    assert built.cost_mean.tolist() == [0.1, 1.0, 3.0, 2.0]
    # Of 162 days from the second model to the last, the third comes after 92.
    np.testing.assert_allclose(built.arrival, [0.0, 0.0, 0.8 * 92 / 162, 0.8])
    assert "surrogate" in built.note
    assert built.reward == Bernoulli()


def test_laws_are_those_of_a_scenario() -> None:
    built = means(
        reward={"name": "beta", "concentration": 4.0},
        cost=Lognormal(0.5),
        cost_range=(0.0, 40.0),
        name="board",
        cost_unit="EUR",
    )
    assert built.reward == Beta(concentration=4.0)
    assert (built.cost, built.cost_range) == (Lognormal(sigma=0.5), (0.0, 40.0))
    assert (built.name, built.cost_unit) == ("board", "EUR")
    assert means(cost="fixed").cost_range == (0.1, 3.0)


@pytest.mark.parametrize("dates", [None, [None] * 4, ["", "NA", "-", None]])
def test_without_release_dates_all_models_are_there_from_the_start(dates: Any) -> None:
    board = BOARD.drop("release_date")
    if dates is not None:
        board = board.with_columns(pl.Series("release_date", dates))
    built = means(board)
    assert built.models == ("c", "a", "b", "d")
    assert built.arrival.tolist() == [0.0] * 4
    assert "no release dates" in built.note


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"board{suffix}"
    board = BOARD.with_columns(model=pl.Series(["3.50", "3.5", "3", "3.0"]))
    if suffix == ".csv":
        board.write_csv(path)
    elif suffix == ".parquet":
        board.write_parquet(path)
    else:
        board.write_ndjson(path)
    built = means(str(path))
    assert built.models == ("3.5", "3", "3.50", "3.0")
    assert built.reward_mean.tolist() == means().reward_mean.tolist()
    assert f"from board{suffix}" in built.note


def test_rewards_are_scores_and_columns_are_mapped() -> None:
    assert means(BOARD.rename({"score": "reward"})).reward_mean.tolist() == [0.5, 0.7, 0.9, 0.8]
    renamed = BOARD.rename({"score": "accuracy", "model": "llm", "release_date": "day"})
    names = {"score": "accuracy", "model": "llm", "release_date": "day"}
    assert means(renamed, columns=names).models == ("a", "b", "c", "d")


def test_models_are_left_out() -> None:
    built = means(change(0, score=None, cost="?"), exclude=["c"])
    assert built.models == ("a", "b", "d")
    with pytest.raises(ValueError, match="exclude='e' is unknown"):
        means(exclude="e")


@pytest.mark.parametrize(
    ("board", "options", "words"),
    [
        (change(1, score=50.0), {}, ["score: 1 value", "50.0 in row 2 (model 'a')", "rescale"]),
        (change(1, cost=-1.0), {}, ["cost: 1 value", "-1.0 in row 2 (model 'a')"]),
        (change(1, cost="dear"), {}, ["cost: 1 value", "'dear' in row 2 (model 'a')"]),
        (change(1, cost=None), {}, ["score or cost is missing for 'a'", "exclude=['a']"]),
        (change(1, cost=0.0), {}, ["cost is 0 in 1 row(s), of 'a'", "zero_cost='keep'"]),
        (change(1, model="b"), {}, ["'b' occurs twice", "one row per model"]),
        (BOARD[[0, 0]].drop("release_date"), {}, ["model: 1 repeated", "row 2 (model 'c')"]),
        (change(1, model=""), {}, ["model: column 'model' is empty in 1 row(s)", "row 2"]),
        (change(1, release_date=None), {}, ["release_date: no date for 'a'", "exclude=['a']"]),
        (change(1, release_date="soon"), {}, ["'soon' of model 'a' is not a date", "YYYY-MM-DD"]),
        (BOARD.drop("score"), {}, ["models: no column 'score'", "columns={'score': ...}"]),
        (BOARD[:0], {}, ["the table has no rows", "one row per model"]),
        (BOARD, {"limit": 0.2}, ["limit=0.2", "2 initial"]),
        (BOARD.drop("release_date"), {"limit": 0.2}, ["limit=0.2", "4 initial"]),
        (BOARD, {"reward": "replay"}, ["reward='replay'", "'bernoulli', 'beta'"]),
        (BOARD, {"cost": "replay"}, ["cost='replay'", "'uniform', 'fixed', 'lognormal'"]),
        (BOARD, {"zero_cost": "drop"}, ["zero_cost='drop'"]),
        ("nowhere.csv", {}, ["models='nowhere.csv'", "no such file"]),
    ],
)
def test_bad_boards_are_refused(board: Any, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        means(board, **options)
    assert [word for word in words if word not in str(error.value)] == []
    assert "\n" not in str(error.value)


def test_free_models_are_kept_on_demand() -> None:
    assert means(change(1, cost=0.0), zero_cost="keep").cost_mean[0] == 0.0


def test_a_leaderboard_is_a_scenario_of_a_study(tmp_path: Path) -> None:
    path = tmp_path / "board.csv"
    BOARD.rename({"score": "accuracy"}).write_csv(path)
    file = tmp_path / "study.toml"
    file.write_text(
        f"""
        name = "board"
        [scenario]
        name = "means"
        models = {str(path)!r}
        limit = 0.5
        initial = 2
        columns = {{ score = "accuracy" }}
        exclude = ["d"]
        cost = ["fixed", "uniform"]
        [[policy]]
        name = "uniform"
        [setting]
        horizon = 60
        budget = "1.5 * cheapest"
        max_deployed = 2
        trials = 8
        """
    )
    stored = fr.run_study(fr.Study.from_toml(file), tmp_path / "run", progress=False)
    assert stored.cells.collect()["scenario"].to_list() == [
        "means (cost=fixed)",
        "means (cost=uniform)",
    ]
    assert stored.trials.collect().height == 16
