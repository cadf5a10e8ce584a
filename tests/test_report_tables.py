"""One table, written for the page, as Markdown and for a terminal."""

import dataclasses
import io

import polars as pl
import pytest
from rich.console import Console, RenderableType

from fastroute.analyse import mean_interval
from fastroute.report import Content
from fastroute.report.page_tables import cells_table
from fastroute.report.ranking import ranking_table, verdict
from fastroute.report.style import format_margin, format_number, format_percent, format_reward
from fastroute.report.summary import markdown_summary, rich_summary
from fastroute.report.tables import (
    HeaderCell,
    Table,
    TableCell,
    TableRow,
    exact,
    frame_table,
    markdown_table,
    number,
    rich_table,
)
from fastroute.study import run_study
from studies import mini

LABELS = ("StageRoute", "a|b [x]", "oracle")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """Return a study of one world, one of whose labels reads like Markdown and like a style."""
    study = mini(
        policy=[
            {"name": "stageroute", "label": LABELS[0]},
            {"name": "uniform", "label": LABELS[1]},
            {"name": "oracle"},
        ],
        setting={"horizon": 60, "trials": 30},
    )
    return Content(run_study(study, tmp_path_factory.mktemp("tables") / "run", progress=False))


@pytest.fixture(scope="module")
def results(content: Content) -> Table:
    return cells_table(content.view, content.view.cells, "results")


