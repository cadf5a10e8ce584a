"""Outcomes from files of every schema, with ids and numbers that are invented."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import fastroute as fr
from fastroute.outcomes.sources import KINDS
from made_up import (
    ARENA,
    BOARDS,
    EXPORT,
    LANGFUSE,
    LITELLM,
    PRICES,
    SPANS,
    SWE,
    records,
    written,
)

# What was read: file, its content, options, kind of source, kind, rows, first row.
CASES: list[tuple[str, object, Mapping[str, Any], str, str, int, Mapping[str, object]]] = [
    (
        "plain.csv",
        "prompt_id,llm,accuracy,response_cost,dataset,pscore\n007,ox,true,0.1,t,0.5\n7,elk,0,0.2,t,1\n",
        {},
        "plain",
        "logged",
        2,
        {"query": "007", "model": "ox", "score": 1.0, "cost": 0.1, "task": "t", "propensity": 0.5},
    ),
    (
        "wide.csv",
        "query,task,score_ox,cost_ox,score_elk,cost_elk\nq1,t,1,0.1,0,0.2\nq2,t,0,0.3,1,\n",
        {},
        "wide",
        "partial",
        4,
        {"query": "q1", "model": "ox", "score": 1.0, "cost": 0.1, "task": "t"},
    ),
    (
        "routerbench.csv",
        "sample_id,prompt,eval_name,ox/1,elk/2,ox/1|total_cost,elk/2|total_cost\nq1,,t,1,0.5,0.1,0.2\n",
        {},
        "routerbench",
        "full",
        2,
        {"query": "q1", "model": "ox/1", "score": 1.0, "cost": 0.1, "task": "t"},
    ),
    (
        "arena.jsonl",
        ARENA,
        {"prices": PRICES},
        "routerarena",
        "logged",
        4,
        {"query": "Set_0", "model": "ox", "score": 0.0, "cost": 2e-4, "tokens_in": 100.0},
    ),
    (
        "arena.json",
        [{"global index": "a", "prediction": "ox", "cost": 0.1, "accuracy": 1.0}],
        {},
        "routerarena",
        "full",
        1,
        {"query": "a", "model": "ox", "score": 1.0, "cost": 0.1},
    ),
    ("swe.json", SWE, {}, "swebench", "partial", 4, {"query": "i1", "model": "ox", "cost": 0.2}),
    (
        "boards.json",
        BOARDS,
        {},
        "swebench",
        "partial",
        4,
        {"query": "i1", "model": "ox", "score": 1.0, "task": "Some"},
    ),
    (
        "board.json",
        [{"name": "ox", "resolved": 65.4, "instance_cost": 0.3, "date": "2025-01-02"}],
        {},
        "swebench board",
        "means",
        1,
        {"model": "ox", "score": 0.654, "cost": 0.3},
    ),
    (
        "records.json",
        records("ox", "set"),
        {},
        "llmrouterbench",
        "full",
        3,
        {"query": "set/0", "model": "ox", "task": "set", "score": 0.0, "tokens_out": 4.0},
    ),
    (
        "llmrouter.jsonl",
        [{"task_name": "t", "query": "q", "model_name": "ox", "token_num": 50, "performance": 1}],
        {"prices": PRICES},
        "llmrouter",
        "full",
        1,
        {"query": "q", "model": "ox", "score": 1.0, "cost": 1e-4, "task": "t"},
    ),
    (
        "graphrouter.csv",
        "task_id,query,llm,effect,cost\nalpha,q1,ox,0.5,0.1\nalpha,q1,elk,0.7,0.2\n",
        {},
        "graphrouter",
        "full",
        2,
        {"query": "q1", "model": "ox", "score": 0.5, "cost": 0.1, "task": "alpha"},
    ),
    (
        "litellm.jsonl",
        LITELLM,
        {"scores": [{"session_id": f"s{i}", "score": i / 4} for i in range(4)]},
        "litellm",
        "logged",
        3,
        {
            "query": "chatcmpl-0",
            "model": "ox",
            "cost": 0.001,
            "score": 0.0,
            "time": datetime(2025, 3, 1, 8),
        },
    ),
    (
        "langfuse.csv",
        LANGFUSE,
        {
            "scores": [
                {
                    "id": f"x{i}",
                    "observationId": None,
                    "traceId": f"t{i}",
                    "name": "good",
                    "value": i / 4,
                }
                for i in range(4)
            ]
        },
        "langfuse",
        "logged",
        4,
        {"query": "o0", "model": "ox", "cost": 0.01, "score": 0.0, "tokens_in": 3.0},
    ),
    (
        "spans.jsonl",
        SPANS,
        {"prices": PRICES},
        "opentelemetry",
        "logged",
        4,
        {"query": "t0", "model": "ox", "cost": 2e-4, "time": datetime(2025, 3, 1, 8)},
    ),
    (
        "export.json",
        EXPORT,
        {"prices": PRICES},
        "opentelemetry",
        "full",
        2,
        {"query": "t0", "model": "ox", "cost": 3e-4, "time": datetime(2025, 3, 1, 8)},
    ),
    (
        "aider.yml",
        "- model: ox\n  pass_rate_2: 72.0\n  total_cost: 22.5\n  test_cases: 225\n"
        "  date: 2025-01-02\n",
        {},
        "leaderboard",
        "means",
        1,
        {"model": "ox", "score": 0.72, "cost": 0.1, "n": 225.0},
    ),
    (
        "by_model.json",
        {"ox": {"pass_rate": 0.5, "cost": 0.1}, "elk": {"pass_rate": 0.6, "cost": 0.2}},
        {},
        "leaderboard",
        "means",
        2,
        {"model": "ox", "score": 0.5, "cost": 0.1},
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "options", "source_kind", "kind", "rows", "first"),
    CASES,
    ids=[case[0] for case in CASES],
)
def test_sources_are_recognised_by_their_columns(
    tmp_path: Path,
    name: str,
    content: object,
    options: Mapping[str, Any],
    source_kind: str,
    kind: str,
    rows: int,
    first: Mapping[str, object],
) -> None:
    if name.endswith(".yml"):
        pytest.importorskip("yaml")
    outcomes = fr.read_outcomes(written(tmp_path / name, content), **options)
    assert (outcomes.source_kind, outcomes.kind, outcomes.frame.height) == (source_kind, kind, rows)
    read = outcomes.frame.row(0, named=True)
    for key, value in first.items():
        assert read[key] == (pytest.approx(value) if isinstance(value, float) else value)
    # Every row of the source is kept or accounted for.
    assert outcomes.rows_read - sum(count.rows for count in outcomes.account) == rows
    for column in outcomes.columns.values():
        assert column in outcomes.describe()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_was_read_is_the_same_when_written_and_read_again(tmp_path: Path, suffix: str) -> None:
    once = fr.read_outcomes(written(tmp_path / "arena.jsonl", ARENA), prices=PRICES)
    path = tmp_path / f"again{suffix}"
    if suffix == ".csv":
        once.frame.write_csv(path)
    else:
        once.frame.write_parquet(path)
    again = fr.read_outcomes(path)
    assert again.frame.equals(once.frame)
    assert (again.kind, again.models, again.n_queries) == (once.kind, once.models, once.n_queries)


def test_later_files_stand_for_earlier_ones_and_demonstrations_do_not_count(tmp_path: Path) -> None:
    for time, score in (("20250101_000000", 0), ("20250202_000000", 1)):
        rows = [{"index": i, "score": score, "cost": 0.1} for i in range(3)]
        written(tmp_path / "alpha" / "test" / "ox" / f"ox-{time}.json", {"records": rows})
    demo = {**records("ox", "alpha"), "demo": True, "split": "test"}
    written(tmp_path / "alpha" / "test" / "ox" / "ox-20260101_000000.json", demo)
    other = {**records("ox", "alpha"), "split": "train"}
    written(tmp_path / "alpha" / "train" / "ox" / "now.json", other)
    outcomes = fr.read_outcomes(tmp_path)
    assert outcomes.frame["query"].to_list() == [
        *(f"alpha/test/{i}" for i in range(3)),
        *(f"alpha/train/{i}" for i in range(3)),
    ]
    assert outcomes.frame["score"].to_list() == [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    assert sorted((count.rule, count.rows) for count in outcomes.account) == [
        ("of an earlier file of the same data set and model", 3),
        ("records of a demonstration ('demo': true)", 3),
    ]
    assert outcomes.rows_read == 12


def test_details_of_one_model_are_named_by_their_folder(tmp_path: Path) -> None:
    for model, details in SWE.items():
        written(tmp_path / model / "per_instance_details.json", details)
    outcomes = fr.read_outcomes(tmp_path)
    assert (outcomes.source_kind, set(outcomes.models)) == ("swebench", {"ox", "elk"})
    assert outcomes.n_queries == 2


def test_an_instance_of_two_leaderboards_is_two_queries() -> None:
    results = [{"name": "ox", "per_instance_details": {"i": {"resolved": True, "cost": 0.1}}}]
    boards = [{"name": name, "results": results} for name in ("whole", "part")]
    outcomes = fr.read_outcomes({"leaderboards": boards})
    assert outcomes.frame["query"].to_list() == ["whole/i", "part/i"]
    assert outcomes.tasks == ("whole", "part")


def test_of_a_leaderboard_with_several_data_sets_the_row_of_all_counts() -> None:
    rows = [
        {"dataset": name, "model": model, "score": score, "cost": 0.1, "n": 10}
        for model, by_set in (
            ("ox", {"maths": 0.2, "All": 0.4}),
            ("elk", {"maths": 0.5, "All": 0.6}),
        )
        for name, score in by_set.items()
    ]
    outcomes = fr.read_outcomes(rows)
    assert (outcomes.kind, outcomes.models) == ("means", ("ox", "elk"))
    assert outcomes.frame["score"].to_list() == [0.4, 0.6]
    assert [(one.rule, one.rows, one.first) for one in outcomes.account] == [
        ("of single data sets (column 'dataset')", 2, "row 1")
    ]
    assert outcomes.rows_read == 4
    # Where a model has no such row nobody knows which of its rows is meant.
    with pytest.raises(ValueError, match="no column 'query'"):
        fr.read_outcomes(rows[:3])


def test_each_call_of_a_trace_is_a_query_and_what_is_no_call_is_dropped() -> None:
    def span(number: int, operation: str, model: str) -> dict[str, Any]:
        attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.request.model": model,
            "gen_ai.usage.output_tokens": 10 * number,
        }
        return {"trace_id": "t", "span_id": f"s{number}", "attributes": attributes}

    spans = [span(1, "invoke_agent", "ox"), span(2, "chat", "ox"), span(3, "chat", "ox")]
    outcomes = fr.read_outcomes(spans, prices=PRICES, scores=[{"trace_id": "t", "score": 0.5}])
    assert outcomes.frame["query"].to_list() == ["s2", "s3"]
    assert outcomes.frame["cost"].to_list() == pytest.approx([4e-5, 6e-5])
    assert outcomes.frame["score"].to_list() == [0.5, 0.5]
    assert [(count.rows, count.first) for count in outcomes.account] == [(1, "row 1")]
    assert outcomes.rows_read == 3


@pytest.mark.parametrize("of_spans", ["trace_id", "traceId", "TraceId", "context.trace_id"])
@pytest.mark.parametrize("of_scores", ["trace_id", "traceId", "TraceID"])
def test_scores_are_joined_however_a_trace_is_written(of_spans: str, of_scores: str) -> None:
    spans = [
        {
            of_spans: f"t{i // 2}",
            "spanId": f"s{i}",
            "attributes": {"gen_ai.request.model": "ox", "gen_ai.usage.output_tokens": 10},
        }
        for i in range(4)
    ]
    scores = [{of_scores: f"t{i}", "score": i / 2} for i in range(2)]
    outcomes = fr.read_outcomes(spans, prices=PRICES, scores=scores)
    assert outcomes.frame["query"].to_list() == ["s0", "s1", "s2", "s3"]
    assert outcomes.frame["score"].to_list() == [0.0, 0.0, 0.5, 0.5]
    assert f"score of the scores, by {of_scores}" in outcomes.columns["score"]


GENERATIONS = [
    {
        "id": f"o{i}",
        "traceId": f"t{i}",
        "type": "GENERATION",
        "model": "ox",
        "usageDetails": {"input": 3, "output": 5},
        "costDetails": {"total": 0.01},
    }
    for i in range(2)
]


@pytest.mark.parametrize("name", ["data", "observations", "results", "items"])
def test_the_answer_of_an_api_is_the_list_in_it(tmp_path: Path, name: str) -> None:
    answer = {name: GENERATIONS, "meta": {"page": 1, "totalPages": 1}, "tags": ["x"]}
    scores = {"data": [{"id": "x", "traceId": "t1", "value": 0.5}], "meta": {"page": 1}}
    path = written(tmp_path / "scores.json", scores)
    for source in (written(tmp_path / "answer.json", answer), answer):
        outcomes = fr.read_outcomes(source, scores=path)
        assert (outcomes.source_kind, outcomes.rows_read) == ("langfuse", 2)
        assert outcomes.frame["query"].to_list() == ["o0", "o1"]
        assert outcomes.frame["score"].to_list() == [None, 0.5]


def test_of_two_lists_of_objects_none_is_taken(tmp_path: Path) -> None:
    answer = {"data": GENERATIONS, "items": [{"model": "ox"}]}
    with pytest.raises(ValueError, match="does not hold a list"):
        fr.read_outcomes(written(tmp_path / "answer.json", answer))


def test_every_kind_of_source_has_a_case() -> None:
    # Databases have tests of their own.
    others = {"decision log"}
    assert {case[3] for case in CASES} | others == {kind.name for kind in KINDS}


def test_frames_and_rows_in_memory_are_read_too() -> None:
    rows = [{"query": "q", "model": m, "score": 0.5, "cost": 1.0} for m in "ab"]
    frame = fr.read_outcomes(pl.DataFrame(rows)).frame
    assert fr.read_outcomes(rows).frame.equals(frame)
    assert fr.read_outcomes({name: [row[name] for row in rows] for name in rows[0]}).frame.equals(
        frame
    )
    nested = [{"global_index": "q", "llm_selected": "a", "token_usage": {"input_tokens": 3}}]
    assert fr.read_outcomes(nested).frame["tokens_in"].to_list() == [3.0]
    struct = pl.DataFrame(nested)
    assert fr.read_outcomes(struct).frame["tokens_in"].to_list() == [3.0]


def test_the_files_of_a_folder_are_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("ox", "elk"):
        for task in ("alpha", "beta"):
            rows = {"records": records(model, task)["records"]}
            written(tmp_path / "bench" / task / "test" / model / "now.json", rows)
    written(tmp_path / "bench" / "notes.csv", "a,b\n1,2\n")
    outcomes = fr.read_outcomes(tmp_path / "bench", progress=True)
    assert capsys.readouterr().out == ""
    assert (outcomes.kind, set(outcomes.models), outcomes.tasks) == (
        "full",
        {"ox", "elk"},
        ("alpha", "beta"),
    )
    assert outcomes.n_queries == 6
    assert any("1 files are not" in warning for warning in outcomes.warnings)


def test_a_table_of_models_beside_the_outcomes_is_not_taken_for_them(tmp_path: Path) -> None:
    written(tmp_path / "outcomes.csv", "query,model,score,cost\nq,a,1,0.1\nq,b,0,0.1\n")
    written(tmp_path / "models.csv", "model,mean_score,mean_cost\na,1,0.1\nb,0,0.1\n")
    assert fr.read_outcomes(tmp_path).kind == "full"


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    path = written(
        tmp_path / "o.csv",
        "query,model,score,cost\nq1,a,1,0.1\nq1,a,0,0.3\nq1,b,,\n,b,1,1\nq2,,1,1\nq2,b,1,0.1\n",
    )
    outcomes = fr.read_outcomes(path)
    assert [(count.rule, count.rows, count.first) for count in outcomes.account] == [
        ("no model is named", 1, "line 6 (query 'q2')"),
        ("no query is named", 1, "line 5 (model 'b')"),
        ("neither score nor cost", 1, "line 4 (query 'q1', model 'b')"),
        (
            "averaged with another row of the same query and model",
            1,
            "line 3 (query 'q1', model 'a')",
        ),
    ]
    assert outcomes.rows_read == 6
    assert outcomes.frame.rows() == [("q1", "a", 0.5, 0.2), ("q2", "b", 1.0, 0.1)]
    assert "rows read   6" in outcomes.describe()
    assert "rows kept   2" in outcomes.describe()


HEAD = "query,model,score,cost\n"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("model,cost\na,1\na,2\n", {}, ["no column 'query'", "columns={'query': ...}"]),
        (
            HEAD + "q,a,1,1\nq,b,many,1\n",
            {},
            [
                "column 'score' of t.csv holds 'many' in line 3 (query 'q', model 'b')",
                "write a number",
            ],
        ),
        (
            HEAD + "q,a,1,$1\nr,a,1,$2\ns,a,1,€2\n",
            {},
            ["several currencies, '$1' in line 2 and '€2' in line 4", "one currency"],
        ),
        (HEAD + "q,a,1,$1\nr,a,1,2\n", {}, ["several currencies, '$1'", "'2' in line 3"]),
        (
            "query,model,score,cost,currency\nq,a,1,1,USD\nr,a,1,1,EUR\n",
            {},
            ["column 'currency' names 'USD' and 'EUR', the second in line 3"],
        ),
        (HEAD + "q,a,1,-1\n", {}, ["cost: -1 in column 'cost' of t.csv, line 2", ">= 0", "mend"]),
        (HEAD, {}, ["the table has no rows"]),
        (HEAD + ",a,1,1\n", {}, ["no row of t.csv is left (1: no query is named)"]),
        (
            "query,model,score,cost,propensity\nq,a,1,1,0\n",
            {},
            ["propensity: 0 in column 'propensity' of t.csv, line 2", "(0, 1]"],
        ),
        (
            "model,mean_score,mean_cost\na,1,1\na,1,1\n",
            {},
            ["t.csv has model 'a' again in line 3", "one row per model"],
        ),
        (
            "model,score,total_cost\na,1,1\nb,1,1\n",
            {},
            ["cost_per='run' needs the number of queries", "columns={'n': ...}"],
        ),
        (HEAD + "q,a,1,1\n", {"columns": {"score": "skore"}}, ["'skore' is not in", "'score'?"]),
        (HEAD + "q,a,1,1\n", {"columns": {"skore": "score"}}, ["columns='skore' is unknown"]),
        (HEAD + "q,a,1,1\n", {"score_range": (1, 1)}, ["score_range=(1, 1)", "low < high"]),
        (HEAD + "q,a,1,1\n", {"cost_per": "day"}, ["cost_per='day'", "1M-tokens"]),
        (HEAD + "q,a,1,1\n", {"cost_per": "1M-tokens"}, ["needs the tokens", "'tokens_in': ..."]),
        (
            "model,score,cost\na,1,3\nb,1,0.5\n",
            {"cost_per": "1M-tokens"},
            ["tokens of each query, which a leaderboard does not have", "write into its column"],
        ),
        (HEAD + "q,a,1,1\n", {"source_kind": "lite"}, ["source_kind='lite'", "'litellm'"]),
        (
            HEAD + "q,a,1,1\n",
            {"source_kind": "swebench"},
            ["t.csv is not instances of SWE-bench", "leave source_kind='swebench' out"],
        ),
        (
            HEAD + "q,a,1,1\n",
            {"source_kind": "litellm"},
            ["no column 'query', 'cost'", "columns={'query': ..., 'cost': ...}"],
        ),
        (
            HEAD + "q,a,1,1\n",
            {"prices": PRICES},
            ["t.csv has no tokens", "'tokens_in': ..."],
        ),
        (
            HEAD + "q,a,1,1\n",
            {"scores": [{"query": "other", "score": 1}]},
            ["scores: no 'query' of the scores is a query of t.csv", "'other'", "'q'"],
        ),
        (
            HEAD + "q,a,1,1\n",
            {"scores": [{"query": "q", "name": n, "value": 1} for n in ("good", "rude")]},
            ["scores of several names ('good', 'rude')", "keep the rows of one"],
        ),
        (
            HEAD + "q,a,1,1\n",
            {"scores": [{"query": "q", "score": "much"}]},
            ["scores: column 'score' holds 'much' in row 1"],
        ),
    ],
)
def test_errors_name_file_column_row_and_remedy(
    tmp_path: Path, text: str, options: dict[str, Any], words: list[str]
) -> None:
    path = written(tmp_path / "t.csv", text)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fr.read_outcomes(path, **options)
    assert "\n" not in str(error.value)
    assert [word for word in words if word not in str(error.value)] == [], error.value


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", {"a": [1]}, ["does not hold a list"]),
        ("t.json", {"ox": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1}}, ["prices="]),
        (
            "t.json",
            {"ox": {"i": {"resolved": True}, "j": 3}},
            ["t.json", "instance 'j' of 'ox' is '3'"],
        ),
        ("t.json", {"records": [{"score": 1}]}, ["t.json", "no model_name"]),
        ("t.json", {**records("a", "b"), "records": [{"score": 1}]}, ["record 1", "no index"]),
        ("t.yml", "a: [", ["cannot be read as yml: it is not YAML", "line 2"]),
        ("t.yml", "- 3\n", ["entry 1 is not an object"]),
        ("t.csv", LANGFUSE.replace("{", "["), ["usageDetails", "line 2", "JSON object"]),
    ],
)
def test_what_is_of_no_schema_is_refused(
    tmp_path: Path, name: str, content: object, words: list[str]
) -> None:
    if name.endswith(".yml"):
        pytest.importorskip("yaml")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fr.read_outcomes(written(tmp_path / name, content))
    assert [word for word in words if word not in str(error.value)] == [], error.value


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no \.parquet, \.csv, .* file in the folder"):
        fr.read_outcomes(tmp_path)
    written(tmp_path / "a.csv", "a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"no file of the folder is recognised \('a\.csv'\)"):
        fr.read_outcomes(tmp_path)
    written(tmp_path / "b.csv", "query,model,score,cost\nq,a,1,1\n")
    written(tmp_path / "c.csv", "query_id,model,score,cost\nq,b,1,1\n")
    with pytest.raises(ValueError, match="have query in 'query' and in 'query_id'"):
        fr.read_outcomes(tmp_path)


def costs(values: Mapping[str, float], more: str = "", cells: str = "") -> str:
    """Return a table in which each model has one cost."""
    rows = (f"q{i},{m},1,{cost}{cells}\n" for i in range(6) for m, cost in values.items())
    return f"query,model,score,cost{more}\n" + "".join(rows)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (HEAD + "q,a,80,0.1\nq,b,70,0.2\n", {}, "up to 80 look like percentages"),
        (HEAD + "q,a,4,0.1\nq,b,-1,0.2\n", {}, "2 of 2 values are outside [0, 1], from -1 to 4"),
        (costs({"a": 15, "b": 15}), {}, "with mean 15: a list price, and not the cost of a query"),
        (costs({"a": 15, "b": 3}, ",tokens_in", ",9"), {}, "pass cost_per='1M-tokens'"),
        (
            "query,model,score,latency\nq,a,1,0.3\nq,b,1,0.2\n",
            {"columns": {"cost": "latency"}},
            "column 'latency' is named like a latency",
        ),
        (
            "query,model,score,cost,tokens_in\nq,a,1,0.9,90\nq,b,1,0.8,90\n",
            {},
            "the median is 0.00944 per token, which no model costs",
        ),
        (HEAD + "q,a,1,0\nq,b,1,1\n", {}, "it is 0 in every row of 'a', often a price"),
        (HEAD + "q,a,1,9\nq,b,1,19\n", {}, "the mean is 14 per query, as a latency or a price"),
        (HEAD + "q,a,1,\nq,b,,1\n", {}, "cost: 1 of 2 rows have none"),
        ("index,model,score,cost\n0,a,1,1\n1,b,1,1\n2,a,1,1\n", {}, "'index' numbers the rows"),
        (
            "model,score,cost\na,0.9,3\nb,0.6,0.5\n",
            {},
            "cost 1.75 per query on the mean, as prices per million tokens would; write what",
        ),
        ("model,score,cost\na,0.9,0.1\nb,0.6,0.15\n", {}, "as prices per million tokens would"),
        ("query,model,tokens_in\nq,a,3\n", {}, "no scores; pass a table of them"),
        ("query,model,score,tokens_in\nq,a,1,3\n", {}, "no costs; pass a price list"),
    ],
)
def test_suspicious_units_are_pointed_out(
    tmp_path: Path, text: str, options: dict[str, Any], words: str
) -> None:
    path = written(tmp_path / "t.csv", text)
    with pytest.warns(fr.FastrouteWarning) as warned:
        outcomes = fr.read_outcomes(path, **options)
    assert any(words in warning for warning in outcomes.warnings), outcomes.warnings
    assert any(words in str(warning.message) for warning in warned)
    assert f"{len(outcomes.warnings)} warning" in repr(outcomes)
    assert words in outcomes.describe()


@pytest.mark.filterwarnings("error::fastroute.FastrouteWarning")
def test_units_are_converted_when_they_are_said() -> None:
    rows = [
        {"query": q, "model": "a", "score": s, "cost": 15.0, "tokens_in": 100, "tokens_out": t}
        for q, s, t in (("p", 1, 100), ("q", 2, 300))
    ]
    outcomes = fr.read_outcomes(rows, score_range=(1, 2), cost_per="1M-tokens")
    assert outcomes.frame["score"].to_list() == [0.0, 1.0]
    assert outcomes.frame["cost"].to_list() == pytest.approx([0.003, 0.006])
    assert outcomes.columns["score"] == "score, from 1 to 2"
    thousand = fr.read_outcomes(rows, score_range=(1, 2), cost_per="1K-queries")
    assert thousand.frame["cost"].to_list() == pytest.approx([0.015, 0.015])
    euros = fr.read_outcomes([{"query": "q", "model": "a", "score": 1, "cost": "€0.5"}])
    assert (euros.cost_unit, euros.frame["cost"].to_list()) == ("EUR per query", [0.5])


def test_a_mean_constant_cost_below_any_list_price_is_no_warning(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", costs({"a": 0.001, "b": 0.002}))
    assert fr.read_outcomes(path).warnings == ()


@pytest.mark.parametrize(
    ("head", "costs_of", "options"),
    [
        ("cost", (0.0031, 0.0007), {}),
        ("cost", (3, 0.5), {"cost_per": "query"}),
        ("cost_per_query", (3, 0.5), {}),
        ("cost", (0.1234, 0.15), {}),
    ],
)
def test_a_leaderboard_whose_costs_are_those_of_queries_is_no_warning(
    tmp_path: Path, head: str, costs_of: tuple[float, float], options: dict[str, Any]
) -> None:
    large, small = costs_of
    path = written(tmp_path / "t.csv", f"model,score,{head}\na,1,{large}\nb,0,{small}\n")
    assert fr.read_outcomes(path, **options).warnings == ()
