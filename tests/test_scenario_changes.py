"""Events that change a world: what they mean in rounds, and what is refused."""

import copy
import pickle
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastroute as fr
from fastroute.scenarios import (
    Calendar,
    Change,
    Outage,
    Recorded,
    Scenario,
    World,
    read_prices,
    save_scenario,
)
from fastroute.scenarios.saved import scenario_digest
from fastroute.study import Study, StudyError
from fastroute.study.cells import lay_out


def build(*changes: Any, **options: Any) -> Scenario:
    given: dict[str, Any] = {"limit": [0.8, 1.0, 1.0], "models": ["a", "b", "c"]}
    return Scenario([0.5, 0.7, 0.3], [1.0, 2.0, 0.5], changes=changes, **{**given, **options})


def starts(world: World) -> list[int]:
    return [regime.start for regime in world.later]


def test_every_unit_of_time() -> None:
    calendar = Calendar(date(2024, 1, 1), date(2025, 1, 1), 0.5)
    times: list[Any] = [7, 0.29, 1e2, "2024-07-02", date(2024, 10, 1), "2025-05-01T00:00:00Z"]
    scenario = build(
        *(Change("a", at=time, reward=0.1 * k) for k, time in enumerate(times)), calendar=calendar
    )
    assert build(calendar=("2024-01-01", "2025-01-01", 0.5)).calendar == calendar
    rounds = [7, 290, 100, 250, 374, 663]
    assert starts(scenario.resolve(1_000, 1)) == sorted(rounds)
    found = {r.start: r.world.reward_mean[0, 0] for r in scenario.resolve(1_000, 1).later}
    assert found == pytest.approx({now: 0.1 * k for k, now in enumerate(rounds)})


def test_a_date_of_a_release_is_the_round_of_its_arrival() -> None:
    plain = fr.scenario("sota")
    change = Change("beta-large-2024", at="2025-05-15", reward=0.1)
    world = fr.scenario("sota", changes=[change]).resolve(10_000, 1)
    arrival = world.arrival[plain.models.index("beta-large-2025")]
    assert starts(world) == [arrival]


def test_the_steps_of_a_gradual_change() -> None:
    # The k-th of n steps comes (k - 1/2) / n of the way after the start.
    world = build(Change("a", at=10, reward=0.9, over=10, steps=5)).resolve(100, 1)
    assert starts(world) == [11, 13, 15, 17, 19]
    assert [r.world.reward_mean[0, 0] for r in world.later] == pytest.approx(
        [0.58, 0.66, 0.74, 0.82, 0.9]
    )
    assert world.later[-1].world.reward_mean[0, 0] == 0.9
    # In the mean over the change it is a straight line.
    means = [0.5] * 11 + [0.0] * 9
    for regime in world.later:
        means[regime.start :] = [regime.world.reward_mean[0, 0]] * (20 - regime.start)
    assert np.mean(means[10:20]) == pytest.approx(0.7)
    # By default 16 steps, and at most one per round.
    assert len(build(Change("a", at=10, cost=3.0, over=0.5)).resolve(100, 1).later) == 16
    assert len(build(Change("a", at=10, cost=3.0, over=3)).resolve(100, 1).later) == 3
    # A second change goes on from where the first one ended.
    both = build(Change("a", at=10, cost=3.0, over=4), Change("a", at=14, cost=1.0, over=2))
    costs = [r.world.cost_mean[0, 0] for r in both.resolve(100, 1).later]
    assert costs == pytest.approx([1.5, 2.0, 2.5, 3.0, 2.0, 1.0])


def test_outages_and_limits() -> None:
    scenario = build(
        Outage("a", 10, 30), Outage("a", 20, 40), Change("a", at=25, limit=0.4), Outage("b", 35)
    )
    world = scenario.resolve(50, 1)
    limits = [(r.start, r.world.limit[:2].tolist()) for r in world.later]
    # The change of the limit shows when the model is back.
    assert limits == [(10, [0.0, 1.0]), (35, [0.0, 0.0]), (40, [0.4, 0.0])]
    half = scenario.with_changes(severity=0.5).resolve(50, 1)
    limits = [(r.start, r.world.limit[:2].tolist()) for r in half.later]
    assert limits[:2] == [(10, [0.4, 1.0]), (25, [pytest.approx(0.3), 1.0])]


