"""The answers on gamma, initialisation, limits, budget, concurrency, baselines and others.

Tiny studies are run once each; trials made up on their cells decide what the verdict must say.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fastroute.report.answers import ANSWERS, Answer
from fastroute.report.answers.baselines import answer as baselines_answer
from fastroute.report.answers.paper import _deployed
from fastroute.report.answers.words import (
    describe_best,
    format_estimate,
    format_power,
    join_alike,
)
from fastroute.report.style import format_margin
from fastroute.scenarios import scenario
from fastroute.study import StoredStudy, Study, load, run_study
from fastroute.study.cells import lay_out
from undrawn import without_figures

ROUTERBENCH: dict[str, Any] = {"name": "routerbench"}
STAGEROUTE: dict[str, Any] = {"name": "stageroute", "gamma": "scaled:0.1", "label": "StageRoute"}
STUDIES: dict[str, dict[str, Any]] = {
    "gamma": {
        "scenario": {**ROUTERBENCH, "initial": 11},
        "policy": [{"name": "stageroute", "gamma": [0.03, 0.3, 3.0]}],
        "setting": {"budget": ["0.1 * slack", "0.3 * slack", "slack"]},
    },
    "initialisation": {
        "scenario": {"name": "sota"},
        "policy": [
            {"name": "stageroute", "label": "optimistic"},
            {"name": "stageroute", "init": "formula", "label": "formula"},
            {"name": "stageroute", "init": "forced", "init_pulls": 3, "label": "forced"},
            {"name": "oracle"},
        ],
    },
    "throughput": {
        "scenario": {**ROUTERBENCH, "limit": [0.2, 0.4, 1.0]},
        "policy": [STAGEROUTE, {"name": "oracle"}],
    },
    "budget": {
        "scenario": ROUTERBENCH,
        "policy": [{**STAGEROUTE, "margin": [0.0, 0.05, 0.2]}],
        "setting": {"budget": ["1.2 * cheapest", "slack"]},
    },
    "concurrency": {
        "scenario": {"name": "random", "n_models": [6, 12]},
        "policy": [{**STAGEROUTE, "fill": ["reduced_cost", "none", "ucb"]}],
        "setting": {"max_deployed": [3, 5], "budget": 3.0},
    },
    "baselines": {
        "scenario": [{"name": "sota"}, {"name": "minimax"}],
        "policy": [STAGEROUTE, {"name": "oracle"}, {"name": "greedy"}, {"name": "uniform"}],
    },
    "paper": {
        "scenario": ROUTERBENCH,
        "policy": [STAGEROUTE, {"name": "oracle"}, {"name": "uniform"}],
    },
    "successor": {
        "scenario": [{"name": "sota"}, {"name": "minimax"}],
        "policy": [
            {
                "name": "stageroute",
                "label": "triple",
                "estimator": [{"name": "ucb", "gamma": "scaled:0.1"}, "mean"],
                "deployer": ["mip", "random"],
                "router": ["lp", "drift_plus_penalty"],
            },
            {"name": "oracle"},
        ],
    },
    "features": {
        "scenario": {"name": "linear", "d": [2, 3], "n_models": 4, "rows": 20},
        "policy": [
            STAGEROUTE,
            {"name": "stageroute", "estimator": "linear", "label": "linear"},
            {"name": "stageroute", "estimator": "linear", "router": "pacer", "label": "alone"},
            {"name": "oracle"},
        ],
        "setting": {"horizon": [64, 216], "max_deployed": 3},
    },
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the study of a question when it is first asked for."""
    folder = tmp_path_factory.mktemp("questions")

    @functools.cache
    def stored(name: str) -> StoredStudy:
        data = {"name": name, "answer": name, **STUDIES[name]}
        setting: dict[str, Any] = {
            "horizon": 216,
            "max_deployed": 5,
            "trials": 12,
            "checkpoints": 8,
        }
        setting |= {"budget": "0.7 * cheapest + 0.3 * slack", **data.pop("setting", {})}
        run_study(Study.from_dict({**data, "setting": setting}), folder / name, progress=False)
        return load(folder / name)

    return stored


