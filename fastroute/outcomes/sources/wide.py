"""Tables with one row for each query and columns for each model."""

from collections.abc import Iterator, Mapping
from typing import Final

from fastroute.outcomes.files import Content, Source
from fastroute.outcomes.frames import known_columns
from fastroute.outcomes.sources.base import Found, SourceKind, has_columns
from fastroute.outcomes.sources.plain import ROLES

__all__ = ["ROUTERBENCH", "WIDE"]

_QUERY: Final = ("sample_id", *ROLES["query"])
_ROUTERBENCH_COST: Final = "|total_cost"
_SEPARATORS: Final = ("|", ":", ".", "__", "_", " ")
_SCORES: Final = ("score", "performance", "accuracy", "reward", "resolved")
_COSTS: Final = ("cost", "total_cost", "spend")


def _routerbench_models(content: Content) -> dict[str, tuple[str, str]]:
    """Return the columns of score and cost of each model, in RouterBench's form."""
    names = content.columns if content.table is not None else ()
    return {
        name: (name, name + _ROUTERBENCH_COST)
        for name in names
        if name + _ROUTERBENCH_COST in names
    }


def _wide_models(content: Content) -> dict[str, tuple[str, str]]:
    """Return the columns of score and cost of each model, such as score_A and cost_A."""
    names = content.columns if content.table is not None else ()
    costs = {(form, model): name for name, form, model in _parts(names, _COSTS)}
    found: dict[str, tuple[str, str]] = {}
    for name, form, model in _parts(names, _SCORES):
        if (form, model) in costs and model not in found:
            found[model] = name, costs[form, model]
    return found


def _parts(
    names: tuple[str, ...], words: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, str], str]]:
    """Yield the columns that are made of a word and a model: name, form and model."""
    for name in names:
        for word in words:
            for mark in _SEPARATORS:
                if name.casefold().startswith(word + mark):
                    yield name, ("before", mark), name[len(word + mark) :]
                if name.casefold().endswith(mark + word):
                    yield name, ("after", mark), name[: -len(mark + word)]


def _read(content: Content, models: Mapping[str, tuple[str, str]]) -> Found:
    """Return one row for each query and model, query by query."""
    import polars as pl

    source = content.table
    assert source is not None
    roles = {"query": _QUERY, "task": ROLES["task"], "time": ROLES["time"]}
    columns = known_columns(source.frame.columns, roles)
    if "query" not in columns:
        raise ValueError(
            "no column 'query'; name the queries in a column 'query', one row for each"
        )
    shared = [source.frame[name].alias(role) for role, name in columns.items()]
    height = source.frame.height
    parts = [
        pl.DataFrame(
            [
                *shared,
                pl.repeat(model, height, eager=True).alias("model"),
                source.frame[score].alias("score"),
                source.frame[cost].alias("cost"),
                pl.Series("row", source.rows),
            ]
        )
        for model, (score, cost) in models.items()
    ]
    long = pl.concat(parts, how="vertical_relaxed").sort("row", maintain_order=True)
    rows = long.drop_in_place("row").to_numpy()
    first_score, first_cost = next(iter(models.values()))
    words = {
        "model": f"{len(models)} pairs of columns",
        "score": f"{first_score} and so on",
        "cost": f"{first_cost} and so on",
    }
    table = Source(long, rows, source.path, source.locate)
    names = {role: role for role in (*columns, "model", "score", "cost")}
    return Found(table, names, long.height, words={**columns, **words})


ROUTERBENCH: Final = SourceKind(
    "routerbench",
    "RouterBench, wide: a column of scores and one of costs for each model",
    lambda content: bool(_routerbench_models(content)),
    lambda content: _read(content, _routerbench_models(content)),
)
WIDE: Final = SourceKind(
    "wide",
    "a table with columns of score and cost for each model",
    lambda content: has_columns(content, _QUERY) and bool(_wide_models(content)),
    lambda content: _read(content, _wide_models(content)),
)
