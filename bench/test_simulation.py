"""Time per trial-round: StageRoute and the other routers, and bandit loops that do less.

Every time is that of a whole call of ``fastroute.simulate`` on one core, compilation apart:
plan, optimum, deployments, rounds and accounts.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

import fastroute as fr
from fastroute.bench import own_parts, worlds
from fastroute.bench.machine import all_cores
from fastroute.bench.measure import Measure, skip_if_refused
from fastroute.bench.rivals import bandits, linucb, stageroute, ucb1
from fastroute.bench.rivals.base import Player, missing, versions
from fastroute.bench.workloads import HORIZON, TRIALS, Workload, draw_workload

#: Models deployed, models in all.
SIZES: Final = ((5, 15), (8, 30), (16, 64))
#: Label -> name and options of the policy.
POLICIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "StageRoute": ("stageroute", {}),
    "StageRoute, gamma scaled:0.1": ("stageroute", {"gamma": "scaled:0.1"}),
    "uniform": ("uniform", {}),
    "greedy": ("greedy", {}),
    "drift-plus-penalty": ("drift_plus_penalty", {}),
}
#: Rounds of the run before one that is timed.
WARM_UP: Final = 1000
#: Rounds of every run in which trials grow, and of those of other estimators and worlds.
SHORTER: Final = 10_000
FULL: Final = [pytest.mark.full]
SMOKE: Final = [pytest.mark.smoke]


def _simulation(
    place: Workload,
    label: str,
    horizon: int,
    trials: int,
    *,
    threads: int = 1,
    backend: str = "numba",
) -> Callable[[], fr.Run]:
    name, options = POLICIES[label]
    policy = fr.policy(name, **options)

    def run() -> fr.Run:
        return fr.simulate(
            place.scenario,
            policy,
            horizon=horizon,
            budget=place.budget,
            max_deployed=place.max_deployed,
            trials=trials,
            threads=threads,
            backend=backend,
        )

    return run


def _facts(run: fr.Run) -> dict[str, Any]:
    """Say whether the budget was felt, and that every deployment was exact."""
    stages = run.stages
    price, gap = (stages[name].to_numpy() for name in ("budget_price", "gap"))
    return {
        "binding": float((price > 0.0).mean()),
        "spend": float(np.mean(run.finals["cost"])) / float(run.settings["budget"]),
        "worst_error": float(gap.max()),
        "stages": int(run.settings["stages"]),
    }


def _sizes() -> list[Any]:
    return [
        pytest.param(
            deployed,
            models,
            label,
            id=f"{deployed} of {models}-{label}",
            marks=_marks((deployed, models), label),
        )
        for deployed, models in SIZES
        for label in POLICIES
    ]


def _marks(size: tuple[int, int], label: str) -> list[pytest.MarkDecorator]:
    found = [pytest.mark.each_set, *([] if size == SIZES[0] else FULL)]
    if size == SIZES[0] and label == "StageRoute":
        found.append(pytest.mark.smoke)
    return found


@pytest.mark.parametrize(("deployed", "models", "label"), _sizes())
def test_policies(deployed: int, models: int, label: str, measure: Measure) -> None:
    """Simulate 1024 trials of 100,000 rounds on one thread."""
    skip_if_refused(lambda: fr.policy(POLICIES[label][0]))
    place = draw_workload(models, deployed)
    horizon = measure.size(HORIZON)
    run = measure(
        lambda: _simulation(place, label, horizon, TRIALS),
        group="simulation",
        case=f"{deployed} of {models}",
        solver=f"fastroute, {label}",
        unit="trial-round",
        units=horizon * TRIALS,
        # It compiles and loads all that the run needs.
        warm_up=_simulation(place, label, measure.size(WARM_UP), TRIALS),
        rounds=measure.least,
        models=models,
        max_deployed=deployed,
        horizon=horizon,
        trials=TRIALS,
        what="whole call of fastroute.simulate",
        ours=True,
        versions=versions(("numba",)),
    )
    if run is not None:
        measure.keep(_facts(run))


#: Kind of part -> the policy with the built-in one, and with its copy; the law is no part of it.
OWN: Final[dict[str, tuple[fr.Policy, fr.Policy]]] = {
    "estimator": (fr.Policy(), fr.Policy(estimator=own_parts.CopiedUCB())),
    "router with a score": (
        fr.policy("drift_plus_penalty"),
        fr.Policy(router=own_parts.CopiedDrift()),
    ),
    "router as a function": (
        fr.policy("drift_plus_penalty"),
        fr.Policy(router=own_parts.drift),
    ),
    "law of the costs": (fr.Policy(), fr.Policy()),
}


@pytest.mark.full
@pytest.mark.parametrize("whose", ["built-in", "one's own"])
@pytest.mark.parametrize("kind", OWN)
def test_own_parts(kind: str, whose: str, measure: Measure) -> None:
    """Simulate 1024 trials of 10,000 rounds with a part of one's own and with the built-in one."""
    mine = whose != "built-in"
    law = own_parts.CopiedUniform() if mine and kind == "law of the costs" else None
    place = draw_workload(15, 5, law=law)
    horizon = 10_000

    def run() -> fr.Run:
        return fr.simulate(
            place.scenario,
            OWN[kind][mine],
            horizon=horizon,
            budget=place.budget,
            max_deployed=place.max_deployed,
            trials=TRIALS,
            threads=1,
        )

    measure(
        lambda: run,
        group="own parts",
        case=kind,
        solver=whose,
        unit="trial-round",
        units=horizon * TRIALS,
        horizon=horizon,
        trials=TRIALS,
        what="whole call of fastroute.simulate",
        ours=True,
        versions=versions(("numba",)),
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ("world", "label", "policy"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in worlds.CASES],
)
def test_estimators_and_worlds(world: str, label: str, policy: fr.Policy, measure: Measure) -> None:
    """Simulate 1024 trials of 10,000 rounds with another estimator, or in another world."""
    place = worlds.WORLDS[world]()

    def run(horizon: int) -> Callable[[], fr.Run]:
        return lambda: fr.simulate(
            place.scenario,
            policy,
            horizon=horizon,
            budget=place.budget,
            max_deployed=place.max_deployed,
            trials=TRIALS,
            threads=1,
        )

    found = measure(
        lambda: run(SHORTER),
        group=worlds.GROUP,
        case=world,
        solver=f"fastroute, {label}",
        unit="trial-round",
        units=SHORTER * TRIALS,
        warm_up=run(WARM_UP),
        rounds=measure.least,
        horizon=SHORTER,
        trials=TRIALS,
        what="whole call of fastroute.simulate",
        ours=True,
        versions=versions(("numba",)),
    )
    if found is not None:
        measure.keep(_facts(found))


