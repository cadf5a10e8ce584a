"""The command ``fastroute``.

Only Typer is imported at the top: everything else waits for the command that needs it, so that
``fastroute --help`` answers at once.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from fastroute.cli_about import about
from fastroute.cli_advise import advise
from fastroute.cli_bench import bench
from fastroute.cli_compare import compare
from fastroute.cli_complete import complete_backend
from fastroute.cli_data import check, convert, list_sources
from fastroute.cli_output import Verbose, console, safe_output
from fastroute.cli_replay import replay
from fastroute.cli_serve import serve
from fastroute.cli_study import presets, report, run, status

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_ROWS_ON_A_TERMINAL: Final = 60
# Of an answer: what tells its rows apart, and what goes first where there is no room.
_KEYS: Final = ("instance", "model")
_RANKS: Final = {"simplex_price": 3, "budget_price": 2, "gap": 3, "method": 2, "value": 1}


class _SafeGroup(TyperGroup):
    """All commands, with output that cannot fail them."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        with safe_output():
            return super().main(*args, **kwargs)


app = typer.Typer(
    cls=_SafeGroup,
    help="Online deployment and routing of streaming language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
solve_app = typer.Typer(
    help="Solve routing or deployment problems from a table.", no_args_is_help=True
)
data_app = typer.Typer(
    help="See where data come from; check and convert tables of your own.", no_args_is_help=True
)
app.add_typer(solve_app, name="solve")
app.add_typer(data_app, name="data")


@contextmanager
def _user_errors() -> Iterator[None]:
    """Turn what the user can cause into one message on standard error and an exit code."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        notes = "; ".join(getattr(interrupt, "__notes__", ()))
        typer.echo(f"interrupted: {notes}" if notes else "interrupted", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}", error)
    except ValueError as error:
        _fail(str(error), error)


def _fail(message: str, error: Exception) -> NoReturn:
    """Print a message and what was noted of the error, and end with the exit code of errors."""
    for line in (f"error: {message}", *getattr(error, "__notes__", ())):
        typer.echo(line, err=True)
    raise typer.Exit(2) from None


for _command in (run, status, report, compare, advise, replay, serve, presets, bench, about):
    app.command()(_user_errors()(_command))
data_app.command("list")(_user_errors()(list_sources))
data_app.command()(_user_errors()(check))
data_app.command()(_user_errors()(convert))


def _version(wanted: bool) -> None:
    if wanted:
        import fastroute

        typer.echo(f"fastroute {fastroute.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Online deployment and routing of streaming language models."""
    del version


_File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="CSV or Parquet, one row per instance and model; - reads CSV."
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(help="CSV or Parquet. Default: a table on a terminal, CSV in a pipe."),
]
_Backend = Annotated[
    str,
    typer.Option(help="auto, numba, jax, ref or highs.", autocompletion=complete_backend),
]


@solve_app.command()
def routing(
    file: _File,
    out: _Out = None,
    backend: _Backend = "auto",
    verbose: Verbose = 0,
) -> None:
    """Solve the routing LP of every instance in FILE.

    Columns: instance, model, reward, cost, limit, budget (the same within an instance). The
    answer has the rows of FILE with share, value, budget_price, simplex_price and status.
    """
    with _user_errors():
        from fastroute.solve import solve_routing

        _check_suffix(out)
        table = _read_instances(file)
        parts = []
        for rows in table.batches():
            answer = solve_routing(**table.arrays(rows), backend=backend, infeasible="ignore")
            names = ("share", "value", "budget_price", "simplex_price")
            parts.append((rows, {name: getattr(answer, name) for name in names}, answer))
        _write_or_print(table, parts, out)


