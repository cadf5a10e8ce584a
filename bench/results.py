"""Saved results: finding rows, and writing their numbers for people."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastroute.bench.instruction_sets import NOT_RECORDED

_NUMBERS: Final = {3: "three", 5: "five"}


class Measurement(NamedTuple):
    """One measured case."""

    group: str
    case: str
    solver: str
    seconds: float  #: best round
    rounds: int
    facts: Mapping[str, Any]

    @property
    def ns(self) -> float:
        """Nanoseconds per unit; NaN for a case that failed."""
        return float(self.facts.get("ns_per_unit", math.nan))

    @property
    def instruction_set(self) -> str:
        """What it was compiled for; empty for what came compiled."""
        return str(self.facts["instruction_set"])

    @property
    def disturbed(self) -> bool:
        """Whether a case on one core had less than 95 % of it, so that its time is too long."""
        alone = self.facts["threads"] == 1 and self.group not in ("startup", "memory")
        return alone and float(self.facts.get("core_share", 1.0)) < 0.95

    @property
    def amount(self) -> float:
        """What is compared: bytes of a case of memory, else nanoseconds per unit; inf if failed."""
        if self.failure:
            return math.inf
        return float(self.facts["peak_bytes"]) if self.group == "memory" else self.ns

    @property
    def amount_text(self) -> str:
        """The amount as people read it."""
        if self.failure:
            return "failed"
        return size_text(self.amount) if self.group == "memory" else time_text(self.amount)

    @property
    def failure(self) -> str:
        """What was raised; empty for a case that was measured."""
        return str(self.facts.get("failure", ""))


class Results(NamedTuple):
    """Results of one run of the suites."""

    name: str
    rows: tuple[Measurement, ...]  #: compiled for all that the processor has
    again: tuple[Measurement, ...]  #: cases of ours, compiled for another instruction set
    machine: Mapping[str, Any]
    run: Mapping[str, Any]
    skipped: tuple[Mapping[str, str], ...]
    date: str

    @property
    def instruction_set(self) -> str:
        """What the rows are compiled for."""
        return str(self.machine.get("instruction_set", NOT_RECORDED))

    @property
    def instruction_sets(self) -> list[str]:
        """What was measured: the one of the rows, then those that were measured again."""
        return list(dict.fromkeys([self.instruction_set, *(x.instruction_set for x in self.again)]))

    def rows_for(self, instruction_set: str) -> tuple[Measurement, ...]:
        """Return all rows that are compiled for one of the sets, and those that came compiled."""
        if instruction_set == self.instruction_set:
            return self.rows
        return tuple(row for row in self.again if row.instruction_set == instruction_set)

    def compiled_for(self, instruction_set: str, row: Measurement) -> Measurement | None:
        """Return the same case compiled for one of the sets; None where it was not measured."""
        if instruction_set == self.instruction_set:
            return row
        for other in self.again:
            if other.instruction_set == instruction_set and other[:3] == row[:3]:
                return other
        return None

    def find(self, group: str, case: str, solver: str, **facts: Any) -> Measurement | None:
        """Return the row of a case, or None when it was not measured."""
        for row in self.rows:
            if (row.group, row.case, row.solver) == (group, case, solver) and all(
                row.facts.get(key) == value for key, value in facts.items()
            ):
                return row
        return None

    def of(self, group: str, case: str | None = None) -> list[Measurement]:
        """Return the rows of a group, or of one of its cases, in the order of measurement."""
        return [row for row in self.rows if row.group == group and case in (None, row.case)]


def read(path: Path) -> dict[str, Any]:
    """Read a file that ``fastroute bench --json`` has written, as it is.

    Raises
    ------
    ValueError
        When the file holds something else.
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _no_results(str(path), error) from error
    results_of(data, str(path))
    found: dict[str, Any] = data
    return found


def load(path: Path) -> Results:
    """Read results that ``fastroute bench --json`` has written.

    Raises
    ------
    ValueError
        When the file holds something else.
    """
    return results_of(read(path), path.name)


def _no_results(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"{name} holds no results ({error!r}); write them with `fastroute bench --json`"
    )


def results_of(data: Any, name: str) -> Results:
    """Return the results that a file holds; raise ValueError where it holds something else."""
    try:
        unknown = data["machine_info"].get("instruction_set", NOT_RECORDED)
        rows, again = (
            tuple(
                Measurement(
                    row["group"],
                    row["extra_info"]["case"],
                    row["extra_info"]["solver"],
                    row["stats"]["min"],
                    row["stats"]["rounds"],
                    {"instruction_set": unknown, **row["extra_info"]},
                )
                for row in found
            )
            for found in (data["benchmarks"], data.get("again", []))
        )
        return Results(
            name,
            rows,
            again,
            data["machine_info"],
            data["run"],
            tuple(data["skipped"]),
            data["datetime"][:10],
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise _no_results(name, error) from error


def time_text(ns: float) -> str:
    """Write a time with three digits, as in ``46.2 ns`` or ``1.74 µs``."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        # What would be rounded up to 1000 of a unit belongs to the next one.
        if ns >= 0.9995 * scale:
            return f"{number_text(ns / scale)} {unit}"
    return f"{number_text(ns)} ns"


def number_text(value: float) -> str:
    """Write a positive number with three digits and no exponent, as in ``0.512`` or ``74,900``."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{rounded:,.{decimals}f}"


def size_text(size: float) -> str:
    """Write a number of bytes in MB or GB."""
    return f"{size / 1e9:.2f} GB" if size >= 0.9995e9 else f"{size / 1e6:.0f} MB"


def power_text(value: int) -> str:
    """Write a large power of ten as such, any other number with separators."""
    exponent = round(math.log10(value)) if value > 0 else 0
    return f"10^{exponent}" if exponent >= 5 and value == 10**exponent else f"{value:,}"


def rounds_text(results: Results) -> str:
    """Say how often every case was timed."""
    least = int(results.run.get("least_rounds", 5))
    if least == 1:
        return "one round of little work, whose time means nothing"
    return f"best of at least {_NUMBERS.get(least, least)} rounds"


def disturbance_text(results: Results) -> str:
    """Say what other work on the machine did to the times; empty when it was quiet."""
    texts = []
    load = results.run["load_at_end"]
    if load and load[-1] > results.machine["cores"]:
        texts.append(f"The machine was busy (load {load[-1]:.1f}), so times are too long.")
    rows = (*results.rows, *results.again)
    if count := sum(row.disturbed for row in rows):
        texts.append(f"Other work disturbed {count} of {len(rows)} cases.")
    return " ".join(texts)


def machine_text(results: Results) -> str:
    """Say on what and with what was measured."""
    machine = results.machine
    versions = machine["versions"]
    named = ("python", "numpy", "numba", "jax", "scipy", "highspy")
    libraries = ", ".join(f"{name} {versions[name]}" for name in named if name in versions)
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system'].split('-')[0]} "
        f"{machine['architecture']}; fastroute {versions['fastroute']}, {libraries}"
    )