@pytest.mark.full
@pytest.mark.each_set
@pytest.mark.parametrize("label", ["StageRoute", "uniform"])
def test_jax(label: str, measure: Measure) -> None:
    """Simulate 1024 trials of 10,000 rounds on the JAX backend."""
    place = draw_workload(15, 5)
    horizon = 10_000
    skip_if_refused(_simulation(place, label, 2, 2, backend="jax"))
    run = measure(
        lambda: _simulation(place, label, horizon, TRIALS, backend="jax"),
        group="simulation",
        case="5 of 15",
        solver=f"fastroute, {label}, JAX",
        compiler="jax",
        unit="trial-round",
        units=horizon * TRIALS,
        horizon=horizon,
        trials=TRIALS,
        what="whole call of fastroute.simulate on the JAX backend",
        ours=True,
        versions=versions(("jax",)),
    )
    if run is not None:
        measure.keep(_facts(run))


#: The rival of the smoke run.
_LOOP: Final = "UCB1, Numba loop"


def _players() -> list[Any]:
    return [
        pytest.param(
            player,
            id=player.name,
            marks=FULL if player.full else SMOKE if player.name == _LOOP else [],
        )
        for player in (*stageroute.PLAYERS, *ucb1.PLAYERS, *bandits.PLAYERS)
    ]


@pytest.mark.parametrize("player", _players())
def test_rivals(player: Player, measure: Measure) -> None:
    """Play what the rival plays, as often as it can in reasonable time."""
    _time_player(player, measure, "simulation", "rivals")


@pytest.mark.full
@pytest.mark.parametrize("player", linucb.PLAYERS, ids=lambda player: player.name)
def test_rivals_with_features(player: Player, measure: Measure) -> None:
    """Play in the world of the rows on features."""
    _time_player(player, measure, worlds.GROUP, "features")


