"""The command ``fastroute serve``."""

import importlib.util
import ipaddress
import json
import logging
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fastroute.cli_output import Verbose

if TYPE_CHECKING:
    from fastroute.online import Stage

_NEEDED: Final = ("prometheus_client", "starlette", "uvicorn")
_SECONDS: Final = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: Seconds that requests have to end when the server stops.
_PATIENCE: Final = 10


def serve(
    place: Annotated[
        str,
        typer.Argument(metavar="LOG", help="The decision log: a file, or a database."),
    ],
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON or TOML with the models of a new log: names, tables of name, limit and "
            "cost, or NAME = expected cost.",
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Of a new log: largest mean cost of a query.")
    ] = None,
    max_deployed: Annotated[
        int | None, typer.Option(help="Of a new log: most models deployed at once.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Of a new log: when stages open, 6h, 30min or 1000 (decisions)."
        ),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Of a new log: name of the policy. Default: stageroute.")
    ] = None,
    replica: Annotated[
        int, typer.Option(help="Number of this server among those that share the log.")
    ] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the token that requests must show. Default: FASTROUTE_TOKEN.",
        ),
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Choose models for queries over HTTP, as the policy of LOG says.

    A log that is there goes on where it ended. A new one needs --models, --budget, --max-deployed
    and --every. POST /choose and /observe, GET /status and /plan; GET / is a page for people, and
    /openapi.json describes everything.
    """
    del verbose
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ValueError(
                f'serve needs {name}, which is not installed; pip install "fastroute[serve]"'
            )
    import uvicorn

    from fastroute.online import OnlineRouter
    from fastroute.online.serving.app import make_app

    token = _token(token_file)
    if token is None and not _is_loopback(host):
        raise ValueError(
            f"--host {host}: others can reach it, so it needs a token; give --token-file, or set "
            "FASTROUTE_TOKEN"
        )
    _refuse_half_a_log(place, models, budget, max_deployed, every)
    with _listen(host, port) as listening:
        router = OnlineRouter(
            place,
            models=None if models is None else _read_models(models),
            budget=budget,
            max_deployed=max_deployed,
            stage=None if every is None else _stage(every),
            policy=policy,
            replica=replica,
        )
        try:
            # Loads the kernels, so that the first query does not wait for them.
            router.plan()
            logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
            config = uvicorn.Config(
                make_app(router, token=token),
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_PATIENCE,
                ws="none",
            )
            address, port, *_ = listening.getsockname()
            shown = f"[{address}]" if ":" in address else address
            typer.echo(f"serving at http://{shown}:{port}", err=True)
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            router.close()


def _token(file: Path | None) -> str | None:
    """Return the token that requests must show, if there is one."""
    source = "FASTROUTE_TOKEN" if file is None else str(file)
    token = os.environ.get("FASTROUTE_TOKEN") if file is None else file.read_text(encoding="utf-8")
    if token is None:
        return None
    token = token.strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError(
            f"{source}: a token has letters, digits and signs of ASCII, and no blanks; write one "
            "such as `openssl rand -hex 32` prints"
        )
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Listen before the log is opened, so that a second server does not write to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ValueError(
            f"--host {host} --port {port}: {error.strerror or error}; take another one"
        ) from None


def _refuse_half_a_log(place: str, *given: object) -> None:
    """Refuse to make a log of which not all is said; nothing is written then."""
    if "://" in place or Path(place).exists():
        return
    options = ("--models", "--budget", "--max-deployed", "--every")
    missing = [name for name, value in zip(options, given, strict=True) if value is None]
    if missing:
        raise ValueError(f"{place}: there is no such log; to make one, give {', '.join(missing)}")


def _read_models(file: Path) -> Any:
    """Return the models that a file names; they stand in it, or in its field ``models``."""
    try:
        if file.suffix == ".toml":
            read = tomllib.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".json":
            read = json.loads(file.read_text(encoding="utf-8"))
        else:
            raise ValueError("models are in a file .json or .toml")
    except ValueError as error:
        raise ValueError(f"{file}: cannot be read: {error}") from None
    if isinstance(read, dict) and set(read) == {"models"}:
        read = read["models"]
    if not isinstance(read, dict | list):
        raise ValueError(f"{file}: has no models; write a list, or NAME = expected cost")
    return read


def _stage(text: str) -> "Stage":
    from fastroute.online import every

    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|m|h|d)|(\d+)", text.strip())
    if match is None or not float(match[1] or match[3]):
        raise ValueError(f"--every {text}: write 6h, 30min, 90s, 2d, or 1000 for decisions")
    if match[3]:
        return every(decisions=int(match[3]))
    return every(seconds=float(match[1]) * _SECONDS[match[2]])
