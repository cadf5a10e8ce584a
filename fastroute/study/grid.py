"""The grid of a study: every combination of the values of its axes, in a fixed order.

Cells are ordered by scenario, then by setting, then by policy, so that the policies that meet
the same world stand together.
"""

import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from fastroute.study.axes import value_label
from fastroute.study.errors import StudyError
from fastroute.study.schema import Study
from fastroute.study.specs import PolicySpec, ScenarioSpec, Setting

Spec = TypeVar("Spec", ScenarioSpec, PolicySpec)


class Point(NamedTuple):
    """One combination, before anything is computed.

    Settings may still be formulas, and the same for options of the policy.
    """

    scenario: ScenarioSpec  #: with single values, and a label of its own
    policy: PolicySpec  #: the same; the label tells policies of one world apart
    setting: dict[str, Any]
    places: dict[str, int]  #: of the scenario and of the policy among those of the study


def count_cells(study: Study) -> int:
    """Return the number of cells without laying them out."""
    return sum(
        math.prod(len(group[0][1]) for group in _groups(study, scenario, policy))
        for scenario in study.scenario
        for policy in study.policy
    )


def points(study: Study) -> list[Point]:
    """Lay out the grid.

    Raises
    ------
    StudyError
        When there are more cells than the study allows.
    """
    cells = count_cells(study)
    if cells > study.max_cells:
        axes = {
            name: len(axis)
            for scenario in study.scenario
            for policy in study.policy
            for name, axis in study.axes(scenario, policy).items()
        }
        sizes = ", ".join(f"{name} {size}" for name, size in axes.items())
        raise StudyError(
            f"study {study.name}",
            [
                f"the grid has {cells:,} cells, more than max_cells = {study.max_cells:,}. "
                f"Scenarios: {len(study.scenario)}, policies: {len(study.policy)}, values on the "
                f"axes: {sizes}. Shorten an axis, put axes together in zip, or raise max_cells"
            ],
        )
    grid_points: list[tuple[tuple[Any, ...], Point]] = []
    scenarios: dict[str, ScenarioSpec] = {}  # equal ones are one object, which can be recognised
    for s, scenario in enumerate(study.scenario):
        for p, policy in enumerate(study.policy):
            groups = _groups(study, scenario, policy)
            # What an axis of the world decides is not for the label of the policy to tell.
            single = {name for group in groups for name, axis in group if len(axis) == 1}
            outer = [any(not _is_axis_of(name, "policy") for name, _ in group) for group in groups]
            quiet = {
                name for group, out in zip(groups, outer, strict=True) if out for name, _ in group
            }
            policies: dict[str, PolicySpec] = {}
            for choice in itertools.product(*(range(len(group[0][1])) for group in groups)):
                values = {
                    name: axis[place]
                    for group, place in zip(groups, choice, strict=True)
                    for name, axis in group
                }
                where = tuple(itertools.compress(choice, outer))
                who = tuple(itertools.compress(choice, (not out for out in outer)))
                point = Point(
                    _single_valued(scenario, "scenario", values, single, scenarios),
                    _single_valued(policy, "policy", values, quiet | single, policies),
                    {
                        field: values.get(field, getattr(study.setting, field))
                        for field in Setting.model_fields
                    },
                    {"scenario": s, "policy": p},
                )
                grid_points.append(((s, where, p, who), point))
    grid_points.sort(key=lambda entry: entry[0])
    return [point for _, point in grid_points]


def _groups(
    study: Study, scenario: ScenarioSpec, policy: PolicySpec
) -> list[list[tuple[str, tuple[Any, ...]]]]:
    """Return the axes that go together, in the order in which the first of each group stands.

    Axes of the scenario come first and those of the policy last.
    """
    axes = study.axes(scenario, policy)
    groups = []
    done: set[str] = set()
    for name in axes:
        if name in done:
            continue
        together = next((group for group in study.zip if name in group), (name,))
        group = [(other, axes[other]) for other in axes if other in together]
        done.update(other for other, _ in group)
        groups.append(group)
    return groups


def _single_valued(
    spec: Spec,
    kind: str,
    values: Mapping[str, Any],
    quiet: Collection[str],
    known: dict[str, Spec],
) -> Spec:
    """Return a scenario or policy with one value for every axis, named in the label."""
    mine = {
        name.partition(".")[2]: value for name, value in values.items() if _is_axis_of(name, kind)
    }
    varied = [
        f"{option}={value_label(value)}"
        for option, value in mine.items()
        if f"{kind}.{option}" not in quiet
    ]
    label = f"{spec.label} ({', '.join(varied)})" if varied else spec.label
    key = repr((id(spec), label, mine))
    if key not in known:
        fields = {"name": spec.name, **spec.options, **mine, "label": label}
        known[key] = type(spec).model_validate(fields)
    return known[key]


def _is_axis_of(name: str, kind: str) -> bool:
    return name.startswith(f"{kind}.")
