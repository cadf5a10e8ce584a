"""Looking for shards that are no longer what was written."""

import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

from fastroute.study.files import checksum
from fastroute.study.journal import Record, Records


def resized_shards(directory: Path, records: Records) -> list[Record]:
    """Return the shards that are missing or have another size; their content is not read.

    For the writer of the directory only: it also removes what killed writers left half written,
    and shards that they wrote and did not note.
    """
    sizes: dict[str, int] = {}
    shards = directory / "shards"
    for key in sorted(os.listdir(shards)) if shards.is_dir() else ():
        noted = {Path(record.name).name for record in records.of(key)}
        with os.scandir(shards / key) as entries:
            for entry in entries:
                if entry.name in noted:
                    sizes[f"shards/{key}/{entry.name}"] = entry.stat().st_size
                else:
                    os.unlink(entry.path)
    return [
        record
        for key in records.keys()
        for record in records.of(key)
        if sizes.get(record.name) != record.bytes
    ]


def damaged_shards(directory: Path, records: Records) -> list[Record]:
    """Return the shards that are missing or differ from their checksum; reads all of them."""
    every = [record for key in records.keys() for record in records.of(key)]
    with ThreadPool(min(os.cpu_count() or 1, 8)) as pool:
        sums = pool.imap(lambda record: checksum(directory / record.name), every, chunksize=64)
        return [record for record, found in zip(every, sums, strict=True) if found != record.sha256]
