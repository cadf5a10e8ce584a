"""What `simulate` refuses, and what happens when it is stopped."""

import math
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastroute as fr
from fastroute.scenarios import Scenario
from fastroute.simulation.settings import Settings, check_setting
from fastroute.study.values import check_value

GOOD: dict[str, Any] = {"horizon": 50, "budget": 1.0, "max_deployed": 3, "trials": 2}

BAD: dict[str, list[Any]] = {
    "horizon": [0, -1, 1.5, None, "9", math.nan, math.inf, 2**32, True, [3]],
    "trials": [0, -5, 0.5, None, math.nan, 2**32],
    "max_deployed": [0, -1, None, "a", 2.5, 2**31],
    "budget": [math.nan, -1.0, None, "x", [1.0, 2.0], [1.0], True],
    "seed": [-1, 2**64, 1.0, None, "a"],
    "backend": ["nunba", None, "highs", 3],
    "threads": [0, -1, "a", 1.5, math.inf],
    "checkpoints": [0, -3, [0], [], [51], [-2], [1.5], [math.nan], [math.inf], None, "many"],
    "deploy_cost": [-1, math.nan, math.inf, None, "x", [0.0]],
    "load_rounds": [-1, 1.5, math.nan, None, "x", [0], True, 14],  # a stage has 13 rounds
    "dtype": ["float16", None, "float32"],
    "trace": ["yes", 1, None],
    "stages": [0, 51, -1, None, 2.5, "T^x", "T^(1/0)", "thoery"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(k, v) for k, values in BAD.items() for v in values], ids=repr
)
def test_refused_arguments(name: str, value: Any) -> None:
    wrong = {**GOOD, "backend": "numba", name: value}
    with pytest.raises(ValueError, match=name) as caught:
        fr.simulate(fr.scenario("static"), fr.policy("stageroute"), **wrong)
    assert "\n" not in str(caught.value)


def test_settings_are_checked_once_and_kept_as_their_types() -> None:
    loose: dict[str, Any] = {"horizon": 1e3, "budget": 1, "max_deployed": np.int8(3)}
    given = Settings(**loose, checkpoints=[50, 1, 1], seed=7)
    kept = (given.horizon, given.budget, given.max_deployed, given.checkpoints, given.seed)
    assert kept == (1000, 1.0, 3, (1, 50), 7)
    assert [type(value) for value in kept] == [int, float, int, tuple, int]
    with pytest.raises(ValueError, match=r"^trials=0 must be a whole number >= 1$"):
        replace(given, trials=0)
    # A study says the same, with the place of the setting in front.
    for name, value in (("horizon", 2**32), ("trials", 2.5), ("max_deployed", 2**31)):
        with pytest.raises(ValueError, match=rf"^{name}={value} must be") as run:
            check_setting(name, value)
        with pytest.raises(ValueError, match=r"^must be") as study:
            check_value(name, value)
        assert str(run.value) == f"{name}={value} {study.value}"


def test_wrong_types() -> None:
    with pytest.raises(ValueError, match=r"scenario='static' must be a Scenario"):
        fr.simulate("static", fr.policy("stageroute"), **GOOD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"policy='stageroute' must be a Policy"):
        fr.simulate(fr.scenario("static"), "stageroute", **GOOD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scenario=None must be"):
        fr.simulate(None, fr.policy("stageroute"), **GOOD)


def test_trace_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="trace"):
        fr.simulate(
            fr.scenario("static"),
            fr.policy("stageroute"),
            **{**GOOD, "horizon": 10**6, "trials": 10**4, "trace": True},
        )


@pytest.mark.parametrize(
    ("checkpoints", "words"),
    [
        (10**12, "points, not 1,000,000,000,000"),
        (2**20 + 1, "points, not 1,048,577"),
        (range(1, 10**12), "rounds, not 999,999,999,999"),
        (np.full(2**20 + 1, 7), "rounds, not 1,048,577"),
    ],
    ids=["number", "one too many", "range", "array"],
)
def test_too_many_checkpoints(checkpoints: Any, words: str) -> None:
    with pytest.raises(ValueError, match=rf"checkpoints=.*at most 1,048,576 {words};") as caught:
        fr.simulate(
            fr.scenario("static"), fr.policy("oracle"), **{**GOOD, "checkpoints": checkpoints}
        )
    assert "\n" not in str(caught.value)
    # A study draws the line at the same number.
    assert check_value("checkpoints", 2**20) == 2**20
    with pytest.raises(ValueError, match="1,048,576"):
        check_value("checkpoints", 2**20 + 1)


def test_number_of_instances() -> None:
    scenario = Scenario([[0.5, 0.6]] * 3, [1.0, 1.0])
    with pytest.raises(ValueError, match="trials=2"):
        fr.simulate(scenario, fr.policy("oracle"), **{**GOOD, "budget": 2.0})


def test_accepted_edges() -> None:
    for more in (
        {"horizon": 1, "stages": 1},
        {"stages": 50},
        {"seed": 2**64 - 1},
        {"seed": np.uint64(2**64 - 1)},
        {"trials": np.int64(1)},
        {"checkpoints": [50, 1, 1]},
        {"checkpoints": 10_000},
        {"checkpoints": 2**20},
        {"threads": 64},
        {"max_deployed": 10**6},
    ):
        out = fr.simulate(fr.scenario("static"), fr.policy("stageroute"), **{**GOOD, **more})
        assert out.arrays["round"][-1] == out.settings["horizon"]


