"""A stand-in for the Hugging Face Hub on this computer: the endpoints of huggingface_hub that write and read files."""

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOKEN = "hf_writer"


class HubStandIn(http.server.ThreadingHTTPServer):
    """Repositories in memory; the token `TOKEN` may create them and write.

    Attributes:
        repositories: the files of each, by their names.
        created: what was asked for of each new one.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.created: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self, home: Path, token: str = "") -> dict[str, str]:
        """Return the environment of a command that takes it for the Hub; nothing of the user's own account is read."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        return kept | {"HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}


@contextmanager
def hub() -> Iterator[HubStandIn]:
    """Serve a stand-in while the block runs."""
    with HubStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def python(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run this Python; huggingface_hub reads the address of its server only as it is imported."""
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubStandIn
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = self.path.partition("?")[0]
        if place == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif place == "/api/repos/create":
            asked = json.loads(content)
            name = f"{asked['organization']}/{asked['name']}"
            is_new = name not in self.server.repositories
            self.server.created += [asked] if is_new else []
            self.server.repositories.setdefault(name, {})
            self._answer({"url": f"{self.server.address}/{name}"}, 200 if is_new else 409)
        elif "/preupload/" in place:
            names = [each["path"] for each in json.loads(content)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self._answer({"files": files})
        elif "/commit/" in place:
            repository = "/".join(place.split("/")[3:5])
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    written = base64.b64decode(line["value"]["content"])
                    self.server.repositories[repository][line["value"]["path"]] = written
            commit = {"commitOid": "1" * 40, "commitUrl": f"{self.server.address}/{repository}/commit/{'1' * 40}"}
            self._answer(commit)
        else:
            self._answer({}, 404)

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        is_list = parts[:2] == ["api", "models"]
        repository = "/".join(parts[2:4] if is_list else parts[:2])
        files = self.server.repositories.get(repository)
        if files is None:
            self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif (parts[5:6] or ["main"] if is_list else parts[3:4]) != ["main"]:
            self._answer({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        elif is_list:
            self._answer({"id": repository, "sha": "1" * 40, "siblings": [{"rfilename": name} for name in files]})
        elif (name := "/".join(parts[4:])) not in files:
            self._answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        else:
            tag = hashlib.sha256(files[name]).hexdigest()
            self._send(files[name], 200, {"ETag": f'"{tag}"', "X-Repo-Commit": "1" * 40})

    do_HEAD = do_GET

    def _answer(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Keep the terminal of the tests quiet."""
