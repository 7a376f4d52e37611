"""A browser to look at pages with."""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine")
SECONDS = 180  # after which a browser that does not answer is ended
# Chromium takes commands at its file descriptor 3 and answers at 4.
START = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
LOUD = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}


def browse(page: Path, script: str = "", at: str = "") -> tuple[object, str]:
    """Open a page in headless Chromium; returns what `script` returned, and the page as it then is.

    The script runs once the page is loaded, under the page's own policy, and may wait. Any message on the
    console fails the test.
    """
    folder = page.parent / "chromium"
    with Tab(folder) as tab:
        tab.open(page.as_uri() + at)
        told = tab.value_of("(async () => {window.confirm = () => true; " + script + "})()")
        seen = tab.value_of("document.documentElement.outerHTML")
    assert not tab.said, tab.said
    return told, seen


class Tab:
    """One tab of a Chromium of its own, spoken to in the DevTools protocol: JSON objects, each ended by a NUL."""

    def __init__(self, folder: Path):
        self.said: list[dict] = []  # what stood on the console
        self.loaded: set[str] = set()  # the documents that are loaded, by the name of their loader
        self.count, self.session = 0, None
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self.commands, self.answers = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self.process = subprocess.Popen(
            ["bash", "-c", START, "bash", str(theirs_in), str(theirs_out), CHROMIUM, "--headless", "--no-sandbox",
             "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.clock = threading.Timer(SECONDS, self.process.kill)

    def __enter__(self) -> "Tab":
        self.clock.start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, *failure: object) -> None:
        self.session = None
        if failure[0] is None:
            self.call("Browser.close")  # which also writes what the page stored
        else:
            self.process.kill()
        self.process.wait()
        self.clock.cancel()
        self.commands.close()
        self.answers.close()

    def call(self, method: str, **parameters: object) -> dict:
        """The answer to one command; what happens before it is noted."""
        self.count += 1
        command = {"id": self.count, "method": method, "params": parameters}
        if self.session is not None:
            command["sessionId"] = self.session
        self.commands.write(json.dumps(command).encode() + b"\0")
        self.commands.flush()
        while (message := self.next_message()).get("id") != self.count:
            pass
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def open(self, address: str) -> None:
        """Returns once the document has fired its load event."""
        loader = self.call("Page.navigate", url=address)["loaderId"]
        while loader not in self.loaded:
            self.next_message()

    def value_of(self, expression: str) -> object:
        """What an expression of the page's gives, waited for where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def next_message(self) -> dict:
        text = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "Chromium ended, or did not answer in time"
            text += byte
        message = json.loads(text)
        if message.get("method") in LOUD:
            self.said.append(message)
        if message.get("method") == "Page.lifecycleEvent" and message["params"]["name"] == "load":
            self.loaded.add(message["params"]["loaderId"])
        return message
