"""The studies that come with fastroute: their names and files.

Imports nothing heavy: the shell asks for the names while somebody types.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


def preset_names() -> tuple[str, ...]:
    """Names of the studies packaged with fastroute, sorted."""
    files = (Path(entry.name) for entry in _folder().iterdir())
    return tuple(sorted(file.stem for file in files if file.suffix == ".toml"))


def preset_text(name: str) -> str:
    """Return the file of one of these studies."""
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def _folder() -> Traversable:
    return resources.files("fastroute.study") / "presets"
