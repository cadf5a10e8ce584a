"""Tables of one row for each query and model, under the names that people give to columns."""

from collections.abc import Mapping
from typing import Final

from fastroute.outcomes.sources.base import TOKEN_COLUMNS, Schema, SourceKind, has_columns

__all__ = ["PLAIN", "ROLES"]

#: The first name that a table has is used when `columns` does not say otherwise.
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "query": (
        *("query", "query_id", "prompt_id", "global_index", "global index", "request_id"),
        *("sample_id", "instance_id", "task_id", "index"),
    ),
    "model": ("model", "model_name", "llm", "llm_selected", "gen_ai.response.model"),
    "score": ("score", "performance", "accuracy", "label", "reward", "resolved", "effect"),
    "cost": ("cost", "spend", "response_cost"),
    "task": ("task", "task_name", "eval_name", "dataset", "source"),
    "propensity": ("propensity", "pscore"),
    "time": ("time", "timestamp", "startTime", "start_time", "created_at", "date"),
    **TOKEN_COLUMNS,
}

PLAIN: Final = SourceKind(
    "plain",
    "a table with one row for each query and model",
    lambda content: has_columns(content, ROLES["query"], ROLES["model"]),
    Schema(ROLES).read,
    by_columns=True,
)
