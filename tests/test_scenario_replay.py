import re
from ast import literal_eval
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.scenarios import SCENARIOS, check_table, list_data, scenario
from fastroute.study.problems import option_problems

DATES = {"new": "2024-06-01", "old": "2023-01-01", "mid": "2023-05-01"}


def outcomes(queries: int = 4) -> pl.DataFrame:
    """Return a clean table of outcomes of three models."""
    rows = [
        (f"q{query}", f"task-{query % 2}", model, (query + place) % 3 / 2.0, 1.0 + place + query)
        for query in range(queries)
        for place, model in enumerate(DATES)
    ]
    return pl.DataFrame(rows, schema=["query", "task", "model", "score", "cost"], orient="row")


def replay(table: Any, models: Any = DATES, **options: Any) -> Any:
    return scenario("replay", outcomes=table, models=models, **options)


def change(row: int, **values: Any) -> pl.DataFrame:
    """Return the clean table with some values of one row changed."""
    records = outcomes().to_dicts()
    records[row].update(values)
    return pl.DataFrame(records)


def test_replay_places_every_outcome() -> None:
    built = replay(outcomes(), initial=3)
    assert built.models == ("old", "mid", "new")
    assert built.reward is built.cost is None
    # Models new, old, mid have places 0, 1, 2 in the table.
    np.testing.assert_array_equal(built.outcomes.cost[0], [2.0, 3.0, 1.0])
    np.testing.assert_array_equal(built.outcomes.score[1], [1.0, 0.0, 0.5])
    assert built.cost_range == (1.0, 6.0)
    assert "4 queries" in built.note


def test_replay_order_and_arrivals() -> None:
    world = replay(outcomes(), order="table", limit=0.5, initial=2).resolve(1000, 1)
    assert world.reward.kernel == world.cost.kernel == "replay_in_order"
    assert world.arrival.tolist() == [0, 0, 800]
    assert replay(outcomes()).resolve(10, 1).reward.kernel == "replay"


@given(st.permutations(range(12)))
def test_row_order_decides_only_the_order_of_queries(order: list[int]) -> None:
    clean = outcomes()
    shuffled = replay(clean[order])
    straight = replay(clean)
    first = clean[order]["query"].unique(maintain_order=True).to_list()
    rows = [int(query[1:]) for query in first]
    np.testing.assert_array_equal(shuffled.outcomes.score, straight.outcomes.score[rows])
    np.testing.assert_array_equal(shuffled.outcomes.cost, straight.outcomes.cost[rows])


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_and_frames_give_the_same(tmp_path: Path, suffix: str) -> None:
    table = tmp_path / f"table.{suffix}"
    models = tmp_path / f"models.{suffix}"
    names = pl.DataFrame({"model": list(DATES), "release_date": list(DATES.values())})
    for frame, path in ((outcomes(), table), (names, models)):
        (frame.write_parquet if suffix == "parquet" else frame.write_csv)(path)
    built = replay(str(table), models)
    np.testing.assert_array_equal(built.outcomes.score, replay(outcomes()).outcomes.score)
    assert built.note.endswith(f"from table.{suffix}")
    assert check_table(table, models).ok


def test_columns_are_mapped_and_query_id_is_found() -> None:
    renamed = outcomes().rename({"query": "query_id", "cost": "usd", "task": "subject"})
    built = replay(renamed, columns={"cost": "usd", "task": "subject"})
    np.testing.assert_array_equal(built.outcomes.cost, replay(outcomes()).outcomes.cost)


def test_dates_may_be_dates() -> None:
    names = pl.DataFrame({"model": list(DATES), "release_date": list(DATES.values())})
    built = replay(outcomes(), names.with_columns(pl.col("release_date").str.to_date()))
    assert built.models == ("old", "mid", "new")


