"""Figures that are not made or not drawn, for tests that read words and tables only."""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from matplotlib.figure import Figure

from fastroute.report import answers, page, write


def _empty(*_: Any, **__: Any) -> Figure:
    return Figure()


@contextmanager
def without_figures() -> Iterator[None]:
    """Let the answers on all questions have empty figures."""
    with pytest.MonkeyPatch.context() as patch:
        for found in pkgutil.iter_modules(answers.__path__):
            module = importlib.import_module(f"{answers.__name__}.{found.name}")
            for name in [name for name in vars(module) if name.endswith("_figure")]:
                patch.setattr(module, name, _empty)
        yield


@contextmanager
def without_drawings(*, files: bool = False, pages: bool = False) -> Iterator[None]:
    """Let figures be files and elements without a picture: drawing takes most of a report's time.

    They are made all the same, with what they would show.

    Parameters
    ----------
    files, pages : bool
        Draw those in files, or those in pages, after all.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not pages:
            patch.setattr(page, "inline_svg", lambda *_: "<svg></svg>")
        if not files:
            patch.setattr(write, "save_figure", lambda figure, path: path.write_bytes(b"figure"))
        yield
