"""RouterArena: what a router chose for each query, as JSON lines or a list."""

from typing import Final

from fastroute.outcomes.sources.base import Schema, SourceKind, has_columns

__all__ = ["ROUTERARENA"]

_QUERY: Final = ("global_index", "global index")
_MODEL: Final = ("llm_selected", "prediction")
_SCHEMA: Final = Schema(
    {
        "query": _QUERY,
        "model": _MODEL,
        "score": (
            *("accuracy", "score", "evaluation_result.score", "evaluation_result.accuracy"),
            *("evaluation_result.correct", "evaluation_result.is_correct", "evaluation_result"),
        ),
        "cost": ("cost", "inference_cost"),
        "task": ("task", "dataset", "category", "domain"),
        "tokens_in": ("token_usage.input_tokens", "generated_result.token_usage.input_tokens"),
        "tokens_out": ("token_usage.output_tokens", "generated_result.token_usage.output_tokens"),
    }
)

ROUTERARENA: Final = SourceKind(
    "routerarena",
    "predictions of RouterArena",
    lambda content: has_columns(content, _QUERY, _MODEL),
    _SCHEMA.read,
    by_columns=True,
)