def test_tasks_select_queries() -> None:
    built = replay(outcomes(), tasks="task-1")
    assert built.outcomes.score.shape == (2, 3)
    assert replay(outcomes(), tasks=["task-1", "task-0"]).outcomes.score.shape == (4, 3)
    with pytest.raises(ValueError, match="tasks='task-2' is unknown; did you mean 'task-"):
        replay(outcomes(), tasks="task-2")
    with pytest.raises(ValueError, match="tasks="):
        replay(outcomes(), tasks=[])


REFUSED: list[tuple[Any, dict[str, Any], list[str]]] = [
    (outcomes()[:-1], {}, ["1 of 12 cells", "mid (1)", "missing='drop'"]),
    (change(3, score=None), {}, ["1 of 12 cells", "new (1)"]),
    (change(3, score=float("nan")), {}, ["1 of 12 cells"]),
    (pl.concat([outcomes(), outcomes()[:1]]), {}, ["1 repeated", "'q0'", "'new'", "'mean'"]),
    (change(4, cost=0.0), {}, ["cost is 0 in 1 row", "'old'", "zero_cost='keep'", "columns="]),
    (change(4, cost=-1.0), {}, ["cost: 1 value", "-1", "repair"]),
    (change(4, cost=float("inf")), {}, ["cost: 1 value", "inf"]),
    (change(4, score=1.5), {}, ["score: 1 value", "1.5", "rescale"]),
    (change(4, score=-0.5), {}, ["score: 1 value", "-0.5"]),
    (change(4, task="other"), {}, ["task: 1 queries", "'q1'"]),
    (change(4, model=None), {}, ["model", "empty in 1 row"]),
    (outcomes(), {"models": {"old": "2023-01-01"}}, ["'new', 'mid'", "not in the models table"]),
    (outcomes(), {"models": {**DATES, "old": ""}}, ["release_date: no date", "'old'; fill in Y"]),
    (outcomes(), {"models": {**DATES, "old": "May 2023"}}, ["release_date", "'May 2023'"]),
    (outcomes(), {"models": None}, ["models=None", "release_date"]),
    (
        outcomes(),
        {"models": pl.DataFrame({"model": ["old", "old"], "release_date": ["", ""]})},
        ["'old' occurs twice"],
    ),
    (
        outcomes(),
        {"models": pl.DataFrame({"model": ["old"], "released": [""]})},
        ["no column 'release_date'", "did you mean 'released'"],
    ),
    (outcomes().drop("cost"), {}, ["no column 'cost'", "columns={'cost': ...}"]),
    (outcomes(), {"columns": {"price": "cost"}}, ["columns='price'", "cost"]),
    (outcomes(), {"columns": {"cost": "csot"}}, ["columns['cost']='csot'", "did you mean 'cost'"]),
    (
        outcomes().with_columns(pl.lit(date(2024, 1, 1)).alias("cost")),
        {},
        ["cost: column 'cost' has type Date", "convert"],
    ),
    (outcomes()[:0], {}, ["no rows"]),
    (outcomes(), {"exclude": 3}, ["exclude=3", "a name or a list of names"]),
    (outcomes(), {"tasks": {"a": 1}}, ["tasks={'a': 1}", "a name or a list of names"]),
    (outcomes(), {"order": "random"}, ["order='random'", "'iid', 'table'"]),
    (outcomes(), {"missing": "keep"}, ["missing='keep'"]),
    (outcomes(), {"duplicates": "first"}, ["duplicates='first'"]),
    (outcomes(), {"zero_cost": "drop"}, ["zero_cost='drop'"]),
    (outcomes(), {"limit": 0.2}, ["limit=0.2"]),
    ("nowhere.parquet", {}, ["'nowhere.parquet'", "no such file"]),
    ([1, 2], {}, ["list", "Polars"]),
]


