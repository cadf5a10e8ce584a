"""What a law of rewards or of costs is: the base classes of those built in and of your own.

A law is a frozen dataclass whose fields are its parameters. It says how an outcome is drawn
around the mean of the model that answered, in one of two ways:

* ``draw(uniform, mean, *parameters)``, a static function: a formula over + - * / and the names of
  :mod:`fastroute.kernels.formulas`. Every backend runs it as it stands.
* ``atoms(mean)``: a table of equally likely values, for laws without such a formula.

Either way the mean must be exactly the one asked for, because regret is measured against it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from fastroute import checks
from fastroute.kernels.types import Outcome

__all__ = ["TOLERANCE", "CostLaw", "Law", "RewardLaw", "outcome", "unit_interval"]

Array = NDArray[np.float64]

TOLERANCE: Final = 1e-9
"""Slack for sums and products that are exact on paper."""

# Where a formula is looked at before it is used: the ends of [0, 1) and the middle.
_UNIFORMS: Final = (0.0, 0.5, 1.0 - 2.0**-53)


@dataclass(frozen=True, eq=False)
class Law:
    """What laws of rewards and of costs have in common."""

    #: How TOML and saved files call the law; "module:Class" unless a class says otherwise.
    name: ClassVar[str] = ""
    draw: ClassVar[Callable[..., Any] | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the law its name, and refuse a formula that would get the law itself first."""
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = f"{cls.__module__}:{cls.__qualname__}"
        if not isinstance(vars(cls).get("draw"), staticmethod | None):
            raise TypeError(f"{cls.__name__}.draw must be a static function: put @staticmethod on")

    @property
    def elementwise(self) -> bool:
        """Whether the law is a formula, and so can have other means in every trial."""
        return self.draw is not None

    def parameters(self) -> tuple[float, ...]:
        """Return what ``draw`` gets after the mean: the fields of the law, in their order."""
        return tuple(float(getattr(self, field.name)) for field in fields(self))

    def implied_mean(self) -> Array | None:
        """Return the means [N] that the law itself says, or None."""
        return None

    def _probe(self, field: str, mean: Array, low: Array, high: Array, remedy: str) -> None:
        """Raise ValueError when the formula leaves a range at a few points."""
        if self.draw is None:
            return
        flat, low, high = (np.broadcast_to(x, mean.shape).ravel() for x in (mean, low, high))
        for at in dict.fromkeys([int(flat.argmin()), int(flat.argmax())]):
            for uniform in _UNIFORMS:
                value = self._drawn(field, uniform, float(flat[at]))
                slack = TOLERANCE * max(1.0, abs(float(high[at])))
                if not low[at] - slack <= value <= high[at] + slack:
                    raise ValueError(
                        f"{field}={self!r} draws {value:g} with uniform={uniform:g} and "
                        f"mean={flat[at]:g}, outside [{low[at]:g}, {high[at]:g}]; {remedy}"
                    )

    def _drawn(self, field: str, uniform: float, mean: float) -> float:
        """Return what the formula draws; raise ValueError when it draws no number."""
        assert self.draw is not None
        numbers = self.parameters()
        try:
            return float(self.draw(uniform, mean, *numbers))
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"{field}={self!r}: draw fails ({error}); it must be draw(uniform, mean, "
                f"*parameters) -> value, with {len(numbers)} parameters"
            ) from error


@dataclass(frozen=True, eq=False)
class RewardLaw(Law):
    """How the reward of a query is drawn around the mean reward of its model.

    Rewards lie in [0, 1]. A law of your own is a frozen dataclass derived from this one, with
    ``draw`` or ``atoms``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import fastroute as fr
    >>> @dataclass(frozen=True)
    ... class Certain(fr.RewardLaw):
    ...     "The reward is always the mean."
    ...
    ...     @staticmethod
    ...     def draw(uniform, mean):
    ...         return mean
    >>> fr.Scenario([0.9, 0.6], [2.0, 0.5], reward=Certain()).reward
    Certain()
    """

    def atoms(self, mean: Array) -> Array:
        """Return equally likely rewards of every model; for laws without ``draw``.

        Parameters
        ----------
        mean : f8 [N]

        Returns
        -------
        f8 [S, N]
            In [0, 1]; each column has exactly the mean asked for (to rounding).
        """
        raise _without_a_way(self)

    def check(self, mean: Array) -> None:
        """Raise ValueError when the law cannot be drawn around these means."""
        if _is_bare(self, RewardLaw):
            raise _without_a_way(self)
        zero, one = np.zeros(()), np.ones(())
        self._probe("reward", mean, zero, one, "rewards must lie in [0, 1]")

    def outcome(self, mean: Array) -> Outcome:
        """Return the law as kernels see it, around the means [N] or [trials, N]."""
        if self.draw is not None:
            return outcome("elementwise", draw=self.draw, parameters=self.parameters())
        table = _table("reward", self, self.atoms(mean), mean)
        bad = (table < 0.0) | (table > 1.0)
        checks.refuse_entries(
            "reward: atoms", table, bad, "is outside [0, 1]", f"correct {self!r}.atoms"
        )
        return outcome("atoms", table)


