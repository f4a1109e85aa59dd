"""A demo in a process of its own, and a program that asks it as a browser does."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]


class Demo:
    """A running demo, with its own folder for temporary files."""

    def __init__(self, network: Path, temporary: Path, max_megapixels: float = 0.2) -> None:
        given = [f"--network={network}", "--port=0", f"--max-megapixels={max_megapixels}", "--accelerator=cpu"]
        temporary.mkdir()
        self.temporary = temporary
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deblur.demo", *given],
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        starting, line = self.process.stdout.readline(), self.process.stdout.readline()
        assert starting.startswith("Starting the page "), starting
        assert line.startswith("The page is at http://"), self.process.communicate(timeout=10)
        self.address = line.split()[-1]

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what was printed."""
        self.process.send_signal(signal.SIGINT)
        printed = self.process.communicate(timeout=30)
        return self.process.returncode, "".join(printed)

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:  # the tests of it are over, or one has failed before it came to stop it
            self.process.kill()
            self.process.communicate()


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> tuple[int, bytes, tuple[str, ...]]:
        """All of it that could tell one refusal from another."""
        kept = sorted(f"{key}: {value}" for key, value in self.headers.items() if key not in ("date", "set-cookie"))
        return self.status, self.body, tuple(kept)


class Client:
    """One browser, with its cookie."""

    def __init__(self, demo: Demo) -> None:
        self._place = urlsplit(demo.address).netloc
        self.cookie: str | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; header names have underscores for hyphens."""
        connection = http.client.HTTPConnection(self._place, timeout=60)
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if self.cookie is not None:
            given.setdefault("Cookie", self.cookie)
        connection.request(method, path, body, given)
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def post(self, path: str, content: Any, **headers: str) -> Answer:
        """Send JSON."""
        return self.ask("POST", path, json.dumps(content).encode(), Content_Type="application/json", **headers)

    def upload(self, content: bytes, name: str = "photo.png", **headers: str) -> Answer:
        """Send an image."""
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--x--\r\n"
        return self.ask("POST", "/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=x", **headers)

    def restored(self, call: dict[str, Any], session: str) -> list[Any]:
        """Call the function behind the button; return what it gives."""
        joined = self.post("/gradio_api/queue/join", call | {"session_hash": session})
        assert joined.status == 200, joined
        events = self.ask("GET", f"/gradio_api/queue/data?session_hash={session}").body.decode()
        for event in re.findall(r"^data: (.*)$", events, re.MULTILINE):
            message = json.loads(event)
            if message.get("msg") == "process_completed":
                assert message["success"], message
                return list(message["output"]["data"])
        raise AssertionError(events)

    def file(self, path: str) -> Answer:
        """Ask for a file of the page."""
        return self.ask("GET", f"/gradio_api/file={quote(path)}")
