"""The best quality for every budget: exact, piecewise linear, without sampling of budgets."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastroute import checks
from fastroute.solve import highs

F8 = NDArray[np.float64]

__all__ = ["Frontier", "deployment_frontier", "routing_curve"]

# Improvements below this, in units of the rewards, are rounding.
_WORTH: Final = 1e-10
_TINY: Final = 1e-15
# Up to so many sets have their curves worked out.
_MOST_SETS: Final = 200_000
# What an integer program can tell: improvements in units of the rewards, budgets as a share of the
# range of costs.
_DOUBT: Final = 2e-10
_STEP: Final = 1e-8


# Coefficients of the shares, and the least and the largest value of their sum.
Row: TypeAlias = tuple[F8, float, float]


class Curve(NamedTuple):
    """Best value of one set of models over the budget: concave, from the cheapest mix on.

    Attributes
    ----------
    budget, value : f8 [P]
        Corners; beyond the last budget the value stays.
    share : f8 [P, N]
        Shares at the corners; between two of them shares are mixed.
    """

    budget: F8
    value: F8
    share: F8

    def at(self, budget: ArrayLike) -> F8:
        """Return the value at budgets; minus infinity where no mix is cheap enough."""
        points = np.asarray(budget, dtype=np.float64)
        found = np.interp(points, self.budget, self.value)
        return np.where(points < self.budget[0], -np.inf, found)


@dataclass(frozen=True)
class Frontier:
    """Best value over the budget, of the sets of at most so many models.

    Attributes
    ----------
    max_deployed : int
    budget, value : f8 [P]
        Corners, the cheapest budget that can be met first. The value is linear between them but
        for jumps (two corners of one budget), and stays beyond the last one.
    share : f8 [P, N]
        Shares at the corners.
    slope : f8 [P]
        Value of one more unit of budget to the right of each corner.
    shift : f8 [P, N]
        How the shares move with one more unit of budget, there.
    """

    max_deployed: int
    budget: F8
    value: F8
    share: F8
    slope: F8
    shift: F8

    def at(self, budget: ArrayLike) -> F8:
        """Return the value at budgets; minus infinity where no set is cheap enough."""
        points = np.asarray(budget, dtype=np.float64)
        place = np.searchsorted(self.budget, points, side="right") - 1
        safe = np.maximum(place, 0)
        beyond = points - self.budget[safe]
        found = self.value[safe] + np.where(beyond > 0.0, beyond * self.slope[safe], 0.0)
        return np.where(place < 0, -np.inf, found)

    def pieces(self, last: float) -> list[tuple[float, float, float, float]]:
        """Return the pieces up to a last budget: lowest and highest budget, first value, slope."""
        ends = [*self.budget[1:].tolist(), max(last, float(self.budget[-1]))]
        starts = zip(self.budget.tolist(), ends, self.value, self.slope, strict=True)
        return [(low, high, float(v), float(s)) for low, high, v, s in starts if high > low]

    def shares_at(self, budget: float) -> F8:
        """Return the best shares at a budget, [N].

        Raises
        ------
        ValueError
            When no set is cheap enough.
        """
        place = int(np.searchsorted(self.budget, budget, side="right")) - 1
        if place < 0:
            raise ValueError(
                f"budget={budget:g} must be at least {self.budget[0]:g}, the least that a mix costs"
            )
        share = self.share[place] + (budget - self.budget[place]) * self.shift[place]
        return np.maximum(share, 0.0)


def routing_curve(reward: ArrayLike, cost: ArrayLike, limit: ArrayLike) -> Curve | None:
    """Return the best value of all the given models over the budget.

    Parameters
    ----------
    reward, cost, limit : array_like, [N]
        Mean rewards, mean costs and largest shares.

    Returns
    -------
    Curve or None
        None where the limits add up to less than 1.

    Notes
    -----
    Along the edges of the shares that add up to 1, mass moves from one model to another. Starting
    from the cheapest mix, the move with the most reward per cost is made until none gains.
    """
    r, c = (np.asarray(values, dtype=np.float64) for values in (reward, cost))
    top = np.broadcast_to(np.asarray(limit, dtype=np.float64), r.shape)
    if top.sum() < 1.0 - 1e-12:
        return None
    share = np.zeros(len(r))
    left = 1.0
    for model in np.lexsort((-r, c)):
        share[model] = min(top[model], left)
        left -= share[model]
        if left <= 0.0:
            break
    with np.errstate(divide="ignore", invalid="ignore"):
        gain, price = r[None, :] - r[:, None], c[None, :] - c[:, None]
        rate = np.where((gain > 0.0) & (price >= 0.0), gain / price, -np.inf)
    shares = [share.copy()]
    while True:
        possible = (share[:, None] > _TINY) & ((top - share)[None, :] > _TINY)
        usable = np.where(possible, rate, -np.inf)
        place = int(np.argmax(usable))
        source, target = divmod(place, len(r))
        if usable[source, target] == -np.inf:
            break
        moved = min(share[source], top[target] - share[target])
        share[source] -= moved
        share[target] += moved
        share[[source, target]] = np.where(
            share[[source, target]] < _TINY, 0.0, share[[source, target]]
        )
        if price[source, target] == 0.0:
            shares[-1] = share.copy()
        else:
            shares.append(share.copy())
    corners = np.array(shares)
    return Curve(corners @ c, corners @ r, corners)


def deployment_frontier(
    reward: ArrayLike,
    cost: ArrayLike,
    limit: ArrayLike,
    max_deployed: int,
    floors: Sequence[tuple[ArrayLike, float]] = (),
) -> Frontier:
    """Return the best value over the budget of the sets of at most `max_deployed` models.

    Parameters
    ----------
    reward, cost : array_like, [N]
        Mean rewards and mean costs.
    limit : array_like, [N] or scalar
        Largest shares, in (0, 1].
    max_deployed : int
        Largest number of models that are deployed, at least 1.
    floors : sequence of (array_like [N], float)
        What a mix must reach: the sum of the shares times some numbers of the models, such as
        their mean scores over a task, is at least so much.

    Returns
    -------
    Frontier

    Raises
    ------
    ValueError
        When an argument is out of range, no set of `max_deployed` models can serve all traffic, or
        none reaches the floors.

    Notes
    -----
    The frontier is the upper envelope of the curves of all sets. Starting from a few sets, the set
    that is furthest above each piece is added, until none is above: found among the curves of all
    sets, or where there are too many sets, by a mixed integer program with a lower and an upper row
    for the cost.
    """
    r, c, top = _checked(reward, cost, limit)
    m = checks.integer("max_deployed", max_deployed, 1)
    m = min(m, len(r))
    if np.sort(top)[::-1][:m].sum() < 1.0 - 1e-12:
        raise ValueError(
            f"max_deployed={m} must be more: the limits of {m} models add up to less than 1"
        )
    rows = [(np.array(values, dtype=np.float64), float(least), np.inf) for values, least in floors]
    every = _curve_of(list(range(len(r))), r, c, top, rows)
    if every is None or (rows and highs.best_shares(r, top, m, rows) is None):
        raise ValueError(f"floors: no mix of {m} models reaches them; lower a floor")
    if max(np.count_nonzero(pair.any(axis=0)) for pair in _pairs(every.share)) <= m:
        return _envelope([every], m)
    if not rows and math.comb(len(r), m) <= _MOST_SETS:
        return _by_sets(r, c, top, m)
    return _by_programs(r, c, top, m, every, rows)


def _by_sets(r: F8, c: F8, top: F8, m: int) -> Frontier:
    """Build the frontier from the curves of all sets."""
    from fastroute.kernels.numba_ import frontier as kernels

    sets = np.array(list(itertools.combinations(range(len(r)), m)), dtype=np.int64)
    corners = m * (m + 1) // 2 + 1
    budget, value = np.empty((2, len(sets), corners))
    count = np.zeros(len(sets), dtype=np.int64)
    kernels.curves(sets, r, c, top, budget, value, count)
    # The cheapest set and the best one, then of every piece the set that is furthest above it.
    possible = np.flatnonzero(count)
    best = value[possible, count[possible] - 1]
    chosen = {int(possible[np.argmin(budget[possible, 0])]), int(possible[np.argmax(best)])}
    curves = {number: _curve_of(sets[number].tolist(), r, c, top) for number in sorted(chosen)}
    while True:
        # At a jump of the frontier, the set that makes it is above by rounding: it is known.
        count[list(curves)] = 0
        frontier = _envelope([curve for curve in curves.values() if curve is not None], m)
        excess = np.full(len(frontier.budget), _WORTH)
        winner = np.full(len(frontier.budget), -1)
        kernels.highest_excess(
            budget, value, count, frontier.budget, frontier.value, frontier.slope, excess, winner
        )
        fresh = sorted({int(number) for number in winner if number >= 0})
        if not fresh:
            return frontier
        curves |= {number: _curve_of(sets[number].tolist(), r, c, top) for number in fresh}


def _by_programs(r: F8, c: F8, top: F8, m: int, every: Curve, floors: list[Row]) -> Frontier:
    """Build the frontier from sets that integer programs find above it."""
    spread = max(float(np.ptp(c)), _TINY)
    scaled = (c - c.min()) / spread
    sets: dict[tuple[int, ...], Curve] = {}

    def add(share: F8 | None) -> bool:
        """Add the curve of the models that are used; tell whether they are a new set."""
        if share is None:
            return False
        chosen = _chosen(share, r, top, m)
        if chosen in sets:
            return False
        curve = _curve_of(list(chosen), r, c, top, floors)
        if curve is not None:
            sets[chosen] = curve
        return True

    add(highs.best_shares(-scaled, top, m, floors))
    add(highs.best_shares(r, top, m, floors))
    for share in every.share:
        # Good guesses save programs: the models with the largest shares of the relaxation.
        add(share * (np.argsort(np.argsort(-share)) < m))
    proven: set[tuple[float, ...]] = set()
    while True:
        frontier = _envelope(list(sets.values()), m)
        fresh = False
        for low, end, value, slope in frontier.pieces(float(c.max())):
            if (low, end, value, slope) in proven:
                continue
            line, rest, high = r - slope * c, value - slope * low, end
            while high > low:
                ends = (scaled, (low - c.min()) / spread, (high - c.min()) / spread)
                share = highs.best_shares(line, top, m, [*floors, ends])
                if share is None or line @ share - rest <= _DOUBT:
                    break
                if add(share):
                    # What is above by the tolerances of the program alone changes nothing.
                    curve = sets.get(_chosen(share, r, top, m))
                    fresh |= curve is not None and _is_above(curve, frontier)
                    break
                if float(c @ share) < high - _STEP * spread:
                    break
                # A set that is known begins where the piece ends: look below it.
                high -= 2.0 * _STEP * spread
            proven.add((low, end, value, slope))
        if not fresh:
            return frontier


def _is_above(curve: Curve, frontier: Frontier) -> bool:
    """Tell whether a curve is above a frontier anywhere."""
    inside = (frontier.budget >= curve.budget[0]) & (frontier.budget <= curve.budget[-1])
    # Just below a corner the frontier may be lower than at it.
    corners = np.concatenate([curve.budget, frontier.budget[inside]])
    points = np.concatenate([corners, np.nextafter(corners, -np.inf)])
    points = points[(points >= curve.budget[0]) & (points >= frontier.budget[0])]
    return bool((curve.at(points) > frontier.at(points) + _WORTH).any())


def _checked(reward: ArrayLike, cost: ArrayLike, limit: ArrayLike) -> tuple[F8, F8, F8]:
    r, c = (np.array(values, dtype=np.float64) for values in (reward, cost))
    if r.ndim != 1 or r.shape != c.shape or not r.size:
        raise ValueError(
            f"reward and cost must be two lists of one length, but have shapes {r.shape}, {c.shape}"
        )
    top = np.broadcast_to(np.array(limit, dtype=np.float64), r.shape).copy()
    for name, values in (("reward", r), ("cost", c), ("limit", top)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}[{int(np.argmin(np.isfinite(values)))}] must be finite")
    if not ((top > 0.0) & (top <= 1.0)).all():
        raise ValueError(f"limit={top.tolist()} must be in (0, 1]")
    return r, c, top


def _pairs(share: F8) -> "list[NDArray[np.bool_]]":
    """Return the corners two by two; the single one where there is one."""
    used = share > _TINY
    return [used[place : place + 2] for place in range(max(len(used) - 1, 1))]


def _chosen(share: F8, r: F8, top: F8, m: int) -> tuple[int, ...]:
    """Return the models of a set, filled up to `m` by those with the highest rewards."""
    # By its tolerances an integer program may give more models a share that is nearly none.
    used = np.array([model for model in np.argsort(-share)[:m] if share[model] > _TINY], dtype=int)
    rest = [model for model in np.argsort(-r, kind="stable") if model not in used]
    return tuple(sorted([*used.tolist(), *map(int, rest[: max(m - len(used), 0)])]))


def _curve_of(places: list[int], r: F8, c: F8, top: F8, floors: Sequence[Row] = ()) -> Curve | None:
    """Return the curve of a set, with shares of all models; None where it cannot serve all."""
    if floors:
        inner = [(values[places], low, high) for values, low, high in floors]
        found = _curve_above(r[places], c[places], top[places], inner)
    else:
        found = routing_curve(r[places], c[places], top[places])
    if found is None:
        return None
    share = np.zeros((len(found.budget), len(r)))
    share[:, places] = found.share
    return found._replace(share=share)


def _curve_above(r: F8, c: F8, top: F8, floors: list[Row]) -> Curve | None:
    """Return the best value of all the given models over the budget, among mixes above floors.

    Between two corners that are known, the mix that is furthest above the line through them is a
    corner too; where none is above, there is no other.
    """
    spread = max(float(np.ptp(c)), _TINY)
    scaled = (c - c.min()) / spread

    def best(objective: F8, rows: list[Row]) -> F8 | None:
        return highs.best_shares(objective, top, len(r), [*floors, *rows])

    cheapest = best(-scaled, [])
    if cheapest is None:
        return None
    least = float(scaled @ cheapest)
    first = best(r, [(scaled, -np.inf, least + _STEP * _STEP)])
    first = cheapest if first is None else first
    last = best(r, [])
    assert last is not None
    # Of equally good mixes the one that costs least.
    cheaper = best(-scaled, [(r, float(r @ last) - _STEP * _STEP, np.inf)])
    last = last if cheaper is None else cheaper
    corners, waiting = [first], [(first, last)]
    while waiting:
        one, two = waiting.pop()
        width = float(scaled @ (two - one))
        if width <= _STEP or float(r @ (two - one)) <= _WORTH:
            continue
        slope = float(r @ (two - one)) / width
        line = r - slope * scaled
        middle = best(line, [])
        if middle is None or float(line @ (middle - one)) <= _WORTH:
            corners.append(two)
        else:
            # The cheap half is looked through first, so that corners come in order.
            waiting += [(middle, two), (one, middle)]
    share = np.clip(np.array(corners), 0.0, top)
    return Curve(share @ c, share @ r, share)


def _envelope(curves: Sequence[Curve], max_deployed: int) -> Frontier:
    """Return the upper envelope of curves, from the cheapest budget of any on."""
    cuts = np.unique(np.concatenate([curve.budget for curve in curves]))
    ends = np.append(cuts[1:], np.inf)
    first = np.full((len(curves), len(cuts)), -np.inf)
    slope = np.zeros_like(first)
    for number, curve in enumerate(curves):
        at = np.searchsorted(curve.budget, cuts, side="right") - 1
        inside = at >= 0
        rate = np.append(np.diff(curve.value) / np.diff(curve.budget), 0.0)
        slope[number, inside] = rate[at[inside]]
        beyond = cuts[inside] - curve.budget[at[inside]]
        first[number, inside] = curve.value[at[inside]] + beyond * rate[at[inside]]
    width = np.where(np.isfinite(ends), ends - cuts, 0.0)
    # The highest line at both ends of a cell is the highest in between.
    low = np.argmax(first, axis=0)
    high = np.argmax(first + slope * width, axis=0)
    corners: list[tuple[float, float, int, float]] = []
    for place, cut in enumerate(cuts):
        one = int(low[place])
        last = first[:, place] + slope[:, place] * width[place]
        if low[place] == high[place] or last[one] >= last[high[place]]:
            corners.append((float(cut), float(first[one, place]), one, float(slope[one, place])))
            continue
        lines = [
            (float(first[number, place]), float(slope[number, place]), int(number))
            for number in np.flatnonzero(last > first[one, place])
        ]
        lines.append((float(first[one, place]), float(slope[one, place]), int(one)))
        corners += _upper(lines, float(cut), float(ends[place]))
    corners = _joined(corners)
    mixes = [_mix(curves[number], at) for at, _, number, _ in corners]
    return Frontier(
        max_deployed,
        np.array([corner[0] for corner in corners]),
        np.array([corner[1] for corner in corners]),
        np.array([share for share, _ in mixes]),
        np.array([corner[3] for corner in corners]),
        np.array([shift for _, shift in mixes]),
    )


def _upper(
    lines: "list[tuple[float, float, int]]", low: float, high: float
) -> list[tuple[float, float, int, float]]:
    """Return where the highest of some lines changes between two budgets."""
    found = []
    at, value, slope, number = low, *max(lines, key=lambda line: (line[0], line[1]))
    while True:
        found.append((at, value, number, slope))
        # The next line to overtake: steeper, and the first to meet this one.
        meets = [
            (at + (value - (one + steep * (at - low))) / (steep - slope), -steep, other)
            for one, steep, other in lines
            if steep > slope + _TINY
        ]
        meets = [meet for meet in meets if at < meet[0] < high]
        if not meets:
            return found
        at, steep, number = min(meets)
        slope = -steep
        value = next(one + slope * (at - low) for one, _, other in lines if other == number)


def _joined(
    corners: "list[tuple[float, float, int, float]]",
) -> list[tuple[float, float, int, float]]:
    """Leave out corners at which nothing changes."""
    kept = corners[:1]
    for corner in corners[1:]:
        at, value, number, slope = kept[-1]
        straight = abs(value + slope * (corner[0] - at) - corner[1]) <= _WORTH
        if straight and number == corner[2] and abs(slope - corner[3]) <= _TINY:
            continue
        kept.append(corner)
    return kept


def _mix(curve: Curve, budget: float) -> tuple[F8, F8]:
    """Return the shares of a curve at a budget, and how they move with more of it."""
    at = min(int(np.searchsorted(curve.budget, budget, side="right")) - 1, len(curve.budget) - 1)
    if at + 1 == len(curve.budget):
        return curve.share[at], np.zeros_like(curve.share[at])
    width = curve.budget[at + 1] - curve.budget[at]
    shift = (curve.share[at + 1] - curve.share[at]) / width
    return curve.share[at] + (budget - curve.budget[at]) * shift, shift
