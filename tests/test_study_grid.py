"""The grid: which cells a study has, in which order, and the numbers worked out for each."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fastroute as fr
from fastroute.study import Study, StudyError, run_study
from fastroute.study.axes import value_label
from fastroute.study.build import build_scenario
from fastroute.study.cells import Cell, lay_out, shard_size
from fastroute.study.estimate import estimate
from fastroute.study.grid import count_cells, points
from studies import mini

POLICY = {"name": "stageroute"}


def cells_of(**changes: Any) -> list[Cell]:
    return lay_out(mini(**changes).resolved())


def problems_of(**changes: Any) -> list[str]:
    with pytest.raises(StudyError) as caught:
        lay_out(mini(**changes).resolved())
    return list(caught.value.problems)


def test_cells_are_all_combinations_scenario_first_and_policy_last() -> None:
    cells = cells_of(
        scenario=[{"name": "static", "n_models": [3, 4]}, {"name": "static", "label": "ten"}],
        policy=[{"name": "stageroute", "gamma": [0.1, "theory"]}, {"name": "uniform"}],
        setting={"max_deployed": [2, 3]},
    )
    assert [cell.number for cell in cells] == list(range(36))
    assert [(c.scenario, c.settings.horizon, c.settings.max_deployed) for c in cells[::3]] == [
        (scenario, horizon, deployed)
        for scenario in ("static (n_models=3)", "static (n_models=4)", "ten")
        for horizon in (60, 90)
        for deployed in (2, 3)
    ]
    assert [cell.policy for cell in cells[:3]] == [
        "stageroute (gamma=0.1)",
        "stageroute (gamma=theory)",
        "uniform",
    ]
    assert [cell.world for cell in cells] == [number // 3 for number in range(36)]
    assert [cell.axes["policy_gamma"] for cell in cells[:3]] == [0.1, "theory", "paper"]
    assert len({cell.key for cell in cells}) == 36


def test_tables_on_an_axis_have_a_short_form() -> None:
    router = {"name": "pacer", "step": 0.1}
    cells = cells_of(
        policy=[{"name": "stageroute", "router": ["lp", router]}],
        setting={"horizon": 60},
    )
    assert [cell.policy for cell in cells] == [
        "stageroute (router=lp)",
        "stageroute (router=pacer(step=0.1))",
    ]
    assert [cell.axes["policy_router"] for cell in cells] == ["lp", "pacer(step=0.1)"]
    assert (
        value_label({"name": "mine:Law", "rows": [[1, 2], [3]]}) == "mine:Law(rows=[[1, 2], [3]])"
    )
    assert value_label({"name": "beta"}) == "beta"


def test_axes_in_zip_go_together() -> None:
    cells = cells_of(
        zip=[["horizon", "trials", "policy.gamma"]],
        policy=[{"name": "stageroute", "gamma": [0.1, 0.2]}, {"name": "uniform"}],
        setting={"trials": [200, 100], "seed": [1, 2]},
    )
    assert [cell.policy for cell in cells] == ["stageroute", "uniform"] * 4
    # What the world decides is not for the label of the policy to tell.
    assert [(c.settings.horizon, c.trials, c.settings.seed, c.gamma) for c in cells[::2]] == [
        (horizon, trials, seed, gamma)
        for horizon, trials, gamma in ((60, 200, 0.1), (90, 100, 0.2))
        for seed in (1, 2)
    ]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([["horizon"]], "must name at least two axes"),
        ([["horizon", "budget"]], '"budget" is not an axis. The axes are: horizon, trials, seed'),
        ([["horizon", "trials"]], "horizon has 2 values, trials has 3 values"),
        ([["horizon", "seed"], ["seed", "trials"]], '"seed" is in zip[0] too'),
    ],
)
def test_axes_that_cannot_go_together(groups: list[list[str]], words: str) -> None:
    with pytest.raises(StudyError) as caught:
        mini(zip=groups, setting={"trials": [1, 2, 3], "seed": [4, 5]})
    assert any(words in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("families", "labels"),
    [
        (["MMLU", "GSM8K"], ["routerbench"]),
        ([["MMLU"], ["MMLU", "GSM8K"]], [f"routerbench (families={x})" for x in
                                         ('["MMLU"]', '["MMLU", "GSM8K"]')]),
        ({"grid": ["MMLU", "GSM8K"]}, [f"routerbench (families={x})" for x in ("MMLU", "GSM8K")]),
        ({"grid": ["MMLU"]}, ["routerbench"]),
    ],
)  # fmt: skip
def test_a_list_that_is_a_value_is_no_axis(families: Any, labels: list[str]) -> None:
    study = mini(
        scenario={"name": "routerbench", "families": families},
        policy=[{"name": "uniform"}],
        setting={"horizon": 60},
    )
    assert [point.scenario.label for point in points(study)] == labels
    assert Study.from_toml_text(study.to_toml()) == study


def test_too_many_cells_are_refused_before_any_is_made() -> None:
    huge = {"seed": list(range(5000)), "trials": list(range(1, 5001))}
    (problem,) = problems_of(setting=huge)
    assert "the grid has 100,000,000 cells, more than max_cells = 10,000" in problem
    assert "horizon 2, trials 5000, seed 5000" in problem
    assert len(cells_of(max_cells=4)) == 4
    assert len(problems_of(max_cells=3)) == 1


def test_formulas_are_worked_out_for_every_cell() -> None:
    cells = cells_of(
        scenario={"name": "sota"},
        policy=[{"name": "stageroute", "gamma": "0.5 * log(N * T)", "init_pulls": "M_max + 0.4"}],
        setting={
            "horizon": [1000, "2e3 * 10"],
            "max_deployed": "ceil(N / 5)",
            "budget": ["0.5 * slack", "1.1 * cheapest"],
            "stages": ["T^(1/3)", "theory", "2 * T"],
            "trials": "max(ceil(1e5 / T), K)",
            "deploy_cost": "b / 10",
            "load_rounds": "0.1 * T / K",
        },
    )
    assert len(cells) == 12
    world = fr.scenario("sota")
    for cell in cells:
        settings = cell.settings
        horizon, deployed = settings.horizon, settings.max_deployed
        assert horizon in (1000, 20_000)
        assert deployed == math.ceil(world.n_models / 5) == 5
        rule = cell.axes["stages_rule"]
        asked = {
            "T^(1/3)": round(horizon ** (1 / 3)),
            "theory": round(24 ** (2 / 3) * horizon ** (1 / 3) / 5),
            "2 * T": horizon,
        }[rule]
        assert settings.stages == math.ceil(horizon / math.ceil(horizon / asked))
        assert cell.trials == max(math.ceil(1e5 / horizon), asked)
        assert settings.deploy_cost == float(settings.budget) / 10
        assert settings.load_rounds == round(0.1 * horizon / asked)
        assert cell.gamma == 0.5 * math.log(24 * horizon)
        assert cell.policy_options["estimator"]["init_pulls"] == 5


def test_slack_never_binds_and_cheapest_just_does() -> None:
    def budget_of(rule: str) -> float:
        (cell,) = cells_of(
            scenario={"name": "sota"},
            policy=[{"name": "oracle"}],
            setting={"horizon": 500, "budget": rule, "max_deployed": 4},
        )
        return float(cell.settings.budget)

    def values(budget: float) -> NDArray[np.float64]:
        # A stage for every round, so that the value of every pool is seen.
        run = fr.simulate(
            fr.scenario("sota"),
            fr.policy("oracle"),
            horizon=500,
            stages=500,
            max_deployed=4,
            trials=1,
            budget=budget,
        )
        return run.stages["pool_value"].to_numpy()

    slack, cheapest = budget_of("slack"), budget_of("cheapest")
    np.testing.assert_allclose(values(slack), values(1e9), rtol=1e-12)
    assert (values(0.99 * slack) < values(1e9) - 1e-6).any()
    assert cheapest < slack
    values(cheapest)
    with pytest.raises(ValueError, match="is below"):
        values(cheapest * (1.0 - 1e-6))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            {"budget": "cheapest / 2"},
            "cells (0, 1, 2, 3; the first is stageroute in static, ",
        ),
        ({"budget": "cheapest / 2"}, "is below"),
        ({"budget": "slack - cheapest - 9"}, "comes to -9, but must be a finite number > 0"),
        ({"budget": "1 / (T - 60)"}, "position 3, '/': has no value for 1, 0"),
        ({"stages": 61}, "stages=61 is more than horizon=60"),
        ({"backend": "nunba"}, "nunba"),
        (
            {"load_rounds": "2 * T / K", "stages": 6, "horizon": 60},
            "load_rounds=20 is longer than a stage, 10 rounds with horizon=60 and stages=6; use at "
            "most 10, or fewer stages",
        ),
        ({"load_rounds": "-K"}, 'load_rounds = "-K": comes to -4, but must be a whole number >= 0'),
        ({"stages": [31, 32], "horizon": 61}, "have the same numbers"),
        ({"trials": [64, 128]}, "trials alone are not an axis"),
    ],
)
def test_cells_that_cannot_be_played_are_named(setting: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in problems_of(setting=setting))


def test_only_the_first_problems_are_listed() -> None:
    budgets = [f"cheapest / {n}" for n in range(2, 52)]
    problems = problems_of(setting={"budget": budgets})
    assert len(problems) == 6
    assert problems[-1] == "and 45 more problems like these"


def test_what_is_wrong_with_several_cells_is_said_once() -> None:
    (problem,) = problems_of(setting={"seed": list(range(50)), "budget": "cheapest / 2"})
    assert problem.startswith("200 cells (0, 1, 2, 3, 4, ...; the first is stageroute in static, ")


def test_policies_of_one_world_share_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def counting(name: str, options: Any) -> Any:
        built.append(name)
        return build_scenario(name, options)

    monkeypatch.setattr("fastroute.study.cells.build_scenario", counting)
    cells = cells_of(setting={"seed": list(range(20))})
    assert len(cells) == 80
    assert built == ["static"]
    assert len({id(cell.settings) for cell in cells}) == 40


@pytest.mark.parametrize(
    ("setting", "store"),
    [
        ({"horizon": 300, "trials": 256}, {}),
        ({"horizon": 300, "trials": 256, "stages": 100}, {}),
        ({"horizon": 300, "trials": 256, "stages": 100}, {"stages": "means"}),
        ({"horizon": 200, "trials": 512}, {"curves": "moments", "stages": "means"}),
        ({"horizon": 60, "trials": 64, "seed": list(range(10))}, {}),
    ],
)
def test_the_size_of_a_study_is_known_before_it_runs(
    setting: dict[str, Any], store: dict[str, Any], tmp_path: Path
) -> None:
    study = mini(
        scenario={"name": "sota"},
        setting={"checkpoints": 64, **setting},
        store={"shard_trials": "auto", **store},
    )
    run_study(study, tmp_path / "run", progress=False)
    size = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert 0.5 < estimate(study).bytes / size < 2.0


def test_the_key_is_of_what_the_results_depend_on() -> None:
    base = {cell.key for cell in cells_of()}
    assert base == {cell.key for cell in cells_of(name="other", store={"shard_trials": 128})}
    assert base == {cell.key for cell in cells_of(setting={"trials": 99})}
    labelled = [{"name": "stageroute", "label": "a"}, {"name": "uniform", "label": "b"}]
    assert base == {cell.key for cell in cells_of(policy=labelled)}
    for changes in (
        {"setting": {"seed": 6}},
        {"setting": {"checkpoints": 6}},
        {"setting": {"deploy_cost": 0.1}},
        {"setting": {"load_rounds": 1}},
        {"setting": {"budget": "1.3 * cheapest"}},
        {"scenario": {"name": "static", "n_models": 4, "gap": 0.2}},
        {"policy": [{"name": "stageroute", "gamma": 0.2}, {"name": "uniform", "gamma": 0.2}]},
    ):
        assert not base & {cell.key for cell in cells_of(**changes)}


def test_the_key_follows_the_data_behind_a_scenario(tmp_path: Path) -> None:
    def key(score: float) -> str:
        rows = [("q", "t", m, s, c) for m, s, c in (("a", score, 1.0), ("b", 0.5, 2.0))]
        frame = pl.DataFrame(rows, ["query", "task", "model", "score", "cost"], orient="row")
        frame.write_csv(tmp_path / "outcomes.csv")
        (cell,) = cells_of(
            scenario={
                "name": "replay",
                "outcomes": str(tmp_path / "outcomes.csv"),
                "models": {"a": "2024-01-01", "b": "2024-02-01"},
                "limit": 1.0,
            },
            policy=[{"name": "uniform"}],
            setting={"horizon": 60, "budget": 2.0},
        )
        return cell.key

    assert key(0.25) == key(0.25)
    assert key(0.25) != key(0.75)


@given(st.integers(1, 2**32 - 1))
def test_shards_are_whole_blocks_of_like_work(horizon: int) -> None:
    size = shard_size(horizon)
    assert size % 64 == 0
    assert 64 <= size <= 4096
    if 64 < size < 4096:
        assert size * horizon <= 40_000_000 < 2 * size * horizon


def test_counting_cells_is_laying_them_out() -> None:
    study = mini(
        zip=[["horizon", "seed"]],
        policy=[{"name": "stageroute", "gamma": [0.1, 0.2, 0.3]}, {"name": "uniform"}],
        setting={"seed": [1, 2], "max_deployed": [2, 3]},
    )
    assert count_cells(study) == len(points(study)) == 2 * 2 * 4


def test_scenarios_take_what_is_not_given_from_their_run() -> None:
    scenarios = [{"name": "minimax"}, {"name": "discovery"}, {"name": "random", "horizon": 90}]
    setting = {"horizon": [60, 90], "trials": [130, 150], "budget": 30.0}
    cells = cells_of(
        scenario=scenarios[:2], zip=[["horizon", "trials"]], setting=setting, policy=[POLICY]
    )
    assert [cell.built_with.get("horizon") for cell in cells] == [60, 90, 60, 90]
    assert [cell.built_with.get("trials") for cell in cells] == [130, 150, None, None]
    assert "horizon" not in cells[0].scenario_options
    job = cells[0].job(0, 64, horizon=40)
    assert (json.loads(job.scenario_options)["horizon"], job.settings.horizon) == (40, 40)
    # What the file says stands; only the trials are taken.
    (given_one,) = cells_of(
        scenario=scenarios[2], setting={**setting, "horizon": 90, "trials": 5}, policy=[POLICY]
    )
    assert given_one.run_options == ("trials",)
    # More trials are more of the same.
    keys = {
        cells_of(scenario=scenarios[0], setting={**setting, "horizon": 60, "trials": n})[0].key
        for n in (5, 150)
    }
    assert len(keys) == 1


def test_trials_of_a_scenario_with_instances_cannot_follow_from_them() -> None:
    setting = {"horizon": 60, "budget": 30.0}
    (cell,) = cells_of(
        scenario={"name": "minimax"}, setting={**setting, "trials": "2 * T"}, policy=[POLICY]
    )
    assert cell.built_with["trials"] == cell.trials == 120
    (problem,) = problems_of(
        scenario={"name": "minimax"}, setting={**setting, "trials": "K"}, policy=[POLICY]
    )
    assert 'trials = "K": uses K' in problem