@dataclass(frozen=True, eq=False)
class CostLaw(Law):
    """How the cost of a query is drawn around the mean cost of its model.

    Costs are at least 0. A law of your own is a frozen dataclass derived from this one, with
    ``support`` and with ``draw`` or ``atoms``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import fastroute as fr
    >>> @dataclass(frozen=True)
    ... class Jitter(fr.CostLaw):
    ...     "Uniform within a share ``width`` of the mean, on both sides."
    ...
    ...     width: float = 0.1
    ...
    ...     @staticmethod
    ...     def draw(uniform, mean, width):
    ...         return mean * (1.0 + width * (2.0 * uniform - 1.0))
    ...
    ...     def support(self, mean):
    ...         return mean * (1.0 - self.width), mean * (1.0 + self.width)
    >>> fr.Scenario([0.9, 0.6], [2.0, 0.5], cost=Jitter(0.5)).cost_range
    (0.25, 3.0)
    """

    def support(self, mean: Array) -> tuple[Array, Array]:
        """Return the smallest and the largest cost that can be drawn around each mean.

        Parameters
        ----------
        mean : f8 [N] or [trials, N]

        Returns
        -------
        low, high : f8, of the same shape
        """
        raise TypeError(
            f"{type(self).__name__} must say which costs it can draw: define support(mean)"
        )

    def atoms(self, mean: Array, cost_range: tuple[float, float]) -> Array:
        """Return equally likely costs of every model; for laws without ``draw``.

        Parameters
        ----------
        mean : f8 [N]
        cost_range : (c_min, c_max)
            The range of the costs of the scenario; c_max truncates a law without an upper end.

        Returns
        -------
        f8 [S, N]
            In the range of costs; each column has exactly the mean asked for (to rounding).
        """
        raise _without_a_way(self)

    def check(self, mean: Array, cost_range: tuple[float, float]) -> None:
        """Raise ValueError when the law cannot be drawn around these means within a range."""
        if _is_bare(self, CostLaw):
            raise _without_a_way(self)
        low, high = self.support(mean)
        self._probe("cost", mean, low, high, f"correct {type(self).__name__}.support")
        lowest, highest = float(low.min()), float(high.max())
        c_min, c_max = cost_range
        if lowest < c_min * (1.0 - TOLERANCE) or highest > c_max * (1.0 + TOLERANCE):
            raise ValueError(
                f"cost_range={cost_range!r} but cost={self!r} draws costs in [{lowest:g}, "
                f"{highest:g}]; widen cost_range, omit it, or use another law"
            )

    def outcome(self, mean: Array, cost_range: tuple[float, float]) -> Outcome:
        """Return the law as kernels see it, around the means [N] or [trials, N]."""
        if self.draw is not None:
            return outcome("elementwise", draw=self.draw, parameters=self.parameters())
        table = _table("cost", self, self.atoms(mean, cost_range), mean)
        lowest, highest = float(table.min()), float(table.max())
        if lowest < cost_range[0]:
            raise ValueError(
                f"cost_range={cost_range} but cost={self!r} draws costs down to {lowest:g}; lower "
                "c_min, for instance to 0"
            )
        if highest > cost_range[1] * (1.0 + TOLERANCE):
            raise ValueError(
                f"cost_range={cost_range} but cost={self!r} draws costs up to {highest:g}; raise "
                f"c_max, or correct {type(self).__name__}.atoms"
            )
        return outcome("atoms", table)


def outcome(
    kernel: str,
    table: Array | None = None,
    *,
    draw: Callable[..., Any] | None = None,
    parameters: tuple[float, ...] = (),
    task_prob: Array | None = None,
    task_alias: NDArray[np.int64] | None = None,
    features: Array | None = None,
) -> Outcome:
    """Return an outcome with empty arrays in the place of those that the law does not have."""
    return Outcome(
        kernel=kernel,
        draw=draw,
        parameters=parameters,
        table=np.zeros((0, 0)) if table is None else np.ascontiguousarray(table),
        task_prob=np.zeros(0) if task_prob is None else task_prob,
        task_alias=np.zeros(0, np.int64) if task_alias is None else task_alias,
        features=np.zeros((0, 0)) if features is None else features,
    )


def unit_interval(field: str, array: Array) -> None:
    """Raise ValueError when a reward is outside [0, 1]; rounding beyond it is trimmed."""
    bad = (array < -TOLERANCE) | (array > 1.0 + TOLERANCE)
    checks.refuse_entries(field, array, bad, "is outside [0, 1]", "rescale the rewards to [0, 1]")
    np.clip(array, 0.0, 1.0, out=array)


def _is_bare(law: Law, base: "type[RewardLaw | CostLaw]") -> bool:
    """Tell whether a law defines none of the ways in which outcomes are drawn."""
    kind: Any = type(law)
    return law.draw is None and kind.atoms is base.atoms and kind.outcome is base.outcome


def _without_a_way(law: Law) -> TypeError:
    return TypeError(
        f"{type(law).__name__} must say how outcomes are drawn: define draw(uniform, mean, "
        "*parameters) or atoms"
    )


def _table(field: str, law: Law, table: Array, mean: Array) -> Array:
    """Return the atoms of a law, after a look at their shape and their means."""
    if table.ndim != 2 or table.shape[1] != mean.size or len(table) == 0:
        raise ValueError(
            f"{field}={law!r}: atoms have shape {table.shape}; return one column per model, "
            f"[S, {mean.size}]"
        )
    found = table.mean(axis=0)
    scale = max(float(np.abs(mean).max()), np.finfo(np.float64).tiny)
    wrong = ~np.isclose(found, mean, rtol=TOLERANCE, atol=TOLERANCE * scale)
    checks.refuse_entries(
        f"{field}: mean of atoms",
        found,
        wrong,
        "is not the mean asked for",
        f"correct {law!r}.atoms",
    )
    return table
