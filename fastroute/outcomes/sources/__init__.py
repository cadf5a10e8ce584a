"""The schemas that are recognised: one module for each source."""

from typing import Final

from fastroute.outcomes.sources import (
    decisions,
    langfuse,
    leaderboard,
    litellm,
    llmrouter,
    llmrouterbench,
    opentelemetry,
    plain,
    routerarena,
    swebench,
    wide,
)
from fastroute.outcomes.sources.base import Found, SourceKind

__all__ = ["KINDS", "LOG_KINDS", "MEANS_KINDS", "Found", "SourceKind"]

#: Of all sources, the first that matches is taken: those with most of their own come first.
KINDS: Final[tuple[SourceKind, ...]] = (
    decisions.DECISIONS,
    wide.ROUTERBENCH,
    swebench.SWEBENCH,
    swebench.SWEBENCH_BOARD,
    llmrouterbench.LLMROUTERBENCH,
    opentelemetry.OPENTELEMETRY,
    langfuse.LANGFUSE,
    litellm.LITELLM,
    routerarena.ROUTERARENA,
    llmrouter.GRAPHROUTER,
    llmrouter.LLMROUTER,
    leaderboard.LEADERBOARD,
    plain.PLAIN,
    wide.WIDE,
)
#: Logs, in which each query went to one model.
LOG_KINDS: Final = ("decision log", "litellm", "langfuse", "opentelemetry", "routerarena")
#: Those without queries.
MEANS_KINDS: Final = ("leaderboard", "swebench board")
