"""The warnings of the package: what a user must know although nothing failed."""

import sys
import warnings
from typing import Final

# Frames of these packages are not the user's own code.
_INNER: Final = ("fastroute", "importlib")


class FastrouteWarning(UserWarning):
    """Something that a reader of the results must know.

    To silence these warnings, and no others::

        warnings.filterwarnings("ignore", category=fr.FastrouteWarning)
    """


def warn(message: str, category: type[FastrouteWarning] = FastrouteWarning) -> None:
    """Warn at the line of the user's own code, however deep in the package the caller is."""
    frame = sys._getframe()
    while (
        frame.f_back is not None
        and str(frame.f_globals.get("__name__")).partition(".")[0] in _INNER
    ):
        frame = frame.f_back
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=str(frame.f_globals.get("__name__")),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
