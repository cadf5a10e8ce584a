"""Finding shards that changed since they were written, and shards without a record."""

import hashlib
import os
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

from fastroute.study.errors import DamagedError
from fastroute.study.files import SafeFolder, checksum
from fastroute.study.journal import Record, Records, read_records
from fastroute.study.names import final_name, is_key, shard_range
from fastroute.study.shard import shard_facts


class ShardCheck(NamedTuple):
    """What is wrong in the folder of shards: missing, unrecorded and left-over files."""

    resized: list[Record]  #: recorded, but missing or of another size
    unrecorded: list[Record]  #: not recorded, but whole and of the cell and trials of their names
    leftovers: list[str]  #: other files among the shards, and half-written ones


def check_shards(inside: SafeFolder, records: Records) -> ShardCheck:
    """Compare the shards on disk with their records, without changing anything.

    Of shards that are noted only the size is looked at. Files that have no name of a shard, and
    folders that have none of a cell, are passed over.

    Raises
    ------
    RunDirectoryError
        When a shard, or the folder of a cell, is a link.
    """
    sizes: dict[str, int] = {}
    unrecorded, leftovers = [], []
    for folder in inside.entries("shards"):
        if not is_key(folder.name):
            continue
        noted = {record.name for record in records.of(folder.name)}
        for entry in inside.entries(f"shards/{folder.name}"):
            name = f"shards/{folder.name}/{entry.name}"
            if shard_range(entry.name) is None:
                if shard_range(final_name(entry.name)) is not None:
                    leftovers.append(name)
                continue
            if not entry.is_file(follow_symlinks=False):
                inside.file(name)
            if name in noted:
                sizes[name] = entry.stat().st_size
            elif (record := _record_of(inside.directory, name)) is not None:
                unrecorded.append(record)
            else:
                leftovers.append(name)
    resized = [
        record
        for key in records.keys()
        for record in records.of(key)
        if sizes.get(record.name) != record.bytes
    ]
    return ShardCheck(resized, unrecorded, leftovers)


def known_records(directory: Path) -> Records:
    """Read what is known of the shards; of the shards themselves where that is lost."""
    records = read_records(directory)
    if records.lost:
        for record in check_shards(SafeFolder(directory), records).unrecorded:
            records.add(record)
    return records


def _record_of(directory: Path, name: str) -> Record | None:
    """Return a new record of a shard; None when it is damaged or its name is wrong."""
    path = directory / name
    try:
        content = path.read_bytes()
        facts = shard_facts(content, name)
    except (DamagedError, OSError):
        return None
    if facts is None:
        return None
    facts |= {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "session": 0,
        "at": path.stat().st_mtime,
    }
    try:
        record = Record(**{field: facts[field] for field in Record._fields})
    except KeyError:
        return None
    return record if record.name == name else None


def damaged_shards(directory: Path, records: Records) -> list[Record]:
    """Return the shards that are missing or differ from their checksum; reads all of them."""
    every = [record for key in records.keys() for record in records.of(key)]
    with ThreadPool(min(os.cpu_count() or 1, 8)) as pool:
        sums = pool.imap(lambda record: checksum(directory / record.name), every, chunksize=64)
        return [record for record, found in zip(every, sums, strict=True) if found != record.sha256]
