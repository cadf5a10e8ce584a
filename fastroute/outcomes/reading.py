"""Outcomes from any source: recognised, read, counted and checked for units."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from fastroute import checks
from fastroute.outcomes.account import ONE_TASK, outcomes_of
from fastroute.outcomes.columns import Table, costs, times
from fastroute.outcomes.features import FEATURE, feature_columns, feature_values
from fastroute.outcomes.files import BadFileError, Content, Source, join_sources
from fastroute.outcomes.frames import (
    Frame,
    find_columns,
    not_rows,
    numbers,
    read_content,
    texts,
)
from fastroute.outcomes.price_lists import PriceList, is_price_list, read_price_list
from fastroute.outcomes.scores import with_scores
from fastroute.outcomes.sources import KINDS, MEANS_KINDS, Found, SourceKind, leaderboard, plain
from fastroute.outcomes.sources.base import has_columns
from fastroute.outcomes.table import COLUMNS, Outcomes, RowCount
from fastroute.outcomes.units import rescaled_costs, rescaled_scores
from fastroute.warning import warn

if TYPE_CHECKING:
    import polars as pl

__all__ = ["is_pickle", "read_outcomes", "read_table"]

PICKLE_SUFFIXES: Final = (".pkl", ".pickle")
_TEXTS: Final = ("query", "model", "task")
_NUMBERS: Final = ("score", "propensity", "tokens_in", "tokens_out", "n")
#: What a query must have in a table to be replayed, and a model in a leaderboard.
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "queries": ("query", "model", "score", "cost"),
    "means": ("model", "score", "cost"),
    "any": ("query", "model", "score", "cost"),
}


def is_pickle(source: object) -> bool:
    """Return whether ``source`` is the path of a pickle."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() in PICKLE_SUFFIXES


def read_outcomes(
    source: "Frame | Outcomes",
    *,
    columns: Mapping[str, str] | None = None,
    score_range: tuple[float, float] | None = None,
    cost_per: str | None = None,
    source_kind: str | None = None,
    prices: "Frame | PriceList | None" = None,
    scores: "Frame | None" = None,
    features: str | Sequence[str] | None = None,
    progress: bool = False,
    trust_sha256: str | None = None,
) -> Outcomes:
    """Return outcomes from a table, a log, a leaderboard or a folder of them.

    What the source is is recognised by its columns; :meth:`Outcomes.describe` shows what was
    recognised and what became of every row.

    Parameters
    ----------
    source : str, Path, frame, array, mapping or sequence
        A CSV, Parquet, JSON, JSON lines or YAML file, or a folder of them; a Polars or pandas
        frame, a mapping of columns, a list of rows that are mappings, or a NumPy array with named
        fields; the decision log of an online router in SQLite; or a RouterBench pickle.
        One row for each query and model, or columns of score and cost for each model.
    columns : mapping, optional
        Name of the column of a role where it is not recognised, such as ``{"score": "rating"}``.
    score_range : (low, high), optional
        Of the scores in the source, which are brought to [0, 1].
    cost_per : str, optional
        Unit of the costs in the source where it is not a query: "1K-queries", "1M-tokens",
        "token", or "run" for what all queries of a model cost together.
    source_kind : str, optional
        The schema, where the one that is recognised is not the right one.
    prices : str, Path, frame, mapping or sequence, optional
        A price list: the cost of a query is its tokens times the prices of its day. "litellm" for
        the list in LiteLLM's package.
    scores : str, Path, frame, mapping or sequence, optional
        A table of the scores of queries, for logs without them.
    features : str or sequence of str, optional
        Columns of numbers that describe the queries, or patterns such as ``"emb_*"``; estimates
        use them where each query went to one model.
    progress : bool
        Show how far it is while a folder is read.
    trust_sha256 : str, optional
        For RouterBench pickles: see :func:`fastroute.scenarios.load_routerbench`.

    Returns
    -------
    Outcomes

    Raises
    ------
    ValueError
        When the source cannot be read, or is not recognised; naming the file, the column, the row
        and the remedy.

    Warns
    -----
    FastrouteWarning
        For each of the warnings of the outcomes, above all for units that look wrong.

    Examples
    --------
    >>> rows = [("q1", "a", 1.0, 0.1), ("q1", "b", 0.0, 0.02), ("q2", "a", 1.0, 0.2)]
    >>> read_outcomes([dict(zip(("query", "model", "score", "cost"), row)) for row in rows])
    <Outcomes: partial, 2 models, 2 queries, 3 rows from frame>
    """
    if isinstance(source, Outcomes):
        return source
    table = read_table(
        "outcomes",
        source,
        columns,
        score_range=score_range,
        cost_per=cost_per,
        source_kind=source_kind,
        prices=prices,
        scores=scores,
        features=features,
        trust_sha256=trust_sha256,
        listing=_shown if progress else iter,
    )
    outcomes = outcomes_of(table)
    for warning in outcomes.warnings:
        warn(f"{outcomes.source}: {warning}")
    return outcomes


