"""A line in a notebook that is written again in its place, where a terminal would have a bar.

Widgets would need a package and a front end that know them; what is displayed and displayed anew
is shown by all of them, and kept in the notebook as one line.
"""

import sys
from typing import Any, Final

_WIDTH: Final = 30


def in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this, which shows what is displayed."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class NotebookLine:
    """A line that is shown from the first time that it is written."""

    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        """Write the line, in the place of what it said before."""
        data = {"text/plain": text}
        if self._handle is not None:
            self._handle.update(data, raw=True)
            return
        from IPython.display import display

        self._handle = display(data, raw=True, display_id=True)


def bar(share: float) -> str:
    """Draw a share of 1 as a bar of letters, and as per cent."""
    full = round(_WIDTH * share)
    return f"{'█' * full}{'░' * (_WIDTH - full)} {share:4.0%}"
