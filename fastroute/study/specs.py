"""The tables that a study is made of: scenarios, policies, the setting, and what is stored."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from fastroute.simulation.blocks import BLOCK
from fastroute.study.axes import axis_of
from fastroute.study.build import plain_parts
from fastroute.study.values import check_entry, check_value


def _setting(field: str) -> BeforeValidator:
    """Check a setting: one value, a formula for it, or an axis of these."""

    def check(value: Any) -> Any:
        axis = axis_of(value)
        if axis is None:
            return check_entry(field, value)
        return tuple(check_entry(field, entry) for entry in axis)

    return BeforeValidator(check)


class _Named(BaseModel):
    """A registered thing, its options (every other key) and its label."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(strict=True)
    label: str = Field(default="", strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the builder of that name."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _default_label(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("name"), str):
            return {"label": data["name"], **data}
        return data

    @field_validator("label")
    @classmethod
    def _validate_label(cls, label: str) -> str:
        if not label.strip() or not label.isprintable():
            raise ValueError("must be one line of text that is not empty")
        return label


class ScenarioSpec(_Named):
    """A registered scenario, its options and its label."""


class PolicySpec(_Named):
    """A registered policy, its options and its label; parts that are objects become tables."""

    @model_validator(mode="before")
    @classmethod
    def _parts_as_tables(cls, data: Any) -> Any:
        return plain_parts(data) if isinstance(data, Mapping) else data


Whole = int | str | tuple[int | str, ...]
Number = float | str | tuple[float | str, ...]


class Setting(BaseModel):
    """The arguments of ``fastroute.simulate``: values, formulas for them, or axes of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon: Annotated[Whole, _setting("horizon")] = Field(description="number of rounds T")
    budget: Annotated[Number, _setting("budget")] = Field(description="largest mean cost per query")
    max_deployed: Annotated[Whole, _setting("max_deployed")] = Field(
        description="models deployed at once"
    )
    stages: Annotated[Whole, _setting("stages")] = Field(
        default="T^(1/3)", description="number of stages"
    )
    trials: Annotated[Whole, _setting("trials")] = Field(
        default=256, description="independent repetitions"
    )
    seed: Annotated[int | tuple[int, ...], _setting("seed")] = Field(
        default=0, description="seed of every draw"
    )
    checkpoints: Annotated[Whole, _setting("checkpoints")] = Field(
        default=64, description="rounds at which curves are kept"
    )
    deploy_cost: Annotated[Number, _setting("deploy_cost")] = Field(
        default=0.0, description="one-time cost per newly deployed model"
    )
    load_rounds: Annotated[Whole, _setting("load_rounds")] = Field(
        default=0, description="rounds before a newly deployed model takes traffic"
    )
    backend: Annotated[str | tuple[str, ...], _setting("backend")] = Field(
        default="auto", description="backend of the simulation"
    )


class Store(BaseModel):
    """What is kept on disk, and in which portions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    curves: Literal["auto", "trials", "moments"] = Field(
        default="auto", description="curves of every trial, or moments and quantiles over trials"
    )
    stages: Literal["auto", "trials", "means"] = Field(
        default="auto", description="stages of every trial, or means over trials"
    )
    shard_trials: Literal["auto"] | int = Field(
        default="auto", description=f"trials in a shard, a multiple of {BLOCK}"
    )

    @field_validator("shard_trials", mode="before")
    @classmethod
    def _validate_shard_trials(cls, value: Any) -> Any:
        if value != "auto" and (check_value("trials", value) % BLOCK or value > 2**20):
            raise ValueError(f'must be "auto" or a multiple of {BLOCK} up to {2**20}')
        return value if value == "auto" else int(value)
