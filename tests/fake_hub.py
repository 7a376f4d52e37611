"""A stand-in for the Hugging Face Hub on this machine, over real HTTP: repositories, uploads and commits."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_token_of_the_tests"
# Files that the stand-in takes as large ones, in a request of their own.
LARGE = (".safetensors", "tokenizer.json")


@dataclass
class Repository:
    """A repository: its files as they are after the last commit."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=lambda: ["0" * 40])


class FakeHub(ThreadingHTTPServer):
    """Answers what huggingface_hub asks; `fails(method, path)` gives the status of a request that fails."""

    daemon_threads = True

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}  # content by SHA-256
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.fails: Callable[[str, str], int] = lambda _method, _path: 0
        super().__init__(("127.0.0.1", 0), Handler)
        # Poll interval in seconds: the default of 0.5 would delay the end of each test.
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def git_id(content: bytes) -> str:
    """The id that git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def do_GET(self) -> None:
        self.answer_request()

    def do_POST(self) -> None:
        self.answer_request()

    def do_PUT(self) -> None:
        self.answer_request()

    def answer_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path))
        self.server.bodies.append(body)
        status = self.server.fails(self.command, path)
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}" or path.startswith("/large/")
        if status or not known:
            return self.respond(status or 401, {"error": "refused by the stand-in"})
        self.respond(*self.result(path, body))

    def result(self, path: str, body: bytes) -> tuple[int, dict]:
        """Status and content of the answer."""
        if path.startswith("/large/"):
            sha256 = hashlib.sha256(body).hexdigest()
            if not path.endswith(sha256):
                return 400, {"error": "the content is not what was announced"}
            self.server.large[sha256] = body
            return 200, {}
        content = json.loads(body) if body and "/commit/" not in path else {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            name = f"{content['organization']}/{content['name']}"
            if name in self.server.repositories:
                return 409, {"error": "exists", "url": f"{self.server.url}/{name}"}
            private = content.get("private") is True or content.get("visibility") == "private"
            self.server.repositories[name] = Repository(private)
            return 200, {"url": f"{self.server.url}/{name}"}
        name = "/".join(path.removeprefix("/api/models").split("/")[1:3]).removesuffix(".git")
        if (repository := self.server.repositories.get(name)) is None:
            return 404, {"error": "no such repository"}
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"objects": [self.place(one) for one in content["objects"]]}
        if "/preupload/" in path:
            return 200, {"files": [self.mode(repository, one) for one in content["files"]]}
        if "/commit/" in path:
            return 200, self.commit(name, repository, [json.loads(line) for line in body.splitlines()])
        files = [{"rfilename": file} for file in repository.files]
        state = {"private": repository.private, "sha": repository.commits[-1], "siblings": files}
        return 200, {"id": name, **state}

    def place(self, wanted: dict) -> dict:
        """Where to send a large file; nowhere if the content is known."""
        if wanted["oid"] in self.server.large:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.server.url}/large/{wanted['oid']}"}}}

    def mode(self, repository: Repository, wanted: dict) -> dict:
        """How to send a file, and the id of what the repository has under its name."""
        large = wanted["path"].endswith(LARGE)
        there = repository.files.get(wanted["path"])
        name = hashlib.sha256(there).hexdigest() if there is not None and large else git_id(there or b"")
        return {"path": wanted["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False,
                "oid": None if there is None else name}  # fmt: skip

    def commit(self, name: str, repository: Repository, lines: list[dict]) -> dict:
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        repository.files = files
        repository.commits.append(hashlib.sha1(json.dumps(lines).encode()).hexdigest())
        oid = repository.commits[-1]
        return {"commitUrl": f"{self.server.url}/{name}/commit/{oid}", "commitOid": oid}

    def respond(self, status: int, content: dict) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
