"""Outcomes that are learnt late or not at all: what is learnt when, and what it leaves alone."""

import re
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import fastroute as fr
from fastroute.kernels.formulas import estimates
from fastroute.policies import Policy
from fastroute.policies.part import RunNumbers
from fastroute.scenarios import Scenario
from fastroute.scenarios.feedback import Feedback, delay_of, delay_table
from fastroute.simulation import Run, api
from fastroute.study import Study, StudyError
from fastroute.study.cells import lay_out
from test_simulate_backends import assert_same, run

GEOMETRIC = {"name": "geometric", "mean": 6.0}
TABLE = {"name": "table", "rounds": [0, 3, 3, 40]}
WORLDS: dict[str, dict[str, Any]] = {
    "fixed": {"reward_delay": 7, "cost_delay": 7},
    "reward": {"reward_delay": 5},
    "cost": {"cost_delay": 5, "reward_delay": 2},
    "missing": {"feedback": 0.5},
    "geometric": {"reward_delay": GEOMETRIC, "cost_delay": GEOMETRIC},
    "geometric rewards": {"reward_delay": GEOMETRIC},
    "table": {"reward_delay": TABLE, "cost_delay": 2, "feedback": 0.7},
    "costs drawn": {"reward_delay": 3, "cost_delay": TABLE},
    "both drawn": {"reward_delay": TABLE, "cost_delay": GEOMETRIC, "feedback": 0.7},
    "never": {"reward_delay": 10_000, "feedback": 0.9},
}
POLICIES: dict[str, Policy] = {
    "stageroute": fr.policy("stageroute", gamma=0.05),
    "forced": fr.policy("stageroute", init="forced", init_pulls=3),
    "prior": fr.policy("stageroute", init="prior", init_pulls=2, prior_reward=0.5),
    "pacer": fr.policy("pacer"),
    "thompson": fr.policy("thompson"),
    "oracle": fr.policy("oracle"),
    "elimination": fr.policy("elimination"),
    "epsilon_greedy": fr.policy("epsilon_greedy"),
    "drift_plus_penalty": fr.policy("drift_plus_penalty", gamma=0.05),
    "kl_ucb": fr.policy("stageroute", estimator="kl_ucb"),
    "bernstein": fr.policy("stageroute", estimator="bernstein"),
    "sliding_window": fr.policy("stageroute", estimator="sliding_window", window=8, gamma=0.05),
    "change_detector": fr.policy(
        "stageroute", estimator="change_detector", window=4, threshold=0.2, gamma=0.05
    ),
    "least_pulled": fr.policy("stageroute", deployer="least_pulled"),
}
SETTING: dict[str, Any] = {"horizon": 240, "budget": 0.8, "max_deployed": 4, "stages": 6}


def world(**options: Any) -> Scenario:
    return Scenario(
        [0.42, 0.55, 0.66, 0.37, 0.71, 0.48, 0.83],
        [0.31, 0.74, 1.32, 0.12, 0.93, 0.52, 1.87],
        limit=[0.6, 0.5, 0.7, 0.9, 0.4, 0.5, 0.6],
        arrival=[0, 0, 0, 0, 30, 70, 111],
        retirement=[None, 150, None, None, None, None, None],
        **options,
    )


def assert_same_bits(mine: Run, theirs: Run) -> None:
    np.testing.assert_array_equal(mine.picks, theirs.picks)
    np.testing.assert_array_equal(mine.stage_array, theirs.stage_array)
    for name, column in theirs.finals.items():
        np.testing.assert_array_equal(mine.finals[name], column, name)
    for name, curve in theirs.arrays.items():
        np.testing.assert_array_equal(mine.arrays[name], curve, name)


# A program is compiled for each policy and kind of world: by default one policy plays in all worlds
# and all play in one.
@pytest.mark.parametrize(
    ("policy", "options"),
    [
        pytest.param(p, w, marks=[] if p == "stageroute" or w == "both drawn" else pytest.mark.slow)
        for p in POLICIES
        for w in WORLDS
    ],
)
def test_backends_follow_the_reference(policy: str, options: str) -> None:
    assert_same(world(**WORLDS[options]), POLICIES[policy], **SETTING, trials=3, seed=4)


