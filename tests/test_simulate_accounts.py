"""The accounts: parts that add up, and answers worked out by hand."""

from typing import Any

import numpy as np
import pytest
from numba import njit

import fastroute as fr
from fastroute.policies import Policy
from fastroute.scenarios import FixedCost, Scenario
from fastroute.simulation import Run
from naive import ANYWHERE, SMALL_WORLDS


def run(scenario: Scenario, policy: str, **settings: Any) -> Run:
    given = {"horizon": 200, "max_deployed": 3, "trials": 2}
    return fr.simulate(scenario, fr.policy(policy), **{**given, **settings})


@njit
def cheapest(now, upper, lower, limit, count, budget, reward, cost, state, share):
    for lane in range(upper.shape[1]):
        share[np.argmin(np.where(limit[:, lane] > 0.0, lower[:, lane], np.inf)), lane] = 1.0


@njit
def dearest(now, upper, lower, limit, count, budget, reward, cost, state, share):
    for lane in range(upper.shape[1]):
        share[np.argmax(np.where(limit[:, lane] > 0.0, lower[:, lane], -1.0)), lane] = 1.0


def play(scenario: Scenario, router: Any, backend: str = "numba", **settings: Any) -> Run:
    """Route by a function that knows the true means."""
    given = {"horizon": 200, "max_deployed": 3, "trials": 2, "backend": backend}
    policy = Policy(estimator="truth", deployer="mip", router=router)
    return fr.simulate(scenario, policy, **{**given, **settings})


def test_models_beyond_sixteen_bits_keep_their_numbers() -> None:
    size = 33_000
    reward = np.full(size, 0.1)
    reward[-1] = 0.9
    given = {"budget": 2.0, "max_deployed": 1, "horizon": 20, "stages": 2, "trace": True}
    out = run(Scenario(reward, np.ones(size)), "oracle", **given)
    assert out.stages["deployed"].to_list() == [[size - 1]] * 4
    assert set(out.picks.ravel().tolist()) == {size - 1}


@pytest.fixture(
    scope="module", params=[(p, w) for p in ANYWHERE for w in ("retirement", "table", "tight")]
)
def out(request: pytest.FixtureRequest) -> Run:
    """Return a run that several tests look at."""
    policy, world = request.param
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    return run(
        scenario,
        policy,
        budget=budget,
        max_deployed=max_deployed,
        horizon=1_500,
        trials=70,
        deploy_cost=0.25,
        trace=True,
    )


