# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The way into Swift: which tokens are tried, and what TLS is given to go by."""

from __future__ import annotations

import http.server
import ssl
import threading
from concurrent import futures
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest
import swiftclient.client as swift
from keystoneauth1 import plugin, session, token_endpoint

from nova_swift_handler import exceptions, tally
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.connection import Connection
from tests.unit.transfer import services
from tests.unit.xapi import certificates


class Tokens(plugin.BaseAuthPlugin):
    """Gives a new token each time the last one was invalidated, as long as there are any."""

    def __init__(self, *tokens: str) -> None:
        super().__init__()
        self._left = list(tokens)
        self._lock = threading.Lock()

    def get_token(self, session: Any, **kwargs: Any) -> str:
        return self._left[0]

    def get_endpoint(self, session: Any, **kwargs: Any) -> None:
        return None

    def invalidate(self) -> bool:
        with self._lock:
            if len(self._left) > 1:
                del self._left[0]
                return True
        return False


def _swift(*accepted: str) -> Any:
    def answer(request: services.Request) -> services.Answer:
        return (201, b"") if request.headers["x-auth-token"] in accepted else (401, b"")

    return answer


def _connection(server: services.Server, *tokens: str) -> Connection:
    return Connection(session.Session(auth=Tokens(*tokens)),
                      {"endpoint_override": server.url + "/v1/AUTH_x"})


def _put(connection: Connection) -> None:
    Account(connection).put_container("c", {})


def _used(server: services.Server) -> List[str]:
    return [request.headers["x-auth-token"] for request in server.requests]


def test_a_token_that_is_refused_is_renewed_once() -> None:
    with services.Server(_swift("new")) as server:
        _put(_connection(server, "old", "new"))
    assert _used(server) == ["old", "new"]


def test_a_new_token_that_is_refused_too_is_the_end() -> None:
    with services.Server(_swift()) as server, pytest.raises(exceptions.StoreAuthFailed,
                                                            match="401") as caught:
        _put(_connection(server, "old", "new", "newer"))
    assert _used(server) == ["old", "new"]
    assert not caught.value.passing


def test_a_token_that_cannot_be_renewed_is_not_tried_for_ever() -> None:
    with services.Server(_swift()) as server, pytest.raises(exceptions.StoreAuthFailed):
        _put(_connection(server, "only"))
    assert _used(server) == ["only", "only"]


def test_every_end_of_a_token_is_made_good() -> None:
    with services.Server(_swift("second")) as server:
        connection = _connection(server, "first", "second", "third")
        _put(connection)
        server._answer = _swift("third")
        _put(connection)
    assert _used(server) == ["first", "second", "second", "third"]


def test_threads_that_share_a_refused_token_all_go_on() -> None:
    together = threading.Barrier(4, timeout=60)

    def answer(request: services.Request) -> services.Answer:
        if request.headers["x-auth-token"] == "old":
            together.wait()
            return 401, b""
        return 201, b""

    with services.Server(answer) as server, futures.ThreadPoolExecutor(4) as pool:
        connection = _connection(server, "old", *("new%d" % serial for serial in range(4)))
        for each in [pool.submit(_put, connection) for _thread in range(4)]:
            each.result(60)
    assert _used(server).count("old") == 4
    assert len(server.requests) == 8


def _told(caplog: pytest.LogCaptureFixture) -> List[str]:
    return [each.getMessage() for each in caplog.records
            if each.levelname == "WARNING" and "trying again" in each.getMessage()]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without a pause."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("at_once")
def test_an_outage_is_told_once_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    down = threading.Event()
    down.set()
    failures = tally.TALLY.counts()

    def answer(request: services.Request) -> services.Answer:
        return (503 if down.is_set() else 201), b""

    with services.Server(answer) as server:
        connection = _connection(server, "only")
        for _request in range(3):
            with pytest.raises(exceptions.StoreUnreachable):
                _put(connection)
        assert len(server.requests) == 15
        assert len(_told(caplog)) == 1
        assert "answered 503" in _told(caplog)[0]
        down.clear()
        _put(connection)
        down.set()
        with pytest.raises(exceptions.StoreUnreachable):
            _put(connection)
        assert len(_told(caplog)) == 2
    assert tally.TALLY.counts() != failures  # each try is counted all the same


@pytest.mark.usefixtures("at_once")
def test_an_outage_that_many_threads_meet_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with services.Server(lambda request: (503, b"")) as server:
        connection = _connection(server, "only")
        with futures.ThreadPoolExecutor(8) as pool:
            done = [pool.submit(_put, connection) for _thread in range(8)]
        assert all(isinstance(each.exception(), exceptions.StoreUnreachable) for each in done)
    assert len(_told(caplog)) == 1


def test_what_cannot_be_repeated_says_whether_a_new_token_may_help() -> None:
    with services.Server(_swift()) as server:
        connection = _connection(server, "old", "new", "newer")
        passing = []
        for _attempt in range(2):
            with pytest.raises(exceptions.StoreAuthFailed) as caught:
                connection.once("HEAD", swift.head_account)
            passing.append(caught.value.passing)
    assert passing == [True, False]


# -- client certificates ----------------------------------------------------------------------

class _Object(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.send_header("Etag", "e")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Tuple[str, str]]:
    """(URL of a Swift that wants a client certificate, path of the one it takes and has)."""
    context, pem = certificates.make(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(pem))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Object)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "https://127.0.0.1:%d/v1/AUTH_x" % server.server_address[1], str(pem)
    server.shutdown()
    server.server_close()


def _account(url: str, **tls: Any) -> Account:
    # As the section [swift_vhd] makes them.
    own = Credentials("password", {}, **tls)
    return Account(Connection(
        session.Session(auth=token_endpoint.Token(url, "token")), {"endpoint_override": url},
        verify=own.verify, cert=own.cert, attempts=1))


def test_a_client_certificate_is_shown_to_swift(guarded: Tuple[str, str]) -> None:
    url, pem = guarded
    assert _account(url, cafile=pem, certfile=pem).head("c", "o").size == 7


def test_its_key_may_be_in_a_file_of_its_own(guarded: Tuple[str, str], tmp_path: Path) -> None:
    url, pem = guarded
    certificate, begin, key = Path(pem).read_text().partition("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "client.crt").write_text(certificate)
    (tmp_path / "client.key").write_text(begin + key)
    account = _account(url, cafile=pem, certfile=str(tmp_path / "client.crt"),
                       keyfile=str(tmp_path / "client.key"))
    assert account.head("c", "o").size == 7


def test_without_one_such_a_swift_is_not_reached(guarded: Tuple[str, str]) -> None:
    url, pem = guarded
    with pytest.raises(exceptions.StoreUnreachable, match="connection to Swift broke"):
        _account(url, cafile=pem).head("c", "o")
