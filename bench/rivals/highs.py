"""HiGHS through its own Python interface."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastroute.bench.rivals.base import F8
from fastroute.bench.workloads import Problems


def new_highs() -> Any:
    """Return a silent solver on one thread.

    Presolve is off, because it costs small LPs more than it saves. The constructor prints before
    any option can silence it, so file descriptor 1 is turned away for that moment.
    """
    import highspy

    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        solver = highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("presolve", "off")
    return solver


def pass_model(solver: Any, lps: Problems) -> Callable[[int], None]:
    """Return what passes the LP of a given number to the solver.

    Rows: shares add up to 1, cost within the budget.
    """
    import highspy

    size = lps.reward.shape[1]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = size, 2
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_lower_ = np.zeros(size)
    lp.row_lower_ = np.array([1.0, -highspy.kHighsInf])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array([0, size, 2 * size], np.int32)
    lp.a_matrix_.index_ = np.tile(np.arange(size, dtype=np.int32), 2)
    one = np.ones(size)

    def pass_one(i: int) -> None:
        lp.col_cost_ = lps.reward[i]
        lp.col_upper_ = lps.limit[i]
        lp.row_upper_ = np.array([1.0, lps.budget[i]])
        lp.a_matrix_.value_ = np.concatenate([one, lps.cost[i]])
        solver.passModel(lp)

    return pass_one


def shares(solver: Any) -> F8:
    """Return the solution, NaN where there is none."""
    import highspy

    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return np.full(solver.getNumCol(), np.nan)
    return np.asarray(solver.getSolution().col_value)
