"""A PostgreSQL server of the tests' own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

#: Who runs the server where root may not.
_USERS = "postgres", "nobody"


def _programs() -> Path | None:
    """Return the folder of initdb and pg_ctl."""
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in folders[::-1] if (folder / "pg_ctl").exists()), None)


def _user() -> str | None:
    """Return the user that runs the server; None for the one who runs the tests."""
    import pwd

    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("root cannot run PostgreSQL, and there is no other user")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def server() -> Iterator[str]:
    """Run PostgreSQL in a temporary folder; gives the address of an empty database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    user, port = _user(), _free_port()
    # The path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="fr-pg-"))

    def call(*words: str) -> None:
        done = subprocess.run(
            words,
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    try:
        if user is not None:
            shutil.chown(folder, user)
        data, log = str(folder / "data"), str(folder / "log")
        auth = "--auth=trust", "--no-sync", "--username=fastroute", "--encoding=UTF8"
        call(str(programs / "initdb"), "-D", data, *auth)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        # pg_ctl leaves the server with its output, which nobody reads to the end.
        call(str(programs / "pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://fastroute@127.0.0.1:{port}/postgres"
        finally:
            call(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
