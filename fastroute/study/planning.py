"""Which shards a cell needs, given those that are on disk."""

from collections.abc import Sequence
from typing import NamedTuple

from fastroute.simulation.blocks import BLOCK
from fastroute.study.journal import Record


class StorageMode(NamedTuple):
    """What a cell keeps on disk."""

    trials: int
    shard_trials: int
    moments: bool  #: curves as moments over trials
    means: bool  #: stages as means over trials


class CellPlan(NamedTuple):
    """The shards of a cell: together they are its trials, each once."""

    usable: list[Record]  #: on disk
    missing: list[tuple[int, int]]  #: to compute: first <= trial < stop


def plan_cell(cell: StorageMode, records: Sequence[Record]) -> CellPlan:
    """Cover the trials of a cell with shards on disk, and with shards to compute for the rest.

    A shard on disk is of use when it holds at least what is to be kept of its trials. Where
    trials are summed up, it must also consist of whole blocks, so that sums do not depend on how
    the trials were divided; only the last block of the cell may be smaller.

    Parameters
    ----------
    cell : StorageMode
    records : sequence of Record
        Shards of the cell on disk, in any order; they may overlap.
    """
    longest: dict[int, Record] = {}
    for record in records:
        if _is_usable(cell, record) and (
            record.first not in longest or record.stop > longest[record.first].stop
        ):
            longest[record.first] = record
    starts = sorted(longest)
    usable, missing = [], []
    place = at = 0
    while at < cell.trials:
        if at in longest:
            usable.append(longest[at])
            at = longest[at].stop
            continue
        while place < len(starts) and starts[place] <= at:
            place += 1
        stop = min(cell.trials, (at // cell.shard_trials + 1) * cell.shard_trials)
        if place < len(starts):
            stop = min(stop, starts[place])
        missing.append((at, stop))
        at = stop
    return CellPlan(usable, missing)


def _is_usable(cell: StorageMode, record: Record) -> bool:
    if record.stop > cell.trials:
        return False
    if (record.moments and not cell.moments) or (record.means and not cell.means):
        return False
    if not (cell.moments or cell.means):
        return True
    return record.first % BLOCK == 0 and (record.stop % BLOCK == 0 or record.stop == cell.trials)
