"""Named scenarios and how to build them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastroute import checks
from fastroute.references import import_reference, is_reference
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.changes import Event
from fastroute.scenarios.discovery import discovery
from fastroute.scenarios.feedback import FEEDBACK_OPTIONS
from fastroute.scenarios.linear import linear
from fastroute.scenarios.means import means
from fastroute.scenarios.minimax import minimax
from fastroute.scenarios.paretobandit import paretobandit
from fastroute.scenarios.prices import Prices, read_prices
from fastroute.scenarios.random_instances import random_instances
from fastroute.scenarios.replay import replay
from fastroute.scenarios.routerbench import routerbench
from fastroute.scenarios.saved import saved
from fastroute.scenarios.sota import sota
from fastroute.scenarios.static import static

__all__ = ["SCENARIOS", "change_options", "find_builder", "scenario"]

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


def change_options(
    changes: Sequence[Event | Mapping[str, Any]] = (),
    prices: "Prices | None" = None,
    severity: float | None = None,
) -> tuple[tuple[Event | Mapping[str, Any], ...], float | None]:
    """Return the events and the severity that any scenario can be given.

    Parameters
    ----------
    changes : sequence of Change, Outage or mapping
    prices : str, Path, frame, array, mapping or sequence, optional
        A history of prices, read by :func:`~fastroute.scenarios.prices.read_prices`.
    severity : float, optional
        Factor of all changes; default that of the scenario, which is 1.
    """
    if prices is None:
        return tuple(changes), severity
    return (*changes, *read_prices(prices)), severity


def scenario(name: str, /, **options: Any) -> Scenario:
    """Return a registered scenario.

    Parameters
    ----------
    name : str
        One of ``SCENARIOS``, or ``"module:function"``: a function of your own that returns a
        :class:`Scenario`, in a module that can be imported.
    **options
        Options of the builder, as its docstring describes them; one may be called ``name``.
        Every scenario takes these too, unless its builder has options of these names:
        ``changes`` (a list of events, see :class:`Change` and :class:`Outage`), ``prices`` (a
        table of the prices of models over time), ``severity`` (a factor of all changes),
        ``reward_delay``, ``cost_delay`` and ``feedback`` (see :class:`Scenario`).

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
    general = [*inspect.signature(change_options).parameters, *FEEDBACK_OPTIONS]
    given = {
        option: options.pop(option)
        for option in general
        if option in options and option not in parameters
    }
    any_option = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not any_option:
            raise ValueError(
                f"scenario {name!r} has no option {option!r}"
                f"{checks.nearest(option, [*parameters, *general])}"
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
    learning = {option: given.pop(option) for option in FEEDBACK_OPTIONS if option in given}
    if given:
        built = _changed(built, given)
    return built.with_feedback(**learning) if learning else built


def _changed(built: Scenario, changing: dict[str, Any]) -> Scenario:
    """Return a scenario with the changes that are asked for, or its own at another severity."""
    events, severity = change_options(**changing)
    given = events if changing.keys() - {"severity"} else built.changes
    if not given and severity is not None:
        raise ValueError(
            f"severity={severity!r} but nothing changes; pass changes=[...] or prices=... too"
        )
    return built.with_changes(given, severity)
