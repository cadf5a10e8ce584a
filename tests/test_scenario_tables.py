"""Tables are read as they are written, from whatever holds them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.checks import MISSING_WORDS, release_date
from fastroute.outcomes.frames import Source, numbers, read_source, texts
from fastroute.scenarios import check_table, scenario
from fastroute.study.build import scenario_axes

ROWS: list[dict[str, Any]] = [
    {"query": query, "task": "t", "model": model, "score": score, "cost": cost}
    for query, model, score, cost in (
        ("007", "3.5", 1.0, 0.5),
        ("007", "3.50", 0.25, 2.0),
        ("7", "3.5", 0.0, 0.125),
        ("7", "3.50", 0.5, 1e-05),
    )
]
DATES = {"3.5": "2024-01-01", "3.50": "2024-02-01"}
DATED = [{"model": model, "release_date": day} for model, day in DATES.items()]


def pandas_frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas", reason='pip install "fastroute[data]"').DataFrame(rows)


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def named_array(rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    kinds = [
        (name, "f8" if isinstance(value, float) else f"U{max(len(str(r[name])) for r in rows)}")
        for name, value in rows[0].items()
    ]
    return np.array([tuple(row.values()) for row in rows], dtype=kinds)


IN_MEMORY: list[Callable[[list[dict[str, Any]]], Any]] = [
    pl.DataFrame,
    pandas_frame,
    columns_of,
    list,
    named_array,
    lambda rows: named_array(rows).view(np.recarray),
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows into a file of the kind that its name says."""
    frame = pl.DataFrame(rows)
    match path.suffix:
        case ".csv":
            frame.write_csv(path)
        case ".parquet":
            frame.write_parquet(path)
        case ".json":
            path.write_text(json.dumps(rows))
        case _:
            path.write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    return path


def expect_rows(built: Any) -> None:
    assert built.models == ("3.5", "3.50")
    np.testing.assert_array_equal(built.outcomes.score, [[1.0, 0.25], [0.0, 0.5]])
    np.testing.assert_array_equal(built.outcomes.cost, [[0.5, 2.0], [0.125, 1e-05]])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".ndjson", ".json"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, suffix: str) -> None:
    outcomes = write(tmp_path / f"outcomes{suffix}", ROWS)
    models = write(tmp_path / f"models{suffix}", DATED)
    expect_rows(scenario("replay", outcomes=outcomes, models=str(models), limit=0.5))
    assert check_table(outcomes, models).ok


@pytest.mark.parametrize("make", IN_MEMORY)
def test_every_table_in_memory_gives_the_same(make: Callable[..., Any]) -> None:
    expect_rows(scenario("replay", outcomes=make(ROWS), models=make(DATED), limit=0.5))
    assert check_table(make(ROWS), make(DATED)).ok


def test_a_list_of_files_is_an_axis_of_a_study() -> None:
    files = ["a.csv", "b.csv"]
    assert scenario_axes("replay", {"outcomes": files, "models": files}) == {
        "outcomes": tuple(files),
        "models": tuple(files),
    }
    assert scenario_axes("means", {"models": files, "exclude": files}) == {"models": tuple(files)}


# Text


@pytest.mark.parametrize(
    "pair", [("1.1", "1.10"), ("007", "7"), ("1e5", "100000"), ("true", "True"), ("NA", "nan")]
)
@pytest.mark.parametrize("role", ["query", "task", "model"])
def test_text_of_a_csv_file_is_read_as_written(
    tmp_path: Path, role: str, pair: tuple[str, str]
) -> None:
    rows = [
        {"query": f"q{name}", "task": "t", "model": "m", "score": 1, "cost": 1} | {role: name}
        for name in pair
    ]
    path = write(tmp_path / "outcomes.csv", rows)
    report = check_table(path)
    sizes = {"query": report.queries, "task": report.tasks, "model": report.models}
    assert sizes[role] == 2
    assert report.duplicates == 0


def test_averaging_repeated_cells_never_mixes_queries(tmp_path: Path) -> None:
    path = write(tmp_path / "outcomes.csv", ROWS)
    built = scenario("replay", outcomes=path, models=DATES, duplicates="mean", limit=0.5)
    expect_rows(built)


