"""Reading a study back, finished or not."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from fastroute.simulation.merge import Accounts, concatenate_all
from fastroute.study.errors import DamagedError, RunDirectoryError, key_path, plain_message
from fastroute.study.journal import Records
from fastroute.study.lock import lock_holder
from fastroute.study.manifest import CELLS, intact_manifest, read_manifest
from fastroute.study.parquet import read_checked
from fastroute.study.planning import plan_cell
from fastroute.study.schema import Study
from fastroute.study.store import damaged_files
from fastroute.study.tables import (
    FRAMES,
    PARAMETERS,
    TABLES,
    read_shard,
    schemas,
    storage_mode,
    with_parameters,
)
from fastroute.study.verify import damaged_shards, known_records

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from fastroute.study.tables import Kind


class ReadCell(NamedTuple):
    """A cell whose shards have been read: what its rows in every frame are made of.

    Attributes
    ----------
    row : mapping
        The cell, as in the frame of cells.
    accounts : Accounts
        What its shards hold, joined.
    parameters : polars.DataFrame
        One row: the first columns of every frame.
    """

    row: Mapping[str, Any]
    accounts: Accounts
    parameters: "pl.DataFrame"

    def table(self, name: str) -> "pl.DataFrame":
        """Return the rows of the cell in a frame."""
        return with_parameters([TABLES[name](self.row, self.accounts)], self.parameters)


@dataclass(frozen=True, repr=False)
class StoredStudy:
    """A study on disk, as far as it is. The frames are lazy: nothing is read before ``.collect()``.

    Every frame begins with the parameters of the cell that a row belongs to: ``cell`` (number in
    the grid), ``world`` (cells of one world differ in their policy only), ``scenario``,
    ``policy``, ``horizon``, ``budget``, ``max_deployed``, ``stages``, ``seed``, and a column for
    every other axis of the grid (``policy_gamma``, ``scenario_limit``, ``budget_rule``, ...).

    Attributes
    ----------
    path : pathlib.Path
        The run directory.
    study : Study
        The resolved study.
    manifest : dict
        Versions, machine, sessions, counts and checksums.
    shards_run : int
        Shards that :func:`fastroute.run_study` computed before it returned this; 0 when loaded.
    """

    path: Path
    study: Study
    manifest: dict[str, Any]
    shards_run: int = 0

    def __repr__(self) -> str:
        """Say in one line which study it is, where, and how far."""
        cells = self.manifest["cells"]
        return f"<StoredStudy {self.study.name} in {self.path}: {cells:,} cells, {self.state}>"

    def _repr_html_(self) -> str:
        from fastroute.report.notebook import card_html, stored_card

        return card_html(stored_card(self))

    def plot(
        self,
        x: str | None = None,
        y: str = "priced_regret",
        by: str = "policy",
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw means over trials with their 95 % intervals against what the study varies.

        A notebook shows the figure, a script with ``matplotlib.pyplot.show()``.

        Parameters
        ----------
        x : str, optional
            A column of the frame `summary` that varies: a setting (``horizon``), an option
            (``policy_gamma``), ``scenario`` or ``policy``. Numbers are laid out on the horizontal
            axis; words stand beside the chart, with a row each. Default: the first that the study
            varies on purpose, else the policies.
        y : str
            A column of the frame `trials`, such as ``regret``, ``cost`` or ``starved``.
        by : str
            A column as `x` may be, with a line for each of its values. Where something else varies
            too, each of its values has a line of its own, and the legend says so; of more than
            eight lines those that end lowest, and the first, are drawn.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            ``.figure.savefig(path)`` writes it. Settings of Matplotlib are left as they are.

        Raises
        ------
        ValueError
            When there is no such column, or nothing was stored yet.
        """
        from fastroute.report.plots import plot_study

        return plot_study(self, x, y, by, ax)

    @property
    def complete(self) -> bool:
        """Whether every shard of the study is there, and the frames are made of all of them."""
        return bool(self.manifest["status"] == "complete")

    @property
    def axes(self) -> list[str]:
        """Names of the columns of axes beyond the parameters that every study has."""
        return list(self.manifest["axes"])

    @cached_property
    def cells(self) -> "pl.LazyFrame":
        """One row per cell: all parameters, how far it is, seconds of work, running estimates."""
        import polars as pl

        records = self._records.frame().lazy()
        n = (pl.col("stop") - pl.col("first")).sum()
        regret, square = pl.col("regret").sum() / n, pl.col("regret_square").sum()
        found = records.group_by("key").agg(
            n.alias("trials_done"),
            pl.len().alias("shards_done"),
            pl.col("seconds").sum(),
            regret.alias("regret"),
            ((square - n * regret**2).clip(0.0) / (n - 1) / n).sqrt().alias("regret_se"),
            (pl.col("priced_regret").sum() / n).alias("priced_regret"),
            (pl.col("cost").sum() / n).alias("cost"),
        )
        counts = pl.col("trials_done", "shards_done").fill_null(0)
        rounds = pl.col("trials_done") * pl.col("horizon")
        return (
            self._static.lazy()
            .join(found, on="key", how="left", maintain_order="left")
            .with_columns(counts, pl.col("regret_se").fill_nan(None))
            .with_columns(
                (pl.col("trials_done") == pl.col("trials")).alias("complete"),
                (1e9 * pl.col("seconds") / rounds).alias("ns_per_trial_round"),
            )
        )

    @property
    def trials(self) -> "pl.LazyFrame":
        """One row per cell and trial: regret and its parts, reward, cost, violations, ..."""
        return self._frame("trials")

    @property
    def curves(self) -> "pl.LazyFrame":
        """One row per cell, quantity and checkpoint: mean, standard error, quantiles."""
        return self._frame("curves")

    @property
    def stages(self) -> "pl.LazyFrame":
        """One row per cell, stage and trial, or per cell and stage as means over trials."""
        return self._frame("stages")

    @property
    def models(self) -> "pl.LazyFrame":
        """One row per cell and model: arrival, true means, the oracle's and the policy's shares."""
        return self._frame("models")

    @property
    def summary(self) -> "pl.LazyFrame":
        """One row per cell and quantity: mean, standard error, 95 % interval, quantiles."""
        return self._frame("summary")

    @property
    def trial_curves(self) -> "pl.LazyFrame":
        """One row per cell, trial and checkpoint, a column per quantity.

        Read from the shards; cells of which only moments were kept have no rows.
        """
        return self._from_shards("trial_curves")

    @property
    def has_frame_files(self) -> bool:
        """Whether the frames are in files of their own; else they are made of the shards."""
        return self.complete and all(self._has_its_size(f"{name}.parquet") for name in FRAMES)

    def columns(self, name: str) -> "dict[str, Kind]":
        """Return the columns of a frame, with their types."""
        return {**self._parameters, **schemas()[name]}

    def read_cells(self) -> Iterator[ReadCell]:
        """Read the cells that have trials one after the other, each of their shards once.

        Several frames of a study that is not finished are so made in one passage over the disk;
        a frame that is collected reads all shards for itself.

        Raises
        ------
        DamagedError
            When a shard is missing or is not what was written.
        """
        return self._read(lambda parameters: True)

    @property
    def shards(self) -> "pl.LazyFrame":
        """One row per shard on disk: cell (``key``), trials, checksum, seconds, backend."""
        return self._records.frame().lazy()

    @property
    def holder(self) -> dict[str, Any] | None:
        """``pid``, ``host`` and ``since`` of the process that runs the study now, if any."""
        return lock_holder(self.path)

    @property
    def state(self) -> str:
        """How the study was when it was loaded.

        ``running``, ``complete``, ``incomplete`` (some shards failed), ``interrupted``, or
        ``killed``: nobody runs it, and it did not end by itself.
        """
        if self.holder is not None:
            return "running"
        found = str(self.manifest["status"])
        # A run lets go of the directory after it wrote how it ended. When the manifest is still
        # the same after that, nobody ended it.
        if found == "running" and intact_manifest(self.path) == self.manifest:
            return "killed"
        return found

    def damaged(self) -> list[str]:
        """Return the files and shards that are missing or differ from their checksum.

        Reads everything.
        """
        files = damaged_files(self.path, self.manifest, self.manifest["files"])
        return files + [record.name for record in damaged_shards(self.path, self._records)]

    def check_frames(self) -> None:
        """Compare the frames of a complete study with their checksums; reads them.

        Raises
        ------
        RunDirectoryError
            When one is not what was written.
        """
        # Of a manifest that was lost nothing is listed; the shards are read in their place.
        names = [name for name in map("{}.parquet".format, FRAMES) if self._has_its_size(name)]
        damaged = damaged_files(self.path, self.manifest, names) if self.complete else []
        if damaged:
            raise RunDirectoryError(
                f"{self.path}: {', '.join(damaged)}: damaged; run the study again, which "
                "rebuilds what is damaged"
            )

    @cached_property
    def _records(self) -> Records:
        """Shards that the cells can use: when a study is extended, some may be superseded."""
        every = known_records(self.path)
        return Records(
            record
            for row in self._static.iter_rows(named=True)
            for record in plan_cell(storage_mode(row), every.of(row["key"])).usable
        )

    @cached_property
    def _static(self) -> "pl.DataFrame":
        try:
            return read_checked((self.path / CELLS).read_bytes(), CELLS)[0]
        except (OSError, DamagedError) as error:
            reason = f"{CELLS}: {error.strerror}" if isinstance(error, OSError) else str(error)
            raise RunDirectoryError(
                f"{self.path}: {reason}; run the study again, which rebuilds it"
            ) from None

    def _frame(self, name: str) -> "pl.LazyFrame":
        import polars as pl

        if self.complete and name in FRAMES and self._has_its_size(f"{name}.parquet"):
            return pl.scan_parquet(self.path / f"{name}.parquet", glob=False)
        return self._from_shards(name)

    def _has_its_size(self, name: str) -> bool:
        """Tell whether a file is there and as long as it was written."""
        try:
            size = (self.path / name).stat().st_size
        except OSError:
            return False
        return bool(size == self.manifest["files"].get(name, {}).get("bytes"))

    def _from_shards(self, name: str) -> "pl.LazyFrame":
        """Make a frame of the shards on disk, cell by cell, when it is asked for."""
        from polars.io.plugins import register_io_source

        return register_io_source(
            _source(self._read, name, self._parameters), schema=self.columns(name)
        )

    def _read(self, wanted: "Callable[[pl.DataFrame], bool]") -> Iterator[ReadCell]:
        """Read those cells that are wanted, as their parameters say."""
        every = self._static.select(*self._parameters)
        for place, row in enumerate(self._static.iter_rows(named=True)):
            parameters = every[place]
            if not wanted(parameters):
                continue
            kept = storage_mode(row)
            accounts = concatenate_all(
                read_shard(self.path, record, kept) for record in self._records.of(row["key"])
            )
            if accounts is not None:
                yield ReadCell(row, accounts, parameters)

    @property
    def _parameters(self) -> "dict[str, Kind]":
        """The first columns of every frame, with their types."""
        return {name: self._static.schema[name] for name in (*PARAMETERS, *self.axes)}


