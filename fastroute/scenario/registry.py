"""Named scenarios and how to build them."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from fastroute.scenario import _checks as checks
from fastroute.scenario.base import Scenario
from fastroute.scenario.discovery import discovery
from fastroute.scenario.means import means
from fastroute.scenario.minimax import minimax
from fastroute.scenario.paretobandit import paretobandit
from fastroute.scenario.random_instances import random_instances
from fastroute.scenario.replay import replay
from fastroute.scenario.routerbench import routerbench
from fastroute.scenario.sota import sota
from fastroute.scenario.static import static

__all__ = ["SCENARIOS", "scenario"]

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
}
"""Builder of each registered scenario; its arguments are the scenario's options."""


def scenario(name: str, /, **options: Any) -> Scenario:
    """Return a registered scenario.

    Parameters
    ----------
    name : str
        One of ``SCENARIOS``.
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
    checks.choice("scenario", name, tuple(SCENARIOS))
    builder = SCENARIOS[name]
    parameters = inspect.signature(builder).parameters
    for option in options:
        if option not in parameters:
            raise ValueError(
                f"scenario {name!r} has no option {option!r}{checks.nearest(option, parameters)}"
            )
    for option, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and option not in options:
            raise ValueError(f"scenario {name!r} needs the option {option!r}; pass {option}=...")
    return builder(**options)
