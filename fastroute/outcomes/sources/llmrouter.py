"""Tables of LLMRouter and of GraphRouter."""

from dataclasses import replace
from typing import Final

from fastroute.outcomes.files import Content
from fastroute.outcomes.sources.base import Found, Schema, SourceKind, has_columns
from fastroute.outcomes.sources.plain import ROLES

__all__ = ["GRAPHROUTER", "LLMROUTER"]

_LLMROUTER: Final = Schema(
    {
        "query": ("query_id", "query"),
        "model": ("model_name",),
        "score": ("performance",),
        "cost": ("cost",),
        "task": ("task_name",),
        "tokens_in": ("input_tokens", "prompt_tokens"),
        "tokens_out": ("output_tokens", "completion_tokens", "token_num"),
    }
)


def _read_llmrouter(content: Content) -> Found:
    """Return the rows; its one number of tokens is taken for output."""
    found = _LLMROUTER.read(content)
    if found.columns.get("tokens_out", "").casefold() != "token_num":
        return found
    note = "'token_num' counts all tokens of a query; with prices they are priced as output"
    return replace(found, notes=(note,))


LLMROUTER: Final = SourceKind(
    "llmrouter",
    "routing data of LLMRouter",
    lambda content: has_columns(content, ("model_name",), ("performance",), ("query", "query_id")),
    _read_llmrouter,
    by_columns=True,
)

# The task of a query is in task_id here, which elsewhere is the query.
_GRAPHROUTER: Final = Schema(
    {
        "query": ("query_id", "query"),
        "model": ("llm",),
        "score": ("effect",),
        "cost": ("cost",),
        "task": ("task_name", "task_id", "task"),
        "tokens_in": ROLES["tokens_in"],
        "tokens_out": ROLES["tokens_out"],
    }
)

GRAPHROUTER: Final = SourceKind(
    "graphrouter",
    "routing data of GraphRouter",
    lambda content: has_columns(content, ("llm",), ("effect",), ("query", "query_id")),
    _GRAPHROUTER.read,
    by_columns=True,
)
