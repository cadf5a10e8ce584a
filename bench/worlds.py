"""Estimators and worlds beside the main ones: what they take compared with StageRoute as it is."""

from collections.abc import Callable
from typing import Final

import fastroute as fr
from fastroute.bench.workloads import Workload, draw_workload

#: Name of the group of these cases.
GROUP: Final = "estimators and worlds"
#: The world that all others are compared with.
PLAIN: Final = "plain"
#: Rounds by which outcomes come late: all of them, or as a mean.
DELAY: Final = 100


def _plain() -> Workload:
    return draw_workload(15, 5)


def _changing() -> Workload:
    """Change five of the models that are there from the start, one after the other."""
    place = _plain()
    first, second, third, fourth, fifth, *_ = place.scenario.models
    changes = [
        fr.Change(first, at=0.15, reward=0.4),
        fr.Change(second, at=0.3, cost_factor=0.5),
        fr.Change(third, at=0.45, reward=0.8),
        fr.Change(fourth, at=0.6, limit=0.6),
        fr.Change(fifth, at=0.75, reward=0.5, cost_factor=0.8),
    ]
    return place._replace(scenario=place.scenario.with_changes(changes))


def _late(delay: int | fr.GeometricDelay) -> Workload:
    place = _plain()
    late = place.scenario.with_feedback(reward_delay=delay, cost_delay=delay)
    return place._replace(scenario=late)


#: Worlds, by the name of the case.
WORLDS: Final[dict[str, Callable[[], Workload]]] = {
    PLAIN: _plain,
    "five changes": _changing,
    "fixed delay": lambda: _late(DELAY),
    "drawn delay": lambda: _late(fr.GeometricDelay(DELAY)),
    "tasks": lambda: Workload(fr.scenario("routerbench"), 0.002, 4),
    "features": lambda: Workload(fr.scenario("linear", d=16, n_models=10), 3.0, 5),
}

#: World and policy of every case.
CASES: Final[tuple[tuple[str, str, fr.Policy], ...]] = (
    *((world, "StageRoute", fr.Policy()) for world in WORLDS),
    *(
        (PLAIN, f"StageRoute, {name}", fr.Policy(estimator=name))
        for name in ("kl_ucb", "bernstein", "thompson")
    ),
    ("tasks", "StageRoute, contextual", fr.Policy(estimator="contextual")),
    ("features", "StageRoute, linear", fr.Policy(estimator="linear")),
    (
        "features",
        "drift-plus-penalty, linear",
        fr.Policy(estimator="linear", router="drift_plus_penalty"),
    ),
)
