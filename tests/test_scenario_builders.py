import csv
import inspect
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.scenarios import SCENARIOS, ByTask, FixedCost, Scenario, scenario
from fastroute.scenarios.arrivals import arrivals_by_release, release_order
from fastroute.scenarios.routerbench import FAMILIES, published_means
from fastroute.scenarios.sota import MODELS

PACKAGED = ["sota", "routerbench", "static"]


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_scenarios_build_and_resolve(name: str) -> None:
    built = scenario(name)
    assert isinstance(built, Scenario)
    assert built.name == name
    assert "synthetic" in built.note or "surrogate" in built.note
    world = built.resolve(1000, 2)
    assert world.arrival.min() == 0
    assert world.arrival.max() <= 800
    assert world.limit[world.arrival == 0].sum() >= 1.0


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_builders_take_named_options_and_document_them(name: str) -> None:
    builder = SCENARIOS[name]
    assert builder.__doc__ is not None
    for option in inspect.signature(builder).parameters:
        assert option in builder.__doc__


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("routerbnch", {}, ["'routerbnch'", "did you mean 'routerbench'"]),
        ("sota", {"lmit": 0.5}, ["'lmit'", "did you mean 'limit'", "spread"]),
        ("replay", {}, ["'replay'", "'outcomes'"]),
        ("sota", {"limit": 0.1}, ["limit=0.1", "5 initial", "limit >= 0.2"]),
        ("sota", {"limit": 1.5}, ["limit=1.5", "(0, 1]"]),
        ("sota", {"limit": True}, ["limit=True"]),
        ("sota", {"limit": "x"}, ["limit='x'"]),
        ("sota", {"initial": 0}, ["initial=0", ">= 1"]),
        ("sota", {"initial": 2.5}, ["initial=2.5", "whole"]),
        ("sota", {"initial": 1}, ["limit=0.4", "1 initial"]),
        ("sota", {"spread": -0.1}, ["spread=-0.1", "[0, 1]"]),
        ("sota", {"cost": "lognormal"}, ["cost='lognormal' needs sigma"]),
        ("routerbench", {"families": ["mmlu"]}, ["families='mmlu'", "did you mean 'MMLU'"]),
        ("routerbench", {"families": "GSM"}, ["families='GSM'", "did you mean 'GSM8K'"]),
        ("routerbench", {"families": []}, ["families=[]"]),
        ("static", {"n_models": 1}, ["n_models=1", ">= 2"]),
        ("static", {"n_models": 10**9}, ["n_models=1000000000", "at most 100,000"]),
        ("random", {"trials": 2, "n_models": 10**9}, ["n_models=1000000000", "100,000"]),
        ("discovery", {"n_arrivals": 10**9}, ["n_arrivals=1000000000", "100,000"]),
        ("static", {"gap": 0.9}, ["gap=0.9", "best=0.6"]),
        ("static", {"best": 1.1}, ["best=1.1"]),
        ("static", {"cost": 0.0}, ["cost=0.0", "> 0"]),
        ("static", {"limit": 0.05}, ["limit=0.05", "n_models=10", "limit >= 0.1"]),
    ],
)
def test_bad_names_and_options_are_refused(
    name: str, options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        scenario(name, **options)
    assert [word for word in words if word not in str(error.value)] == []


# Arrival by release date.


def test_arrivals_are_proportional_to_dates() -> None:
    days = [date(2024, 1, 1), date(2024, 1, 11), date(2024, 1, 21), date(2024, 2, 20)]
    arrival = arrivals_by_release(days, limit=0.5, initial=2, spread=0.8)
    np.testing.assert_allclose(arrival, [0.0, 0.0, 0.2, 0.8])


def test_models_released_together_arrive_together() -> None:
    days = [date(2024, 1, 1), date(2024, 1, 11), date(2024, 1, 11), date(2024, 2, 20)]
    arrival = arrivals_by_release(days, limit=0.5, initial=2, spread=1.0)
    assert arrival.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_release_order_keeps_the_order_of_equal_dates() -> None:
    days = [date(2024, 2, 1), date(2024, 1, 1), date(2024, 2, 1), date(2024, 1, 1)]
    assert release_order(days) == [1, 3, 0, 2]


@given(
    st.lists(st.dates(date(2000, 1, 1), date(2030, 1, 1)), min_size=1, max_size=30),
    st.integers(1, 40),
    st.floats(0.0, 1.0),
)
def test_arrivals_rise_from_zero_to_the_spread(
    days: list[date], initial: int, spread: float
) -> None:
    days = sorted(days)
    arrival = arrivals_by_release(days, limit=1.0, initial=initial, spread=spread)
    assert (arrival[:initial] == 0.0).all()
    assert (np.diff(arrival) >= 0.0).all()
    assert arrival[-1] == (spread if days[-1] > days[min(initial, len(days)) - 1] else 0.0)


# sota


def test_sota_frontier_rises_and_prices_fall() -> None:
    assert [model.released for model in MODELS] == sorted(model.released for model in MODELS)
    frontier = np.maximum.accumulate([model.reward for model in MODELS])
    assert np.unique(frontier).size >= 8
    lines: dict[str, list[float]] = {}
    for model in MODELS:
        lines.setdefault(model.name.rsplit("-", 1)[0], []).append(model.cost)
        assert model.name.endswith(str(model.released.year))
    assert len({line.split("-")[0] for line in lines}) >= 4
    assert len({line.split("-")[1] for line in lines}) == 3
    for line, costs in lines.items():
        assert costs == sorted(costs, reverse=True), line


def test_price_of_a_given_reward_falls() -> None:
    for target in (0.5, 0.6, 0.7):
        cheapest = [
            min(m.cost for m in MODELS if m.reward >= target and m.released.year <= year)
            for year in (2024, 2025, 2026)
        ]
        assert cheapest == sorted(cheapest, reverse=True)
        assert cheapest[-1] < cheapest[0]


def test_sota_says_that_it_is_synthetic() -> None:
    built = scenario("sota")
    assert "synthetic" in built.note
    assert "synthetic" in built.cost_unit
    assert "invented" in (SCENARIOS["sota"].__doc__ or "")
    assert built.n_models == len(MODELS) == 24


def test_cost_law_is_an_option() -> None:
    built = scenario("sota", cost={"name": "lognormal", "sigma": 0.5}, initial=24)
    assert (built.arrival == 0.0).all()
    world = built.resolve(10, 1)
    np.testing.assert_allclose(world.cost.table.mean(axis=0), built.cost_mean, rtol=1e-12)


# static


def test_static_hides_the_best_model_at_the_end() -> None:
    built = scenario("static", n_models=4, best=0.7, gap=0.2, cost=3.0)
    np.testing.assert_allclose(built.reward_mean, [0.5, 0.5, 0.5, 0.7])
    assert built.cost_range == (3.0, 3.0)
    assert built.cost == FixedCost()


# routerbench


def test_routerbench_draws_tasks_by_number_of_prompts() -> None:
    means = published_means()
    built = scenario("routerbench")
    assert isinstance(built.reward, ByTask)
    np.testing.assert_allclose(built.reward.share, means.prompts / 36_497)
    assert means.score.shape == (86, 11)
    assert set(means.families) == set(FAMILIES)
    overall = dict(zip(means.models, means.overall, strict=True))
    np.testing.assert_allclose(
        built.reward_mean, [overall[model] for model in built.models], atol=5.1e-5
    )


def test_routerbench_multiple_choice_means_are_whole_numbers_of_answers() -> None:
    means = published_means()
    choice = [
        row
        for row, family in enumerate(means.families)
        if family in ("ARC-Challenge", "HellaSwag", "MMLU", "Winogrande")
    ]
    assert len(choice) == 60
    right = means.score[choice] * means.prompts[choice, None]
    assert np.abs(right - right.round()).max() < 1e-5


def test_routerbench_models_come_by_release_date() -> None:
    means = published_means()
    built = scenario("routerbench")
    released = dict(zip(means.models, means.released, strict=True))
    assert [released[model] for model in built.models] == sorted(means.released)
    # The same day: order of the table, and the same arrival.
    first, second = (
        built.models.index(name) for name in ("gpt-3.5-turbo-1106", "gpt-4-1106-preview")
    )
    assert second == first + 1
    assert built.arrival[first] == built.arrival[second] > 0.0


def test_routerbench_families_select_tasks_but_not_costs() -> None:
    whole = scenario("routerbench")
    part = scenario("routerbench", families="MMLU")
    both = scenario("routerbench", families=["MMLU", "GSM8K", "MMLU"])
    assert isinstance(part.reward, ByTask)
    assert isinstance(both.reward, ByTask)
    assert part.reward.weight.size == 57
    assert both.reward.weight.size == 58
    np.testing.assert_array_equal(part.cost_mean, whole.cost_mean)
    assert "MMLU" in part.note
    assert "all prompts" in part.note


def test_routerbench_means_are_shared_and_frozen() -> None:
    with pytest.raises(ValueError, match="read-only"):
        published_means().score[0, 0] = 1.0


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_packaged_table_equals_the_reference(shared: Path) -> None:
    means = published_means()
    folder = shared / "data" / "routerbench_reference"
    reference = rows(folder / "eval_by_model_0shot.csv")
    assert means.tasks == tuple(row["eval_name"] for row in reference)
    assert means.families == tuple(row["family"] for row in reference)
    assert means.prompts.tolist() == [int(row["n_prompts"]) for row in reference]
    scores = [[float(row[model]) for model in means.models] for row in reference]
    np.testing.assert_array_equal(means.score, scores)
    models = {row["model"]: row for row in rows(folder / "models.csv")}
    for model, released in zip(means.models, means.released, strict=True):
        assert released.isoformat() == models[model]["release_date"]
    overall = {
        row["model"]: row for row in rows(folder / "aggregate_0shot.csv") if row["dataset"] == "ALL"
    }
    assert means.overall.tolist() == [float(overall[m]["mean_score"]) for m in means.models]
    assert means.cost.tolist() == [float(overall[m]["mean_cost_usd"]) for m in means.models]


def test_pooled_families_equal_the_reference(shared: Path) -> None:
    reference = rows(shared / "data" / "routerbench_reference" / "family_by_model_0shot.csv")
    for row in reference:
        family = row["family"]
        built = scenario("routerbench", families=None if family == "ALL" else family)
        expected = [float(row[model]) for model in built.models]
        np.testing.assert_allclose(built.reward_mean, expected, atol=6e-7)
