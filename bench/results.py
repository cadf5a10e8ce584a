"""Saved results: finding rows, and writing their numbers for people."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


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
    def disturbed(self) -> bool:
        """Whether a case on one core had less than 95 % of it, so that its time is too long."""
        alone = self.facts["threads"] == 1 and self.group not in ("startup", "memory")
        return alone and float(self.facts.get("core_share", 1.0)) < 0.95

    @property
    def failure(self) -> str:
        """What was raised; empty for a case that was measured."""
        return str(self.facts.get("failure", ""))


class Results(NamedTuple):
    """Results of one run of the suites."""

    name: str
    rows: tuple[Measurement, ...]
    machine: Mapping[str, Any]
    run: Mapping[str, Any]
    skipped: tuple[Mapping[str, str], ...]
    date: str

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


def load(path: Path) -> Results:
    """Read results that ``fastroute bench --json`` has written.

    Raises
    ------
    ValueError
        When the file holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(
            Measurement(
                row["group"],
                row["extra_info"]["case"],
                row["extra_info"]["solver"],
                row["stats"]["min"],
                row["stats"]["rounds"],
                row["extra_info"],
            )
            for row in data["benchmarks"]
        )
        return Results(
            path.name,
            rows,
            data["machine_info"],
            data["run"],
            tuple(data["skipped"]),
            data["datetime"][:10],
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} holds no results ({error!r}); write them with `fastroute bench --json`"
        ) from error


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


def disturbance_text(results: Results) -> str:
    """Say what other work on the machine did to the times; empty when it was quiet."""
    texts = []
    load = results.run["load_at_end"]
    if load and load[-1] > results.machine["cores"]:
        texts.append(f"The machine was busy (load {load[-1]:.1f}), so times are too long.")
    if count := sum(row.disturbed for row in results.rows):
        texts.append(f"Other work disturbed {count} of {len(results.rows)} cases.")
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
