"""How far a study on disk is, for people."""

import time
from datetime import datetime
from typing import Any, Final, NamedTuple

from fastroute.study.progress import rate_text
from fastroute.study.stored import StoredStudy

# The rate is that of the last minutes, as machines come and go.
_RECENT_SECONDS: Final = 600.0


class StudyStatus(NamedTuple):
    """Where a study stands.

    Attributes
    ----------
    state : {"running", "complete", "incomplete", "interrupted", "killed"}
        Incomplete: some shards failed. Killed: nobody runs it, and it did not end by itself.
    cells, cells_done : int
        In all, and finished.
    rounds, rounds_done : int
        Trial-rounds.
    rate : float
        Trial-rounds per second in the last minutes of work; 0 when nothing is known.
    failed : list of str
        Files that say why shards failed.
    lines : list of str
        All this in words.
    """

    state: str
    cells: int
    cells_done: int
    rounds: int
    rounds_done: int
    rate: float
    failed: list[str]
    lines: list[str]


def status_of(stored: StoredStudy) -> StudyStatus:
    """Find out where a study stands."""
    cells = stored.cells.select(
        "key", "trials", "trials_done", "shards_done", "complete", "horizon"
    ).collect()
    rounds = int((cells["trials"] * cells["horizon"]).sum())
    done = int((cells["trials_done"] * cells["horizon"]).sum())
    state = stored.state
    holder = stored.holder if state == "running" else None
    rate = _rate(stored, dict(cells.select("key", "horizon").iter_rows()), state == "running")
    failed = sorted(
        path.relative_to(stored.path).as_posix() for path in (stored.path / "failed").glob("*.txt")
    )
    cells_done = int(cells["complete"].sum())
    shards = int(cells["shards_done"].sum())
    lines = [
        f"{stored.study.name} in {stored.path}: {_state_text(state, holder)}",
        f"{cells_done:,} of {cells.height:,} cells, {shards:,} shards, "
        f"{done / rounds:.1%} of {rounds:.3g} trial-rounds",
    ]
    if rate:
        left = f", {span_text((rounds - done) / rate)} left" if done < rounds else ""
        lines.append(f"{rate_text(rate)}{left}")
    if failed:
        lines.append(f"{len(failed)} shards failed; the first is explained in {failed[0]}")
    return StudyStatus(state, cells.height, cells_done, rounds, done, rate, failed, lines)


def _state_text(state: str, holder: dict[str, Any] | None) -> str:
    if holder:
        return f"running, process {holder.get('pid')} on {holder.get('host')}"
    return {
        "complete": "complete",
        "incomplete": "incomplete, some shards failed; run it again to try them again",
        "interrupted": "interrupted; run it again to continue",
        "killed": "not running, it was killed; run it again to continue",
    }.get(state, state)


def _rate(stored: StoredStudy, horizons: dict[str, int], running: bool) -> float:
    """Trial-rounds per second of the newest session that wrote something."""
    import polars as pl

    shards = stored.shards.select("key", "first", "stop", "at", "session").collect()
    if shards.is_empty():
        return 0.0
    session = max(shards["session"])
    shards = shards.filter(pl.col("session") == session)
    end = time.time() if running else max(shards["at"])
    # Where the notes of a session are lost, its first shard says about when it began.
    sessions, begun = stored.manifest["sessions"], min(shards["at"])
    if session < len(sessions):
        begun = datetime.fromisoformat(sessions[session]["started"]).timestamp()
    start = max(end - _RECENT_SECONDS, begun)
    recent = shards.filter(pl.col("at") >= start)
    horizon = recent["key"].replace_strict(horizons, return_dtype=pl.Int64)
    rounds = int(((recent["stop"] - recent["first"]) * horizon).sum())
    return rounds / max(end - start, 1.0)


def span_text(seconds: float) -> str:
    """Write a time for people."""
    for unit, scale in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * scale:
            return f"{seconds / scale:,.1f} {unit}"
    return f"{seconds:,.0f} s"
