"""Who may ask: a token where there is one, and on a loopback address no page of another site."""

import base64
import binascii
import hmac
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastroute.online.serving.metrics import Metrics

#: What this machine calls itself.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
#: Paths that are counted by their name.
_PATHS: Final = frozenset(
    {
        *("/", "/choose", "/observe", "/plan", "/apply", "/models", "/status", "/metrics"),
        *("/openapi.json", "/health"),
    }
)


class Guard:
    """Refuses who may not ask, and counts the answers.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    token : str or None
        What must be shown; None: anybody who reaches the address may ask, by one of the names of
        this machine, so that no web page asks by a name of its own.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, token: str | None) -> None:
        self._app, self._metrics = app, metrics
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        known = path if path in _PATHS else "/models/..." if path.startswith("/models/") else "..."

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(known, message["status"])
            await send(message)

        refused = None if path == "/health" else self._refuse(path, Headers(scope=scope))
        await (refused or self._app)(scope, receive, count)

    def _refuse(self, path: str, headers: Headers) -> JSONResponse | None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and urlsplit(origin).netloc != host:
            return _no(403, f"Origin {origin}: pages of other sites may not ask")
        if self._token is None:
            if _name_of(host) not in LOOPBACK:
                return _no(403, f"Host {host}: without a token, ask for {' or '.join(LOOPBACK)}")
            return None
        if hmac.compare_digest(_shown(headers.get("authorization", "")), self._token):
            return None
        # A browser asks for a password where a page is wanted, which is the token.
        scheme = 'Basic realm="fastroute: the password is the token"' if path == "/" else "Bearer"
        answer = _no(401, "a token is needed: send the header Authorization: Bearer TOKEN")
        answer.headers["WWW-Authenticate"] = scheme
        return answer


def _no(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _shown(authorization: str) -> bytes:
    """Return the token that a header shows: a bearer's, or the password of a browser."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