def printed(what: RenderableType, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(what)
    return [line.strip() for line in file.getvalue().splitlines()]


def test_rows_are_the_statistics_of_the_trials(content: Content, results: Table) -> None:
    heads, cells = results.texts()
    trials = content.stored.trials.collect()
    budget = content.stored.cells.collect()["budget"][0]
    assert [row[0] for row in cells] == list(LABELS)
    first = trials.filter(policy=LABELS[0]).sort("trial")
    for row in cells:
        shown = {head.text: text for head, text in zip(heads, row, strict=True)}
        one = trials.filter(policy=row[0]).sort("trial")
        for head, column in (("regret", "regret"), ("priced regret", "priced_regret")):
            found = mean_interval(one[column].to_numpy())
            assert shown[head] == format_margin(found.estimate, found.high)
        for part in ("discovery", "deployment", "routing"):
            assert shown[part] == format_reward(float(one[part].to_numpy().mean()))
        cost = mean_interval(one["cost"].to_numpy() / budget)
        assert shown["cost / budget"] == format_margin(cost.estimate, cost.high)
        worst = float(one["worst_stage_violation"].to_numpy().mean())
        assert shown["worst stage"] == format_number(worst)
        assert shown["starved"] == format_percent(float((one["starved"].to_numpy() > 0).mean()))
        assert shown["trials"] == "30"
        if row[0] != LABELS[0]:
            gap = (one["priced_regret"] - first["priced_regret"]).to_numpy()
            found = mean_interval(gap)
            assert shown["vs first"] == format_margin(found.estimate, found.high)
        else:
            assert shown["vs first"] == ""


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_fits_its_terminal_and_has_every_policy(results: Table, width: int) -> None:
    lines = printed(rich_table(results), width)
    assert max(map(len, lines)) <= width
    for label in LABELS:
        assert sum(line.startswith(label) for line in lines) == 1
    assert "priced regret" in " ".join(" ".join(lines).split())
    # What is left out is named, and only then.
    assert any(line.startswith("Too narrow to show: ") for line in lines) == (width < 200)
    assert "…" not in " ".join(lines)


def test_a_long_table_says_how_many_rows_are_left() -> None:
    frame = pl.DataFrame({"name": [f"row {place}" for place in range(40)], "number": range(40)})
    table = frame_table("long", "A long one", frame, "A note.")
    lines = printed(rich_table(table, rows=12))
    assert sum(line.startswith("row ") for line in lines) == 12
    assert "A note. 28 more rows are on the page." in lines
    assert sum(line.startswith("row ") for line in printed(rich_table(table))) == 40
    # In Markdown it is folded up.
    text = markdown_table(table, fold=True)
    assert text.startswith("<details><summary>A long one: 40 rows</summary>\n\n| name | number |\n")
    assert text.endswith("A note.\n\n</details>")
    assert markdown_table(table).startswith("| name | number |\n| --- | ---: |\n| row 0 | 0 |")
    short = table._replace(lines=table.lines[:2])
    assert markdown_table(short, fold=True).startswith("**A long one**\n\n| name |")


def test_markdown_has_a_cell_for_every_head(content: Content, results: Table) -> None:
    ranking = ranking_table(content.view, content.view.worlds[0])
    assert ranking is not None
    for table in (results, ranking):
        text = markdown_table(table)
        head, rule, *body = text.split("\n\n")[0].splitlines()
        assert len(body) == len(table.lines)
        for line in (rule, *body):
            assert line.replace("\\|", "").count("|") == head.count("|")
        assert "| a\\|b [x] |" in text
    assert "vs first" in markdown_table(results).splitlines()[0]


def test_what_only_the_page_can_show_is_on_the_page_alone() -> None:
    heads = [HeaderCell("what", number=False, key=True), HeaderCell("", rank=-1)]
    table = Table("t", "T", heads, [TableRow([TableCell("<b>"), TableCell("drawn")])])
    assert markdown_table(table) == "| what |\n| --- |\n| &lt;b> |"
    assert "drawn" not in " ".join(printed(rich_table(table)))


def test_numbers_keep_their_exact_value_beside_their_text() -> None:
    cell = number("x", 1 / 3, format_number, 0.25, 0.4166)
    assert cell.text == "0.3333 ± 0.08"
    assert (float(cell.value), float(cell.low), float(cell.high)) == (1 / 3, 0.25, 0.4166)
    for missing in (None, float("nan")):
        assert number("x", missing) == TableCell("-", name="x")
        assert exact(missing) == ""
    # A single trial has no interval.
    alone = number("x", 2.0, format_number, float("nan"), float("nan"))
    assert alone == TableCell("2.000", "2.0", name="x")
    # Rounding errors are shown as nothing.
    assert number("x", 3e-11, format_reward).text == "0"
    assert number("x", 3e-11, format_reward, 2e-11, 4e-11).text == "0"


def test_frames_are_tables_of_their_own_columns() -> None:
    frame = pl.DataFrame({"who": ["<a>", None], "how much": [0.123456, float("nan")], "n": [1, 2]})
    table = frame_table("t", "T", frame)
    assert [(head.text, head.number, head.key) for head in table.heads] == [
        ("who", False, True),
        ("how much", True, False),
        ("n", True, False),
    ]
    assert table.texts()[1] == [["<a>", "0.1235", "1"], ["-", "-", "2"]]


def test_the_summary_is_question_verdict_and_ranking(content: Content) -> None:
    summary, world = content.summary, content.view.worlds[0]
    assert world.ranking is not None
    best, other = world.ranking.iter_rows(named=True)
    assert summary.question == "Which policy has the lowest priced regret?"
    assert summary.verdict == verdict(content.view)
    first, second = summary.verdict
    assert first.startswith(f"{best['policy']} has the lowest priced regret, ")
    assert first.endswith("] over 60 rounds.")
    if other["tied"]:
        assert second == f"Within noise of it: {other['policy']}."
    else:
        assert second.startswith(f"{other['policy']} is next, with ")
        assert second.endswith(" more.")
    lines = printed(rich_summary(summary), 100)
    text = " ".join(" ".join(lines).split())
    assert text.startswith(f"{summary.question} {first} {second} rank ")
    ranked = [line.split()[0] for line in lines if line[:1].isdigit()]
    assert ranked == ["1", "2"]
    assert "Not ranked: oracle, which knows the true means." in text
    markdown = markdown_summary(summary)
    assert markdown.startswith(f"**{summary.question}**\n\n{first}\n\n{second}\n\n| rank |")


def test_a_verdict_over_worlds_counts_those_it_does_not_name(content: Content) -> None:
    table = pl.DataFrame(
        {"policy": [f"p{place}" for place in range(8)], "tied": range(8), "worlds": [9] * 8}
    )
    view = dataclasses.replace(content.view, standings=table)
    assert verdict(view) == [
        "p7 is best or within noise of the best in 7 of 9 worlds (scenario and setting).",
        "Of the others, p6 in 6, p5 in 5, p4 in 4, p3 in 3 and 3 more in 2 or fewer.",
    ]
    view = dataclasses.replace(content.view, standings=table.filter(policy="p7"))
    assert len(verdict(view)) == 1


def test_more_sentences_and_long_rankings_are_counted(content: Content) -> None:
    rows = [TableRow([TableCell(f"p{place}"), TableCell(str(place))]) for place in range(20)]
    heads = [HeaderCell("policy", number=False, key=True), HeaderCell("mean")]
    summary = content.summary._replace(
        more=["one", "two"], ranking=Table("ranking-0", "Ranking", heads, rows, "Note.")
    )
    lines = printed(rich_summary(summary))
    assert "2 more sentences are in answer.md." in lines
    assert sum(line.startswith("p") for line in lines) == 13
    assert "Note. 8 more rows are on the page." in lines
