"""Which requests pass the door of the page; behind it, an application that tells what has come."""

import asyncio
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deblur.demo.guard import Guard
from deblur.demo.visitors import Visitors

HOST = "127.0.0.1:7860"
LARGEST = 1000  # bytes of an image
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
needs_starlette = pytest.mark.skipif(find_spec("starlette") is None, reason="taking an image needs starlette")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def passed(self) -> dict[str, Any] | None:
        """What the application behind the door was given; None where the request did not come that far."""
        found = json.loads(self.body) if self.status == 200 and self.headers.get("behind") else None
        return dict(found) if found is not None else None


async def _behind(scope: Any, receive: Any, send: Any) -> None:
    content, goes_on = b"", scope["method"] == "POST"
    while goes_on:
        message = await receive()
        content += message.get("body", b"")
        goes_on = message.get("more_body", False)
    told = {
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": {key.decode(): value.decode() for key, value in scope["headers"]},
        "body": content.decode(),
    }
    headers = [(b"behind", b"yes"), (b"x-content-type-options", b"other")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


class Door:
    """The door, and a browser that knocks."""

    def __init__(self, folder: Path, *, is_private: bool = True) -> None:
        self.visitors = Visitors(folder)
        self._guard = Guard(_behind, self.visitors, LARGEST, is_private=is_private)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        host: str | None = HOST,
        cookie: str | None = None,
        query: str = "",
        **headers: str,
    ) -> Answer:
        given = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
        given += [] if host is None else [(b"host", host.encode())]
        given += [] if cookie is None else [(b"cookie", f"{self.visitors.cookie}={cookie}".encode())]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": given,
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 7860),
        }
        parts = [body] if isinstance(body, bytes) else list(body)
        messages = [
            {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
            for place, part in enumerate(parts)
        ]
        messages.reverse()
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._guard(scope, receive, send))
        start = sent[0]
        headers_given = {key.decode().lower(): value.decode() for key, value in start["headers"]}
        return Answer(start["status"], headers_given, b"".join(part.get("body", b"") for part in sent[1:]))

    def call(self, token: str | None, session: Any = "tab", data: Any = (), **others: Any) -> Answer:
        content = {"data": list(data) if isinstance(data, tuple) else data, "fn_index": 1, "session_hash": session}
        return self("POST", JOIN, json.dumps(content | others).encode(), cookie=token)

    def send_image(self, token: str | None, content: bytes = b"an image", name: str = "photo.png") -> Answer:
        body, kind = multipart([("files", name, content)])
        return self("POST", UPLOAD, body, cookie=token, content_type=kind)


