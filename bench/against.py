"""Compare with an earlier result, or with another fastroute that runs in turns with this one."""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import fastroute
from fastroute.bench.headline import rival_ratios
from fastroute.bench.instruction_sets import NOT_RECORDED
from fastroute.bench.results import Measurement, Results, number_text, power_text, read

#: How often each of two sides runs.
TURNS: Final = 2
_INTERRUPTED: Final = 130
# Where a virtual environment has its Python.
_PYTHON: Final = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")

Run = dict[str, Any]


class Line(NamedTuple):
    """One case that both results have."""

    case: str
    solver: str
    before: str
    now: str
    ratio: float  #: now divided by before: above 1 is slower, or larger
    regression: bool

    @property
    def cells(self) -> list[str]:
        """All cells, from left to right."""
        ratio = f"{self.ratio:.2f}" if math.isfinite(self.ratio) else ""
        return [self.case, self.solver, self.before, self.now, ratio]


class Comparison(NamedTuple):
    """What two results have in common."""

    columns: list[str]
    lines: list[Line]
    notes: list[str]

    @property
    def regressions(self) -> list[Line]:
        """Cases of fastroute that got worse beyond the tolerance."""
        return [line for line in self.lines if line.regression]


def compare(before: Results, now: Results, tolerance: float) -> Comparison:
    """Compare all cases that two results share.

    On the same machine these are times, and sizes of memory. Times of different machines are not
    compared: then only the ratios to the rivals are, which were measured in the same run.

    Parameters
    ----------
    before, now : Results
    tolerance : float
        A case of fastroute is a regression where it takes more than ``1 + tolerance`` times as
        much as before.

    Raises
    ------
    ValueError
        Where nothing can be compared.
    """
    if _machine(before) == _machine(now):
        found = _compare_times(before, now, tolerance)
    else:
        found = _compare_ratios(before, now, tolerance)
    if not found.lines:
        raise ValueError(
            " ".join([*found.notes, f"{before.name} and this run have no case in common"])
        )
    return found


def _machine(results: Results) -> tuple[Any, ...]:
    machine = results.machine
    # The version of the system may change on a machine, but not which system it is.
    system = str(machine["system"]).partition(" ")[0]
    return machine["processor"], machine["cores"], system, machine["architecture"]


def _sets(before: Results, now: Results) -> Iterator[tuple[str, str]]:
    """Pair the instruction sets: what a result does not name is that of its machine."""
    for name in now.instruction_sets:
        if name in before.instruction_sets:
            yield name, name
        elif name == now.instruction_set and NOT_RECORDED in (name, before.instruction_set):
            yield before.instruction_set, name


def _compare_times(before: Results, now: Results, tolerance: float) -> Comparison:
    lines, seen, disturbed = [], 0, 0
    for set_before, set_now in _sets(before, now):
        old_rows = {_key(row): row for row in before.rows_for(set_before)}
        for new in now.rows_for(set_now):
            old = old_rows.get(_key(new))
            if old is None or old.failure:
                continue
            seen += 1
            disturbed += old.disturbed or new.disturbed
            ratio = new.amount / old.amount
            worse = bool(new.facts.get("ours")) and ratio > 1.0 + tolerance
            label = _label(new)
            lines.append(Line(label, new.solver, old.amount_text, new.amount_text, ratio, worse))
    notes = []
    if disturbed:
        notes.append(
            f"Other work disturbed {disturbed} of these {seen} cases; their ratios say little."
        )
    if alone := len(before.rows) + len(before.again) + len(now.rows) + len(now.again) - 2 * seen:
        notes.append(f"{alone} rows are in one of the two results only, or failed before.")
    return Comparison(["case", "solver", before.name, now.name, "ratio"], lines, notes)


def _compare_ratios(before: Results, now: Results, tolerance: float) -> Comparison:
    lines = []
    for set_before, set_now in _sets(before, now):
        old = {(_key(x.ours), x.rival): x.times for x in rival_ratios(before, set_before)}
        for new in rival_ratios(now, set_now):
            times = old.get((_key(new.ours), new.rival))
            if times is None:
                continue
            # Fewer times faster than the rival is slower.
            ratio = times / new.times
            label = f"{_label(new.ours)}, {new.ours.solver}"
            texts = number_text(times), number_text(new.times)
            lines.append(Line(label, new.rival, *texts, ratio, ratio > 1.0 + tolerance))
    names = [f"{x.machine['processor']}, {x.machine['cores']} cores" for x in (before, now)]
    note = (
        f"Times of different machines are not compared ({names[0]}, and {names[1]}): only how many "
        "times as long the rivals take in the same run."
    )
    return Comparison(["case", "rival", before.name, now.name, "ratio"], lines, [note])


