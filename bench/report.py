"""Turn saved results into the README's table, the tables of the docs and the figures.

::

    fastroute bench --full --json bench/results/NAME.json
    python -m fastroute.bench.report bench/results/NAME.json

Run it at the top of a checkout. ``--before OTHER.json`` prints both runs side by side instead of
writing anything.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fastroute.bench import worlds
from fastroute.bench.against import compare
from fastroute.bench.figures import GROWTH, growth_rows, save_figures
from fastroute.bench.headline import headline, headline_columns
from fastroute.bench.results import (
    Measurement,
    Results,
    disturbance_text,
    load,
    machine_text,
    number_text,
    power_text,
    rounds_text,
    size_text,
    time_text,
)

README: Final = Path("README.md")
DOCS: Final = Path("docs/benchmarks.md")
ONLINE: Final = Path("docs/online.md")
FIGURES: Final = Path("docs/figures")
#: What a run must hold to be published.
GROUPS: Final = (
    "routing",
    "deployment",
    "simulation",
    "own parts",
    "threads",
    "growth",
    "startup",
    "memory",
    worlds.GROUP,
)
#: What may be measured and published apart.
APART: Final = "online"
#: File -> name of the markers between which its generated text stands.
MARKERS: Final = {README: "speed", DOCS: "generated", ONLINE: "latency"}


def readme_section(results: Results) -> str:
    """Write what stands between the README's markers."""
    lines = [
        _headline_table(results),
        "",
        f"*{machine_text(results)}. One core unless said otherwise, double precision, compilation "
        f"apart, {rounds_text(results)}; {results.date}. {disturbance_text(results)}".rstrip()
        + "*",
        "",
        "![Time of one routing LP against the number of models, for every solver]"
        "(docs/figures/bench_routing.svg)",
        "",
        "`fastroute bench` repeats the main rows on your machine in about three minutes. "
        "[docs/benchmarks.md](docs/benchmarks.md) says what is measured and holds all rivals, "
        "the growth of costs, memory and start-up.",
    ]
    return "\n".join(lines)


