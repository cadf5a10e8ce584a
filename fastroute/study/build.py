"""From the tables of a study to scenarios and policies, and which of their options are axes."""

import functools
import hashlib
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, get_args

from fastroute.policies.estimators.learner import GAMMA_RULES
from fastroute.policies.part import KINDS
from fastroute.references import is_reference
from fastroute.rules import ALL_NAMES, Formula, formula
from fastroute.study.axes import axis_of
from fastroute.study.toml import show_toml

if TYPE_CHECKING:
    from fastroute.policies import Part, Policy
    from fastroute.scenarios import Scenario

#: Options of a scenario that are settings of the run too, whose value they take when not given.
RUN_OPTIONS: Final = ("horizon", "trials")
#: Name of the scenario that is read from a file.
SAVED: Final = "saved"
#: Folder of a run directory in which these files are kept, named by what is in them.
SCENARIO_FOLDER: Final = "scenarios"
# Parts of an annotation that take a list as one value.
_LISTS: Final = ("Sequence", "ArrayLike", "list", "tuple")
# Parts of an annotation that take the name of a file.
_FILES: Final = ("Path", "Outcomes", "ModelTable", "Prices", "Frame")


def build_scenario(name: str, options: Mapping[str, Any]) -> "Scenario":
    """Build a registered scenario.

    Raises
    ------
    ValueError
        When the name or an option is unknown, or a value is not allowed.
    """
    from fastroute.scenarios import scenario

    return scenario(name, **options)


def build_policy(name: str, options: Mapping[str, Any]) -> "Policy":
    """Build a registered policy.

    Raises
    ------
    ValueError
        When the name or an option is unknown, or a value is not allowed.
    """
    from fastroute.policies import policy

    return policy(name, **options)


@functools.lru_cache(maxsize=1024)
def policy_formula(part: "type[Part] | None", option: str, value: str) -> Formula | None:
    """Read a formula for an option of a part of a policy; None where the value is not a formula.

    Parameters
    ----------
    part : type of Part or None
        None for ``margin``, which is the policy's own.
    option, value : str

    Raises
    ------
    ValueError
        When the option is a number and the text is not a formula.
    """
    from fastroute.policies import OptionsError, Policy

    fields = Policy.model_fields if part is None else part.model_fields
    if not {int, float} & _kinds(fields[option].annotation):
        return None
    if part is not None and str in _kinds(fields[option].annotation):
        try:
            part(**{option: value})
            return None
        except OptionsError as error:
            if all(problem.path != (option,) for problem in error.problems):
                return None
    try:
        return formula(value, ALL_NAMES)
    except ValueError as error:
        rules = GAMMA_RULES if option == "gamma" else "a number"
        raise ValueError(f"must be {rules}, or a formula; {error}") from None


def _kinds(annotation: Any) -> set[Any]:
    """Types that an annotation is made of: unions and annotated types taken apart."""
    parts = get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}


def policy_formulas(name: str, options: Mapping[str, Any]) -> dict[str, Formula]:
    """Read those options beside the parts of a policy that are formulas.

    Raises
    ------
    ValueError
        When something is no part, or an option that is a number is text that is not a formula.
    """
    found = {}
    texts = {option: value for option, value in options.items() if isinstance(value, str)}
    for option, part in _owners(name, options, texts).items():
        try:
            rule = policy_formula(part, option, texts[option])
        except ValueError as error:
            raise FormulaOptionError(option, texts[option], str(error)) from None
        if rule is not None:
            found[option] = rule
    return found


def _owners(
    name: str, options: Mapping[str, Any], wanted: Collection[str]
) -> "dict[str, type[Part] | None]":
    """Return the part that each wanted option is for; an option that no part has is left out."""
    from fastroute.policies import Policy
    from fastroute.policies.registry import read_parts

    drafts = read_parts(name, options).values() if wanted else ()
    found: dict[str, type[Part] | None] = {}
    for option in wanted:
        if option in Policy.model_fields:
            if option not in KINDS:
                found[option] = None
            continue
        mine = [draft.cls for draft in drafts if option in draft.fields]
        if mine:
            found[option] = mine[0]
    return found


