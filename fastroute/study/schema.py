"""The study: a scenario, the policies that meet it, and the setting of the runs.

A study is written as TOML::

    name = "quickstart"

    [scenario]
    name = "routerbench"         # further keys: options of the scenario
    families = ["MMLU"]

    [[policy]]
    name = "stageroute"          # further keys: options of the policy
    gamma = "scaled:0.1"
    label = "StageRoute"         # how figures and tables call it; default: the name

    [setting]
    horizon = 100_000
    budget = 0.001
    max_deployed = 5

Every value of ``[setting]`` is a single number or word, which leaves lists free for grids.
"""

import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from fastroute.study.build import option_problems, resolve_policy, resolve_scenario
from fastroute.study.errors import StudyError, key_path, plain_message, unknown
from fastroute.study.toml import read_toml, read_toml_file, shown, write_toml

_STAGE_RULE = re.compile(r"T\^\(?\s*(\d+(\.\d*)?|\.\d+)\s*(/\s*(\d+(\.\d*)?|\.\d+)\s*)?\)?|theory")
# A name becomes a directory, so it must be one plain path component.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _whole(value: Any) -> Any:
    """Turn 1e5 into 100000 and refuse what only looks like an integer (true, "7")."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a whole number")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise ValueError("must be a whole number")
    return int(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return float(value)


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]


class ScenarioSpec(BaseModel):
    """A registered scenario and its options (every key but ``name``)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """Options for ``fastroute.scenario(name, **options)``."""
        return dict(self.model_extra or {})


class PolicySpec(BaseModel):
    """A registered policy, its options (every other key) and its label."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(strict=True)
    label: str = Field(default="", strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """Options for ``fastroute.policy(name, **options)``."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_name(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("name"), str):
            return {"label": data["name"], **data}
        return data

    @field_validator("label")
    @classmethod
    def _label_is_printable(cls, label: str) -> str:
        if not label.strip() or not label.isprintable():
            raise ValueError("must be one line of text that is not empty")
        return label


