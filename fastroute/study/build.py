"""From the words of a study to scenarios and policies, and what can be wrong on the way."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import ValidationError

from fastroute.rules import ALL_NAMES, Formula, formula
from fastroute.study.axes import axis_of
from fastroute.study.errors import key_path, plain_message
from fastroute.study.toml import shown
from fastroute.words import unknown

if TYPE_CHECKING:
    from fastroute.policy import Policy
    from fastroute.scenario import Scenario

#: Options of a scenario that are settings of the run too, whose value they take when not given.
_OF_THE_RUN: Final = ("horizon", "trials")
# What these options stand at while a scenario is checked before its runs are laid out.
_STAND_INS: Final = {"horizon": 1_000_000, "trials": 1}
# Parts of an annotation that take a list as one value.
_LISTS: Final = ("Sequence", "ArrayLike", "list", "tuple")


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


def policy_formula(option: str, value: Any) -> Formula | None:
    """Read a formula for an option of a policy; None where the value is none.

    Raises
    ------
    ValueError
        When the option is a number and the text is no formula.
    """
    from fastroute.policy import Policy, resolve_gamma

    field = Policy.model_fields.get(option)
    if field is None or not isinstance(value, str):
        return None
    if not {int, float} & _kinds(field.annotation):
        return None
    if option == "gamma":
        try:
            resolve_gamma(value, 2, 1, 0.5)
        except ValueError:
            pass
        else:
            return None
    try:
        return formula(value, ALL_NAMES)
    except ValueError as error:
        rules = ', "paper", "theory", "scaled:x"' if option == "gamma" else ""
        raise ValueError(f"must be a number{rules} or a formula; {error}") from None


def _kinds(annotation: Any) -> set[Any]:
    """Types that an annotation is made of: unions and annotated types taken apart."""
    parts = get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}


def work_out_policy(options: Mapping[str, Any], names: Mapping[str, float]) -> dict[str, Any]:
    """Return the options of a policy with formulas worked out for one cell.

    Raises
    ------
    ValueError
        When a formula has no value.
    """
    from fastroute.policy import Policy

    found = dict(options)
    for option, value in options.items():
        if (rule := policy_formula(option, value)) is not None:
            number = rule(names)
            whole = Policy.model_fields[option].annotation is int
            found[option] = round(number) if whole else number
    return found


def scenario_options(name: str) -> dict[str, Any]:
    """Options of a scenario builder with their defaults (``inspect.Parameter.empty``: none)."""
    return {p.name: p.default for p in _parameters(name)}


def run_options(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of a scenario that are not given and take their value from the setting of the run."""
    return tuple(
        key
        for key, default in scenario_options(name).items()
        if key in _OF_THE_RUN and not isinstance(default, int) and options.get(key) is None
    )


def policy_options() -> tuple[str, ...]:
    """Options of every policy."""
    from fastroute.policy import Policy

    return tuple(field for field in Policy.model_fields if field != "name")


