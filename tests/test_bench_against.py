"""`fastroute bench --against`: what is compared, what is refused, and who runs when."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fastroute.bench import against, suites
from fastroute.bench.against import alternate, best, compare, other_side, this_side
from fastroute.bench.results import Results, load, results_of
from fastroute.cli import app
from test_bench_report import made_data, row, save

runner = CliRunner()
WIDE, NARROW = {"instruction_set": "AVX-512"}, {"instruction_set": "AVX2"}


def rows(ns: float, rival: float = 2000.0) -> list[dict[str, Any]]:
    return [
        row("routing", "M=5", "fastroute", ns, **WIDE),
        row("routing", "M=5", "quantecon simplex", rival, ours=False, **WIDE),
    ]


def results(ns: float, rival: float = 2000.0, **parts: Any) -> Results:
    return results_of(made_data(rows(ns, rival), machine=WIDE, **parts), "made")


def other_machine(ns: float, rival: float) -> Results:
    machine = WIDE | {"processor": "Another CPU"}
    return results_of(made_data(rows(ns, rival), machine=machine), "other")


def test_slower_beyond_the_tolerance_is_a_regression() -> None:
    for now, slower in ((50.0, False), (109.0, False), (111.0, True)):
        found = compare(results(100.0), results(now), 0.1)
        assert bool(found.regressions) == slower
        assert found.lines[0].ratio == pytest.approx(now / 100.0)
    assert not compare(results(100.0), results(111.0), 0.2).regressions
    # A rival that got slower says something of the machine and nothing of fastroute.
    assert not compare(results(100.0), results(100.0, rival=4000.0), 0.1).regressions


def test_a_case_that_fails_now_is_a_regression() -> None:
    now = results_of(
        made_data([row("routing", "M=5", "fastroute", 1.0, failure="ValueError: no", **WIDE)]), ""
    )
    (line,) = compare(results(100.0), now, 0.1).regressions
    assert line.cells == ["routing, M=5, AVX-512", "fastroute", "100 ns", "failed", ""]


def test_cases_that_other_work_disturbed_are_counted() -> None:
    busy = made_data([row("routing", "M=5", "fastroute", 150.0, core_share=0.5, **WIDE)])
    found = compare(results(100.0), results_of(busy, ""), 0.1)
    assert found.notes[0] == "Other work disturbed 1 of these 1 cases; their ratios say little."
    assert not any("disturbed" in x for x in compare(results(1.0), results(1.0), 0.1).notes)


def test_each_instruction_set_is_compared_with_itself() -> None:
    before, now = (
        results(100.0, again=[row("routing", "M=5", "fastroute", ns, **NARROW)])
        for ns in (200.0, 300.0)
    )
    (line,) = compare(before, now, 0.1).regressions
    assert line.cells == ["routing, M=5, AVX2", "fastroute", "200 ns", "300 ns", "1.50"]
    # What a result measured for one set only is not compared with another set.
    only_narrow = results_of(
        made_data([row("routing", "M=5", "fastroute", 300.0, **NARROW)], machine=NARROW), ""
    )
    assert len(compare(before, only_narrow, 0.1).lines) == 1
    with pytest.raises(ValueError, match="no case in common"):
        compare(results(100.0), only_narrow, 0.1)


def test_what_names_no_instruction_set_is_that_of_its_machine() -> None:
    before = results_of(made_data([row("routing", "M=5", "fastroute", 100.0)]), "old")
    (line,) = compare(before, results(150.0), 0.1).regressions
    assert line.case == "routing, M=5, AVX-512"


def test_times_of_different_machines_are_not_compared() -> None:
    # Half as fast, as is the rival: as many times faster as before.
    found = compare(other_machine(50.0, 1000.0), results(100.0), 0.1)
    assert not found.regressions
    assert [line.cells[1:] for line in found.lines] == [
        ["quantecon's jitted simplex", "20.0", "20.0", "1.00"]
    ]
    assert found.notes[0].startswith("Times of different machines are not compared (Another CPU")
    assert compare(other_machine(50.0, 2000.0), results(100.0), 0.1).regressions
    alone = results_of(made_data([row("startup", "import", "fastroute", 1.0)]), "alone")
    with pytest.raises(ValueError, match="Times of different machines are not compared"):
        compare(other_machine(50.0, 1000.0), alone, 0.1)


def test_two_sides_run_in_turns_and_the_best_of_each_counts() -> None:
    order: list[str] = []

    def side(name: str, *times: float) -> Callable[[], dict[str, Any]]:
        left = list(times)

        def run() -> dict[str, Any]:
            order.append(name)
            ns = left.pop(0)
            return made_data(rows(ns), again=[row("routing", "M=5", "fastroute", 9 * ns)])

        return run

    first, second = alternate([side("A", 5.0, 4.0), side("B", 2.0, 3.0)])
    assert order == ["A", "B", "A", "B"]
    for found, ns in ((first, 4.0), (second, 2.0)):
        kept = results_of(found, "")
        assert [x.ns for x in kept.rows] == [ns, 2000.0]
        assert [x.ns for x in kept.again] == [9 * ns]


def test_the_best_of_runs_is_no_failure_and_the_least_memory() -> None:
    failed = row("routing", "M=5", "fastroute", float("nan"), failure="ValueError: no")
    sizes = [row("memory", "T=1", "fastroute", 1.0, peak_bytes=size) for size in (3e8, 2e8)]
    runs = [made_data([failed, sizes[0]]), made_data([*rows(5.0), sizes[1]])]
    found = results_of(best(runs), "")
    assert [x.amount for x in found.rows] == [5.0, 2e8, 2000.0]


def test_what_another_path_is(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    assert other_side(file, []) is None
    python = other_side(Path(sys.executable), ["--smoke"])
    assert python is not None
    assert (python.python, python.root, python.options) == (
        Path(sys.executable),
        None,
        ["--smoke"],
    )
    checkout = tmp_path / "checkout"
    (checkout / "fastroute").mkdir(parents=True)
    (checkout / "fastroute" / "__init__.py").touch()
    bare = other_side(checkout, [])
    assert bare is not None
    assert (bare.python, bare.root) == (Path(sys.executable), checkout)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").touch()
    with_its_own = other_side(checkout, [])
    assert with_its_own is not None
    assert (with_its_own.python, with_its_own.root) == (
        checkout / ".venv" / "bin" / "python",
        checkout,
    )
    environment = other_side(checkout / ".venv", [])
    assert environment is not None
    assert (environment.python, environment.root) == (
        checkout / ".venv" / "bin" / "python",
        None,
    )


def test_a_side_runs_its_own_fastroute(tmp_path: Path) -> None:
    # A fastroute that only says where it is from, and takes the results from its folder.
    package = tmp_path / "fastroute"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import shutil, sys, pathlib\n"
        "assert sys.argv[1:3] == ['bench', '--json'] and sys.argv[4:] == ['--suite=routing']\n"
        "shutil.copy(pathlib.Path(__file__).parents[1] / 'kept.json', sys.argv[3])\n"
    )
    side = other_side(tmp_path, ["--suite=routing"])
    assert side is not None
    with pytest.raises(ValueError, match=r"did not run the benchmarks \(it ended with 1\)"):
        side()
    save(tmp_path, rows(100.0), "kept.json")
    assert side() == json.loads((tmp_path / "kept.json").read_text())


@pytest.mark.parametrize(("before", "code"), [(100.0, 0), (80.0, 1)])
def test_command_compares_with_a_file(
    before: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = save(tmp_path, rows(100.0), "now.json", machine=WIDE)
    monkeypatch.setattr(suites, "run_suites", lambda _, file, __: bool(shutil.copy(now, file)) - 1)
    old = save(tmp_path, rows(before), "old.json", machine=WIDE)
    done = runner.invoke(app, ["bench", "--against", str(old)])
    assert done.exit_code == code, done.output
    assert ("regression: routing, M=5, AVX-512, fastroute: 80.0 ns -> 100 ns" in done.stdout) == (
        code == 1
    )
    assert ("no case of fastroute is more than 10 % slower" in done.stdout) == (code == 0)
    wide = runner.invoke(app, ["bench", "--against", str(old), "--tolerance", "0.3"])
    assert wide.exit_code == 0
    # A smoke run is compared with another one only, and nothing is judged.
    mixed = runner.invoke(app, ["bench", "--smoke", "--against", str(old)])
    assert mixed.exit_code == 2
    assert "only one of the two runs is a smoke run" in mixed.stderr
    old.write_text(json.dumps(made_data(rows(before), machine=WIDE, run={"smoke": True})))
    data = made_data(rows(100.0), machine=WIDE)
    data["run"]["smoke"] = True
    old.write_text(json.dumps(data | {"benchmarks": rows(before)}))
    smoke = runner.invoke(app, ["bench", "--smoke", "--against", str(old)])
    assert smoke.exit_code == 0
    assert "slower" not in smoke.stdout


def test_command_runs_another_fastroute_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def turns(sides: list[against.Side]) -> list[dict[str, Any]]:
        asked.extend(sides)
        return [made_data(rows(ns), machine=WIDE) for ns in (50.0, 100.0)]

    monkeypatch.setattr(against, "alternate", turns)
    kept = tmp_path / "kept.json"
    command = ["bench", "--suite", "routing", "--against", sys.executable, "--json", str(kept)]
    done = runner.invoke(app, command)
    assert done.exit_code == 1, done.output
    options = ["--suite=routing"]
    assert asked == [other_side(Path(sys.executable), options), this_side(options)]
    assert load(kept).rows[0].ns == 100.0, "what is kept is the best of this side"