@pytest.mark.parametrize("options", ["geometric", "both drawn"])
def test_a_whole_block_of_trials_follows_the_reference(options: str) -> None:
    """More outcomes are due in a round than one chunk of a bucket holds."""
    setting = {**SETTING, "horizon": 50}
    assert_same(world(**WORLDS[options]), POLICIES["stageroute"], **setting, trials=70, seed=4)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "policy",
    [p if p == "forced" else pytest.param(p, marks=pytest.mark.slow) for p in POLICIES],
)
def test_recorded_delays_follow_the_reference(policy: str, together: bool) -> None:
    """Drawn once, some of them never; JAX refuses them."""
    rng = np.random.default_rng(3)
    rewards, costs = (
        fr.RecordedDelays(tuple(rng.integers(-1, 30, 240).tolist())) for _ in range(2)
    )
    late = world(reward_delay=rewards, cost_delay=rewards if together else costs)
    mine, plain = (
        run(late, POLICIES[policy], backend, **SETTING, trials=11) for backend in ("numba", "ref")
    )
    np.testing.assert_array_equal(mine.picks, plain.picks)
    for name, column in plain.finals.items():
        np.testing.assert_allclose(mine.finals[name], column, 1e-10, 1e-10, err_msg=name)


def test_recorded_delays_of_one_length_are_a_fixed_delay() -> None:
    recorded = world(reward_delay=fr.RecordedDelays((7,) * 240), cost_delay=2)
    fixed = world(reward_delay=7, cost_delay=2)
    for backend in ("numba", "ref"):
        mine, plain = (run(w, POLICIES["pacer"], backend, **SETTING) for w in (recorded, fixed))
        assert_same_bits(mine, plain)


@pytest.mark.parametrize("backend", ["numba", "ref"])
def test_without_delay_and_with_all_feedback_nothing_changes(backend: str) -> None:
    none = {"name": "table", "rounds": [0, 0]}
    plain = world()
    for options in ({"reward_delay": 0, "cost_delay": 0, "feedback": 1}, {"reward_delay": none}):
        same = world(**options)
        assert same.resolve(100, 1).feedback is None
        mine = run(same, POLICIES["stageroute"], backend, **SETTING)
        assert_same_bits(mine, run(plain, POLICIES["stageroute"], backend, **SETTING))


# Pulls are forced by another count, and alarms forget rewards and costs apart. By default one
# policy is compiled; the others are played by the reference, with which the backends agree above.
@pytest.mark.parametrize(
    ("policy", "backend"),
    [
        pytest.param(p, b, marks=[] if (b == "ref") == (p != "stageroute") else pytest.mark.slow)
        for p in sorted(POLICIES.keys() - {"forced", "change_detector"})
        for b in ("numba", "ref")
    ],
)
def test_counting_apart_changes_nothing_where_all_is_learnt_at_once(
    policy: str, backend: str
) -> None:
    # Uniform numbers are multiples of 2**-32 below 1: every reward is learnt.
    late = world(feedback=1.0 - 2.0**-33)
    assert late.resolve(100, 1).feedback is not None
    mine, plain = (run(w, POLICIES[policy], backend, **SETTING) for w in (late, world()))
    assert_same_bits(mine, plain)


def test_what_is_paid_and_earned_is_counted_in_its_own_round() -> None:
    # A policy that does not look at outcomes earns and pays the same, however late it learns.
    plain = run(world(), fr.policy("oracle"), "numba", **SETTING, trials=3)
    for options in WORLDS.values():
        late = run(world(**options), fr.policy("oracle"), "numba", **SETTING, trials=3)
        for name in ("reward", "cost", "regret"):
            np.testing.assert_array_equal(late.finals[name], plain.finals[name], name)
        np.testing.assert_array_equal(late.picks, plain.picks)


class Alternating(fr.Deployer):
    """Models 0 and 1 in turn, stage by stage; notes the observations that it is shown."""

    noted: ClassVar[list[list[float]]] = []

    def choose(self, problem: fr.StageProblem) -> Any:
        self.noted.append(problem.pulls[0].tolist())
        chosen = np.zeros(problem.upper.shape, np.bool_)
        first = problem.previous[:, 1] if not problem.first else np.ones(len(chosen), np.bool_)
        chosen[:, 0], chosen[:, 1] = first, ~first
        return chosen


