"""Stages, pools and checkpoints."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.scenarios import Scenario
from fastroute.scenarios.costs import budget_marks
from fastroute.simulation.plan import (
    LONGEST_PIECE,
    Plan,
    log_spaced,
    make_plan,
    resolve_rules,
)
from fastroute.simulation.settings import Settings
from fastroute.study import Study
from fastroute.study.cells import lay_out


def resolved_stages(stages: Any, horizon: int, n_models: int, max_deployed: int) -> int:
    world: Any = SimpleNamespace(limit=np.ones(n_models))
    settings = Settings(horizon=horizon, budget=1.0, max_deployed=max_deployed, stages=stages)
    return resolve_rules(settings, world)[1]


@pytest.mark.parametrize(
    ("rule", "horizon", "stages"),
    [
        (1, 10, 1),
        (10, 10, 10),
        (7, 100, 7),
        (np.int64(7), 100, 7),
        (3.0, 100, 3),
        ("T^(1/3)", 1_000_000, 100),
        ("T^(1/3)", 1_000, 10),
        ("T^(2/3)", 1_000, 100),
        ("(T^1)/3", 1_000, 333),
        ("sqrt(T) / 2", 10_000, 50),
        ("T^-1", 1_000, 1),
        ("T^0.5", 10_000, 100),
        ("T^.5", 10_000, 100),
        (" T^( 1 / 3 ) ", 1_000, 10),
        ("T^(1/3)", 20, 3),  # 2.71 rounds up
        ("T^(1/3)", 15, 2),  # 2.47 rounds down
        ("T^0", 1_000, 1),
        ("T^1", 1_000, 1_000),
        ("T^2", 1_000, 1_000),
        ("T^(1/3)", 1, 1),
    ],
)
def test_rules_for_the_stages(rule: Any, horizon: int, stages: int) -> None:
    found = resolved_stages(rule, horizon, 8, 4)
    assert found == stages
    assert type(found) is int


def test_theory_rule() -> None:
    # N^(2/3) T^(1/3) / M_max = 4 * 100 / 5
    assert resolved_stages("theory", 1_000_000, 8, 5) == 80
    assert resolved_stages("theory", 10, 2, 100) == 1
    assert resolved_stages("theory", 3, 10**6, 1) == 3


BAD_STAGES = [
    0,
    -1,
    101,
    2.5,
    True,
    None,
    float("nan"),
    float("inf"),
    [3],
    "",
    "thoery",
    "T^",
    "T^x",
    "T^1/3",
    "T^-1/3",
    "slak",
    "t^(1/3)",
    "T^.",
    "T^0.3.3",
    "T^(1/0)",
    "10",
]


@pytest.mark.parametrize("rule", BAD_STAGES, ids=repr)
def test_refused_rules(rule: Any) -> None:
    with pytest.raises(ValueError, match="stages"):
        resolved_stages(rule, 100, 8, 4)


def test_budget_and_stages_take_the_rules_of_studies() -> None:
    world = fr.scenario("sota").resolve(2_000, 1)
    cheapest, slack = budget_marks(world, 2_000, 3)

    def resolved(budget: Any, stages: Any) -> tuple[float, int]:
        given = Settings(horizon=2_000, max_deployed=3, budget=budget, stages=stages)
        return resolve_rules(given, world)

    for rule, budget in [
        ("cheapest", cheapest),
        (" slack ", slack),
        ("0.5 * slack", 0.5 * slack),
        (0.25, 0.25),
        (math.inf, math.inf),
    ]:
        assert resolved(rule, 7) == (budget, 7)
    assert resolved("0.5 * slack", "20 * b / slack")[1] == 10


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("0.5 * slak", "position 7, 'slak': is an unknown name; did you mean \"slack\"?"),
        ("1.5", "a plain number is written without quotes"),
        ("K", "is an unknown name"),
        ("1 / (N - N)", "has no value"),
        ("-slack", "comes to .*, but must be >= 0"),
    ],
)
def test_refused_rules_for_the_budget(budget: str, words: str) -> None:
    world = fr.scenario("sota").resolve(2_000, 1)
    with pytest.raises(ValueError, match=rf"^budget.*{words}"):
        resolve_rules(Settings(horizon=2_000, max_deployed=3, budget=budget, stages=7), world)


def test_a_study_and_a_run_mean_the_same_by_a_rule() -> None:
    setting: dict[str, Any] = {
        "horizon": 500,
        "budget": "0.4 * slack",
        "max_deployed": 3,
        "stages": "sqrt(T)",
    }
    (cell,) = lay_out(
        Study.from_dict(
            {
                "name": "x",
                "scenario": {"name": "sota"},
                "policy": [{"name": "uniform"}],
                "setting": setting,
            }
        ).resolved()
    )
    run = fr.simulate(fr.scenario("sota"), fr.policy("uniform"), trials=2, **setting)
    for name in ("budget", "stages"):
        assert run.settings[name] == getattr(cell.settings, name)


def test_enormous_power_means_every_round() -> None:
    assert resolved_stages("T^400", 1_000, 8, 4) == 1_000


@pytest.mark.parametrize("horizon", [1, 2, 3, 10, 999, 10**6, 2**32 - 1])
@pytest.mark.parametrize("count", [1, 2, 5, 64, 1_000])
def test_log_spaced(horizon: int, count: int) -> None:
    points = log_spaced(horizon, count)
    assert points.dtype == np.int64
    assert points[-1] == horizon
    assert (np.diff(points) > 0).all()
    assert 1 <= len(points) <= count
    assert points[0] == (1 if count > 1 else horizon)
    if count >= 10 * horizon:
        assert points.tolist() == list(range(1, horizon + 1))


def plan_of(
    horizon: int,
    stages: int,
    arrival: list[int] | None = None,
    retirement: list[int | None] | None = None,
    checkpoints: tuple[int, ...] = (),
    load_rounds: int = 0,
) -> Plan:
    size = len(arrival or [0, 0])
    scenario = Scenario(
        np.full(size, 0.5), np.ones(size), arrival=arrival or [0, 0], retirement=retirement
    )
    points = np.unique(np.array([*checkpoints, horizon], dtype=np.int64))
    return make_plan(scenario.resolve(horizon, 1), horizon, stages, points, load_rounds)


@pytest.mark.parametrize(
    ("horizon", "stages", "rounds"),
    [
        (10, 3, [4, 4, 2]),  # ceil(10 / 3) = 4, the last one is shorter
        (10, 5, [2, 2, 2, 2, 2]),
        (10, 6, [2, 2, 2, 2, 2]),  # ceil(10 / 6) = 2: five stages are enough
        (10, 4, [3, 3, 3, 1]),
        (10, 10, [1] * 10),
        (10, 1, [10]),
        (1, 1, [1]),
    ],
)
def test_stage_lengths(horizon: int, stages: int, rounds: list[int]) -> None:
    plan = plan_of(horizon, stages)
    assert [s.rounds for s in plan.stages] == rounds
    assert [s.opened for s in plan.stages] == [0, *np.cumsum(rounds)[:-1]]
    assert plan.stage_length == rounds[0]
    run = fr.simulate(
        fr.scenario("static", n_models=2),
        fr.policy("oracle"),
        horizon=horizon,
        stages=stages,
        budget=1.0,
        max_deployed=2,
        trials=1,
    )
    assert run.settings["stages"] == len(rounds)
    assert run.stages["rounds"].to_list() == rounds


@pytest.mark.parametrize(
    ("load_rounds", "loaded", "starts"),
    [
        (0, [0, 4, 8], [0, 4, 5, 8]),
        (1, [1, 5, 9], [0, 1, 4, 5, 8, 9]),
        (3, [3, 7, 10], [0, 3, 4, 5, 7, 8]),  # the last stage ends before
        (4, [4, 8, 10], [0, 4, 5, 8]),
    ],
)
def test_rounds_in_which_models_load(
    load_rounds: int, loaded: list[int], starts: list[int]
) -> None:
    plan = plan_of(10, 3, arrival=[0, 5], load_rounds=load_rounds)
    assert [stage.loaded for stage in plan.stages] == loaded
    assert [piece.start for stage in plan.stages for piece in stage.pieces] == starts
    assert_whole(plan)


def assert_whole(plan: Plan) -> None:
    """Pieces follow one another from 0 to T, inside their stages; each checkpoint ends one."""
    now = 0
    marks = {}
    for stage in plan.stages:
        assert stage.opened == now
        assert stage.pieces[0].pool == stage.pool
        for piece in stage.pieces:
            assert piece.start == now
            assert now < piece.stop <= now + LONGEST_PIECE
            now = piece.stop
            if piece.checkpoint >= 0:
                marks[piece.checkpoint] = piece.stop
        assert now == stage.opened + stage.rounds
    assert now == plan.horizon
    assert [marks[i] for i in range(len(plan.checkpoints))] == plan.checkpoints.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_pieces_and_pools(seed: int) -> None:
    draw = np.random.default_rng(seed)
    horizon = int(draw.integers(1, 60))
    stages = int(draw.integers(1, horizon + 1))
    arrival = [0, *draw.integers(0, 70, 4).tolist()]
    retirement = [None if draw.random() < 0.5 else int(a + draw.integers(1, 40)) for a in arrival]
    points = draw.integers(1, horizon + 1, 5).tolist()
    plan = plan_of(horizon, stages, arrival, retirement, tuple(points))
    assert_whole(plan)
    for stage in plan.stages:
        for piece in stage.pieces:
            for t in range(piece.start, piece.stop):
                there = [
                    a <= t and (e is None or e > stage.opened)
                    for a, e in zip(arrival, retirement, strict=True)
                ]
                assert plan.pools[piece.pool].tolist() == there
    assert len(np.unique(plan.pools, axis=0)) == len(plan.pools)


def test_retirement_waits_for_the_next_stage() -> None:
    # Stages open at 0, 5, 10.  Model 1 leaves at 5, model 2 at 6.
    plan = plan_of(15, 3, [0, 0, 0], [None, 5, 6])
    pools = [plan.pools[s.pool].tolist() for s in plan.stages]
    assert pools == [[True, True, True], [True, False, True], [True, False, False]]
    assert all(len(s.pieces) == 1 for s in plan.stages)


def test_arrival_at_an_opening_and_just_after() -> None:
    plan = plan_of(15, 3, [0, 5, 6], None)
    assert plan.pools[plan.stages[0].pool].tolist() == [True, False, False]
    assert plan.pools[plan.stages[1].pool].tolist() == [True, True, False]
    assert plan.pools[plan.stages[2].pool].tolist() == [True, True, True]
    assert [(p.start, p.stop) for p in plan.stages[1].pieces] == [(5, 6), (6, 10)]


def test_long_stages_are_cut() -> None:
    plan = plan_of(3 * LONGEST_PIECE + 5, 1)
    assert_whole(plan)
    assert [p.stop - p.start for p in plan.stages[0].pieces] == [LONGEST_PIECE] * 3 + [5]


def test_fractions_of_the_horizon() -> None:
    scenario = Scenario(
        [0.5, 0.6, 0.7], [1.0, 1.0, 1.0], arrival=[0.0, 0.29, 1.0], arrival_unit="horizon"
    )
    plan = make_plan(scenario.resolve(100, 1), 100, 1, np.array([100]))
    assert [(p.start, p.stop) for p in plan.stages[0].pieces] == [(0, 29), (29, 100)]
    assert not plan.pools[:, 2].any()
