"""Looking for shards that are no longer what was written."""

import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

from fastroute.study.files import checksum
from fastroute.study.journal import Record, Records


def resized_shards(directory: Path, records: Records) -> list[Record]:
    """Return the shards that are missing or have another size; their content is not read.

    For the writer of the directory only: it also removes what killed writers left half written.
    """
    found = []
    for key in records.keys():
        sizes = {}
        try:
            with os.scandir(directory / "shards" / key) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        # Half written by a writer that was killed.
                        os.unlink(entry.path)
                    else:
                        sizes[entry.name] = entry.stat().st_size
        except FileNotFoundError:
            pass
        found += [
            record
            for record in records.of(key)
            if sizes.get(f"{record.first}-{record.stop}.parquet") != record.bytes
        ]
    return found


def damaged_shards(directory: Path, records: Records) -> list[Record]:
    """Return the shards that are missing or differ from their checksum; reads all of them."""
    every = [record for key in records.keys() for record in records.of(key)]
    with ThreadPool(min(os.cpu_count() or 1, 8)) as pool:
        sums = pool.imap(lambda record: checksum(directory / record.name), every, chunksize=64)
        return [record for record, found in zip(every, sums, strict=True) if found != record.sha256]
