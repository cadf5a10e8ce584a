"""Names of the files that a run directory consists of; nothing else in it is ever removed."""

import re
from typing import Final

#: Where rows of large frames wait until the frame is written.
PARTS: Final = ".parts"

_KEY: Final = re.compile(r"[0-9a-f]{16}")
_KEPT: Final = re.compile(r"[0-9a-f]{16}\.npz")
_SHARD: Final = re.compile(r"(0|[1-9]\d*)-([1-9]\d*)\.parquet")
_FAILURE: Final = re.compile(r"[0-9a-f]{16}-\d+-\d+\.txt")
_FIGURE: Final = re.compile(
    r"((world-\d+-)?(regret|priced_regret|parts|spend)|(answer|sweep)-[\w.-]+)\.(svg|png)"
)
_PART: Final = re.compile(r"[a-z_]+-\d+\.parquet")
_TEMPORARY: Final = re.compile(r"\.(.+)\.\d+(\.[a-z]+)")


def leaves_folder(name: str) -> bool:
    """Tell whether a name inside a directory leads out of it, or is not a plain name at all."""
    # Windows reads backslashes as separators, and what is before a colon as a drive or a file.
    if not {"\0", "\\", ":"}.isdisjoint(name):
        return True
    return any(part in ("", ".", "..") for part in name.split("/"))


def is_key(name: str) -> bool:
    """Tell whether a folder in ``shards`` may be that of a cell."""
    return _KEY.fullmatch(name) is not None


def shard_range(name: str) -> tuple[int, int] | None:
    """Return the first trial of a shard and the one after its last; None for other files."""
    found = _SHARD.fullmatch(name)
    return (int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) else None


def is_failure(name: str) -> bool:
    """Tell whether a file in ``failed`` may be one that says why a shard failed."""
    return _FAILURE.fullmatch(name) is not None


def is_figure(name: str) -> bool:
    """Tell whether a file in ``figures`` may be one that the report drew."""
    return _FIGURE.fullmatch(name) is not None


def is_scenario_file(name: str) -> bool:
    """Tell whether a file in ``scenarios`` may be that of a saved scenario."""
    return _KEPT.fullmatch(name) is not None


def is_part(name: str) -> bool:
    """Tell whether a file in ``.parts`` may be one that holds rows of a frame."""
    return _PART.fullmatch(name) is not None


def final_name(name: str) -> str:
    """Return what a file that is half written would be called; empty when it is no such file."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] + found[2] if found else ""