def flat_options(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a policy that is given as tables beside the names of its parts.

    Where two parts have an option of one name, the first one's is returned.  Run directories of
    earlier versions hold the options flat already.
    """
    found = dict(tables)
    for kind in KINDS:
        if isinstance(tables[kind], Mapping):
            found[kind] = tables[kind]["name"]
            for option, value in tables[kind].items():
                if option != "name":
                    found.setdefault(option, value)
    return found


def evaluate_policy(
    name: str,
    options: Mapping[str, Any],
    rules: Mapping[str, Formula],
    names: Mapping[str, float],
) -> dict[str, Any]:
    """Return the options of a policy with formulas worked out for one cell.

    Raises
    ------
    ValueError
        When a formula has no value.
    """
    found = dict(options)
    for option, part in _owners(name, options, rules).items():
        number = rules[option](names)
        whole = part is not None and part.model_fields[option].annotation is int
        found[option] = round(number) if whole else number
    return found


def plain_parts(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a policy with its parts as tables, where they are objects.

    Raises
    ------
    ValueError
        When a part of the user's own cannot be imported by its name.
    """
    from fastroute.policies.part import Part
    from fastroute.policies.reading import make_part

    def plain(kind: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [plain(kind, entry) for entry in value]
        if isinstance(value, Mapping) and set(value) == {"grid"}:
            return {"grid": plain(kind, value["grid"])}
        if isinstance(value, Part) or callable(value):
            return make_part(kind, value).dump()
        return value

    return {key: plain(key, value) if key in KINDS else value for key, value in options.items()}


def scenario_options(name: str) -> dict[str, Any]:
    """Options of a scenario builder with their defaults (``inspect.Parameter.empty``: none)."""
    return {p.name: p.default for p in _parameters(name)}


def world_options() -> dict[str, Any]:
    """Options that every scenario has besides those of its builder, with their defaults."""
    from fastroute.scenarios.feedback import Feedback

    return Feedback()._asdict()


def run_options(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of a scenario that are not given and take their value from the setting of the run."""
    return tuple(
        key
        for key, default in scenario_options(name).items()
        if key in RUN_OPTIONS and not isinstance(default, int) and options.get(key) is None
    )


def scenario_axes(name: str, options: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Those options of a scenario that are axes of the grid."""
    if is_registered(name):
        native = _options_with_annotation(name, _LISTS)
    else:
        # A function of the user's own is not imported to look: every list is an axis. Where a name
        # is not known at all, as in the report of a study whose scenario was registered by a
        # script, the study is a resolved one, in which the other lists are values.
        native = {"changes"} if is_reference(name) else set(options)
    return _axes(options, native)


def policy_axes(options: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Those options of a policy that are axes of the grid."""
    return _axes(options, set())


def _axes(options: Mapping[str, Any], native: Collection[str]) -> dict[str, tuple[Any, ...]]:
    found = {key: axis_of(value, native_list=key in native) for key, value in options.items()}
    return {key: axis for key, axis in found.items() if axis is not None}


def _parameters(name: str) -> list[inspect.Parameter]:
    from fastroute.scenarios.registry import find_builder

    return _parameters_of(find_builder(name))


@functools.lru_cache(maxsize=64)
def _parameters_of(builder: "Callable[..., Scenario]") -> list[inspect.Parameter]:
    """Parameters of a builder, and those that every scenario has."""
    from fastroute.scenarios.registry import CHANGE_OPTIONS

    own = inspect.signature(builder).parameters
    every = {**CHANGE_OPTIONS, **own}.values()
    return [p for p in every if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def _options_with_annotation(name: str, words: Sequence[str]) -> set[str]:
    """Options of a scenario whose annotation has one of the words in it."""
    return {p.name for p in _parameters(name) if any(x in str(p.annotation) for x in words)}


def _file_options(name: str) -> set[str]:
    """Options of a scenario that are names of files where they are text."""
    return _options_with_annotation(name, _FILES) if is_registered(name) else {"prices"}


def is_registered(name: str) -> bool:
    """Tell whether a scenario has a builder that is known without importing code of the user's."""
    from fastroute.scenarios import SCENARIOS

    return name in SCENARIOS


def resolve_scenario(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a scenario with all that others must know written out.

    These are the defaults that TOML can hold, axes as axes, the full names of files, and what is
    inside a saved scenario. Of a function of the user's own no defaults are known, because
    nothing is imported here.
    """
    defaults = {
        key: default
        for key, default in (scenario_options(name) if is_registered(name) else {}).items()
        if isinstance(default, bool | int | float | str)
    }
    axes = {key: {"grid": list(axis)} for key, axis in scenario_axes(name, options).items()}
    found = {**defaults, **with_full_paths(name, {**options, **axes}, Path.cwd())}
    if name == SAVED and "digest" not in found:
        from fastroute.scenarios.saved import scenario_digest

        found["digest"] = scenario_digest(build_scenario(name, found))
    return found


def with_full_paths(name: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the options of a scenario with names of files, relative to a folder, in full.

    Addresses such as ``s3://...`` stay as they are.
    """
    names = _file_options(name)

    def full(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [full(entry) for entry in value]
        if isinstance(value, Mapping) and set(value) == {"grid"}:
            return {"grid": full(value["grid"])}
        if not isinstance(value, str | PurePath) or "://" in str(value):
            return value
        return os.path.normpath(folder / Path(value).expanduser())

    return {key: full(value) if key in names else value for key, value in options.items()}


def identity_of(name: str, options: Mapping[str, Any], *, files: bool = True) -> dict[str, Any]:
    """Return options that are equal for two scenarios of one name where their results are.

    A study stays the same when its data move.

    Parameters
    ----------
    name, options : str, mapping
        Resolved.
    files : bool
        Name files by what is in them; else leave them out.
    """
    names = _file_options(name)
    found = {key: _plain_axis(name, key, options[key]) for key in options if key not in names}
    # A saved scenario has a digest of what is in its file.
    if files and name != SAVED:
        found |= {key: _checksums(value) for key, value in options.items() if key in names}
    return found


def _plain_axis(name: str, key: str, value: Any) -> Any:
    """Return an axis as a plain list, where a study takes one for the same axis."""
    if isinstance(value, Mapping) and set(value) == {"grid"}:
        values = list(value["grid"])
        if scenario_axes(name, {key: values}) == scenario_axes(name, {key: value}):
            return values
    return value


def stored_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return resolved options as the run directory has them: with a saved scenario inside it."""
    if name != SAVED:
        return dict(options)
    return {**options, "file": f"{SCENARIO_FOLDER}/{options['digest'][:16]}.npz"}


def file_content(name: str, options: Mapping[str, Any]) -> bytes:
    """Return the content of the file of a saved scenario, and nothing for another one."""
    from fastroute.scenarios import Scenario
    from fastroute.scenarios.saved import scenario_bytes

    if name != SAVED:
        return b""
    file = options["file"]
    return scenario_bytes(file) if isinstance(file, Scenario) else Path(file).read_bytes()


def _checksums(value: Any) -> Any:
    """Return a checksum for the name of a file that is there, and other values as they are."""
    if isinstance(value, list | tuple):
        return [_checksums(entry) for entry in value]
    if isinstance(value, Mapping) and set(value) == {"grid"}:
        return {"grid": _checksums(value["grid"])}
    if isinstance(value, str):
        try:
            about = os.stat(value)
            return _checksum(value, about.st_size, about.st_mtime_ns)
        except (OSError, ValueError):
            return value
    return value


@functools.lru_cache(maxsize=64)
def _checksum(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve_policy(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a policy with all defaults written out, in a table for each part.

    Axes and formulas stay as they are, and so do options of a part that is itself an axis.
    """
    axes = policy_axes(options)
    first = {**options, **{option: axis[0] for option, axis in axes.items()}}
    rules = policy_formulas(name, first)
    open_options = {key: options[key] for key in options if key in axes or key in rules}
    tables = build_policy(name, {k: v for k, v in first.items() if k not in rules}).dump()
    del tables["name"]
    for kind in KINDS:
        if kind in axes:
            # The options beside it are for whichever part it is.
            open_options |= {key: options[key] for key in tables[kind] if key in options}
        else:
            tables[kind] = {k: v for k, v in tables[kind].items() if k not in open_options}
    return {**tables, **open_options}


class FormulaOptionError(ValueError):
    """What is wrong with the formula of an option."""

    def __init__(self, option: str, value: Any, message: str) -> None:
        self.option = option
        super().__init__(f"{option} = {show_toml(value)}: {message}")