class Doctored:
    """A stored study with other trials than it has played."""

    def __init__(self, stored: StoredStudy, **columns: pl.Expr) -> None:
        self._stored = stored
        noise = np.random.default_rng(3).standard_normal(stored.trials.collect().height)
        trials = stored.trials.collect().with_columns(pl.Series("noise", noise))
        facts = stored.cells.select("cell", "gamma", "policy_options").collect()
        trials = trials.join(facts, on="cell", how="left", maintain_order="left")
        self.trials = (
            trials.with_columns(**columns).drop("noise", *set(facts.columns) - {"cell"}).lazy()
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stored, name)


def _answer(name: str, stored: Any) -> Answer:
    return ANSWERS[name](stored)


def _read(name: str, stored: Any, **columns: pl.Expr) -> Answer:
    """Answer from made-up trials, with words and tables only."""
    with without_figures():
        return _answer(name, Doctored(stored, **columns))


def _verdict(name: str, stored: StoredStudy, **columns: pl.Expr) -> str:
    return "\n".join(_read(name, stored, **columns).verdict)


def _table(answer: Answer, title: str) -> pl.DataFrame:
    (found,) = (table.frame for table in answer.tables if table.title.startswith(title))
    return found


def _rows(name: str, title: str, stored: StoredStudy, **columns: pl.Expr) -> str:
    """Return the rows of a table as text, a line each."""
    frame = _table(_read(name, stored, **columns), title)
    return "\n".join("; ".join(map(str, row)) for row in frame.iter_rows())


@pytest.mark.parametrize("name", STUDIES)
def test_the_short_form_of_the_packaged_study_can_be_laid_out(name: str) -> None:
    study = Study.preset(name)
    quick = study.quick()
    assert study.answer == quick.answer == name
    # A minute on two cores has room for some 2e9 trial-rounds, compilation apart.
    assert sum(cell.rounds for cell in lay_out(quick.resolved())) < 2e8


NOISE = pl.col("noise")


def _option(name: str) -> pl.Expr:
    return pl.col("policy_options").str.json_path_match(f"$.{name}")


@pytest.mark.parametrize("name", STUDIES)
def test_every_question_is_answered_from_a_tiny_study(name: str, studies: Any) -> None:
    answer = _answer(name, studies(name))
    assert answer.question.endswith("?")
    assert min(len(answer.verdict), len(answer.tables), len(answer.figures)) > 0
    for table in answer.tables:
        assert table.frame.height
    for figure in answer.figures:
        for axes in figure.figure.axes:
            assert axes.get_xlabel() or axes.get_ylabel() or not axes.get_visible()


@pytest.mark.parametrize("name", STUDIES)
def test_one_cell_is_no_answer_and_says_so(name: str, studies: Any, tmp_path: Path) -> None:
    study = Study.from_dict(
        {
            "name": "one",
            "answer": name,
            "scenario": ROUTERBENCH,
            "policy": [STAGEROUTE],
            "setting": {
                "horizon": 60,
                "budget": "1.5 * cheapest",
                "max_deployed": 5,
                "trials": 2,
            },
        }
    )
    run_study(study, tmp_path / "one", progress=False)
    text = " ".join(_answer(name, load(tmp_path / "one")).verdict)
    assert "nothing" in text or "cannot be" in text


def test_means_in_the_verdict_are_those_of_the_trials(studies: Any) -> None:
    stored = studies("baselines")
    summary = stored.summary.filter(quantity="priced_regret").collect()
    answer = _answer("baselines", stored)
    table = _table(answer, "Ranking")
    for row in summary.iter_rows(named=True):
        shown = table.filter(
            pl.col("workload") == row["scenario"],
            pl.col("policy").str.strip_chars_end(" *") == row["policy"],
        )
        assert shown.get_column("priced regret").item() == format_margin(row["mean"], row["high"])
    learners = summary.filter(pl.col("scenario") == "sota", pl.col("policy") != "oracle")
    best = learners.sort("mean").row(0, named=True)
    row = _table(answer, "Workload by workload").row(by_predicate=pl.col("workload") == "sota")
    mean = format_estimate(best["mean"], best["low"], best["high"])
    assert row[1:3] == (best["policy"], mean)