@pytest.mark.parametrize("backend", ["numba", "ref"])
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        # Model 0 plays rounds 0, 1, 4, 5, 8, 9 and model 1 the others; stages have two rounds. What
        # is known when a stage opens in round t are the rewards of the rounds before t - 3.
        ({"reward_delay": 3, "cost_delay": 3}, [[0, 0], [0, 0], [1, 0], [2, 1], [3, 2], [4, 3]]),
        ({"reward_delay": 3}, [[0, 0], [0, 0], [1, 0], [2, 1], [3, 2], [4, 3]]),
        ({"cost_delay": 3}, [[0, 0], [2, 0], [2, 2], [4, 2], [4, 4], [6, 4]]),
        ({"feedback": 0.0}, [[0, 0]] * 6),
    ],
)
def test_what_is_learnt_after_its_model_left_counts(
    options: dict[str, Any], counts: list[list[float]], backend: str
) -> None:
    # Worked out by hand: rounds 0..3 have been learnt of when the stage of round 7 would open.
    expected = counts
    if options.get("reward_delay"):
        expected = [
            [sum((t // 2) % 2 == m for t in range(max(opened - 3, 0))) for m in (0, 1)]
            for opened in range(0, 12, 2)
        ]
        assert expected[3] == [2, 1]
        assert expected[5] == [4, 3]
    Alternating.noted.clear()
    two = Scenario([0.4, 0.6], [1.0, 1.0], cost="fixed", **options)
    policy = fr.Policy(deployer=Alternating())
    fr.simulate(
        two, policy, horizon=12, budget=1.0, max_deployed=1, stages=6, trials=1, backend=backend
    )
    # The backend may have played a stage before, to compile.
    assert Alternating.noted[-6:] == expected


COUNTS: list[NDArray[np.float64]] = []


def alternate(now, upper, lower, limit, count, budget, reward, cost, state, share):
    """Model 0 and model 1 in turn; notes what is known, and what was learnt in the last round."""
    COUNTS.append(np.array([*count[:, 0], reward[0], cost[0]]))
    share[now % 2, 0] = 1.0


def test_two_models_with_a_delay_of_three_rounds() -> None:
    COUNTS.clear()
    two = Scenario([1.0, 0.0], [1.0, 3.0], cost="fixed", reward_delay=3, cost_delay=1)
    policy = fr.Policy(router=alternate)
    fr.simulate(
        two, policy, horizon=8, budget=3.0, max_deployed=2, stages=1, trials=1, backend="ref"
    )
    # Round by round: rewards known of models 0 and 1, and reward and cost learnt in the last round.
    # Rewards come after three rounds, 1 of model 0 and 0 of model 1; costs after one, 1 and 3.
    assert np.array(COUNTS[-8:]).tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 0],  # round 0: nothing
        [0, 0, 0, 1],  # round 1: the cost of round 0
        [0, 0, 0, 3],
        [1, 0, 1, 1],  # round 3: the reward of round 0, the cost of round 2
        [1, 1, 0, 3],
        [2, 1, 1, 1],
        [2, 2, 0, 3],
    ]


def test_each_reward_is_learnt_once() -> None:
    # Delays of at most 9 rounds: all rewards of the first 90 rounds are known after 100.
    class Counting(fr.Top):
        noted: ClassVar[list[float]] = []

        def choose(self, problem: fr.StageProblem) -> Any:
            self.noted.append(float(problem.pulls.sum()))
            return super().choose(problem)

    late = world(reward_delay={"name": "table", "rounds": range(10)}, cost_delay=GEOMETRIC)
    setting: dict[str, Any] = {"budget": 2.0, "max_deployed": 4, "stages": 2, "trials": 64}
    fr.simulate(late, fr.Policy(deployer=Counting()), horizon=200, **setting, backend="numba")
    assert 90 * 64 <= Counting.noted[-1] <= 100 * 64


class Apart(fr.Estimator):
    """The bounds of `ucb`, with two counts kept in every world."""

    gamma: float = 0.05

    def first(self, run: Any) -> tuple[float, ...]:
        return 0.0, 0.0, 0.0, 0.0

    def parameters(self, run: Any) -> tuple[float, ...]:
        return self.gamma, run.cost_min, run.cost_max, -1.0, 1.0

    @staticmethod
    def observe(seen, reward, cost, *parameters):
        count, rewards, costs, cost_count = seen
        return count + 1.0, rewards + reward, costs + cost, cost_count + 1.0

    observe_reward: ClassVar[Any] = staticmethod(estimates.count_reward)
    observe_cost: ClassVar[Any] = staticmethod(estimates.count_cost)
    bounds = staticmethod(estimates.bounds_apart)


class Together(Apart):
    """The same, which cannot count them apart."""

    observe_reward: ClassVar[Any] = None
    observe_cost: ClassVar[Any] = None


class Wrong(Apart):
    """The same, with a formula of another shape."""

    @staticmethod
    def observe_cost(seen, cost, *parameters):
        return seen[0], seen[1], seen[2]


@pytest.mark.parametrize("options", ["fixed", "both drawn"])
def test_an_estimator_of_ones_own_counts_apart(options: str) -> None:
    late = world(**WORLDS[options])
    mine = run(late, fr.Policy(estimator=Apart()), "numba", **SETTING)
    assert_same_bits(mine, run(late, POLICIES["stageroute"], "numba", **SETTING))


def test_an_estimator_that_cannot_is_refused_where_it_must() -> None:
    run(world(**WORLDS["fixed"]), fr.Policy(estimator=Together()), "ref", **SETTING)
    words = (
        "estimator Together cannot learn rewards and costs apart, .*observe_reward.*observe_cost"
    )
    for options in ("reward", "missing", "geometric rewards"):
        with pytest.raises(ValueError, match=words):
            run(world(**WORLDS[options]), fr.Policy(estimator=Together()), "ref", **SETTING)
    with pytest.raises(
        ValueError, match=r"observe_cost returned 3 values; it must be observe_cost"
    ):
        run(world(), fr.Policy(estimator=Wrong()), "ref", **SETTING)


def test_the_contextual_estimator_learns_at_once() -> None:
    tasks = Scenario(cost_mean=[1.0, 2.0], reward=fr.ByTask([0.5, 0.5], [[0.1, 0.7], [0.3, 0.3]]))
    late = tasks.with_feedback(reward_delay=4)
    with pytest.raises(
        ValueError, match='"contextual" learns every outcome in its own round; leav'
    ):
        run(late, fr.policy("contextual"), "numba", horizon=50, budget=2.0, max_deployed=2)


@pytest.mark.parametrize("late", [{"reward_delay": 4}, {"cost_delay": 2, "feedback": 0.5}])
@pytest.mark.parametrize("estimator", ["linear", "linear_thompson", "contextual"])
def test_who_learns_at_once_is_refused_when_a_study_is_laid_out(estimator: str, late: Any) -> None:
    name = "routerbench" if estimator == "contextual" else "linear"
    study = Study.from_dict(
        {
            "name": "x",
            "scenario": {"name": name, **late},
            "policy": [{"name": "stageroute"}, {"name": "static", "estimator": estimator}],
            "setting": {"horizon": 60, "budget": 5.0, "max_deployed": 4, "trials": 2},
        }
    )
    options = " and ".join(f"{option}={value}" for option, value in late.items())
    with pytest.raises(StudyError) as caught:
        lay_out(study)
    (problem,) = caught.value.problems
    assert problem.startswith(f"cell 1 (static in {name}, horizon=60,")
    assert f'estimator="{estimator}" learns every outcome in its own round' in problem
    assert f"leave out {options} of the scenario" in problem
    assert len(lay_out(study.model_copy(update={"policy": study.policy[:1]}))) == 1


def test_a_policy_without_a_name_of_its_own_goes_by_its_parts() -> None:
    with pytest.raises(
        ValueError, match=r"^policy 'linear · mip · lp': estimator=\"linear\" needs"
    ):
        fr.simulate(
            fr.scenario("static"), fr.Policy(estimator="linear"), **{**SETTING, "budget": 1.0}
        )
    assert fr.Policy(name="mine").title == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"feedback": 0}, ["No reward is learnt within the horizon: feedback=0."]),
        (
            {"reward_delay": 60},
            ["No reward is learnt within the horizon: reward_delay=60 is not below horizon=60."],
        ),
        (
            {"cost_delay": fr.EquallyLikelyDelays((60, 900))},
            ["No cost is learnt within the horizon: cost_delay="],
        ),
        ({"reward_delay": 70, "cost_delay": 70}, ["No reward is learnt", "No cost is learnt"]),
        ({"reward_delay": 59}, []),
        ({"reward_delay": {"name": "geometric", "mean": 1e4}}, []),
    ],
)
def test_what_is_never_learnt_is_said(options: dict[str, Any], words: list[str]) -> None:
    setting: dict[str, Any] = {"horizon": 60, "budget": 3.0, "max_deployed": 3, "trials": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fr.FastrouteWarning)
        found = fr.simulate(fr.scenario("sota", **options), fr.policy("stageroute"), **setting)
        oracle = fr.simulate(fr.scenario("sota", **options), fr.policy("oracle"), **setting)
    said = [text for text in found.warnings if "is learnt" in text]
    assert len(said) == len(words)
    assert all(text.startswith(word) for text, word in zip(said, words, strict=True))
    # Then nobody is told to explore more.
    assert not words or not any("gamma" in text for text in found.warnings)
    assert not any("is learnt" in text for text in oracle.warnings)


