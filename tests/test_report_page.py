"""The page says what the frames say, to whoever reads it and however it is read."""

import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from fastroute.analyse import (
    mean_interval,
    paired_difference,
    solver_methods,
    student_halfwidth,
)
from fastroute.report import Content, collect_view, write_page
from fastroute.report.reading import read_tables
from fastroute.simulation.columns import TRIAL_COLUMNS
from fastroute.simulation.merge import Accounts
from fastroute.study import RunDirectoryError, StoredStudy, load, run_study
from fastroute.study.journal import COMPACTED, Record
from fastroute.study.lock import Lock
from fastroute.study.planning import StorageMode
from fastroute.study.tables import read_shard
from fastroute.study.work import Job, ShardResult, run_shard
from pages import Node, read
from studies import mini, stop_after
from undrawn import without_drawings

# The last one knows the true means, and so is no rival of the others.
POLICIES = ("stageroute", "uniform", "greedy", "oracle")
RIVALS = POLICIES[:3]
EVIL = "</script><script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return a complete study of four worlds and four policies."""
    study = mini(
        description="Two horizons, two budgets.",
        # Of unequal costs, so that regret and priced regret differ.
        scenario={"name": "routerbench"},
        policy=[{"name": name} for name in POLICIES],
        setting={"budget": ["1.2 * cheapest", "2 * cheapest"], "trials": 100},
    )
    return run_study(study, tmp_path_factory.mktemp("report") / "run", progress=False)


@pytest.fixture(scope="module")
def page(stored: StoredStudy) -> Node:
    return read(write_page(stored.path))


