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
#: Words for an option that look nothing like its name.
_SYNONYMS: Final = {"dim": "d", "dims": "d", "dimension": "d", "dimensions": "d", "n": "n_models"}


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the one of the `allowed` that was probably meant, in whatever case, or None."""
    allowed = list(allowed)
    if _SYNONYMS.get(word.casefold()) in allowed:
        return _SYNONYMS[word.casefold()]
    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def unknown_name(word: str, allowed: Iterable[str], kind: str) -> str:
    """Say that `word` is not one of the `allowed`, and which of them was probably meant.

    Returns
    -------
    str
        For example ``unknown key; did you mean "horizon"? Allowed: budget, horizon``.
    """
    words = sorted(allowed)
    longer = [allowed for allowed in words if word.lower().startswith(f"{allowed}_")]
    near = [name for name in (_SYMBOLS.get(word), *longer, closest(word, words)) if name in words]
    guess = f'; did you mean "{near[0]}"?' if near else "."
    if word == "N" and not near:
        guess = "; the number of models, N, is that of the scenario."
    listed = f" Allowed: {', '.join(words)}" if words else " None are allowed"
    return f"unknown {kind}{guess}{listed}"
