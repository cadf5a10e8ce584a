"""The tutorials run as they are, and show what they say."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
from matplotlib import pyplot

from tutorials import FOLDER, executed

NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
_LARGEST = 200 * 1024


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return found


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(out["text"]) for out in outputs if out["output_type"] == "stream")


def result(outputs: list[dict[str, Any]]) -> str | None:
    """Return the text of the value that a cell ended with."""
    found = [out for out in outputs if out["output_type"] == "execute_result"]
    return "".join(found[0]["data"]["text/plain"]) if found else None


def test_all_tutorials_are_there() -> None:
    assert NAMES == [
        "first-regret-curve",
        "from-a-table-to-a-deployment",
        "your-own-world-and-estimator",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_small_and_speaks_of_no_machine(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < _LARGEST
    assert re.search(r"/tmp|/home|/work|/root|ipykernel_|Traceback", text) is None
    cells = code_cells(read(name))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert any("image/png" in out.get("data", {}) for cell in cells for out in cell["outputs"])


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    text = "".join("".join(cell["source"]) for cell in read(name)["cells"])
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (FOLDER / link).is_file(), link


@pytest.mark.parametrize("name", NAMES)
def test_the_code_prints_what_is_stored(name: str) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in code_cells(read(name)):
        output = io.StringIO()
        with redirect_stdout(output):
            exec("".join(cell["source"]), names)
        assert output.getvalue() == printed(cell["outputs"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_shows_what_is_stored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, and the kinds of what is shown: figures come without further calls."""
    # The kernel has a way of its own to show figures.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    before = [cell["outputs"] for cell in code_cells(read(name))]
    after = [cell["outputs"] for cell in code_cells(executed(FOLDER / f"{name}.ipynb"))]
    for old, new in zip(before, after, strict=True):
        assert printed(new) == printed(old)
        assert result(new) == result(old)
        assert [sorted(out.get("data", {})) for out in new] == [
            sorted(out.get("data", {})) for out in old
        ]