def multipart(parts: Iterable[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    body = b""
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += f'--x\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--x--\r\n", "multipart/form-data; boundary=x"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.fixture
def token(door: Door) -> str:
    return door.visitors.new_token()


def uploaded(door: Door, token: str) -> str:
    visitor = door.visitors.visitor(token)
    path = visitor.place_for("photo.png")
    path.write_bytes(b"an image")
    visitor.took(path)
    return str(path)


def image(path: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


PAGE = ["/", "/config", "/theme.css", "/favicon.ico", "/assets/index.js", "/static/img/logo.svg", "/gradio_api/app_id"]
OTHERS = [
    *(("GET", path) for path in ("/docs", "/openapi.json", "/redoc", "/monitoring", "/monitoring/summary", "/token")),
    *(("GET", path) for path in ("/login", "/logout", "/manifest.json", "/pwa_icon", "/gradio_api/token", "//", "/..")),
    *(("GET", f"/gradio_api/{path}") for path in ("info", "openapi.json", "user", "runs", "dev/reload", "deep_link")),
    *(
        ("GET", f"/gradio_api/{path}")
        for path in ("proxy=http://127.0.0.1", "stream/tab/1/2/playlist.m3u8", "vibe-code")
    ),
    *(("GET", f"/gradio_api/{path}") for path in ("queue/status", "call/restore/1", "startup-events", "mcp/sse")),
    *(
        ("GET", f"/gradio_api/{path}")
        for path in ("file/etc/passwd", "custom_component/a/client/b/c", "run-history/records")
    ),
    *(("POST", f"/gradio_api/{path}") for path in ("run/restore", "api/restore", "call/restore", "call/v2/restore")),
    *(
        ("POST", f"/gradio_api/{path}")
        for path in ("component_server", "process_recording", "stream/1", "cancel", "reset")
    ),
    *(
        ("POST", f"/gradio_api/{path}")
        for path in ("vibe-edit", "vibe-code", "undo-vibe-edit", "queue/join/", "upload/")
    ),
    *(("POST", path) for path in ("/", "/login", "/config", "/gradio_api/file=/etc/passwd")),
    *(("PUT", path) for path in ("/", UPLOAD, JOIN)),
    *(("DELETE", path) for path in ("/", "/gradio_api/file=/etc/passwd")),
]


@pytest.mark.parametrize("path", PAGE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_page_is_made_of_passes(door: Door, method: str, path: str) -> None:
    passed = door(method, path, query="deep_link=../x&page=1").passed
    assert passed is not None
    assert passed["path"] == path
    assert passed["query"] == ""  # where gradio looks for what it has stored of others


@pytest.mark.parametrize(("method", "path"), OTHERS)
def test_nothing_else_of_gradio_is_there(door: Door, token: str, method: str, path: str) -> None:
    answer = door(method, path, cookie=token)
    assert answer.passed is None
    assert (answer.status, json.loads(answer.body)["detail"]) == (404, "There is no such page.")


HOSTS = {
    "127.0.0.1:7860": True,
    "127.0.0.1": True,
    "127.0.0.2:80": True,
    "localhost:7860": True,
    "LOCALHOST": True,
    "localhost.": True,
    "[::1]:7860": True,
    "[::1]": True,
    "evil.example": False,
    "evil.example:7860": False,
    "localhost.evil.example": False,
    "127.0.0.1.evil.example": False,
    "127.0.0.1:7860@evil.example": False,
    "evil.example#localhost": False,
    "192.168.1.5": False,
    "0.0.0.0": False,
    "[::1": False,
    "[": False,
    "": False,
    "localhost:port": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_for_this_computer_alone_answers_to_its_own_names(door: Door, host: str) -> None:
    """A page of another site, whose name is made to lead here, is no page of this one's."""
    assert (door("GET", "/", host=host).passed is not None) == HOSTS[host]
    assert door("GET", "/", host=host).status == (200 if HOSTS[host] else 400)


def test_without_or_with_two_names_it_does_not_answer(door: Door) -> None:
    assert door("GET", "/", host=None).status == 400
    assert door("GET", "/", Host="localhost").status == 400


ORIGINS = {
    "http://127.0.0.1:7860": True,
    "http://localhost:7860": True,
    "http://localhost:3000": True,
    "http://[::1]:8888": True,
    "https://localhost": True,
    "null": False,
    "http://evil.example": False,
    "http://evil.example:7860": False,
    "https://127.0.0.1.evil.example": False,
    "http://localhost.evil.example": False,
    "http://127.0.0.1:7860@evil.example": False,
    "http://localhost@evil.example": False,
    "file:///etc/passwd": False,
    "chrome-extension://abc": False,
    "": False,
    "http://[": False,
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", JOIN),
        pytest.param("POST", UPLOAD, marks=needs_starlette),
        ("GET", "/config"),
        ("OPTIONS", JOIN),
    ],
)
def test_no_other_site_has_a_browser_ask_here(door: Door, token: str, method: str, path: str, origin: str) -> None:
    answer = door(method, path, cookie=token, origin=origin)
    assert (answer.status == 403 and b"answers no other site" in answer.body) != ORIGINS[origin]


@pytest.mark.parametrize("origin", ["http://evil.example/page", "https://evil.example"])
def test_a_form_of_another_site_is_refused_without_an_origin_as_well(door: Door, token: str, origin: str) -> None:
    assert b"answers no other site" in door("POST", JOIN, cookie=token, referer=origin).body
    assert door("GET", "/", cookie=token, referer=origin).passed is not None  # a link to the page


@pytest.mark.parametrize(
    "path", ["/", "/config", "/assets/index.js", "/gradio_api/file=/x", "/gradio_api/heartbeat/tab"]
)
def test_another_site_may_open_the_page_and_show_nothing_of_it(door: Door, token: str, path: str) -> None:
    headers = {"sec_fetch_site": "cross-site", "cookie": token}
    opened = door("GET", path, sec_fetch_dest="document", sec_fetch_mode="navigate", **headers)
    assert (opened.passed is not None) == (path == "/")
    for kind in ("image", "iframe", "empty", "script"):
        assert door("GET", path, sec_fetch_dest=kind, **headers).status == 403


def test_on_an_open_address_only_the_page_itself_may_ask(tmp_path: Path) -> None:
    door = Door(tmp_path, is_private=False)
    token = door.visitors.new_token()
    assert door("GET", "/", host="box.lan:7860").passed is not None
    for origin, is_allowed in (("http://box.lan:7860", True), ("http://box.lan", False), ("http://localhost", False)):
        answer = door("POST", JOIN, cookie=token, host="box.lan:7860", origin=origin)
        assert (b"answers no other site" not in answer.body) == is_allowed


def test_what_a_proxy_would_tell_is_not_believed(door: Door) -> None:
    headers = {
        "x_forwarded_host": "evil.example",
        "x_forwarded_proto": "https",
        "x_gradio_server": "http://evil.example",
    }
    passed = door("GET", "/", **headers, forwarded="host=evil.example").passed
    assert passed is not None
    assert passed["headers"].keys() == {"host"}


def test_every_answer_has_the_browser_protect_it(door: Door) -> None:
    for answer in (door("GET", "/"), door("GET", "/docs"), door("GET", "/", host="evil.example")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_browser_is_given_one_cookie(door: Door) -> None:
    cookie = door("GET", "/").headers["set-cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")
    assert name == door.visitors.cookie
    assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/")
    assert "set-cookie" not in door("GET", "/", cookie=value).headers
    assert "set-cookie" not in door("GET", "/config").headers
    assert "set-cookie" in door("GET", "/", cookie="forged").headers
    assert door("GET", "/").headers["set-cookie"] != cookie


def test_robots_are_sent_away(door: Door) -> None:
    assert door("GET", "/robots.txt").body == b"User-agent: *\nDisallow: /\n"


def test_a_call_passes_with_plain_values_and_an_image_of_its_tab(door: Door, token: str) -> None:
    path = uploaded(door, token)
    forged = image(path) | {"url": "http://evil.example", "orig_name": "../../evil", "is_stream": True, "size": -1}
    answer = door.call(
        token,
        data=("upload", forged, 1, 2.5, None, True),
        trigger_id=7,
        event_id="x",
        event_data={"path": "/etc/passwd"},
        simple_format=True,
        oauth_token="x",
        batched=True,
        more=1,
    )
    assert answer.passed is not None
    assert json.loads(answer.passed["body"]) == {
        "data": ["upload", image(path) | {"orig_name": "photo.png"}, 1, 2.5, None, True],
        "fn_index": 1,
        "session_hash": "tab",
        "trigger_id": 7,
    }
    assert answer.passed["headers"]["content-length"] == str(len(answer.passed["body"]))


def forgeries(folder: Path, own: str, others: str) -> dict[str, Any]:
    """Return values of a call that name files in many ways: of the computer, of nobody, and of another visitor."""
    secret, absent = folder / "secret.png", folder / "absent.png"
    secret.write_bytes(b"secret")
    link = Path(own).with_name("link.png")
    link.symlink_to(secret)
    (Path(own).parent / "out").symlink_to(folder)
    named = {
        "a file": str(secret),
        "no file": str(absent),
        "a folder": str(folder),
        "the upload folder": str(Path(own).parent),
        "another's": others,
        "a link": str(link),
        "through a link": f"{Path(own).parent}/out/secret.png",
        "up and down": f"{Path(own).parent}/../{Path(own).parent.name}/photo.png",
        "out of the folder": f"{Path(own).parent}/../../../../secret.png",
        "relative": "secret.png",
        "from home": "~/secret.png",
        "percent": str(secret).replace("/", "%2F"),
        "percent dots": f"{Path(own).parent}/%2e%2e/%2e%2e/secret.png",
        "file url": f"file://{secret}",
        "http": "http://127.0.0.1:1/secret.png",
        "data": "data:image/png;base64,AAAA",
        "two slashes": f"/{secret}",
        "a zero byte": f"{own}\0{secret}",
        "own with a slash": f"{own}/",
        "own in capitals": own.upper(),
        "a device": "/dev/zero",
        "proc": "/proc/self/environ",
        "backslashes": "..\\..\\secret.png",
        "empty": "",
        "null": None,
        "a number": 3,
        "a list": [str(secret)],
        "a mapping": {"path": str(secret)},
    }
    values: dict[str, Any] = {name: image(path) for name, path in named.items()}
    values |= {
        "in a list": [image(str(secret))],
        "own in a list": [image(own)],
        "deep": {"value": [{"value": image(str(secret))}]},
        "by url": {"url": f"/gradio_api/file={secret}", "meta": {"_type": "gradio.FileData"}},
        "without meta": {"path": str(secret)},
        "as a stream": image(str(secret)) | {"is_stream": True},
        "an update": {"__type__": "update", "value": image(str(secret))},
        "a long text": "x" * 201,
    }
    return values


def test_thirty_forgeries_are_refused_alike(door: Door, token: str, tmp_path: Path) -> None:
    own, others = uploaded(door, token), uploaded(door, door.visitors.new_token())
    forged = forgeries(tmp_path, own, others)
    assert len(forged) >= 30
    answers = {name: door.call(token, data=("upload", value)) for name, value in forged.items()}
    assert {answer.status for answer in answers.values()} == {403}
    assert len({(answer.body, *answer.headers.items()) for answer in answers.values()}) == 1
    for place in range(3):  # wherever it stands
        values: list[Any] = [None] * 3
        values[place] = forged["a file"]
        assert door.call(token, data=values).status == 403
    assert door.call(token, data=("upload", image(own))).passed is not None


def test_an_image_cannot_be_used_by_another_tab_or_browser(door: Door, token: str) -> None:
    path = uploaded(door, token)
    other = door.visitors.new_token()
    assert door.call(other, "theirs", (image(path),)).status == 403
    assert door.call(None, "nobody", (image(path),)).status == 403
    assert door.call(token, "tab", (image(path),)).passed is not None
    assert door.call(token, "second", (image(path),)).status == 403
    assert door.call(other, "tab", ()).status == 403  # the tab of another browser
    assert door.call(token, "tab", (image(path),)).passed is not None


CALLS = [
    b"",
    b"[]",
    b"{",
    b"\xff",
    b"[" * 60_000,
    b'{"data": {}, "fn_index": 1, "session_hash": "tab"}',
    b'{"data": [], "fn_index": true, "session_hash": "tab"}',
    b'{"data": [], "fn_index": "1", "session_hash": "tab"}',
    b'{"data": [], "fn_index": 1, "session_hash": null}',
    b'{"data": [], "fn_index": 1}',
    json.dumps({"data": [1] * 101, "fn_index": 1, "session_hash": "tab"}).encode(),
]


@pytest.mark.parametrize("content", CALLS)
def test_what_is_no_call_of_the_page_is_refused(door: Door, token: str, content: bytes) -> None:
    assert door("POST", JOIN, content, cookie=token).status == 403


def test_a_call_of_any_length_is_not_held(door: Door, token: str) -> None:
    assert door("POST", JOIN, (bytes(10_000) for _ in range(100)), cookie=token).status == 413


@pytest.mark.parametrize("path", ["/gradio_api/heartbeat/tab", "/gradio_api/queue/data"])
def test_results_go_to_their_own_browser(door: Door, token: str, path: str) -> None:
    query = "session_hash=tab&session_hash=other&more=1" if path.endswith("data") else ""
    assert door("GET", path, query=query).status == 403
    assert door("GET", path, query=query, cookie=token).passed is not None
    assert door("GET", path, query=query, cookie=door.visitors.new_token()).status == 403
    passed = door("GET", path, query=query, cookie=token).passed
    assert passed is not None
    assert passed["query"] in ("", "session_hash=tab")


def test_files_are_shown_to_their_own_browser(door: Door, token: str, tmp_path: Path) -> None:
    own, other = uploaded(door, token), door.visitors.new_token()
    result = door.visitors.visitor(token).results() / "restored.png"
    result.write_bytes(b"restored")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    link = Path(own).with_name("link.png")
    link.symlink_to(secret)
    for path in (own, str(result)):
        assert door("GET", f"/gradio_api/file={path}", cookie=token).passed is not None
        assert door("GET", f"/gradio_api/file={path}", cookie=other).status == 403
        assert door("GET", f"/gradio_api/file={path}").status == 403
    refused = [
        door("GET", f"/gradio_api/file={path}", cookie=token)
        for path in (secret, tmp_path / "absent", link, tmp_path, "/etc/passwd", "http://127.0.0.1", "", f"{own}/..")
    ]
    assert {answer.status for answer in refused} == {403}
    assert len({answer.body for answer in refused}) == 1


@needs_starlette
def test_an_image_that_is_sent_lies_in_the_folder_of_its_browser(door: Door, token: str) -> None:
    answer = door.send_image(token, b"abc", "../../my photo.png")
    assert answer.status == 200
    (path,) = json.loads(answer.body)
    assert Path(path).read_bytes() == b"abc"
    assert Path(path).name == "my photo.png"
    assert Path(path).is_relative_to(door.visitors.visitor(token).folder)
    assert door.call(token, data=(image(path),)).passed is not None


@needs_starlette
def test_who_sends_an_image_without_a_cookie_is_given_one(door: Door) -> None:
    answer = door.send_image(None)
    (path,) = json.loads(answer.body)
    new = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
    assert door.call(None, data=(image(path),)).status == 403
    assert door.call(new, data=(image(path),)).passed is not None


@needs_starlette
def test_two_browsers_that_send_the_same_image_have_one_each(door: Door, token: str) -> None:
    (mine,), (theirs,) = (json.loads(door.send_image(each).body) for each in (token, door.visitors.new_token()))
    assert mine != theirs


@needs_starlette
@pytest.mark.parametrize("size", [LARGEST + 1, LARGEST + 64 * 1024 + 1000, 2_000_000])
def test_a_file_that_is_too_large_leaves_nothing(door: Door, token: str, tmp_path: Path, size: int) -> None:
    assert door.send_image(token, bytes(size)).status == 413
    body, kind = multipart([("files", "photo.png", bytes(size))])
    parts = [body[start : start + 5000] for start in range(0, len(body), 5000)]
    assert door("POST", UPLOAD, parts, cookie=token, content_type=kind).status == 413
    told = door("POST", UPLOAD, parts, cookie=token, content_type=kind, content_length=str(len(body)))
    assert told.status == 413
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@needs_starlette
@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([], None),
        ([("files", None, b"text")], None),
        ([("files", "a.png", b"1"), ("files", "b.png", b"2")], None),
        ([("other", "a.png", b"1")], None),
        ([("text", None, b"x" * 500), ("files", "a.png", b"1")], None),
        ([("files", "a.png", b"1")], "application/json"),
        ([("files", "a.png", b"1")], "multipart/form-data"),
        ([("files", "a.png", b"1")], ""),
    ],
)
def test_what_is_not_one_file_is_refused(door: Door, token: str, parts: Any, kind: str | None) -> None:
    body, usual = multipart(parts)
    answer = door("POST", UPLOAD, body, cookie=token, content_type=usual if kind is None else kind)
    assert answer.status == 400
    assert json.loads(answer.body)["detail"] == "One file is taken at a time."
