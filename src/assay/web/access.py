"""Who gets in. Every request passes here before a route sees it.

    headers           of those below, each once
    Host              an allowed name, or an address: a foreign page cannot pass for this server (DNS rebinding)
    method            GET, HEAD, POST
    Sec-Fetch-Site    same-origin, or none; another site may only link to `/`
    Origin            of a POST: this server's
    token             in the address of `/`, once: it becomes a cookie (HttpOnly, SameSite=Strict, named by the port)
    cookie            of a person with the right to judge, or to view only
    rate              requests of a person, and wrong tokens of an address
    body              at most 64 kB; where masks are sent 8 MB

Images for annotation tools (`/signed/`) have signatures of their own. Nothing else is answered without a cookie, except
a page that says how to get one.

`make_server` is HTTP/1.1 by h11, whichever other parsers are installed, without websockets, and without a log of
requests: their addresses contain tokens and signatures.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from assay.data.files import recall, replacing
from assay.web import signed

if TYPE_CHECKING:
    from uvicorn import Server

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Rights = Literal["judge", "view"]

BODY, BODY_OF_MASKS = 64 << 10, 8 << 20
"""Most bytes of a request; of one to WITH_MASKS."""
WITH_MASKS = "/api/judge/objects"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
ONCE = (
    b"host",
    b"origin",
    b"sec-fetch-site",
    b"cookie",
    b"content-type",
    b"content-length",
    b"transfer-encoding",
)
"""Headers that are refused if they come twice: others than this server may have gone by the other one."""
HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[0-9a-z._-]+))(?::[0-9]{1,5})?")
RATE, BURST = 200.0, 2000.0
"""Requests a second of a person in the long run, and at once."""
TRIES, TRIES_AT_ONCE = 0.1, 10.0
"""Likewise wrong tokens of an address."""
ADDRESSES = 10_000
"""Most addresses whose wrong tokens are counted; then all counts start again."""


@dataclass(frozen=True)
class Person:
    """Somebody with an invitation."""

    name: str
    rights: Rights
    token: str = field(repr=False)


@dataclass
class Bucket:
    """Tokens of a rate limit: `rate` a second, at most `burst`."""

    rate: float
    burst: float
    left: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Take one; False if there is none."""
        self.left = self.burst if self.left < 0 else min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def invite(file: Path, wanted: Mapping[str, Rights]) -> list[Person]:
    """The people of `wanted`, {name: rights}, with the tokens of `file`; new ones get a token. Others lose theirs.

    The file is readable by its owner only. Without it, earlier links and cookies are refused.
    """
    known = recall(lambda: json.loads(file.read_text(encoding="utf-8"))) or {}
    people = [
        Person(name, rights, known.get(name) or secrets.token_urlsafe(24)) for name, rights in wanted.items()
    ]
    with replacing(file) as aside:
        aside.touch(mode=0o600)
        aside.write_text(json.dumps({one.name: one.token for one in people}), encoding="utf-8")
    return people


