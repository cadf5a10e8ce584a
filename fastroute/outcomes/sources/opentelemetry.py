"""Spans of OpenTelemetry with the attributes of generative AI, as JSON or JSON lines."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from fastroute.outcomes.files import Content, rows_source
from fastroute.outcomes.sources.base import Found, Schema, Skip, SourceKind
from fastroute.outcomes.table import RowCount

__all__ = ["OPENTELEMETRY"]

# Attributes lie in the span itself or in an object of it.
_BEFORE: Final = ("", "attributes.", "span_attributes.", "SpanAttributes.")
_MODELS: Final = ("gen_ai.response.model", "gen_ai.request.model")


def _attribute(*names: str) -> tuple[str, ...]:
    """Return the columns in which attributes may lie."""
    return tuple(before + name for name in names for before in _BEFORE)


_SCHEMA: Final = Schema(
    {
        # Each call is routed by itself; a trace may have several.
        "query": (
            *("span_id", "spanId", "context.span_id", "SpanId"),
            *("trace_id", "traceId", "context.trace_id", "TraceId"),
        ),
        "model": ("answered by",),
        "score": _attribute("gen_ai.evaluation.score.value", "gen_ai.evaluation.score", "score"),
        "cost": _attribute("gen_ai.usage.cost", "gen_ai.cost", "cost"),
        "task": _attribute("task", "gen_ai.task"),
        "propensity": _attribute("propensity", "routing.propensity"),
        "time": (
            *("start_time", "startTime", "startTimeUnixNano", "start_time_unix_nano"),
            *("Timestamp", "timestamp"),
        ),
        "tokens_in": _attribute("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "tokens_out": _attribute("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    },
    tuple(
        Skip(
            name,
            ("embeddings", "invoke_agent", "create_agent", "execute_tool"),
            "spans of agents, tools or embeddings (gen_ai.operation.name)",
        )
        for name in _attribute("gen_ai.operation.name")
    ),
)


def _spans(entries: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the spans of an export, which are nested by resource and scope."""
    if isinstance(entries, list):
        for entry in entries:
            yield from _spans(entry)
    elif isinstance(entries, Mapping):
        inner = [entries[key] for key in ("resourceSpans", "scopeSpans", "spans") if key in entries]
        if not inner:
            yield entries
        for below in inner:
            yield from _spans(below)


def _is_export(content: Content) -> bool:
    """Return whether a file holds spans nested by resource."""
    first = content.entries
    if isinstance(first, list):
        first = first[0] if first else None
    return isinstance(first, Mapping) and "resourceSpans" in first


def _matches(content: Content) -> bool:
    return _is_export(content) or any(name in content.columns for name in _attribute(*_MODELS))


def _read(content: Content) -> Found:
    """Return the spans that name a model: the one that answered, else the one asked for."""
    import polars as pl

    source = content.table
    if _is_export(content):
        source = replace(rows_source(list(_spans(content.entries))), locate=_span_place)
    assert source is not None
    there = [name for name in _attribute(*_MODELS) if name in source.frame.columns]
    if not there:
        raise ValueError(f"no span has an attribute {' or '.join(map(repr, _MODELS))}")
    model = pl.coalesce(pl.col(there)).alias("answered by")
    named = source.frame.with_columns(model)
    answers = named["answered by"].is_not_null()
    read = replace(source, frame=named).kept(answers)
    found = _SCHEMA.read(replace(content, table=read))
    others = int((~answers).sum())
    account = (RowCount("spans that name no model", others),) if others else ()
    return replace(
        found,
        account=(*account, *found.account),
        rows_read=named.height,
        words={"model": ", else ".join(there)},
    )


def _span_place(row: int) -> str:
    return f"span {row + 1}"


OPENTELEMETRY: Final = SourceKind(
    "opentelemetry", "spans of OpenTelemetry (generative AI)", _matches, _read
)
