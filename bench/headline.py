"""The one table: what fastroute does, how long it takes, and what one would use instead."""

from typing import Final, NamedTuple

from fastroute.bench.results import Measurement, Results, number_text, size_text, time_text


class HeadlineRow(NamedTuple):
    """One line of the table; cells of fastroute are empty where the line above holds them."""

    work: str
    ours: tuple[str, ...]  #: one for each instruction set
    rival: str = ""
    theirs: str = ""
    ratios: tuple[str, ...] = ("",)  #: one for each instruction set

    @property
    def cells(self) -> list[str]:
        """All cells, from left to right."""
        return [self.work, *self.ours, self.rival, self.theirs, *self.ratios]


def headline_columns(results: Results) -> list[str]:
    """Return the heads of the columns, which name the instruction sets."""
    sets = results.instruction_sets
    several = len(sets) > 1
    return [
        "work",
        *(f"fastroute, {name}" for name in sets),
        "instead of it",
        "takes",
        *(f"times as long{f', {name}' if several else ''}" for name in sets),
    ]


class _Work(NamedTuple):
    """What a row of fastroute is compared with: (label, case, solver) of the same group."""

    label: str
    group: str
    case: str
    solver: str
    rivals: tuple[tuple[str, str, str], ...] = ()


_LOOP: Final = ("plain Numba UCB1 loop: 10 arms, no budget", "rivals", "UCB1, Numba loop")
_NAIVE: Final = (
    ("scipy: linprog per query, milp per stage", "rivals", "StageRoute, scipy"),
    ("HiGHS, model kept and hot-started", "rivals", "StageRoute, HiGHS kept"),
    _LOOP,
)


def _simulation(label: str, case: str, solver: str, *rivals: tuple[str, str, str]) -> _Work:
    return _Work(label, "simulation", case, f"fastroute, {solver}", rivals)


def _routing(models: int) -> _Work:
    case = f"M={models}"
    return _Work(
        f"routing LP, {models} models, cold batch",
        "routing",
        case,
        "fastroute",
        (
            ("quantecon's jitted simplex", case, "quantecon simplex"),
            ("HiGHS, model kept", case, "HiGHS, model kept"),
        ),
    )


def _deployment(label: str, case: str) -> _Work:
    rivals = (
        ("HiGHS", case, "HiGHS, fresh model"),
        ("scipy.optimize.milp", case, "scipy milp"),
    )
    return _Work(label, "deployment", case, "fastroute", rivals)


_WORKS: Final = (
    _simulation(
        "StageRoute, 5 of 15 models deployed: a trial-round", "5 of 15", "StageRoute", *_NAIVE
    ),
    _simulation("the same, gamma `scaled:0.1`", "5 of 15", "StageRoute, gamma scaled:0.1", _LOOP),
    _simulation("the same, 8 of 30", "8 of 30", "StageRoute", _LOOP),
    _simulation("the same, 16 of 64", "16 of 64", "StageRoute", _LOOP),
    _simulation("uniform routing, 5 of 15", "5 of 15", "uniform"),
    _simulation("greedy routing, 5 of 15", "5 of 15", "greedy"),
    _simulation("drift-plus-penalty routing, 5 of 15", "5 of 15", "drift-plus-penalty"),
    *(_routing(models) for models in (5, 8, 16, 32)),
    _deployment("deployment, 15 models, at most 5, equal limits", "N=15, M_max=5"),
    _deployment("deployment, 32 models, at most 3, branch and bound (median)", "N=32, M_max=3"),
)


class RivalRatio(NamedTuple):
    """How many times as long a rival takes in the same run."""

    ours: Measurement
    rival: str
    times: float


def rival_ratios(results: Results, instruction_set: str) -> list[RivalRatio]:
    """Return the ratios of the table whose rows of fastroute are compiled for one of the sets."""
    found = []
    for work in _WORKS:
        first = results.find(work.group, work.case, work.solver)
        ours = None if first is None else results.compiled_for(instruction_set, first)
        for label, case, solver in work.rivals:
            theirs = results.find(work.group, case, solver)
            if ours and theirs and not (ours.failure or theirs.failure):
                found.append(RivalRatio(ours, label, theirs.ns / ours.ns))
    return found


def headline(results: Results) -> list[HeadlineRow]:
    """Build the table from the rows that were measured.

    Returns
    -------
    list of HeadlineRow
        Times are per unit; ``ratios`` are the rival's time, which is measured once, divided by
        those of fastroute.
    """
    lines: list[HeadlineRow] = []
    sets = results.instruction_sets
    empty = ("",) * len(sets)
    for work in _WORKS:
        ours = results.find(work.group, work.case, work.solver)
        if ours is None:
            continue
        rows = [results.compiled_for(name, ours) for name in sets]
        first = (work.label, tuple(_time(row) for row in rows))
        for label, case, solver in work.rivals:
            theirs = results.find(work.group, case, solver)
            if theirs is None:
                continue
            ratios = tuple(_ratio(theirs, row) for row in rows)
            lines.append(HeadlineRow(*first, label, _time(theirs), ratios))
            first = ("", empty)
        if first[0]:
            lines.append(HeadlineRow(*first, ratios=empty))
    # What follows is measured for one set, the first.
    rest = _threads(results) + _startup(results) + _memory(results)
    return lines + [
        row._replace(ours=(*row.ours, *empty[1:]), ratios=(*row.ratios, *empty[1:])) for row in rest
    ]


def _time(row: Measurement | None) -> str:
    if row is None:
        return ""
    return f"failed: {row.failure}" if row.failure else time_text(row.ns)


def _ratio(theirs: Measurement, ours: Measurement | None) -> str:
    if ours is None or theirs.failure or ours.failure:
        return ""
    return number_text(theirs.ns / ours.ns)


def _threads(results: Results) -> list[HeadlineRow]:
    one, two = (
        results.find("threads", "5 of 15", "fastroute, StageRoute", threads=count)
        for count in (1, 2)
    )
    if one is None or two is None:
        return []
    label = "StageRoute, 5 of 15, on two threads"
    return [
        HeadlineRow(
            label,
            (time_text(two.ns),),
            "one thread",
            time_text(one.ns),
            (f"{one.ns / two.ns:.2f}",),
        )
    ]


def _startup(results: Results) -> list[HeadlineRow]:
    lines = []
    for label, case, fact in (
        ("first result after installation, compiling included", "fresh cache", "result"),
        ("first rounds in a second process", "second process", "first_rounds"),
        ("`import fastroute`", "import", "import_seconds"),
    ):
        row = results.find("startup", case, "fastroute")
        if row is not None and not row.failure:
            lines.append(HeadlineRow(label, (time_text(1e9 * row.facts[fact]),)))
    return lines


def _memory(results: Results) -> list[HeadlineRow]:
    lines = []
    for horizon, trials, label in (
        (10**8, 1024, "memory of 1024 trials of 10^8 rounds"),
        (10**7, 1024, "memory of 1024 trials of 10^7 rounds"),
        (10**4, 10**6, "memory of 10^6 trials of 10^4 rounds"),
    ):
        row = results.find("memory", f"T={horizon}, trials={trials}", "fastroute, StageRoute")
        if row is not None and not row.failure:
            lines.append(HeadlineRow(label, (size_text(row.facts["peak_bytes"]),)))
    return lines
