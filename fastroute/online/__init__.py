"""The policy online: one decision at a time, with a log that replays to the bit."""

from fastroute.online.budget import Window
from fastroute.online.choice import Choice
from fastroute.online.errors import BudgetSpentError, NothingDeployedError, ObservationError
from fastroute.online.evaluate import Evaluation, PolicyValue, evaluate_log
from fastroute.online.plan import Plan
from fastroute.online.recording import read_log
from fastroute.online.router import OnlineRouter
from fastroute.online.settings import OnlineModel, Stage, every
from fastroute.online.status import Status

__all__ = [
    "BudgetSpentError",
    "Choice",
    "Evaluation",
    "NothingDeployedError",
    "ObservationError",
    "OnlineModel",
    "OnlineRouter",
    "Plan",
    "PolicyValue",
    "Stage",
    "Status",
    "Window",
    "evaluate_log",
    "every",
    "read_log",
]
