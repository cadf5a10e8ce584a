"""Spend logs of the LiteLLM proxy: each request went to one model."""

from typing import Final

from fastroute.outcomes.sources.base import Schema, Skip, SourceKind, has_columns
from fastroute.outcomes.sources.plain import ROLES

__all__ = ["LITELLM"]

_SCHEMA: Final = Schema(
    {
        "query": ("request_id",),
        "model": ("model", "model_group"),
        "score": ("score", "reward", "metadata.score", "feedback"),
        "cost": ("spend", "response_cost"),
        "task": ("task", "metadata.task"),
        "propensity": ("propensity", "pscore", "metadata.propensity"),
        "time": ("startTime", "start_time"),
        "tokens_in": ("prompt_tokens",),
        "tokens_out": ("completion_tokens",),
    },
    (
        Skip("status", ("failure", "failed", "error"), "failed requests (column 'status')"),
        Skip("cache_hit", ("true",), "answers from the cache (column 'cache_hit')"),
    ),
)

LITELLM: Final = SourceKind(
    "litellm",
    "spend logs of LiteLLM",
    lambda content: (
        has_columns(content, ("spend",), ("model", "model_group"), ("request_id",))
        and not has_columns(content, ROLES["score"], ("query", "query_id"))
    ),
    _SCHEMA.read,
    by_columns=True,
)