@pytest.mark.parametrize(("table", "options", "words"), REFUSED)
def test_bad_tables_are_refused_with_field_value_and_remedy(
    table: Any, options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        replay(table, **options)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("name", "words"), [("t.txt", ["'.txt'", ".parquet"]), ("t.parquet", ["repair"])]
)
def test_bad_files_are_refused(tmp_path: Path, name: str, words: list[str]) -> None:
    path = tmp_path / name
    path.write_text("nonsense")
    with pytest.raises(ValueError, match=r".") as error:
        replay(path)
    assert [word for word in words if word not in str(error.value)] == []


def test_queries_with_missing_cells_are_dropped_on_demand() -> None:
    table = pl.concat([change(3, score=None), outcomes(6)[15:17]])
    built = replay(table, missing="drop")
    clean = replay(outcomes())
    np.testing.assert_array_equal(built.outcomes.score, clean.outcomes.score[[0, 2, 3]])
    assert "2 queries with a missing cell dropped" in built.note
    with pytest.raises(ValueError, match="leaves nothing"):
        replay(outcomes(3)[[0, 4, 8]], missing="drop")


def gappy(models: str = "abc") -> pl.DataFrame:
    """Return four queries of two tasks; the last model has an outcome of the first query only."""
    rows = [
        (f"q{query}", f"t{1 + query // 2}", model, 1.0, 1.0)
        for query in range(4)
        for model in models
        if model != models[-1] or query == 0
    ]
    return pl.DataFrame(rows, schema=["query", "task", "model", "score", "cost"], orient="row")


def remedy_of(table: pl.DataFrame) -> str:
    (problem,) = check_table(table).problems
    assert problem.kind == "missing"
    return problem.remedy


def test_remedies_of_missing_cells_say_what_stays() -> None:
    table = gappy()
    assert remedy_of(table) == (
        "fill them; or missing='drop' keeps 1 of 4 queries and no query of task 't2' (1 of 2 of "
        "task 't1'); or exclude=['c'] keeps 4 of 4 queries"
    )
    days = dict.fromkeys("abc", "2024-01-01")
    built = replay(table, days, missing="drop")
    assert built.n_models == 3
    assert built.note.endswith(
        "3 queries with a missing cell dropped, and with them every query of task 't2'"
    )
    built = replay(table, days, exclude=["c"], limit=0.5)
    assert built.models == ("a", "b")
    assert built.outcomes.score.shape == (4, 2)
    assert built.note.endswith("of 4 queries")


def test_a_remedy_that_leaves_nothing_is_not_offered() -> None:
    cost = pl.when(pl.col("model") == "c").then(None).otherwise("cost")
    unpriced = gappy().with_columns(cost=cost)
    assert remedy_of(unpriced) == "fill them; or exclude=['c'] keeps 4 of 4 queries"
    days = dict.fromkeys("abc", "2024-01-01")
    with pytest.raises(
        ValueError, match=r"leaves nothing.*; exclude=\['c'\] keeps 4 of 4 queries$"
    ):
        replay(unpriced, days, missing="drop")
    # Without b and c a single model is left, between which nothing is routed.
    assert remedy_of(unpriced.filter(pl.col("model") != "b")) == "fill them"
    # Each query has its own model: a log, which can be filled for a replay only.
    log = outcomes(3)[[0, 4, 8]]
    with pytest.raises(ValueError, match=r"fill them$"):
        replay(log, dict.fromkeys(log["model"], "2024-01-01"))
    assert check_table(log).problems == ()
    # c alone has outcomes of the third query, and of no other one.
    cells = [("0", "a"), ("0", "b"), ("1", "a"), ("2", "c"), ("3", "a"), ("3", "b")]
    lonely = pl.DataFrame(
        [{"query": query, "model": model, "score": 1.0, "cost": 1.0} for query, model in cells]
    )
    assert remedy_of(lonely) == (
        "fill them; or exclude=['c'] with missing='drop' keeps 2 of 4 queries"
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("abcd")), min_size=1, max_size=20, unique=True
    )
)
def test_what_a_remedy_promises_is_what_it_gives(cells: list[tuple[int, str]]) -> None:
    rows = [(str(query), f"t{query % 2}", model, 0.5, 1.0) for query, model in cells]
    table = pl.DataFrame(rows, schema=["query", "task", "model", "score", "cost"], orient="row")
    days = dict.fromkeys("abcd", "2024-01-01")
    for problem in check_table(table, days).problems:
        assert problem.kind == "missing"
        for remedy in problem.remedy.split("; or ")[1:]:
            words, _, stays = remedy.partition(" keeps ")
            names = re.search(r"\[.*\]", words)
            built = replay(
                table,
                days,
                missing="drop" if "drop" in words else "error",
                exclude=literal_eval(names[0]) if names else None,
                limit=1.0,
            )
            assert built.n_models >= 2
            assert built.outcomes.score.shape[0] == int(stays.split()[0])


