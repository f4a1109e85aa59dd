"""Paths that a page never sends, sent to a real demo: nothing of the computer comes back, nor whether it is there."""

import io
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running_demo import Answer, Client, Demo

from deblur.demo.work import families

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None, reason="the demo needs gradio: pip install deblur-lab[demo]"),
]

STRENGTHS = [slider.start for sliders in families().values() for slider in sliders.values()]


def call(demo: Demo, value: Any, source: str = "upload") -> dict[str, Any]:
    """Return a call of the function that blurs and restores, with something for an image."""
    return {
        "data": [source, value, 1, "own", "gaussian", 0, *STRENGTHS],
        "fn_index": function(demo, len(STRENGTHS) + 6),
    }


def restoring(demo: Demo, value: Any, kernel: Any = None) -> dict[str, Any]:
    """Return a call of the function that restores a photo, with something for an image and for a kernel."""
    return {"data": [value, "own", kernel], "fn_index": function(demo, 3)}


def config(demo: Demo) -> dict[str, Any]:
    return dict(json.loads(Client(demo).ask("GET", "/config").body))


def function(demo: Demo, inputs: int) -> int:
    """Return the number of the function of a button, by how many inputs it has."""
    ids = [one["id"] for one in config(demo)["dependencies"] if one["backend_fn"] and len(one["inputs"]) == inputs]
    (found,) = ids
    return int(found)


def image(path: Any, **others: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | others


def png(seed: int) -> bytes:
    content = io.BytesIO()
    levels = np.random.default_rng(seed).integers(0, 256, (24, 31), np.uint8)
    Image.fromarray(levels).save(content, "PNG")
    return content.getvalue()


SECRET, THEIRS, MINE = png(1), png(2), png(3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, network_at: Callable[[Path], Path]) -> Iterator[Demo]:
    network = network_at(tmp_path_factory.mktemp("network") / "tiny.safetensors")
    with Demo(network, tmp_path_factory.mktemp("demo") / "temporary") as started:
        yield started


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the computer with an image, a text and links."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "secret.png").write_bytes(SECRET)
    (folder / "notes.txt").write_text("top secret")
    return folder


@pytest.fixture
def client(demo: Demo) -> Client:
    opened = Client(demo)
    assert opened.ask("GET", "/").status == 200
    return opened


def sent(client: Client, content: bytes, name: str = "photo.png") -> str:
    answer = client.upload(content, name)
    assert answer.status == 200
    (path,) = json.loads(answer.body)
    return str(path)


@pytest.fixture
def forged(demo: Demo, client: Client, secrets: Path) -> dict[str, Any]:
    """Values that stand for an image in a call, by what they try."""
    own, theirs = sent(client, MINE), sent(Client(demo), THEIRS)
    folder, secret = Path(own).parent, secrets / "secret.png"
    for name, place in {"link.png": secret, "out": secrets, "theirs.png": Path(theirs)}.items():
        (folder / name).symlink_to(place)
    visitor = folder.parents[1]
    paths = {
        "an image": secret,
        "a text": secrets / "notes.txt",
        "nothing": secrets / "absent.png",
        "a folder": secrets,
        "nothing in no folder": "/no/such/folder/at.all",
        "passwd": "/etc/passwd",
        "a device": "/dev/zero",
        "the environment": "/proc/self/environ",
        "an image of the package": Path(np.__file__),
        "the images of all": visitor.parent,
        "one's own folder": folder,
        "another's image": theirs,
        "another's folder": Path(theirs).parent,
        "a link": folder / "link.png",
        "a link to another's": folder / "theirs.png",
        "through a link": folder / "out" / "secret.png",
        "up and down again": f"{folder}/../{folder.name}/{Path(own).name}",
        "up": f"{folder}/../../../../../..{secret}",
        "doubled slashes": f"//{secret}",
        "a dot": f"{own}/.",
        "relative": "secret.png",
        "relative to the repository": "pyproject.toml",
        "home": "~/.bashrc",
        "percent": str(secret).replace("/", "%2F"),
        "percent twice": str(secret).replace("/", "%252F"),
        "percent dots": f"{folder}/%2e%2e/%2e%2e/secret.png",
        "a file url": f"file://{secret}",
        "an http url": "http://127.0.0.1:9/secret.png",
        "our own url": f"{demo.address}/gradio_api/file={theirs}",
        "a data url": "data:image/png;base64,AAAA",
        "a zero byte": f"{own}\0.png",
        "a line": f"{own}\n",
        "backslashes": str(secret).replace("/", "\\"),
        "empty": "",
    }
    values: dict[str, Any] = {name: image(str(path)) for name, path in paths.items()}
    values |= {
        "no path": {"meta": {"_type": "gradio.FileData"}},
        "null": image(None),
        "a list for a path": image([str(secret)]),
        "a text alone": str(secret),
        "in a list": [image(str(secret))],
        "in lists": [[[image(str(secret))]]],
        "one's own in a list": [image(own)],
        "within a mapping": {"value": image(str(secret)), "path": str(secret)},
        "by its url": image("", url=f"{demo.address}/gradio_api/file={secret}"),
        "by the url of another's": image(str(folder / "absent.png"), url=f"/gradio_api/file={theirs}"),
        "by its first name": image(str(folder), orig_name="../../secret.png"),
        "as a stream": image(str(secret), is_stream=True),
        "as a static file": image(str(secret), mime_type="image/svg+xml", meta={"_type": "gradio.FileData", "x": 1}),
        "as an update": {"__type__": "update", "value": image(str(secret))},
    }
    return values


def everything_of(demo: Demo) -> bytes:
    """Return all that the demo has on its disk, links aside."""
    return b"".join(path.read_bytes() for path in demo.temporary.rglob("*") if path.is_file() and not path.is_symlink())


def test_an_image_that_was_sent_is_restored_and_shown_to_who_sent_it(demo: Demo, client: Client) -> None:
    path = sent(client, MINE, "my photo.png")
    _, slider, detail, said, download, column, *_ = client.restored(restoring(demo, image(path)), "mine")
    assert column["visible"] is False  # no kernel was estimated
    assert "my photo" in said.replace("&#32;", " ")
    before, after = (one["path"] for one in slider["value"])
    assert detail["value"] is None
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(client.file(before).body))), np.asarray(Image.open(io.BytesIO(MINE)))
    )
    assert Image.open(io.BytesIO(client.file(after).body)).size == (31, 24)
    assert download["value"]["orig_name"] == "my photo-restored.png"
    restored = download["value"]["path"]
    assert client.file(restored).status == 200
    stranger = Client(demo)
    stranger.ask("GET", "/")
    assert [stranger.file(each).status for each in (path, before, after, restored)] == [403] * 4


