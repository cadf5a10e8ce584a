"""The settings of a run: what each may be, checked once for runs, cells of studies and shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from fastroute.checks import choice, integer, not_negative, number, number_array, refused, seed

SIMULATION_BACKENDS: Final = ("auto", "numba", "jax", "ref")
PRECISIONS: Final = ("float64", "float32")
#: Most rounds, trials and stages: the generator counts them in words of 32 bits.
MOST: Final = 2**32 - 1
#: Largest `max_deployed`.
MOST_DEPLOYED: Final = 2**31 - 1
#: Most points of a curve.
MOST_CHECKPOINTS: Final = 2**20
#: Largest trace of pulled models, in trial-rounds.
MAX_TRACE: Final = 200_000_000
#: More trials than this: curves are kept as moments over trials.
MAX_CURVE_TRIALS: Final = 10_000
#: More rows than this: the stages of a run are kept as means over trials.
MAX_STAGE_ROWS: Final = 1_000_000
#: The same for each cell of a study, which may have thousands of cells and is kept on disk.
MAX_STORED_STAGE_ROWS: Final = 100_000


def _budget(field: str, value: Any) -> float | str:
    if isinstance(value, str):
        return value
    remedy = "it is the largest mean cost per query"
    return number(field, value, "one number >= 0 or a rule", lambda x: x >= 0.0, remedy=remedy)


def _stages(field: str, value: Any) -> int | str:
    return value if isinstance(value, str) else integer(field, value, 1, MOST)


def _checkpoints(field: str, value: Any) -> int | tuple[int, ...]:
    # A list or a range is counted before it is made an array.
    if isinstance(value, Sequence) and not isinstance(value, str):
        _check_count(field, value, len(value), "rounds")
    if isinstance(value, str) or np.ndim(value) == 0:
        count = integer(field, value)
        _check_count(field, value, count, "points")
        return count
    points = number_array(field, value)
    _check_count(field, value, points.size, "rounds")
    if points.size == 0 or not ((points == np.rint(points)) & (points >= 1)).all():
        raise refused(field, value, "whole numbers of rounds >= 1, at least one")
    return tuple(int(point) for point in np.unique(points))


def _check_count(field: str, value: Any, count: int, what: str) -> None:
    if count > MOST_CHECKPOINTS:
        remedy = "64 log-spaced points, the default, show a whole run"
        raise refused(field, value, f"at most {MOST_CHECKPOINTS:,} {what}, not {count:,}", remedy)


def _trace(field: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise refused(field, value, "True or False")
    return bool(value)


# Setting -> its check, which takes the name for messages and the value.
_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "horizon": lambda field, value: integer(field, value, 1, MOST),
    "budget": _budget,
    "max_deployed": lambda field, value: integer(field, value, 1, MOST_DEPLOYED),
    "stages": _stages,
    "trials": lambda field, value: integer(field, value, 1, MOST),
    "seed": seed,
    "backend": lambda field, value: choice(field, value, SIMULATION_BACKENDS),
    "dtype": lambda field, value: choice(field, value, PRECISIONS),
    "checkpoints": _checkpoints,
    "deploy_cost": not_negative,
    "load_rounds": lambda field, value: integer(field, value, 0, MOST),
    "trace": _trace,
}


def check_setting(name: str, value: Any, field: str | None = None) -> Any:
    """Return the value of a setting, as its type.

    Parameters
    ----------
    name : str
        Of the setting.
    value : object
    field : str, optional
        What messages call it, as in :mod:`fastroute.checks`; default its name.

    Raises
    ------
    ValueError
    """
    return _CHECKS[name](name if field is None else field, value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of :func:`fastroute.simulate` on which results depend, all checked.

    Raises
    ------
    ValueError
        Naming the setting, its value and the remedy.
    """

    horizon: int
    budget: float | str  #: a number, or a rule
    max_deployed: int
    stages: int | str = "T^(1/3)"  #: a number, or a rule
    trials: int = 64
    seed: int = 0
    backend: str = "auto"
    dtype: str = "float64"
    checkpoints: Any = 64  #: how many, or the rounds themselves, a tuple of int
    deploy_cost: float = 0.0
    load_rounds: int = 0
    trace: bool = False

    def __post_init__(self) -> None:
        """Check every setting, then those that must fit each other."""
        for setting in fields(self):
            value = check_setting(setting.name, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
        if not isinstance(self.stages, str) and self.stages > self.horizon:
            raise ValueError(
                f"stages={self.stages} is more than horizon={self.horizon}; use at most one "
                "stage per round"
            )
        if not isinstance(self.stages, str):
            length = -(-self.horizon // self.stages)
            if self.load_rounds > length:
                raise ValueError(
                    f"load_rounds={self.load_rounds} is longer than a stage, {length} rounds with "
                    f"horizon={self.horizon} and stages={self.stages}; use at most {length}, or "
                    "fewer stages"
                )
        if isinstance(self.checkpoints, tuple) and self.checkpoints[-1] > self.horizon:
            raise ValueError(
                f"checkpoints reach {self.checkpoints[-1]}, beyond horizon={self.horizon}; leave "
                "out those after the last round"
            )
        if self.dtype != "float64" and self.backend not in ("jax", "auto"):
            raise ValueError(
                f'dtype={self.dtype!r} needs backend="jax", not backend={self.backend!r}: the '
                "other backends compute in double precision only; leave dtype out, or choose JAX"
            )
        if self.trace and self.trials * self.horizon > MAX_TRACE:
            raise ValueError(
                f"trace=True keeps trials x horizon = {self.trials * self.horizon:,} picks, more "
                f"than {MAX_TRACE:,}; use fewer trials or rounds"
            )