def test_models_are_left_out_with_all_that_is_wrong_with_them() -> None:
    rows = outcomes().to_dicts()
    rows[0].update(score=7.0, cost=None)
    rows[3].update(score="abc")
    dates = {**DATES, "new": "soon"}
    built = replay(rows, dates, exclude="new", limit=0.5)
    assert built.models == ("old", "mid")
    del dates["new"]
    assert replay(rows, dates, exclude="new", limit=0.5).models == ("old", "mid")


def test_only_known_models_can_be_left_out() -> None:
    with pytest.raises(ValueError, match=r"exclude='odl' is unknown; did you mean 'old'\?"):
        replay(outcomes(), exclude=["odl"])
    # A model of the models table is known, whether it has outcomes or not.
    assert replay(outcomes(), {**DATES, "ghost": None}, exclude=["ghost"]).n_models == 3
    with pytest.raises(ValueError, match="leaves no model"):
        replay(outcomes(), exclude=list(DATES))


def test_leaving_out_every_model_is_no_remedy() -> None:
    for models in ({}, dict.fromkeys(DATES)):
        (problem,) = check_table(outcomes(), models).problems
        assert "exclude" not in problem.remedy


def test_the_models_table_may_name_more_models() -> None:
    more = {"ghost": "1990-01-01", **DATES, "late": "soon"}
    built = replay(outcomes(), more)
    assert built.models == ("old", "mid", "new")
    np.testing.assert_array_equal(built.arrival, replay(outcomes()).arrival)
    report = check_table(outcomes(), more)
    assert report.ok
    assert report.notes == (
        "'ghost', 'late' in the models table but not in the outcomes; not used",
    )
    assert f"note: {report.notes[0]}" in str(report)


def test_a_table_without_tasks_is_of_one_task() -> None:
    table = outcomes().drop("task")
    np.testing.assert_array_equal(replay(table).outcomes.score, replay(outcomes()).outcomes.score)
    report = check_table(table)
    assert report.tasks == 1
    assert report.notes == ("no column 'task', so every query is of the one task 'all'",)


def test_models_are_left_out_in_a_study() -> None:
    table = {
        "name": "replay",
        "outcomes": gappy(),
        "models": dict.fromkeys("abc", "2024-01-01"),
        "exclude": ["c"],
        "limit": 0.5,
    }
    assert option_problems({"scenario": table}, {}) == []
    (problem,) = option_problems({"scenario": {**table, "exclude": ["d"]}}, {})
    assert "exclude='d' is unknown" in problem


def test_duplicates_are_averaged_on_demand() -> None:
    table = pl.concat([outcomes(), change(0, score=1.0, cost=4.0)[:1]])
    built = replay(table, duplicates="mean")
    assert built.outcomes.score[0, 2] == 0.5
    assert built.outcomes.cost[0, 2] == 2.5


def test_zero_costs_are_kept_on_demand() -> None:
    built = replay(change(4, cost=0.0), zero_cost="keep")
    assert built.cost_range[0] == 0.0


# check_table and list_data