def _source(
    read: "Callable[[Callable[[pl.DataFrame], bool]], Iterator[ReadCell]]",
    name: str,
    parameters: Collection[str],
) -> Callable[..., Iterator["pl.DataFrame"]]:
    """Return what Polars calls for the rows of a frame."""

    def rows(
        with_columns: list[str] | None,
        predicate: "pl.Expr | None",
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator["pl.DataFrame"]:
        left = n_rows
        # What asks for parameters only is known before a shard is read.
        early = None
        if predicate is not None and n_rows is None:
            early = predicate if set(predicate.meta.root_names()) <= set(parameters) else None

        def wanted(one: "pl.DataFrame") -> bool:
            if left == 0:
                return False
            return early is None or one.filter(early).height > 0

        for cell in read(wanted):
            frame = cell.table(name)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame if with_columns is None else frame.select(with_columns)

    return rows


def load(path: str | os.PathLike[str]) -> StoredStudy:
    """Open the directory of a study, complete, interrupted or still running.

    Parameters
    ----------
    path : path-like
        A directory that :func:`fastroute.run_study` wrote.

    Returns
    -------
    StoredStudy
        The study, its manifest, and its frames. Of a study that is running they hold what was
        on disk when the frame was first asked for; load it again for more.

    Raises
    ------
    RunDirectoryError
        When the directory is not a run directory.

    Examples
    --------
    ``fr.load("runs/quickstart").trials.group_by("policy").agg(pl.col("regret").mean()).collect()``
    """
    directory = Path(path)
    manifest = read_manifest(directory)
    try:
        study = Study.from_stored(manifest["study"], directory)
    except ValidationError as error:
        first = error.errors()[0]
        raise RunDirectoryError(
            f"{directory}: the study in manifest.json cannot be used ({key_path(first['loc'])}: "
            f"{plain_message(first)}); read it with the version of fastroute that wrote it"
        ) from None
    return StoredStudy(directory, study, manifest)