class Setting(BaseModel):
    """What every run of a study shares: the arguments of ``fastroute.simulate``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon: Whole = Field(ge=1, description="number of rounds T")
    budget: Number = Field(gt=0, description="largest mean cost per query")
    max_deployed: Whole = Field(ge=1, description="models deployed at once")
    stages: int | str = Field(default="T^(1/3)", description='number of stages, "T^x" or "theory"')
    trials: Whole = Field(default=256, ge=1, description="independent repetitions")
    seed: Whole = Field(default=0, ge=0, le=2**63 - 1, description="seed of every draw")
    checkpoints: Whole = Field(default=64, ge=1, description="rounds at which curves are kept")
    deploy_cost: Number = Field(
        default=0.0, ge=0, description="one-time cost per newly deployed model"
    )
    backend: str = Field(default="auto", strict=True, description="backend of the simulation")

    @field_validator("stages", mode="before")
    @classmethod
    def _stages_are_a_count_or_a_rule(cls, value: Any) -> Any:
        if isinstance(value, str):
            if not _STAGE_RULE.fullmatch(value.strip()):
                raise ValueError('must be a whole number, "T^x" such as "T^(1/3)", or "theory"')
            return value.strip()
        if (count := _whole(value)) < 1:
            raise ValueError("must be at least 1")
        return count


class Study(BaseModel):
    """A scenario, the policies that meet it, and the setting of the runs.

    All policies run with the same seed, so that they meet the same worlds and can be compared
    trial by trial.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(strict=True)
    description: str = Field(default="", strict=True)
    scenario: ScenarioSpec
    policy: tuple[PolicySpec, ...] = Field(min_length=1)
    setting: Setting

    @field_validator("name")
    @classmethod
    def _name_is_a_path_component(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "must be usable as a directory name: letters, digits, dots, dashes and "
                "underscores, starting with a letter or digit"
            )
        return name

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a study from a TOML file and check all of it.

        Raises
        ------
        StudyError
            With every problem of the file at once: syntax errors with line and column, unknown
            keys, wrong values, options that the scenario or the policy does not have.
        """
        return cls.from_dict(read_toml_file(Path(path)), source=str(path))

    @classmethod
    def from_toml_text(cls, text: str, source: str = "study") -> Self:
        """Read a study from TOML text; as :meth:`from_toml`."""
        return cls.from_dict(read_toml(text, source), source=source)

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
            raise StudyError("preset", [f'"{name}": {unknown(name, names, "preset")}'])
        text = (_presets() / f"{name}.toml").read_text(encoding="utf-8")
        return cls.from_toml_text(text, source=f"preset {name}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "study") -> Self:
        """Make a study of plain values and check all of it; as :meth:`from_toml`."""
        problems = []
        try:
            study = cls.model_validate(data)
        except ValidationError as error:
            study = None
            problems = [_explain(detail) for detail in error.errors()]
        # The options are looked at also when the rest is broken: one run, all problems.
        scenario, policies = data.get("scenario"), data.get("policy")
        problems += option_problems(
            scenario if isinstance(scenario, Mapping) else {},
            [entry if isinstance(entry, Mapping) else {} for entry in policies]
            if isinstance(policies, list | tuple)
            else [],
        )
        problems += _label_problems(policies)
        if problems or study is None:
            raise StudyError(source, problems)
        return study

    def check(self) -> None:
        """Check names and options against what is registered.

        Raises
        ------
        StudyError
            With every problem at once.
        """
        type(self).from_dict(self.to_dict(), source=f"study {self.name}")

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain values in the shape of its TOML."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """Write the study as TOML; :meth:`from_toml_text` reads it back as an equal study."""
        return write_toml(self.to_dict())

    def resolved(self) -> Self:
        """Return the study with every default written out, so that it outlives the defaults."""
        data = self.to_dict()
        data["scenario"] = {
            "name": self.scenario.name,
            **resolve_scenario(self.scenario.name, self.scenario.options),
        }
        data["policy"] = [
            {"name": p.name, "label": p.label, **resolve_policy(p.name, p.options)}
            for p in self.policy
        ]
        return type(self).model_validate(data)

    def with_setting(self, **changes: Any) -> Self:
        """Return the study with some values of the setting changed; None changes nothing.

        Raises
        ------
        StudyError
            When a changed value is not allowed.
        """
        data = self.to_dict()
        data["setting"] |= {key: value for key, value in changes.items() if value is not None}
        return type(self).from_dict(data, source=f"study {self.name}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the policies, in the order of the study."""
        return tuple(entry.label for entry in self.policy)

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that the results depend on: the resolved study but its description."""
        data = self.resolved().to_dict()
        del data["description"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def preset_names() -> tuple[str, ...]:
    """Names of the studies packaged with fastroute, sorted."""
    files = (Path(entry.name) for entry in _presets().iterdir())
    return tuple(sorted(file.stem for file in files if file.suffix == ".toml"))


def _presets() -> Any:
    return resources.files("fastroute.study") / "presets"


def _explain(detail: Any) -> str:
    """Turn one error of pydantic into a line with key path, value and remedy."""
    path = key_path(detail["loc"])
    value, kind = detail["input"], detail["type"]
    if kind == "missing":
        return f"{path}: missing; {_purpose(detail['loc'])}"
    if kind == "extra_forbidden":
        model: type[BaseModel] = Setting if detail["loc"][0] == "setting" else Study
        why = unknown(str(detail["loc"][-1]), model.model_fields, "key")
        return f"{path} = {shown(value)}: {why}"
    message = plain_message(detail)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = f"must be a table, written [{path}]"
    elif kind == "tuple_type":
        message = f"must be a list of tables, each written [[{path}]]"
    elif kind == "too_short":
        message = f"at least one is needed, written [[{path}]]"
    return f"{path} = {shown(value)}: {message}"


def _purpose(location: tuple[int | str, ...]) -> str:
    """Say what to write where a required key is missing."""
    field = Setting.model_fields.get(str(location[-1]))
    if location[0] == "setting" and field is not None:
        return f"give the {field.description}"
    if location == ("policy",):
        return "add at least one policy, written [[policy]]"
    if location in (("scenario",), ("setting",)):
        return f"add a table [{location[0]}]"
    return "give a name"


def _label_problems(policies: Any) -> list[str]:
    """Find labels that two policies share; frames and figures could not tell them apart."""
    if not isinstance(policies, list | tuple):
        return []
    labels = [
        entry.get("label", entry.get("name")) if isinstance(entry, Mapping) else None
        for entry in policies
    ]
    counts = Counter(label for label in labels if isinstance(label, str))
    return [
        f"policy[{index}].label = {shown(label)}: used {counts[label]} times; "
        "give each of these policies a label of its own"
        for index, label in enumerate(labels)
        if isinstance(label, str) and counts[label] > 1 and labels.index(label) != index
    ]
