"""Who may talk to the review page: a browser on this machine that was given the address, and nobody else.

What each check is against: the Host header, DNS rebinding; Origin and Sec-Fetch-Site, other pages that are open in
the same browser; the one-time token and the cookie (HttpOnly, SameSite=Strict), other programs and people on the
machine; the Content-Security-Policy with Trusted Types, texts of samples that look like HTML.
https://owasp.org/www-project-secure-headers/ and https://www.w3.org/TR/CSP3/.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NAMES = ("127.0.0.1", "localhost")
MOST_BYTES = 4_000_000
"""Of a request's body: it is parsed while nobody else is served."""
_MOST_SESSIONS = 100
_SAFE = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
CALIBRATION = "/calibration"
"""A page that was written to the run folder. It carries its style and the policy for it, and is given no script."""
WRITTEN = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CLOSED = (
    "This address needs the one-time link that `datagen review` printed.\n"
    'A link works once. Ask somebody who is inside for a new one (button "Invite"), or start the command again.\n'
)


@dataclass
class Session:
    """One browser that came in with a token; ``reviewer`` is "" until somebody said who is there."""

    reviewer: str = ""


class Gate:
    """The tokens and sessions of one server.

    Args:
        port: on which it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = f"datagen_review_{port}"
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}

    def link(self, reviewer: str = "") -> str:
        """A new address that lets one browser in, once."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = reviewer
            while len(self._tokens) > _MOST_SESSIONS:
                self._tokens.pop(next(iter(self._tokens)))
        return f"http://{NAMES[0]}:{self.port}/?token={token}"

    def enter(self, token: str) -> str | None:
        """Use up a token; returns the value of the new session's cookie, or None."""
        with self._lock:
            known = [t for t in self._tokens if hmac.compare_digest(t.encode(), token.encode("utf-8", "replace"))]
            if not known:
                return None
            value = secrets.token_urlsafe(32)
            self._sessions[value] = Session(self._tokens.pop(known[0]))
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            return value

    def session(self, value: str) -> Session | None:
        """The session of a cookie, or None."""
        with self._lock:
            for known, session in self._sessions.items():
                if hmac.compare_digest(known.encode(), value.encode("utf-8", "replace")):
                    return session
        return None

    def refusal(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why a request is refused whoever sends it: status and a sentence; None where it is not."""
        hosts = {f"{name}:{self.port}" for name in NAMES}
        if headers.get("host", "") not in hosts:
            return 421, "This server answers on its own address alone."
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers['host']}":
            return 403, "Requests from other pages are refused."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "Requests from other pages are refused."
        if method in _SAFE:
            return None
        if method != "POST":
            return 405, "Only GET and POST."
        if origin is None:
            return 403, "A request that changes something must say where it comes from (Origin)."
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "Only application/json."
        length = headers.get("content-length", "")
        if not length.isascii() or not length.isdigit():
            return 411, "The length must be stated."
        if len(length) > 12 or int(length) > MOST_BYTES:
            return 413, "That is too much."
        return None


class Guard:
    """ASGI middleware that lets a request through to the application or refuses it.

    The application finds its :class:`Session` under ``scope["state"]["session"]``.
    """

    def __init__(self, app: Application, gate: Gate) -> None:
        self.app, self.gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSockets here
        pairs = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
        headers = dict(pairs)
        cookie: list[tuple[bytes, bytes]] = []
        refused = self.gate.refusal(scope["method"], headers)
        if sum(name == "host" for name, _ in pairs) > 1:
            refused = 400, "One Host only."
        session = self.gate.session(self._cookie(headers))
        if refused is None and scope["path"] == "/" and scope["method"] == "GET":
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            value = self.gate.enter(token) if token else None
            if value is not None:
                session = self.gate.session(value)
                text = f"{self.gate.cookie}={value}; HttpOnly; SameSite=Strict; Path=/"
                cookie = [(b"set-cookie", text.encode())]
        if refused is None and session is None:
            refused = 401, CLOSED

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                ours = {b"content-security-policy", *(name for name, _ in HEADERS)}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in ours]
                policy = WRITTEN if scope["path"] == CALIBRATION else POLICY
                message["headers"] = [*kept, (b"content-security-policy", policy.encode()), *HEADERS, *cookie]
            await send(message)

        if refused is not None:
            status, why = refused
            start = {"type": "http.response.start", "status": status}
            await guarded({**start, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
            await guarded({"type": "http.response.body", "body": why.encode()})
            return
        scope.setdefault("state", {})["session"] = session
        await self.app(scope, receive, guarded)

    def _cookie(self, headers: dict[str, str]) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.gate.cookie)
        except CookieError:
            return ""
        return found.value if found else ""
