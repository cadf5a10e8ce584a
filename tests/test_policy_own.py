"""Estimators, routers and laws of one's own: those of the pages, and copies of built-in ones."""

import itertools
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

import fastroute as fr
from fastroute.bench import own_parts
from fastroute.policies import ROUTERS
from fastroute.simulation import Run
from fastroute.study import StoredStudy, Study, run_study
from naive import SMALL_WORLDS
from studies import assert_same_frames

pytestmark = pytest.mark.usefixtures("fast_programs")

BACKENDS = pytest.mark.parametrize(
    "backend",
    ["numba", "ref", "jax"],
)


@pytest.fixture(scope="module")
def pages(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the parts of the pages as a module that workers can import."""
    folder = tmp_path_factory.mktemp("own")
    source = [
        re.split(r"\n\n\n(?:mine|scenario) = ", code)[0]
        for page in ("policies.md", "scenarios.md")
        for code in re.findall(
            r"```python\n(.*?)```", (root / "docs" / page).read_text("utf-8"), re.DOTALL
        )
        if re.search(r"^class ", code, re.MULTILINE)
    ]
    (folder / "mine.py").write_text("\n\n".join(source), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder))
        import mine  # type: ignore[import-not-found]

        yield mine
        del sys.modules["mine"]


def play(policy: fr.Policy, world: str = "retirement", **options: Any) -> Run:
    scenario, budget, max_deployed = SMALL_WORLDS[world]()
    single = "ref" not in options.values() and len(scenario.reward_mean) == 1
    settings: dict[str, Any] = {
        "horizon": scenario.horizon
        or (2_000 if options.get("backend", "numba") == "numba" else 300),
        "trials": 70 if single else 2,
        "budget": budget,
        "max_deployed": max_deployed,
        "seed": 5,
        "trace": True,
    }
    return fr.simulate(scenario, policy, **{**settings, **options})


def assert_same(one: Run, other: Run) -> None:
    np.testing.assert_array_equal(one.picks, other.picks)
    for name, column in other.finals.items():
        np.testing.assert_array_equal(one.finals[name], column, err_msg=name)


class Remembers(fr.Router):
    """Keeps as many numbers as there may be; the last of them counts the rounds."""

    name: ClassVar[str] = "remembers"

    numbers: int = 8

    def first_state(self, run: Any) -> tuple[float, ...]:
        return (0.0,) * self.numbers

    @staticmethod
    def score(upper: Any, lower: Any, state: Any) -> Any:
        return upper - state[-1] * lower

    @staticmethod
    def learn(state: Any, reward: Any, cost: Any) -> Any:
        return (*state[1:], state[0] + 1.0 / 1024.0)


# --- Copies of built-in parts are the built-in parts ------------------------------------------


# JAX compiles each policy for seconds: some of them stand for all.
@pytest.mark.parametrize(
    ("router", "backend"),
    [
        *itertools.product((name for name in ROUTERS if name != "truth"), ("numba", "ref")),
        ("drift_plus_penalty", "jax"),
        *(pytest.param(name, "jax", marks=pytest.mark.slow) for name in ("lp", "elimination")),
    ],
)
def test_copy_of_an_estimator(router: str, backend: str) -> None:
    mine, theirs = (
        play(fr.Policy(estimator=estimator, router=router), backend=backend)
        for estimator in (own_parts.CopiedUCB(), fr.UCB())
    )
    assert_same(mine, theirs)


@pytest.mark.parametrize(
    ("world", "backend"),
    [
        *itertools.product(("retirement", "tight", "replay", "tasks"), ("numba", "ref")),
        # Beside a program that the copy of an estimator has compiled.
        ("retirement", "jax"),
        pytest.param("tasks", "jax", marks=pytest.mark.slow),
    ],
)
def test_copy_of_a_router(world: str, backend: str) -> None:
    mine, theirs = (
        play(fr.Policy(router=router), world, backend=backend)
        for router in (own_parts.CopiedDrift(), "drift_plus_penalty")
    )
    assert_same(mine, theirs)


@BACKENDS
def test_copy_of_a_law(backend: str) -> None:
    mine, theirs = (
        fr.simulate(
            fr.Scenario([0.4, 0.7, 0.9], [0.3, 0.7, 1.5], cost=cost),
            # A router that follows what is paid, and that JAX compiles fast.
            fr.Policy(router="drift_plus_penalty"),
            horizon=300,
            budget=0.8,
            max_deployed=2,
            trials=3,
            trace=True,
            backend=backend,
        )
        for cost in (own_parts.CopiedUniform(), fr.UniformCost())
    )
    assert_same(mine, theirs)


@pytest.mark.parametrize(
    ("numbers", "backend"),
    [
        *itertools.product((1, 8), ("numba", "ref")),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (*itertools.product((2, 7), ("numba", "ref")), (1, "jax"))
        ),
        (8, "jax"),
    ],
)
def test_a_router_remembers_as_many_numbers_as_it_says(numbers: int, backend: str) -> None:
    scenario = fr.Scenario([0.9, 0.5], [1.0, 0.5], cost="fixed")
    run = fr.simulate(
        scenario,
        fr.Policy(estimator="truth", router=Remembers(numbers=numbers)),
        horizon=1_000 * numbers,
        budget=2.0,
        max_deployed=2,
        stages=7,
        trials=2,
        trace=True,
        backend=backend,
    )
    # The numbers move on by one a round: each grows once in as many rounds as there are, and the
    # cheap model is better above 0.8.
    expected = np.ceil(np.arange(1_000 * numbers) / numbers) > 0.8 * 1024.0
    np.testing.assert_array_equal(run.picks[0] == 1, expected)


# --- The parts of the pages -------------------------------------------------------------------


#: ``ref`` plays in some worlds only by default: it takes seconds for each.
PLAIN = ("retirement", "tasks")


@pytest.mark.parametrize(
    ("world", "backend"),
    [
        *itertools.product(SMALL_WORLDS, ("numba",)),
        *(
            (name, "ref") if name in PLAIN else pytest.param(name, "ref", marks=pytest.mark.slow)
            for name in SMALL_WORLDS
        ),
        ("retirement", "jax"),
    ],
)
def test_estimator_of_the_page_in_every_world(pages: ModuleType, world: str, backend: str) -> None:
    others = ("lp",) if backend == "jax" else (n for n in ROUTERS if n != "elimination")
    for router in (pages.SquareRootPrice(), *others):
        estimator = pages.TunedUCB()
        run = play(fr.Policy(estimator=estimator, router=router), world, backend=backend)
        assert np.isfinite(run.finals["regret"]).all()
        assert (run.finals["reward"] > 0.0).all()


def test_bounds_of_the_page(pages: ModuleType) -> None:
    rng = np.random.default_rng(3)
    rewards, costs = rng.beta(8.0, 2.0, 50), rng.uniform(0.2, 0.6, 50)
    seen: Any = (0.0, 0.0, 0.0, 0.0)
    numbers = 0.4, 0.1, 2.0
    for k in range(50):
        upper, lower = pages.TunedUCB.bounds(seen, *numbers)
        if k < 1:
            assert (upper, lower) == (1.0, 0.1)
        else:
            spread = rewards[:k].var() + np.sqrt(0.8 / k)
            wide = rewards[:k].mean() + np.sqrt(0.4 / k * min(spread, 0.25))
            low = costs[:k].mean() - 2.0 * np.sqrt(0.2 / k)
            assert upper == pytest.approx(min(wide, 1.0), rel=1e-9)
            assert lower == pytest.approx(max(low, 0.1), rel=1e-9)
        seen = pages.TunedUCB.observe(seen, rewards[k], costs[k], *numbers)


def test_router_of_the_page_follows_the_spending(pages: ModuleType) -> None:
    scenario = fr.Scenario([0.4, 0.9], [0.2, 1.6], cost="fixed")
    spent = [
        fr.simulate(
            scenario,
            fr.Policy(estimator="truth", router=pages.SquareRootPrice(weight=weight)),
            horizon=20_000,
            budget=0.9,
            max_deployed=2,
            trials=2,
        ).finals["cost"]
        for weight in (2.0, 20.0)
    ]
    # The models are worth the same at the price 0.5 / (1.4 / 1.6), and the price is the weight
    # times the root of the overspending on the scale of the costs.
    for weight, cost in zip((2.0, 20.0), spent, strict=True):
        beyond = 1.6 * (0.5 / (1.4 / 1.6) / weight) ** 2
        np.testing.assert_allclose(cost - 0.9, beyond, rtol=0.05, atol=1e-3)


STUDY = """
name = "mine"
[scenario]
name = "sota"
cost = { name = "mine:CutPareto", k = 0.9 }
[[policy]]
name = "stageroute"
label = "mine"
estimator = { name = "mine:TunedUCB", scale = 0.5 }
deployer = { name = "mine:NewestAndBest", newest = 2 }
router = { name = "mine:SquareRootPrice", weight = 8.0 }
[[policy]]
name = "stageroute"
label = "the estimator alone"
estimator = "mine:TunedUCB"
[setting]
horizon = 90
budget = "1.2 * cheapest"
max_deployed = 3
trials = 150
checkpoints = 5
seed = 5
[store]
shard_trials = 64
"""


@pytest.fixture(scope="module")
def stored(pages: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """Return the study as it runs in this process."""
    path = tmp_path_factory.mktemp("stored") / "run"
    return run_study(Study.from_toml_text(STUDY), path, executor="threads", progress=False)


def test_study_is_the_simulation(pages: ModuleType, stored: StoredStudy) -> None:
    policy = fr.Policy(
        estimator=pages.TunedUCB(scale=0.5),
        deployer=pages.NewestAndBest(newest=2),
        router=pages.SquareRootPrice(weight=8.0),
    )
    cells = stored.cells.collect()
    run = fr.simulate(
        fr.scenario("sota", cost=pages.CutPareto(k=0.9)),
        policy,
        horizon=90,
        budget=float(cells["budget"][0]),
        max_deployed=3,
        trials=150,
        seed=5,
        checkpoints=5,
    )
    mine = stored.trials.filter(cell=0).collect()
    np.testing.assert_array_equal(mine["regret"].to_numpy(), run.finals["regret"])
    assert cells["estimator"].to_list() == ["mine:TunedUCB"] * 2
    study = Study.from_toml_text(STUDY)
    assert Study.from_toml_text(study.resolved().to_toml()) == study.resolved()


@pytest.mark.parametrize("executor", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_study_on_other_processes(stored: StoredStudy, executor: str, tmp_path: Path) -> None:
    if executor == "dask":
        pytest.importorskip("distributed", reason="Dask is not installed")
    study = Study.from_toml_text(STUDY)
    # One process: each compiles these parts for itself.
    options: dict[str, Any] = {"executor": executor, "workers": 1, "progress": False}
    assert_same_frames(run_study(study, tmp_path / "run", **options), stored)


# --- What is refused before the run starts ----------------------------------------------------


class Bare(fr.Estimator):
    name = "bare"


class TooFew(own_parts.CopiedUCB):
    name = "too_few"

    @staticmethod
    def bounds(seen: Any, gamma: Any) -> Any:  # type: ignore[override]
        return gamma, gamma


class Unbound(own_parts.CopiedUCB):
    name = "unbound"

    def bounds(  # type: ignore[override]
        self, seen: Any, gamma: Any, cost_min: Any, cost_max: Any
    ) -> Any:
        return gamma, gamma


class OneBound(own_parts.CopiedUCB):
    name = "one_bound"

    @staticmethod
    def bounds(seen: Any, *parameters: Any) -> Any:
        return seen[0]


class Branches(own_parts.CopiedUCB):
    name = "branches"

    @staticmethod
    def bounds(seen: Any, *parameters: Any) -> Any:
        return (1.0, 0.0) if seen[0] < 1.0 else (0.5, 0.0)


class NoNumber(own_parts.CopiedUCB):
    name = "no_number"

    @staticmethod
    def bounds(seen: Any, *parameters: Any) -> Any:
        return seen[1] / seen[0], seen[2]


class Forgets(own_parts.CopiedUCB):
    name = "forgets"

    @staticmethod
    def observe(seen: Any, reward: Any, cost: Any, *parameters: Any) -> Any:
        return seen[0] + 1.0, seen[1] + reward


class KeepsMuch(own_parts.CopiedUCB):
    name = "keeps_much"

    def first(self, run: Any) -> tuple[float, ...]:
        return (0.0,) * 9


class HalfInterval(own_parts.CopiedUCB):
    name = "half_interval"

    @staticmethod
    def interval(seen: Any, *parameters: Any) -> Any:
        return seen[1], seen[2]


class NoScore(fr.Router):
    name = "no_score"


class TwoScores(own_parts.CopiedDrift):
    name = "two_scores"

    @staticmethod
    def score(upper: Any, lower: Any, state: Any, *parameters: Any) -> Any:
        return upper, lower


class LearnsLess(own_parts.CopiedDrift):
    name = "learns_less"

    @staticmethod
    def learn(state: Any, reward: Any, cost: Any, *parameters: Any) -> Any:
        return ()


REFUSED = [
    (Bare, "estimator bare has no formula bounds; define bounds(seen, *parameters) -> (upper,"),
    (
        TooFew,
        "estimator too_few: bounds cannot be called with 4 arguments (too many positional "
        "arguments); it must be bounds(seen, *parameters) -> (upper, lower), with 3 parameters",
    ),
    (Unbound, "estimator unbound: bounds cannot be called with 4 arguments (missing a required"),
    (OneBound, "estimator one_bound: bounds returned one value; it must be bounds(seen, *parame"),
    (Branches, "estimator branches: bounds fails on columns of trials"),
    (NoNumber, "estimator no_number: bounds returned a value that is no number; it must return"),
    (Forgets, "estimator forgets: observe returned 2 values; it must be observe(seen, reward, "),
    (KeepsMuch, "estimator keeps_much: first returned 9 numbers; it must return the count, the "),
    (HalfInterval, "estimator half_interval: interval returned 2 values; it must be interval("),
    (NoScore, "router no_score has no formula score; define score(upper, lower, state, *param"),
    (TwoScores, "router two_scores: score returned 2 values; it must be score(upper, lower, "),
    (LearnsLess, "router learns_less: learn returned 0 values; it must be learn(state, reward, "),
]


@pytest.mark.parametrize(("cls", "words"), REFUSED, ids=lambda x: getattr(x, "name", ""))
def test_formulas_that_are_refused(cls: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        play(fr.Policy(**{cls.kind: cls()}))


def test_too_many_numbers_to_remember() -> None:
    router = Remembers(numbers=9)
    with pytest.raises(ValueError, match="router remembers: first_state returned 9 numbers"):
        play(fr.Policy(router=router))


def test_elimination_needs_an_interval(pages: ModuleType) -> None:
    with pytest.raises(ValueError, match='"elimination" needs confidence intervals'):
        fr.Policy(estimator=pages.TunedUCB(), router="elimination")


@dataclass(frozen=True)
class TooManyNumbers(fr.CostLaw):
    k: float = 2.0

    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        return mean

    def support(self, mean: Any) -> Any:
        return mean, mean


@dataclass(frozen=True)
class TwoValues(fr.RewardLaw):
    @staticmethod
    def draw(uniform: Any, mean: Any) -> Any:
        return mean, mean


@pytest.mark.parametrize(
    ("laws", "words"),
    [
        ({"cost": TooManyNumbers()}, r"cost=TooManyNumbers\(k=2.0\): draw fails .* 1 parameters"),
        ({"reward": TwoValues()}, r"reward=TwoValues\(\): draw fails .*; it must be draw\(uniform"),
    ],
    ids=["arguments", "values"],
)
def test_laws_that_are_refused(laws: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fr.Scenario([0.5], [1.0], **laws)