def scenario_axes(name: str, options: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Those options of a scenario that are axes of the grid."""
    native = {p.name for p in _parameters(name) if any(x in str(p.annotation) for x in _LISTS)}
    return _axes(options, native)


def policy_axes(options: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Those options of a policy that are axes of the grid."""
    return _axes(options, set())


def _axes(options: Mapping[str, Any], native: set[str]) -> dict[str, tuple[Any, ...]]:
    found = {key: axis_of(value, native_list=key in native) for key, value in options.items()}
    return {key: axis for key, axis in found.items() if axis is not None}


def _parameters(name: str) -> list[inspect.Parameter]:
    from fastroute.scenario import SCENARIOS

    parameters = inspect.signature(SCENARIOS[name]).parameters.values()
    return [p for p in parameters if p.kind is not p.VAR_KEYWORD]


def resolve_scenario(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a scenario with the defaults that TOML can hold written out."""
    defaults = {
        key: default
        for key, default in scenario_options(name).items()
        if isinstance(default, bool | int | float | str)
    }
    return {**defaults, **options}


def resolve_policy(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a policy with all defaults written out.

    Axes and formulas stay as they are.
    """
    axes = policy_axes(options)
    open_ = {k: v for k, v in options.items() if k in axes or policy_formula(k, v) is not None}
    fixed = {k: v for k, v in options.items() if k not in open_}
    fields = build_policy(name, fixed).model_dump(mode="json", exclude_none=True)
    fields.pop("name", None)
    return {**fields, **open_}


def option_problems(
    scenarios: Mapping[str, Mapping[str, Any]], policies: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Check names and options of a study's scenarios and policies.

    Parameters
    ----------
    scenarios, policies : mapping of str to mapping
        Where the table is in the study (``policy[0]``), and the table.

    Returns
    -------
    list of str
        One line per problem; nothing is said about a missing name.
    """
    from fastroute.policy import POLICIES
    from fastroute.scenario import SCENARIOS

    problems = []
    for path, table in scenarios.items():
        name, given = table.get("name"), _options(table)
        if not isinstance(name, str):
            continue
        if name not in SCENARIOS:
            problems.append(f"{path}.name = {shown(name)}: {unknown(name, SCENARIOS, 'scenario')}")
            continue
        allowed = scenario_options(name)
        missing = [
            f'{path}.{key}: missing; scenario "{name}" needs it'
            for key, default in allowed.items()
            if default is inspect.Parameter.empty and key not in (*given, *_OF_THE_RUN)
        ]
        kind = f'option of scenario "{name}"'
        problems += missing + _unknown_options(path, given, allowed, kind) or _each(
            path,
            given,
            functools.partial(scenario_axes, name),
            functools.partial(_build_before_its_run, name),
        )
    for path, table in policies.items():
        name, given = table.get("name"), _options(table)
        if not isinstance(name, str):
            continue
        if name not in POLICIES:
            problems.append(f"{path}.name = {shown(name)}: {unknown(name, POLICIES, 'policy')}")
            continue
        kind = f'option of policy "{name}"'
        problems += _unknown_options(path, given, policy_options(), kind) or _each(
            path, given, policy_axes, functools.partial(_build_without_formulas, name)
        )
    return problems


def _options(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in ("name", "label")}


def _unknown_options(path: str, given: Mapping[str, Any], allowed: Any, kind: str) -> list[str]:
    return [
        f"{path}.{key} = {shown(value)}: {unknown(key, allowed, kind)}"
        for key, value in given.items()
        if key not in allowed
    ]


def _build_before_its_run(name: str, options: Mapping[str, Any]) -> None:
    """Build a scenario with stand-ins for the options that its run decides."""
    open_ = {key: _STAND_INS[key] for key in run_options(name, options)}
    build_scenario(name, {**options, **open_})


class _OptionError(ValueError):
    """What is wrong with one option."""

    def __init__(self, option: str, value: Any, message: str) -> None:
        self.option = option
        super().__init__(f"{option} = {shown(value)}: {message}")


def _build_without_formulas(name: str, options: Mapping[str, Any]) -> None:
    """Build a policy from the options whose values are known before the grid is laid out."""
    known = {}
    for option, value in options.items():
        try:
            rule = policy_formula(option, value)
        except ValueError as error:
            raise _OptionError(option, value, str(error)) from None
        if rule is None:
            known[option] = value
    build_policy(name, known)


def _each(
    path: str,
    given: Mapping[str, Any],
    axes_of: Callable[[Mapping[str, Any]], Mapping[str, Sequence[Any]]],
    build: Callable[[Mapping[str, Any]], object],
) -> list[str]:
    """Build with every value of every axis, the other axes at their first value."""
    for option, value in given.items():
        try:
            axes_of({option: value})
        except ValueError as error:
            return [f"{path}.{option} = {shown(value)}: {error}"]
    axes = axes_of(given)
    first = {**given, **{option: axis[0] for option, axis in axes.items()}}
    found = _attempt(path, functools.partial(build, first))
    for option, axis in axes.items():
        for value in axis[1:]:
            found += _attempt(path, functools.partial(build, {**first, option: value}))
    return list(dict.fromkeys(found))


def _attempt(path: str, build: Callable[[], object]) -> list[str]:
    """Build, and turn what the builder objects to into problems."""
    try:
        build()
    except _OptionError as error:
        return [f"{path}.{error}"]
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