def test_severity() -> None:
    events = Change("a", at=5, reward=0.9), Change("b", at=6, cost_factor=3.0)
    for severity, reward, cost in ((0.25, 0.6, 3.0), (1.0, 0.9, 6.0), (1.2, 0.98, 6.8)):
        scenario = build(*events, severity=severity)
        last = scenario.resolve(10, 1).later[-1].world
        assert last.reward_mean[0] == pytest.approx([reward, 0.7, 0.3])
        assert last.cost_mean[0] == pytest.approx([1.0, cost, 0.5])
        assert scenario.cost_range == pytest.approx((0.25, 1.5 * cost))
    none = build(*events, severity=0.0)
    assert none.cost_range == build().cost_range
    assert none.resolve(10, 1).later == ()
    assert build(*events).with_changes(severity=0.0).cost_range == build().cost_range
    with pytest.raises(ValueError, match=r"^changes\[0\]: reward of 'a' comes to 1.1 with sev"):
        build(*events, severity=1.5)
    with pytest.raises(ValueError, match=r"^severity=-1 must be a finite number >= 0"):
        build(*events, severity=-1)


def test_one_row_of_means_per_trial() -> None:
    scenario = Scenario(
        [[0.5, 0.7], [0.2, 0.4]],
        [1.0, 2.0],
        models=["a", "b"],
        changes=[Change("a", at=5, reward=0.8, cost_factor=2.0)],
        severity=0.5,
    )
    later = scenario.resolve(10, 2).later[0].world
    assert later.reward_mean == pytest.approx(np.array([[0.65, 0.7], [0.5, 0.4]]))
    assert later.cost_mean == pytest.approx(np.array([[1.5, 2.0], [1.5, 2.0]]))
    part = scenario.resolve(10, 2, slice(1, 2)).later[0].world
    assert part.reward_mean == pytest.approx(np.array([[0.5, 0.4]]))


