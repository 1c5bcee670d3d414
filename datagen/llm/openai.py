"""One HTTP request to an OpenAI-compatible endpoint, nothing more: no retry, no limit, no log."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from datagen.llm import dialect as dialects
from datagen.llm import problems
from datagen.llm.backend import Reply, Request
from datagen.llm.dialect import Dialect, Dialects
from datagen.llm.envelope import read_models, read_reply
from datagen.llm.faults import Fault, Rejected, as_text
from datagen.llm.headers import Left, advice, left

MAX_REPLY = 16 * 1024 * 1024  # bytes
CONNECT_S = 10.0
RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
# HTTP 403 is about the key, unless it speaks of the request.
_ABOUT_REQUEST = ("moderation", "flagged", "content policy", "content_policy", "safety", "logprobs")


class OpenAIBackend:
    """Sends requests to ``{base_url}/chat/completions``.

    Certificates are verified, redirects are not followed, replies are read up to 16 MB and must be
    uncompressed. Proxies are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``), but never
    for this machine's own addresses, and ``~/.netrc`` is not read: a local server must work behind
    a company's proxy, and no other key than the given one may be sent.

    Args:
        base_url: as in ``https://api.openai.com/v1``. A user and password in it are sent as Basic
            authentication (RFC 7617) where there is no key.
        key: the API key, or "".
        key_env: the variable it came from, for errors.
        connections: connections at most.
        first: what is supposed about models that nothing is known about.
        headers: further HTTP headers.

    Attributes:
        dialects: what is known about how each model wants to be asked.

    Raises:
        UsageError: the address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        key: str = "",
        key_env: str = "OPENAI_API_KEY",
        connections: int = 64,
        first: Dialect | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.base_url = base_url
        self.dialects = Dialects(first)
        self.told: Callable[[Left], None] | None = None
        self._key_env = key_env
        self._connections = connections
        self._answered = False
        self._session: aiohttp.ClientSession | None = None
        root, user = _split_url(base_url)
        self._chat = URL(root + "/chat/completions", encoded=True)
        self._models = URL(root + "/models", encoded=True)
        self._proxy = _proxy(root)
        self._secret = key
        self._headers = {**headers, "Content-Type": "application/json", "Accept": "application/json"}
        # Compressed replies could expand beyond any cap before they are seen.
        self._headers["Accept-Encoding"] = "identity"
        if key:
            if not key.isascii() or not key.isprintable() or " " in key:
                raise problems.bad_key(key_env)
            self._headers["Authorization"] = f"Bearer {key}"
        elif user:
            self._headers["Authorization"] = f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"

    async def complete(self, request: Request) -> Reply:
        """Ask once.

        Where the endpoint refuses the *form* of the request (the way a schema is sent, the name of a
        parameter), it is written in another form and sent again at once, and so are those that follow.

        Raises:
            Fault: another attempt may succeed.
            Rejected: this request never will.
            DatagenError: no request will.
        """
        form = self.dialects.of(request.model)
        while True:
            try:
                data = await self._post(request, dialects.body(request, form))
                break
            except Rejected as refusal:
                other = dialects.adapted(form, request, refusal.raw) if refusal.status in dialects.REFUSING else None
                if other is None:
                    raise
                form = other
        reply = read_reply(request.key(), data)
        self._answered = True
        self.dialects.learn(request.model, form)
        return reply

    async def models(self, limit_s: float) -> tuple[str, ...] | None:
        """The models the endpoint offers, in its order; None where it does not say.

        Raises:
            Fault: it cannot be reached, or answers with a passing error.
            DatagenError: it refuses the key.
        """
        status, data, headers = await self._send("GET", self._models, None, aiohttp.ClientTimeout(total=limit_s))
        if status in (401, 403):
            raise problems.wrong_key(self.base_url, self._key_env, sent=bool(self._secret))
        if 300 <= status < 400:
            raise problems.redirected(self.base_url, headers.get("Location", ""))
        if status in RETRYABLE:
            raise Fault(f"http_{status}", self._scrubbed(data), advice(headers, time.time()))
        return read_models(data) if status == 200 else None

    async def alive(self, limit_s: float) -> bool:
        """Whether anything at all answers HTTP at the endpoint's ``/models``."""
        try:
            await self._send("GET", self._models, None, aiohttp.ClientTimeout(total=limit_s))
        except Fault:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, request: Request, body: bytes) -> bytes:
        # The time limit of a whole request is the caller's, who knows how slow the endpoint is.
        status, data, headers = await self._send("POST", self._chat, body, None)
        if self.told is not None:
            for limit in left(headers):
                self.told(limit)
        if status == 200:
            return data
        raw = self._scrubbed(data)
        if status in RETRYABLE:
            if status == 429 and _error_code(data) == "insufficient_quota":
                raise problems.no_quota(self.base_url)
            raise Fault(f"http_{status}", raw, advice(headers, time.time()))
        if status == 402:
            raise problems.no_quota(self.base_url)
        if status == 401 or (
            status == 403 and not self._answered and not any(w in raw.lower() for w in _ABOUT_REQUEST)
        ):
            raise problems.wrong_key(self.base_url, self._key_env, sent=bool(self._secret))
        if status == 404:
            raise problems.unknown_model(self.base_url, request.model, await self._offered())
        if 300 <= status < 400:
            raise problems.redirected(self.base_url, headers.get("Location", ""))
        if 200 < status < 300:
            raise Fault("bad_envelope", raw)
        raise Rejected(status, raw)

    async def _offered(self) -> tuple[str, ...]:
        try:
            return await self.models(CONNECT_S) or ()
        except Fault:
            return ()

    async def _send(
        self, method: str, url: URL, body: bytes | None, limits: aiohttp.ClientTimeout | None
    ) -> tuple[int, bytes, Any]:
        session = self._open()
        parts: list[bytes] = []
        try:
            response = await session.request(
                method,
                url,
                data=None if body is None else aiohttp.BytesPayload(body, content_type="application/json"),
                proxy=self._proxy,
                allow_redirects=False,
                timeout=limits or session.timeout,
            )
            try:
                content, size = response.content, 0
                if content.is_eof():  # a short answer comes in one piece with its headers
                    parts.append(content.read_nowait())
                    size = len(parts[0])
                while size <= MAX_REPLY and not content.at_eof():
                    part = await content.readany()
                    parts.append(part)
                    size += len(part)
                if size > MAX_REPLY:
                    raise Fault("too_large", self._scrubbed(b"".join(parts)[:MAX_REPLY]))
            except BaseException:
                response.close()
                raise
            response.release()
            return response.status, b"".join(parts), response.headers
        except TimeoutError as error:
            sent = not isinstance(error, aiohttp.ConnectionTimeoutError)
            raise Fault("timeout", self._scrubbed(b"".join(parts)), sent=sent) from None
        except aiohttp.ClientPayloadError:
            raise Fault("truncated", self._scrubbed(b"".join(parts))) from None
        except (aiohttp.ClientError, OSError) as error:
            said = self._scrubbed(b"".join(parts) or _cause(error).encode())
            raise Fault("connection", said, sent=not isinstance(error, aiohttp.ClientConnectorError)) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # One connection more than requests, so that a probe never waits for a hanging one.
            connector = aiohttp.TCPConnector(limit=self._connections + 1, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _scrubbed(self, data: bytes) -> str:
        text = as_text(data)
        return text.replace(self._secret, "[key]") if len(self._secret) >= 8 else text


def _cause(error: Exception) -> str:
    errno = getattr(error, "errno", None)
    if isinstance(errno, int) and errno > 0 and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(errno)
    return str(error) or type(error).__name__


def _error_code(data: bytes) -> str:
    try:
        error = json.loads(data)["error"]
        return str(error.get("code") or error.get("type") or "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def _split_url(base_url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without credentials, query and final slash; and the credentials."""
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname, parts.port
        base_url.encode()
        (host or "").encode("idna")  # as the resolver will
    except ValueError:
        raise problems.bad_url("") from None
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in base_url.strip()):
        raise problems.bad_url(base_url)
    netloc = parts.netloc.rpartition("@")[2]
    root = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    user = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
    return root, user


def _proxy(root: str) -> str | None:
    parts = urlsplit(root)
    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return None
    try:
        if ipaddress.ip_address(host).is_loopback:
            return None
    except ValueError:
        pass
    proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
    return proxy if proxy and proxy.startswith(("http://", "https://")) else None
