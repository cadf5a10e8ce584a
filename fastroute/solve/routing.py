"""``solve_routing``: the routing LP over leading axes."""

import math
import sys
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute.checks import choice
from fastroute.kernels.types import Routing
from fastroute.solve.backend import BACKENDS, load_kernel, resolve_backend
from fastroute.solve.status import INFEASIBLE, Status, describe_result, messages, report_infeasible
from fastroute.solve.validate import Batch, common_shape, prepare


@dataclass(frozen=True, repr=False)
class RoutingResult:
    """Answers of a batch of routing LPs; leading axes as in the input.

    The arrays are NumPy's, or JAX's where the input was JAX's.

    Attributes
    ----------
    share : ndarray, [..., M]
        Routing distribution p; at most two entries strictly between 0 and the limit.
    value : ndarray, [...]
        Objective ``sum reward * share``.
    budget_price : ndarray, [...]
        Multiplier of the budget row: reward per unit of cost, >= 0.
    simplex_price : ndarray, [...]
        Multiplier of the row ``sum share = 1``.
    status : ndarray of int, [...]
        :class:`~fastroute.solve.Status` of each problem.
    """

    share: NDArray[np.float64]
    value: NDArray[np.float64]
    budget_price: NDArray[np.float64]
    simplex_price: NDArray[np.float64]
    status: NDArray[np.int64]

    def __repr__(self) -> str:
        """Return the answers, with their status in words."""
        return describe_result(self)

    @property
    def message(self) -> Any:
        """Status in words: a string, or an array of strings over the leading axes."""
        return messages(self.status)

    @property
    def feasible(self) -> Any:
        """Whether the budget and the limits can be met."""
        return self.status == Status.OPTIMAL


def solve_routing(
    reward: ArrayLike,
    cost: ArrayLike,
    limit: ArrayLike,
    budget: ArrayLike,
    *,
    backend: str = "auto",
    infeasible: str = "warn",
) -> RoutingResult:
    r"""Solve routing LPs exactly.

    Each one is

    .. math::

        \max_p \sum_m \mathrm{reward}_m \, p_m \quad \text{such that} \quad
        \sum_m p_m = 1, \quad \sum_m \mathrm{cost}_m \, p_m \le \mathrm{budget}, \quad
        0 \le p_m \le \mathrm{limit}_m

    Among equally good distributions the one that gives most to the first model in the order higher
    reward, lower cost, lower index is returned.

    Parameters
    ----------
    reward : array_like, [..., M]
        Reward (or its upper bound) of each model.
    cost : array_like, [..., M]
        Cost (or its lower bound) of each model, >= 0, in any unit.
    limit : array_like, [..., M] or scalar
        Throughput limits in (0, 1].
    budget : array_like, [...]
        Largest mean cost, same unit as ``cost``; may be infinite.
    backend : {"auto", "numba", "jax", "ref", "highs"}
        Compiled kernel (``numba`` or ``jax``, with equal results), exact rational arithmetic, or
        HiGHS, which may return another of several equally good distributions; answers of HiGHS are
        checked, and where one fails the compiled kernel's takes its place.  ``auto`` is
        ``jax`` where any argument is a JAX array or JAX has an accelerator, else ``numba``.
    infeasible : {"warn", "raise", "ignore"}
        What to do where the limits or the budget cannot be met, besides the status: an
        :class:`~fastroute.solve.InfeasibleWarning`, a ``ValueError``, or nothing.

    Returns
    -------
    RoutingResult

    Raises
    ------
    ValueError
        For NaN, negative costs, limits outside (0, 1], an empty set of models, or shapes that do
        not broadcast; and where ``infeasible="raise"`` asks for it.

    Notes
    -----
    Infeasible problems have an answer too: see :class:`~fastroute.solve.Status`.
    Source: Li & Li 2025 (arXiv 2506.17254), the per-query LP of StageRoute.

    Every backend calls the same problems feasible.  Limits may add up to ``1 - 1e-12``.  The
    cheapest distribution may cost ``budget`` plus 1e-12 of the spread of the costs plus 1e-15 of
    the largest one, where a cost above 8192 budgets counts as 8192 budgets: the budget is never
    exceeded by more than 1e-8 of itself.  Models are compared without a tolerance.  Values are
    sums in double precision, accurate to about 1e-15 of the largest reward.

    With ``jax`` and a JAX array among the arguments the call may be traced, by ``jit``, ``vmap``
    or ``grad``.  It then checks shapes only, because the values of a traced array are not known:
    what the other checks refuse gives a meaningless answer, and nothing is warned of.  Answers are
    JAX arrays in the number type of the input, so double precision is the caller's choice.

    ``value`` is differentiable.  By the envelope theorem its derivatives are the shares (with
    respect to ``reward``), ``-budget_price * share`` (``cost``), ``budget_price`` (``budget``) and
    ``max(reward - budget_price * cost - simplex_price, 0)`` (``limit``).  At a kink, where several
    distributions are equally good or the budget starts to bind, these are the ones of the answer
    returned: a generalised derivative.  Where the problem is infeasible, only the derivative with
    respect to ``reward`` is given, and the others are 0.  Shares, prices and status carry no
    derivatives (they are treated as constants).
    """
    backend = choice("backend", backend, BACKENDS)
    infeasible = choice("infeasible", infeasible, INFEASIBLE)
    if backend in ("auto", "jax") and _any_jax(reward, cost, limit, budget):
        if infeasible == "raise":
            raise ValueError(
                'infeasible="raise" needs the values of the answer, which JAX arrays may not have '
                "yet. Leave it out and look at `status`."
            )
        return _solve_jax(reward, cost, limit, budget)
    backend = resolve_backend(backend)
    batch = prepare(reward, cost, limit, budget)
    answer = route(batch, backend)
    report_infeasible(
        infeasible, batch.shape, answer.status, answer.share, batch.cost, batch.budget
    )
    return RoutingResult(
        answer.share.reshape(*batch.shape, batch.reward.shape[1]),
        answer.value.reshape(batch.shape),
        answer.budget_price.reshape(batch.shape),
        answer.simplex_price.reshape(batch.shape),
        answer.status.reshape(batch.shape),
    )