# --- Options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("reward_delay", -1, "reward_delay=-1 must be a whole number >= 0; pass whole rounds"),
        ("reward_delay", 2.5, "reward_delay=2.5 must be a whole number >= 0"),
        ("cost_delay", "geometric", "cost_delay='geometric' must be a whole number"),
        ("cost_delay", [0, 5], "must be a whole number"),
        ("cost_delay", 2**32, "cost_delay=4294967296 must be at most"),
        ("reward_delay", {"mean": 3}, "reward_delay: name=None is unknown; valid: 'geometric'"),
        ("reward_delay", {"name": "geometrc", "mean": 3}, "did you mean 'geometric'"),
        ("reward_delay", {"name": "geometric"}, "must have mean; pass whole rounds"),
        ("reward_delay", {"name": "geometric", "mean": 3, "p": 1}, "must have mean; pass"),
        ("reward_delay", {"name": "geometric", "mean": 0}, "'geometric': mean=0 must be a finite"),
        ("cost_delay", {"name": "table", "rounds": []}, "cost_delay='table': rounds"),
        (
            "cost_delay",
            {"name": "table", "rounds": [3, -1]},
            r"rounds\[1\] = -1 is not a delay; use",
        ),
        ("cost_delay", {"name": "table", "rounds": [0.5]}, r"rounds\[0\] = 0.5 is not a delay"),
        ("feedback", 1.1, r"feedback=1.1 must be a number in \[0, 1\]"),
        ("feedback", -0.1, "feedback=-0.1 must be"),
        ("feedback", None, "feedback=None must be"),
    ],
)
def test_bad_options_are_refused(field: str, value: Any, words: str) -> None:
    for build in (lambda: world(**{field: value}), lambda: world().with_feedback(**{field: value})):
        with pytest.raises(ValueError, match=words) as caught:
            build()
        assert "\n" not in str(caught.value)