def test_gamma_follows_the_budget_where_it_does(studies: Any) -> None:
    stored = studies("gamma")
    slack = pl.col("budget").max()
    # Lowest at gamma = b / slack, and then at gamma = 0.3 whatever the budget.
    moving = (pl.col("gamma").log() - (pl.col("budget") / slack).log()) ** 2
    still = (pl.col("gamma").log() - np.log(0.3)) ** 2
    grows = _verdict("gamma", stored, priced_regret=20.0 + 10.0 * moving + 0.01 * NOISE)
    assert "The best γ grows with the budget, as b^x with x = " in grows
    best = _table(
        _read("gamma", stored, priced_regret=20.0 + 10.0 * moving + 0.01 * NOISE),
        "Best γ by budget",
    )
    assert best.row(by_predicate=pl.col("budget") == "slack")[2] in ("0.3", "3")
    constant = _verdict("gamma", stored, priced_regret=20.0 + 10.0 * still + 0.01 * NOISE)
    assert "No trend of the best γ with the budget can be told" in constant
    assert "γ = 0.3 is the best γ everywhere" in constant
    assert constant.startswith(
        "Use γ = 0.3 where one γ must serve every budget: its priced regret is at most 1.00 times "
        "that of the best γ of the budget; where you know your budget"
    )
    equal = _verdict("gamma", stored, priced_regret=20.0 + NOISE)
    assert "within noise)" in equal
    assert equal.startswith("No one γ can be advised for all budgets")


def test_gamma_reports_how_often_models_starve(studies: Any) -> None:
    small = pl.when(pl.col("gamma") < 0.1)
    always = _verdict("gamma", studies("gamma"), starved=small.then(2).otherwise(0))
    assert "a model of the optimum starves is 100 % with γ = 0.03" in always
    never = _verdict("gamma", studies("gamma"), starved=pl.lit(0))
    assert "a model of the optimum starves is 0 % with γ = 0.03" in never


def test_initialisation_names_the_better_rule_and_equal_ones(studies: Any) -> None:
    stored = studies("initialisation")
    formula = pl.when(_option("estimator.init") == "formula")
    worse = _verdict(
        "initialisation", stored, priced_regret=formula.then(50.0).otherwise(10.0) + NOISE
    )
    assert "formula has the lowest priced regret" not in worse
    better = _verdict(
        "initialisation", stored, priced_regret=formula.then(1.0).otherwise(10.0) + NOISE
    )
    assert "formula has the lowest priced regret" in better
    same = _verdict("initialisation", stored, priced_regret=pl.col("trial").cast(float))
    assert "optimistic, formula and 3 forced pulls have the same priced regret" in same


def test_waits_are_those_of_the_stages(studies: Any) -> None:
    stored = studies("initialisation")
    stages = stored.stages.select("policy", "trial", "opened", "deployed").collect()
    arrival = scenario("sota").resolve(216, 12).arrival
    last = stages.get_column("opened").max()
    first: dict[tuple[str, int, int], int] = {}
    for policy, trial, opened, deployed in stages.sort("opened").iter_rows():
        for model in deployed:
            first.setdefault((policy, trial, model), opened)
    waits = []
    for trial in range(12):
        good = [
            m
            for m in range(len(arrival))
            if 0 < arrival[m] <= last and ("oracle", trial, m) in first
        ]
        waits.append(np.mean([first.get(("formula", trial, m), 216) - arrival[m] for m in good]))
    table = _table(_answer("initialisation", stored), "Rules of initialisation")
    shown = table.filter(rule="formula").get_column("wait, rounds").item()
    assert shown.split(" ± ")[0] == format_margin(float(np.mean(waits)), float("nan"))