def _any_jax(*arrays: Any) -> bool:
    """Whether any argument is a JAX array, without importing JAX to find out."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(x, jax.Array) for x in arrays)


def _solve_jax(reward: Any, cost: Any, limit: Any, budget: Any) -> RoutingResult:
    """Solve problems that may be traced; the one place where nothing but shapes is checked."""
    import jax.numpy as jnp

    from fastroute.kernels.jax_.lanes import own_promotion
    from fastroute.kernels.jax_.routing import solve_rows

    _register_result()
    args = [jnp.asarray(x) for x in (reward, cost, limit, budget)]
    full = common_shape(*args)

    def flat(x: Any, shape: tuple[int, ...], *models: int) -> Any:
        return jnp.broadcast_to(x, shape).reshape(math.prod(full[:-1]), *models).astype(kind)

    with own_promotion():
        kind = jnp.promote_types(jnp.result_type(*args, 0.0), jnp.float32)
        u, c, a = (flat(x, full, full[-1]) for x in args[:3])
        answer = solve_rows(u, c, a, flat(args[3], full[:-1]))
    shapes = (full, *[full[:-1]] * 4)
    named = zip(answer._fields, answer, shapes, strict=True)
    return RoutingResult(**{name: x.reshape(shape) for name, x, shape in named})


@cache
def _register_result() -> None:
    """Let results pass through ``jit`` and ``vmap``."""
    import jax

    names = [field.name for field in fields(RoutingResult)]
    jax.tree_util.register_dataclass(RoutingResult, names, [])


def route(batch: Batch, backend: str = "numba") -> Routing:
    """Solve a prepared batch; limits of 0 mark absent models."""
    if backend == "highs":
        from fastroute.solve import highs

        return highs.routing(batch.reward, batch.cost, batch.limit, batch.budget)
    kernel = load_kernel("routing", backend)
    answer: Routing = kernel.solve(batch.reward, batch.cost, batch.limit, batch.budget)
    return answer