def _key(row: Measurement) -> tuple[Any, ...]:
    return (*row[:3], row.facts.get("value"), row.facts.get("threads"))


def _label(row: Measurement) -> str:
    case = f"{row.case}={power_text(row.facts['value'])}" if "value" in row.facts else row.case
    threads = f"{row.facts['threads']} threads" if row.facts["threads"] > 1 else ""
    compiled = row.instruction_set if row.instruction_set != NOT_RECORDED else ""
    return ", ".join(part for part in (row.group, case, threads, compiled) if part)


# --- In turns -----------------------------------------------------------------------------------


def alternate(sides: Sequence[Callable[[], Run]], turns: int = TURNS) -> list[Run]:
    """Run all sides in turns, A B A B, and return the best of each."""
    runs: list[list[Run]] = [[] for _ in sides]
    for _ in range(turns):
        for side, kept in zip(sides, runs, strict=True):
            kept.append(side())
    return [best(kept) for kept in runs]


def best(runs: Sequence[Run]) -> Run:
    """Return the first of several runs, with the best reading of every case."""
    found = dict(runs[0])
    for part in ("benchmarks", "again"):
        rows: dict[str, Any] = {}
        for run in runs:
            for row in run.get(part, []):
                kept = rows.setdefault(row["name"], row)
                rows[row["name"]] = min(kept, row, key=_amount)
        if part in found:
            found[part] = list(rows.values())
    return found


def _amount(row: Mapping[str, Any]) -> float:
    info = row["extra_info"]
    return Measurement(row["group"], "", "", 0.0, 0, info).amount


@dataclass(frozen=True)
class Side:
    """A Python with a fastroute, which runs the benchmarks in a process of its own."""

    python: Path
    root: Path | None = None  #: folder of a fastroute that need not be installed
    options: Sequence[str] = ()

    def __call__(self) -> Run:
        """Run ``fastroute bench`` and return its results.

        Raises
        ------
        ValueError
            When it made none.
        """
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if self.root is not None:
            environment["PYTHONPATH"] = str(self.root)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "results.json")
            command = [str(self.python), "-m", "fastroute", "bench", "--json", str(file)]
            print(f"{self.root or self.python}:", file=sys.stderr, flush=True)
            # In a folder without a fastroute, which would come before the one that is meant.
            done = subprocess.run(
                [*command, *self.options],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=sys.__stderr__,
                check=False,
            )
            if done.returncode == _INTERRUPTED:
                raise KeyboardInterrupt
            if not file.exists():
                raise ValueError(
                    f"{self.python} did not run the benchmarks (it ended with {done.returncode}); "
                    "see above"
                )
            return read(file)


def this_side(options: Sequence[str]) -> Side:
    """Return the side of this process."""
    return Side(Path(sys.executable), Path(fastroute.__file__).parents[1], options)


def other_side(what: Path, options: Sequence[str]) -> Side | None:
    """Return the side at a path; None where the path is a file that cannot be run.

    Parameters
    ----------
    what : Path
        A Python, a virtual environment, or a checkout. A checkout runs on the Python of its
        folder ``.venv``, or else on that of this process.
    options : sequence of str
        For ``fastroute bench``.

    Raises
    ------
    ValueError
        When a folder is neither.
    """
    # What is run goes through no link: a virtual environment is found by the link to its Python.
    what = what.absolute()
    if what.is_dir():
        if (what / "fastroute" / "__init__.py").exists():
            own = what / ".venv" / _PYTHON
            return Side(own if own.exists() else Path(sys.executable), what, options)
        if (what / _PYTHON).exists():
            return Side(what / _PYTHON, None, options)
        raise ValueError(
            f"--against {what}: is neither a checkout of fastroute nor a virtual environment"
        )
    return Side(what, None, options) if _can_run(what) else None


def _can_run(file: Path) -> bool:
    """Tell whether a file is a program; on Windows all files may be run, as far as modes go."""
    return os.access(file, os.X_OK) and (os.name != "nt" or file.suffix.lower() == ".exe")