def test_numbers_of_json_are_text_where_text_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    line = '{"query": %s, "model": "m", "score": %s, "cost": 1}\n'
    path.write_text(line % ("1.10", "true") + line % ("1.1", "0.5") + line % ("11", "NaN"))
    report = check_table(path)
    assert (report.queries, report.missing) == (3, 1)
    assert (report.score_min, report.score_max) == (0.5, 1.0)


@pytest.mark.parametrize("kind", [pl.Int8, pl.Int64, pl.UInt64])
@pytest.mark.parametrize("memory", [True, False])
def test_whole_numbers_are_ids_by_their_decimal_text(
    tmp_path: Path, kind: Any, memory: bool
) -> None:
    frame = pl.DataFrame(ROWS).with_columns(
        pl.Series("query", [1, 1, 2, 2], dtype=kind), pl.Series("model", [5, 6, 5, 6], dtype=kind)
    )
    frame.write_parquet(tmp_path / "outcomes.parquet")
    outcomes = frame if memory else tmp_path / "outcomes.parquet"
    days = {"5": "2024-01-01", "6": "2024-01-01"}
    built = scenario("replay", outcomes=outcomes, models=days, limit=0.5)
    assert built.models == ("5", "6")


def test_ids_of_several_types_keep_apart() -> None:
    source = read_source("t", {"id": [7, "007", True, 2.5, None]})
    assert texts(source, "query", "id").to_list() == ["7", "007", "True", "2.5", None]


@pytest.mark.parametrize("column", ["query", "task", "model"])
@pytest.mark.parametrize("values", [[b"\xff", b"b"], [b"a", "b"], [object(), 1]])
def test_bytes_and_objects_are_no_ids(column: str, values: list[Any]) -> None:
    table = columns_of(ROWS[:2]) | {column: values}
    with pytest.raises(ValueError, match=rf"^{column}: column '{column}' holds bytes.*decoding"):
        check_table(table)


def test_bytes_of_a_parquet_file_are_no_ids(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.parquet"
    pl.DataFrame(ROWS).with_columns(pl.col("query").cast(pl.Binary)).write_parquet(path)
    with pytest.raises(
        ValueError, match=r"column 'query' holds bytes .*type Binary.*text"
    ) as error:
        scenario("replay", outcomes=path, models=DATES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [[["a"], ["b"]], [{"a": 1}, {"a": 2}]])
def test_lists_and_records_are_no_ids(values: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"query: column 'query' has type .*; convert it to text"):
        check_table(columns_of(ROWS[:2]) | {"query": values})


@pytest.mark.parametrize("column", ["query", "notes"])
def test_broken_text_in_a_parquet_file_names_the_column(tmp_path: Path, column: str) -> None:
    path = tmp_path / "outcomes.parquet"
    frame = pl.DataFrame(ROWS).with_columns(pl.lit("MARK").alias(column))
    frame.write_parquet(path, compression="uncompressed")
    path.write_bytes(path.read_bytes().replace(b"MARK", b"\xff\xfe\xff\xff"))
    with pytest.raises(ValueError, match=rf"column '{column}' is not valid UTF-8; write") as error:
        check_table(path)
    assert "\n" not in str(error.value)


def test_broken_text_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'query' holds text that is not valid Unicode"):
        check_table(columns_of(ROWS[:2]) | {"query": ["\udcff", "b"]})


# Files


HEAD = b"query,task,model,score,cost\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", HEAD + b"q,t,a,1,1\nq,t,\xff,1,1\n", ["line 3", "UTF-8"]),
        ("t.csv", HEAD + b"q,t,a,1,1\n\nq,x,y,a,1,1\n", ["line 4 has 6 fields", "header has 5"]),
        ("t.csv", b"", ["cannot be read as csv", "repair"]),
        ("t.csv", (HEAD + b"q,t,a,1,1").decode().encode("utf-16"), ["not UTF-8 text"]),
        ("t.csv", HEAD.replace(b",", b";"), ["separated by ';'", "commas"]),
        ("t.csv", HEAD, ["the table has no rows"]),
        ("t.parquet", b"nonsense", ["cannot be read as parquet", "repair"]),
        ("t.jsonl", b'{"a": 1}\n{"a":\n', ["line 2 is not JSON", "repair"]),
        ("t.jsonl", b'{"a": 1}\n"\xff"\n', ["line 2", "UTF-8"]),
        ("t.jsonl", b"[1]\n", ["entry 1 is not an object"]),
        ("t.jsonl", b"", ["the table has no rows"]),
        ("t.json", b'{"a": [1]}', ["does not hold a list"]),
        ("t.json", b'[{"query": "\\ud800"}]', ["not valid Unicode"]),
        ("t.json", b"[1]", ["entry 1 is not an object"]),
        ("t.json", b"[" * 100_000, ["nested too deep"]),
        ("t.json", b"[]", ["the table has no rows"]),
        ("t.txt", b"", ["'.txt'", ".parquet, .csv, .jsonl, .ndjson, .json"]),
    ],
)
def test_damaged_files_say_where_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".") as error:
        check_table(path)
    assert [word for word in words if word not in str(error.value)] == []
    assert "\n" not in str(error.value)


