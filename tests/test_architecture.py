"""Data walks one way: the import contracts of pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_imports_only_point_down(root: Path) -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    # In a process of its own: the linter sets up logging and the import path of its process.
    code = (
        "import sys; from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