def test_check_reports_every_problem_at_once() -> None:
    table = pl.concat([change(4, cost=0.0), change(0, score=1.5)[:1], outcomes(5)[12:14]])
    report = check_table(table, {"new": "2024-06-01", "old": "", "ghost": "2020-01-01"})
    kinds = [problem.kind for problem in report.problems]
    expected = ["models", "release_date", "score", "duplicates", "missing", "zero_cost"]
    assert kinds == expected
    assert (report.rows, report.queries, report.tasks, report.models) == (15, 5, 2, 3)
    assert (report.missing, report.duplicates, report.zero_costs) == (1, 1, 1)
    assert (report.score_min, report.score_max) == (0.0, 1.5)
    text = str(report)
    for problem in report.problems:
        assert problem.message in text
        assert problem.remedy in text
    assert "'ghost' in the models table but not in the outcomes; not used" in report.notes
    assert report.sha256 is None
    assert not report.ok


def test_check_of_a_clean_table() -> None:
    report = check_table(outcomes())
    assert report.ok
    assert "no problems found" in str(report)
    means = {row["model"]: row for row in report.per_model.iter_rows(named=True)}
    assert means["old"]["mean_cost"] == 3.5
    assert means["old"]["release_date"] is None
    assert check_table(outcomes(), DATES).per_model["release_date"].to_list() == [*DATES.values()]


def test_check_copes_with_scores_that_are_all_missing() -> None:
    report = check_table(outcomes().with_columns(score=pl.lit(None)))
    assert report.score_min is None
    assert report.missing == 12


def test_list_names_every_registered_scenario() -> None:
    listed = {entry.scenario: entry for entry in list_data()}
    assert list(listed) == list(SCENARIOS)
    assert listed["sota"].models == 24
    assert listed["routerbench"].models == 11
    for entry in listed.values():
        assert entry.kind in ("synthetic", "surrogate", "recorded")
        assert entry.licence
        assert entry.available or "pip install" in entry.remedy


# Tables that are kept beside the project.


def test_replay_of_paretobandit_k4(shared: Path) -> None:
    folder = shared / "data" / "paretobandit_k4"
    report = check_table(folder / "outcomes.parquet", folder / "models.csv")
    assert report.ok
    assert (report.rows, report.queries, report.tasks, report.models) == (14_236, 3559, 31, 4)
    built = replay(folder / "outcomes.parquet", folder / "models.csv", limit=0.5, initial=2)
    reference = {row["model"]: row for row in pl.read_csv(folder / "models.csv").to_dicts()}
    for model, score, cost in zip(built.models, built.reward_mean, built.cost_mean, strict=True):
        assert score == pytest.approx(reference[model]["mean_score"], rel=1e-5)
        assert cost == pytest.approx(reference[model]["mean_cost"], rel=1e-5)
    # Two models were released on one day, so three are there at once.
    assert built.arrival.tolist() == [0.0, 0.0, 0.0, 0.8]


def test_replay_of_llmrouterbench(shared: Path) -> None:
    folder = shared / "data" / "llmrouterbench_240"
    paths = (folder / "outcomes.parquet", folder / "models.csv")
    report = check_table(*paths)
    assert [problem.kind for problem in report.problems] == ["missing", "zero_cost"]
    assert report.missing == 60
    with pytest.raises(ValueError, match=r"deepseek-v3\.1-terminus \(60\)"):
        replay(*paths)
    with pytest.raises(ValueError, match="cost is 0"):
        replay(*paths, missing="drop")
    built = replay(*paths, missing="drop", zero_cost="keep", columns={"cost": "cost_filled"})
    assert built.outcomes.score.shape == (180, 33)
    assert built.models[0] == "glm-4-9b-chat"
    assert built.models[-1] == "glm-4.6"
    small = replay(*paths, tasks="AIME", zero_cost="keep")
    assert small.outcomes.score.shape == (60, 33)
