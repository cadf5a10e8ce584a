"""The mark by which a page tells what it shows, so that nobody draws the same page twice."""

import hashlib
import json
from pathlib import Path
from typing import Final

import fastroute
from fastroute.study.manifest import facts_in, work_in
from fastroute.study.store import RESULTS
from fastroute.study.stored import StoredStudy

#: Name of the page in the run directory.
PAGE: Final = "report.html"
#: Cells that are shown in detail, unless the caller says.
DETAILS: Final = 24


def page_stamp(stored: StoredStudy, details: int = DETAILS) -> str:
    """Return a digest of what the page of a study depends on; empty where it is not complete.

    Parameters
    ----------
    stored : StoredStudy
    details : int
        Largest number of cells that are shown in detail.
    """
    if not stored.complete:
        return ""
    files = stored.manifest["files"]
    shown = [
        fastroute.__version__,
        details,
        facts_in(stored.manifest),
        work_in(stored.manifest),
        [files.get(name) for name in RESULTS],
    ]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def page_is_current(stored: StoredStudy) -> bool:
    """Tell whether the page in the run directory shows the study as it is, in the usual detail."""
    stamp = page_stamp(stored)
    try:
        page = Path(stored.path / PAGE).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return False
    return bool(stamp) and f'content="{stamp}"' in page
