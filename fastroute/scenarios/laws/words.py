"""Laws by name: ``"beta"``, ``{"name": "beta", "concentration": 5}``, ``"module:Class"``."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np

from fastroute import checks
from fastroute.references import import_reference, is_reference
from fastroute.scenarios.feedback import (
    EquallyLikelyDelays,
    GeometricDelay,
    RecordedDelays,
    delay_table,
)
from fastroute.scenarios.laws.base import CostLaw, Law, RewardLaw
from fastroute.scenarios.laws.bernoulli import Bernoulli
from fastroute.scenarios.laws.beta import Beta
from fastroute.scenarios.laws.by_features import ByFeatures
from fastroute.scenarios.laws.by_task import ByTask
from fastroute.scenarios.laws.fixed import FixedCost
from fastroute.scenarios.laws.lognormal import Lognormal
from fastroute.scenarios.laws.uniform import UniformCost

__all__ = ["COST_LAWS", "REWARD_LAWS", "cost_law", "law_table", "plain_laws", "reward_law"]

REWARD_LAWS: Final[dict[str, type[RewardLaw]]] = {
    law.name: law for law in (Bernoulli, Beta, ByTask, ByFeatures)
}
"""Built-in laws of the rewards."""

COST_LAWS: Final[dict[str, type[CostLaw]]] = {
    law.name: law for law in (UniformCost, FixedCost, Lognormal)
}
"""Built-in laws of the costs."""

_L = TypeVar("_L", bound=Law)


def reward_law(value: RewardLaw | str | Mapping[str, Any]) -> RewardLaw:
    """Return the law of the rewards that an object, a name or a table stands for.

    Raises
    ------
    ValueError
        Naming the field, the value and the remedy.
    """
    return _law("reward", value, RewardLaw, REWARD_LAWS)


def cost_law(value: CostLaw | str | Mapping[str, Any]) -> CostLaw:
    """Return the law of the costs; as :func:`reward_law`."""
    return _law("cost", value, CostLaw, COST_LAWS)


def law_table(law: Law) -> dict[str, Any]:
    """Return the name and the parameters of a law, from which it can be made again.

    Raises
    ------
    ValueError
        When the law is a class of the user's own that another process could not import.
    """
    kind = RewardLaw if isinstance(law, RewardLaw) else CostLaw
    known: Mapping[str, type[Law]] = REWARD_LAWS if kind is RewardLaw else COST_LAWS
    try:
        found = _find(kind.__name__, law.name, kind, known)
    except ValueError:
        found = None
    if found is not type(law) or law.name.startswith("__main__:"):
        raise ValueError(
            f"{law!r} cannot be written, as {law.name!r} cannot be imported elsewhere; put the "
            "class at the top level of a module that can be imported"
        )
    values = {field.name: getattr(law, field.name) for field in dataclasses.fields(law)}
    return {"name": law.name, **values}


def plain_laws(value: Any) -> Any:
    """Return a value with laws and delays, also those in its lists and tables, as plain tables."""
    if isinstance(value, Law):
        return {
            key: part.tolist() if isinstance(part, np.ndarray) else part
            for key, part in law_table(value).items()
        }
    if isinstance(value, GeometricDelay | EquallyLikelyDelays | RecordedDelays):
        return delay_table(value)
    if isinstance(value, list | tuple):
        return [plain_laws(part) for part in value]
    if isinstance(value, Mapping):
        return {key: plain_laws(part) for key, part in value.items()}
    return value


def _law(field: str, value: Any, kind: type[_L], known: Mapping[str, type[_L]]) -> _L:
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        name, options = value["name"], {k: v for k, v in value.items() if k != "name"}
    elif isinstance(value, str):
        name, options = value, {}
    else:
        remedy = f"pass one of {', '.join(known)}, or a {kind.__name__}"
        if isinstance(value, type) and issubclass(value, kind):
            remedy = f"pass an object of it, {value.__name__}(...)"
        raise ValueError(f"{field}={checks.quoted(value)} is not a law; {remedy}")
    law = _find(field, name, kind, known)
    parameters = inspect.signature(law).parameters
    for option in options:
        if option not in parameters:
            raise ValueError(
                f"{field}={name!r} has no parameter {option!r}{checks.nearest(option, parameters)}"
            )
    missing = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty and parameter.name not in options
    ]
    if missing:
        example = ", ".join(f"{parameter!r}: ..." for parameter in missing)
        raise ValueError(
            f"{field}={name!r} needs {' and '.join(missing)}; pass {{'name': {name!r}, {example}}} "
            f"or {law.__name__}({', '.join(f'{parameter}=...' for parameter in missing)})"
        )
    try:
        return law(**options)
    except ValueError as error:
        raise ValueError(f"{field}={name!r}: {error}") from None


def _find(field: str, name: str, kind: type[_L], known: Mapping[str, type[_L]]) -> type[_L]:
    """Return a built-in law, or the class that ``module:Class`` names."""
    if not is_reference(name):
        checks.choice(field, name, tuple(known))
        return known[name]
    try:
        found = import_reference(name)
    except ValueError as error:
        raise ValueError(f"{field}={name!r}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise checks.refused(field, name, f"a subclass of fastroute.{kind.__name__}")
    return found