def test_progress_is_told_by_tiles(demo: Demo, client: Client) -> None:
    content = io.BytesIO()
    Image.effect_noise((440, 440), 50).save(content, "PNG")
    path = sent(client, content.getvalue())
    assert client.post("/gradio_api/queue/join", restoring(demo, image(path)) | {"session_hash": "tiles"}).status == 200
    events = client.ask("GET", "/gradio_api/queue/data?session_hash=tiles").body.decode()
    messages = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if '"progress_data"' in line]
    units = {each["unit"] for message in messages for each in message["progress_data"] or ()}
    assert "tiles" in units


def test_the_faces_of_the_demo_are_restored(demo: Demo, client: Client) -> None:
    of, slider, *_ = client.restored(call(demo, None, "face"), "faces")
    assert of == "face\n\n1\nown"
    assert Image.open(io.BytesIO(client.file(slider["value"][0]["path"]).body)).size == (256, 256)


def test_no_forged_path_is_told_from_another(demo: Demo, client: Client, forged: dict[str, Any]) -> None:
    assert len(forged) >= 30
    mine = image(sent(client, MINE))
    answers = {
        (name, place): client.post("/gradio_api/queue/join", made | {"session_hash": "mine"})
        for name, value in forged.items()
        for place, made in enumerate((call(demo, value), restoring(demo, value), restoring(demo, mine, value)))
        if name != "a text alone"
    }
    assert {answer.status for answer in answers.values()} == {403}
    assert len({answer.told for answer in answers.values()}) == 1
    assert SECRET not in everything_of(demo)


def test_a_text_is_no_image(demo: Demo, client: Client, secrets: Path) -> None:
    """Plain texts are choices of the page: what is no image is not taken for its path."""
    told = set()
    for number, text in enumerate((secrets / "secret.png", secrets / "notes.txt", secrets / "absent.png")):
        joined = client.post("/gradio_api/queue/join", call(demo, str(text)) | {"session_hash": f"text{number}"})
        assert joined.status == 200
        events = client.ask("GET", f"/gradio_api/queue/data?session_hash=text{number}").body.decode()
        (ended,) = (line for line in events.splitlines() if '"process_completed"' in line)
        message = json.loads(ended.removeprefix("data: "))
        assert not message["success"]
        told.add(json.dumps(message["output"], sort_keys=True))
    assert len(told) == 1
    assert str(secrets) not in told.pop()
    assert SECRET not in everything_of(demo)