def test_without_arrivals_nothing_is_said_of_waits(tmp_path: Path) -> None:
    study = Study.from_dict(
        {
            "name": "none",
            "answer": "initialisation",
            "scenario": {**ROUTERBENCH, "initial": 11},
            "policy": [STAGEROUTE, {**STAGEROUTE, "init": "forced", "label": "forced"}],
            "setting": {"horizon": 60, "budget": "slack", "max_deployed": 5, "trials": 3},
        }
    )
    run_study(study, tmp_path / "none", progress=False)
    answer = _answer("initialisation", load(tmp_path / "none"))
    assert "How soon arrivals are deployed cannot be answered" in answer.verdict[-1]
    assert [figure.name for figure in answer.figures] == ["regret"]
    assert "wait, rounds" not in answer.tables[1].frame.columns
    assert "mean wait" not in answer.tables[0].frame.columns


def test_throughput_tells_which_end_is_worse(studies: Any) -> None:
    stored = studies("throughput")
    limit = pl.col("scenario_limit")
    rising = _verdict("throughput", stored, priced_regret=100.0 * limit + NOISE)
    assert "highest at α = 1 " in rising
    assert "clearly lower at the smallest limit than at the largest on 1 of 1" in rising
    falling = _verdict("throughput", stored, priced_regret=-100.0 * limit + NOISE)
    assert "on 0 of 1 lines (setting and policy), and clearly higher on 1." in falling
    flat = _verdict("throughput", stored, priced_regret=10.0 + NOISE)
    assert "on 0 of 1 lines (setting and policy), and clearly higher on 0." in flat


def test_the_margin_is_the_smallest_that_meets_the_budget(studies: Any) -> None:
    stored = studies("budget")
    margin = _option("margin").cast(float)
    tight = pl.col("budget") < pl.col("budget").max()

    def verdict(excess: float) -> str:
        cost = pl.col("budget") * (1.0 + excess - margin + 1e-4 * NOISE)
        changed = {"cost": pl.when(tight).then(cost).otherwise(0.0)}
        return "\n".join(
            [_verdict("budget", stored, **changed), _rows("budget", needed, stored, **changed)]
        )

    needed = "The smallest margin"
    enough = verdict(0.15)
    assert "slack; 0; -; -" in enough
    assert "1.2 * cheapest; 0.2; " in enough
    assert "mean cost is clearly above the budget at 1 of 2 budgets" in enough
    assert "1.2 * cheapest; 0.05; " in verdict(0.02)
    never = verdict(0.3)
    assert "1.2 * cheapest; none up to 0.2 (excess " in never
    assert "No margin of the study brings the mean cost within the budget at 1 of 1" in never
    none = verdict(-0.1)
    assert "mean cost is clearly above the budget at 0 of 2 budgets." in none
    assert "No budget needs a larger margin." in none


def test_a_margin_that_costs_nothing_is_not_said_to_cost(studies: Any) -> None:
    margin = _option("margin").cast(float)
    cost = pl.col("budget") * (1.1 - margin)
    flat = _verdict("budget", studies("budget"), cost=cost, priced_regret=10.0 + NOISE)
    assert "clearly raises priced regret at 0 of 2 budgets, and clearly lowers it at 0" in flat
    dear = _verdict(
        "budget", studies("budget"), cost=cost, priced_regret=10.0 + 100.0 * margin + NOISE
    )
    assert "clearly raises priced regret at 2 of 2 budgets" in dear


