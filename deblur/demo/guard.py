"""The guard in front of gradio, which passes on what the page itself asks for and refuses everything else.

gradio's own checks are written for `launch()`, which starts its own server; some of them are never switched on in a
mounted app. Refused are other routes, other host names, requests of other sites, images of other visitors, and paths.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import parse_qs, urlsplit

from deblur.demo.visitors import Visitors

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API: Final = "/gradio_api"
_PAGE: Final = "/"
_FILE: Final = f"{API}/file="
_HEARTBEAT: Final = f"{API}/heartbeat/"
_JOIN, _RESULTS = f"{API}/queue/join", f"{API}/queue/data"
_UPLOAD, _PROGRESS = f"{API}/upload", f"{API}/upload_progress"
_OPEN: Final = frozenset({_PAGE, "/config", "/theme.css", f"{API}/theme.css", "/favicon.ico", f"{API}/app_id"})
_OPEN_FOLDERS: Final = ("/assets/", "/static/", "/svelte/")
_ROBOTS: Final = "/robots.txt"
_DONE: Final = 'data: {"msg": "done"}\n\n'
_PLAIN, _JSON, _EVENTS = b"text/plain; charset=utf-8", b"application/json", b"text/event-stream"
_READ: Final = ("GET", "HEAD")
_LARGEST_CALL: Final = 64 * 1024  # bytes of a call's JSON; those of the page have one
_MOST_VALUES: Final = 100  # in a call
_LONGEST_VALUE: Final = 200  # characters
_DRAINED: Final = 4  # times the limit are read of a body that is refused, so that the client receives the answer
_PART: Final = 2**20  # bytes that are copied at a time
_SPARE: Final = 64 * 1024  # bytes around a file that is sent
_FILE_DATA: Final = {"_type": "gradio.FileData"}
_LOOPBACK_NAMES: Final = ("localhost", "localhost.")
# Headers of a proxy, from which gradio would take its own address.
_NOT_BELIEVED: Final = (b"x-forwarded-", b"forwarded", b"x-gradio-server")
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-site"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'self' http://localhost:* http://127.0.0.1:*",
    ),
)


class _Refused(Exception):
    """A request that is refused, with the status of HTTP and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


_NOT_HERE: Final = (404, "There is no such page.")
_NOT_YOURS: Final = (403, "The page does not know this image, or does not know you: reload it, and begin again.")
_STRANGER: Final = (403, "This page answers no other site.")
_NOT_LOCAL: Final = (400, "This page is open to this computer alone: open it by the address that the terminal shows.")


