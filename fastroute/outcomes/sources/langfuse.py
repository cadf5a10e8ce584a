"""Generations of Langfuse, exported as CSV or JSON; the scores are a table of their own."""

import json
from dataclasses import replace
from typing import Any, Final

from fastroute.outcomes.files import Content, Source
from fastroute.outcomes.sources.base import Found, Schema, Skip, SourceKind, has_columns

__all__ = ["LANGFUSE"]

_USAGE: Final = ("usageDetails", "usage_details", "usage")
_COST: Final = ("costDetails", "cost_details")
_OTHER: Final = ("calculatedTotalCost", "calculated_total_cost", "totalCost", "total_cost")
_OTHER_TYPES: Final = (
    *("span", "event", "trace", "tool", "chain", "agent"),
    *("retriever", "evaluator", "embedding", "guardrail"),
)
_SCHEMA: Final = Schema(
    {
        # Each call is routed by itself; a trace may have several.
        "query": ("id", "traceId", "trace_id"),
        "model": ("model", "providedModelName", "provided_model_name"),
        "score": ("score", "value"),
        "cost": (*(f"{name}.total" for name in _COST), *_OTHER),
        "task": ("task", "metadata.task", "traceName", "trace_name", "name"),
        "propensity": ("propensity", "metadata.propensity"),
        "time": ("startTime", "start_time"),
        "tokens_in": (*(f"{name}.input" for name in _USAGE), "promptTokens", "inputUsage"),
        "tokens_out": (*(f"{name}.output" for name in _USAGE), "completionTokens", "outputUsage"),
    },
    (
        Skip("type", _OTHER_TYPES, "observations that are no generation (column 'type')"),
        Skip("level", ("error",), "failed calls (column 'level')"),
    ),
)


def _read(content: Content) -> Found:
    """Return the generations; details that are JSON inside a cell are columns too."""
    assert content.table is not None
    source = content.table
    for column in (name for name in (*_USAGE, *_COST) if name in source.frame.columns):
        source = _opened(source, column)
    return _SCHEMA.read(replace(content, table=source))


def _opened(source: Source, column: str) -> Source:
    """Return a table with the fields of the objects in a column of JSON beside it."""
    import polars as pl

    values = source.frame[column]
    if values.dtype != pl.String or any(n.startswith(f"{column}.") for n in source.frame.columns):
        return source
    objects: list[dict[str, Any]] = []
    for row, text in zip(source.rows, values, strict=True):
        try:
            read = json.loads(text) if text else {}
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise ValueError(
                f"column {column!r} holds {text!r} in {source.place(int(row))}; write a JSON "
                'object such as {"input": 3, "output": 5}'
            )
        objects.append(read)
    names = dict.fromkeys(name for read in objects for name in read)
    added = [
        pl.Series(
            f"{column}.{name}",
            [None if read.get(name) is None else str(read[name]) for read in objects],
            dtype=pl.String,
        )
        for name in names
    ]
    return replace(source, frame=source.frame.with_columns(added))


LANGFUSE: Final = SourceKind(
    "langfuse",
    "generations of Langfuse",
    lambda content: (
        has_columns(content, _SCHEMA.roles["model"], (*_USAGE[:2], *_COST))
        or has_columns(content, _SCHEMA.roles["model"], ("traceId", "trace_id"), (*_USAGE, *_OTHER))
    ),
    _read,
)
