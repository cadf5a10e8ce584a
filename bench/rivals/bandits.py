"""Bandit libraries, each through its own public interface, on the ten arms of UCB1."""

import logging
import random
from collections.abc import Callable
from typing import Final

import numpy as np

from fastroute.bench.rivals.base import Player
from fastroute.bench.rivals.ucb1 import ARMS

Run = Callable[[], float]


def pymab_experiment(trials: int, rounds: int) -> Run:
    """Run an experiment on the compiled (Rust) backend."""
    from pymab import BanditEnvironment, BernoulliReward, Experiment, ExperimentConfig
    from pymab.policies import UCBPolicy

    def run() -> float:
        result = Experiment(
            environment=BanditEnvironment(means=np.array(ARMS), reward_model=BernoulliReward()),
            policies={"ucb": UCBPolicy(n_arms=len(ARMS))},
            config=ExperimentConfig(horizon=rounds, n_replicates=trials, seed=0, backend="rust"),
        ).run()
        return float(np.mean(result.average_reward_by_step))

    return run


def coba_learner(trials: int, rounds: int) -> Run:
    """Call the learner's ``predict`` and ``learn`` for every round."""
    from coba import BanditUCBLearner

    actions = list(range(len(ARMS)))

    def run() -> float:
        random.seed(0)
        total = 0.0
        for seed in range(trials):
            learner = BanditUCBLearner(seed=seed)
            for _ in range(rounds):
                action, probability = learner.predict(None, actions)[:2]
                reward = float(random.random() < ARMS[action])
                learner.learn(None, action, reward, probability)
                total += reward
        return total / (trials * rounds)

    return run


def mabwiser_ucb1(trials: int, rounds: int) -> Run:
    """Call ``predict`` and ``partial_fit`` for every round."""
    from mabwiser.mab import MAB, LearningPolicy

    def run() -> float:
        random.seed(0)
        total = 0.0
        for seed in range(trials):
            bandit = MAB(list(range(len(ARMS))), LearningPolicy.UCB1(alpha=1.0), seed=seed)
            bandit.fit(list(range(len(ARMS))), [float(random.random() < p) for p in ARMS])
            for _ in range(rounds):
                pick = bandit.predict()
                reward = float(random.random() < ARMS[pick])
                bandit.partial_fit([pick], [reward])
                total += reward
        return total / (trials * rounds)

    return run


def paretobandit_router(trials: int, rounds: int) -> Run:
    """Route and feed back every query; contexts of four numbers, computed beforehand."""
    from pareto_bandit import BanditRouter
    from pareto_bandit.feature_service import FeatureService

    logging.getLogger("pareto_bandit").setLevel(logging.ERROR)
    prices = {
        f"model-{m}": {"input_cost_per_m": 0.1 + m, "output_cost_per_m": 0.2 + 2.0 * m}
        for m in range(len(ARMS))
    }
    contexts = np.random.default_rng(0).normal(size=(rounds, 4))

    def run() -> float:
        random.seed(0)
        total = 0.0
        for seed in range(trials):
            router = BanditRouter.create(
                model_registry=prices,
                feature_service=FeatureService.for_precomputed(dimension=4),
                priors="none",
                bandit_seed=seed,
            )
            for context in contexts:
                name, log = router.route(context)
                reward = float(random.random() < ARMS[int(name.rpartition("-")[2])])
                router.process_feedback(log.request_id, reward=reward)
                total += reward
        return total / (trials * rounds)

    return run


PLAYERS: Final = (
    Player(
        "pymab",
        pymab_experiment,
        "UCB experiment on its Rust backend; keeps every round",
        "PyMAB README, Basic experiment",
        20,
        1000,
        ("pymab",),
        ("pymab",),
    ),
    Player(
        "coba",
        coba_learner,
        "UCB1-Tuned learner, predict and learn",
        "coba documentation, BanditUCBLearner",
        1,
        5000,
        ("coba",),
        ("coba",),
    ),
    Player(
        "MABWiser",
        mabwiser_ucb1,
        "UCB1, predict and partial_fit",
        "MABWiser documentation, MAB",
        1,
        2000,
        ("mabwiser",),
        ("mabwiser",),
    ),
    Player(
        "paretobandit",
        paretobandit_router,
        "LinUCB router with costs, ten models, contexts of four numbers given",
        "ParetoBandit README, pre-computed embeddings",
        1,
        1000,
        ("paretobandit",),
        ("pareto_bandit",),
    ),
)
