"""What is wrong with a study, in words: a line for every problem, with its key and a remedy."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from fastroute.references import is_reference
from fastroute.study.build import (
    RUN_OPTIONS,
    SAVED,
    FormulaOptionError,
    build_policy,
    build_scenario,
    policy_axes,
    policy_formulas,
    run_options,
    scenario_axes,
    scenario_options,
    world_options,
)
from fastroute.study.errors import StudyError, key_path, plain_message
from fastroute.study.specs import Setting, Store
from fastroute.study.toml import show_toml
from fastroute.words import unknown_name

if TYPE_CHECKING:
    from fastroute.policies.part import Problem
    from fastroute.study.schema import Study

# What these options stand at while a scenario is checked before its runs are laid out.
_STAND_INS: Final = {"horizon": 1_000_000, "trials": 1}


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
    from fastroute.policies import POLICIES
    from fastroute.scenarios import Scenario
    from fastroute.scenarios.registry import SCENARIOS

    problems: list[str] = []
    for path, table in scenarios.items():
        name, given = table.get("name"), _options(table)
        if not isinstance(name, str):
            continue
        if is_reference(name):
            # Its options are looked at when the study runs; nothing is imported before.
            problems += _axis_problems(path, given, functools.partial(scenario_axes, name))
            continue
        if ":" in name:
            problems.append(
                f"{path}.name = {show_toml(name)}: "
                'a function of your own is written "module:function"'
            )
            continue
        if name not in SCENARIOS:
            problems.append(
                f"{path}.name = {show_toml(name)}: {unknown_name(name, SCENARIOS, 'scenario')}"
            )
            continue
        allowed = {**scenario_options(name), **world_options()}
        missing = [
            f'{path}.{key}: missing; scenario "{name}" needs it'
            for key, default in allowed.items()
            if default is inspect.Parameter.empty and key not in (*given, *RUN_OPTIONS)
        ]
        if name == SAVED and not isinstance(given.get("file", ""), str | PurePath | Scenario):
            problems.append(
                f"{path}.file = {show_toml(given['file'])}: must be the name of one file; write a "
                "[[scenario]] for each"
            )
            continue
        kind = f'option of scenario "{name}"'
        problems += missing + _unknown_options(path, given, allowed, kind) or _build_each_value(
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
            problems.append(
                f"{path}.name = {show_toml(name)}: {unknown_name(name, POLICIES, 'policy')}"
            )
            continue
        problems += _build_each_value(
            path, given, policy_axes, functools.partial(_build_without_formulas, name)
        )
    return problems


def _options(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in ("name", "label")}


def _unknown_options(path: str, given: Mapping[str, Any], allowed: Any, kind: str) -> list[str]:
    return [
        f"{path}.{key} = {show_toml(value)}: {unknown_name(key, allowed, kind)}"
        for key, value in given.items()
        if key not in allowed
    ]


def _build_before_its_run(name: str, options: Mapping[str, Any]) -> None:
    """Build a scenario with stand-ins for the options that its run decides."""
    options_of_run = {key: _STAND_INS[key] for key in run_options(name, options)}
    build_scenario(name, {**options, **options_of_run})


def _build_without_formulas(name: str, options: Mapping[str, Any]) -> None:
    """Build a policy from the options whose values are known before the grid is laid out."""
    rules = policy_formulas(name, options)
    build_policy(name, {key: value for key, value in options.items() if key not in rules})


def _build_each_value(
    path: str,
    given: Mapping[str, Any],
    axes_of: Callable[[Mapping[str, Any]], Mapping[str, Sequence[Any]]],
    build: Callable[[Mapping[str, Any]], object],
) -> list[str]:
    """Build with every value of every axis, the other axes at their first value."""
    problems = _axis_problems(path, given, axes_of)
    if problems:
        return problems
    axes = axes_of(given)
    first = {**given, **{option: axis[0] for option, axis in axes.items()}}
    found = _try_build(path, functools.partial(build, first))
    for option, axis in axes.items():
        for value in axis[1:]:
            found += _try_build(path, functools.partial(build, {**first, option: value}))
    return list(dict.fromkeys(found))


def _option_problem(path: str, problem: "Problem") -> str:
    """Say what is wrong with an option of a policy."""
    if not problem.path:
        return f"{path}: {problem.message}"
    place = f"{path}.{'.'.join(problem.path)} = {show_toml(problem.value)}"
    if not problem.allowed:
        return f"{place}: {problem.message}"
    # In a study, the name is that of the registered policy.
    allowed = [option for option in problem.allowed if option != "name"]
    kind = "option of the policy"
    if problem.message:
        # It says better what was meant than a name that looks like it.
        return f"{place}: unknown {kind}. {problem.message} Allowed: {', '.join(sorted(allowed))}"
    return f"{place}: {unknown_name(problem.path[-1], allowed, kind)}"


def _axis_problems(
    path: str,
    given: Mapping[str, Any],
    axes_of: Callable[[Mapping[str, Any]], Mapping[str, Sequence[Any]]],
) -> list[str]:
    """Find axes without values, or with one twice."""
    problems = []
    for option, value in given.items():
        try:
            axes_of({option: value})
        except ValueError as error:
            problems.append(f"{path}.{option} = {show_toml(value)}: {error}")
    return problems


def _try_build(path: str, build: Callable[[], object]) -> list[str]:
    """Build, and turn what the builder objects to into problems."""
    from fastroute.policies import OptionsError

    try:
        build()
    except FormulaOptionError as error:
        return [f"{path}.{error}"]
    except OptionsError as error:
        return [_option_problem(path, problem) for problem in error.problems]
    except (ValueError, TypeError, OSError) as error:
        # A builder may put a sentence of its own around what pydantic found; the finding itself
        # names every field.
        found = error if isinstance(error, ValidationError) else error.__cause__
        if not isinstance(found, ValidationError):
            return [f"{path}: {error}"]
        fields = {detail["loc"][:1]: detail for detail in reversed(found.errors())}
        return [
            f"{key_path((path, *field))} = {show_toml(detail['input'])}: {plain_message(detail)}"
            for field, detail in reversed(fields.items())
        ]
    return []


def quick_problems(study: "Study") -> list[str]:
    """Check the short form of a study."""
    quick = study.quick_setting or {}
    strange = [key for key in quick if key not in Setting.model_fields]
    if strange:
        return [
            f"quick.{key} = {show_toml(quick[key])}: "
            f"{unknown_name(key, Setting.model_fields, 'setting')}"
            for key in strange
        ]
    try:
        study.quick()
    except StudyError as error:
        return [f"quick: {problem}" for problem in error.problems]
    return []


def explain(detail: Any, single: bool, study: type[BaseModel]) -> str:
    """Turn one error of pydantic into a line with key path, value and remedy.

    Parameters
    ----------
    detail : mapping
        The error, as pydantic describes it.
    single : bool
        Whether the study has one scenario, which is a table and not a list of tables.
    study : type of pydantic.BaseModel
        The class of studies, for the keys that there are.
    """
    location = detail["loc"]
    if single and location[:2] == ("scenario", 0):
        location = ("scenario", *location[2:])
    path = key_path(location)
    value, kind = detail["input"], detail["type"]
    if kind == "missing":
        return f"{path}: missing; {_missing_key_remedy(location)}"
    if kind == "extra_forbidden":
        models: dict[Any, type[BaseModel]] = {"setting": Setting, "store": Store}
        fields = models.get(location[0], study).model_fields
        names = [field.alias or name for name, field in fields.items()]
        why = unknown_name(str(location[-1]), names, "key")
        return f"{path} = {show_toml(value)}: {why}"
    message = plain_message(detail)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = f"must be a table, written [{path}]"
    elif kind == "tuple_type" and location[0] in ("scenario", "policy"):
        one = "a table, written [scenario], or " if location[0] == "scenario" else ""
        message = f"must be {one}a list of tables, each written [[{path}]]"
    elif kind == "tuple_type":
        message = 'must be a list of groups of axes, such as [["horizon", "trials"]]'
    elif kind == "too_short":
        message = f"at least one is needed, written [[{path}]]"
    return f"{path} = {show_toml(value)}: {message}"


def _missing_key_remedy(location: tuple[int | str, ...]) -> str:
    """Say what to write where a required key is missing."""
    field = Setting.model_fields.get(str(location[-1]))
    if location[0] == "setting" and field is not None:
        return f"give the {field.description}"
    if location == ("policy",):
        return "add at least one policy, written [[policy]]"
    if location in (("scenario",), ("setting",)):
        return f"add a table [{location[0]}]"
    return "give a name"


def label_problems(kind: str, tables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Find labels that two entries share; frames and figures could not tell them apart."""
    labels = {path: table.get("label", table.get("name")) for path, table in tables.items()}
    counts = Counter(label for label in labels.values() if isinstance(label, str))
    seen: set[Any] = set()
    problems = []
    for path, label in labels.items():
        if isinstance(label, str) and label in seen:
            problems.append(
                f"{path}.label = {show_toml(label)}: used {counts[label]} times; "
                f"give each {kind} a label of its own"
            )
        seen.add(label)
    return problems
