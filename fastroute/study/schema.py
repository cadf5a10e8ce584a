"""The study: scenarios, the policies that meet them, and the settings of the runs.

A study is written as TOML::

    name = "budgets"
    zip = [["horizon", "trials"]]      # these lists go together instead of crossing

    [scenario]                         # or several, each [[scenario]]
    name = "routerbench"               # further keys: options of the scenario
    families = ["MMLU"]

    [[policy]]
    name = "stageroute"                # further keys: options of the policy
    gamma = ["scaled:0.1", "theory"]   # a list is an axis of the grid
    label = "StageRoute"               # how figures and tables call it; default: the name

    [setting]
    horizon = [10_000, 100_000]
    trials = [1024, 256]
    budget = ["0.5 * slack", "0.8 * slack"]
    max_deployed = 5

Wherever one value is expected, a list of values makes an axis, and the study runs every
combination: its cells. Where a list is itself a value (``families``), a list of lists is an axis;
``{ grid = [...] }`` is an axis anywhere.

A study may have a short form, a table ``[quick]`` whose keys take the place of those of
``[setting]``, and may name the question that its report answers: ``answer = "interval"``.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from fastroute.scenarios.base import Scenario
from fastroute.scenarios.changes import plain_events
from fastroute.scenarios.laws.words import plain_laws
from fastroute.study.axes import zip_problems
from fastroute.study.build import (
    SAVED,
    identity_of,
    policy_axes,
    resolve_policy,
    resolve_scenario,
    scenario_axes,
    stored_options,
    with_full_paths,
)
from fastroute.study.errors import StudyError
from fastroute.study.packaged import preset_names, preset_text
from fastroute.study.problems import explain, label_problems, option_problems, quick_problems
from fastroute.study.specs import PolicySpec, ScenarioSpec, Setting, Store
from fastroute.study.toml import read_text, read_toml, write_toml
from fastroute.study.toml_lines import find_lines
from fastroute.study.values import check_value
from fastroute.words import unknown_name

#: Questions that a study can ask.
QUESTIONS: Final = (
    "interval",
    "multipliers",
    "scaling",
    "stage-exponent",
    "gamma",
    "initialisation",
    "throughput",
    "budget",
    "concurrency",
    "baselines",
    "paper",
    "drift",
    "prices",
    "delay",
    "deploy-cost",
    "successor",
    "features",
)
#: Keys of a study on which none of its results depend.
DESCRIPTIVE_KEYS: Final = ("description", "answer", "max_cells", "quick")
# A name becomes a directory, so it must be one plain path component, also on Windows.
_NAME = re.compile(
    r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)(\.|$))[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?"
)


@dataclass(frozen=True)
class _Origin:
    """Where a study was read from; equal studies may come from different files.

    Attributes
    ----------
    file, text : str
        Name and content of the file, so that what is wrong with a cell is said with its line.
    """

    file: str = field(default="", compare=False)
    text: str = field(default="", compare=False)


class Study(BaseModel):
    """Scenarios, the policies that meet them, and the settings of the runs.

    All policies of a scenario and a setting run with the same seed, so that they meet the same
    worlds and can be compared trial by trial.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(strict=True)
    description: str = Field(default="", strict=True)
    answer: str | None = Field(default=None, strict=True)
    zip: tuple[tuple[str, ...], ...] = ()
    max_cells: Annotated[int, BeforeValidator(lambda value: check_value("trials", value))] = 10_000
    scenario: tuple[ScenarioSpec, ...] = Field(min_length=1)
    policy: tuple[PolicySpec, ...] = Field(min_length=1)
    setting: Setting
    quick_setting: dict[str, Any] | None = Field(default=None, alias="quick")
    store: Store = Store()
    _origin: _Origin = PrivateAttr(default=_Origin())

    @field_validator("answer")
    @classmethod
    def _validate_answer(cls, answer: str | None) -> str | None:
        if answer is not None and answer not in QUESTIONS:
            raise ValueError(unknown_name(answer, QUESTIONS, "answer"))
        return answer

    @field_validator("name")
    @classmethod
    def _validate_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "must be usable as a directory name: letters, digits, dots, dashes and "
                "underscores, starting with a letter or digit, not ending with a dot, and not a "
                "name that Windows keeps for itself, such as con or aux"
            )
        return name

    @field_validator("scenario", mode="before")
    @classmethod
    def _list_of_scenarios(cls, value: Any) -> Any:
        tables = value if isinstance(value, list | tuple) else [value]
        single = isinstance(value, Mapping | Scenario)
        return [_table(entry) for entry in tables] if single or value is tables else value

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a study from a TOML file and check all of it.

        Raises
        ------
        StudyError
            With every problem of the file at once, each with its line: syntax errors, unknown
            keys, wrong values, options that the scenario or the policy does not have.

        Notes
        -----
        Names of files in it are relative to the folder that it is in.
        """
        folder = Path(os.path.abspath(path)).parent
        return cls.from_toml_text(read_text(Path(path)), str(path), folder)

    @classmethod
    def from_toml_text(
        cls, text: str, source: str = "study", folder: str | os.PathLike[str] | None = None
    ) -> Self:
        """Read a study from TOML text, as :meth:`from_toml`; the rest as in :meth:`from_dict`."""
        data = read_toml(text, source)
        try:
            study = cls.from_dict(data, source, folder)
        except StudyError as error:
            lines = find_lines(error.problems, text)
            raise StudyError(source, error.problems, lines) from None
        study._origin = _Origin(source, text)
        return study

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a study that is packaged with fastroute.

        Raises
        ------
        StudyError
            When there is no preset of that name.
        """
        names = preset_names()
        if name not in names:
            raise StudyError("preset", [f'"{name}": {unknown_name(name, names, "preset")}'])
        text = preset_text(name)
        # Its options are right, as the tests of fastroute show; to build all scenarios once more
        # is for what runs the study.
        return cls.model_validate(read_toml(text, f"preset {name}"))

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        source: str = "study",
        folder: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Make a study of plain values and check all of it; as :meth:`from_toml`.

        Parameters
        ----------
        data : mapping
            In the shape of the TOML. A scenario may be a :class:`fastroute.Scenario` too, in the
            place of its table or as the option ``file`` of the scenario ``saved``.
        source : str
            What messages call the study.
        folder : path-like, optional
            What names of files are relative to; default the working directory.
        """
        folder = Path.cwd() if folder is None else Path(folder).absolute()
        data = _with_full_paths(data, folder)
        # The options are looked at also when the rest is broken: one run, all problems.
        scenarios = _tables("scenario", data.get("scenario"))
        policies = _tables("policy", data.get("policy"))
        options = option_problems(scenarios, policies)
        options += label_problems("scenario", scenarios) + label_problems("policy", policies)
        return cls._checked(data, source, options)

    @classmethod
    def _checked(cls, data: Mapping[str, Any], source: str, options: Sequence[str] = ()) -> Self:
        """Make a study of plain values, and check its settings and axes.

        Parameters
        ----------
        data : mapping
            As in :meth:`from_dict`, with the names of files in full.
        source : str
            What messages call the study.
        options : sequence of str
            What is wrong with the options of its scenarios and policies.
        """
        problems: list[str] = []
        single = isinstance(data.get("scenario"), Mapping)
        try:
            study = cls.model_validate(data)
        except ValidationError as error:
            study = None
            problems = [explain(detail, single, cls) for detail in error.errors()]
        problems += options
        if not problems and study is not None:
            problems = zip_problems(
                study.zip, [study.axes(s, p) for s in study.scenario for p in study.policy]
            )
        if not problems and study is not None and study.quick_setting is not None:
            problems = quick_problems(study)
        if problems or study is None:
            raise StudyError(source, problems)
        return study

    @classmethod
    def from_stored(cls, data: Mapping[str, Any], folder: Path) -> Self:
        """Return the study of a run directory, in which nothing is looked up or checked.

        Parameters
        ----------
        data : mapping
            What :meth:`to_dict` returned.
        folder : pathlib.Path
            The run directory, to which names of files are relative.
        """
        return cls.model_validate(_with_full_paths(data, folder.absolute()))

    @property
    def source(self) -> str:
        """What messages call it: the file that it was read from, or its name."""
        return self._origin.file or f"study {self.name}"

    def lines_of(self, keys: Sequence[str]) -> list[int | None]:
        """Return the line of each key, such as ``setting.budget``, in the file of the study."""
        if not self._origin.text:
            return [None] * len(keys)
        return find_lines([f"{key}:" for key in keys], self._origin.text)

    def _from_same_file(self, study: Self) -> Self:
        """Return another form of this study, which knows the file that this one is from."""
        study._origin = self._origin
        return study

    def check(self) -> None:
        """Check names and options against what is registered.

        Raises
        ------
        StudyError
            With every problem at once.
        """
        type(self).from_dict(self.to_dict(), source=f"study {self.name}")

    def __repr__(self) -> str:
        """Say in one line how large the study is."""
        from fastroute.study.grid import count_cells

        counts = [
            f"1 {word}" if len(specs) == 1 else f"{len(specs):,} {plural}"
            for specs, word, plural in (
                (self.scenario, "scenario", "scenarios"),
                (self.policy, "policy", "policies"),
            )
        ]
        return f"<Study {self.name}: {count_cells(self):,} cells of {' and '.join(counts)}>"

    def __str__(self) -> str:
        """Write the study as ``repr`` does."""
        return repr(self)

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, study_card

        return card_html(study_card(self))

    def axes(self, scenario: ScenarioSpec, policy: PolicySpec) -> dict[str, tuple[Any, ...]]:
        """Return the axes of the grid where a scenario and a policy of the study meet.

        Returns
        -------
        dict of str to tuple
            ``scenario.limit``, then ``horizon``, then ``policy.gamma``, with their values.
        """
        world = scenario_axes(scenario.name, scenario.options)
        settings = {field: getattr(self.setting, field) for field in Setting.model_fields}
        return {
            **{f"scenario.{key}": axis for key, axis in world.items()},
            **{key: value for key, value in settings.items() if isinstance(value, tuple)},
            **{f"policy.{key}": axis for key, axis in policy_axes(policy.options).items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain values in the shape of its TOML."""
        # Options of scenarios may be objects, which are not to be taken apart.
        tables = [
            {"name": spec.name, "label": spec.label, **_plain(spec.options)}
            for spec in self.scenario
        ]
        others = self.model_dump(
            mode="json", exclude={"scenario"}, exclude_none=True, by_alias=True
        )
        data: dict[str, Any] = {}
        for key, value in others.items():
            if key == "policy":
                data["scenario"] = tables[0] if len(tables) == 1 else tables
            data[key] = value
        return data

    def to_toml(self) -> str:
        """Write the study as TOML; :meth:`from_toml_text` reads it back as an equal study.

        Raises
        ------
        StudyError
            When a scenario of it is an object that has no file yet.
        """
        objects = [s.label for s in self.scenario if isinstance(s.options.get("file"), Scenario)]
        if objects:
            raise StudyError(
                f"study {self.name}",
                [
                    f'scenario "{label}": is an object, which a file cannot hold; save it with '
                    "fastroute.scenarios.save_scenario and name the file"
                    for label in objects
                ],
            )
        return write_toml(self.to_dict())

    def to_stored(self) -> Self:
        """Return a resolved study as the run directory has it: with saved scenarios inside it."""
        specs = (
            spec.model_copy(update=stored_options(spec.name, spec.options))
            for spec in self.scenario
        )
        return self.model_copy(update={"scenario": tuple(specs)})

    def resolved(self) -> Self:
        """Return the study with every default written out, so that it outlives the defaults.

        Axes and formulas stay as they are.
        """
        data = self.to_dict()
        data["scenario"] = [
            {"name": s.name, "label": s.label, **resolve_scenario(s.name, s.options)}
            for s in self.scenario
        ]
        data["policy"] = [
            {"name": p.name, "label": p.label, **resolve_policy(p.name, p.options)}
            for p in self.policy
        ]
        return self._from_same_file(type(self).model_validate(data))

    def with_setting(self, **changes: Any) -> Self:
        """Return the study with some values of the setting changed; None changes nothing.

        A changed setting leaves the groups of ``zip``.

        Raises
        ------
        StudyError
            When a changed value is not allowed.
        """
        changed = {key: value for key, value in changes.items() if value is not None}
        data = self.to_dict()
        data["setting"] |= changed
        left = ([name for name in group if name not in changed] for group in self.zip)
        data["zip"] = [group for group in left if len(group) > 1]
        return self._from_same_file(self._checked(data, f"study {self.name}"))

    def quick(self) -> Self:
        """Return the short form of the study: settings of its table ``[quick]``, and a name.

        Raises
        ------
        StudyError
            When the study has no short form.
        """
        if self.quick_setting is None:
            raise StudyError(
                f"study {self.name}",
                ["quick: there is no short form; add a table [quick] with settings of its own"],
            )
        data = self.to_dict()
        data["setting"] |= data.pop("quick")
        quick = self._checked({**data, "name": f"{self.name}-quick"}, f"study {self.name}")
        return self._from_same_file(quick)

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that the results depend on: the resolved study but for its words."""
        study = self.resolved()
        data = {k: v for k, v in study.to_dict().items() if k not in DESCRIPTIVE_KEYS}
        scenarios = [
            {"name": spec.name, "label": spec.label, **identity_of(spec.name, spec.options)}
            for spec in study.scenario
        ]
        # As in the file: one scenario is a table, several are a list of tables.
        data["scenario"] = scenarios if len(scenarios) > 1 else scenarios[0]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _table(scenario: Any) -> Any:
    """Return the table of a scenario, with plain values where objects are given."""
    if isinstance(scenario, Scenario):
        return {"name": SAVED, "label": scenario.name, "file": scenario}
    table = plain_laws(scenario)
    if isinstance(table, Mapping) and "changes" in table:
        return {**table, "changes": plain_events(table["changes"])}
    return table


def _with_full_paths(data: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return the data of a study with the names of its files in full."""
    if not isinstance(data, Mapping) or "scenario" not in data:
        return data

    def full(value: Any) -> Any:
        table = _table(value)
        if isinstance(table, Mapping) and isinstance(table.get("name"), str):
            return with_full_paths(table["name"], table, folder)
        return table

    given = data["scenario"]
    several = isinstance(given, list | tuple)
    return {**data, "scenario": [full(entry) for entry in given] if several else full(given)}


def _plain(value: Any) -> Any:
    """Return lists in the place of tuples, and text in that of paths."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, PurePath) else value


def _tables(name: str, value: Any) -> dict[str, Mapping[str, Any]]:
    """Return the tables of a name with where they are in the study, and {} for anything else."""
    if isinstance(value, Mapping):
        return {name: value} if name == "scenario" else {}
    if not isinstance(value, list | tuple):
        return {}
    return {
        f"{name}[{place}]": entry if isinstance(entry, Mapping) else {}
        for place, entry in enumerate(value)
    }