def test_byte_order_marks_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD + b"\nq,t,a,1,1\r\n\r\nq,t,b,x,1\n\n\n")
    report = check_table(path)
    assert report.rows == 2
    assert "line 5 " in report.problems[0].message
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"query": 1, "model": "a", "score": 1, "cost": 1}\n')
    assert check_table(path).rows == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"query": "q", "model": "a"}, ["column 'query' is 'q'", "one value per row"]),
        ({"query": ["a"], "model": ["a", "b"]}, ["'query' has 1, 'model' has 2"]),
        (np.ones((3, 3)), ["cannot read a ndarray", "named fields"]),
        ([], ["no rows"]),
        ({}, ["no rows"]),
        ({"a": [1]}, ["no column 'query', 'model', 'score', 'cost'", "columns={'query': ..., 'm"]),
    ],
)
def test_what_is_no_table_is_refused(table: Any, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^outcomes: ") as error:
        check_table(table)
    assert [word for word in words if word not in str(error.value)] == []


def test_names_of_a_pandas_index_are_columns() -> None:
    built = scenario(
        "replay",
        outcomes=pandas_frame(ROWS).set_index(["query", "model"]),
        models=pandas_frame(DATED).set_index("model"),
        limit=0.5,
    )
    expect_rows(built)


@pytest.mark.parametrize("columns", ["prompt", ["query"], 3])
def test_names_of_columns_are_a_mapping(columns: Any) -> None:
    with pytest.raises(
        ValueError, match=r"columns=.* must be a mapping, such as \{'query': 'name'"
    ):
        check_table(ROWS, columns=columns)


def test_a_repeated_column_of_pandas_is_refused() -> None:
    frame = pandas_frame(ROWS)
    frame.columns = ["query", "task", "model", "score", "score"]
    with pytest.raises(ValueError, match="column 'score' occurs twice"):
        check_table(frame)


# Numbers


def with_score(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(HEAD + b'q,t,a,1,1\n"q\n2",t,a,1,1\n' + f"q,t,b,{text},2\n".encode())
    return path


@pytest.mark.parametrize(
    "text", ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "-", " na ", "None"]
)
def test_words_for_missing_numbers_are_missing(tmp_path: Path, text: str) -> None:
    report = check_table(with_score(tmp_path, text))
    assert report.missing == 2
    assert [problem.kind for problem in report.problems] == ["missing"]


@pytest.mark.parametrize("text", ["abc", "1e", "0x1", '"0,5"', "1_0"])
def test_other_text_is_refused_with_line_query_and_model(tmp_path: Path, text: str) -> None:
    path = with_score(tmp_path, text)
    bare = text.strip('"')
    # The second record has two lines.
    where = f"score: 1 value(s) are not numbers, the first is {bare!r} in line 5 (query 'q', model"
    with pytest.raises(ValueError, match=r".") as error:
        scenario("replay", outcomes=path, models=dict.fromkeys("ab", "2024-01-01"))
    assert where in str(error.value)
    assert where in str(check_table(path))


def test_words_for_right_and_wrong_are_one_and_zero(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(HEAD + b"q,t,a,True,1\nq,t,b,false,2\n")
    report = check_table(path)
    assert (report.score_min, report.score_max, report.ok) == (0.0, 1.0, True)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_text_of_a_number_is_that_number(values: list[float]) -> None:
    text = pl.DataFrame({"score": [repr(value) for value in values]})
    read, wrong = numbers(Source(text, np.arange(len(values))), "score", "score")
    assert read.to_list() == values
    assert wrong.null_count() == len(values)


@pytest.mark.parametrize("score", [sum([0.1] * 3) / 0.3, 1.0 + 1e-9, -1e-10])
def test_scores_beyond_the_interval_by_rounding_are_clipped(score: float) -> None:
    report = check_table(columns_of(ROWS) | {"score": [score, 0.0, 0.5, 1.0]})
    assert report.ok
    assert (report.score_min, report.score_max) == (0.0, 1.0)


def test_scores_outside_are_shown_in_full_with_their_place(tmp_path: Path) -> None:
    rows = [*ROWS[:2], ROWS[2] | {"score": 1.0000001}, ROWS[3] | {"cost": -1e-300}]
    path = write(tmp_path / "outcomes.csv", rows)
    score, cost = check_table(path).problems
    assert score.message.endswith("the first is 1.0000001 in line 4 (query '7', model '3.5')")
    assert cost.message.endswith("the first is -1e-300 in line 5 (query '7', model '3.50')")
    in_memory = check_table(rows).problems[0].message
    assert in_memory.endswith("1.0000001 in row 3 (query '7', model '3.5')")


def test_long_ids_are_shortened_in_messages() -> None:
    rows = [row | {"query": "long " * 1000} for row in ROWS]
    problem = check_table(rows).problems[0]
    assert problem.kind == "duplicates"
    assert len(str(problem)) < 300


# Dates


@pytest.mark.parametrize(
    "day",
    [
        date(2024, 1, 1),
        datetime(2024, 1, 1, 23, 59),
        datetime(2024, 1, 1, tzinfo=UTC),
        np.datetime64("2024-01-01"),
        np.datetime64("2024-01-01T23:59", "ns"),
        "2024-01-01",
        " 2024-01-01 ",
        "2024-01-01 00:00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01 23:30:00.123-05:00",
    ],
)
def test_dates_and_times_are_dates(day: Any) -> None:
    assert release_date("day", day) == date(2024, 1, 1)
    assert type(release_date("day", day)) is date
    report = check_table(ROWS, {"3.5": day, "3.50": "2024-02-01"})
    assert report.per_model["release_date"].to_list() == ["2024-01-01", "2024-02-01"]


@pytest.mark.parametrize(
    "day", [None, np.datetime64("NaT"), float("nan"), *MISSING_WORDS, "NaT", "N/A"]
)
def test_missing_dates_are_no_dates(day: Any) -> None:
    assert release_date("day", day) is None
    with pytest.raises(ValueError, match=r"release_date: no date for '3\.5'; fill in YYYY-MM-DD"):
        scenario("replay", outcomes=ROWS, models={**DATES, "3.5": day})


def test_timestamps_of_pandas_are_dates() -> None:
    pandas = pytest.importorskip("pandas", reason='pip install "fastroute[data]"')
    assert release_date("day", pandas.Timestamp("2024-01-01 10:00")) == date(2024, 1, 1)
    assert release_date("day", pandas.NaT) is None
    assert release_date("day", pandas.NA) is None
    days = pandas.to_datetime(["2024-01-01 03:00", "2024-02-01 00:00"])
    for column in (days, days.tz_localize("Asia/Tokyo"), days.astype(object), days.date):
        models = pandas.DataFrame({"model": list(DATES), "release_date": column})
        report = check_table(ROWS, models)
        assert report.per_model["release_date"].to_list() == list(DATES.values())
    models = pandas.DataFrame({"model": list(DATES), "release_date": [days[0], pandas.NaT]})
    assert "no date for '3.50'" in str(check_table(ROWS, models))


def test_every_wrong_date_and_repeated_model_is_listed() -> None:
    models = [*DATED, *DATED[:1], {"model": "other", "release_date": "soon"}]
    problems = check_table(ROWS, models).problems
    assert [str(problem) for problem in problems] == [
        "models: '3.5' occurs twice in the models table; keep one row per model"
    ]
    problems = check_table(ROWS, dict.fromkeys(DATES, "May 2023")).problems
    assert [str(problem) for problem in problems] == [
        "release_date: 'May 2023' of model '3.5' is not a date; 1 more models have such a date; "
        "write it as YYYY-MM-DD"
    ]