class Guard:
    """Passes requests of the page on to an application, and refuses all others."""

    def __init__(self, app: App, visitors: Visitors, largest_upload: int, *, is_private: bool) -> None:
        """Guard an application.

        Args:
            app: the page's.
            visitors: the owners of images.
            largest_upload: the largest file of an image [bytes].
            is_private: whether the page is for this computer alone.
        """
        self._app = app
        self._visitors = visitors
        self._largest_upload = largest_upload
        self._is_private = is_private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        token = self._visitors.token_in("; ".join(_values(scope, b"cookie")))
        new = None
        if token is None and (scope["path"] == _PAGE or (scope["path"], scope["method"]) == (_UPLOAD, "POST")):
            token = new = self._visitors.new_token()
        answer = _with_headers(send, f"{self._visitors.cookie}={new}" if new else None)
        try:
            self._refuse_strangers(scope)
            await self._pass_on(scope, receive, answer, token)
        except _Refused as refused:
            await _answer(answer, refused.status, {"detail": refused.text}, scope["method"])

    def _refuse_strangers(self, scope: Scope) -> None:
        """Refuse a request that another site makes a browser send."""
        hosts = _values(scope, b"host")
        host = hosts[0] if len(hosts) == 1 else ""
        # DNS rebinding: a page whose host name resolves to this computer must not reach this one.
        if self._is_private and not _is_loopback(_name_of(f"//{host}")):
            raise _Refused(*_NOT_LOCAL)
        origins = _values(scope, b"origin")
        if not origins and scope["method"] not in _READ:
            origins = _values(scope, b"referer")
        if not all(_is_same_site(origin, host) for origin in origins):
            raise _Refused(*_STRANGER)
        is_opened = scope["path"] == _PAGE and _values(scope, b"sec-fetch-dest") == ["document"]
        if "cross-site" in _values(scope, b"sec-fetch-site") and not (is_opened and scope["method"] == "GET"):
            raise _Refused(*_STRANGER)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, token: str | None) -> None:
        """Pass a request on if the page makes such requests, and answer it."""
        path, method = scope["path"], scope["method"]
        headers = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_NOT_BELIEVED)]
        query = scope["query_string"].decode("latin-1")
        # With a query, gradio would show what it has stored of other visitors.
        scope = {**scope, "headers": headers, "query_string": b""}
        if method in _READ and (path in _OPEN or path.startswith(_OPEN_FOLDERS)):
            await self._app(scope, receive, send)
        elif method in _READ and path == _ROBOTS:
            await _answer(send, 200, "User-agent: *\nDisallow: /\n", method)
        elif method in _READ and path.startswith(_FILE):
            if token is None or not self._visitors.visitor(token).owns(path.removeprefix(_FILE)):
                raise _Refused(*_NOT_YOURS)
            await self._app(scope, receive, send)
        elif method == "GET" and path.startswith(_HEARTBEAT):
            self._refuse_session(token, path.removeprefix(_HEARTBEAT))
            await self._app(scope, receive, send)
        elif method == "GET" and path == _RESULTS:
            session = parse_qs(query).get("session_hash", [""])[0]
            self._refuse_session(token, session)
            await self._app({**scope, "query_string": f"session_hash={session}".encode()}, receive, send)
        elif method == "POST" and path == _JOIN:
            checked = self._joined(await _body(receive, _LARGEST_CALL), token)
            await self._app(*_with_body(scope, receive, json.dumps(checked).encode()), send)
        elif method == "GET" and path == _PROGRESS:
            await _answer(send, 200, _DONE, method, _EVENTS)
        elif method == "OPTIONS" and path in (_JOIN, _UPLOAD):
            await self._app(scope, receive, send)  # of another page of this computer
        elif method == "POST" and path == _UPLOAD and token is not None:
            await self._upload(scope, receive, send, token)
        else:
            raise _Refused(*_NOT_HERE)

    def _refuse_session(self, token: str | None, session: object) -> None:
        if token is None or not self._visitors.claims(token, session):
            raise _Refused(*_NOT_YOURS)

    def _joined(self, content: bytes, token: str | None) -> dict[str, Any]:
        """Return the parts of a call of a page's function that are passed on: plain values, and images of its tab."""
        call = _mapping(content)
        session, values, function = call.get("session_hash"), call.get("data"), call.get("fn_index")
        self._refuse_session(token, session)
        if not isinstance(values, list) or len(values) > _MOST_VALUES or type(function) is not int:
            raise _Refused(*_NOT_YOURS)
        trigger = call.get("trigger_id")
        return {
            "data": [self._value(value, str(token), str(session)) for value in values],
            "fn_index": function,
            "trigger_id": trigger if type(trigger) is int else None,
            "session_hash": session,
        }

    def _value(self, value: Any, token: str, session: str) -> Any:
        if isinstance(value, dict):
            path = value.get("path")
            if not self._visitors.visitor(token).may_use(path, session):
                raise _Refused(*_NOT_YOURS)
            return {"path": path, "orig_name": str(path).replace("\\", "/").rpartition("/")[2], "meta": _FILE_DATA}
        if isinstance(value, list) or (isinstance(value, str) and len(value) > _LONGEST_VALUE):
            raise _Refused(*_NOT_YOURS)
        return value

    async def _upload(self, scope: Scope, receive: Receive, send: Send, token: str) -> None:
        """Store one image in the folder of its visitor, and answer with its path, as gradio does."""
        from starlette.concurrency import run_in_threadpool
        from starlette.datastructures import UploadFile
        from starlette.formparsers import MultiPartException
        from starlette.requests import Request

        most = self._largest_upload + _SPARE
        stated = _values(scope, b"content-length")
        too_large = _Refused(413, f"The file is larger than {self._largest_upload} bytes.")
        if stated and stated[0].isdecimal() and int(stated[0]) > most:
            await _drain(receive, _DRAINED * most)
            raise too_large
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                await _drain(receive, _DRAINED * most)
                raise too_large
            return message

        form = None
        try:
            form = await Request(dict(scope), counted).form(max_files=1, max_fields=0)
            (file,) = form.getlist("files")
            if not isinstance(file, UploadFile):
                raise _Refused(400, "One file is taken at a time.")
            visitor = self._visitors.visitor(token)
            self._visitors.clean()
            path = visitor.place_for(file.filename or "")
            await run_in_threadpool(_store, file.file, path, self._largest_upload, too_large)
            visitor.took(path)
        except (MultiPartException, ValueError) as error:
            raise _Refused(400, "One file is taken at a time.") from error
        finally:
            if form is not None:
                await form.close()
        await _answer(send, 200, [str(path)], scope["method"])


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return the values of a header."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _name_of(address: str) -> str:
    """Return the host of an address, without its port; empty if there is none."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 # raises for one that is none
        return "" if "@" in parts.netloc else parts.hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    """Return whether a host is this computer, independent of any name server."""
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_site(origin: str, host: str) -> bool:
    """Return whether a page of an origin may send requests: this page, or both are pages of this computer."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False
    is_here = _is_loopback(_name_of(origin)) and _is_loopback(_name_of(f"//{host}"))
    return is_here or (bool(host) and parts.netloc.lower() == host.lower())


