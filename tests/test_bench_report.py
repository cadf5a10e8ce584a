"""Numbers of the benchmarks come from saved results, and from nothing else."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from fastroute.bench import report, worlds
from fastroute.bench.figures import FIGURES, save_figures
from fastroute.bench.headline import headline, headline_columns
from fastroute.bench.results import (
    Results,
    disturbance_text,
    load,
    machine_text,
    number_text,
    size_text,
    time_text,
)


def row(group: str, case: str, solver: str, ns: float, **facts: Any) -> dict[str, Any]:
    info = {"case": case, "solver": solver, "units": 10, "threads": 1, "ours": True} | facts
    if not math.isnan(ns):
        info["ns_per_unit"] = ns
    return {
        "group": group,
        "name": f"test[{case}, {solver}]",
        "stats": {"min": 1e-8 * ns, "rounds": 5},
        "extra_info": info,
    }


def made_data(rows: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """Return what a file of results holds; `parts` come on top."""
    versions = {"python": "3.11.7", "fastroute": "0.1.0", "numpy": "2.4.6"}
    machine = {"processor": "Some CPU", "cores": 2, "system": "Linux 6.1-x", "architecture": "a64"}
    return {
        "machine_info": machine | {"versions": versions} | parts.pop("machine", {}),
        "run": {"full": True, "seconds": 60, "load_at_end": [0.5, 0.5, 0.5]},
        "skipped": [{"name": "test_x[y]", "reason": "y is not installed"}],
        "datetime": "2026-01-02T03:04:05+00:00",
        "benchmarks": rows,
        **parts,
    }


def save(folder: Path, rows: list[dict[str, Any]], name: str = "made.json", **parts: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(made_data(rows, **parts)), encoding="utf-8")
    return path


FACTS: dict[str, Any] = {
    "models": 5,
    "what": "solves",
    "versions": "x 1",
    "failures": 0,
    "worst_error": 2e-16,
    "worst_violation": 3e-16,
}


MEMORY: dict[str, Any] = {
    "horizon": 10,
    "trials": 4,
    "before_bytes": 1e8,
    "peak_bytes": 2e8,
    "run_seconds": 3.0,
}


@pytest.fixture
def made(tmp_path: Path) -> Results:
    """Results with easy numbers."""
    rival = {**FACTS, "ours": False}
    rows = [
        row("routing", "M=5", "fastroute", 50.0, **FACTS),
        row("routing", "M=5", "quantecon simplex", 2000.0, **rival),
        row("routing", "M=5", "HiGHS, model kept", math.nan, **rival, failure="ValueError: no"),
        row("routing", "M=8", "fastroute", 80.0, **{**FACTS, "models": 8}),
        *(row("threads", "5 of 15", "fastroute, StageRoute", 20.0 / n, threads=n) for n in (1, 2)),
        *(row("growth", "N", "fastroute, StageRoute", 3.0 * n**0.5, value=n) for n in (8, 32, 128)),
        *(row("growth", "trials", "fastroute, StageRoute", 10.0, value=n) for n in (1, 10)),
        *(row("growth", "M_max", "fastroute, StageRoute", 10.0, value=n) for n in (1, 10)),
        *(row("growth", "T", "fastroute, StageRoute", 10.0, value=n) for n in (1, 10)),
        row("startup", "import", "fastroute", 1e7, import_seconds=0.004),
        row("deployment", "N=15, M_max=5", "fastroute", 500.0, **FACTS),
        row("simulation", "rivals", "UCB1, Numba loop", 46.0, **rival, trials=1, horizon=10),
        row("memory", "T=10, trials=4", "fastroute", 1.0, **MEMORY),
        row(worlds.GROUP, worlds.PLAIN, "fastroute, StageRoute", 20.0, trials=8, horizon=10**5),
        row("own parts", "estimator", "built-in", 20.0),
        row("own parts", "estimator", "one's own", 21.0),
    ]
    return load(save(tmp_path, rows))


def test_headline_divides_the_rival_by_ours(made: Results) -> None:
    lines = [tuple(line.cells) for line in headline(made)]
    label = "routing LP, 5 models, cold batch"
    assert (label, "50.0 ns", "quantecon's jitted simplex", "2.00 µs", "40.0") in lines
    # The next line has the same work, so its first cells are empty; a rival that raised stays.
    assert ("", "", "HiGHS, model kept", "failed: ValueError: no", "") in lines
    # No rival was measured: the line stands alone.
    assert ("routing LP, 8 models, cold batch", "80.0 ns", "", "", "") in lines
    assert ("StageRoute, 5 of 15, on two threads", "10.0 ns", "one thread", "20.0 ns", "2.00") in (
        lines
    )
    assert ("`import fastroute`", "4.00 ms", "", "", "") in lines


def test_headline_shows_every_instruction_set(tmp_path: Path) -> None:
    wide, narrow = {"instruction_set": "AVX-512"}, {"instruction_set": "AVX2"}
    rival = {**FACTS, **wide, "ours": False}
    rows = [
        row("routing", "M=5", "fastroute", 50.0, **FACTS, **wide),
        row("routing", "M=5", "quantecon simplex", 2000.0, **rival),
        row("deployment", "N=15, M_max=5", "fastroute", 500.0, **FACTS, **wide),
    ]
    again = [row("routing", "M=5", "fastroute", 200.0, **FACTS, **narrow)]
    results = load(save(tmp_path, rows, again=again, machine=wide))
    assert headline_columns(results) == [
        *("work", "fastroute, AVX-512", "fastroute, AVX2", "instead of it", "takes"),
        *("times as long, AVX-512", "times as long, AVX2"),
    ]
    assert [line.cells for line in headline(results)] == [
        [
            *("routing LP, 5 models, cold batch", "50.0 ns", "200 ns"),
            *("quantecon's jitted simplex", "2.00 µs", "40.0", "10.0"),
        ],
        ["deployment, 15 models, at most 5, equal limits", "500 ns", *[""] * 5],
    ]
    assert "| routing | M=5 | fastroute | 50.0 ns | 200 ns | 4.00 |" in report.docs_section(results)


def test_old_results_say_that_the_instruction_set_is_not_recorded(made: Results) -> None:
    assert headline_columns(made)[1] == "fastroute, instruction set not recorded"
    assert {line.instruction_set for line in made.rows} == {made.instruction_set}


def test_docs_hold_every_row_and_every_reason(made: Results) -> None:
    text = report.docs_section(made)
    assert "| quantecon simplex | 2.00 µs |  |" in text
    assert "solves; raised ValueError: no" in text
    assert "- y is not installed: `test_x[y]`" in text
    # 3 sqrt(n): the exponent is one half.
    assert "| models N, 5 deployed | +0.50 | +0.50 |" in text
    assert "| estimator | 20.0 ns | 21.0 ns | 1.05 |" in text


def test_estimators_and_worlds_are_compared_with_the_plain_one(tmp_path: Path) -> None:
    facts = {"trials": 8, "horizon": 10**5, "what": "plays", "versions": "x 1"}
    rival = {**facts, "ours": False}
    rows = [
        row(worlds.GROUP, worlds.PLAIN, "fastroute, StageRoute", 20.0, **facts),
        row(worlds.GROUP, "tasks", "fastroute, StageRoute, contextual", 50.0, **facts),
        row(worlds.GROUP, "features", "LinUCB", math.nan, **rival, failure="ValueError: no"),
        row("simulation", "rivals", "paretobandit", 2000.0, **rival),
    ]
    text = report.docs_section(load(save(tmp_path, rows)))
    for line in (
        "| plain | fastroute, StageRoute | 8 x 10^5 | 20.0 ns | 1.00 |",
        "| tasks | fastroute, StageRoute, contextual | 8 x 10^5 | 50.0 ns | 2.50 |",
        "| features | LinUCB: plays; raised ValueError: no | 8 x 10^5 | failed |  |",
        "| rivals | paretobandit: plays | 8 x 10^5 | 2.00 µs | 100 |",
    ):
        assert line in text
    # Results from before these cases were measured stand without them.
    old = report.docs_section(load(save(tmp_path, rows[-1:])))
    assert "Estimators and worlds" not in old


def test_disturbed_cases_are_counted(tmp_path: Path) -> None:
    rows = [
        row("routing", "M=5", "fastroute", 50.0, core_share=0.99),
        row("routing", "M=8", "fastroute", 50.0, core_share=0.90),
        # Two threads, or another process: nothing is known about a core of its own.
        row("threads", "5 of 15", "fastroute", 50.0, core_share=0.5, threads=2),
        row("startup", "import", "fastroute", 50.0, core_share=0.01),
    ]
    text = "Other work disturbed 1 of 4 cases."
    assert disturbance_text(load(save(tmp_path, rows))) == text
    quiet = load(save(tmp_path, rows[:1]))
    assert disturbance_text(quiet) == ""
    busy = quiet._replace(run={"load_at_end": [9.0, 9.0, 2.1]})
    assert disturbance_text(busy) == "The machine was busy (load 2.1), so times are too long."


def test_comparison_shows_both_runs(tmp_path: Path, made: Results) -> None:
    old = [
        row("routing", "M=5", "fastroute", 100.0),
        row("routing", "M=5", "HiGHS, model kept", 100.0),
        row("growth", "N", "fastroute, StageRoute", 3.0 * 32**0.5, value=32),
        row("memory", "T=10, trials=4", "fastroute", 1.0, **MEMORY | {"peak_bytes": 4e8}),
    ]
    text = report.comparison(load(save(tmp_path, old, "old.json")), made)
    assert text.splitlines() == [
        "| case | solver | old.json | made.json | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
        "| routing, M=5 | fastroute | 100 ns | 50.0 ns | 0.50 |",
        "| routing, M=5 | HiGHS, model kept | 100 ns | failed |  |",
        "| growth, N=32 | fastroute, StageRoute | 17.0 ns | 17.0 ns | 1.00 |",
        "| memory, T=10, trials=4 | fastroute | 400 MB | 200 MB | 0.50 |",
        "",
        f"{len(made.rows) - len(old)} rows are in one of the two results only, or failed before.",
    ]


def test_figures_have_units_and_lines(made: Results, tmp_path: Path) -> None:
    for name, draw in FIGURES.items():
        figure = draw(made)
        for axes in figure.axes:
            assert axes.get_xlabel(), name
            assert axes.get_xscale() == axes.get_yscale() == "log"
            assert axes.lines, name
        assert any(re.search(r"\((s|ns)\)", axes.get_ylabel()) for axes in figure.axes), name
    first = [path.read_bytes() for path in save_figures(made, tmp_path)]
    assert first == [path.read_bytes() for path in save_figures(made, tmp_path)]


def test_write_replaces_only_what_is_between_the_markers(made: Results, tmp_path: Path) -> None:
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    readme, docs = tmp_path / "README.md", tmp_path / "docs" / "benchmarks.md"
    readme.write_text("top\n<!-- speed:begin -->\nstale\n<!-- speed:end -->\nend\n")
    docs.write_text("no markers\n")
    with pytest.raises(ValueError, match=r"benchmarks\.md needs the markers"):
        report.write(made, tmp_path)
    assert "stale" in readme.read_text(), "nothing is written when one file is wrong"
    docs.write_text("intro\n<!-- generated:begin -->\n<!-- generated:end -->\n")
    report.write(made, tmp_path)
    text = readme.read_text()
    assert text.startswith("top\n<!-- speed:begin -->\n| work |")
    assert text.endswith("<!-- speed:end -->\nend\n")
    assert "stale" not in text
    assert {path.name for path in (tmp_path / "docs" / "figures").iterdir()} == set(FIGURES)


def test_part_of_a_run_is_not_published(tmp_path: Path) -> None:
    part = load(save(tmp_path, [row("routing", "M=5", "fastroute", 100.0)]))
    with pytest.raises(ValueError, match=r"no rows on deployment, .*`fastroute bench --full`"):
        report.write(part, tmp_path)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0.512, "0.512 ns"),
        (9.999, "10.0 ns"),
        (46.24, "46.2 ns"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (1_740.0, "1.74 µs"),
        (4_360_000.0, "4.36 ms"),
        (14.46e9, "14.5 s"),
        (1_234.4e9, "1,230 s"),
    ],
)
def test_times_have_three_digits(ns: float, text: str) -> None:
    assert time_text(ns) == text


def test_numbers_and_sizes() -> None:
    assert [number_text(x) for x in (4.2345, 74_860.0, 0.0, 100.0)] == [
        "4.23",
        "74,900",
        "0",
        "100",
    ]
    assert [size_text(x) for x in (3.1e8, 2.5e9, 9.999e8)] == ["310 MB", "2.50 GB", "1.00 GB"]


def test_what_holds_no_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("{", "{}", "[]"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match="holds no results"):
            load(tmp_path / "x.json")
    assert report.main([str(tmp_path / "x.json")]) == 2
    assert report.main([str(tmp_path / "absent.json")]) == 2
    assert "absent.json" in capsys.readouterr().err


@pytest.fixture(scope="module")
def published(root: Path) -> Results:
    """Return the results that README and docs say they were made from."""
    docs = (root / report.DOCS).read_text(encoding="utf-8")
    found = re.findall(r"`bench/results/([\w.-]+\.json)`, measured on", docs)
    assert len(found) == 1, "docs/benchmarks.md names the file its numbers are from"
    return load(root / "bench" / "results" / found[0])


@pytest.mark.parametrize("path", [report.README, report.DOCS], ids=str)
def test_published_numbers_are_those_of_the_saved_results(
    path: Path, published: Results, root: Path
) -> None:
    text = (root / path).read_text(encoding="utf-8")
    make = report.readme_section if path == report.README else report.docs_section
    assert report.replace_between(text, report.MARKERS[path], make(published)) == text, (
        f"make {path} again: python -m fastroute.bench.report bench/results/{published.name}"
    )


def test_published_figures_are_there(root: Path) -> None:
    for name in FIGURES:
        assert (root / report.FIGURES / name).exists()


def test_published_results_are_a_full_run_that_names_no_one(published: Results, root: Path) -> None:
    assert published.run["full"]
    assert {row.group for row in published.rows} == set(report.GROUPS)
    assert not [row for row in published.rows if row.facts["ours"] and row.failure]
    assert machine_text(published)
    text = (root / "bench" / "results" / published.name).read_text(encoding="utf-8")
    assert "node" not in json.loads(text)["machine_info"]
    for secret in ("/home", "/root", "/tmp", "/work"):
        assert secret not in text


def test_times_of_online_decisions_are_those_of_the_saved_results(root: Path) -> None:
    """Measured apart, in a file of their own."""
    text = (root / report.ONLINE).read_text(encoding="utf-8")
    found = re.findall(r"`bench/results/([\w.-]+\.json)`, measured on", text)
    assert len(found) == 1
    results = load(root / "bench" / "results" / found[0])
    assert results.run["full"]
    assert report.replace_between(text, "latency", report.online_section(results)) == text


def test_a_run_of_the_online_suite_alone_is_published_on_its_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / report.ONLINE
    page.write_text("top\n<!-- latency:begin -->\n<!-- latency:end -->\n", encoding="utf-8")
    facts = {"ns_half": 4e3, "ns_99_percent": 2e4}
    rows = [
        row("online", "in memory", "fastroute", 5e3),
        row("online", "four", "fastroute", 2e4, **facts),
    ]
    assert report.write(load(save(tmp_path, rows)), tmp_path) == [page]
    text = page.read_text(encoding="utf-8")
    assert "| in memory | fastroute | 5.00 µs |  |  |" in text
    assert "| four | fastroute | 20.0 µs | 4.00 µs | 20.0 µs |" in text