def test_every_scenario_has_the_options() -> None:
    late = fr.scenario("sota", reward_delay=9, cost_delay=fr.GeometricDelay(2.0), feedback=0.5)
    given = late.reward_delay, late.cost_delay, late.feedback
    assert given == (9, fr.GeometricDelay(2.0), 0.5)
    assert late.models == fr.scenario("sota").models
    with pytest.raises(ValueError, match="no option 'reward_dely'; did you mean 'reward_delay'"):
        fr.scenario("sota", reward_dely=9)
    with pytest.raises(ValueError, match="feedback=2 must be"):
        fr.scenario("sota", feedback=2)


def test_delays_are_written_and_read() -> None:
    for delay in (
        7,
        fr.GeometricDelay(3.5),
        fr.EquallyLikelyDelays((0, 4, 4)),
        fr.RecordedDelays((0, -1)),
    ):
        assert delay_of("cost_delay", delay_table(delay)) == delay


def test_the_law_of_the_geometric_delay() -> None:
    law = fr.GeometricDelay(20.0).law(10**6)
    size = len(law.rounds)
    mass = law.prob / size
    np.add.at(mass, law.alias, (1.0 - law.prob) / size)
    assert mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert mass @ law.rounds == pytest.approx(20.0, rel=2e-6)
    np.testing.assert_allclose(mass[:5], (1 / 21) * (20 / 21) ** np.arange(5.0), rtol=1e-9)
    assert 13 * 20 < law.rounds[-1] < 15 * 20
    assert (20 / 21) ** law.rounds[-1] > 1e-6 >= (20 / 21) ** (law.rounds[-1] + 1)
    # What is longer than the run is never learnt, and takes no more room than the run.
    assert fr.GeometricDelay(20.0).law(50).rounds[-1] == 50


