"""Named scenarios and how to build them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastroute import checks
from fastroute.references import import_reference, is_reference
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.changes import Event, event_list
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

__all__ = ["CHANGE_OPTIONS", "SCENARIOS", "find_builder", "scenario", "with_options"]

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


def with_options(
    built: Scenario,
    /,
    changes: Sequence[Event | Mapping[str, Any]] | None = None,
    prices: "Prices | None" = None,
    severity: float | None = None,
) -> Scenario:
    """Return a scenario with the options about changes that any scenario can be given.

    Parameters
    ----------
    built : Scenario
    changes : sequence of Change, Outage or mapping, optional
    prices : str, Path, frame, array, mapping or sequence, optional
        A history of prices, read by :func:`~fastroute.scenarios.prices.read_prices`.
    severity : float, optional
        Factor of all changes; default that of the scenario, which is 1.

    Raises
    ------
    ValueError
        For events, prices or a severity that do not fit the scenario.
    """
    events = built.changes
    if changes is not None or prices is not None:
        priced = [] if prices is None else read_prices(prices, models=built.models)
        events = (*(() if changes is None else event_list(changes)), *priced)
    if not events and severity is not None:
        raise ValueError(
            f"severity={severity!r} but nothing changes; pass changes=[...] or prices=... too"
        )
    return built.with_changes(events, severity)


CHANGE_OPTIONS: Final = {
    name: parameter
    for name, parameter in inspect.signature(with_options).parameters.items()
    if parameter.kind is not parameter.POSITIONAL_ONLY
}
"""Options about changes that every scenario has besides its own."""


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
    general = [*CHANGE_OPTIONS, *FEEDBACK_OPTIONS]
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
        built = with_options(built, **given)
    return built.with_feedback(**learning) if learning else built