class TestPartsAddUp:
    def test_regret(self, out: Run) -> None:
        for book in (out.arrays, out.finals):
            parts = book["discovery"] + book["deployment"] + book["routing"]
            np.testing.assert_allclose(parts, book["regret"], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(
                book["regret"] + book["noise"], book["realised_regret"], rtol=1e-9, atol=1e-9
            )

    def test_last_checkpoint_is_the_trial(self, out: Run) -> None:
        assert out.arrays["round"][-1] == 1_500
        for name in set(out.arrays) - {"round"}:
            np.testing.assert_array_equal(out.arrays[name][:, -1], out.finals[name], name)

    def test_stages(self, out: Run) -> None:
        import polars as pl

        rows = out.stages.with_columns(
            (pl.col("spend") * pl.col("rounds")).alias("spent"),
            ((pl.col("pool_value") - pl.col("deployed_value")) * pl.col("rounds")).alias("lost"),
        )
        sums = rows.group_by("trial", maintain_order=True).agg(
            pl.col("spent", "rounds", "lost", "over_budget_rounds", "no_capacity_rounds").sum(),
            pl.col("violation").max(),
        )
        assert sums["trial"].to_list() == list(range(70))
        assert (sums["rounds"] == 1_500).all()
        book = out.finals
        budget = out.settings["budget"]
        for mine, theirs in (
            (sums["spent"], book["cost"] * 1_500),
            (sums["lost"], book["deployment"]),
            (sums["violation"], book["worst_stage_violation"]),
            (sums["over_budget_rounds"], book["over_budget_rounds"]),
            (sums["no_capacity_rounds"], book["no_capacity_rounds"]),
            (np.maximum(sums["spent"].to_numpy() - budget * 1_500, 0.0), book["violation"]),
        ):
            np.testing.assert_allclose(np.asarray(mine), theirs, rtol=1e-9, atol=1e-9)
        assert (out.stages["budget"] == budget).all()

    def test_deployments(self, out: Run) -> None:
        sets = [[set(s) - {-1} for s in trial] for trial in out.stage_sets.swapaxes(0, 1).tolist()]
        new = [
            sum(len(now - before) for before, now in zip([set(), *trial], trial, strict=False))
            for trial in sets
        ]
        assert out.finals["deployments"].tolist() == new
        np.testing.assert_allclose(out.finals["deploy_cost"], 0.25 * np.array(new))
        frame = out.stages["deployed"].to_list()
        flat = [sorted(sets[t][k]) for k in range(len(out.plan.stages)) for t in range(70)]
        assert frame == flat

    def test_picks_belong_to_the_deployed_set(self, out: Run) -> None:
        for k, stage in enumerate(out.plan.stages):
            picks = out.picks[:, stage.opened : stage.opened + stage.rounds]
            allowed = out.stage_sets[k]
            assert ((picks[:, :, None] == allowed[:, None, :]).any(axis=2)).all()
            available = out.plan.pools[stage.pool]
            assert available[allowed[allowed >= 0]].all()

    def test_realised_sums_follow_the_picks(self, out: Run) -> None:
        # With outcomes in table order, the trace alone tells what was earned and spent.
        recorded = out.scenario.outcomes
        if recorded is None:
            pytest.skip("outcomes are random")
        rows = np.arange(1_500) % len(recorded.score)
        np.testing.assert_allclose(
            recorded.score[rows, out.picks].mean(axis=1), out.finals["reward"]
        )
        np.testing.assert_allclose(recorded.cost[rows, out.picks].mean(axis=1), out.finals["cost"])

    def test_frames(self, out: Run) -> None:
        curves = out.curves
        assert curves["trials"].unique().to_list() == [70]
        for name, points in out.arrays.items():
            if name == "round":
                continue
            rows = curves.filter(quantity=name)
            assert rows["round"].to_list() == out.arrays["round"].tolist()
            np.testing.assert_allclose(rows["mean"], points.mean(axis=0))
            np.testing.assert_allclose(
                rows["se"], points.std(axis=0, ddof=1) / np.sqrt(70), atol=1e-12
            )
            np.testing.assert_allclose(rows["q95"], np.quantile(points, 0.95, axis=0))
        summary = out.summary()
        # What has no number in this world is left out.
        known = {name for name in out.trials.columns if out.trials[name].null_count() == 0}
        assert set(summary["quantity"]) == known - {"trial"}
        row = summary.filter(quantity="regret")
        half = 1.9949454151072357 * row["se"][0]  # Student, 69 degrees of freedom
        assert row["high"][0] - row["mean"][0] == pytest.approx(half)


def test_one_trial_has_no_interval() -> None:
    out = run(fr.scenario("static", n_models=3), "stageroute", budget=1.0, trials=1)
    assert out.curves["se"].null_count() == len(out.curves)
    assert out.summary()["low"].null_count() == len(out.summary())


FIVE = Scenario(
    [0.4, 0.55, 0.7, 0.8, 0.9], [0.1, 0.4, 0.7, 1.2, 2.0], limit=[0.5, 0.6, 0.55, 0.45, 0.7]
)


class TestOracle:
    @pytest.mark.parametrize("budget", [0.28, 0.5, 0.9, 1.3, 1.7, 5.0])
    @pytest.mark.parametrize("max_deployed", [2, 3, 5])
    @pytest.mark.parametrize("backend", ["numba", "ref"])
    def test_no_regret_without_arrivals(
        self, budget: float, max_deployed: int, backend: str
    ) -> None:
        out = run(FIVE, "oracle", budget=budget, max_deployed=max_deployed, backend=backend)
        for name in ("regret", "discovery", "deployment", "routing"):
            np.testing.assert_allclose(out.arrays[name], 0.0, atol=1e-10, err_msg=name)
        assert not out.warnings
        assert (out.finals["starved"] == 0).all()

    @pytest.mark.parametrize("world", ["routerbench", "sota", "retirement", "table", "instances"])
    def test_regret_is_discovery(self, world: str) -> None:
        scenario, budget, max_deployed = SMALL_WORLDS[world]()
        out = run(scenario, "oracle", budget=budget, max_deployed=max_deployed, horizon=2_000)
        np.testing.assert_allclose(out.arrays["regret"], out.arrays["discovery"], atol=1e-9)
        assert (out.finals["discovery"] > 0.0).all()

    def test_value_is_that_of_highs(self) -> None:
        for budget in (0.28, 0.6, 1.1):
            out = run(FIVE, "oracle", budget=budget, max_deployed=2)
            best = fr.solve_deployment(
                FIVE.reward_mean, FIVE.cost_mean, FIVE.limit, budget, 2, backend="highs"
            )
            np.testing.assert_allclose(out.stages["pool_value"], best.value, atol=1e-9)


class TestTwoModels:
    # mu = (0.9, 0.5), c = (2, 0.5), b = 1: p = (1/3, 2/3), V = 19/30, price = 0.4 / 1.5.
    SCENARIO = Scenario([0.9, 0.5], [2.0, 0.5], cost="fixed")
    VALUE = 19.0 / 30.0
    PRICE = 4.0 / 15.0

    def test_optimum(self) -> None:
        out = run(self.SCENARIO, "oracle", budget=1.0, max_deployed=2)
        np.testing.assert_allclose(out.stages["pool_value"], self.VALUE)
        np.testing.assert_allclose(out.stages["deployed_value"], self.VALUE)
        np.testing.assert_allclose(out.stages["budget_price"], self.PRICE)

    def test_only_one_slot(self) -> None:
        # The dear model alone is over budget, so V = 0.5; the relaxation keeps its price.
        out = run(self.SCENARIO, "oracle", budget=1.0, max_deployed=1)
        np.testing.assert_allclose(out.stages["pool_value"], 0.5)
        np.testing.assert_allclose(out.finals["regret"], 0.0, atol=1e-12)
        # Half the budget is left, and no set of one model can use it: nothing is credited for it.
        np.testing.assert_allclose(out.finals["priced_regret"], 0.0, atol=1e-12)
        np.testing.assert_allclose(out.finals["cost"], 0.5)

    def test_shares(self) -> None:
        out = run(self.SCENARIO, "oracle", budget=1.0, max_deployed=2, horizon=20_000, trace=True)
        share = (out.picks == 0).mean()
        assert abs(share - 1 / 3) < 5 * np.sqrt(2 / 9 / 40_000)

    def test_uniform(self) -> None:
        # mu . p = 0.7 and c . p = 1.25 in every round.
        out = run(self.SCENARIO, "uniform", budget=1.0, max_deployed=2)
        rounds = out.arrays["round"][None, :]
        regret = rounds * (self.VALUE - 0.7)
        priced = regret + rounds * self.PRICE * 0.25
        np.testing.assert_allclose(out.arrays["routing"], np.tile(regret, (2, 1)), atol=1e-12)
        # Two models: every distribution is on the line between them, so its price is fair.
        np.testing.assert_allclose(priced, 0.0, atol=1e-12)
        np.testing.assert_allclose(out.arrays["priced_regret"], 0.0, atol=1e-12)
        assert (out.finals["over_budget_rounds"] == 0).all()

    def test_uniform_within_limits(self) -> None:
        # Limits 0.1, 1, 1: shares 0.1, 0.45, 0.45; limits 0.1, 0.2, 1: the rest goes to the last.
        for limit, shares in (
            ([0.1, 1.0, 1.0], [0.1, 0.45, 0.45]),
            ([0.1, 0.2, 1.0], [0.1, 0.2, 0.7]),
            ([0.3, 0.3, 0.4], [0.3, 0.3, 0.4]),
        ):
            scenario = Scenario([0.9, 0.5, 0.2], [2.0, 1.0, 0.5], limit, cost="fixed")
            for backend in ("numba", "ref"):
                out = run(scenario, "uniform", budget=1.15, backend=backend)
                best = fr.solve_routing([0.9, 0.5, 0.2], [2.0, 1.0, 0.5], limit, 1.15)
                reward = np.dot(shares, [0.9, 0.5, 0.2])
                spend = np.dot(shares, [2.0, 1.0, 0.5])
                regret = 200 * (best.value - reward)
                np.testing.assert_allclose(out.finals["regret"], regret, rtol=1e-9, atol=1e-9)
                np.testing.assert_allclose(
                    out.finals["priced_regret"],
                    regret + 200 * best.budget_price * max(spend - 1.15, 0.0),
                    rtol=1e-9,
                    atol=1e-9,
                )

    def test_uniform_over_a_random_set(self) -> None:
        # Two of three models, each pair equally likely, independently in each stage.
        scenario = Scenario([0.9, 0.5, 0.2], [1.0, 1.0, 1.0], cost="fixed")
        out = run(
            scenario, "uniform", budget=1.0, max_deployed=2, horizon=50, stages=50, trials=400
        )
        counts = np.bincount(out.stage_sets.ravel(), minlength=3)
        rounds = 50 * 400
        assert counts.sum() == 2 * rounds
        bound = 5 * np.sqrt(rounds * 2 / 9)
        assert (np.abs(counts - rounds * 2 / 3) < bound).all()


class TestPricedRegret:
    @pytest.mark.parametrize("policy", ANYWHERE)
    @pytest.mark.parametrize("budget", [0.3, 0.7, 1.2, 3.0])
    def test_is_never_negative_with_a_slot_for_each(self, policy: str, budget: float) -> None:
        every = np.arange(1, 301)
        out = run(
            FIVE, policy, budget=budget, max_deployed=5, horizon=300, checkpoints=every, trials=5
        )
        assert out.arrays["priced_regret"].min() > -1e-9

    @pytest.mark.parametrize("policy", ANYWHERE)
    @pytest.mark.parametrize("world", ["retirement", "table", "tight", "instances"])
    def test_charges_net_overspending_and_credits_nothing(self, policy: str, world: str) -> None:
        scenario, budget, max_deployed = SMALL_WORLDS[world]()
        out = run(scenario, policy, budget=budget, max_deployed=max_deployed, horizon=1_000)
        regret, priced = out.arrays["regret"], out.arrays["priced_regret"]
        assert (priced >= regret).all()
        if policy == "oracle":
            np.testing.assert_allclose(priced, regret, rtol=1e-9, atol=1e-9)
        # With costs that are their means, what was spent tells who is charged.
        if isinstance(scenario.cost, FixedCost):
            over = out.finals["violation"] > 1e-9
            np.testing.assert_array_equal(priced[~over, -1], regret[~over, -1])

    def test_leaving_budget_unspent_is_no_credit(self) -> None:
        # V = 0.7 at b = 1.1; the dear model is worth its price in the relaxation only.
        scenario = Scenario(
            [0.70, 0.69, 0.68, 0.95], [0.1, 0.1, 0.1, 10.0], limit=0.4, cost="fixed"
        )
        out = run(scenario, "oracle", budget=1.1, horizon=10_000, stages=3)
        np.testing.assert_array_equal(out.finals["priced_regret"], out.finals["regret"])
        np.testing.assert_allclose(out.finals["regret"], 0.0, atol=1e-8)

    @pytest.mark.parametrize("backend", ["numba", "ref"])
    @pytest.mark.parametrize(("pick", "each"), [(cheapest, 4.0 / 30.0), (dearest, 0.0)])
    def test_always_cheapest_and_always_dearest(self, pick: Any, each: float, backend: str) -> None:
        # mu = (0.9, 0.5), c = (2, 0.5), b = 1: V = 19/30, price = 4/15. The cheap one alone loses
        # 4/30 a round; the dear one gains 8/30 and overspends by 1, which costs 8/30.
        out = play(Scenario([0.9, 0.5], [2.0, 0.5], cost="fixed"), pick, backend, budget=1.0)
        rounds = np.tile(out.arrays["round"], (2, 1))
        np.testing.assert_allclose(out.arrays["priced_regret"], each * rounds, atol=1e-9)

    @pytest.mark.parametrize(("pick", "each"), [(cheapest, 0.21), (dearest, 0.65)])
    def test_both_grow_linearly_where_a_third_model_is_better(self, pick: Any, each: float) -> None:
        # V(b) goes from (0.5, 0.5) over (1, 0.85) to (2, 0.9): 0.71 at b = 0.8, the price 0.7.
        # Always the cheap one loses 0.21 a round. The dear one gains 0.19 and overspends by 1.2,
        # charged 0.84: a loss of 0.65.
        three = Scenario([0.9, 0.5, 0.85], [2.0, 0.5, 1.0], cost="fixed")
        out = play(three, pick, budget=0.8)
        rounds = np.tile(out.arrays["round"], (2, 1))
        np.testing.assert_allclose(out.arrays["priced_regret"], each * rounds, atol=1e-9)

    def test_price_is_the_mean_over_the_rounds_so_far(self) -> None:
        # A better model arrives in round 26, so both the optimum and the budget price change.
        scenario = Scenario([0.5, 0.6, 0.95], [0.5, 1.5, 2.0], arrival=[0, 0, 26], cost="fixed")
        every = np.arange(1, 101)
        settings: dict[str, Any] = {"horizon": 100, "stages": 4, "checkpoints": every}
        out = play(scenario, dearest, budget=1.0, **settings)
        value, price, spent, earned = (np.empty(100) for _ in range(4))
        for t in range(100):
            here = scenario.arrival <= t
            best = fr.solve_routing(scenario.reward_mean[here], scenario.cost_mean[here], 1.0, 1.0)
            value[t], price[t] = best.value, best.budget_price
            mine = 2 if t >= 50 else 1
            spent[t], earned[t] = scenario.cost_mean[mine], scenario.reward_mean[mine]
        regret = np.cumsum(value - earned)
        over = np.maximum(np.cumsum(spent) - every, 0.0)
        expected = regret + np.cumsum(price) / every * over
        assert np.unique(price.round(9)).size == 2
        np.testing.assert_allclose(out.arrays["priced_regret"][0], expected, atol=1e-9)

    def test_price_at_a_kink_is_the_worth_of_one_more_unit(self) -> None:
        # V(b) rises by 0.7 a unit up to b = 1, where the middle model answers all, by 0.05 beyond.
        three = Scenario([0.9, 0.5, 0.85], [2.0, 0.5, 1.0], cost="fixed")
        for backend in ("numba", "ref"):
            out = play(three, dearest, backend, budget=1.0)
            np.testing.assert_allclose(out.stages["budget_price"], 0.05, atol=1e-12)

    def test_of_a_budget_beyond_all_numbers_is_the_regret(self) -> None:
        out = run(fr.scenario("static", n_models=3), "uniform", budget=1e308, horizon=50)
        np.testing.assert_array_equal(out.finals["priced_regret"], out.finals["regret"])

    @pytest.mark.parametrize("policy", ["stageroute", "uniform", "greedy", "oracle"])
    def test_is_never_below_the_gap_of_the_relaxation(self, policy: str) -> None:
        budget = 0.6
        relaxed = fr.solve_routing(FIVE.reward_mean, FIVE.cost_mean, FIVE.limit, budget).value
        exact = fr.solve_deployment(FIVE.reward_mean, FIVE.cost_mean, FIVE.limit, budget, 2).value
        assert relaxed > exact + 1e-3
        out = run(
            FIVE, policy, budget=budget, max_deployed=2, checkpoints=np.arange(1, 201), trials=5
        )
        least = out.arrays["round"] * (exact - relaxed) - 1e-9
        assert (out.arrays["priced_regret"] > least).all()


class TestTimes:
    """Stages of 25 rounds open at 0, 25, 50, 75."""

    SETTINGS: dict[str, Any] = {"horizon": 100, "stages": 4, "budget": 1.0, "max_deployed": 2}  # noqa: RUF012

    def test_discovery_of_an_arrival_just_after_an_opening(self) -> None:
        # Known from round 26 on, deployed from round 50 on: 24 rounds of 0.9 - 0.6.
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], arrival=[0, 26], cost="fixed")
        out = run(scenario, "oracle", checkpoints=[25, 26, 27, 40, 50, 51], **self.SETTINGS)
        expected = 0.3 * np.array([0, 0, 1, 14, 24, 24, 24])
        assert out.arrays["round"].tolist() == [25, 26, 27, 40, 50, 51, 100]
        np.testing.assert_allclose(out.arrays["discovery"], np.tile(expected, (2, 1)), atol=1e-12)
        np.testing.assert_allclose(out.arrays["regret"], np.tile(expected, (2, 1)), atol=1e-12)
        assert out.finals["deployments"].tolist() == [2, 2]

    def test_discovery_of_an_arrival_at_an_opening(self) -> None:
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], arrival=[0, 25], cost="fixed")
        out = run(scenario, "oracle", **self.SETTINGS)
        np.testing.assert_allclose(out.finals["regret"], 0.0, atol=1e-12)

    def test_arrival_in_the_last_round(self) -> None:
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], arrival=[0, 99], cost="fixed")
        out = run(scenario, "oracle", **self.SETTINGS)
        np.testing.assert_allclose(out.finals["discovery"], 0.3)

    def test_arrival_after_the_end(self) -> None:
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], arrival=[0, 100], cost="fixed")
        out = run(scenario, "oracle", **self.SETTINGS)
        np.testing.assert_allclose(out.finals["regret"], 0.0, atol=1e-12)

    @pytest.mark.parametrize("policy", ["oracle", "stageroute"])
    def test_retirement_inside_a_stage_waits(self, policy: str) -> None:
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], retirement=[None, 26], cost="fixed")
        out = run(scenario, policy, trace=True, **self.SETTINGS)
        assert (out.picks[:, 50:] == 0).all()
        assert (out.picks[:, 26:50] == 1).any()
        np.testing.assert_allclose(out.finals["discovery"], 0.0, atol=1e-12)
        values = out.stages.filter(trial=0)["pool_value"].to_list()
        assert values == pytest.approx([0.9, 0.9, 0.6, 0.6])

    def test_retirement_at_an_opening(self) -> None:
        scenario = Scenario([0.6, 0.9], [1.0, 1.0], retirement=[None, 25], cost="fixed")
        out = run(scenario, "oracle", trace=True, **self.SETTINGS)
        assert (out.picks[:, :25] == 1).all()
        assert (out.picks[:, 25:] == 0).all()
        np.testing.assert_allclose(out.finals["regret"], 0.0, atol=1e-12)

    def test_model_that_comes_and_goes_within_a_stage(self) -> None:
        # Never deployable; the optimum has it from 30 until the next stage opens.
        scenario = Scenario(
            [0.6, 0.9], [1.0, 1.0], arrival=[0, 30], retirement=[None, 40], cost="fixed"
        )
        out = run(scenario, "oracle", trace=True, **self.SETTINGS)
        assert (out.picks == 0).all()
        np.testing.assert_allclose(out.finals["discovery"], 20 * 0.3)

    def test_static_keeps_its_first_set(self) -> None:
        scenario = Scenario(
            [0.6, 0.5, 0.9], [1.0, 1.0, 1.0], arrival=[0, 0, 10], retirement=[60, None, None]
        )
        out = run(scenario, "static", **{**self.SETTINGS, "budget": 2.0})
        assert out.stage_sets[:, 0].tolist() == [[0, 1], [0, 1], [0, 1], [1, -1]]
        assert out.stages.filter(trial=0)["method"].to_list() == ["vertex"] + ["static"] * 3
        assert out.finals["deployments"].tolist() == [2, 2]


