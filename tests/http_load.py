"""A server in a process of its own, and queries at a steady rate: for `test_online_serve`.

By hand: ``python tests/http_load.py PORT SECONDS RATE`` against a server that runs.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What is told of every query.
OUTCOME = {"reward": 0.75, "cost": 0.001}
MODELS = {"small": 0.001, "medium": 0.001, "org/large": 0.001}  #: and their expected costs


class Connection:
    """A connection that is kept open, for one request after another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        """Return status and answer of a request."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = json.dumps(body).encode()
        host = f"localhost:{self._port}"
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(sent)}\r\n\r\n"
        writer.write(head.encode() + sent)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = next(int(ln.split(":")[1]) for ln in lines if ln.lower().startswith("content-le"))
        return int(lines[0].split()[1]), json.loads(await reader.readexactly(length))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


@dataclass
class Load:
    """What became of the queries."""

    chosen: list[int] = field(default_factory=list)  #: ids that were answered
    observed: list[int] = field(default_factory=list)  #: ids whose outcome was acknowledged
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  #: of every request
    wall: float = 0.0

    async def run(self, port: int, *, seconds: float, rate: float, connections: int = 32) -> None:
        """Send so many requests a second: half of them choose, half observe."""
        begun = time.perf_counter()
        gap = 2.0 * connections / rate
        await asyncio.gather(
            *(
                self._one(port, begun + gap * k / connections, begun + seconds, gap)
                for k in range(connections)
            )
        )
        self.wall = time.perf_counter() - begun

    async def _one(self, port: int, due: float, end: float, gap: float) -> None:
        connection = Connection(port)
        try:
            while time.perf_counter() < end:
                await asyncio.sleep(max(due - time.perf_counter(), 0.0))
                choice = await self._post(connection, "/choose", {})
                if choice is not None:
                    self.chosen.append(int(choice["id"]))
                    body = {"id": choice["id"], **OUTCOME}
                    if await self._post(connection, "/observe", body) is not None:
                        self.observed.append(int(choice["id"]))
                due += gap
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))
        finally:
            connection.close()

    async def _post(self, connection: Connection, path: str, body: object) -> Any:
        begun = time.perf_counter()
        status, answer = await connection.post(path, body)
        self.seconds.append(time.perf_counter() - begun)
        if status == 200:
            return answer
        self.failures.append(f"{path} {status} {answer}")
        return None

    def __str__(self) -> str:
        taken = sorted(self.seconds)
        parts = ", ".join(
            f"p{100 * q:g} {1000 * taken[int(q * (len(taken) - 1))]:.1f} ms"
            for q in (0.5, 0.99, 0.999)
        )
        return (
            f"{len(taken):,} requests in {self.wall:.1f} s, {len(taken) / self.wall:,.0f} a "
            f"second, {parts}, {len(self.failures)} failures"
        )


def in_the_log(place: Path, table: str, where: str = "1") -> int:
    with sqlite3.connect(place) as log:
        return int(log.execute(f"select count(*) from {table} where {where}").fetchone()[0])


@contextmanager
def running(place: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Start a server on a port that is free, on a new log or one that is there."""
    new: list[str] = []
    if not place.exists():
        models = place.with_name("models.json")
        models.write_text(json.dumps(MODELS))
        new = ["--models", str(models), "--budget", "0.002", "--max-deployed", "2"]
        new += ["--every", "200"]
    with subprocess.Popen(
        [sys.executable, "-m", "fastroute", "serve", str(place), "--port", "0", *new],
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "FASTROUTE_TOKEN"},
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            assert line.startswith("serving at http://127.0.0.1:"), line + process.stderr.read()
            yield int(line.rpartition(":")[2]), process
        finally:
            process.kill()


def stop(process: "subprocess.Popen[str]", how: signal.Signals) -> str:
    """End a server, and return what it has said."""
    process.send_signal(how)
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait(60)
    return said


if __name__ == "__main__":
    load = Load()
    asyncio.run(load.run(int(sys.argv[1]), seconds=float(sys.argv[2]), rate=float(sys.argv[3])))
    print(load, *load.failures[:3], sep="\n")
