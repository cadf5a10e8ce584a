"""Names of a package that are loaded when they are first asked for (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names are imported late.

    The package hides them from type checkers, for which ``__getattr__`` would make every misspelt
    name an ``Any``, and imports the names for them under ``if TYPE_CHECKING``.

    Parameters
    ----------
    package : str
        The package.
    homes : mapping of str to str
        Public name -> the module inside the package that defines it. No name is that of a module
        of the package: importing that module would put it in the place of the name.
    """

    def load(name: str) -> Any:
        """Load a public name on first use."""
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        """Return all names, loaded or not."""
        return sorted({*vars(sys.modules[package]), *homes})

    return load, listing
