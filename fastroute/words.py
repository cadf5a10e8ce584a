"""What messages say about a word that is not known."""

import difflib
from collections.abc import Iterable
from typing import Final

#: Symbols of the paper, and what settings and options are called for which they stand.
_SYMBOLS: Final = {
    "T": "horizon",
    "b": "budget",
    "B": "budget",
    "M_max": "max_deployed",
    "m_max": "max_deployed",
    "K": "stages",
    "N": "n_models",
}


def unknown(word: str, allowed: Iterable[str], kind: str) -> str:
    """Say that `word` is not one of the `allowed`, and which of them was probably meant.

    Returns
    -------
    str
        For example ``unknown key; did you mean "horizon"? Allowed: budget, horizon``.
    """
    words = sorted(allowed)
    symbol = _SYMBOLS.get(word)
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.5)
    meant = symbol if symbol in words else close[0] if close else None
    guess = f'; did you mean "{meant}"?' if meant else "."
    listed = f" Allowed: {', '.join(words)}" if words else " None are allowed"
    return f"unknown {kind}{guess}{listed}"