def test_fill_rules_caps_and_numbers_of_models_are_compared(studies: Any) -> None:
    stored = studies("concurrency")
    fill, models = _option("deployer.fill"), pl.col("scenario_n_models").cast(float)
    ucb = pl.when(fill == "ucb").then(5.0).otherwise(20.0)
    clear = _verdict("concurrency", stored, priced_regret=ucb + 0.1 * NOISE)
    assert "ucb is the best fill rule, or within noise of the best, in 4 of 4" in clear
    assert "reduced_cost in 0 and no fill in 0." in clear
    assert clear.startswith("Use the fill rule ucb, which is never behind the best rule")
    rules = _rows("concurrency", "Best rule", stored, priced_regret=ucb + 0.1 * NOISE)
    assert "ucb; 4 of 4; 4 of 4; -; -" in rules
    assert "reduced_cost; 0 of 4; 0 of 4; 15" in rules
    equal = _rows("concurrency", "Best rule", stored, priced_regret=20.0 + NOISE)
    assert "ucb; 0 of 4; 4 of 4; " in equal
    grows = _verdict("concurrency", stored, priced_regret=3.0 * models**2 + 0.01 * NOISE)
    assert "Priced regret grows as N^x with the number of models N, x = " in grows
    powers = "Growth with the number of models"
    fitted = _rows("concurrency", powers, stored, priced_regret=3.0 * models**2 + 0.01 * NOISE)
    assert fitted.startswith("3; 2.000")
    below = _verdict("concurrency", stored, priced_regret=NOISE - NOISE.mean())
    assert "No power of N can be fitted" in below
    rising = pl.col("max_deployed") + 0.01 * NOISE
    caps = _rows("concurrency", "Best cap", stored, priced_regret=rising)
    assert caps.startswith("6; 3; 2.999 [")
    # A low regret against the optimum of a small cap says nothing for that cap.
    assert "as many slots as you can" not in _verdict("concurrency", stored, priced_regret=rising)
    falling = _verdict("concurrency", stored, priced_regret=20.0 - rising)
    assert "and as many slots as you can, up to the M_max = " in falling
    assert "in 2 of 2 combinations of models and policy)" in falling
    assert "The best cap M_max is 3 everywhere." in _verdict(
        "concurrency", stored, priced_regret=rising
    )


def test_a_baseline_that_is_better_is_named(studies: Any) -> None:
    stored = studies("baselines")
    greedy = (pl.col("policy") == "greedy") & (pl.col("scenario") == "sota")
    regret = pl.when(greedy).then(5.0).otherwise(20.0) + NOISE
    better = _verdict("baselines", stored, priced_regret=regret)
    assert "Of 2 workloads, clearly less priced regret than StageRoute: greedy on 1 (" in better
    assert "greedy on 1 (clearly more on 0)." in better
    assert "is within noise of the lowest, on 1 of 2 workloads." in better
    rows = _rows("baselines", "Workload by workload", stored, priced_regret=regret)
    assert "sota; greedy; " in rows
    equal = _verdict("baselines", stored, priced_regret=20.0 + 1e-3 * NOISE)
    assert "No policy has clearly less priced regret than StageRoute on any workload." in equal
    assert "is within noise of the lowest, on 2 of 2 workloads." in equal


def test_overspending_is_named_with_its_interval(studies: Any) -> None:
    over = pl.when(pl.col("policy") == "greedy").then(1.5).otherwise(0.9)
    cost = pl.col("budget") * (over + 1e-3 * NOISE)
    stored, title = studies("baselines"), "Workload by workload"
    assert _rows("baselines", title, stored, cost=cost).count("; 1 of 3; greedy, 50.0") == 2
    assert "StageRoute overspends clearly on no workload." in _verdict(
        "baselines", stored, cost=cost
    )
    mine = pl.when(pl.col("policy") == "StageRoute").then(1.2).otherwise(0.9)
    said = _verdict("baselines", stored, cost=pl.col("budget") * (mine + 1e-3 * NOISE))
    assert "StageRoute overspends clearly on 2 of 2 workloads, by up to 19.99 [" in said
    none = _rows("baselines", title, stored, cost=0.5 * pl.col("budget"))
    assert none.count("; 0 of 3; -") == 2


def test_policies_that_know_the_means_are_not_ranked(studies: Any) -> None:
    answer = baselines_answer(studies("baselines"))
    oracle = _table(answer, "Ranking").filter(pl.col("policy") == "oracle *")
    assert oracle.get_column("rank").to_list() == ["-", "-"]
    assert "oracle" not in "\n".join(answer.verdict)


def test_the_paper_is_judged_by_paired_differences(studies: Any) -> None:
    uniform = pl.when(pl.col("policy") == "uniform")
    worse = _verdict("paper", studies("paper"), priced_regret=uniform.then(90.0).otherwise(1.0))
    less = "StageRoute has clearly less priced regret than uniform (in 1 of 1 settings, by up to "
    assert f"{less}89.00 [" in worse
    assert "StageRoute has clearly more priced regret than no other policy." in worse
    better = _verdict("paper", studies("paper"), priced_regret=uniform.then(-9.0).otherwise(1.0))
    assert "clearly more priced regret than uniform (in 1 of 1 settings, by up to 10" in better