def _shown(files: Sequence[Path]) -> Iterable[Path]:
    """Go through files and show on standard error how far it is."""
    from rich.console import Console
    from rich.progress import track

    return track(files, "reading", console=Console(stderr=True), transient=True)


def read_table(
    field: str,
    source: Frame,
    columns: Mapping[str, str] | None = None,
    *,
    wanted: Literal["queries", "means", "any"] = "any",
    score_range: tuple[float, float] | None = None,
    cost_per: str | None = None,
    source_kind: str | None = None,
    prices: "Frame | PriceList | None" = None,
    scores: "Frame | None" = None,
    features: str | Sequence[str] | None = None,
    trust_sha256: str | None = None,
    listing: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Table:
    """Return a table of outcomes or a leaderboard, with its wrong values still in it.

    Parameters
    ----------
    field : str
        What the table is called in messages.
    source : str, Path, frame, array, mapping or sequence
        As for :func:`read_outcomes`, or a RouterBench pickle.
    columns, score_range, cost_per, source_kind, prices, scores, features
        As for :func:`read_outcomes`.
    wanted : {"queries", "means", "any"}
        What it must be: outcomes of queries, a leaderboard, or either.
    trust_sha256 : str, optional
        For pickles: see :func:`fastroute.scenarios.load_routerbench`.
    listing : callable
        Goes through the files of a folder; may show how far it is.

    Raises
    ------
    ValueError
        When the table has no rows, or a column is missing or of a type that cannot be read.
    """
    content = _content(field, source, trust_sha256, listing)
    kind, found = _found(field, content, columns, source_kind, wanted)
    if found.rows_read == 0:
        what = "one row per model" if wanted == "means" else "recorded outcomes"
        raise ValueError(f"{field}: the table has no rows; pass {what}")
    means = kind.name in MEANS_KINDS
    roles = leaderboard.ROLES if means else plain.ROLES
    required = set(_REQUIRED[wanted]) - ({"query"} if means else set())
    there = {*found.columns, *(columns if isinstance(columns, Mapping) else ())}
    tokens = bool(there & {"tokens_in", "tokens_out"})
    if prices is not None or (wanted == "any" and tokens):
        required.discard("cost")
    if scores is not None or (wanted == "any" and ("cost" in there or tokens)):
        required.discard("score")
    _refuse_roles(content, kind, roles, columns)
    chosen = _chosen(field, content, found, roles, columns, required)
    frame, notes, unit, words = _typed(found.source, chosen, {**found.words})
    table = Table(
        frame,
        chosen,
        found.source.place,
        content.name,
        kind.name,
        words,
        found.rows_read,
        found.account,
        (*found.notes, *notes),
        f"{unit or 'USD'} per query",
        budget=found.budget,
        max_deployed=found.max_deployed,
    )
    if features is not None:
        if means:
            raise ValueError(f"features: {content.name} is a leaderboard, which has no queries")
        table = _described(field, table, found.source, features)
    if scores is not None:
        if means:
            raise ValueError(f"scores: {content.name} is a leaderboard, which has no queries")
        table = with_scores(table, found.source, scores)
    if prices is not None:
        table = _priced(table, read_price_list(prices))
    return _in_units(table, found, score_range, cost_per, required)


def _content(
    field: str,
    source: Frame,
    trust_sha256: str | None,
    listing: Callable[[Sequence[Path]], Iterable[Path]],
) -> Content:
    """Return what a source holds; a pickle as the table in it."""
    if not is_pickle(source):
        return read_content(field, source, listing)
    from fastroute.outcomes.routerbench_pickle import load_routerbench

    assert isinstance(source, str | Path)
    frame = load_routerbench(source, trust_sha256=trust_sha256)
    return Content(Path(source).name, Source(frame, np.arange(frame.height)))


def _found(
    field: str,
    content: Content,
    columns: Mapping[str, str] | None,
    source_kind: str | None,
    wanted: str,
) -> tuple[SourceKind, Found]:
    """Return which kind of source it is, and what is found in it."""
    kinds = [
        kind
        for kind in KINDS
        if wanted == "any" or (kind.name in MEANS_KINDS) == (wanted == "means")
    ]
    if source_kind is not None:
        checks.choice("source_kind", source_kind, [kind.name for kind in KINDS])
        kinds = [kind for kind in KINDS if kind.name == source_kind]
    if content.files:
        # Beside the outcomes of queries there often is a table of the models.
        kinds.sort(key=lambda kind: kind.name in MEANS_KINDS)
    parts = content.files or (content,)
    parts = tuple(_aliased(part, columns) for part in parts)
    kind = next((kind for kind in kinds for part in parts if kind.matches(part)), None)
    if kind is None:
        kind = kinds[0] if source_kind is not None else _fallback(field, content, parts, wanted)
        if not kind.by_columns or content.table is None:
            raise ValueError(
                f"{field}: {content.name} is not {kind.words}; leave source_kind={source_kind!r} "
                f"out, or pass another of {', '.join(repr(kind.name) for kind in KINDS)}"
            )
    read = [part for part in parts if len(parts) == 1 or kind.matches(part)]
    if not read:
        raise ValueError(
            f"{field}={str(content.path)!r}: no file of the folder is {kind.words}; pass the files "
            "of one source"
        )
    found = [_read_part(field, kind, part) for part in read]
    if len(parts) == 1:
        return kind, found[0]
    if kind.run is not None:
        found = _newest([kind.run(part) for part in read], found)
    others = [part.name for part in parts if part not in read]
    note = (f"{len(others)} files are not {kind.words}: {checks.first_names(others)}",)
    return kind, _joined(field, found, note if others else ())


def _aliased(part: Content, columns: Mapping[str, str] | None) -> Content:
    """Return a table with the columns that are given under their roles too."""
    import polars as pl

    if part.table is None or not isinstance(columns, Mapping):
        return part
    names = part.columns
    added = [
        pl.col(name).alias(role)
        for role, name in columns.items()
        if role in COLUMNS and name in names and role not in names
    ]
    table = replace(part.table, frame=part.table.frame.with_columns(added))
    return replace(part, table=table)


def _fallback(field: str, content: Content, parts: Sequence[Content], wanted: str) -> SourceKind:
    """Return the kind whose missing columns are named, where none is recognised."""
    if any(is_price_list(part.entries) for part in parts if part.entries is not None):
        raise ValueError(
            f"{field}: {content.name} is a price list, which says nothing of scores; pass the "
            "table of outcomes, and this with prices=..."
        )
    if content.files:
        raise ValueError(
            f"{field}={str(content.path)!r}: no file of the folder is recognised "
            f"({checks.first_names(part.name for part in parts)}); pass one file with columns=..."
        )
    if content.table is None:
        raise not_rows(field, content)
    board = leaderboard.LEADERBOARD
    if wanted == "any" and not has_columns(content, plain.ROLES["score"]):
        return board if has_columns(content, leaderboard.ROLES["score"]) else plain.PLAIN
    return board if wanted == "means" else plain.PLAIN


def _read_part(field: str, kind: SourceKind, part: Content) -> Found:
    """Return what one file holds; an error names it."""
    try:
        return kind.read(part)
    except (BadFileError, ValueError) as error:
        raise ValueError(f"{field}: {part.name}, read as {kind.words}: {error}") from None


def _newest(runs: Sequence[Hashable], parts: Sequence[Found]) -> list[Found]:
    """Return what files hold; those of a run that a later file repeats hold nothing."""
    last = {run: at for at, run in enumerate(runs)}
    found = []
    for at, (run, part) in enumerate(zip(runs, parts, strict=True)):
        if last[run] != at:
            rows = part.source.frame[part.columns["query"]]
            count = RowCount("of an earlier file of the same data set and model", rows.len())
            none = part.source.kept(rows.is_null())
            part = replace(part, source=none, account=(*part.account, count))
        found.append(part)
    return found


def _joined(field: str, parts: Sequence[Found], notes: tuple[str, ...]) -> Found:
    """Return what the files of a folder hold together."""
    columns: dict[str, str] = {}
    for part in parts:
        for role, name in part.columns.items():
            if columns.setdefault(role, name) != name:
                raise ValueError(
                    f"{field}: the files of the folder have {role} in {columns[role]!r} and in "
                    f"{name!r}; pass columns={{{role!r}: ...}}, or one file"
                )
    account: dict[str, RowCount] = {}
    for count in (count for part in parts for count in part.account):
        known = account.get(count.rule)
        account[count.rule] = known._replace(rows=known.rows + count.rows) if known else count
    source = join_sources([part.source for part in parts])
    return replace(
        parts[0],
        source=source,
        columns=columns,
        rows_read=sum(part.rows_read for part in parts),
        account=tuple(account.values()),
        notes=(*dict.fromkeys(note for part in parts for note in part.notes), *notes),
    )


def _refuse_roles(
    content: Content,
    kind: SourceKind,
    roles: Mapping[str, tuple[str, ...]],
    given: Mapping[str, str] | None,
) -> None:
    """Raise ValueError for a role that tables of another kind have."""
    for role in given if isinstance(given, Mapping) else ():
        if role in COLUMNS and role not in roles:
            others = "leaderboards" if role in leaderboard.ROLES else "tables of queries"
            raise ValueError(
                f"columns={role!r} is for {others}, and {content.name} was read as {kind.name}; "
                f"leave it out, or pass one of {', '.join(roles)}"
            )


def _chosen(
    field: str,
    content: Content,
    found: Found,
    roles: Mapping[str, tuple[str, ...]],
    given: Mapping[str, str] | None,
    required: set[str],
) -> dict[str, str]:
    """Return the column of each role: as given, else as the schema says."""
    frame = found.source.frame
    names = list(dict.fromkeys([*content.columns, *frame.columns]))
    known = {role: (found.columns[role],) if role in found.columns else () for role in roles}
    optional = [role for role in roles if role not in required]
    # A column of a wide table is not one of the long table that it became.
    chosen = find_columns(field, names, known, {} if given is None else given, optional)
    return {
        role: name if name in frame.columns else found.columns[role]
        for role, name in chosen.items()
    }


def _typed(
    source: Source, chosen: Mapping[str, str], words: dict[str, str]
) -> tuple["pl.DataFrame", list[str], str | None, dict[str, str]]:
    """Return the columns with their types, notes on them, and the currency."""
    import polars as pl

    columns: list[pl.Series] = []
    notes: list[str] = []
    currency: str | None = None
    for role, name in chosen.items():
        if role in _TEXTS:
            columns.append(texts(source, role, name))
        elif role == "cost":
            read, wrong, currency = costs(source, name)
            columns += [read, wrong]
        elif role in _NUMBERS:
            columns += numbers(source, role, name)
        elif role == "time":
            read, bad = times(source, role, name)
            columns.append(read)
            if bad:
                notes.append(f"time: {bad:,} of {read.len():,} values of {name!r} are no times")
        elif role == "release_date":
            columns.append(source.frame[name].alias(role))
    return pl.DataFrame([*columns, pl.Series("row", source.rows)]), notes, currency, words


def _described(field: str, table: Table, source: Source, features: str | Sequence[str]) -> Table:
    """Return a table with the features of the queries beside the outcomes."""
    about = {
        table.columns[role]
        for role in ("query", "model", "score", "cost", "propensity")
        if role in table.columns
    }
    names = feature_columns(field, source.frame.columns, features, about)
    values = [feature_values(source, name).alias(FEATURE + name) for name in names]
    return replace(table, frame=table.frame.with_columns(values), features=tuple(names))


def _priced(table: Table, prices: PriceList) -> Table:
    """Return a table whose costs are tokens times prices."""
    import polars as pl

    frame = table.frame
    tokens = [role for role in ("tokens_in", "tokens_out") if role in frame.columns]
    if not tokens:
        raise ValueError(
            f"prices: {table.name} has no tokens; map them, columns={{'tokens_in': ..., "
            "'tokens_out': ...}"
        )
    none = [role for role in ("tokens_in", "tokens_out") if role not in tokens]
    frame = frame.with_columns(pl.lit(0.0).alias(role) for role in none)
    cost = prices.costs(frame)
    none_wrong = pl.lit(None, dtype=pl.String).alias("cost_wrong")
    unknown = [
        name
        for name in frame["model"].drop_nulls().unique(maintain_order=True)
        if prices.key(name) is None
    ]
    notes = list(table.notes)
    if unknown:
        notes.append(
            f"cost: {prices.name} has no price of {checks.first_names(unknown)}; their rows have "
            "no cost"
        )
    before = table.columns.get("cost")
    words = f"tokens x prices of {prices.name}" + (f" (not {before!r})" if before else "")
    return replace(
        table,
        frame=frame.drop(none).with_columns(cost, none_wrong),
        columns={**table.columns, "cost": "tokens"},
        words={**table.words, "cost": words},
        notes=tuple(notes),
        cost_unit="USD per query",
        released=prices.released,
        retired=prices.retired,
    )


def _in_units(
    table: Table,
    found: Found,
    score_range: tuple[float, float] | None,
    cost_per: str | None,
    required: set[str],
) -> Table:
    """Return a table with scores in [0, 1] and the costs of queries."""
    import polars as pl

    frame, words = table.frame, dict(table.words)
    for option, value, role in (
        ("score_range", score_range, "score"),
        ("cost_per", cost_per, "cost"),
    ):
        if value is not None and role not in frame.columns:
            raise ValueError(
                f"{option}={value!r}: {table.name} has no {role}; map it, columns={{{role!r}: ...}}"
            )
    if "score" in frame.columns:
        ends = score_range if score_range is not None else found.score_range
        frame = frame.with_columns(rescaled_scores(frame["score"], ends))
        if ends is not None:
            words["score"] = (
                f"{words.get('score', table.columns['score'])}, from {ends[0]:g} to {ends[1]:g}"
            )
        # A mean of scores, or a sum of floats, can leave [0, 1] by its rounding.
        score = pl.col("score")
        rounded = score.is_between(-checks.ROUNDING, 1.0 + checks.ROUNDING)
        frame = frame.with_columns(pl.when(rounded).then(score.clip(0.0, 1.0)).otherwise(score))
    if "cost" in frame.columns and (unit := cost_per or ("run" if found.cost_per_run else None)):
        frame = frame.with_columns(rescaled_costs(frame, unit).alias("cost"))
        words["cost"] = f"{words.get('cost', table.columns['cost'])}, per {unit}"
    if "query" in required and "task" not in frame.columns:
        frame = frame.with_columns(task=pl.lit(ONE_TASK))
    return replace(table, frame=frame, words=words)
