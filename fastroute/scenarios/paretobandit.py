"""`paretobandit`: the judged examples inside the `paretobandit` wheel, read as data."""

import json
from collections.abc import Mapping
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from fastroute import checks
from fastroute.scenarios.base import Scenario
from fastroute.scenarios.replay import replay

__all__ = ["RELEASED", "example_files", "paretobandit"]

# First public availability, from the announcements of the makers; not part of the wheel.
RELEASED: Final[Mapping[str, str]] = {
    "meta-llama/llama-3.1-8b-instruct": "2024-07-23",
    "google/gemini-2.5-flash": "2025-06-17",
    "google/gemini-2.5-pro": "2025-06-17",
    "mistralai/mistral-large-2512": "2025-12-02",
}
"""Release dates of the models that the examples are known to hold."""

_FOLDER: Final = "pareto_bandit/data/examples/"
SPLITS: Final = ("all", "val", "test_holdout")


def example_files() -> dict[str, Path]:
    """Return the example files of the installed wheel by split, without importing it.

    Raises
    ------
    ValueError
        When the package is not installed or has no examples.
    """
    try:
        files = metadata.distribution("paretobandit").files or []
    except metadata.PackageNotFoundError:
        raise ValueError(
            "scenario 'paretobandit' reads the package paretobandit, which is not installed; "
            'pip install "fastroute[data]"'
        ) from None
    found = {
        Path(file.name).stem: Path(str(file.locate()))
        for file in files
        if file.as_posix().startswith(_FOLDER) and file.suffix == ".jsonl"
    }
    found = {split: path for split, path in found.items() if path.is_file()}
    if not found:
        raise ValueError(
            f"paretobandit {metadata.version('paretobandit')} holds no {_FOLDER}*.jsonl; "
            'reinstall it, pip install --force-reinstall "fastroute[data]"'
        )
    return found


def paretobandit(
    *,
    split: Literal["all", "val", "test_holdout"] = "all",
    order: Literal["iid", "table"] = "iid",
    limit: float = 0.6,
    initial: int = 2,
    spread: float = 0.5,
    release_dates: Mapping[str, str | date] | None = None,
) -> Scenario:
    """Return a replay of the examples that ship with the package ``paretobandit``.

    Each example is a question with the score of a judge (in [0, 1]) and the cost in USD of
    three models. Scores are bunched near 1 while costs differ by two orders of magnitude, so it
    tests routing under a budget more than deployment.

    Parameters
    ----------
    split : {"all", "val", "test_holdout"}
        Which example file to read.
    order : {"iid", "table"}
        Draw questions with replacement, or in the order of the files.
    limit : float
        Throughput limit of every model, in (0, 1].
    initial : int
        Number of models there from the first round.
    spread : float
        Fraction of the horizon at which the newest model arrives, in [0, 1].
    release_dates : mapping, optional
        Dates of models that are not in ``RELEASED``, or other dates for those that are.

    Returns
    -------
    Scenario

    Raises
    ------
    ValueError
        When the package is missing, a file has another layout, or a model has no known date.
    """
    import polars as pl

    checks.choice("split", split, SPLITS)
    files = example_files()
    if split != "all" and split not in files:
        raise ValueError(f"split={split!r} is not in the package{checks.nearest(split, files)}")
    chosen = sorted(files) if split == "all" else [split]
    outcomes = pl.DataFrame(
        [row for part in chosen for row in _outcomes(part, files[part])],
        schema={
            "query": pl.String,
            "task": pl.String,
            "model": pl.String,
            "score": pl.Float64,
            "cost": pl.Float64,
        },
        orient="row",
    )
    known = {**RELEASED, **(release_dates or {})}
    models = outcomes["model"].unique(maintain_order=True).to_list()
    undated = [model for model in models if model not in known]
    if undated:
        raise ValueError(
            f"release_dates: {checks.first_names(undated)} without a known release date; pass "
            f"release_dates={{{undated[0]!r}: 'YYYY-MM-DD'}}"
        )
    return replay(
        outcomes,
        {model: known[model] for model in models},
        order=order,
        limit=limit,
        initial=initial,
        spread=spread,
        name="paretobandit",
    )


def _outcomes(split: str, path: Path) -> list[tuple[str, str, str, float, float]]:
    """Return one row per question and model of an example file."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                example = json.loads(line)
                rows += [
                    (
                        f"{split}-{number:05d}",
                        str(example["source"]),
                        str(model),
                        float(outcome["reward"]),
                        float(outcome["cost"]),
                    )
                    for model, outcome in example["arms"].items()
                ]
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{path.name}, line {number + 1} is not an example with source and arms "
                    f"({type(error).__name__}: {error}); install a version of paretobandit that "
                    "has them"
                ) from None
    return rows