class TestDiagnostics:
    def test_over_budget_rounds(self) -> None:
        # The cheap model leaves at 30; from the stage of round 50 on nothing meets the budget.
        scenario = Scenario([0.5, 0.9], [0.5, 2.0], retirement=[30, None], cost="fixed")
        out = run(scenario, "oracle", horizon=100, stages=4, budget=1.0, max_deployed=2, trace=True)
        assert out.finals["over_budget_rounds"].tolist() == [50, 50]
        rows = out.stages.filter(trial=0)
        assert rows["over_budget_rounds"].to_list() == [0, 0, 25, 25]
        assert rows["status"].to_list() == ["OPTIMAL", "OPTIMAL", "OVER_BUDGET", "OVER_BUDGET"]
        assert rows["pool_value"].to_list() == pytest.approx([0.5 + 0.4 / 3] * 2 + [0.9, 0.9])
        assert rows["spend"].to_list()[2:] == [2.0, 2.0]
        assert rows["violation"].to_list()[2:] == [25.0, 25.0]
        assert any("pools" in w for w in out.warnings)
        assert any("50.00% of the rounds" in w and "budget" in w for w in out.warnings)

    def test_no_capacity_rounds(self) -> None:
        # One of the two models of the first set leaves; the other may take half of the traffic.
        scenario = Scenario(
            [0.6, 0.5, 0.4], [1.0, 1.0, 1.0], 0.5, retirement=[40, None, None], cost="fixed"
        )
        out = run(scenario, "static", horizon=100, stages=4, budget=1.0, max_deployed=2)
        assert out.finals["no_capacity_rounds"].tolist() == [50, 50]
        assert out.finals["over_budget_rounds"].tolist() == [0, 0]
        assert any("carry all traffic" in w for w in out.warnings)
        # The rest of the traffic is not lost: shares are in proportion to the limits.
        np.testing.assert_allclose(out.stages["deployed_value"].to_numpy()[4:], 0.5)

    def test_starvation(self) -> None:
        # gamma = 0: the first zero reward of the best model gives U = 0 and it never returns.
        scenario = fr.scenario("static", n_models=2, best=0.6, gap=0.1)
        out = fr.simulate(
            scenario,
            fr.policy("stageroute", gamma=0.0),
            horizon=2_000,
            budget=1.0,
            max_deployed=2,
            stages=1,
            trials=400,
            trace=True,
        )
        pulls = (out.picks == 1).sum(axis=1)
        assert out.finals["starved"].tolist() == (pulls < 20).astype(int).tolist()
        share = (out.finals["starved"] > 0).mean()
        assert 0.2 < share < 0.9
        assert any(f"{share:.1%}" in w and "Starvation" in w for w in out.warnings)
        # Regret grows in proportion where it starves.
        assert out.finals["regret"][pulls < 20].min() > 0.1 * 1_970

    def test_pseudo_observations_are_no_pulls(self) -> None:
        scenario = fr.scenario("static", n_models=2)
        out = fr.simulate(
            scenario,
            fr.policy("stageroute", init="prior", init_pulls=10**6, prior_reward=0.0),
            horizon=100,
            budget=1.0,
            max_deployed=2,
            stages=1,
            trials=3,
            trace=True,
        )
        starved = (out.picks == 1).sum(axis=1) < 1
        assert out.finals["starved"].tolist() == starved.astype(int).tolist()

    def test_nothing_starves_with_forced_pulls(self) -> None:
        scenario = fr.scenario("static", n_models=4)
        out = fr.simulate(
            scenario,
            fr.policy("stageroute", init="forced", init_pulls=30),
            horizon=1_000,
            budget=1.0,
            max_deployed=4,
            stages=1,
            trials=20,
            trace=True,
        )
        first = out.picks[:, :120]
        assert all((first == m).sum(axis=1).tolist() == [30] * 20 for m in range(4))
        assert (out.finals["starved"] == 0).all()

    def test_deploy_cost_holds_back(self) -> None:
        # A gain of 0.1 a round over 50 rounds does not pay for a charge of 6; it does for 4.
        scenario = Scenario([0.6, 0.7], [1.0, 1.0], arrival=[0, 10], cost="fixed")
        for charge, sets in ((6.0, [[0], [0]]), (4.0, [[0], [1]])):
            out = fr.simulate(
                scenario,
                fr.policy("oracle", fill="none"),
                horizon=100,
                budget=1.0,
                max_deployed=2,
                stages=2,
                trials=1,
                deploy_cost=charge,
            )
            assert out.stages["deployed"].to_list() == sets
            assert out.finals["deploy_cost"][0] == charge * out.finals["deployments"][0]