def _mapping(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _Refused(*_NOT_YOURS)
    return found


def _store(source: IO[bytes], path: Path, most: int, too_large: Exception) -> None:
    """Write a file that was sent; remove it and raise `too_large` if it has more bytes than `most`."""
    size = 0
    with path.open("xb") as target:
        while size <= most and (part := source.read(_PART)):
            size += len(part)
            target.write(part)
    if size > most:
        path.unlink()
        raise too_large


async def _body(receive: Receive, most: int) -> bytes:
    """Return the body of a request, which is refused if it is too long or broken off."""
    content, has_more = b"", True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(*_NOT_YOURS)
        content += message.get("body", b"")
        has_more = message.get("more_body", False)
        if len(content) > most:
            await _drain(receive, _DRAINED * most)
            raise _Refused(413, "The call is too long.")
    return content


async def _drain(receive: Receive, most: int) -> None:
    """Read and drop a body up to a size [bytes]: a client that still sends does not read the answer."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b"")) + 1
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _with_body(scope: Scope, receive: Receive, content: bytes) -> tuple[Scope, Receive]:
    """Return a request with a JSON body in place of its own."""
    replaced = (b"content-length", b"content-type", b"content-encoding", b"transfer-encoding")
    headers = [pair for pair in scope["headers"] if pair[0].lower() not in replaced]
    headers += [(b"content-length", str(len(content)).encode()), (b"content-type", _JSON)]
    is_read = False

    async def given() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()  # the browser's disconnect
        is_read = True
        return {"type": "http.request", "body": content, "more_body": False}

    return {**scope, "headers": headers}, given


def _with_headers(send: Send, cookie: str | None) -> Send:
    """Return a `send` that adds the headers of the browser's protections, and a cookie."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in _HEADERS}
            headers = [*(pair for pair in message.get("headers", ()) if pair[0].lower() not in names), *_HEADERS]
            if cookie is not None:
                headers.append((b"set-cookie", f"{cookie}; HttpOnly; SameSite=Strict; Path=/".encode()))
            message = {**message, "headers": headers}
        await send(message)

    return sent


async def _answer(send: Send, status: int, content: Any, method: str, kind: bytes | None = None) -> None:
    is_text = isinstance(content, str)
    body = content.encode() if is_text else json.dumps(content).encode()
    kind = kind or (_PLAIN if is_text else _JSON)
    headers: Iterable[tuple[bytes, bytes]] = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
