"""Curves of the best value over the budget, of very many sets of models."""

import numpy as np

from fastroute.kernels.numba_.compile import compiled

_TINY = 1e-15


@compiled
def curves(sets, reward, cost, limit, budget, value, count):
    """Write the corners of the curve of every set.

    Mass moves from one model to another, from the cheapest mix on, always by the move with the
    most reward per cost.  ``sets`` i8 [S, M]; ``reward``, ``cost``, ``limit`` f8 [N]; ``budget``,
    ``value`` f8 [S, P] take the corners and ``count`` i8 [S] their number: 0 where the limits of
    the set add up to less than 1.
    """
    size = sets.shape[1]
    share = np.empty(size)
    r, c, a = np.empty(size), np.empty(size), np.empty(size)
    for s in range(len(sets)):
        whole = 0.0
        for i in range(size):
            # By cost, of equal costs the highest reward first.
            model = sets[s, i]
            j = i
            while j > 0 and (
                c[j - 1] > cost[model] or (c[j - 1] == cost[model] and r[j - 1] < reward[model])
            ):
                r[j], c[j], a[j] = r[j - 1], c[j - 1], a[j - 1]
                j -= 1
            r[j], c[j], a[j] = reward[model], cost[model], limit[model]
            whole += limit[model]
        if whole < 1.0 - 1e-12:
            count[s] = 0
            continue
        left = 1.0
        for i in range(size):
            share[i] = min(a[i], left)
            left -= share[i]
        found = 0
        while True:
            b, v = 0.0, 0.0
            for i in range(size):
                b += share[i] * c[i]
                v += share[i] * r[i]
            budget[s, found], value[s, found] = b, v
            found += 1
            best, source, target = 0.0, -1, -1
            for i in range(size):
                if share[i] <= _TINY:
                    continue
                for j in range(i + 1, size):
                    if r[j] > r[i] and a[j] - share[j] > _TINY and c[j] > c[i]:
                        rate = (r[j] - r[i]) / (c[j] - c[i])
                        if rate > best:
                            best, source, target = rate, i, j
            if source < 0 or found == budget.shape[1]:
                break
            moved = min(share[source], a[target] - share[target])
            share[source] -= moved
            share[target] += moved
            if share[source] < _TINY:
                share[source] = 0.0
        count[s] = found


@compiled
def highest_excess(budget, value, count, at, start, slope, excess, winner):
    """Find, for every piece of a frontier, the set whose curve is furthest above it.

    ``budget``, ``value``, ``count`` as in :func:`curves`; the pieces begin at ``at`` f8 [K] with
    the value ``start`` and the slope ``slope``, the last one without end.  ``excess`` f8 [K] and
    ``winner`` i8 [K] take the largest distance (at least as large as what is in ``excess``).
    """
    pieces = len(at)
    for s in range(len(budget)):
        # Both are linear between the corners of either, where the distance is largest.
        first = 0
        for corner in range(count[s]):
            b, v = budget[s, corner], value[s, corner]
            rate = 0.0
            end = np.inf
            if corner + 1 < count[s]:
                end = budget[s, corner + 1]
                rate = (value[s, corner + 1] - v) / (end - b)
            while first + 1 < pieces and at[first + 1] <= b:
                first += 1
            p = first
            while p < pieces and at[p] < end:
                low = max(b, at[p])
                high = end
                if p + 1 < pieces and at[p + 1] < end:
                    high = at[p + 1]
                distance = v + rate * (low - b) - (start[p] + slope[p] * (low - at[p]))
                if high < np.inf:
                    last = v + rate * (high - b) - (start[p] + slope[p] * (high - at[p]))
                    distance = max(distance, last)
                if distance > excess[p]:
                    excess[p] = distance
                    winner[p] = s
                p += 1
