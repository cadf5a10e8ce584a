"""Online deployment and routing of streaming language models, exact and fast.

The names below are the public face. They are loaded on first use, so that ``import fastroute``
stays cheap: nothing heavy (JAX, Numba, Polars, SciPy, Matplotlib) comes with it.

The rooms ``fastroute.scenarios``, ``fastroute.policies`` and ``fastroute.simulation`` are packages;
``fr.scenario``, ``fr.policy`` and ``fr.simulate`` are functions in them.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastroute.analyse import (
        fit_scaling,
        mean_interval,
        paired_difference,
        scaling_table,
    )
    from fastroute.policies import (
        KLUCB,
        LP,
        MIP,
        UCB,
        BestSet,
        Choice,
        Contextual,
        Deployer,
        Discounted,
        DriftPlusPenalty,
        Elimination,
        EpsilonGreedy,
        Estimator,
        ExploreThenCommit,
        Greedy,
        KnownMeans,
        LeastPulled,
        Mean,
        Newest,
        Pacer,
        Pessimistic,
        Policy,
        PrimalDual,
        RandomSet,
        Ratio,
        Router,
        StageProblem,
        Static,
        Thompson,
        Top,
        TrueLP,
        Uniform,
        policy,
    )
    from fastroute.scenarios import (
        Bernoulli,
        Beta,
        ByTask,
        CostLaw,
        FixedCost,
        Lognormal,
        Recorded,
        RewardLaw,
        Scenario,
        UniformCost,
        scenario,
    )
    from fastroute.simulation import Run, simulate
    from fastroute.solve import solve_deployment, solve_routing
    from fastroute.study import Study, load, run_study
    from fastroute.warning import FastrouteWarning

__version__ = "0.1.0"

__all__ = [
    "KLUCB",
    "LP",
    "MIP",
    "UCB",
    "Bernoulli",
    "BestSet",
    "Beta",
    "ByTask",
    "Choice",
    "Contextual",
    "CostLaw",
    "Deployer",
    "Discounted",
    "DriftPlusPenalty",
    "Elimination",
    "EpsilonGreedy",
    "Estimator",
    "ExploreThenCommit",
    "FastrouteWarning",
    "FixedCost",
    "Greedy",
    "KnownMeans",
    "LeastPulled",
    "Lognormal",
    "Mean",
    "Newest",
    "Pacer",
    "Pessimistic",
    "Policy",
    "PrimalDual",
    "RandomSet",
    "Ratio",
    "Recorded",
    "RewardLaw",
    "Router",
    "Run",
    "Scenario",
    "StageProblem",
    "Static",
    "Study",
    "Thompson",
    "Top",
    "TrueLP",
    "Uniform",
    "UniformCost",
    "__version__",
    "fit_scaling",
    "load",
    "mean_interval",
    "paired_difference",
    "policy",
    "run_study",
    "scaling_table",
    "scenario",
    "simulate",
    "solve_deployment",
    "solve_routing",
]

# Public name -> the room or module that defines it.
_HOME: Final = {
    "Bernoulli": "scenarios",
    "BestSet": "policies",
    "Beta": "scenarios",
    "ByTask": "scenarios",
    "Choice": "policies",
    "Contextual": "policies",
    "CostLaw": "scenarios",
    "Deployer": "policies",
    "Discounted": "policies",
    "DriftPlusPenalty": "policies",
    "Elimination": "policies",
    "EpsilonGreedy": "policies",
    "Estimator": "policies",
    "ExploreThenCommit": "policies",
    "FastrouteWarning": "warning",
    "FixedCost": "scenarios",
    "Greedy": "policies",
    "KnownMeans": "policies",
    "LP": "policies",
    "LeastPulled": "policies",
    "Lognormal": "scenarios",
    "MIP": "policies",
    "Mean": "policies",
    "Newest": "policies",
    "Pacer": "policies",
    "Pessimistic": "policies",
    "Policy": "policies",
    "PrimalDual": "policies",
    "RandomSet": "policies",
    "Ratio": "policies",
    "Recorded": "scenarios",
    "RewardLaw": "scenarios",
    "Router": "policies",
    "Run": "simulation",
    "Scenario": "scenarios",
    "StageProblem": "policies",
    "Static": "policies",
    "Study": "study",
    "Thompson": "policies",
    "Top": "policies",
    "TrueLP": "policies",
    "KLUCB": "policies",
    "UCB": "policies",
    "Uniform": "policies",
    "UniformCost": "scenarios",
    "fit_scaling": "analyse",
    "load": "study",
    "mean_interval": "analyse",
    "paired_difference": "analyse",
    "policy": "policies",
    "run_study": "study",
    "scaling_table": "analyse",
    "scenario": "scenarios",
    "simulate": "simulation",
    "solve_deployment": "solve",
    "solve_routing": "solve",
}

# Hidden from type checkers, for which it would make every misspelt name an `Any`.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load a public name on first use."""
        if name in _HOME:
            value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