@dataclass
class Guard:
    """The ASGI application `app` behind the checks. `hosts`: allowed names besides addresses and localhost."""

    app: App
    people: list[Person]
    port: int
    loopback: bool = True
    hosts: frozenset[str] = frozenset()
    _rates: dict[str, Bucket] = field(default_factory=dict)
    _tries: dict[str, Bucket] = field(default_factory=dict)

    @property
    def cookie(self) -> str:
        return f"assay-{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        path, host = scope["path"], headers.get("host", "")
        if twice := _twice(scope):
            await refuse(send, 400, f"the header {twice} comes twice")
        elif not self._is_ours(host):
            await refuse(send, 403, "this address is not served here; add it with --allow-host")
        elif path.startswith(f"{signed.PATH}/") and scope["method"] == "GET":
            await self.app(scope, receive, _with_headers(send))
        elif (why := _foreign(scope["method"], path, host, headers)) is not None:
            await refuse(send, *why)
        elif path == "/" and (tokens := parse_qs(scope["query_string"].decode("latin-1")).get("token")):
            await self._enter(tokens[0], scope, send)
        elif (person := self._person(headers.get("cookie", ""))) is None:
            from_elsewhere = path == "/" and headers.get("sec-fetch-site") == "cross-site"
            await (again(send) if from_elsewhere else refuse(send, 401, NO_COOKIE, page=path == "/"))
        elif not self._rates.setdefault(person.name, Bucket(RATE, BURST)).take(time.monotonic()):
            await refuse(send, 429, "too many requests")
        elif scope["method"] == "POST" and person.rights != "judge":
            await refuse(send, 403, f"{person.name} may look, not judge")
        else:
            await self._pass(scope, receive, send, headers, person)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header is a name of this server. Addresses are safe: rebinding needs a name."""
        if not (found := HOST.fullmatch(host.lower())):
            return False
        name = found["six"] or found["name"]
        if name in self.hosts or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return not self.loopback and name == socket.gethostname().lower()
        return address.is_loopback or not self.loopback

    async def _enter(self, token: str, scope: Scope, send: Send) -> None:
        client = (scope.get("client") or ("",))[0]
        person = self._of(token)
        if person is not None:
            cookie = f"{self.cookie}={person.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
            rest = {
                k: v[0] for k, v in parse_qs(scope["query_string"].decode("latin-1")).items() if k != "token"
            }
            await answer(send, 303, "", {"location": f"/{_query(rest)}", "set-cookie": cookie})
        elif self._bucket_of(client).take(time.monotonic()):
            await refuse(send, 403, "the link is not valid (any more); `assay review` prints one", page=True)
        else:
            await refuse(send, 429, "too many wrong links; wait a minute")

    def _bucket_of(self, client: str) -> Bucket:
        if client not in self._tries and len(self._tries) >= ADDRESSES:
            self._tries.clear()
        return self._tries.setdefault(client, Bucket(TRIES, TRIES_AT_ONCE))

    def _of(self, token: str) -> Person | None:
        found = [one for one in self.people if hmac.compare_digest(one.token.encode(), token.encode())]
        return found[0] if found else None

    def _person(self, cookies: str) -> Person | None:
        """Who has the cookie. Not by `http.cookies`: before Python 3.11.10 it takes 6 s for 60 kB of backslashes."""
        held = (one.strip().partition("=") for one in cookies.split(";"))
        token = next((value for name, _, value in held if name == self.cookie), None)
        return None if token is None else self._of(token)

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str], person: Person
    ) -> None:
        body = b""
        if scope["method"] == "POST":
            most = BODY_OF_MASKS if scope["path"] == WITH_MASKS else BODY
            read = await _body(receive, most, headers.get("content-length", "0"))
            if read is None:
                await refuse(send, 413, f"the body is larger than {most:,} bytes")
                return
            if headers.get("content-type", "").split(";")[0].strip() != "application/json":
                await refuse(send, 415, "application/json only")
                return
            body = read
        scope = {**scope, "person": person, "method": "POST" if scope["method"] == "POST" else "GET"}
        done = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal done
            if done:
                return await receive()
            done = True
            return {"type": "http.request", "body": body, "more_body": False}

        # uvicorn leaves the body of an answer to HEAD out
        await self.app(scope, replay if scope["method"] == "POST" else receive, _with_headers(send))


def _twice(scope: Scope) -> str:
    """A header that may come once only, and comes more often."""
    times = Counter(key for key, _ in scope["headers"])
    return next((key.decode() for key in ONCE if times[key] > 1), "")


def _foreign(method: str, path: str, host: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
    """Why a request is none of the page's own; None if it is one."""
    if method not in ("GET", "HEAD", "POST"):
        return 405, "GET and POST only"
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none") and not (method == "GET" and path == "/"):
        return 403, "a request of another site"
    if method == "POST" and urlsplit(headers.get("origin", "")).netloc != host:
        return 403, "a request of another origin"
    return None


async def _body(receive: Receive, most: int, declared: str) -> bytes | None:
    """The whole body; None if it is larger, or if the connection ended within it."""
    if not declared.isdigit() or int(declared) > most:
        return None
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > most or message["type"] != "http.request":
            return None
    return b"".join(parts)


def _with_headers(send: Send) -> Send:
    async def with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            there = {key.lower() for key, _ in message["headers"]}
            more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in there]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return with_headers


# --- answers without a route

NO_COOKIE = "open the link that `assay review` prints: it lets this browser in"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">{head}<title>assay review</title></head><body><p>{text}</p></body></html>
"""


async def refuse(send: Send, status: int, why: str, page: bool = False) -> None:
    if page:
        await answer(
            send, status, PAGE.format(head="", text=why), {"content-type": "text/html; charset=utf-8"}
        )
    else:
        await answer(send, status, json.dumps({"error": why}), {"content-type": "application/json"})


async def again(send: Send) -> None:
    """Load `/` once more, from this page: a strict cookie is not sent with a link of another site."""
    head = '<meta http-equiv="refresh" content="0;url=/">'
    await answer(
        send, 200, PAGE.format(head=head, text="one moment"), {"content-type": "text/html; charset=utf-8"}
    )


async def answer(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    data = text.encode()
    every = {**HEADERS, "cache-control": "no-store", **headers, "content-length": str(len(data))}
    pairs: Iterable[tuple[bytes, bytes]] = [(k.encode(), v.encode()) for k, v in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": list(pairs)})
    await send({"type": "http.response.body", "body": data})


def _query(given: Mapping[str, str]) -> str:
    return f"?{urlencode(given)}" if given else ""


# --- the server


def make_server(guard: Guard) -> Server:
    """Serves a guard on the sockets that `run` gets."""
    from uvicorn import Config, Server

    config = Config(
        guard,
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=75,
    )
    return Server(config)
