"""Tolerances shared by every backend, so that all of them call the same instances feasible.

Comparisons *between* models (which one is better at a given price, which one is cheaper) are exact
everywhere; only the two coupling rows have a tolerance, and each has it once.  A problem has a
distribution within the budget where its cheapest one costs at most ``b`` plus ::

    BUDGET_RANGE * (reach - cheapest)+ + BUDGET_SCALE * reach,   reach = min(dearest, REACH * b)

over the costs of the models that are there.  A model dearer than ``REACH * b`` carries next to
nothing within the budget, so its cost does not widen the tolerance: the budget is never exceeded by
more than 1e-8 of itself, whatever the costs.
"""

from typing import Final

#: Mass: limits that add up to ``1 - MASS`` count as enough, and a rest below MASS is not placed.
MASS: Final = 1e-12
#: Budget row: spending may exceed the budget by this share of the spread of the costs ...
BUDGET_RANGE: Final = 1e-12
#: ... plus this share of the largest cost (the rounding of a sum of costs computed by the user) ...
BUDGET_SCALE: Final = 1e-15
#: ... where costs above this many budgets count as that much.
REACH: Final = 8192.0
#: Deployment: weights up to this much do not count as support.
SUPPORT: Final = 1e-11
#: Deployment: handicap of the model of rank r in the tie order, times sqrt(r).  It decides between
#: sets of equal value (irrational steps leave no ties) and costs at most HANDICAP sqrt(N).
HANDICAP: Final = 1e-10
#: Deployment: two values within this are equally good.
VALUE: Final = 1e-12
#: Routing: what is left in a share, relative to its limit, up to this much is rounding, not mass.
ROUNDING: Final = 1e-15
#: Routing: where all costs are below this, they are multiplied by ``ENLARGE`` (powers of two, so
#: exactly), which keeps prices finite.
TINY: Final = 2.0**-800
ENLARGE: Final = 2.0**600
#: Round loop: reduced costs this small, relative to their terms, are too close to a tie to trust a
#: basis; it is solved anew.
TIE: Final = 1e-13
#: Elimination: a model is dropped where others are better by more than this.
DOMINATED: Final = 1e-9
#: Divisors that may be 0 are at least this.
POSITIVE: Final = 1e-300
#: Primal-dual: largest ratio of the prices of the two resources, either way.
PRICE_RATIO: Final = 1e12
#: Custom routers: shares may be this far off from their limits and from adding up to 1.
SHARES: Final = 1e-9