@solve_app.command()
def deployment(
    file: _File,
    out: _Out = None,
    max_deployed: Annotated[
        int | None, typer.Option(help="Models deployed at once, where FILE has no such column.")
    ] = None,
    fill: Annotated[
        str, typer.Option(help="How to fill empty slots: reduced_cost, ucb or none.")
    ] = "reduced_cost",
    backend: _Backend = "auto",
    verbose: Verbose = 0,
) -> None:
    """Solve the deployment problem of every instance in FILE.

    Columns: instance, model, reward, cost, limit, budget and, unless --max-deployed is given,
    max_deployed (the last two the same within an instance). The answer has the rows of FILE
    with deployed, weight, value, gap, method and status.
    """
    with _user_errors():
        import numpy as np

        from fastroute.solve import Method, solve_deployment

        _check_suffix(out)
        table = _read_instances(file, with_cap=max_deployed is None)
        parts = []
        for rows in table.batches():
            arrays: dict[str, Any] = table.arrays(rows)
            cap = max_deployed if max_deployed is not None else table.cap(rows)
            answer = solve_deployment(
                **arrays, max_deployed=cap, fill=fill, backend=backend, infeasible="ignore"
            )
            names = ("deployed", "weight", "value", "gap")
            columns = {name: getattr(answer, name) for name in names}
            columns["method"] = np.array([str(Method(int(code))) for code in answer.method])
            parts.append((rows, columns, answer))
        _write_or_print(table, parts, out)


@dataclass(frozen=True)
class _Instances:
    """Instances in long form: one row per instance and model."""

    file: str
    names: "pl.DataFrame"  # the columns instance and model as given
    values: "dict[str, NDArray[np.float64]]"  # the columns of numbers, each [rows]
    number: "NDArray[np.int64]"  # [rows], the number of each row's instance

    def batches(self) -> "Iterator[NDArray[np.int64]]":
        """Yield row numbers [instances, models] of instances that can be solved together."""
        import numpy as np

        rows = np.argsort(self.number, kind="stable")
        sizes = np.bincount(self.number)
        starts = np.cumsum(sizes) - sizes
        kind = sizes[:, None].astype(np.float64)
        if "max_deployed" in self.values:
            kind = np.column_stack([kind, self.values["max_deployed"][rows[starts]]])
        for one in np.unique(kind, axis=0):
            like = np.flatnonzero((kind == one).all(axis=1))
            yield rows[starts[like][:, None] + np.arange(int(one[0]))]

    def arrays(self, rows: "NDArray[np.int64]") -> "dict[str, NDArray[np.float64]]":
        """Return reward, cost, limit [instances, models] and budget [instances] of a batch."""
        arrays = {name: self.values[name][rows] for name in ("reward", "cost", "limit")}
        return {**arrays, "budget": self.values["budget"][rows[:, 0]]}

    def cap(self, rows: "NDArray[np.int64]") -> int:
        """Return the concurrency cap of a batch."""
        return int(self.values["max_deployed"][rows[0, 0]])


# Column -> what its values must be, as words and as a test.
_RULES: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "reward": ("finite", lambda x: abs(x) < float("inf")),
    "cost": ("finite and >= 0", lambda x: (x >= 0.0) & (x < float("inf"))),
    "limit": ("above 0 and at most 1", lambda x: (x > 0.0) & (x <= 1.0)),
    "budget": (">= 0", lambda x: x >= 0.0),
    "max_deployed": ("a whole number >= 1", lambda x: (x >= 1.0) & (x % 1.0 == 0.0)),
}


def _read_instances(file: str, *, with_cap: bool = False) -> _Instances:
    """Read and check a table of instances."""
    import numpy as np
    import polars as pl

    frame = _read_table(file)
    numbers = [name for name in _RULES if with_cap or name != "max_deployed"]
    wanted = ["instance", "model", *numbers]
    if missing := [name for name in wanted if name not in frame.columns]:
        from fastroute.words import closest

        spare = [name for name in frame.columns if name not in wanted]
        close = {name: closest(name, spare) for name in missing}
        guesses = (f'{name} (is it "{near}"?)' if near else name for name, near in close.items())
        raise ValueError(
            f"{file}: missing columns: {', '.join(guesses)}. Needed: {', '.join(wanted)}. "
            f"Found: {', '.join(frame.columns)}"
        )
    if frame.is_empty():
        raise ValueError(f"{file}: no rows; give one row per instance and model")
    names = frame.select("instance", "model")
    if (bad := _first(names.select(pl.any_horizontal(pl.all().is_null())).to_series())) is not None:
        raise ValueError(f"{file}: row {bad + 1}: instance or model is empty; name both")
    if (bad := _first(~names.to_struct().is_first_distinct())) is not None:
        raise ValueError(f"{file}: row {bad + 1}: {names.row(bad)} appears twice")
    number = (names.get_column("instance").rank("dense").to_numpy() - 1).astype(np.int64)
    _, first, inverse = np.unique(number, return_index=True, return_inverse=True)
    values = {}
    for name in numbers:
        given = frame.get_column(name)
        value = given.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        words, test = _RULES[name]
        if (wrong := np.flatnonzero(~test(value))).size:
            row = int(wrong[0])
            shown = repr(given[row]) if np.isnan(value[row]) else float(value[row])
            raise ValueError(
                f"{file}: row {row + 1}: {name} = {shown}, but it must be a number, {words}"
            )
        if name in ("budget", "max_deployed"):
            other = np.flatnonzero(value != value[first][inverse])
            if other.size:
                row = int(other[0])
                raise ValueError(
                    f"{file}: row {row + 1}: {name} = {given[row]}, but instance "
                    f"{names.row(row)[0]!r} began with {given[int(first[inverse[row]])]}; "
                    "it must be the same in all rows of an instance"
                )
        values[name] = value
    return _Instances(file, names, values, number)


