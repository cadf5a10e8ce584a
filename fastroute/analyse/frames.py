"""Reading frames: columns that must be there, runs that stand in one frame, rows to frames."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def key_columns(
    frame: "pl.DataFrame", by: Sequence[str] | None, name: str, needed: Sequence[str]
) -> list[str]:
    """Return the columns that tell runs apart, after looking for all columns that are needed.

    Parameters
    ----------
    frame : polars.DataFrame
    by : sequence of str, optional
        As the caller was given it; None means ``policy`` where there is such a column.
    name : str
        What the caller calls the frame.
    needed : sequence of str
        Further columns.

    Raises
    ------
    ValueError
        When a column is missing, or the frame is empty.
    """
    keys = (["policy"] if "policy" in frame.columns else []) if by is None else list(by)
    for column in (*keys, *needed):
        if column not in frame.columns:
            raise ValueError(
                f"{name}: no column {column!r}; it has {', '.join(map(repr, frame.columns))}"
            )
    if frame.is_empty():
        raise ValueError(f"{name}: the frame has no rows")
    return keys


def groups(
    frame: "pl.DataFrame", keys: Sequence[str]
) -> Iterator[tuple[dict[str, Any], "pl.DataFrame"]]:
    """Yield the rows of each run with its keys, in the order of the frame."""
    if not keys:
        yield {}, frame
        return
    for key, group in frame.group_by(keys, maintain_order=True):
        yield dict(zip(keys, key, strict=True)), group


def require_single_trials(stages: "pl.DataFrame", what: str) -> None:
    """Refuse stages that were kept as means over trials.

    Raises
    ------
    ValueError
    """
    if stages.get_column("trial").null_count():
        raise ValueError(
            f"stages: {what} of single trials were not kept, only means over trials; run fewer "
            "trials or stages"
        )


def frame_from_rows(rows: list[dict[str, Any]]) -> "pl.DataFrame":
    """Make a frame of rows, looking at all of them for the types."""
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None)
