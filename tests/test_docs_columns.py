"""The tables of columns on the page on studies are those of the code.

After a change of ``fastroute/simulation/columns.py``, ``python tests/test_docs_columns.py`` writes
them anew.
"""

import re
from pathlib import Path

import numpy as np

from fastroute.simulation.columns import (
    CURVE_COLUMNS,
    MODEL_COLUMNS,
    STAGE_COLUMNS,
    TRIAL_COLUMNS,
    Column,
    Reduce,
)

PAGE = Path(__file__).parent.parent / "docs" / "studies.md"
_TABLE = re.compile(r"<!-- columns: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


_TYPES = {np.float64: "Float64", np.int64: "Int64", np.str_: "String"}


def test_tables_are_those_of_the_code() -> None:
    told = dict(_TABLE.findall(PAGE.read_text(encoding="utf-8")))
    assert told == {name: f"{text}\n" for name, text in tables().items()}


def tables() -> dict[str, str]:
    """Return what the page says of the columns of every frame."""
    return {
        "trials": markdown(TRIAL_COLUMNS),
        # Each is a column of trials so far.
        "curves": ", ".join(f"`{column.name}`" for column in CURVE_COLUMNS),
        "stages": markdown(STAGE_COLUMNS),
        "models": markdown(MODEL_COLUMNS),
    }


def markdown(columns: tuple[Column, ...]) -> str:
    """Write a table of columns."""
    lines = ["| column | type | unit | is |", "| --- | --- | --- | --- |"]
    for column in columns:
        error = f", `{column.name}_se`" if column.reduce is Reduce.ERROR else ""
        kind = _TYPES[column.dtype]
        lines.append(f"| `{column.name}`{error} | {kind} | {column.unit} | {column.what} |")
    return "\n".join(lines)


def write() -> None:
    """Write the tables anew."""
    text = PAGE.read_text(encoding="utf-8")
    made = _TABLE.sub(
        lambda found: f"<!-- columns: {found[1]} -->\n{tables()[found[1]]}\n<!-- end -->", text
    )
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    write()
