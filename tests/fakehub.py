"""A small Hugging Face hub over HTTP: repositories of datasets, uploads of plain and of large files, commits.

It speaks what ``huggingface_hub`` sends on an upload (create, info, validate-yaml, preupload, LFS batch, commit).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Repository:
    """Its files by path, who may see it, and how many commits it has."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


@dataclass
class FakeHub:
    """What the server knows.

    Attributes:
        url: of the server.
        token: the only one that it takes.
        repositories: by ``owner/name``.
        large_from: files of so many bytes are uploaded by LFS.
        fail_commit: status that commits are refused with, 0 for none.
        asked: method and path of each request, in order.
    """

    url: str = ""
    token: str = "hf_right"
    repositories: dict[str, Repository] = field(default_factory=dict)
    large_from: int = 1 << 40
    fail_commit: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Requests for what is there."""
        self._handle()

    do_POST = do_PUT = do_GET

    def _handle(self) -> None:
        path = self.path.split("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        body = self._body()
        if path.startswith("/objects/") and self.command == "PUT":  # storage has addresses of its own, no token
            self.hub.objects[path.removeprefix("/objects/")] = body
            return self._answer(200, {})
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._answer(401, {"error": "Invalid username or password."})
        return self._known(path, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _known(self, path: str, body: bytes) -> None:
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        lfs = re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path)
        if lfs:
            objects = [
                {
                    "oid": o["oid"],
                    "size": o["size"],
                    "actions": {"upload": {"href": f"{self.hub.url}/objects/{o['oid']}"}},
                }
                for o in json.loads(body)["objects"]
            ]
            return self._answer(200, {"transfer": "basic", "objects": objects})
        of = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/(preupload|commit|revision)/main)?", path)
        repository = self.hub.repositories.get(of[1]) if of else None
        if of is None or repository is None:
            return self._answer(404, {"error": "Repository not found"})
        if of[2] == "preupload":
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["size"] >= self.hub.large_from else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            return self._answer(200, {"files": files})
        if of[2] == "commit":
            return self._commit(of[1], repository, body)
        info = {
            "_id": "0",
            "id": of[1],
            "sha": str(repository.commits),
            "private": repository.private,
            "siblings": [{"rfilename": name} for name in [".gitattributes", *repository.files]],
        }
        return self._answer(200, info)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
        answer = {"url": f"{self.hub.url}/datasets/{name}", "name": name}
        if name in self.hub.repositories:
            return self._answer(409, {"error": "You already created this dataset repo", **answer})
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private)
        return self._answer(200, answer)

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        if self.hub.fail_commit:
            return self._answer(self.hub.fail_commit, {"error": "not now"})
        files = dict(repository.files)
        for line in body.splitlines():
            part = json.loads(line)
            value = part["value"]
            if part["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif part["key"] == "lfsFile":
                data = self.hub.objects[value["oid"]]
                assert hashlib.sha256(data).hexdigest() == value["oid"]
                files[value["path"]] = data
            elif part["key"] == "deletedFile":
                del files[value["path"]]
        repository.files = files
        repository.commits += 1
        made = {"commitUrl": f"{self.hub.url}/datasets/{name}/commit/1", "commitOid": "1", "pullRequestUrl": None}
        return self._answer(200, {"success": True, **made})


@contextlib.contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub on a free port of this machine, until the block ends."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
