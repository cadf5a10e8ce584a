"""From the words of a study to scenarios and policies, and what can be wrong on the way."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fastroute.study.errors import key_path, plain_message, unknown
from fastroute.study.toml import shown

if TYPE_CHECKING:
    from fastroute.policy import Policy
    from fastroute.scenario import Scenario


def build_scenario(name: str, options: Mapping[str, Any]) -> "Scenario":
    """Build a registered scenario.

    Raises
    ------
    ValueError
        When the name or an option is unknown, or a value is not allowed.
    """
    from fastroute.scenario import scenario

    return scenario(name, **options)


def build_policy(name: str, options: Mapping[str, Any]) -> "Policy":
    """Build a registered policy.

    Raises
    ------
    ValueError
        When the name or an option is unknown, or a value is not allowed.
    """
    from fastroute.policy import policy

    return policy(name, **options)


def scenario_options(name: str) -> dict[str, Any]:
    """Options of a scenario builder with their defaults (``inspect.Parameter.empty``: none)."""
    from fastroute.scenario import SCENARIOS

    parameters = inspect.signature(SCENARIOS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}


def policy_options() -> tuple[str, ...]:
    """Options of every policy."""
    from fastroute.policy import Policy

    return tuple(field for field in Policy.model_fields if field != "name")


def resolve_scenario(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a scenario with the defaults that TOML can hold written out."""
    defaults = {
        key: default
        for key, default in scenario_options(name).items()
        if isinstance(default, bool | int | float | str)
    }
    return {**defaults, **options}


def resolve_policy(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a policy with all defaults written out."""
    fields = build_policy(name, options).model_dump(mode="json", exclude_none=True)
    fields.pop("name", None)
    return fields


def option_problems(
    scenario: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Check names and options of a study's scenario and policies.

    Parameters
    ----------
    scenario : mapping
        The table ``[scenario]``; nothing is said about a missing name.
    policies : sequence of mappings
        The tables ``[[policy]]``.

    Returns
    -------
    list of str
        One line per problem.
    """
    from fastroute.policy import POLICIES
    from fastroute.scenario import SCENARIOS

    problems = []
    world = scenario.get("name")
    if isinstance(world, str):
        given = {key: value for key, value in scenario.items() if key != "name"}
        if world not in SCENARIOS:
            problems.append(
                f"scenario.name = {shown(world)}: {unknown(world, SCENARIOS, 'scenario')}"
            )
        else:
            allowed = scenario_options(world)
            missing = [
                f'scenario.{key}: missing; scenario "{world}" needs it'
                for key, default in allowed.items()
                if default is inspect.Parameter.empty and key not in given
            ]
            kind = f'option of scenario "{world}"'
            problems += missing + _unknown_options("scenario", given, allowed, kind) or _attempt(
                "scenario", functools.partial(build_scenario, world, given)
            )
    for index, entry in enumerate(policies):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        path = f"policy[{index}]"
        if name not in POLICIES:
            problems.append(f"{path}.name = {shown(name)}: {unknown(name, POLICIES, 'policy')}")
            continue
        given = {key: value for key, value in entry.items() if key not in ("name", "label")}
        kind = f'option of policy "{name}"'
        problems += _unknown_options(path, given, policy_options(), kind) or _attempt(
            path, functools.partial(build_policy, name, given)
        )
    return problems


def _unknown_options(path: str, given: Mapping[str, Any], allowed: Any, kind: str) -> list[str]:
    return [
        f"{path}.{key} = {shown(value)}: {unknown(key, allowed, kind)}"
        for key, value in given.items()
        if key not in allowed
    ]


def _attempt(path: str, build: Callable[[], object]) -> list[str]:
    """Build, and turn what the builder objects to into problems."""
    try:
        build()
    except (ValueError, TypeError, OSError) as error:
        # A builder may put a sentence of its own around what pydantic found; the finding itself
        # names every field.
        found = error if isinstance(error, ValidationError) else error.__cause__
        if not isinstance(found, ValidationError):
            return [f"{path}: {error}"]
        fields = {detail["loc"][:1]: detail for detail in reversed(found.errors())}
        return [
            f"{key_path((path, *field))} = {shown(detail['input'])}: {plain_message(detail)}"
            for field, detail in reversed(fields.items())
        ]
    return []