def _first(flags: "pl.Series") -> int | None:
    """Return the first position at which a Boolean series holds."""
    return flags.arg_max() if flags.any() else None


def _read_table(file: str) -> "pl.DataFrame":
    """Read CSV or Parquet, by the suffix; ``-`` is CSV on standard input."""
    import polars as pl

    try:
        if file == "-":
            return pl.read_csv(sys.stdin.buffer.read(), infer_schema=False)
        if Path(file).is_dir():
            raise ValueError(f"{file}: is a directory; name a CSV or Parquet file")
        if not Path(file).is_file():
            raise ValueError(f"{file}: no such file")
        if Path(file).suffix.lower() == ".parquet":
            return pl.read_parquet(file, glob=False)
        # As text: instances 1.1 and 1.10 are two. Numbers are made of the columns that hold them.
        return pl.read_csv(file, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{file}: cannot be read as a table: {reason}") from None


def _check_suffix(out: Path | None) -> None:
    """Refuse a file that cannot be written before anything is computed."""
    if out is None:
        return
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"--out {out}: write to a file that ends in .csv or .parquet")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no directory {out.parent}; make it first")


def _write_or_print(
    table: _Instances,
    parts: "list[tuple[NDArray[np.int64], dict[str, NDArray[Any]], Any]]",
    out: Path | None,
) -> None:
    """Put the answers of all batches into the rows of the table, and write or print it."""
    import numpy as np
    import polars as pl

    from fastroute.solve import Status

    frames = []
    for rows, columns, answer in parts:
        columns["status"] = np.array([Status(int(code)).name.lower() for code in answer.status])
        spread = {
            name: np.broadcast_to(value if value.ndim == 2 else value[:, None], rows.shape).ravel()
            for name, value in columns.items()
        }
        frames.append(pl.DataFrame({"row": rows.ravel(), **spread}))
    answers = pl.concat(frames).sort("row").drop("row")
    frame = pl.concat([table.names, answers], how="horizontal")
    status = np.concatenate([answer.status for _, _, answer in parts])
    for code in (Status.NO_CAPACITY, Status.OVER_BUDGET, Status.TIME_LIMIT):
        if count := int((status == code).sum()):
            typer.echo(f"{count} of {status.size} instances: {code}", err=True)
    if out is not None:
        (frame.write_parquet if out.suffix.lower() == ".parquet" else frame.write_csv)(out)
        typer.echo(f"{status.size} instances solved, written to {out}", err=True)
    elif sys.stdout.isatty():
        _print_frame(frame)
    else:
        typer.echo(frame.write_csv(), nl=False)


def _print_frame(frame: "pl.DataFrame") -> None:
    """Print a frame as a table, its first rows when there are many."""
    from fastroute.report.terminal import FittedTable, TableColumn

    columns = [
        TableColumn(name, right=kind.is_numeric(), key=name in _KEYS, rank=_RANKS.get(name, 0))
        for name, kind in frame.schema.items()
    ]
    rows = [
        [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in frame.head(_ROWS_ON_A_TERMINAL).iter_rows()
    ]
    console().print(FittedTable(columns, rows))
    if frame.height > _ROWS_ON_A_TERMINAL:
        typer.echo(
            f"The first {_ROWS_ON_A_TERMINAL} of {frame.height:,} rows; --out FILE gets all",
            err=True,
        )
