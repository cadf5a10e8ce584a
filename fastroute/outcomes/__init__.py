"""Tables of outcomes from any source, and what they say about models.

:func:`read_outcomes` recognises benchmark tables, leaderboards and logs of gateways by their
columns; :meth:`Outcomes.estimate` gives the means of the models with their uncertainty.
"""

from fastroute.outcomes.estimates import Estimates
from fastroute.outcomes.reading import read_outcomes
from fastroute.outcomes.table import Outcomes, RowCount

__all__ = ["Estimates", "Outcomes", "RowCount", "read_outcomes"]
