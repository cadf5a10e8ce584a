"""The one table: what fastroute does, how long it takes, and what one would use instead."""

from typing import Final, NamedTuple

from fastroute.bench.results import Measurement, Results, number_text, size_text, time_text


class HeadlineRow(NamedTuple):
    """One line of the table; the first two cells are empty where the line above holds them."""

    work: str
    ours: str
    rival: str = ""
    theirs: str = ""
    ratio: str = ""


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


def headline(results: Results) -> list[HeadlineRow]:
    """Build the table from the rows that were measured.

    Returns
    -------
    list of Line
        Times are per unit; ``ratio`` is the rival's time divided by that of fastroute.
    """
    lines: list[HeadlineRow] = []
    for work in _WORKS:
        ours = results.find(work.group, work.case, work.solver)
        if ours is None:
            continue
        first = (work.label, _time(ours))
        for label, case, solver in work.rivals:
            theirs = results.find(work.group, case, solver)
            if theirs is None:
                continue
            ratio = number_text(theirs.ns / ours.ns) if not theirs.failure else ""
            lines.append(HeadlineRow(*first, label, _time(theirs), ratio))
            first = ("", "")
        if first[0]:
            lines.append(HeadlineRow(*first))
    return lines + _threads(results) + _startup(results) + _memory(results)


def _time(row: Measurement) -> str:
    return f"failed: {row.failure}" if row.failure else time_text(row.ns)


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
            label, time_text(two.ns), "one thread", time_text(one.ns), f"{one.ns / two.ns:.2f}"
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
            lines.append(HeadlineRow(label, time_text(1e9 * row.facts[fact])))
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
            lines.append(HeadlineRow(label, size_text(row.facts["peak_bytes"])))
    return lines
