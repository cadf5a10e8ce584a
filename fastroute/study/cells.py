"""The cells of a study with all numbers worked out, and what identifies their results."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastroute.scenarios.costs import BudgetMarks, budget_marks
from fastroute.scenarios.optimum import optimum, refuse_infeasible, surely_feasible
from fastroute.simulation.blocks import BLOCK
from fastroute.simulation.engine import refuse_backend, refuse_delay, refuse_policy, run_numbers
from fastroute.simulation.settings import MAX_CURVE_TRIALS, MAX_STORED_STAGE_ROWS, Settings
from fastroute.study.axes import value_label
from fastroute.study.build import (
    build_policy,
    build_scenario,
    evaluate_policy,
    file_content,
    flat_options,
    identity_of,
    policy_formulas,
    run_options,
    stored_options,
)
from fastroute.study.cell_problems import cells_error
from fastroute.study.errors import StudyError
from fastroute.study.grid import Point, points
from fastroute.study.planning import StorageMode
from fastroute.study.schema import Study
from fastroute.study.specs import Setting
from fastroute.study.toml import show_toml
from fastroute.study.values import evaluate_setting
from fastroute.study.work import Job

if TYPE_CHECKING:
    from fastroute.kernels.types import Feedback, Outcome
    from fastroute.policies import Policy
    from fastroute.rules import Formula
    from fastroute.scenarios import Scenario
    from fastroute.scenarios.base import World

#: A shard of automatic size has at most this many trial-rounds (half a second or so) ...
SHARD_ROUNDS: Final = 40_000_000
#: ... and at most this many trials.
SHARD_TRIALS: Final = 4096


@dataclass(frozen=True)
class Cell:
    """One scenario, one policy and one setting: what its shards are made from.

    Attributes
    ----------
    number : int
        Place in the grid, from 0.
    world : int
        Number of its combination of scenario and setting; the policies of one world meet the
        same queries and can be compared trial by trial.
    scenario, policy : str
        Labels.
    scenario_name, policy_name : str
        What is registered under that name is built with the options below.
    scenario_options, policy_options : dict
        Resolved, single values.
    run_options : tuple of str
        Options of the scenario that take the value of the setting: horizon, trials.
    settings : Settings
        Arguments of ``simulate``, with the budget and the stages as numbers.
    gamma : float or None
        The policy's, as a number; None where its estimator takes none.
    axes : dict
        Column name and value for what varies in the study beside the settings.
    curves : {"trials", "moments"}
        What is kept of the curves.
    keep_stages : bool
        Whether the stages of every trial are kept, or means.
    shard_trials : int
        Trials in a shard.
    n_models : int
        Models of the scenario.
    cost_unit, note : str
        Of the scenario.
    models : tuple of str
        Of the scenario.
    changes : tuple of int
        Rounds in which means or limits change.
    never_learnt : dict of str to str
        What no policy learns, and why, as :meth:`fastroute.Scenario.never_learnt` says it.
    digest : str
        Of the numbers behind the scenario.
    content : bytes
        Of the file of a saved scenario, which travels with the shards; else empty.
    """

    number: int
    world: int
    scenario: str
    policy: str
    scenario_name: str
    policy_name: str
    scenario_options: dict[str, Any]
    policy_options: dict[str, Any]
    run_options: tuple[str, ...]
    settings: Settings
    gamma: float | None
    axes: dict[str, Any]
    curves: str
    keep_stages: bool
    shard_trials: int
    cost_unit: str
    note: str
    models: tuple[str, ...]
    changes: tuple[int, ...]
    never_learnt: dict[str, str]
    digest: str
    content: bytes = b""

    @cached_property
    def key(self) -> str:
        """Identifies the results of a trial: a hash of all they depend on but its number."""
        # What is in the files of a scenario is in the digest; their names decide nothing.
        options = identity_of(self.scenario_name, self.scenario_options, files=False)
        what = {
            "scenario": [self.scenario_name, options, self.digest],
            "policy": self.policy_options,
            "settings": _without_trials(self.settings),
        }
        text = json.dumps(what, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def built_with(self) -> dict[str, Any]:
        """Options that the scenario is built with."""
        return self._built_with(self.settings)

    def _built_with(self, settings: Settings) -> dict[str, Any]:
        taken = {name: getattr(settings, name) for name in self.run_options}
        return {**self.scenario_options, **taken}

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.settings.trials

    @property
    def rounds(self) -> int:
        """Number of trial-rounds."""
        return self.trials * self.settings.horizon

    @property
    def storage(self) -> StorageMode:
        """What is kept on disk."""
        return StorageMode(
            trials=self.trials,
            shard_trials=self.shard_trials,
            moments=self.curves == "moments",
            means=not self.keep_stages,
        )

    def job(self, first: int, stop: int, **changes: Any) -> Job:
        """Return the shard of trials ``first <= trial < stop``, with some settings changed."""
        settings = replace(self.settings, **changes)
        return Job(
            key=self.key,
            first=first,
            stop=stop,
            scenario=self.scenario_name,
            scenario_options=json.dumps(self._built_with(settings), sort_keys=True, default=str),
            policy_options=self.policy_options,
            settings=settings,
            moments=self.storage.moments,
            means=self.storage.means,
            content=self.content,
        )

    def __str__(self) -> str:
        """Name the cell by its labels and settings."""
        varied = "".join(f", {name}={show_toml(value)}" for name, value in self.axes.items())
        s = self.settings
        return (
            f"cell {self.number} ({self.policy} in {self.scenario}, horizon={s.horizon}, "
            f"budget={s.budget:g}, max_deployed={s.max_deployed}{varied})"
        )


def cell_words(cell: Cell, study: Study) -> list[str]:
    """Say what tells a cell apart from the others of its study, what varies only.

    Returns
    -------
    list of str
        The policy, the scenario where there are several, and the settings that are axes.
    """
    several = len(study.scenario) > 1 or cell.scenario != study.scenario[0].label
    words = [f"{cell.policy} in {cell.scenario}" if several else cell.policy]
    for name in Setting.model_fields:
        if isinstance(getattr(study.setting, name), tuple) and name != "trials":
            value = getattr(cell.settings, name)
            words.append(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}")
    return words


def _without_trials(settings: Settings) -> dict[str, Any]:
    """Return the settings that a study can set, on which the results of a trial depend."""
    return {name: getattr(settings, name) for name in Setting.model_fields if name != "trials"}


def lay_out(study: Study, on_progress: Callable[[int, int], None] | None = None) -> list[Cell]:
    """Work out every cell of a resolved study and refuse what cannot be simulated.

    Parameters
    ----------
    study : Study
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` with numbers of cells, now and then.

    Raises
    ------
    StudyError
        When there are too many cells, or the formulas, options or scenario of a cell do not
        work. What is wrong with several cells is said once.
    """
    builder = _CellBuilder(study)
    cells: list[Cell] = []
    wrong: dict[tuple[str, str], list[tuple[int, Point]]] = {}
    grid_points = points(study)
    for number, point in enumerate(grid_points):
        table = "scenario"
        try:
            world = builder.world(point)
            table = "policy"
            cells.append(builder.cell(number, point, world, builder.policy(point, world)))
        except (ValueError, OSError) as error:
            wrong.setdefault((table, str(error)), []).append((number, point))
        if on_progress is not None:
            on_progress(number + 1, len(grid_points))
    if wrong:
        raise cells_error(study, wrong)
    twice = _duplicate_cells(cells)
    if twice:
        raise StudyError(f"study {study.name}", twice)
    return cells


def _duplicate_cells(cells: list[Cell]) -> list[str]:
    """Find cells that have the same numbers, which would be the same row twice."""
    seen: dict[str, Cell] = {}
    found = []
    for cell in cells:
        other = seen.setdefault(cell.key, cell)
        # Two policies may be the same on purpose, under labels of their own.
        if other is not cell and (other.policy == cell.policy or other.storage != cell.storage):
            found.append(
                f"{other} and {cell} have the same numbers; drop a value from an axis "
                "(two formulas may have the same value, and trials alone are not an axis)"
            )
    return found[:5]


def _run_options(point: Point) -> dict[str, int]:
    """Return the options that the scenario takes from its run."""
    wanted = run_options(point.scenario.name, point.scenario.options)
    names: dict[str, float] = {}
    found: dict[str, int] = {}
    if wanted:
        found["horizon"] = evaluate_setting("horizon", point.setting["horizon"], names)
        names["T"] = found["horizon"]
    if "trials" in wanted:
        trials = point.setting["trials"]
        try:
            found["trials"] = evaluate_setting("trials", trials, names)
        except KeyError as missing:
            raise ValueError(
                f"trials = {show_toml(trials)}: uses {missing.args[0]}, but scenario "
                f'"{point.scenario.name}" has one instance per trial, so trials must be '
                f"known before {missing.args[0]}; use a number or a formula in T"
            ) from None
    return {option: found[option] for option in wanted}


class _WorldSettings(NamedTuple):
    """A scenario and a setting, which several policies share."""

    number: int  #: of the world
    scenario: "Scenario"
    arrays: "World"  #: of the scenario
    options: dict[str, Any]  #: of the scenario, as the run directory has them
    taken: tuple[str, ...]
    settings: Settings
    names: dict[str, float]  #: for the formulas of policies
    changes: tuple[int, ...]
    digest: str
    content: bytes


class _EvaluatedPolicy(NamedTuple):
    """A policy with its formulas worked out."""

    policy: "Policy"
    options: dict[str, Any]
    gamma: float | None


class _CellBuilder:
    """Builds cells, and what several cells share only once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._scenarios: dict[str, Scenario] = {}
        self._contents: dict[str, bytes] = {}
        self._worlds: dict[tuple[str, int], tuple[World, str]] = {}
        self._budget_marks_of: dict[tuple[str, int, int], BudgetMarks] = {}
        self._feasible: set[tuple[str, int, int, float]] = set()
        self._world_numbers: dict[str, int] = {}
        self._world_settings: dict[tuple[Any, ...], _WorldSettings | ValueError | OSError] = {}
        self._evaluated_policies: dict[tuple[Any, ...], _EvaluatedPolicy] = {}
        self._formulas: dict[int, dict[str, Formula]] = {}
        # Both cost a solution of every pool and instance, so they are left out where no formula
        # can ask for them.
        text = json.dumps([study.to_dict()[key] for key in ("setting", "policy")])
        self._uses_marks = any(name in text for name in BudgetMarks._fields)
        self._axes_of_grid = {
            name: axis
            for scenario in study.scenario
            for policy in study.policy
            for name, axis in study.axes(scenario, policy).items()
        }
        self._columns = [
            column for name, axis in self._axes_of_grid.items() if (column := _column(name, axis))
        ]

    def cell(
        self, number: int, point: Point, world: _WorldSettings, policy: _EvaluatedPolicy
    ) -> Cell:
        settings = world.settings
        horizon, trials = settings.horizon, settings.trials
        store = self._study.store
        few = trials <= MAX_CURVE_TRIALS
        rows = trials * int(settings.stages)
        return Cell(
            number=number,
            world=world.number,
            scenario=point.scenario.label,
            policy=point.policy.label,
            scenario_name=point.scenario.name,
            policy_name=point.policy.name,
            scenario_options=world.options,
            policy_options=policy.options,
            run_options=world.taken,
            settings=settings,
            gamma=policy.gamma,
            axes=self._axes(point, policy.options),
            curves=store.curves if store.curves != "auto" else ("trials" if few else "moments"),
            keep_stages=store.stages == "trials"
            or (store.stages == "auto" and rows <= MAX_STORED_STAGE_ROWS),
            shard_trials=shard_size(horizon)
            if store.shard_trials == "auto"
            else store.shard_trials,
            cost_unit=world.scenario.cost_unit,
            note=world.scenario.note,
            models=world.scenario.models,
            changes=world.changes,
            never_learnt=world.scenario.never_learnt(horizon),
            digest=world.digest,
            content=world.content,
        )

    def world(self, point: Point) -> _WorldSettings:
        """Return the scenario and the setting of a cell; a world that does not work fails again."""
        # Points with equal scenarios share the object.
        key = (id(point.scenario), *point.setting.values())
        found = self._world_settings.get(key)
        if found is None:
            try:
                found = self._build_world(point)
            except (ValueError, OSError) as error:
                found = error
            self._world_settings[key] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _build_world(self, point: Point) -> _WorldSettings:
        spec = point.scenario
        taken = _run_options(point)
        given = json.dumps([spec.name, spec.options], sort_keys=True, default=str)
        name = json.dumps([given, taken], sort_keys=True)
        if name not in self._scenarios:
            self._scenarios[name] = build_scenario(spec.name, {**spec.options, **taken})
            self._contents[name] = file_content(spec.name, spec.options)
        scenario = self._scenarios[name]
        settings, names = self._settings(point, name, scenario)
        self._check_feasible(name, scenario, settings)
        world, digest = self._world(name, scenario, settings.horizon)
        refuse_delay(scenario, world, str(settings.backend))
        place = json.dumps([given, _without_trials(settings)])
        return _WorldSettings(
            number=self._world_numbers.setdefault(place, len(self._world_numbers)),
            scenario=scenario,
            arrays=world,
            options=stored_options(spec.name, spec.options),
            taken=tuple(taken),
            settings=settings,
            names=names,
            changes=change_rounds(world),
            digest=digest,
            content=self._contents[name],
        )

    def policy(self, point: Point, world: _WorldSettings) -> _EvaluatedPolicy:
        """Return the policy of a cell; one that cannot be run in its world is refused."""
        spec, horizon, size = point.policy, world.settings.horizon, world.scenario.n_models
        if id(spec) not in self._formulas:
            self._formulas[id(spec)] = policy_formulas(spec.name, spec.options)
        rules = self._formulas[id(spec)]
        names = tuple(world.names.values()) if rules else ()
        key = (id(spec), horizon, size, *names)
        if key not in self._evaluated_policies:
            options = evaluate_policy(spec.name, spec.options, rules, world.names)
            policy = build_policy(spec.name, options)
            tables = policy.dump()
            del tables["name"]
            self._evaluated_policies[key] = _EvaluatedPolicy(
                policy, tables, policy.estimator.radius(horizon, size)
            )
        found = self._evaluated_policies[key]
        self._refuse(found.policy, world)
        return found

    def _refuse(self, policy: "Policy", world: _WorldSettings) -> None:
        """Refuse a policy that its world, its settings or the backend cannot run."""
        settings = world.settings
        length = -(-settings.horizon // int(settings.stages))
        numbers = run_numbers(
            world.arrays, policy, float(settings.budget), settings.horizon, length
        )
        refuse_policy(policy, world.scenario, world.arrays, numbers, settings.max_deployed)
        # What "auto" comes to is known where the cell is computed.
        if settings.backend != "auto":
            refuse_backend(policy, settings.backend)

    def _settings(
        self, point: Point, name: str, scenario: "Scenario"
    ) -> tuple[Settings, dict[str, float]]:
        """Work the settings out, each with the names of those before it."""
        given = point.setting
        names: dict[str, float] = {}
        found: dict[str, Any] = {}

        def evaluate(setting: str) -> Any:
            try:
                found[setting] = evaluate_setting(setting, given[setting], names)
            except ValueError as error:
                raise ValueError(f"{setting} = {show_toml(given[setting])}: {error}") from None
            return found[setting]

        names["T"] = evaluate("horizon")
        names["N"] = scenario.n_models
        names["M_max"] = evaluate("max_deployed")
        if self._uses_marks:
            marks = self._budget_marks(name, scenario, found["horizon"], found["max_deployed"])
            names |= marks._asdict()
        names["b"] = evaluate("budget")
        names["K"] = evaluate("stages")
        for setting in ("trials", "checkpoints", "deploy_cost", "load_rounds", "seed", "backend"):
            evaluate(setting)
        settings = Settings(**found)
        if scenario.instances > 1:
            scenario.resolve(settings.horizon, settings.trials)
        # The number of stages that are played; several numbers that are asked for may come to it.
        length = -(-settings.horizon // int(settings.stages))
        return replace(settings, stages=-(-settings.horizon // length)), names

    def _world(self, name: str, scenario: "Scenario", horizon: int) -> "tuple[World, str]":
        """Return the arrays of a scenario, and their digest."""
        if (name, horizon) not in self._worlds:
            world = scenario.resolve(horizon, scenario.instances)
            self._worlds[name, horizon] = world, _digest(world)
        return self._worlds[name, horizon]

    def _budget_marks(
        self, name: str, scenario: "Scenario", horizon: int, max_deployed: int
    ) -> BudgetMarks:
        key = (name, horizon, max_deployed)
        if key not in self._budget_marks_of:
            world = self._world(name, scenario, horizon)[0]
            self._budget_marks_of[key] = budget_marks(world, horizon, max_deployed)
        return self._budget_marks_of[key]

    def _check_feasible(self, name: str, scenario: "Scenario", settings: Settings) -> None:
        horizon, max_deployed = settings.horizon, settings.max_deployed
        budget = float(settings.budget)
        key = (name, horizon, max_deployed, budget)
        if key not in self._feasible:
            world = self._world(name, scenario, horizon)[0]
            if not surely_feasible(world, budget, max_deployed):
                first = (world.arrival <= 0)[None, :]
                found = optimum(world, first, budget, max_deployed, "numba")
                refuse_infeasible(world, found, budget, max_deployed)
            self._feasible.add(key)

    def _axes(self, point: Point, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return columns for what varies, beside the settings that every frame has."""
        columns: dict[str, Any] = {}
        flat = flat_options(options)
        for column, kind, option in self._columns:
            if kind == "scenario":
                value = point.scenario.options.get(option)
            elif kind == "policy":
                value = point.policy.options.get(option, flat.get(option))
            else:
                value = point.setting[option]
                value = str(value) if kind == "rule" else value
            # A table, such as a law with its parameters, is a word in a column of words.
            columns[column] = value_label(value) if isinstance(value, Mapping) else value
        return columns


def change_rounds(world: "World") -> tuple[int, ...]:
    """Return the rounds in which a mean or a limit of some model changes."""
    return tuple(
        regime.start
        for before, regime in zip(world.regimes, world.later, strict=False)
        if any(
            not np.array_equal(getattr(before, name), getattr(regime.world, name))
            for name in ("reward_mean", "cost_mean", "limit")
        )
    )


def _column(name: str, axis: Sequence[Any]) -> tuple[str, str, str] | None:
    """Return the column of an axis, the kind of its values, and the option; None without one."""
    kind, _, option = name.rpartition(".")
    if kind:
        return f"{kind}_{option}", kind, option
    if any(isinstance(value, str) for value in axis) and option != "backend":
        return f"{option}_rule", "rule", option
    if option in ("checkpoints", "deploy_cost", "load_rounds", "backend"):
        return f"setting_{option}", "setting", option
    return None


def shard_size(horizon: int) -> int:
    """Return the trials of a shard of automatic size: a power of two times ``BLOCK``."""
    blocks = min(SHARD_ROUNDS // horizon, SHARD_TRIALS) // BLOCK
    return BLOCK * (1 << max(blocks.bit_length() - 1, 0))


def _digest(world: "World") -> str:
    """Hash the numbers of a world, in single precision.

    So a change of the data behind a scenario is seen, and a last bit of another machine's
    logarithm is not. Instances of single trials are left out: more trials have more of them.
    """
    digest = hashlib.sha256()
    fields = world._asdict()
    for start, later in fields.pop("later"):
        digest.update(f"{start} {_digest(later)}".encode())
    for law in ("reward", "cost"):
        outcome: Outcome = fields.pop(law)
        fields |= {f"{law}_{name}": value for name, value in outcome._asdict().items()}
        fields[f"{law}_draw"] = _sample_draws(outcome, getattr(world, f"{law}_mean")[0])
    feedback: Feedback | None = fields.pop("feedback")
    if feedback is not None:
        for side, delay in (("reward", feedback.reward), ("cost", feedback.cost)):
            fields |= {f"{side}_delay_{name}": value for name, value in delay._asdict().items()}
        fields["learnt"] = feedback.learnt
    for name, value in fields.items():
        array = np.asarray(value)
        if name in ("reward_mean", "cost_mean") and len(array) > 1:
            continue
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        digest.update(f"{name} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _sample_draws(outcome: "Outcome", mean: NDArray[np.float64]) -> list[float]:
    """Return what a formula draws for the first models, so that a change of it is seen."""
    if outcome.draw is None:
        return []
    points = [(uniform, one) for one in mean[:8].tolist() for uniform in (0.125, 0.5, 0.875)]
    return [float(outcome.draw(*point, *outcome.parameters)) for point in points]