def test_tables_follow_the_means() -> None:
    tasks = fr.scenario("routerbench")
    first, second, *_ = tasks.models
    changes = [Change(first, at=5, reward=0.95), Change(second, at=7, reward=0.2)]
    world = tasks.with_changes(changes).resolve(10, 1)
    share = tasks.reward.share  # type: ignore[union-attr]
    for now in world.regimes:
        assert share @ now.reward.table == pytest.approx(now.reward_mean[0], abs=1e-12)
        assert now.reward.table.min() >= 0.0
        assert now.reward.table.max() <= 1.0
        np.testing.assert_array_equal(now.reward.table[:, 2:], world.reward.table[:, 2:])
    draw = np.random.default_rng(1)
    recorded = Scenario(
        outcomes=Recorded(draw.random((50, 2)), draw.uniform(0.1, 2.0, (50, 2))),
        models=["a", "b"],
        changes=[Change("a", at=3, reward=0.9, cost_factor=5.0), Change("b", at=4, reward=0.1)],
    )
    last = recorded.resolve(10, 1).later[-1].world
    assert last.reward.table.mean(axis=0) == pytest.approx([0.9, 0.1])
    assert last.cost.table.mean(axis=0) == pytest.approx(last.cost_mean[0])
    assert recorded.cost_range[1] == pytest.approx(last.cost.table.max())
    for law in ("lognormal", "uniform"):
        options = {"name": law, **({"sigma": 0.5} if law == "lognormal" else {})}
        scenario = build(Change("a", at=5, cost=30.0), cost=options)
        last = scenario.resolve(10, 1).later[-1].world
        assert scenario.cost_range[1] >= 45.0
        if law == "lognormal":
            assert last.cost.table.mean(axis=0) == pytest.approx(last.cost_mean[0])
            assert last.cost.table.max() <= scenario.cost_range[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: Change("d", at=5, reward=0.1), "changes\\[0\\]: model='d' is unknown"),
        (lambda: Change("a", at=5), "model='a' changes nothing; pass reward"),
        (lambda: Change("a", at=5, reward=1.2), "reward=1.2 must be a number in \\[0, 1\\]"),
        (lambda: Change("a", at=5, cost=-1), "cost=-1 must be a finite number >= 0"),
        (lambda: Change("a", at=5, limit=2), "limit=2 must be a number in \\[0, 1\\]"),
        (lambda: Change("a", at=5, cost=1, cost_factor=2), "two new costs; drop one"),
        (lambda: Change("a", at=0, reward=0.1), "at=0 must be a round >= 1, a fraction"),
        (lambda: Change("a", at=1.0, reward=0.1), "at=1.0 must be .*; 1 is a round"),
        (lambda: Change("a", at=2.5, reward=0.1), "at=2.5 must be a round"),
        (lambda: Change("a", at=True, reward=0.1), "at=True must be a round"),
        (lambda: Change("a", at="soon", reward=0.1), "at='soon' is not a date"),
        (lambda: Change("a", at=5, reward=0.1, over=-1), "over=-1 must be a number of rounds"),
        (lambda: Change("a", at=5, reward=0.1, over=2.5), "over=2.5 must be a number of rounds"),
        (lambda: Change("a", at=5, reward=0.1, steps=3), "pass how long the change takes"),
        (lambda: Change("a", at=5, reward=0.1, over=9, steps=0), "steps=0 must be a whole"),
        (lambda: Outage("a", "late"), "start='late' is not a date"),
        (lambda: {"model": "a", "reward": 0.1}, "changes\\[0\\]: at is missing"),
        (lambda: {"model": "a", "at": 5, "rewad": 0.1}, "did you mean 'reward'"),
        (lambda: 7, "changes\\[0\\]: must be a Change, an Outage, or a table"),
    ],
)
def test_refused_events(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(change())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([Change("a", at=100, reward=0.1)], "0\\]: at=100 is beyond the last round of horizon=100"),
        ([Change("a", at=0.001, reward=0.1)], "at=0.001 is in round 0 of horizon=100"),
        ([Change("a", at=90, reward=0.1, over=20)], "ends in round 110, beyond horizon=100"),
        ([Change("a", at=9, reward=0.1, over=4, steps=5)], "at most one step per round"),
        ([Change("a", at="2024-05-01", reward=0.1)], "is a date, but the models"),
        ([Outage("a", 50, 200)], "stop=200 is beyond the last round"),
        ([Outage("a", 50, 0.4)], "stop=0.4 \\(round 40\\) is not after start=50"),
        (
            [Change("a", at=30, reward=0.1, over=10), Change("a", at=25, reward=0.9, over=6)],
            "changes\\[0\\]: the reward of 'a' changes from round 30 on, while changes\\[1\\]",
        ),
        (
            [Change("a", at=30, cost=3.0), Change("a", at=0.3, cost_factor=2.0)],
            "changes\\[1\\]: the cost of 'a' changes from round 30 on, while changes\\[0\\]",
        ),
    ],
)
def test_refused_times(changes: list[Any], words: str) -> None:
    scenario = build(*changes)
    with pytest.raises(ValueError, match=words):
        scenario.resolve(100, 1)
    # Other models and other quantities may change meanwhile.
    build(Change("a", at=30, reward=0.1, over=10), Change("a", at=35, cost=2.0)).resolve(100, 1)


def test_dates_outside_the_run() -> None:
    late = fr.scenario("sota", changes=[Change("beta-large-2024", at="2031-01-01", reward=0.1)])
    with pytest.raises(ValueError, match=r"is not before horizon=500: round 0 is 2023-08-15, and"):
        late.resolve(500, 1)


@pytest.mark.parametrize(
    "calendar", [("2024-01-01", "2024-01-01", 0.5), ("2024-01-01", "x", 0.5), (1, 2), "2024-01-01"]
)
def test_refused_calendars(calendar: Any) -> None:
    with pytest.raises(ValueError, match=r"^calendar="):
        build(calendar=calendar)
    with pytest.raises(ValueError, match=r"^calendar=0 must be a number in \(0, 1\]"):
        build(calendar=("2024-01-01", "2025-01-01", 0))