def _time_player(player: Player, measure: Measure, group: str, case: str) -> None:
    if reason := missing(player.imports):
        pytest.skip(reason)
    rounds = measure.size(player.rounds)
    reward = measure(
        lambda: player.prepare(player.trials, rounds),
        group=group,
        case=case,
        solver=player.name,
        unit="trial-round",
        units=player.trials * rounds,
        compiler=player.compiler,
        horizon=rounds,
        trials=player.trials,
        what=player.what,
        source=player.source,
        ours=False,
        versions=versions(player.packages),
    )
    if reward is not None:
        measure.keep({"mean_reward": reward})


@pytest.mark.parametrize("threads", [1, 2])
def test_threads(threads: int, measure: Measure) -> None:
    """Simulate StageRoute, 5 of 15, on one thread and on two."""
    place = draw_workload(15, 5)
    with all_cores() as cores:
        if cores < threads:
            pytest.skip(f"{threads} threads need as many cores; this process may use {cores}")
        measure(
            lambda: _simulation(place, "StageRoute", HORIZON, TRIALS, threads=threads),
            group="threads",
            case="5 of 15",
            solver="fastroute, StageRoute",
            unit="trial-round",
            units=HORIZON * TRIALS,
            warm_up=_simulation(place, "StageRoute", WARM_UP, TRIALS, threads=threads),
            rounds=measure.least,
        )
        measure.keep({"threads": threads, "horizon": HORIZON, "trials": TRIALS, "ours": True})


def _growth() -> list[Any]:
    """Return (what grows, its value, models, deployed, limit, horizon, trials, rounds timed)."""
    rows: list[tuple[str, int, int, int, float, int, int, int | None]] = []
    # With two models deployed, limits of 0.4 would leave no distribution.
    rows += [("M_max", m, 64, m, 0.6, 10_000, 1024, None) for m in (2, 4, 8, 16, 32, 64)]
    rows += [("N", n, n, 5, 0.4, 10_000, 1024, None) for n in (8, 16, 32, 64, 128, 256, 512)]
    rows += [("trials", n, 15, 5, 0.4, SHORTER, n, None) for n in (1, 4, 16, 64, 256, 1024, 10_000)]
    rows += [("trials", 10**5, 15, 5, 0.4, SHORTER, 10**5, 2)]
    rows += [("T", 10**k, 15, 5, 0.4, 10**k, 64, None) for k in range(3, 8)]
    rows += [("T", 10**8, 15, 5, 0.4, 10**8, 64, 1)]
    return [pytest.param(*row, id=f"{row[0]}={row[1]}", marks=FULL) for row in rows]


@pytest.mark.parametrize(
    ("grows", "value", "models", "deployed", "limit", "horizon", "trials", "rounds"), _growth()
)
def test_growth(
    grows: str,
    value: int,
    models: int,
    deployed: int,
    limit: float,
    horizon: int,
    trials: int,
    rounds: int | None,
    measure: Measure,
) -> None:
    """Let one number grow and hold the others."""
    place = draw_workload(models, deployed, limit)
    warm_up = None if rounds is None else _simulation(place, "StageRoute", 1000, 64)
    run = measure(
        lambda: _simulation(place, "StageRoute", horizon, trials),
        group="growth",
        case=grows,
        solver="fastroute, StageRoute",
        unit="trial-round",
        units=horizon * trials,
        warm_up=warm_up,
        rounds=rounds,
        value=value,
        models=models,
        max_deployed=deployed,
        limit=limit,
        horizon=horizon,
        trials=trials,
        ours=True,
    )
    if run is not None:
        measure.keep(_facts(run))


#: Rivals whose time per trial-round depends on the number of trials.
_GROWING: Final = ("UCB1, JAX", "UCB1, NumPy over trials")


@pytest.mark.full
@pytest.mark.parametrize("trials", [1, 4, 16, 64, 256, 1024, 10_000, 100_000])
@pytest.mark.parametrize("name", _GROWING)
def test_growth_of_rivals(name: str, trials: int, measure: Measure) -> None:
    """Let the number of trials grow for loops that do all trials at once."""
    player = next(player for player in ucb1.PLAYERS if player.name == name)
    # Beyond this many trial-rounds a case takes minutes and its time per unit moves no more.
    rounds = min(2000, 5 * 10**7 // trials)
    measure(
        lambda: player.prepare(trials, rounds),
        group="growth",
        case="trials",
        solver=name,
        unit="trial-round",
        units=trials * rounds,
        compiler=player.compiler,
        value=trials,
        horizon=rounds,
        trials=trials,
        ours=False,
    )