ENDPOINTS = [
    "run/restore",
    "run/restore/",
    "api/restore",
    "run/predict",
    "api/predict",
    "call/restore",
    "call/v2/restore",
    "call/predict",
    "queue/join/",
    "component_server",
    "stream/1",
    "process_recording",
    "cancel",
    "reset",
    "vibe-code",
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_other_endpoint_takes_a_path(demo: Demo, client: Client, forged: dict[str, Any], endpoint: str) -> None:
    number = function(demo, 3)
    told: set[tuple[int, bytes, tuple[str, ...]]] = set()
    for value in forged.values():
        content = {"data": [value], "fn_index": number, "session_hash": "mine"}
        content |= {"component_id": 1, "fn_name": "ls", "event_id": "1"}
        told.add(client.post(f"/gradio_api/{endpoint}", content).told)
    assert {status for status, *_ in told} == {404}
    assert len(told) == 1


def test_a_call_of_another_function_takes_no_path_either(demo: Demo, client: Client, forged: dict[str, Any]) -> None:
    for dependency in config(demo)["dependencies"]:
        data = [forged["an image"]] * max(1, len(dependency["inputs"]))
        content = {"data": data, "fn_index": dependency["id"], "session_hash": "mine"}
        assert client.post("/gradio_api/queue/join", content).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_file_of_the_computer_is_shown(client: Client, forged: dict[str, Any], method: str, secrets: Path) -> None:
    own = sent(client, MINE)
    assert client.ask(method, f"/gradio_api/file={own}").status == 200
    paths = [value["path"] for value in forged.values() if isinstance(value, dict) and value.get("path")]
    told = set()
    for path in (path for path in paths if isinstance(path, str) and path.isprintable()):
        for text in {path, path.replace("/", "%2F"), path.replace("/", "%252f"), path.replace(".", "%2e")}:
            if text != own:
                answer = client.ask(method, f"/gradio_api/file={text}", Range="bytes=0-9")
                told.add(answer.told)
    assert len(told) == 1
    assert told.pop()[0] == 403
    assert client.ask(method, f"/gradio_api/file/{secrets}/secret.png").status == 404
    assert client.ask(method, f"/file={secrets}/secret.png").status == 404


def test_results_are_not_told_to_another_browser(demo: Demo, client: Client) -> None:
    path = sent(client, MINE)
    content = call(demo, image(path)) | {"session_hash": "shared"}
    assert client.post("/gradio_api/queue/join", content).status == 200
    stranger = Client(demo)
    stranger.ask("GET", "/")
    refused = [
        stranger.ask("GET", "/gradio_api/queue/data?session_hash=shared"),
        stranger.ask("GET", "/gradio_api/heartbeat/shared"),
        stranger.post("/gradio_api/queue/join", call(demo, None, "face") | {"session_hash": "shared"}),
        stranger.post("/gradio_api/queue/join", call(demo, image(path)) | {"session_hash": "other"}),
    ]
    assert {answer.status for answer in refused} == {403}
    assert b"process_completed" in client.ask("GET", "/gradio_api/queue/data?session_hash=shared").body


FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_site_can_neither_send_nor_ask(demo: Demo, client: Client, headers: dict[str, str]) -> None:
    before = sorted(demo.temporary.rglob("*"))
    answers = [
        client.upload(MINE, **headers),
        client.post("/gradio_api/queue/join", call(demo, None, "face") | {"session_hash": "mine"}, **headers),
        client.ask("OPTIONS", "/gradio_api/queue/join", **headers, Access_Control_Request_Method="POST"),
        client.ask("GET", "/config", **headers),
    ]
    assert {answer.status for answer in answers} == {403}
    assert all("access-control-allow-origin" not in answer.headers for answer in answers)
    assert sorted(demo.temporary.rglob("*")) == before


def test_a_form_of_another_site_is_refused(demo: Demo, client: Client) -> None:
    """A browser sends its cookies and no JSON with it, but tells where it stands."""
    body = json.dumps(call(demo, None, "face") | {"session_hash": "mine"}).encode()
    for origin in ("http://evil.example", "null"):
        answer = client.ask("POST", "/gradio_api/queue/join", body, Content_Type="text/plain", Origin=origin)
        assert answer.status == 403


@pytest.mark.parametrize("origin", ["http://localhost:7860", "http://127.0.0.1:3000", "same"])
def test_a_page_of_this_computer_may_ask(demo: Demo, client: Client, origin: str) -> None:
    given = demo.address if origin == "same" else origin
    assert client.upload(MINE, Origin=given).status == 200
    content = call(demo, None, "face") | {"session_hash": f"from-{abs(hash(origin))}"}
    assert client.post("/gradio_api/queue/join", content, Origin=given).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "192.168.0.1", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(client: Client, host: str) -> None:
    answers: list[Answer] = [
        client.ask("GET", "/", Host=host),
        client.upload(MINE, Host=host, Origin=f"http://{host}"),
        client.ask("GET", "/config", Host=host),
    ]
    assert {answer.status for answer in answers} == {400}


def test_the_images_of_who_left_nothing_behind_are_gone(tmp_path: Path, network_at: Callable[[Path], Path]) -> None:
    with Demo(network_at(tmp_path / "tiny.safetensors"), tmp_path / "temporary") as started:
        client = Client(started)
        client.ask("GET", "/")
        path = sent(client, MINE)
        client.restored(call(started, image(path)), "mine")
        assert MINE in everything_of(started)
        assert started.stop()[0] == 130
        assert list(started.temporary.iterdir()) == []
