"""Outcomes from any source: recognised, read, counted and checked for units."""
from fastroute.outcomes.table import Outcomes

def read_outcomes(source: object) -> Outcomes:
    raise NotImplementedError
