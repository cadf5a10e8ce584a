"""Reading what the page shows of the frames: from their files, or from the shards at once."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from fastroute.analyse import method_counts, method_shares
from fastroute.study import StoredStudy

if TYPE_CHECKING:
    import polars as pl

# Columns of the frame `trials` that are used.
_TRIALS: Final = (
    "cell",
    "world",
    "policy",
    "horizon",
    "stages",
    "trial",
    "regret",
    "priced_regret",
    "starved",
    "over_budget_rounds",
    "no_capacity_rounds",
    "over_budget_stages",
)
# Rows of a frame that are held as they are before they are reduced to what is shown of them.
_HELD_ROWS: Final = 200_000


class StudyTables(NamedTuple):
    """What is shown of the frames of a study; the first two and `methods` are of all cells."""

    trials: "pl.LazyFrame"
    summary: "pl.DataFrame"
    methods: "pl.DataFrame"  #: from :func:`~fastroute.analyse.solver_methods`
    curves: "pl.DataFrame"
    stages: "pl.DataFrame"
    models: "pl.DataFrame"


def read_tables(stored: StoredStudy, detailed: Collection[int]) -> StudyTables:
    """Read what is shown of the frames of a study.

    Parameters
    ----------
    stored : StoredStudy
        Complete or not. Without the files of frames every shard is read once.
    detailed : collection of int
        Worlds whose curves, stages and models are shown.

    Raises
    ------
    DamagedError
        When a shard is missing or is not what was written.
    """
    if not stored.has_frame_files:
        return _from_shards(stored, detailed)
    import polars as pl

    mine = pl.col("world").is_in(detailed)
    return StudyTables(
        _trials(stored.trials),
        _summary(stored.summary).collect(),
        method_shares(method_counts(stored.stages)),
        _curves(stored.curves.filter(mine)).collect(),
        _stages(stored.stages.filter(mine)).collect(),
        stored.models.filter(mine).collect(),
    )


def _from_shards(stored: StoredStudy, detailed: Collection[int]) -> StudyTables:
    trials = _Pile(stored, "trials", lambda frame: _trials(frame.lazy()).collect())
    summary = _Pile(stored, "summary", lambda frame: _summary(frame.lazy()).collect())
    methods = _Pile(stored, "stages", method_counts)
    curves = _Pile(stored, "curves", lambda frame: _curves(frame.lazy()).collect())
    stages = _Pile(stored, "stages", lambda frame: _stages(frame.lazy()).collect())
    models = _Pile(stored, "models", lambda frame: frame)
    for cell in stored.read_cells():
        solved = cell.table("stages")
        trials.add(cell.table("trials"))
        summary.add(cell.table("summary"))
        methods.add(solved)
        if cell.row["world"] in detailed:
            curves.add(cell.table("curves"))
            stages.add(solved)
            models.add(cell.table("models"))
    return StudyTables(
        trials.whole().lazy(),
        summary.whole(),
        method_shares(methods.whole()),
        curves.whole(),
        stages.whole(),
        models.whole(),
    )


class _Pile:
    """The rows of a frame, cell by cell; they are reduced as soon as there are many."""

    def __init__(
        self, stored: StoredStudy, name: str, reduced: "Callable[[pl.DataFrame], pl.DataFrame]"
    ) -> None:
        import polars as pl

        self._reduced = reduced
        # Without any cell the columns are there all the same.
        self._held = [pl.DataFrame(schema=stored.columns(name))]
        self._rows = 0
        self._done: list[pl.DataFrame] = []

    def add(self, rows: "pl.DataFrame") -> None:
        self._held.append(rows)
        self._rows += rows.height
        if self._rows > _HELD_ROWS:
            self._reduce()

    def whole(self) -> "pl.DataFrame":
        """Return what all rows were reduced to."""
        import polars as pl

        self._reduce()
        return pl.concat(self._done)

    def _reduce(self) -> None:
        import polars as pl

        if self._held:
            self._done.append(self._reduced(pl.concat(self._held)))
        self._held, self._rows = [], 0


def _trials(trials: "pl.LazyFrame") -> "pl.LazyFrame":
    return trials.select(_TRIALS)


def _summary(summary: "pl.LazyFrame") -> "pl.LazyFrame":
    return summary.select("cell", "quantity", "mean", "low", "high")


def _curves(curves: "pl.LazyFrame") -> "pl.LazyFrame":
    return curves.select("world", "cell", "policy", "quantity", "round", "mean", "se", "trials")


def _stages(stages: "pl.LazyFrame") -> "pl.LazyFrame":
    return stages.select("world", "policy", "trial", "stage", "opened", "spend", "budget")
