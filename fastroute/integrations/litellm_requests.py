"""What requests and deployments of litellm say, and calls of its coroutines from plain code."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

#: Key in a request's metadata under which its decision is found.
KEY: Final = "fastroute"
# Errors of the client's own request say nothing about the health of a model; these do.
_FAULTS_BELOW_500: Final = frozenset({401, 403, 404, 408, 429})

Deployment = dict[str, Any]
Request = dict[str, Any]


def run(make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a coroutine returns, from code that cannot wait for it."""
    coroutine = make()
    try:
        # It waits for nothing where litellm keeps its state in memory.
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    except RuntimeError:
        pass  # it needs a loop, so it gets one
    coroutine.close()
    return asyncio.run_coroutine_threadsafe(make(), _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fastroute-litellm", daemon=True).start()
    return loop


def name_of(deployment: Deployment, known: frozenset[str]) -> str | None:
    """Return the model of the router that a deployment is."""
    info = deployment.get("model_info") or {}
    names = info.get(KEY), info.get("id"), deployment["litellm_params"].get("model")
    return next((name for name in names if name in known), None)


def metadata_key(request: Request) -> str:
    """Return where litellm keeps its own notes about a request."""
    return "litellm_metadata" if "litellm_metadata" in request else "metadata"


def metadata_of(request: Request) -> dict[str, Any]:
    """Return litellm's own notes about a request, which it may not have yet."""
    key = metadata_key(request)
    if not isinstance(request.get(key), dict):
        request[key] = {}
    metadata: dict[str, Any] = request[key]
    return metadata


def ticket_of(request: Mapping[str, Any]) -> str | None:
    """Return the ticket in the metadata of a request, wherever litellm has put it."""
    for key in ("litellm_metadata", "metadata"):
        metadata = request.get(key)
        if isinstance(metadata, Mapping) and isinstance(metadata.get(KEY), str):
            ticket: str = metadata[KEY]
            return ticket
    return None


def is_fault(error: object) -> bool:
    """Return whether an error speaks against the model, and not against the request."""
    status = getattr(error, "status_code", None)
    try:
        number = int(status)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return number >= 500 or number in _FAULTS_BELOW_500
