"""Online deployment and routing of streaming language models, exact and fast.

The names below are the public face. They are loaded on first use, so that ``import fastroute``
stays cheap: nothing heavy (JAX, Numba, Polars, SciPy, Matplotlib) comes with it.

Three rooms share their name with the function they are for: ``fastroute.scenario``,
``fastroute.policy`` and ``fastroute.simulate`` are packages, and calling one calls the function
of the same name inside it. So ``fr.scenario("static")``, ``import fastroute.scenario.base`` and
``from fastroute.scenario import SCENARIOS`` all work, in any order.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastroute.analyse import (
        fit_scaling,
        mean_interval,
        paired_difference,
        scaling_table,
    )
    from fastroute.policy import Policy, policy
    from fastroute.scenario import Scenario, scenario
    from fastroute.simulate import Run, simulate
    from fastroute.solve import solve_deployment, solve_routing
    from fastroute.study import Study, load, run_study
    from fastroute.warning import FastrouteWarning

__version__ = "0.1.0"

__all__ = [
    "FastrouteWarning",
    "Policy",
    "Run",
    "Scenario",
    "Study",
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
    "FastrouteWarning": "warning",
    "Policy": "policy",
    "Run": "simulate",
    "Scenario": "scenario",
    "Study": "study",
    "fit_scaling": "analyse",
    "load": "study",
    "mean_interval": "analyse",
    "paired_difference": "analyse",
    "run_study": "study",
    "scaling_table": "analyse",
    "solve_deployment": "solve",
    "solve_routing": "solve",
}
_CALLABLE_ROOMS: Final = frozenset({"policy", "scenario", "simulate"})


class _CallableRoom(ModuleType):
    """A sub-package that, when called, calls the function of its own name."""

    def _function(self) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> Any:
        # Editors and `help` show the function's arguments, not (*args, **kwargs).
        import inspect

        return inspect.signature(self._function())

    def __reduce__(self) -> tuple[Any, ...]:
        # Modules do not pickle, but `executor.submit(fr.simulate, ...)` must.
        return importlib.import_module, (self.__name__,)


class _Package(ModuleType):
    """The top package: makes a room callable as soon as the import system binds it."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Every import of a sub-package, from anywhere and in any order, ends with this binding:
        # it is the one place where the order of imports cannot matter.
        if name in _CALLABLE_ROOMS and type(value) is ModuleType:
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


# Hidden from type checkers, for which it would make every misspelt name an `Any`.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load a public name on first use."""
        if name in _CALLABLE_ROOMS:
            return importlib.import_module(f"{__name__}.{name}")
        if name in _HOME:
            value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