class TestInfeasible:
    """Refused before anything runs, naming the shortage and the remedy."""

    def refuse(self, match: str, scenario: Scenario, **settings: Any) -> None:
        calls: list[int] = []
        for backend in ("numba", "ref"):
            with pytest.raises(ValueError, match=match):
                fr.simulate(
                    scenario,
                    fr.policy("stageroute"),
                    backend=backend,
                    progress=lambda done, total: calls.append(done),
                    **{**GOOD, **settings},
                )
        assert not calls

    def test_budget(self) -> None:
        scenario = Scenario([0.5, 0.6], [0.8, 1.0], 0.5)
        self.refuse(r"budget=0\.85 is below 0\.9.*Raise budget", scenario, budget=0.85)
        self.refuse('budget = "cheapest"', scenario, budget=0.85)
        fr.simulate(scenario, fr.policy("oracle"), **{**GOOD, "budget": 0.9})

    def test_the_least_budget_can_be_copied(self) -> None:
        scenario = Scenario([0.5], [1.2345649], cost="fixed")
        self.refuse(r"budget=1\.0 is below 1\.23457,", scenario, budget=1.0)
        fr.simulate(scenario, fr.policy("uniform"), **{**GOOD, "budget": 1.23457})

    def test_budget_of_the_models_that_fit(self) -> None:
        # Three models could meet the budget, but only two may be deployed.
        scenario = Scenario([0.5, 0.6, 0.7], [0.1, 0.4, 2.0], [0.6, 0.3, 0.6])
        self.refuse("budget=", scenario, budget=0.5, max_deployed=2)
        fr.simulate(scenario, fr.policy("oracle"), **{**GOOD, "budget": 0.5, "max_deployed": 3})

    def test_budget_of_the_models_that_are_there(self) -> None:
        scenario = Scenario([0.5, 0.6], [2.0, 0.1], arrival=[0, 1])
        self.refuse("budget=.*round 0", scenario, budget=1.0)

    def test_limits(self) -> None:
        scenario = Scenario([0.5, 0.6], [0.1, 0.1], [0.4, 0.5])
        self.refuse(r"limit.*0\.9 of the traffic.*Raise", scenario)

    def test_too_few_slots(self) -> None:
        scenario = Scenario([0.5, 0.6, 0.7], [0.1, 0.1, 0.1], 0.4)
        self.refuse("max_deployed", scenario, max_deployed=2)

    def test_one_instance_of_many(self) -> None:
        scenario = Scenario([0.5, 0.6], [[0.5, 0.5], [1.5, 1.2]])
        self.refuse(r"budget=1\.0 is below 1\.2", scenario, budget=1.0)

    def test_limits_that_add_up_to_one(self) -> None:
        scenario = Scenario([0.5] * 10, [0.5] * 10, 0.1)
        out = fr.simulate(scenario, fr.policy("uniform"), **{**GOOD, "max_deployed": 10})
        assert (out.finals["no_capacity_rounds"] == 0).all()


class TestProgress:
    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_monotone_and_ends_at_the_total(self, threads: int) -> None:
        seen: list[tuple[int, int]] = []
        fr.simulate(
            fr.scenario("static"),
            fr.policy("stageroute"),
            horizon=300,
            budget=1.0,
            max_deployed=3,
            trials=330,
            threads=threads,
            progress=lambda done, total: seen.append((done, total)),
        )
        done = [d for d, _ in seen]
        assert {t for _, t in seen} == {300 * 330}
        assert done[-1] == 300 * 330
        assert all(b > a for a, b in pairwise(done))
        assert done[0] > 0

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("error", [KeyError, RuntimeError, KeyboardInterrupt])
    def test_an_exception_stops_the_run(self, threads: int, error: type[BaseException]) -> None:
        calls = 0
        last = (0, 1)

        def stop(done: int, total: int) -> None:
            nonlocal calls, last
            calls += 1
            last = (done, total)
            if calls >= 3:
                raise error("enough")

        with pytest.raises(error, match="enough"):
            self.long_run(stop, threads=threads)
        # Other threads end at their next piece.
        assert last[0] < last[1] // 2

    def test_the_exception_is_the_one_raised(self) -> None:
        # Whichever chunk it is raised in, not what stops the others.
        def stop(done: int, total: int) -> None:
            if threading.current_thread().name.endswith("_1"):
                raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            self.long_run(stop, threads=2)

    def test_no_thread_is_left(self) -> None:
        before = threading.active_count()

        def stop(done: int, total: int) -> None:
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError):
            self.long_run(stop, threads=2)
        assert threading.active_count() == before

    def long_run(self, progress: Any, threads: int) -> None:
        fr.simulate(
            fr.scenario("static"),
            fr.policy("stageroute"),
            horizon=20_000,
            budget=1.0,
            max_deployed=3,
            trials=64 * threads,
            threads=threads,
            progress=progress,
        )
