"""From a table of outcomes to a decision: what to deploy, what more would buy, how sure it is."""

from fastroute.advice.advising import Advice, FrontierBand, advise
from fastroute.advice.changes import Constraint, Problem
from fastroute.advice.learning import Learning, LearningRow
from fastroute.advice.solution import Decisive, Estimate, Solution, Worth

__all__ = [
    "Advice",
    "Constraint",
    "Decisive",
    "Estimate",
    "FrontierBand",
    "Learning",
    "LearningRow",
    "Problem",
    "Solution",
    "Worth",
    "advise",
]