def docs_section(results: Results) -> str:
    """Write the generated part of the page on benchmarks."""
    run = results.run
    parts = [
        f"Data: `bench/results/{results.name}`, measured on {results.date} in "
        f"{run['seconds'] / 60:.0f} minutes. {disturbance_text(results)}".rstrip()
        + f"\n\n{machine_text(results)}.",
        _section("Main rows", _headline_table(results)),
        _section("Instruction sets", _instruction_sets(results)),
        _section("Routing LP", _routing(results)),
        _section("Deployment problem", _deployment(results)),
        _section("Simulation", _simulation(results)),
        _section("Parts of one's own", _own_parts(results)),
        _section("Estimators and worlds", _estimators_and_worlds(results)),
        _section("Growth", _growth(results)),
        _section("Start-up", _startup(results)),
        _section("Memory", _memory(results)),
        _section("Not measured in this run", _skipped(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def online_section(results: Results) -> str:
    """Write what stands between the markers of the page of the policy online."""
    head = ["what", "decided by", "time of a decision", "half within", "99 % within"]
    rows = [
        [
            row.case if row.case != "rivals" else str(row.facts["what"]),
            row.solver,
            _time(row),
            *(
                time_text(float(row.facts[name])) if name in row.facts else ""
                for name in ("ns_half", "ns_99_percent")
            ),
        ]
        for row in results.of(APART)
    ]
    source = f"Data: `bench/results/{results.name}`, measured on {results.date}."
    return "\n\n".join([_table(head, rows, right=(2, 3, 4)), f"{source} {machine_text(results)}."])


def comparison(before: Results, after: Results) -> str:
    """Write what two runs share, as Markdown."""
    found = compare(before, after, math.inf)
    table = _table(found.columns, [line.cells for line in found.lines], right=(2, 3, 4))
    return "\n\n".join([table, *found.notes])


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _headline_table(results: Results) -> str:
    heads = headline_columns(results)
    right = [i for i in range(1, len(heads)) if heads[i] != "instead of it"]
    return _table(heads, [row.cells for row in headline(results)], right=right)


def _instruction_sets(results: Results) -> str:
    """Show all cases that were measured for several instruction sets."""
    if not results.again:
        return ""
    first, *others = results.instruction_sets
    lines = []
    for row in results.rows:
        again = [results.compiled_for(name, row) for name in others]
        if any(again):
            ratios = [
                number_text(x.ns / row.ns) if x and not (x.failure or row.failure) else ""
                for x in again
            ]
            lines.append((row.group, row.case, row.solver, _time(row), *map(_time, again), *ratios))
    head = ("suite", "case", "solver", first, *others, *(f"{x} / {first}" for x in others))
    return "\n\n".join(
        [
            f"All other tables are of {first}. These cases were also compiled for "
            f"{', '.join(others)}, on the same machine; their results are equal to the bit:",
            _table(head, lines, right=range(3, len(head))),
        ]
    )


def _time(row: Measurement | None) -> str:
    if row is None:
        return ""
    return "failed" if row.failure else time_text(row.ns)


def _solvers(rows: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(row.solver for row in rows))


def _facts_table(rows: Sequence[Measurement]) -> str:
    """Say what each solver does, how exact it was, and how many problems a round had."""
    lines = []
    for solver in _solvers(rows):
        mine = [row for row in rows if row.solver == solver]
        good = [row for row in mine if not row.failure]
        counts = sorted({int(row.facts["units"]) for row in mine})
        span = power_text(counts[0]) + (f" to {power_text(counts[-1])}" if counts[1:] else "")
        errors = [float(row.facts["worst_error"]) for row in good]
        broken = [float(row.facts["worst_violation"]) for row in good]
        raised = sorted({row.failure for row in mine if row.failure})
        unsolved = sum(int(row.facts["failures"]) for row in good)
        lines.append(
            (
                solver,
                str(mine[0].facts["what"]) + "".join(f"; raised {text}" for text in raised),
                str(mine[0].facts["versions"]),
                span,
                f"{max(errors):.0e}" if errors else "",
                f"{max(broken):.0e}" if broken else "",
                f"{unsolved:,}" if good else "all",
            )
        )
    head = (
        *("solver", "what it does", "versions", "problems per round"),
        *("objective error", "violation", "unsolved"),
    )
    return _table(head, lines, right=(3, 4, 5, 6))


def _routing(results: Results) -> str:
    rows = results.of("routing")
    if not rows:
        return ""
    sizes = sorted({int(row.facts["models"]) for row in rows})
    times = [
        (solver, *(_time(results.find("routing", f"M={size}", solver)) for size in sizes))
        for solver in _solvers(rows)
    ]
    return "\n\n".join(
        [
            "![Time of one routing LP against the number of models](figures/bench_routing.svg)",
            "Time per LP:",
            _table(("solver", *(f"M = {size}" for size in sizes)), times, range(1, len(sizes) + 1)),
            "Errors are the largest over the sample, violations the largest over all LPs and "
            "constraints:",
            _facts_table(rows),
        ]
    )


def _deployment(results: Results) -> str:
    rows = results.of("deployment")
    if not rows:
        return ""
    lines = []
    for row in rows:
        tail = [row.facts.get(key) for key in ("ns_90_percent", "ns_largest")]
        lines.append(
            (row.case, row.solver, _time(row), *("" if x is None else time_text(x) for x in tail))
        )
    head = ("problem", "solver", "time per problem", "90 % below", "largest")
    return "\n\n".join(
        [
            "The first problem is timed in a batch, so its time is a mean. The second is timed one "
            "by one: median, 90 % quantile and largest over problems.",
            _table(head, lines, right=(2, 3, 4)),
            _facts_table(rows),
        ]
    )


def _simulation(results: Results) -> str:
    rows = results.of("simulation")
    if not rows:
        return ""
    lines = [
        (
            row.solver if row.case == "rivals" else f"{row.solver}, {row.case}",
            str(row.facts["what"]) + (f"; raised {row.failure}" if row.failure else ""),
            str(row.facts["versions"]),
            f"{power_text(row.facts['trials'])} x {power_text(row.facts['horizon'])}",
            _time(row),
        )
        for row in rows
    ]
    felt = [row for row in rows if "binding" in row.facts]
    world = _table(
        ("run", "stages with a budget price", "spend / budget"),
        [
            (
                f"{row.solver}, {row.case}",
                f"{100.0 * row.facts['binding']:.0f} %",
                f"{row.facts['spend']:.2f}",
            )
            for row in felt
        ],
        right=(1, 2),
    )
    head = ("what", "how", "versions", "trials x rounds", "time per trial-round")
    parts = [
        "![Time of one trial-round against the number of trials](figures/bench_simulation.svg)",
        _table(head, lines, right=(3, 4)),
        "Whether the budget was felt (a policy that does not solve the deployment problem by price "
        "reports no price):",
        world,
    ]
    return "\n\n".join(parts)


def _own_parts(results: Results) -> str:
    lines = []
    for mine in results.of("own parts"):
        theirs = results.find("own parts", mine.case, "built-in")
        if mine.solver != "built-in" and theirs and not (mine.failure or theirs.failure):
            lines.append((mine.case, _time(theirs), _time(mine), f"{mine.ns / theirs.ns:.2f}"))
    head = ("part", "built-in", "its copy outside the package", "times as long")
    return _table(head, lines, range(1, 4)) if lines else ""


def _estimators_and_worlds(results: Results) -> str:
    """Compare every case with StageRoute in the plain world."""
    rows = results.of(worlds.GROUP)
    if not rows:
        return ""
    plain = results.find(worlds.GROUP, worlds.PLAIN, "fastroute, StageRoute")
    also = results.find("simulation", "rivals", "paretobandit")
    lines = []
    for row in (*rows, *([also] if also else [])):
        compared = plain is not None and not (plain.failure or row.failure)
        told = "" if row.facts["ours"] else f": {row.facts['what']}"
        lines.append(
            (
                row.case,
                row.solver + told + (f"; raised {row.failure}" if row.failure else ""),
                f"{power_text(row.facts['trials'])} x {power_text(row.facts['horizon'])}",
                _time(row),
                number_text(row.ns / plain.ns) if plain is not None and compared else "",
            )
        )
    head = ("world", "policy", "trials x rounds", "time per trial-round", "times as long")
    return "\n\n".join(
        [
            "The last column is the time divided by that of StageRoute in the plain world, which "
            "is the one of the simulation with 5 of 15 models:",
            _table(head, lines, right=(2, 3, 4)),
        ]
    )


def exponent(rows: Sequence[Measurement]) -> float:
    """Fit the power of the growing number that the time per trial-round goes with."""
    x = np.log([float(row.facts["value"]) for row in rows])
    y = np.log([row.ns for row in rows])
    return float(np.polyfit(x, y, 1)[0])


def _growth(results: Results) -> str:
    lines, fits = [], []
    for case, words in GROWTH.items():
        rows = growth_rows(results, case)
        if len(rows) < 2:
            continue
        cells = [f"{power_text(row.facts['value'])}: {time_text(row.ns)}" for row in rows]
        lines.append((words, ", ".join(cells)))
        fits.append((words, f"{exponent(rows):+.2f}", f"{exponent(rows[-3:]):+.2f}"))
    if not lines:
        return ""
    return "\n\n".join(
        [
            "![Time of one trial-round as a run grows](figures/bench_growth.svg)",
            "Time per trial-round of StageRoute while one number grows:",
            _table(("what grows", "time per trial-round"), lines),
            "Exponents, by least squares on logarithms: 0 means that a trial-round costs the same "
            "however large the number, 1 that its cost is in proportion to it.",
            _table(("what grows", "all points", "last three points"), fits, right=(1, 2)),
        ]
    )


def _startup(results: Results) -> str:
    rows = [row for row in results.of("startup") if not row.failure]
    if not rows:
        return ""
    wanted = {
        "import_seconds": "import alone",
        "first_rounds": "first rounds",
        "result": "result",
        "compile_seconds": "of it compiling or loading kernels",
    }
    lines = [
        (
            row.case,
            str(row.rounds),
            *(time_text(1e9 * row.facts[fact]) if fact in row.facts else "" for fact in wanted),
            time_text(1e9 * row.seconds),
        )
        for row in rows
    ]
    head = ("process", "repeats", *wanted.values(), "whole process")
    return _table(head, lines, right=range(1, len(head)))


def _memory(results: Results) -> str:
    rows = [row for row in results.of("memory") if not row.failure]
    if not rows:
        return ""
    lines = [
        (
            power_text(row.facts["horizon"]),
            power_text(row.facts["trials"]),
            size_text(row.facts["before_bytes"]),
            size_text(row.facts["peak_bytes"]),
            f"{row.facts['run_seconds']:,.1f} s on {row.facts['threads']} threads",
        )
        for row in rows
    ]
    return _table(
        ("rounds", "trials", "before the run", "largest", "the run took"), lines, range(5)
    )


def _skipped(results: Results) -> str:
    cases: dict[str, list[str]] = {}
    for skip in results.skipped:
        cases.setdefault(skip["reason"], []).append(f"`{skip['name']}`")
    return "\n".join(f"- {reason.rstrip('.')}: {', '.join(x)}" for reason, x in cases.items())


def replace_between(text: str, name: str, section: str) -> str:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises
    ------
    ValueError
        When the text does not have each marker once, in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"needs the markers {begin} and {end}, once and in this order")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{section}\n{end}{tail}"


def write(results: Results, root: Path) -> list[Path]:
    """Write the sections of README and docs, and the figures; return the files.

    Raises
    ------
    ValueError
        When a part of the full run is missing from the results, or a marker from a file.
    """
    groups = {row.group for row in results.rows}
    absent = [group for group in GROUPS if group not in groups]
    if absent and groups != {APART}:
        raise ValueError(
            f"{results.name} has no rows on {', '.join(absent)}; publish a run of "
            "`fastroute bench --full`"
        )
    sections: dict[Path, str] = {}
    if not absent:
        sections |= {README: readme_section(results), DOCS: docs_section(results)}
    if APART in groups:
        sections[ONLINE] = online_section(results)
    texts = {}
    for path, section in sections.items():
        file = root / path
        try:
            texts[file] = replace_between(file.read_text(encoding="utf-8"), MARKERS[path], section)
        except ValueError as error:
            raise ValueError(f"{file} {error}") from None
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    figures = [] if absent else save_figures(results, root / FIGURES)
    return [*texts, *figures]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the results named on the command line and write what is made from them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("results", type=Path, help="written by `fastroute bench --json`")
    parser.add_argument("--before", type=Path, help="print a comparison with these results")
    given = parser.parse_args(arguments)
    try:
        results = load(given.results)
        if given.before is not None:
            print(comparison(load(given.before), results))
            return 0
        for path in write(results, Path.cwd()):
            print(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