def test_free_recorded_costs_cannot_be_multiplied() -> None:
    free = Recorded([[0.5, 0.5]], [[0.0, 1.0]])
    with pytest.raises(ValueError, match=r"^changes\[0\]: cost_mean\[0\] = 0 is recorded as free"):
        Scenario(outcomes=free, models=["a", "b"], changes=[Change("a", at=3, cost=1.0)])


def test_saved_with_its_changes(tmp_path: Path) -> None:
    scenario = build(
        Change("a", at=date(2024, 5, 1), cost=3.0, over=0.1),
        Outage("b", 0.5, 0.6),
        severity=0.5,
        calendar=Calendar(date(2024, 1, 1), date(2025, 1, 1), 0.5),
    )
    save_scenario(scenario, tmp_path / "x.npz")
    back = fr.scenario("saved", file=tmp_path / "x.npz")
    assert scenario_digest(back) == scenario_digest(scenario)
    assert back.cost_range == scenario.cost_range
    worlds = scenario.resolve(200, 1), back.resolve(200, 1)
    assert starts(worlds[0]) == starts(worlds[1]) != []
    full = fr.scenario("saved", file=tmp_path / "x.npz", severity=1.0)
    assert full.resolve(200, 1).later[-1].world.cost_mean[0, 0] == 3.0
    none = fr.scenario("saved", file=tmp_path / "x.npz", severity=0.0)
    assert none.cost_range == build().cost_range


def test_prices() -> None:
    rows = {
        "model": ["a", "b", "a", "a"],
        "from": ["2024-06-01", "2024-01-01", "2024-01-01", "2024-09-01"],
        "input": [1.0, 1.0, 2.0, 4.0],
        "output": [3.0, 1.0, 4.0, 8.0],
    }
    assert read_prices(pl.DataFrame(rows)) == [
        Change("a", at=date(2024, 6, 1), cost_factor=0.6),
        Change("a", at=date(2024, 9, 1), cost_factor=2.0),
    ]
    assert read_prices(rows, tokens=(0, 1))[0].cost_factor == 0.75
    for times in (["5", "0", "0", "7"], [0.5, 0, 0, 0.7]):
        assert [x.at for x in read_prices({**rows, "from": times})] == sorted(
            float(x) for x in times if float(x)
        )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"from": [5, 0, 5, 7]}, "two prices of 'a' from 5 on; keep one"),
        ({"from": ["5", "0", "0", "0.5"]}, "rounds, fractions or dates mixed"),
        ({"from": ["5", "0", "", "7"]}, "row 3: from is missing"),
        ({"input": [1.0, 1.0, None, 1.0]}, "input is missing in row 3; fill in a number >= 0"),
        ({"input": [1.0, 1.0, np.nan, 1.0]}, "input is missing in row 3; fill in a number >= 0"),
        ({"input": ["1", "1", "NaN", "1"]}, "input is missing in row 3; fill in a number >= 0"),
        ({"input": [1.0, 1.0, -1.0, 1.0]}, "input=-1.0 in row 3 must be a number >= 0"),
        ({"model": ["a", "b", "c", "d"]}, "no price changes: .*leave prices out"),
        ({"input": [2.0] * 4, "output": [4.0] * 4}, "no price changes: "),
        ({"output": ["1", "1", "x", "1"]}, "output='x' in row 3 must be a number >= 0"),
        ({"model": ["a", "b", None, "a"]}, "no model is named in row 3"),
        ({"input": [1.0, 1.0, 0.0, 1.0], "output": [1.0, 1.0, 0.0, 1.0]}, "first price of 'a' is"),
    ],
)
def test_refused_prices(wrong: dict[str, list[Any]], words: str) -> None:
    rows: dict[str, list[Any]] = {
        "model": ["a", "b", "a", "a"],
        "from": [5, 0, 0, 7],
        "input": [1.0, 1.0, 2.0, 4.0],
        "output": [3.0, 1.0, 4.0, 8.0],
    }
    with pytest.raises(ValueError, match=f"^prices: .*{words}"):
        read_prices({**rows, **wrong})