def test_deployment_shares_are_counts_of_the_stages(studies: Any) -> None:
    stored = studies("paper")
    share = _deployed(stored, 0)
    stages = stored.stages.filter(cell=0).collect()
    assert share.shape == (11, stages.get_column("stage").n_unique())
    assert share.max() <= 1.0
    for stage in (0, share.shape[1] - 1):
        sets = stages.filter(stage=stage).get_column("deployed").to_list()
        counts = [sum(model in one for one in sets) / len(sets) for model in range(11)]
        np.testing.assert_allclose(share[:, stage], counts)


def _triple(*parts: str) -> pl.Expr:
    return pl.all_horizontal(
        pl.col("policy").str.contains(f"={part}", literal=True) for part in parts
    )


def test_a_triple_that_is_better_everywhere_is_named(studies: Any) -> None:
    stored = studies("successor")
    winner = _triple("mean", "random", "lp")
    binds = pl.col("scenario") == "sota"
    regret = 20.0 + NOISE - pl.when(winner).then(10.0).otherwise(0.0)
    spent = pl.when(binds).then(20.0 + NOISE - pl.when(winner).then(9.0).otherwise(0.0))
    both = {"priced_regret": regret, "worst_stage_violation": spent.otherwise(0.0)}
    found = _read("successor", stored, **both).verdict
    assert found[0].startswith("mean · random · lp is uniformly better than StageRoute: on every")
    assert "out of 7 other triples" in found[1]
    assert "clearly less priced regret on 2 (sota and minimax) of 2 workloads" in found[1]
    assert "and clearly more on 0." in found[1]
    assert "and clearly more on 0, the same on 1 (minimax)." in found[2]
    assert "or the same in every trial: mean · random · lp." in " ".join(found)
    # The truth is no rival.
    assert "truth" not in " ".join(found)

    here = pl.when(winner & binds).then(10.0).otherwise(0.0)
    lost = pl.when(winner & ~binds).then(10.0).otherwise(0.0)
    mixed = _verdict("successor", stored, **{**both, "priced_regret": 20.0 + NOISE - here + lost})
    assert mixed.startswith("No triple was found")
    assert "Clearly less of both on every" not in mixed
    # Equal overspending is not a reason to be better by both measures.
    half = _verdict("successor", stored, priced_regret=regret, worst_stage_violation=pl.lit(0.0))
    assert half.startswith("No triple was found that is clearly better")
    assert "but mean · random · lp is clearly better on some and clearly worse on none" in half
    # Where the budget does not bind, it may do what StageRoute does.
    base = 20.0 + pl.col("trial")
    gain = pl.when(binds).then(10.0).otherwise(0.0)
    rest = pl.when(_triple("ucb", "mip", "lp")).then(base).otherwise(base + 5.0)
    equal = pl.when(winner).then(base - gain).otherwise(rest)
    tied = _verdict("successor", stored, **{**both, "priced_regret": equal})
    assert tied.startswith("mean · random · lp is uniformly better than StageRoute")
    less = "clearly less priced regret on 1 (sota) of 2 workloads and clearly more on 0, the same"
    assert f"{less} on 1 (minimax)." in tied


def test_no_triple_is_better_where_all_are_equal(studies: Any) -> None:
    stored = studies("successor")
    equal = {"priced_regret": 20.0 + 0.0 * NOISE, "worst_stage_violation": pl.lit(1.0)}
    text = _verdict("successor", stored, **equal)
    assert text.startswith("No triple was found")
    assert "The same as StageRoute in every trial: ucb · mip · drift_plus_penalty, " in text
    assert "is open" not in text
    noisy = _verdict("successor", stored, **{**equal, "priced_regret": 20.0 + NOISE})
    assert "0 of the 7 other triples have clearly more" in noisy
    assert "Whether these are uniformly better is open: ucb · mip · drift_plus_penalty, " in noisy
    other = ~_triple("ucb", "mip", "lp")
    worse = pl.when(other).then(90.0).otherwise(20.0) + NOISE
    refuted = _verdict("successor", stored, **{**equal, "priced_regret": worse})
    assert "7 of the 7 other triples have clearly more" in refuted
    assert "The fewest such losses are 2: ucb · mip · drift_plus_penalty, " in refuted
    assert "is open" not in refuted


