"""The tutorials in a kernel: ``python tests/tutorials.py`` runs them and stores their outputs."""

import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"


def executed(path: Path) -> Any:
    """Return a notebook with the outputs that a kernel gives now."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    kept = dict(notebook.metadata)
    # Times and versions would make every run different.
    NotebookClient(notebook, timeout=300, record_timing=False).execute()
    notebook.metadata = nbformat.from_dict(kept)
    return notebook


def main() -> None:
    """Run all of them."""
    import nbformat

    # The kernel has a way of its own to show figures.
    os.environ.pop("MPLBACKEND", None)
    for path in sorted(FOLDER.glob("*.ipynb")):
        path.write_text(nbformat.writes(executed(path), indent=1) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