def test_prices_of_unknown_models_are_refused_with_the_nearest() -> None:
    known = "alpha-large-2024"
    rows = [
        {"model": known, "from": "2024-05-15", "input": 5.0, "output": 15.0},
        {"model": known, "from": "2025-02-01", "input": 2.5, "output": 10.0},
        {"model": "alfa-large-2024", "from": "2025-02-01", "input": 2.5, "output": 10.0},
    ]
    with pytest.raises(ValueError, match=rf"^prices: model='alfa.* in row 3 is .* mean '{known}'"):
        fr.scenario("sota", prices=rows)
    assert len(fr.scenario("sota", prices=rows[:2]).changes) == 1
    # A price of its own is no change either, and the typing error is found first.
    with pytest.raises(ValueError, match="'alfa-large-2024' in row 2 is unknown"):
        fr.scenario("sota", prices=[rows[0], rows[2]])
    with pytest.raises(ValueError, match="no price changes"):
        fr.scenario("sota", prices=rows[:1])


@pytest.mark.parametrize("given", [Change("a", 5, 0.1), {"model": "a", "at": 5}, "a", 3])
def test_changes_are_a_list(given: Any) -> None:
    for make in (
        lambda: fr.scenario("static", changes=given),
        lambda: Scenario([0.5], [1.0], changes=given),
    ):
        with pytest.raises(ValueError, match=r"^changes=.* must be a list of events; as \["):
            make()


def test_fields_of_events_are_checked_as_options_are() -> None:
    wrong: Any = {"rewrad": 0.2}
    with pytest.raises(ValueError, match=r"^field='rewrad' is unknown; did you mean 'reward'\?"):
        Change("a", at=0.5, **wrong)
    wrong = {"strt": 5}
    with pytest.raises(ValueError, match=r"^field='strt' is unknown; did you mean 'start'\?"):
        Outage("a", **wrong)
    with pytest.raises(ValueError, match=r"^at is missing; pass at="):
        Change("a", reward=0.1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"^model is missing; pass model="):
        Outage()  # type: ignore[call-arg]
    event = Change("a", 5, 0.1)
    assert copy.deepcopy(event) == pickle.loads(pickle.dumps(event)) == event


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0.5, 0.4), (0.5, 0.5), (50, 40), (50, 50), ("2024-05-01", date(2024, 4, 1))],
)
def test_an_outage_that_ends_before_it_begins_is_refused_at_once(start: Any, stop: Any) -> None:
    with pytest.raises(ValueError, match=r"^stop=.* is not after start=.*; end the outage later"):
        Outage("a", start, stop)
    # A round and a fraction are compared in a run.
    Outage("a", 50, 0.4)


def test_a_gradual_change_beyond_the_end_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"^at=0.7 with over=0.4 ends at 1.1 of the horizon"):
        Change("a", at=0.7, reward=0.1, over=0.4)
    Change("a", at=0.7, reward=0.1, over=0.3)


def test_outages_alone_cannot_be_more_severe_than_1() -> None:
    with pytest.raises(ValueError, match=r"^severity=2 is no more than 1 where all changes are"):
        build(Outage("a", 5, 9), severity=2)
    both = build(Outage("a", 5, 9), Change("b", 5, reward=0.6), severity=1.5)
    assert both.resolve(20, 1).later[0].world.limit[0] == 0.0


def test_the_text_of_a_scenario_has_its_changes_and_what_is_learnt_late() -> None:
    text = repr(fr.scenario("static"))
    assert not any(word in text for word in ("change", "delay", "feedback"))
    one = build(Outage("a", 5, 9), reward_delay=50, feedback=0.5)
    assert "1 change with severity=1, reward_delay=50, feedback=0.5, cost_range" in repr(one)
    assert "2 changes with" in repr(build(Outage("a", 5, 9), Outage("b", 5, 9)))
    assert "cost_range=(0.1, 0.3)" in repr(Scenario([0.5], [0.2], cost_range=(0.1, 0.1 + 0.2)))


STUDY = """
name = "drift"

[scenario]
name = "sota"
prices = "prices.csv"
severity = [0, 0.5, 1]
changes = [
  { model = "beta-large-2024", at = 0.4, reward = 0.3, over = 0.2 },
  { model = "alpha-small-2023", start = 2024-09-01, stop = 2024-12-01 },
]

[[policy]]
name = "stageroute"

[setting]
horizon = 600
budget = 2.0
max_deployed = 4
trials = 8
"""