def test_the_pareto_front_is_that_of_the_means(studies: Any) -> None:
    stored = studies("successor")
    fast = _triple("mean", "mip", "lp")
    safe = _triple("mean", "random", "lp")
    regret = pl.when(fast).then(1.0).when(safe).then(30.0).otherwise(20.0) + 0.1 * NOISE
    spent = pl.when(fast).then(5.0).when(safe).then(1.0).otherwise(8.0) + 0.1 * NOISE
    answer = _read("successor", stored, priced_regret=regret, worst_stage_violation=spent)
    front = _table(answer, "Pareto fronts")
    expected = ["mean · mip · lp", "mean · random · lp"] * 2
    assert front.get_column("triple").to_list() == expected
    assert "has 2 triples per workload; StageRoute is on it on 0 of 2" in answer.verdict[-1]
    assert "On 2 of 2 workloads some triple has clearly less of both" in answer.verdict[3]


def test_looking_is_worth_it_from_the_horizon_from_which_it_always_is(studies: Any) -> None:
    stored = studies("features")
    looks = pl.col("policy") == "linear"
    late = looks & (pl.col("horizon") == 216)

    def worth(gain: pl.Expr) -> str:
        return _rows("features", "Whether looking", stored, priced_regret=20.0 + NOISE - gain)

    def verdict(gain: pl.Expr) -> str:
        return _verdict("features", stored, priced_regret=20.0 + NOISE - gain)

    text = verdict(pl.when(late).then(9.0).otherwise(0.0))
    less = "linear, which looks at the query, has clearly less priced regret than StageRoute"
    assert f"{less} in 2 of 2 settings, from T = 216 on." in text
    assert worth(pl.when(late).then(9.0).otherwise(0.0)).count("; T = 216; T = 216; -") == 2
    assert "from T = 64 on, the shortest played" in verdict(pl.when(looks).then(9.0).otherwise(0.0))
    # What is gained at a short horizon and lost at a longer one is not worth it from there on.
    early = pl.when(looks & ~late).then(9.0).otherwise(0.0)
    assert worth(early).count("; never; ") == 2
    assert f"{less[:-11]} StageRoute in no setting" in verdict(early)
    worse = pl.when(late).then(-9.0).otherwise(0.0)
    assert worth(worse).count("; clearly worse; ") == 2
    assert "in no setting, and clearly more in 2 of 2." in verdict(worse)
    # A policy whose deployer and router nobody shares has none to be compared with; nor the truth.
    assert "alone, which" not in text
    assert "oracle" not in text


def test_what_is_captured_is_charged_with_overspending(studies: Any) -> None:
    stored = studies("features")
    trials = stored.trials.collect()
    answer = _answer("features", stored)
    for row in _table(answer, "What is captured").iter_rows(named=True):
        budget = float(row["setting"].removeprefix("b = "))
        one = trials.filter(
            pl.col("policy") == row["policy"],
            pl.col("horizon") == int(row["T"]),
            (pl.col("budget") / budget - 1.0).abs() < 1e-3,
        )
        charged = one.get_column("captured") * one.get_column("priced_regret")
        after = 100.0 * charged / one.get_column("regret")
        assert float(row["after overspending, %"].split(" ±")[0].replace(",", "")) == pytest.approx(
            after.mean(), rel=2e-3
        )
    worth = _table(answer, "What knowing")
    assert worth.get_column("V_ctx is").to_list() == ["exact", "exact"]


