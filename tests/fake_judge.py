"""A chat server on this machine, over real HTTP."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def nobody() -> Iterator[str]:
    """The address of a server that does not run; its port is kept, so that no other test's server gets it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{silent.getsockname()[1]}/v1"


class FakeJudge(ThreadingHTTPServer):
    """A chat server; `reply(body)` gives a text, or (status, bytes, headers)."""

    daemon_threads = True

    def __init__(self, reply) -> None:
        self.reply, self.asked, self.at_once, self.most_at_once = reply, [], 0, 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.respond(200, json.dumps({"data": [{"id": "some-model"}]}).encode(), {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((self.path, body))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        found = self.server.reply(body)
        with self.server.lock:
            self.server.at_once -= 1
        if isinstance(found, str):
            found = 200, json.dumps({"choices": [{"message": {"content": found}}]}).encode(), {}
        self.respond(*found)

    def respond(self, status: int, content: bytes, headers: dict) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            pass  # the client has gone

    def log_message(self, *_: object) -> None:
        pass


def parts(body: dict) -> dict[str, str]:
    """The texts of a chat, by their names."""
    content = body["messages"][1]["content"]
    return dict(re.findall(r"\[begin ([\w ]+) [0-9a-f]{16}\]\n(.*?)\n\[end \1 [0-9a-f]{16}\]", content, re.S))


def longer(body: dict) -> str:
    """A judge that prefers the longer answer."""
    time.sleep(0.01)  # so that several are asked at once
    found = parts(body)
    return "A" if len(found["answer A"]) > len(found["answer B"]) else "**B**."
