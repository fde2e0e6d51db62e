"""Common parts of the web pages and services: refusal of requests, and limits of pages.

Any web site in a browser on this machine can send requests to its servers. So ``Host`` must be a
name of this machine (against DNS rebinding), requests that change something must not come from the
page of another site, and pages may load nothing from other servers.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.resources import files

from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from industrial_ocr.errors import ConfigError

LOOPBACK = "127.0.0.1"
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_CSP_NONE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CSP_NONE,
}


class Guard:
    """ASGI middleware: refuses requests and sets the security headers of every response.

    Args:
        app: the application that answers accepted requests.
        foreign: returns the refusal of a request, or None to accept it.
    """

    def __init__(self, app: ASGIApp, foreign: Callable[[Request], Response | None]) -> None:
        self._app, self._foreign = app, foreign

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._foreign(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send_with_headers)


def show_page(package: str) -> HTMLResponse:
    """The page.html of a package; only its scripts and styles with the nonce are run."""
    page = (files(package) / "page.html").read_text(encoding="utf-8")
    nonce = secrets.token_urlsafe(16)
    rules = (
        f"{_CSP_NONE}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'"
    )
    content = page.replace("{{nonce}}", nonce)
    return HTMLResponse(content, headers={"Content-Security-Policy": rules})


def host_name(request: Request) -> str:
    """The name or address in ``Host``, without the port; empty if it is malformed."""
    match = _HOST.fullmatch(request.headers.get("host", ""))
    return match["name"].lower().strip("[]") if match else ""


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach a server that listens there."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def known_names(host: str, names: Collection[str] = ()) -> frozenset[str]:
    """The names under which a server that listens on ``host`` may be opened."""
    own = () if is_loopback(host) else (host, socket.gethostname(), socket.getfqdn())
    return frozenset(n.lower() for n in ("localhost", *own, *names))


def refuse_foreign(request: Request, names: Collection[str]) -> Response | None:
    """The refusal of a request to an unknown name or from another site's page; None if it is fine.

    An address instead of a name is always accepted, since no other site can have it. Programs that
    are not browsers send no ``Origin``.
    """
    name = host_name(request)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if name not in names:
            return refusal(403, f"open this by address or as {', '.join(sorted(names))}")
    if request.method in ("GET", "HEAD"):
        return None
    origin = request.headers.get("origin")
    if origin not in (None, f"{request.url.scheme}://{request.headers.get('host')}"):
        return refusal(403, "requests from pages of other sites are refused")
    return None


def has_token(request: Request, token: str) -> bool:
    """Whether the request has ``Authorization: Bearer`` with this token."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    same = secrets.compare_digest(given.strip().encode(), token.encode())
    return kind.lower() == "bearer" and same


async def limited_body(request: Request, limit: int) -> bytes:
    """The body of a request; reads at most ``limit`` bytes, whatever length it announces.

    Raises:
        HTTPException: the body is longer, or the client closed the connection.
    """
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise HTTPException(413, f"a request may have at most {limit} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the connection was closed") from None
    return bytes(body)


def refusal(status: int, message: str, **headers: str) -> JSONResponse:
    """A response that says why a request is refused."""
    return JSONResponse({"detail": message}, status, headers)


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket that listens; early requests wait until the server runs.

    Raises:
        ConfigError: the port or the host cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows the option lets two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} of {host} cannot be used: {error.strerror}; --port 0 takes a free one"
        ) from error
    return listener