def test_a_study_of_changes(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(
        "model,from,input,output\nalpha-large-2024,2020-01-01,5,15\n"
        "alpha-large-2024,2025-06-01,1,4\n"
    )
    (tmp_path / "drift.toml").write_text(STUDY)
    study = Study.from_toml(tmp_path / "drift.toml").resolved()
    cells = lay_out(study)
    assert [cell.settings.horizon for cell in cells] == [600] * 3
    assert len({cell.digest for cell in cells}) == 3
    (tmp_path / "again.toml").write_text(study.to_toml())
    assert Study.from_toml(tmp_path / "again.toml").resolved().to_toml() == study.to_toml()
    # Objects and dates become plain values.
    events = [Change("beta-large-2024", at=date(2025, 1, 1), reward=0.3)]
    data = {
        "name": "x",
        "scenario": {"name": "sota", "changes": events},
        "policy": [{"name": "uniform"}],
        "setting": {"horizon": 500, "budget": 2.0, "max_deployed": 4},
    }
    assert 'at = "2025-01-01"' in Study.from_dict(data).resolved().to_toml()
    for scenario, words in (
        ({"name": "sota", "severity": 2.0}, "severity=2.0 but nothing changes"),
        ({"name": "sota", "changes": [{"model": "x", "at": 5, "reward": 0.1}]}, "model='x' is unk"),
    ):
        with pytest.raises(StudyError, match=words):
            Study.from_dict({**data, "scenario": scenario})


def test_an_event_beyond_the_horizon_is_said_with_its_line(tmp_path: Path) -> None:
    # Two horizons, and one of them is too short.
    text = (
        'name = "x"\n[scenario]\nname = "static"\nchanges = [\n'
        '  { model = "model-0", at = 500, reward = 0.1 },\n]\n\n[[policy]]\nname = "uniform"\n\n'
        "[setting]\nhorizon = [200, 1000]\nbudget = 2.0\nmax_deployed = 2\n"
    )
    (tmp_path / "x.toml").write_text(text)
    study = Study.from_toml(tmp_path / "x.toml")
    for made in (study, study.resolved(), study.with_setting(seed=3)):
        with pytest.raises(StudyError) as caught:
            lay_out(made)
        assert str(caught.value).startswith(
            f"{tmp_path / 'x.toml'}: line 4: cell 0 (uniform in static, horizon=200, budget=2.0, "
            "max_deployed=2): changes[0]: at=500 is beyond the last round of horizon=200"
        )
    assert Study.from_dict(study.to_dict()) == study
    with pytest.raises(StudyError, match=r"^study x: cell 0 \(uniform in"):
        lay_out(Study.from_dict(study.to_dict()))


def test_budgets_in_words_are_those_of_the_first_round() -> None:
    settings: dict[str, Any] = {"horizon": 300, "max_deployed": 3, "trials": 2}
    changes = [Change("model-2", at=0.5, cost_factor=10.0)]
    plain = fr.scenario("static", n_models=3, limit=0.5)
    runs = [
        fr.simulate(scenario, fr.policy("oracle"), budget="slack", **settings)
        for scenario in (plain, plain.with_changes(changes))
    ]
    assert runs[0].settings["budget"] == runs[1].settings["budget"]


PAGE = (Path(__file__).parent.parent / "docs" / "scenarios.md").read_text(encoding="utf-8")


def test_the_example_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    section = PAGE.split("## Worlds that change")[1].split("\n## ")[0]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(source[1].replace("20_000", "2_000").replace("256", "64"), names)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        [name, severity] for severity in ("0.0", "1.0") for name in ("stageroute", "oracle")
    ]
    regret = [float(line[2]) for line in lines]
    # What changes between two stages is regret of the oracle too.
    assert regret[3] > regret[1]
    assert starts(names["world"].resolve(2_000, 1))[-1] >= 1_000


def test_no_changes_may_be_said() -> None:
    assert fr.scenario("sota", changes=[]).changes == ()
    with pytest.raises(ValueError, match=r"severity=0\.5 but nothing changes"):
        fr.scenario("sota", changes=[], severity=0.5)