@pytest.fixture(scope="module")
def short_page(stored: StoredStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page that shows one world in detail."""
    return write_page(stored.path, tmp_path_factory.mktemp("short") / "x.html", details=7)


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Leave out the pictures of a page, for tests that look at its words and tables only."""
    with without_drawings():
        yield


def killed(path: Path, shards: int, **changes: Any) -> StoredStudy:
    """Return a study of which only some shards were computed."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, shards, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run_study(mini(**changes), path, progress=False)
    return load(path)


def table_cells(page: Node, cell: int) -> list[dict[str, Node]]:
    """Return the numbers of a cell by name, from every table of results on the page."""
    return [
        {item.attrs["data-name"]: item for item in row.all("td") if "data-name" in item.attrs}
        for table in page.all("table")
        if table.attrs["id"].startswith("results")
        for row in table.all("tr", data_cell=str(cell))
    ]


# Columns of trials whose means the tables show; of `starved` they show another number.
MEANS = {column.name for column in TRIAL_COLUMNS if column.dtype is np.float64}


def value(item: Node, name: str = "value") -> float:
    return float(item.attrs.get(f"data-{name}", "nan"))


def test_tables_hold_exactly_the_numbers_of_the_frames(stored: StoredStudy, page: Node) -> None:
    summary, trials = stored.summary.collect(), stored.trials.collect()
    for cell in stored.cells.collect().iter_rows(named=True):
        rows = table_cells(page, cell["cell"])
        assert len(rows) == 2  # among all cells, and in its world
        mine = summary.filter(cell=cell["cell"])
        for row in rows:
            for name in MEANS & set(row):
                frame = mine.filter(quantity=name).row(0, named=True)
                assert value(row[name]) == frame["mean"]
                if "data-low" in row[name].attrs:
                    ends = value(row[name], "low"), value(row[name], "high")
                    assert ends == (frame["low"], frame["high"])
            assert {"regret", "priced_regret"} <= {n for n in row if "data-low" in row[n].attrs}
            cost = mine.filter(quantity="cost").row(0, named=True)
            assert value(row["cost_ratio"]) == cost["mean"] / cell["budget"]
            assert value(row["cost_ratio"], "high") == cost["high"] / cell["budget"]
            assert value(row["trials"]) == 100
            late = mine.filter(quantity="late_cost").row(0, named=True)
            assert value(row["late_cost_ratio"]) == late["mean"] / cell["budget"]
            assert value(row["late_cost_ratio"], "low") == late["low"] / cell["budget"]
            starved = trials.filter(cell=cell["cell"])["starved"].to_numpy() > 0
            assert value(row["starved"]) == starved.mean()
            assert len({item.text for item in (rows[0]["regret"], rows[1]["regret"])}) == 1


def test_models_are_named_with_their_shares(stored: StoredStudy, page: Node) -> None:
    models = stored.models.collect()
    for world in range(4):
        mine = models.filter(world=world)
        lines = page.one("table", id=f"models-{world}").one("tbody").all("tr")
        names = mine.filter(policy="greedy")["name"].to_list()
        assert [line.one("th").text.strip() for line in lines] == names
        for line, name in zip(lines, names, strict=True):
            one = mine.filter(name=name)
            shown = [value(item) for item in line.all("td", data_name="share")]
            assert shown == one["share"].to_list()
            assert value(line.one("td", data_name="oracle_share")) == one["oracle_share"][0]
            assert value(line.one("td", data_name="arrival")) == one["arrival"][0]


def test_the_page_begins_with_question_verdict_and_ranking(stored: StoredStudy, page: Node) -> None:
    answer, know, *_ = page.one("main").all("section")
    assert answer.one("h2").text == "Which policy has the lowest priced regret?"
    first, *others = answer.all("p", class_="verdict")
    assert re.fullmatch(
        r"\w+ is best or within noise of the best in [1-4] of 4 worlds \(scenario and setting\)\.",
        first.text,
    )
    assert others[0].text.startswith("Of the others, ")
    assert answer.one("svg", class_="chart").attrs["data-chart"] == "ranking"
    assert answer.one("table").attrs["id"] == "standings"
    # What else there is to know is one line per cause, folded up, and comes before the results.
    assert know.one("h2").text == "Before you read the numbers"
    folded = know.all("details")
    kinds = [notice.attrs["data-notice"] for notice in folded]
    assert len(set(kinds)) == len(kinds) >= 2
    for notice in folded:
        assert notice.one("summary").text
        assert "open" not in notice.attrs
    heads = [head.text for head in page.one("main").all("h2")]
    assert heads.index("Final regret against horizon") < heads.index("Results of all cells")
    assert heads.index("Results of all cells") < heads.index("In detail")


def direct_ranking(trials: pl.DataFrame, policies: list[str]) -> list[dict[str, Any]]:
    """Rank policies over the trials that all of them have, by the plain formulas."""
    runs = [dict(trials.filter(policy=p).select("trial", "priced_regret").rows()) for p in policies]
    shared = sorted(set.intersection(*(set(run) for run in runs)))
    values = {p: np.array([run[t] for t in shared]) for p, run in zip(policies, runs, strict=True)}
    order = sorted(policies, key=lambda policy: values[policy].mean())
    n, pairs = len(shared), math.comb(len(policies), 2)
    rows = []
    for policy in order:
        gap = values[policy] - values[order[0]]
        margin = stats.t.ppf(1 - 0.025 / pairs, n - 1) * gap.std(ddof=1) / math.sqrt(n)
        half = stats.t.ppf(0.975, n - 1) * values[policy].std(ddof=1) / math.sqrt(n)
        mean = values[policy].mean()
        rows.append(
            {
                "policy": policy,
                "n": n,
                "mean": mean,
                "ends": (mean - half, mean + half),
                "behind": gap.mean(),
                "tied": policy == order[0] or gap.mean() - margin <= 0.0,
            }
        )
    return rows


def test_every_world_is_ranked_by_its_trials(stored: StoredStudy, page: Node) -> None:
    trials = stored.trials.collect()
    for world in range(4):
        truth = direct_ranking(trials.filter(world=world), list(RIVALS))
        table = page.one("table", id=f"ranking-{world}")
        rows = table.one("tbody").all("tr")
        assert [row.one("th").text for row in rows] == [one["policy"] for one in truth]
        for place, (row, one) in enumerate(zip(rows, truth, strict=True)):
            mean = row.one("td", data_name="priced_regret")
            assert value(mean) == pytest.approx(one["mean"], rel=1e-12)
            ends = value(mean, "low"), value(mean, "high")
            assert ends == pytest.approx(one["ends"], rel=1e-9)
            assert value(row.one("td", data_name="rank")) == place + 1
            assert ("within noise of the best" in row.text) == (one["tied"] and place > 0)
            if place:
                behind = row.one("td", data_name="behind")
                assert value(behind) == pytest.approx(one["behind"], rel=1e-9)
    notes = [note.text for note in page.all("p", class_="note")]
    (said,) = {note for note in notes if note.startswith("Over 100 trials that all have played")}
    assert said.endswith("Not ranked: oracle, which knows the true means.")


def test_the_standings_are_counts_over_worlds(stored: StoredStudy, page: Node) -> None:
    trials = stored.trials.collect()
    worlds = [direct_ranking(trials.filter(world=w), list(RIVALS)) for w in range(4)]
    places: dict[str, list[tuple[int, dict[str, Any]]]] = {policy: [] for policy in RIVALS}
    for world in worlds:
        for place, one in enumerate(world):
            places[one["policy"]].append((place + 1, one | {"best": world[0]["mean"]}))
    rows = page.one("table", id="standings").one("tbody").all("tr")
    ranks = []
    for row in rows:
        mine = places[row.one("th").text]
        items = {item.attrs["data-name"]: value(item) for item in row.all("td")}
        assert items["worlds"] == 4
        assert items["mean_rank"] == np.mean([rank for rank, _ in mine])
        assert items["best"] == sum(rank == 1 for rank, _ in mine)
        assert items["tied"] == sum(one["tied"] for _, one in mine)
        ratios = [one["mean"] / one["best"] for _, one in mine if one["best"] > 0.0]
        assert items["ratio"] == pytest.approx(np.median(ratios), rel=1e-9)
        ranks.append(items["mean_rank"])
    assert len(rows) == 3
    assert ranks == sorted(ranks)


@pytest.mark.usefixtures("undrawn")
def test_a_world_whose_policies_have_unequal_trials_is_ranked_over_those_of_all(
    tmp_path: Path,
) -> None:
    stored = killed(tmp_path / "run", 8, policy=[{"name": name} for name in RIVALS])
    view = collect_view(stored, 100)
    trials = stored.trials.collect()
    sizes = trials.group_by("world", "policy").len()
    assert sizes["len"].n_unique() > 1
    ranked = [world for world in view.worlds if world.ranking is not None]
    assert ranked
    for world in view.worlds:
        mine = trials.filter(world=world.number)
        names = mine["policy"].unique(maintain_order=True).to_list()
        shared = mine.group_by("trial").len().filter(pl.col("len") == len(names))
        if world.ranking is None:
            assert len(names) < 2 or shared.is_empty()
            continue
        truth = direct_ranking(mine, names)
        assert world.ranking["policy"].to_list() == [one["policy"] for one in truth]
        assert set(world.ranking["n"]) == {shared.height}
        assert world.ranking["mean"].to_list() == pytest.approx([one["mean"] for one in truth])
        assert world.ranking["tied"].to_list() == [one["tied"] for one in truth]
    write_page(stored.path)


def test_a_single_policy_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    study = mini(policy=[{"name": "uniform", "label": "$x_1$ _"}], setting={"trials": 4})
    content = Content(run_study(study, tmp_path / "run", progress=False))
    # What it came to is said, and nothing is asked.
    assert content.summary.question == ""
    assert [words.split(" has a ")[0] for words in content.summary.verdict] == ["$x_1$ _"]
    page = read(write_page(tmp_path / "run", content=content))
    assert page.one(id="answer").text == "Result"
    assert not page.all("table", id="pairs-0")
    assert "$x_1$ _" in page.one("svg", data_chart="parts-0").text
    assert page.one("svg", data_chart="regret-0").all("text")


def test_differences_are_paired_by_trial(stored: StoredStudy, page: Node) -> None:
    trials, cells = stored.trials.collect(), stored.cells.collect()
    for world in range(4):
        numbers = cells.filter(world=world)["cell"].to_list()
        lines = page.one("table", id=f"pairs-{world}").one("tbody").all("tr")
        assert len(lines) == 6
        pairs = [(numbers[a], numbers[b]) for b in range(4) for a in range(b + 1, 4)]
        for line, (a, b) in zip(lines, pairs, strict=True):
            items = {item.attrs["data-name"]: item for item in line.all("td", class_="n")}
            for name in ("regret", "priced_regret"):
                sides = trials.filter(cell=a), trials.filter(cell=b)
                truth = paired_difference(*sides, column=name)
                item = items[f"{name}_difference"]
                found = value(item), value(item, "low"), value(item, "high")
                assert found == pytest.approx((truth.mean, truth.low, truth.high), rel=1e-12)
                assert value(items[f"{name}_lower"]) == truth.share_lower
            if b == numbers[0]:
                for row in table_cells(page, a):
                    assert value(row["difference"]) == value(items["priced_regret_difference"])
        assert all("difference" not in row for row in table_cells(page, numbers[0]))


def test_curves_are_those_of_the_frames(stored: StoredStudy, page: Node) -> None:
    curves = stored.curves.collect()
    for world in range(4):
        for quantity in ("regret", "priced_regret"):
            chart = page.one("svg", data_chart=f"{quantity}-{world}")
            lines = chart.lines()
            assert list(lines) == list(POLICIES)
            for policy, line in lines.items():
                one = curves.filter(world=world, policy=policy, quantity=quantity)
                half = student_halfwidth(one["se"].to_numpy(), 100)
                mean = one["mean"].to_numpy()
                assert line["x"] == one["round"].to_list()
                for name, truth in (("mean", mean), ("low", mean - half), ("high", mean + half)):
                    assert line[name] == pytest.approx(truth, rel=1e-12, abs=1e-12)
                # The line and its band.
                assert len(chart.all("g", data_series=policy)) == 2
        parts = page.one("svg", data_chart=f"parts-{world}")
        for index, policy in enumerate(POLICIES):
            one = curves.filter(world=world, policy=policy, quantity="regret")
            assert parts.lines(index)["regret (the sum)"]["mean"] == one["mean"].to_list()


def test_spend_by_stage_and_what_the_table_makes_of_it(stored: StoredStudy, page: Node) -> None:
    stages = stored.stages.collect()
    for world in range(4):
        chart = page.one("svg", data_chart=f"spend-{world}")
        assert f"budget ({stages.filter(world=world)['budget'][0]:g})" in chart.text
        table = page.one("table", id=f"adherence-{world}")
        lines, rows = chart.lines(), table.one("tbody").all("tr")
        for (policy, shown), line in zip(lines.items(), rows, strict=True):
            mine = stages.filter(world=world, policy=policy)
            budget = mine["budget"][0]
            per_stage = [one["spend"].to_numpy() for _, one in sorted(mine.group_by("stage"))]
            assert shown["x"] == [float(k + 1) for k in range(len(per_stage))]
            truth = [mean_interval(spend) for spend in per_stage]
            assert shown["mean"] == pytest.approx([t.estimate for t in truth], rel=1e-12)
            assert shown["high"] == pytest.approx([t.high for t in truth], rel=1e-12)
            items = {item.attrs["data-name"]: item for item in line.all("td")}
            ratios = np.array([t.estimate for t in truth]) / budget
            assert value(items["stages_over"]) == (ratios > 1.0).sum()
            assert value(items["over"]) == pytest.approx((mine["spend"] > budget).mean())
            assert value(items["worst"]) == pytest.approx(ratios.max())
            assert value(items["worst_stage"]) == ratios.argmax() + 1
            assert value(items["last"]) == pytest.approx(ratios[-1])


def test_solvers_and_times(stored: StoredStudy, page: Node) -> None:
    stages, shards = stored.stages.collect(), stored.shards.collect()
    cells = stored.cells.collect()
    lines = page.one("table", id="methods").one("tbody").all("tr")
    counted = {}
    for line in lines:
        items = line.all("td")
        counted[line.one("th").text, items[0].text] = value(items[1])
        assert value(items[3]) == 0.0
    truth = stages.group_by("policy", "method").len()
    assert counted == {(policy, method): n for policy, method, n in truth.iter_rows()}
    for line in page.one("table", id="times").one("tbody").all("tr"):
        times = {item.attrs.get("data-name", ""): item for item in line.all("td")}
        mine = cells.filter(policy=line.one("th").text)
        keys = mine["key"].to_list()
        seconds, rounds = (
            float(mine["seconds"].sum()),
            int((mine["trials"] * mine["horizon"]).sum()),
        )
        compiled = shards.filter(pl.col("key").is_in(keys))["compile_seconds"].sum()
        assert value(times["seconds"]) == pytest.approx(seconds)
        assert value(times["compile_seconds"]) == pytest.approx(float(compiled))
        assert value(times["rounds"]) == rounds
        assert value(times["ns_per_trial_round"]) == pytest.approx(1e9 * seconds / rounds)


def test_everything_is_there_without_scripts_and_without_the_network(
    stored: StoredStudy, page: Node
) -> None:
    text = (stored.path / "report.html").read_text()
    assert len(page.all("script")) == 1
    for node in page.walk():
        # Nothing is hidden that only a script would show, but for the readout of the pointer.
        assert "hidden" not in node.attrs or node.attrs.get("id") == "readout"
        assert "src" not in node.attrs
        assert not any(name.startswith("on") for name in node.attrs)
        for name in ("href", "xlink:href"):
            assert node.attrs.get(name, "#").startswith(("#", "data:"))
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "").replace(
        "http://www.w3.org/2000/svg", ""
    )
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")
    worlds = page.all("article")
    assert [world.attrs["id"] for world in worlds] == [f"world-{k}" for k in range(4)]
    linked = {link.attrs["href"] for link in page.all("a")}
    assert linked == {f"#{world.attrs['id']}" for world in worlds}
    assert "Two horizons, two budgets." in page.one("header").text
    assert "Complete: 16 of 16 cells" in page.one("header").text
    assert "budget = " in page.one("pre").text


def test_tables_and_charts_speak_to_everyone(page: Node) -> None:
    assert page.one("html").attrs["lang"] == "en"
    for table in page.all("table"):
        assert table.all("caption")[0].text
        assert {head.attrs["scope"] for head in table.all("th")} == {"col", "row"}
        heads = table.one("thead").all("th")
        for row in table.one("tbody").all("tr"):
            assert len(row.all("th") + row.all("td")) == len(heads)
    for chart in page.all("svg", class_="chart"):
        assert chart.attrs["role"] == "img"
        assert len(chart.attrs["aria-label"]) > 40
        for key in chart.walk():
            if "data-key" in key.attrs:
                assert chart.all(data_series=key.attrs["data-key"])
    ids = [node.attrs["id"] for node in page.walk() if "id" in node.attrs]
    assert len(set(ids)) == len(ids)


def test_the_same_study_gives_the_same_page(
    stored: StoredStudy, short_page: Path, tmp_path: Path
) -> None:
    again = write_page(stored.path, tmp_path / "x.html", details=7)
    assert again.read_bytes() == short_page.read_bytes()
    assert "report.html" not in stored.manifest["files"]
    assert load(stored.path).damaged() == []


def test_few_worlds_in_detail_and_all_in_the_tables(stored: StoredStudy, short_page: Path) -> None:
    page = read(short_page)
    assert [world.attrs["id"] for world in page.all("article")] == ["world-0"]
    assert [world.number for world in collect_view(stored, 9).worlds] == [0, 1]
    assert "The first 1 of 4 worlds" in page.one("section", id="details").text
    assert len(page.one("table", id="results").one("tbody").all("tr")) == 16
    # One world is shown even when it has more cells than that.
    assert [world.number for world in collect_view(stored, 1).worlds] == [0]
    with pytest.raises(ValueError, match="details: 0 cells"):
        write_page(stored.path, details=0)


def test_every_shard_of_an_unfinished_study_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = killed(tmp_path / "run", 9)
    reads: Counter[str] = Counter()

    def counted(directory: Path, record: Record, kept: StorageMode) -> Accounts:
        reads[record.name] += 1
        return read_shard(directory, record, kept)

    monkeypatch.setattr("fastroute.study.stored.read_shard", counted)
    # Whatever is held is reduced at once, or not before the end.
    for held in (1, 200_000):
        monkeypatch.setattr("fastroute.report.reading._HELD_ROWS", held)
        reads.clear()
        collect_view(stored, 2)
        assert set(reads) == {f"shards/{name}" for name in shards_of(stored)}
        assert set(reads.values()) == {1}
        assert_same_tables(stored, [0])
    assert_same_tables(stored, [])


@pytest.mark.usefixtures("undrawn")
def test_a_study_without_the_files_of_its_frames_has_the_same_page(
    stored: StoredStudy, tmp_path: Path
) -> None:
    copy = shutil.copytree(stored.path, tmp_path / "run")
    (copy / "curves.parquet").unlink()
    assert not load(copy).has_frame_files
    assert_same_tables(load(copy), [1, 2])
    # Figures are drawn from the tables just compared.
    pages = [
        write_page(path, tmp_path / f"{name}.html", details=7)
        for name, path in (("x", stored.path), ("y", copy))
    ]
    texts = [read(page).one("section", id="details").text for page in pages]
    assert texts[0] == texts[1]


def test_a_study_without_trials_has_tables_without_rows(tmp_path: Path) -> None:
    stored = killed(tmp_path / "run", 1)
    (stored.path / COMPACTED).unlink()
    shutil.rmtree(stored.path / "shards")
    tables = read_tables(load(stored.path), [])
    assert tables.trials.collect().is_empty()
    assert all(table.is_empty() for table in tables[1:])


def shards_of(stored: StoredStudy) -> list[str]:
    """Return the names of the shards on disk."""
    found = (stored.path / "shards").glob("*/*.parquet")
    return [file.relative_to(stored.path / "shards").as_posix() for file in found]


def assert_same_tables(stored: StoredStudy, detailed: list[int]) -> None:
    """Compare what was read at once with the frames, each collected for itself, to the bit."""
    tables = read_tables(stored, detailed)
    mine = pl.col("world").is_in(detailed)
    others = {
        "trials": stored.trials,
        "summary": stored.summary,
        "curves": stored.curves.filter(mine),
        "stages": stored.stages.filter(mine),
        "models": stored.models.filter(mine),
    }
    for name, frame in others.items():
        table = getattr(tables, name).lazy().collect()
        assert_frame_equal(table, frame.select(table.columns).collect(), check_exact=True)
    methods = solver_methods(stored.stages)
    assert_frame_equal(tables.methods, methods, check_exact=True)


def test_names_from_the_study_are_text_and_never_markup(tmp_path: Path) -> None:
    study = mini(
        description=EVIL,
        scenario={"name": "static", "n_models": 4, "label": f"scenario {EVIL}"},
        policy=[{"name": "stageroute", "label": EVIL}, {"name": "uniform"}],
        setting={"horizon": 60, "trials": 2},
    )
    run_study(study, tmp_path / "run", progress=False)
    page = read(write_page(tmp_path / "run"))
    (script,) = page.all("script")
    assert "alert" not in script.text
    assert page.one(class_="lead").text == EVIL
    assert page.one("table", id="results").all("th", scope="row")[0].text == EVIL
    chart = page.one("svg", data_chart="regret-0")
    assert list(chart.lines()) == [EVIL, "uniform"]
    # A press on the entry finds the line and the rows of tables.
    assert {node.tag for node in page.all(data_series=EVIL)} == {"g", "tr"}
    assert chart.all("g", data_key=EVIL)
    assert EVIL in "".join(text.text for text in chart.all("text"))
    assert page.one("table", id="ranking-0").all("th", scope="row")[-1].text in (EVIL, "uniform")
    assert f"scenario {EVIL}" in page.one(data_notice="scenario").text


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_study_names_what_is_missing(tmp_path: Path) -> None:
    stored = killed(tmp_path / "run", 7)
    cells = stored.cells.collect()
    page = read(write_page(stored.path))
    unfinished = cells.filter(~pl.col("complete"))
    notice = page.one(data_notice="unfinished")
    assert notice.one("summary").text == f"Unfinished: {unfinished.height} of 4 cells"
    assert "was interrupted" in notice.text
    lines = [item.text for item in notice.all("li")]
    assert len(lines) == unfinished.height
    for line, cell in zip(lines, unfinished.iter_rows(named=True), strict=True):
        assert line == (
            f"{cell['policy']} (horizon = {cell['horizon']}): {cell['trials_done']} of 150 trials"
        )
    trials = stored.trials.collect()
    for cell in cells.filter(pl.col("trials_done") > 0).iter_rows(named=True):
        for row in table_cells(page, cell["cell"]):
            mine = trials.filter(cell=cell["cell"])["regret"].to_numpy()
            assert len(mine) == cell["trials_done"] == value(row["trials"])
            truth = mean_interval(mine)
            assert value(row["regret"]) == pytest.approx(truth.estimate, rel=1e-12)
            assert value(row["regret"], "high") == pytest.approx(truth.high, rel=1e-12)
    # Only the state on disk differs when it was killed, or when someone writes to it now.
    with Lock(stored.path):
        page = read(write_page(stored.path, details=1))
    assert "still running" in page.one(data_notice="unfinished").text


@pytest.mark.usefixtures("undrawn")
def test_parts_that_failed_are_named_and_nothing_stands_in_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(job: Job, progress: Any = None) -> ShardResult:
        if job.policy_options["deployer"]["name"] == "mip":
            raise ArithmeticError("no luck")
        return run_shard(job, progress)

    study = mini(policy=[{"name": name} for name in RIVALS], setting={"horizon": 60, "trials": 64})
    monkeypatch.setattr("fastroute.study.executors.run_shard", failing)
    stored = run_study(study, tmp_path / "run", progress=False)
    page = read(write_page(stored.path))
    assert page.one(data_notice="failed").one("summary").text == "Parts that failed: 1"
    (line,) = page.one(data_notice="failed").all("li")
    assert (stored.path / line.text).is_file()
    assert page.one(data_notice="unfinished").all("li")[0].text == "stageroute: 0 of 64 trials"
    for cell in (1, 2):
        (row,) = table_cells(page, cell)
        assert "regret" in row
        assert "difference" not in row
    # The two that have trials are still compared with each other.
    (pair,) = page.one("table", id="pairs-0").one("tbody").all("tr")
    assert pair.one("th").text == "greedy − uniform"


def test_a_study_without_a_single_trial(tmp_path: Path) -> None:
    from fastroute.study.cells import lay_out
    from fastroute.study.store import RunDirectory

    study = mini().resolved()
    with RunDirectory(tmp_path / "run", study, lay_out(study)) as directory:
        directory.start()
        content = Content(load(tmp_path / "run"))
        page = read(write_page(tmp_path / "run", content=content))
    assert (content.view.begun, content.view.worlds, content.sweeps) == (0, [], [])
    assert (content.summary.verdict, content.summary.ranking) == ([], None)
    assert "No trial is finished yet" in page.one("main").text
    assert page.one(data_notice="unfinished").one("summary").text == "Unfinished: 4 of 4 cells"
    assert not page.all("table")
    assert not page.all("svg")
    assert not page.all(id="answer")


def test_one_trial_has_no_intervals(tmp_path: Path) -> None:
    study = mini(setting={"horizon": 60, "trials": 1})
    stored = run_study(study, tmp_path / "run", progress=False)
    page = read(write_page(stored.path))
    assert page.one(data_notice="single-trial").one("summary").text == "No intervals: 2 of 2 cells"
    (row,) = table_cells(page, 0)
    assert "data-low" not in row["regret"].attrs
    assert "±" not in row["regret"].text
    for chart in page.all("svg", class_="chart"):
        assert "NaN" not in chart.attrs["data-panels"]
    assert set(page.one("svg", data_chart="regret-0").lines()["uniform"]["low"]) == {None}
    assert "NaN" not in page.text
    # Nothing tells the policies apart; the page says why.
    (best, other) = page.one("table", id="ranking-0").one("tbody").all("tr")
    assert "[" not in other.text
    assert "within noise of the best" in other.text
    assert "data-low" not in best.one("td", data_name="priced_regret").attrs


def test_means_and_moments_are_enough(tmp_path: Path) -> None:
    study = mini(store={"curves": "moments", "stages": "means"}, setting={"horizon": 60})
    stored = run_study(study, tmp_path / "run", progress=False)
    page = read(write_page(stored.path))
    table = page.one("table", id="adherence-0")
    assert {item.text for item in table.all("td", data_name="over")} == {"-"}
    spend = page.one("svg", data_chart="spend-0").lines()
    assert all(set(line["low"]) == {None} for line in spend.values())
    regret = page.one("svg", data_chart="regret-0").lines()
    curves = stored.curves.filter(quantity="regret", policy="uniform").collect()
    assert regret["uniform"]["mean"] == curves["mean"].to_list()


def test_what_is_damaged_is_named_with_a_remedy(tmp_path: Path) -> None:
    stored = killed(tmp_path / "run", 3)
    shard = next(stored.path.glob("shards/*/*.parquet"))
    shard.write_bytes(b"not a shard")
    with pytest.raises(RunDirectoryError, match=r"shards/.*run the study again"):
        write_page(stored.path)
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        write_page(tmp_path)
