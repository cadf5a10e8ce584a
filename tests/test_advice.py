"""From a table to a decision: the set, how sure it is, what more would buy."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

import fastroute as fr
from fastroute.advice.files import advice_page
from fastroute.advice.solution import aiq, hull
from fastroute.advice.words import estimate
from fastroute.cli import app
from fastroute.outcomes import Estimates
from fastroute.scenarios.routerbench import published_means
from fastroute.solve.frontier import deployment_frontier

MODELS = ("small", "middle", "large", "huge")
SCORE, COST = np.array([0.5, 0.65, 0.8, 0.82]), np.array([1.0, 2.0, 5.0, 20.0])


def outcomes(queries: int = 400, seed: int = 0) -> pl.DataFrame:
    """Return a full table of scores that are 0 or 1, with two tasks."""
    draw = np.random.default_rng(seed)
    hard = draw.random(queries) < 0.4
    chance = SCORE[None, :] + np.where(hard, -0.15, 0.1)[:, None]
    score = (draw.random((queries, len(MODELS))) < chance).astype(float)
    cost = COST * draw.uniform(0.8, 1.2, (queries, len(MODELS)))
    return pl.DataFrame(
        {
            "query": np.repeat(np.arange(queries), len(MODELS)),
            "task": np.repeat(np.where(hard, "hard", "easy"), len(MODELS)),
            "model": np.tile(MODELS, queries),
            "score": score.ravel(),
            "cost": cost.ravel(),
        }
    )


def exact(score: Any, cost: Any, **changes: Any) -> Estimates:
    """Return estimates without any doubt."""
    return Estimates(
        tuple(f"m{place}" for place in range(len(score))),
        np.array(score, dtype=float),
        np.array(cost, dtype=float),
        np.tile(np.array(score, dtype=float), (20, 1)),
        np.tile(np.array(cost, dtype=float), (20, 1)),
        np.full(len(score), 1000.0),
        **changes,
    )


def best(score: Any, cost: Any, limit: Any, budget: float, most: int, rows: Any = ()) -> float:
    """Return the best quality by an LP for every set; NaN where there is none."""
    found = -math.inf
    for places in itertools.combinations(range(len(score)), most):
        top = np.zeros(len(score))
        top[list(places)] = np.array(limit)[list(places)]
        above = [np.array(cost), *(-np.array(row) for row, _ in rows)]
        least = [budget, *(-floor for _, floor in rows)]
        lp = linprog(
            -np.array(score),
            A_ub=np.array(above),
            b_ub=least,
            A_eq=np.ones((1, len(score))),
            b_eq=[1.0],
            bounds=[(0.0, one) for one in top],
        )
        if lp.success:
            found = max(found, -lp.fun)
    return found


@pytest.fixture(scope="module")
def advice() -> fr.Advice:
    return fr.advise(outcomes(), budget=3.0, max_deployed=2, limit=0.8)


def test_set_and_shares_are_the_best_under_the_means(advice: fr.Advice) -> None:
    problem = advice.problem
    value = best(problem.score, problem.cost, problem.limit, 3.0, 2)
    share = advice.solution.share
    assert problem.score @ share == pytest.approx(value, abs=1e-9)
    assert problem.cost @ share <= 3.0 + 1e-9
    assert sum(advice.routing_table().values()) == pytest.approx(1.0)
    assert list(advice.routing_table()) == list(advice.deployed)
    shares = list(advice.routing_table().values())
    assert shares == sorted(shares, reverse=True)


def test_what_more_would_buy_is_the_difference_of_two_best_values(advice: fr.Advice) -> None:
    problem = advice.problem

    def value(budget: float = 3.0, most: int = 2, limit: Any = None) -> float:
        top = problem.limit if limit is None else limit
        return best(problem.score, problem.cost, top, budget, most)

    gains = {one.what: one.gain.value for one in advice.worths}
    now = value()
    assert gains["10 % more budget"] == pytest.approx(value(3.3) - now, abs=1e-9)
    assert gains["10 % less budget"] == pytest.approx(value(2.7) - now, abs=1e-9)
    assert gains["one more model"] == pytest.approx(value(most=3) - now, abs=1e-9)
    for name in advice.deployed:
        kept = [place for place, model in enumerate(problem.models) if model != name]
        rest = best(problem.score[kept], problem.cost[kept], problem.limit[kept], 3.0, 2)
        assert gains[f"without {name}"] == pytest.approx(rest - now, abs=1e-9)


def test_frontier_ends_where_more_models_buy_nothing(advice: fr.Advice) -> None:
    problem = advice.problem
    for most, frontier in advice.frontiers.items():
        for budget in np.linspace(frontier.budget[0], problem.cost.max(), 9):
            value = best(problem.score, problem.cost, problem.limit, budget + 1e-12, most)
            assert float(frontier.at(budget)) == pytest.approx(value, abs=1e-7)
    last = advice.frontiers[max(advice.frontiers)]
    every = best(problem.score, problem.cost, problem.limit, 4.0, len(problem.models))
    assert float(last.at(4.0)) == pytest.approx(every, abs=1e-9)
    assert advice.bands.keys() == advice.frontiers.keys()
    for most, band in advice.bands.items():
        assert (band.low <= band.value + 1e-9).all()
        assert (band.high >= band.value - 1e-9).all()
        assert advice.frontiers[most].at(band.budget) == pytest.approx(band.value, abs=1e-9)
        stored = advice.to_dict()["frontier"][str(most)]["intervals"]
        assert stored["low"] == band.low.tolist()


def test_prices_and_models_can_be_changed() -> None:
    table = exact([0.5, 0.9], [1.0, 4.0])
    assert fr.advise(table, budget=2.0, max_deployed=2).routing_table() == pytest.approx(
        {"m0": 2.0 / 3.0, "m1": 1.0 / 3.0}
    )
    cheaper = fr.advise(table, budget=2.0, max_deployed=2, what_if=["price:m1=0.5x"])
    assert cheaper.routing_table() == {"m1": 1.0}
    absolute = fr.advise(table, budget=2.0, max_deployed=2, what_if=["price:m1=2"])
    assert absolute.routing_table() == {"m1": 1.0}
    added = fr.advise(table, budget=2.0, max_deployed=2, what_if=["add:new,score=0.95,cost=1.5"])
    assert added.routing_table() == {"new": 1.0}
    held = fr.advise(table, budget=9.0, max_deployed=2, what_if=["limit:m1=0.3"])
    assert held.routing_table() == pytest.approx({"m0": 0.7, "m1": 0.3})
    assert fr.advise(table, max_deployed=2, what_if=["drop:m1"]).routing_table() == {"m0": 1.0}


def test_floors_of_tasks_are_met() -> None:
    table = exact(
        [0.5, 0.7, 0.6],
        [1.0, 2.0, 1.5],
        tasks=("code", "chat"),
        score_by_task=np.array([[0.9, 0.2, 0.6], [0.1, 1.2, 0.6]]),
    )
    for floor in (0.3, 0.5, 0.7):
        found = fr.advise(
            table, budget=1.8, max_deployed=2, constraints=[f"min-score:code={floor}"]
        )
        rows = [([0.9, 0.2, 0.6], floor)]
        value = best(table.score, table.cost, np.ones(3), 1.8, 2, rows)
        assert found.problem.score @ found.solution.share == pytest.approx(value, abs=1e-7)
        assert np.array([0.9, 0.2, 0.6]) @ found.solution.share >= floor - 1e-9
        # The frontier keeps to the floor too, at every budget; its draws would be programs each.
        assert found.bands == {}
        assert "the frontier under them has no intervals" in str(found)
        for most, frontier in found.frontiers.items():
            for budget in np.linspace(frontier.budget[0] + 1e-9, 2.1, 7):
                value = best(table.score, table.cost, np.ones(3), budget, most, rows)
                assert float(frontier.at(budget)) == pytest.approx(value, abs=1e-9)
    # Of one model 0.7 is reached by the first alone.
    assert found.frontiers[1].value.tolist() == [0.5]
    assert found.to_dict()["frontier"]["1"]["intervals"] is None
    with pytest.raises(ValueError, match=r"no mix of 2 models within the budget meets min-score"):
        fr.advise(table, budget=1.8, max_deployed=2, constraints=["min-score:code=0.95"])


def test_average_improvement_in_quality_by_hand() -> None:
    # Corners (1, 0.2), (2, 0.5), (4, 0.9); the last model is dearer and worse.
    cost, score = np.array([1.0, 2.0, 4.0, 5.0]), np.array([0.2, 0.5, 0.9, 0.7])
    area = 0.5 * (0.2 + 0.5) * 1.0 + 0.5 * (0.5 + 0.9) * 2.0 + 0.9 * 1.0
    assert aiq(cost, score) == pytest.approx(area / 4.0)
    assert math.isnan(aiq(np.array([1.0, 1.0]), np.array([0.2, 0.5])))


def test_average_improvement_in_quality_of_the_published_means() -> None:
    # RouterBench (arXiv 2403.12031): the zero router is the hull of the single models. Of the
    # published means over all prompts its corners are these; no figure for it is published.
    means = published_means()
    corners = ("mistral-7b", "WizardLM-13B", "Yi-34B", "gpt-4-1106")
    places = [next(at for at, m in enumerate(means.models) if name in m) for name in corners]
    cost, score = means.cost[places], means.overall[places]
    costs, scores = hull(means.cost, means.overall)
    assert costs == pytest.approx(cost)
    assert scores == pytest.approx(score)
    area = sum(0.5 * (score[i] + score[i + 1]) * (cost[i + 1] - cost[i]) for i in range(3))
    expected = area / (cost[-1] - cost[0])
    assert aiq(means.cost, means.overall) == pytest.approx(expected, abs=1e-12)
    # The frontier of two models is that hull, and of more models too.
    for most in (2, 11):
        frontier = deployment_frontier(means.overall, means.cost, 1.0, most)
        assert frontier.at(costs) == pytest.approx(scores, abs=1e-12)


def test_a_set_without_doubt_is_sure_and_one_in_doubt_names_the_model() -> None:
    assert fr.advise(exact([0.5, 0.9], [1.0, 4.0]), max_deployed=1).decisive is None
    draw = np.random.default_rng(0)
    score = np.array([0.70, 0.705, 0.2])
    table = Estimates(
        ("a", "b", "c"),
        score,
        np.ones(3),
        score + draw.normal(0.0, 0.01, (400, 3)),
        np.ones((400, 3)),
        np.full(3, 500.0),
    )
    found = fr.advise(table, max_deployed=1).decisive
    assert found is not None
    assert found.model in ("a", "b")
    assert 0.2 < found.inclusion < 0.8
    text = str(fr.advise(table, max_deployed=1))
    assert f"What is not sure: {found.model}" in text


def test_a_model_that_the_budget_needs_does_not_hide_which_interval_decides() -> None:
    # Without the cheap one no mix meets the budget; it is in the best set of about half the draws,
    # because the good one is cheap enough by itself there.
    draw = np.random.default_rng(1)
    score = np.array([0.5, 0.9, 0.896])
    cost = np.array([1.0, 2.01, 2.01])

    def found(models: int) -> fr.Advice:
        noise = draw.normal(0.0, 0.01, (400, models))
        table = Estimates(
            ("cheap", "good", "other")[:models],
            score[:models],
            cost[:models],
            score[:models] + noise,
            cost[:models] + np.abs(noise) * [0.0, 1.0, 1.0][:models] - [0.0, 0.015, 0.015][:models],
            np.full(models, 500.0),
        )
        return fr.advise(table, budget=2.0, max_deployed=2)

    decisive = found(3).decisive
    assert decisive is not None
    assert decisive.model in ("good", "other")
    assert math.isfinite(decisive.gain.value)
    alone = found(2)
    assert alone.decisive is None
    assert "The set is sure but for cheap, without which no mix keeps" in str(alone)


def test_the_text_says_all_of_it(advice: fr.Advice) -> None:
    text = str(advice)
    for part in ("Deploy", "Quality", "Cost", "What would change the quality", "10 % more budget"):
        assert part in text
    for name, share in advice.routing_table().items():
        assert f"{name} " in text
        assert f"{100 * share:5.1f} % of the traffic" in text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.73312, 0.70001, 0.76112, "0.733 [0.700, 0.761]"),
        (0.00307, 0.0029, 0.0032, "0.00307 [0.00290, 0.00320]"),
        # Costs of a query can be as small as rounding of sums of rewards is.
        (4e-7, 3e-7, 5e-7, "4.0e-07 [3.0e-07, 5.0e-07]"),
        (0.5, math.nan, math.nan, "0.5000"),
        (0.5, 0.5, 0.5, "0.5000"),
        (1e-13, -1e-13, 1e-13, "0"),
        (math.nan, math.nan, math.nan, "no mix keeps to the budget and the limits"),
    ],
)
def test_estimates_are_written_as_in_the_reports(
    value: float, low: float, high: float, text: str
) -> None:
    from fastroute.advice import Estimate

    assert estimate(Estimate(value, low, high)) == text


def test_learning_is_simulated_and_compared_with_staying() -> None:
    found = fr.advise(
        outcomes(),
        budget=3.0,
        max_deployed=2,
        limit=0.8,
        queries_per_day=100,
        days=10,
        present=["small"],
        draws=50,
    )
    learning = found.learning
    assert learning is not None
    assert (learning.queries, learning.days) == (1000, 10.0)
    assert {row.policy for row in learning.rows} == {"stageroute", "thompson", "greedy", "uniform"}
    losses = [row.loss for row in learning.rows]
    assert losses == sorted(losses)
    # By staying with the smallest one loses what the best mix is better than it.
    gap = float(found.problem.score @ found.solution.share) - found.problem.score[0]
    assert learning.present_loss == pytest.approx(gap, rel=0.3)
    assert all(row.beats_present_from > 0.0 for row in learning.rows)
    assert "A surrogate" in learning.note
    assert "beats the present set" in str(found)
    page = advice_page(found)
    assert page.count("A surrogate") == 1
    assert '<th scope="row">stageroute</th>' in page


def test_draws_without_a_mix_are_counted_and_said() -> None:
    # The cheapest mix costs the budget on the mean: in half of the draws it is dearer.
    table = exact([0.5, 0.9], [1.0, 4.0])
    noisy = table.cost[None, :] * np.array([0.9, 1.1] * 10)[:, None]
    unsure = Estimates(table.models, table.score, table.cost, table.score_draws, noisy, table.ess)
    found = fr.advise(unsure, budget=1.0, max_deployed=1)
    assert found.solution.met == 0.5
    text = str(found)
    assert "In 50 % of the draws no mix meets the budget" in text
    assert "10 % less budget  no mix keeps to the budget and the limits" in text
    assert "nan" not in text


def test_means_alone_are_not_called_sure() -> None:
    board = pl.DataFrame({"model": ["a", "b"], "score": [0.5, 0.9], "cost": [0.001, 0.004]})
    text = str(fr.advise(board, budget=0.002, max_deployed=2))
    assert "How sure the set is, is not known" in text
    assert "of the draws" not in text


def test_what_was_asked_stands_in_every_form() -> None:
    found = fr.advise(
        outcomes(100), budget=3.0, max_deployed=2, draws=20, what_if=["add:fox,score=0.95,cost=1"]
    )
    assert "What if: add:fox,score=0.95,cost=1" in str(found)
    assert "without the changes" in str(found)
    content = found.to_dict()
    assert content["asked"]["what_if"] == ["add:fox,score=0.95,cost=1"]
    assert content["asked"]["draws"] == 20
    assert content["quality_unchanged"]["value"] < content["quality"]["value"]
    assert "# The answer to a what-if" in found.to_litellm()


def test_shares_of_the_present_set_can_be_given() -> None:
    from fastroute.advice.learning import present_shares

    problem = fr.advise(exact([0.5, 0.9], [1.0, 4.0]), budget=2.0, max_deployed=2).problem
    assert present_shares(problem, ["m0=0.25", "m1=0.75"]).tolist() == [0.25, 0.75]
    # Dearer than the budget: that is what is left behind.
    assert present_shares(problem, ["m1"]).tolist() == [0.0, 1.0]
    assert present_shares(problem, ["m0", "m1"]) == pytest.approx([2.0 / 3.0, 1.0 / 3.0])
    for wrong in (["m0=0.25"], ["m0=0.5", "m1"], ["m0=x"]):
        with pytest.raises(ValueError, match="present="):
            present_shares(problem, wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": -1.0}, "budget=-1.0"),
        ({"budget": 0.1}, r"budget=0\.1 must be at least"),
        ({"limit": 0.3}, r"max_deployed=2: the limits of 2 models add up to 0\.6"),
        ({"max_deployed": 0}, "max_deployed=0"),
        ({"what_if": ["price:smal=2x"]}, "did you mean 'small'"),
        ({"what_if": ["price:small=-2x"]}, "a number from 0"),
        ({"what_if": ["cheaper"]}, "what_if='cheaper' must be"),
        ({"what_if": ["add:small,score=0.2,cost=1"]}, "a new name"),
        ({"what_if": ["add:new,score=2,cost=1"]}, "score"),
        ({"constraints": ["min-score:hrad=0.5"]}, "did you mean 'hard'"),
        ({"constraints": ["hard=0.5"]}, "min-score:TASK=NUMBER"),
        ({"present": ["small"]}, "give queries_per_day"),
        ({"present": ["none"], "queries_per_day": 10}, "present='none'"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fr.advise(outcomes(40), **{"budget": 3.0, "max_deployed": 2, "draws": 20, **changes})


def test_command_writes_every_form(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    outcomes(200).write_csv(file)
    asked = ["advise", str(file), "--budget", "3", "--max-deployed", "2", "--draws", "50"]
    runner = CliRunner()
    text = runner.invoke(app, [*asked, "--out", str(tmp_path / "out")])
    assert text.exit_code == 0, text.output
    assert "Deploy" in text.output
    content = json.loads((tmp_path / "out/advice.json").read_text("utf-8"))
    assert sum(content["deploy"].values()) == pytest.approx(1.0)
    assert {"quality", "frontier", "worth", "aiq", "models"} <= content.keys()
    page = (tmp_path / "out/advice.html").read_text("utf-8")
    assert "<script" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    # Words for every column, and nothing said twice.
    assert "in_best_set" not in page
    assert "max_deployed" not in page
    assert page.count("10 % more budget") == 1
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    assert heads[-7:-1] == [
        "model",
        "traffic",
        "in best set",
        "score",
        "cost (USD per query)",
        "limit",
    ]
    assert (tmp_path / "out/frontier.svg").stat().st_size > 1000
    as_json = runner.invoke(app, [*asked, "--format", "json"])
    assert json.loads(as_json.stdout)["deploy"] == content["deploy"]
    weights = runner.invoke(app, [*asked, "--format", "litellm"]).stdout
    for name, share in content["deploy"].items():
        assert f'model: "{name}"\n      weight: {share:.6g}' in weights
    assert runner.invoke(app, [*asked, "--what-if", "price:smal=2x"]).exit_code == 2


@pytest.mark.parametrize(
    ("column", "said", "option"),
    [
        ("score", "has no scores; pass a table of them", "here scores=... is --scores FILE"),
        ("cost", "has no costs; pass a price list", "here prices=... is --prices FILE"),
    ],
)
def test_a_log_without_scores_or_costs_says_what_to_do(
    column: str, said: str, option: str, tmp_path: Path
) -> None:
    file = tmp_path / "log.csv"
    # A log has tokens where it has no costs.
    outcomes(40).drop(column).with_columns(tokens_in=pl.lit(3), tokens_out=pl.lit(4)).write_csv(
        file
    )
    result = CliRunner().invoke(app, ["advise", str(file), "--max-deployed", "2"])
    assert result.exit_code == 2
    assert f"log.csv {said}" in result.output
    assert option in result.output


KINDS: dict[str, Any] = {
    "alike": lambda draw: 0.6 + draw.normal(0.0, 0.03, 6),
    "alike in part": lambda draw: np.append(0.6 + draw.normal(0.0, 0.005, 4), [0.3, 0.2]),
    "far apart": lambda draw: draw.uniform(0.3, 0.9, 6),
}


def covered(kind: str, worlds: int, seed: int, queries: int) -> float:
    """Return how often the interval of the quality holds the true quality of what is advised."""
    draw = np.random.default_rng(seed)
    inside = 0
    for world in range(worlds):
        truth = np.clip(KINDS[kind](draw), 0.0, 1.0)
        cost = np.append([1.0, 1.5], draw.uniform(1.0, 3.0, 4))
        score = (draw.random((queries, 6)) < truth).astype(float)
        table = pl.DataFrame(
            {
                "query": np.repeat(np.arange(queries), 6),
                "model": np.tile([f"m{place}" for place in range(6)], queries),
                "score": score.ravel(),
                "cost": (cost * draw.uniform(0.9, 1.1, (queries, 6))).ravel(),
            }
        )
        found = fr.advise(table, budget=2.2, max_deployed=2, limit=0.7, draws=400, seed=world)
        quality = found.solution.quality
        inside += bool(quality.low <= truth @ found.solution.share <= quality.high)
    return inside / worlds


def test_intervals_cover_the_quality_of_what_is_advised() -> None:
    # Four standard errors of 60 intervals of 95 %.
    assert covered("alike", 60, 0, 300) > 0.95 - 4.0 * math.sqrt(0.95 * 0.05 / 60)


@pytest.mark.slow  # 1,000 tables each
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_in_93_to_97_of_100(kind: str) -> None:
    # Two standard errors of 1,000 intervals beside what is promised.
    slack = 2.0 * math.sqrt(0.95 * 0.05 / 1000)
    assert 0.93 - slack <= covered(kind, 1000, 1, 400) <= 0.97 + slack
