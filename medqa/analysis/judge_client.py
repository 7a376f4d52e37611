"""HTTP client for a judge on this machine or in this network: any server with OpenAI's chat interface.

It uses no proxy, follows no redirect, and connects only to addresses that it has checked: the answers of a
hospital's models must not leave its network by accident.
"""

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from medqa.artifacts.plain_words import in_words
from medqa.runtime.errors import UserError

# Networks of loopback and private addresses (RFC 1918, RFC 4193). Link-local ones are not among them: clouds
# serve credentials there.
LOCAL = [
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]
# Seconds to wait for a connection when an evaluation starts.
CONNECT_TIMEOUT = 5.0
# Bytes of the longest response that is read.
LONGEST_RESPONSE = 1 << 20
# Seconds before each further attempt after a fault that can pass.
WAITS = (1.0, 4.0)
PASSING = (408, 425, 429, 500, 502, 503, 504)


class JudgeError(Exception):
    """A request failed, or its response is not that of a chat interface."""


@dataclass(frozen=True)
class Server:
    """Where the judge is.

    Attributes:
        url: of the interface, such as http://localhost:8000/v1.
        allow_remote: whether addresses outside of `LOCAL` are allowed.
        timeout: seconds without a byte before a request fails.
    """

    url: str
    allow_remote: bool = False
    timeout: float = 120.0

    def check(self) -> None:
        """Check the URL and its addresses.

        Raises:
            UserError: it is not an http(s) URL, its host is unknown, or an address is not local.
        """
        parts = urlsplit(self.url)
        try:
            valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is not a number
            valid = False
        if not valid or parts.query or parts.fragment or parts.username:
            raise UserError(
                f"JUDGE_URL {self.url!r} is not the address of a server: expected the form "
                "http://localhost:8000/v1"
            )
        try:
            self.addresses()
        except OSError as error:
            raise UserError(
                f"JUDGE_URL {self.url}: its host cannot be resolved ({in_words(error)})."
            ) from None

    def require_answer(self, model: str) -> None:
        """Connect, for at most `CONNECT_TIMEOUT` seconds, and without a `model` ask for the server's models.

        Raises:
            UserError: nothing accepts connections there, or what answers is not a chat interface.
        """
        quick = replace(self, timeout=CONNECT_TIMEOUT)
        advice = "Start the judge's server, correct the URL, or leave out --JUDGE_URL"
        connection = _Connection(urlsplit(self.url).hostname, quick)
        try:
            connection.connect()
        except OSError as error:
            slow = isinstance(error, TimeoutError)
            reason = f"no answer within {CONNECT_TIMEOUT:g} s" if slow else error.strerror or "no answer"
            raise UserError(f"JUDGE_URL {self.url}: nobody answers there ({reason}). {advice}") from None
        finally:
            connection.close()
        if not model:
            # A server that is still loading its model answers later.
            with contextlib.suppress(OSError, http.client.HTTPException, _PassingFault):
                try:
                    self._listed(quick._request("GET", "/models", None))
                except JudgeError as error:
                    raise UserError(f"JUDGE_URL {self.url}: {error}. {advice}") from None

    def addresses(self) -> list[tuple[Any, ...]]:
        """The resolved addresses, as of `socket.getaddrinfo`.

        Raises:
            UserError: one of them is neither loopback nor private, and `allow_remote` is off.
            OSError: the host is unknown.
        """
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        outside = [entry[4][0] for entry in found if not is_local(entry[4][0])]
        if outside and not self.allow_remote:
            raise UserError(
                f"JUDGE_URL {self.url} leads to {outside[0]}, outside of this machine and its private "
                "network. Questions and answers would leave it. If they may, add --ALLOW_REMOTE_JUDGE"
            )
        return found

    def chat(self, model: str, messages: list[dict[str, str]], max_tokens: int) -> str:
        """The text that the model answers at temperature 0; faults that can pass are tried again.

        Raises:
            JudgeError: no usable response.
        """
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}
        content = self._retried("POST", "/chat/completions", json.dumps(body).encode())
        try:
            text = content["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise JudgeError("the response has no choices[0].message.content")
        return text

    def first_model(self) -> str:
        """The name of the first model that the server lists.

        Raises:
            JudgeError: the server is not reachable, or lists none.
        """
        return self._listed(self._retried("GET", "/models", None))

    @staticmethod
    def _listed(content: Any) -> str:
        try:
            return str(content["data"][0]["id"])
        except (KeyError, IndexError, TypeError):
            raise JudgeError("the server lists no model; name it with --JUDGE_MODEL") from None

    def _retried(self, method: str, path: str, body: bytes | None) -> Any:
        """`_request`, tried again after `WAITS`."""
        for wait in (*WAITS, None):
            try:
                return self._request(method, path, body)
            except (OSError, http.client.HTTPException, _PassingFault) as error:
                if wait is None:
                    raise JudgeError(in_words(error) or type(error).__name__) from None
            time.sleep(wait)
        raise AssertionError

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        """The JSON content of one response."""
        parts = urlsplit(self.url)
        connection = _Connection(parts.hostname, self)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json", "Host": parts.netloc}
            connection.request(method, parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            content = response.read(LONGEST_RESPONSE + 1)
        finally:
            connection.close()
        if response.status in PASSING:
            raise _PassingFault(f"status {response.status}")
        if response.status != 200:
            redirect = " (a redirect, which is not followed)" if 300 <= response.status < 400 else ""
            raise JudgeError(f"status {response.status}{redirect}")
        if len(content) > LONGEST_RESPONSE:
            raise JudgeError(f"the response is longer than {LONGEST_RESPONSE:,} bytes")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise JudgeError("the response is not JSON") from None


class _PassingFault(Exception):
    """A status that can be another one a moment later."""


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked: the host is resolved once, here."""

    def __init__(self, host: str, server: Server) -> None:
        super().__init__(host, timeout=server.timeout)
        self.server = server

    def connect(self) -> None:
        """Connect to the first checked address that accepts."""
        last: OSError | None = None
        for family, kind, protocol, _, address in self.server.addresses():
            connected = socket.socket(family, kind, protocol)
            connected.settimeout(self.server.timeout)
            try:
                connected.connect(address)
            except OSError as error:
                connected.close()
                last = error
                continue
            if self.server.url.startswith("https:"):
                context = ssl.create_default_context()
                connected = context.wrap_socket(connected, server_hostname=self.host)
            self.sock = connected
            return
        raise last or OSError("no address")


def is_local(address: str) -> bool:
    """Whether an address is loopback or private; an IPv4 address inside an IPv6 one counts as IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in LOCAL if network.version == found.version)
