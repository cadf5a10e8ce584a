"""Which values of a study are axes of its grid, and which of them go together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastroute.study.toml import show_toml

_GRID: Final = "grid"


def axis_of(value: Any, *, native_list: bool = False) -> tuple[Any, ...] | None:
    """Return the values of an axis, or None where the value is a single one.

    Parameters
    ----------
    value : object
        As written in the study: a value, a list, or ``{ grid = [...] }``.
    native_list : bool
        Whether a list is a value here, so that only a list of lists is an axis.

    Raises
    ------
    ValueError
        For an axis without values, or with the same value twice.
    """
    if isinstance(value, Mapping) and set(value) == {_GRID} and _listed(value[_GRID]):
        axis = tuple(value[_GRID])
    elif _listed(value) and (not native_list or (value and all(map(_listed, value)))):
        axis = tuple(value)
    else:
        return None
    if not axis:
        raise ValueError("an axis needs at least one value")
    seen: set[str] = set()
    for entry in axis:
        # 1 and 1.0 are the same value here; true, which equals them in Python, is another one.
        word = repr(int(entry) if isinstance(entry, float) and entry.is_integer() else entry)
        if word in seen:
            raise ValueError(
                f"{show_toml(entry)} occurs twice; every value of an axis makes a cell, so "
                "leave one out"
            )
        seen.add(word)
    return axis


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)


def value_label(value: Any) -> str:
    """Return a value of an axis as labels and columns have it.

    Text stands without quotes, and a table that names a law or a part of a policy is written as
    the object: ``lognormal(sigma=0.5)``.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        options = ", ".join(
            f"{key}={value_label(option)}" for key, option in value.items() if key != "name"
        )
        return f"{value['name']}({options})" if options else str(value["name"])
    return show_toml(value)


def axis_name(column: str) -> str:
    """Return the axis of a column of the frames as a study file names it: ``scenario.limit``."""
    kind, _, option = column.partition("_")
    if kind in ("scenario", "policy") and option:
        return f"{kind}.{option}"
    return option if kind == "setting" else column


def zip_problems(
    groups: Sequence[Sequence[str]], axes: Iterable[Mapping[str, tuple[Any, ...]]]
) -> list[str]:
    """Check the groups of axes that go together.

    Parameters
    ----------
    groups : sequence of sequences of str
        Names of axes: ``horizon``, ``policy.gamma``, ``scenario.limit``.
    axes : iterable of mappings
        For every scenario and policy that meet, name and values of their axes.

    Returns
    -------
    list of str
        One line per problem.
    """
    problems = []
    met = list(axes)
    known = {name: None for names in met for name in names}
    used: dict[str, int] = {}
    for place, group in enumerate(groups):
        path = f"zip[{place}] = {show_toml(list(group))}"
        if len(group) < 2:
            problems.append(f"{path}: must name at least two axes that go together")
        for name in group:
            if name not in known:
                listed = ", ".join(known) or "none"
                problems.append(f"{path}: {show_toml(name)} is not an axis. The axes are: {listed}")
            elif name in used:
                problems.append(f"{path}: {show_toml(name)} is in zip[{used[name]}] too")
            used.setdefault(name, place)
        for names in met:
            sizes = {name: len(names[name]) for name in group if name in names}
            if len(set(sizes.values())) > 1:
                words = ", ".join(f"{name} has {size} values" for name, size in sizes.items())
                problems.append(f"{path}: {words}; axes that go together are equally long")
                break
    return problems
