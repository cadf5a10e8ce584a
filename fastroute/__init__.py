"""Online deployment and routing of streaming language models, exact and fast.

The names below are the public face. They are loaded on first use, so that ``import fastroute``
stays cheap: nothing heavy (JAX, Numba, Polars, SciPy, Matplotlib) comes with it.

Three rooms share their name with the function they are for: ``fastroute.scenario``,
``fastroute.policy`` and ``fastroute.simulate`` are packages, and calling one calls the function
of the same name inside it. So ``fr.scenario("static")``, ``import fastroute.scenarios.base`` and
``from fastroute.scenarios import SCENARIOS`` all work, in any order.
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
    from fastroute.policies import Policy, policy
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
    "Bernoulli",
    "Beta",
    "ByTask",
    "CostLaw",
    "FastrouteWarning",
    "FixedCost",
    "Lognormal",
    "Policy",
    "Recorded",
    "RewardLaw",
    "Run",
    "Scenario",
    "Study",
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
    "Beta": "scenarios",
    "ByTask": "scenarios",
    "CostLaw": "scenarios",
    "FastrouteWarning": "warning",
    "FixedCost": "scenarios",
    "Lognormal": "scenarios",
    "Policy": "policies",
    "Recorded": "scenarios",
    "RewardLaw": "scenarios",
    "Run": "simulation",
    "Scenario": "scenarios",
    "Study": "study",
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
