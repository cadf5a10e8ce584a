"""Parquet files that hold their own description and checksum.

What a file is, is JSON under the key ``fastroute`` in its metadata. The key ``fastroute_seal``
holds a word and the SHA-256 of the file as it is with zeros in the place of that number.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastroute.study.errors import DamagedError

if TYPE_CHECKING:
    import polars as pl

_WORD: Final = b"fastroute-sha256:"
_DIGITS: Final = 64


def with_checksum(frame: "pl.DataFrame", about: Mapping[str, Any], **options: Any) -> bytes:
    """Return a frame as Parquet, with its description and its checksum in the metadata.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows.
    about : mapping
        What the file is; plain values.
    **options
        Of ``polars.DataFrame.write_parquet``.
    """
    metadata = {
        "fastroute": json.dumps(about, ensure_ascii=False),
        "fastroute_seal": _WORD.decode() + "0" * _DIGITS,
    }
    file = io.BytesIO()
    frame.write_parquet(file, metadata=metadata, **options)
    content = file.getvalue()
    place = content.rindex(_WORD) + len(_WORD)
    return _with_digits(content, place, hashlib.sha256(content).hexdigest().encode())


def checked_facts(content: bytes, name: str) -> dict[str, Any] | None:
    """Compare a file with its checksum and return its description.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Of the file, for messages.

    Returns
    -------
    dict or None
        None when the file holds no checksum: files that older versions wrote hold none.

    Raises
    ------
    DamagedError
        When the file differs from its checksum.
    """
    import polars as pl

    place = content.rfind(_WORD) + len(_WORD)
    if place < len(_WORD):
        return None
    digits = content[place : place + _DIGITS]
    zeros = _with_digits(content, place, b"0" * _DIGITS)
    if hashlib.sha256(zeros).hexdigest().encode() != digits:
        raise DamagedError(f"{name}: differs from its checksum")
    found = json.loads(pl.read_parquet_metadata(io.BytesIO(content))["fastroute"])
    return dict(found)


def read_checked(content: bytes, name: str) -> "tuple[pl.DataFrame, dict[str, Any] | None]":
    """Return the rows of a file and its description; as :func:`checked_facts`."""
    import polars as pl

    about = checked_facts(content, name)
    try:
        return pl.read_parquet(io.BytesIO(content)), about
    # A file without a checksum may hold anything, and Polars does not foresee everything.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedError(f"{name}: cannot be read ({reason})") from None


def _with_digits(content: bytes, place: int, digits: bytes) -> bytes:
    return content[:place] + digits + content[place + _DIGITS :]
