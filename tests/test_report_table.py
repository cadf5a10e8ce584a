import io

import polars as pl
import pytest
from rich.console import Console

import factories
from fastroute.analyse import mean_interval
from fastroute.report import markdown_table, rich_tables, table_rows


@pytest.fixture(scope="module")
def trials() -> pl.DataFrame:
    return factories.fake_study_frames(trials=8, stages=3)["trials"]


def test_rows_are_the_statistics_of_the_trials(trials: pl.DataFrame) -> None:
    facts = [{"label": "uniform", "seconds": 1.5, "ns_per_trial_round": 31.0}]
    rows = table_rows(trials.lazy(), 0.001, facts)
    assert [row.policy for row in rows] == list(factories.SHAPES)
    assert rows[0].difference is None
    for row in rows:
        one = trials.filter(policy=row.policy)
        assert row.regret == mean_interval(one["regret"].to_numpy())
        total = row.discovery + row.deployment + row.routing
        assert total == pytest.approx(row.regret.estimate)
        assert row.cost_ratio.estimate == pytest.approx((one["cost"] / 0.001).to_numpy().mean())
        assert row.worst_violation == pytest.approx(one["worst_stage_violation"].to_numpy().mean())
        assert row.starved == (one["starved"] > 0).sum() / 8
    uniform = rows[3]
    assert (uniform.seconds, uniform.ns_per_trial_round) == (1.5, 31.0)
    assert uniform.difference is not None
    assert uniform.difference.mean == pytest.approx(
        uniform.priced.estimate - rows[0].priced.estimate
    )


def test_the_terminal_table_fits_80_columns_and_has_every_policy(trials: pl.DataFrame) -> None:
    rows = table_rows(trials, 0.001)
    console = Console(file=io.StringIO(), width=80)
    console.print(rich_tables(rows, title="a study", cost_unit="USD"))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert lines[0].rstrip() == "a study"
    for row in rows:
        # One line in each of the two tables: nothing had to be wrapped.
        assert sum(line.split()[:1] == [row.policy] for line in lines) == 2
    assert "in USD" in " ".join(text.split())
    assert "…" not in text


def test_markdown_has_a_cell_for_every_head(trials: pl.DataFrame) -> None:
    labelled = trials.with_columns(pl.col("policy").replace("greedy", "a|b [x]"))
    text = markdown_table(table_rows(labelled, 0.001), cost_unit="USD")
    head, rule, *body = text.split("\n\n")[0].splitlines()
    assert len(body) == len(factories.SHAPES)
    for line in (rule, *body):
        assert line.replace("\\|", "").count("|") == head.count("|")
    assert "| a\\|b [x] |" in text
    assert "vs StageRoute" in head


def test_rounding_errors_are_shown_as_nothing(trials: pl.DataFrame) -> None:
    noisy = trials.with_columns(routing=pl.lit(3e-11))
    assert " 0 |" in markdown_table(table_rows(noisy, 0.001))


def test_a_single_trial_has_no_margin(trials: pl.DataFrame) -> None:
    text = markdown_table(table_rows(trials.filter(trial=0), 0.001))
    assert "±" not in text.split("\n\n")[0]