def test_sentences_on_the_best() -> None:
    def rows(*found: tuple[str, float, float, float, bool]) -> pl.DataFrame:
        names = ("kind", "difference", "difference_low", "difference_high", "tied")
        frame = pl.DataFrame(found, schema=names, orient="row")
        mean = pl.col("difference") + 1.0
        return frame.with_columns(
            mean.alias("mean"), (mean - 0.5).alias("low"), (mean + 0.5).alias("high")
        )

    best = ("a", 0.0, 0.0, 0.0, True)
    lowest = "a has the lowest cost, 1.00 [0.50, 1.50]"
    assert describe_best(rows(best), "kind", what="cost") == lowest
    clear = describe_best(rows(best, ("b", 2.0, 1.0, 3.0, False)), "kind", what="cost")
    assert clear == f"{lowest}; next is b, with 2.0 [1.0, 3.0] more"
    tied = describe_best(rows(best, ("b", 2.0, -1.0, 5.0, True)), "kind", what="cost")
    assert tied == f"{lowest}; within noise of it: b"
    two = (("b", 2.0, -1.0, 5.0, True), ("c", 3.0, -1.0, 7.0, True))
    every = describe_best(rows(best, *two), "kind", what="cost")
    assert every == f"{lowest}; within noise of it: all others"
    same = describe_best(rows(best, ("b", 0.0, 0.0, 0.0, True)), "kind", what="cost")
    assert same == "a and b have the same cost, 1.00 [0.50, 1.50]"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((12.34, 9.81, 14.72), "12.3 [9.8, 14.7]"),
        ((16138.0, 15476.0, 16800.0), "16,140 [15,480, 16,800]"),
        ((0.66931, 0.66852, 0.67009), "0.6693 [0.6685, 0.6701]"),
        # The nearer end counts, so that it is not the estimate, or zero.
        ((35.3, 3.67, 340.0), "35 [4, 340]"),
        ((1e-12, -1e-12, 1e-12), "0 [0, 0]"),
        ((-0.04, -0.061, 0.001), "-0.040 [-0.061, 0.001]"),
        # Nothing is said of chance by a single trial.
        ((3.25, float("nan"), float("nan")), "3.250"),
        ((3.25, None, None), "3.250"),
        ((float("nan"), float("nan"), float("nan")), "-"),
    ],
)
def test_an_interval_is_written_with_the_digits_that_it_supports(
    values: tuple[float, float, float], shown: str
) -> None:
    assert format_estimate(*values) == shown
    if shown != "-":
        assert format_estimate(*values, unit="%") == f"{shown} %"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((-0.5, -6.0, 5.0), "cannot be told"),
        ((0.25, -0.37, 0.87), "cannot be told"),
        # A sign, or a place near zero, says something.
        ((-4.8, -6.9, -2.6), "-4.8 [-6.9, -2.6]"),
        ((-0.051, -0.142, 0.040), "-0.051 [-0.142, 0.040]"),
    ],
)
def test_an_exponent_of_either_sign_is_not_written(
    values: tuple[float, float, float], shown: str
) -> None:
    assert format_power(*values) == shown


def test_a_change_has_a_sign_but_for_zero() -> None:
    assert format_estimate(0.012, 0.0, 0.031, sign=True) == "+0.012 [0.000, +0.031]"
    assert format_estimate(-0.02, -0.04, 0.01, sign=True) == "-0.020 [-0.040, +0.010]"
    assert format_estimate(0.25, sign=True) == "+0.2500"
    assert format_estimate(0.0, None, None, sign=True) == "0"


def test_small_numbers_keep_the_digits_that_their_interval_supports() -> None:
    assert format_estimate(6.54e-7, 5.1e-7, 8.0e-7, zero=0.0) == "6.5e-07 [5.1e-07, 8.0e-07]"
    assert format_estimate(6.54321e-5, 6.541e-5, 6.545e-5) == "6.543e-05 [6.541e-05, 6.545e-05]"


def test_what_is_alike_is_said_once() -> None:
    assert join_alike([("a", "x"), ("b", "y"), ("a", "z")]) == "a on x and z, b on y"
    assert join_alike([("a", "x"), ("a", "y")]) == "a on all of x and y"
    assert join_alike([("a", "x")]) == "a on x"