def test_delays_without_room_are_refused() -> None:
    late = world(reward_delay=fr.GeometricDelay(2e5))
    words = r"reward_delay=GeometricDelay\(mean=200000.0\) .*GiB, more than 2 GiB; use shorter"
    with pytest.raises(ValueError, match=words):
        run(late, POLICIES["stageroute"], "ref", **{**SETTING, "horizon": 10**7})


def test_long_delays_make_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    late, setting = world(**WORLDS["both drawn"]), {**SETTING, "trials": 150, "threads": 2}
    whole = run(late, POLICIES["stageroute"], "numba", **setting)
    monkeypatch.setattr(api, "PENDING", 1000)
    assert_same_bits(run(late, POLICIES["stageroute"], "numba", **setting), whole)


def test_equal_delays_come_together() -> None:
    assert Feedback.of(GEOMETRIC, fr.GeometricDelay(6), 1).law(99).together  # type: ignore[union-attr]
    assert not Feedback.of(GEOMETRIC, GEOMETRIC, 0.5).law(99).together  # type: ignore[union-attr]
    assert not Feedback.of(3, 4, 1).law(99).together  # type: ignore[union-attr]


def test_the_example_of_the_page(root: Path) -> None:
    page = (root / "docs" / "scenarios.md").read_text(encoding="utf-8")
    section = page[page.index("## Late and missing feedback") :]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(source[1], names)
    assert names["late"].finals["regret"].mean() > names["at_once"].finals["regret"].mean()


# --- Rewards and costs apart ------------------------------------------------------------------


def test_a_change_of_costs_forgets_no_rewards_where_they_are_learnt_apart() -> None:
    kernel = fr.ChangeDetector(window=8, threshold=0.5).kernel(
        RunNumbers(1_000, 100, 5, 0.8, 0.1, 2.0), apart=True
    )
    assert kernel.observe_reward is not None
    assert kernel.observe_cost is not None
    seen = kernel.first
    for now in range(40):
        seen = kernel.observe_reward(seen, 0.5, *kernel.parameters)
        seen = kernel.observe_cost(seen, 0.1 if now < 20 else 2.0, *kernel.parameters)
    assert seen[0] == 40.0
    assert seen[6] < 40.0
    assert seen[2] / seen[6] == pytest.approx(2.0)


# --- Changes meanwhile ------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["stageroute", "pacer"])
def test_outcomes_of_before_a_change_are_learnt_after_it(policy: str) -> None:
    changes = [
        fr.Change("model-2", at=100, reward=0.1, cost=0.2),
        fr.Change("model-6", at=120, cost_factor=0.5, over=60, steps=4),
        fr.Outage("model-3", 130, 170),
    ]
    scenario = world(changes=changes, **WORLDS["both drawn"])
    mine = assert_same(scenario, POLICIES[policy], **SETTING, seed=4)
    calm = run(scenario.with_changes(severity=0.0), POLICIES[policy], "numba", **SETTING, seed=4)
    plain = run(world(**WORLDS["both drawn"]), POLICIES[policy], "numba", **SETTING, seed=4)
    assert_same_bits(calm, plain)
    # Nothing of the changes is known before the first of them.
    np.testing.assert_array_equal(mine.picks[:, :100], plain.picks[:, :100])
    assert (mine.picks != plain.picks).any()
