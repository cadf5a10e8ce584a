"""Named scenarios and how to build them."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from fastroute import checks
from fastroute.references import import_reference, is_reference
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.discovery import discovery
from fastroute.scenarios.linear import linear
from fastroute.scenarios.means import means
from fastroute.scenarios.minimax import minimax
from fastroute.scenarios.paretobandit import paretobandit
from fastroute.scenarios.random_instances import random_instances
from fastroute.scenarios.replay import replay
from fastroute.scenarios.routerbench import routerbench
from fastroute.scenarios.saved import saved
from fastroute.scenarios.sota import sota
from fastroute.scenarios.static import static

__all__ = ["SCENARIOS", "find_builder", "scenario"]

SCENARIOS: Final[dict[str, Callable[..., Scenario]]] = {
    "sota": sota,
    "routerbench": routerbench,
    "replay": replay,
    "means": means,
    "paretobandit": paretobandit,
    "static": static,
    "minimax": minimax,
    "discovery": discovery,
    "random": random_instances,
    "linear": linear,
    "saved": saved,
}
"""Builder of each registered scenario; its arguments are the scenario's options."""


def find_builder(name: str) -> Callable[..., Scenario]:
    """Return the builder of a registered scenario, or the function that ``module:function`` names.

    Raises
    ------
    ValueError
        When nothing has that name, or the module cannot be imported.
    """
    if not is_reference(name):
        checks.choice("scenario", name, tuple(SCENARIOS))
        return SCENARIOS[name]
    try:
        builder: Callable[..., Scenario] = import_reference(name)
    except ValueError as error:
        raise ValueError(f"scenario {name!r}: {error}") from None
    if not callable(builder):
        raise ValueError(f"scenario {name!r} is not a function; name one that returns a Scenario")
    return builder


def scenario(name: str, /, **options: Any) -> Scenario:
    """Return a registered scenario.

    Parameters
    ----------
    name : str
        One of ``SCENARIOS``, or ``"module:function"``: a function of your own that returns a
        :class:`Scenario`, in a module that can be imported.
    **options
        Options of the builder, as its docstring describes them; one may be called ``name``.

    Returns
    -------
    Scenario

    Raises
    ------
    ValueError
        For an unknown name or option, naming the nearest valid one; and whatever the builder
        says about a value.

    Examples
    --------
    >>> scenario("static", n_models=3).models
    ('model-0', 'model-1', 'model-2')
    """
    builder = find_builder(name)
    parameters = inspect.signature(builder).parameters
    any_option = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not any_option:
            raise ValueError(
                f"scenario {name!r} has no option {option!r}{checks.nearest(option, parameters)}"
            )
    for option, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if required and option not in options:
            raise ValueError(f"scenario {name!r} needs the option {option!r}; pass {option}=...")
    built = builder(**options)
    if not isinstance(built, Scenario):
        raise ValueError(
            f"scenario {name!r} must return a fastroute.Scenario, not {type(built).__name__}"
        )
    return built
