"""Time of an online decision from Python: choose and observe, alone and under four threads."""

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import fastroute as fr
from fastroute.bench.measure import Measure
from fastroute.bench.rivals.base import missing, versions

#: Decisions of a timed round.
DECISIONS: Final = 20_000
#: Decisions of each thread, where several ask at once.
OF_A_THREAD: Final = 20_000
THREADS: Final = 4
#: Outcomes that repeat: a reward and a cost for each.
OUTCOMES: Final = 1024


def _router(place: Path | None) -> fr.OnlineRouter:
    models = [fr.OnlineModel(name=f"model-{m}", limit=0.4) for m in range(15)]
    return fr.OnlineRouter(
        place,
        models=models,
        budget=1.4,
        max_deployed=5,
        stage=fr.every(decisions=5_000),
        cost_range=(0.0, 5.0),
    )


def _outcomes() -> "itertools.cycle[tuple[float, float]]":
    rng = np.random.default_rng(0)
    rewards = rng.integers(0, 2, OUTCOMES).astype(float).tolist()
    return itertools.cycle(zip(rewards, rng.uniform(0.2, 3.0, OUTCOMES).tolist(), strict=True))


def _decide(router: fr.OnlineRouter, count: int) -> Callable[[], None]:
    outcomes = _outcomes()

    def run() -> None:
        choose, observe = router.choose, router.observe
        for _ in range(count):
            choice = choose()
            reward, cost = next(outcomes)
            observe(choice.id, reward=reward, cost=cost)

    return run


def _facts(packages: tuple[str, ...] = ("fastroute",), **facts: Any) -> dict[str, Any]:
    return {"group": "online", "unit": "decision", "versions": versions(packages), **facts}


@pytest.mark.parametrize("case", ["in memory", "SQLite log"])
@pytest.mark.smoke
def test_choose_and_observe(measure: Measure, tmp_path: Path, case: str) -> None:
    """Time decisions of one thread, each observed at once."""
    router = _router(tmp_path / "state.db" if case == "SQLite log" else None)
    count = measure.size(DECISIONS)
    measure(
        lambda: _decide(router, count),
        case=case,
        solver="fastroute",
        units=count,
        ours=True,
        what="choose and observe, 5 deployed of 15",
        **_facts(),
    )
    router.close()


def test_four_threads(measure: Measure, tmp_path: Path) -> None:
    """Time every decision of four threads that ask one router as fast as they can."""
    router = _router(tmp_path / "state.db")
    count = measure.size(OF_A_THREAD)
    taken: list[float] = []

    def work() -> None:
        mine, outcomes = [], _outcomes()
        for _ in range(count):
            reward, cost = next(outcomes)
            started = time.perf_counter()
            choice = router.choose()
            router.observe(choice.id, reward=reward, cost=cost)
            mine.append(time.perf_counter() - started)
        taken.extend(mine)

    def run() -> None:
        taken.clear()
        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    measure(
        lambda: run,
        case="SQLite log, four threads",
        solver="fastroute",
        units=THREADS * count,
        ours=True,
        what="the same, asked by four threads at once",
        **_facts(),
    )
    half, most = np.quantile(taken, (0.5, 0.99))
    measure.keep({"ns_half": 1e9 * float(half), "ns_99_percent": 1e9 * float(most)})
    router.close()


def test_paretobandit(measure: Measure) -> None:
    """ParetoBandit's router: LinUCB with prices on contexts that were computed before."""
    if reason := missing(("pareto_bandit",)):
        pytest.skip(reason)
    count = measure.size(2_000)

    def prepare() -> Callable[[], None]:
        from pareto_bandit import BanditRouter
        from pareto_bandit.feature_service import FeatureService

        logging.getLogger("pareto_bandit").setLevel(logging.ERROR)
        prices = {
            f"model-{m}": {"input_cost_per_m": 0.1 + m, "output_cost_per_m": 0.2 + 2.0 * m}
            for m in range(5)
        }
        router = BanditRouter.create(
            model_registry=prices,
            feature_service=FeatureService.for_precomputed(dimension=4),
            priors="none",
            bandit_seed=0,
        )
        contexts = np.random.default_rng(0).normal(size=(count, 4))

        def run() -> None:
            outcomes = _outcomes()
            for context in contexts:
                _, log = router.route(context)
                router.process_feedback(log.request_id, reward=next(outcomes)[0])

        return run

    measure(
        prepare,
        case="rivals",
        solver="paretobandit",
        units=count,
        compiler="",
        ours=False,
        what="LinUCB router with costs, five models, contexts of four numbers given",
        source="ParetoBandit README, pre-computed embeddings",
        **_facts(("paretobandit",)),
    )


def test_vowpal_wabbit(measure: Measure) -> None:
    """Vowpal Wabbit's contextual bandit with action-dependent features and online cover."""
    if reason := missing(("vowpalwabbit",)):
        pytest.skip(reason)
    count = measure.size(2_000)

    def prepare() -> Callable[[], None]:
        import vowpalwabbit

        bandit = vowpalwabbit.Workspace("--cb_explore 5 --cover 3 --quiet")

        def run() -> None:
            outcomes = _outcomes()
            for _ in range(count):
                shares = bandit.predict("| query")
                reward, _ = next(outcomes)
                bandit.learn(f"1:{-reward}:{max(shares[0], 1e-6)} | query")

        return run

    measure(
        prepare,
        case="rivals",
        solver="Vowpal Wabbit",
        units=count,
        compiler="",
        ours=False,
        what="contextual bandit of five actions, --cb_explore 5 --cover 3, text examples",
        source="Vowpal Wabbit wiki, contextual bandits",
        **_facts(("vowpalwabbit",)),
    )


def test_litellm_adaptive_router(measure: Measure) -> None:
    """LiteLLM's adaptive router: a posterior sample for each model, then the signals of a turn."""
    if reason := missing(("litellm",)):
        pytest.skip(reason)
    count = measure.size(2_000)

    def prepare() -> Callable[[], None]:
        from litellm.router_strategy.adaptive_router.adaptive_router import AdaptiveRouter
        from litellm.router_strategy.adaptive_router.signals import Turn
        from litellm.types.router import (
            AdaptiveRouterConfig,
            AdaptiveRouterPreferences,
            RequestType,
        )

        names = [f"model-{m}" for m in range(5)]
        router = AdaptiveRouter(
            "bench",
            AdaptiveRouterConfig(available_models=names),
            {name: AdaptiveRouterPreferences(quality_tier=2) for name in names},
            {name: 0.1 + m for m, name in enumerate(names)},
        )

        async def play() -> None:
            for number in range(count):
                model = await router.pick_model(RequestType.GENERAL)
                turn = Turn(user_content="Which one is it?", assistant_content="The first one.")
                session = f"session-{number % 100}"
                await router.record_turn(session, model, RequestType.GENERAL, turn)

        return lambda: asyncio.run(play())

    measure(
        prepare,
        case="rivals",
        solver="LiteLLM",
        units=count,
        compiler="",
        ours=False,
        what="adaptive router of five models: pick_model and record_turn, short texts",
        source="LiteLLM, router_strategy/adaptive_router/README.md",
        **_facts(("litellm",)),
    )
