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

"""Answers that are not what Swift should give; a real one is asked in ``tests/functional/store``.
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest
import tenacity
from keystoneauth1 import session, token_endpoint

from nova_swift_handler import exceptions
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.connection import Connection
from nova_swift_handler.store.etag import md5
from nova_swift_handler.store.manifest import Entry

DATA = bytes(range(256)) * 40
ETAG = md5(DATA).hexdigest()
OTHER = md5(b"other").hexdigest()


class Answer(NamedTuple):
    """What is answered.

    :ivar length: bytes that are promised; those of *body* if None.
    """

    status: int = 200
    body: bytes = b""
    headers: Dict[str, str] = {}
    length: Any = None


class Swift:
    """Gives the next of *answers* to each request.

    :ivar asked: method and, of objects, name of each request.
    :ivar ranges: what ranges were asked for.
    """

    def __init__(self, url: str) -> None:
        self.answers: List[Answer] = []
        self.asked: List[str] = []
        self.ranges: List[str] = []
        self.account = Account(Connection(
            session.Session(auth=token_endpoint.Token(url, "token")), {"endpoint_override": url}))


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> Iterator[Swift]:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _do(self) -> None:
            made.asked.append("%s %s" % (self.command, self.path.partition("?")[0].rpartition(
                "/")[2]))
            made.ranges.append(self.headers.get("Range", ""))
            if self.headers.get("Transfer-Encoding") == "chunked":
                while self.rfile.readline() != b"0\r\n":
                    pass
                self.rfile.readline()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = made.answers.pop(0)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(
                len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Swift("http://127.0.0.1:%d/v1/AUTH_x" % server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()
    assert not made.answers


def _etag(value: str) -> Dict[str, str]:
    return {"Etag": '"%s"' % value}


def test_an_object_of_other_bytes_than_were_sent_is_told(swift: Swift) -> None:
    swift.answers = [Answer(201, headers=_etag(ETAG)), Answer(201, headers=_etag(OTHER))]
    assert swift.account.put("c", "o", DATA) == Stored(ETAG, len(DATA))
    with pytest.raises(exceptions.StoreCorrupt, match="stored bytes of etag " + OTHER):
        swift.account.put("c", "o", DATA)


@pytest.mark.parametrize("status", [204, 404, 503, 403])
def test_a_stream_that_arrived_as_something_else_is_removed(swift: Swift, status: int) -> None:
    swift.answers = [Answer(201, headers=_etag(OTHER)), *[Answer(status)] * (
        5 if status == 503 else 1)]
    with pytest.raises(exceptions.StoreCorrupt, match="stored bytes of etag " + OTHER):
        swift.account.put_stream("c", "o", iter([DATA[:100], DATA[100:]]))
    assert swift.asked[:2] == ["PUT o", "DELETE o"]


def test_a_stream_that_arrived_stays(swift: Swift) -> None:
    swift.answers = [Answer(201, headers=_etag(ETAG))]
    assert swift.account.put_stream("c", "o", iter([DATA[:100], DATA[100:]])) == Stored(
        ETAG, len(DATA))


@pytest.mark.parametrize("size", [10, 99, 101, 1000])
def test_a_stitched_object_shorter_or_longer_than_its_parts_is_told(swift: Swift,
                                                                    size: int) -> None:
    swift.answers = [Answer(201), Answer(headers=_etag(ETAG), length=size)]
    with pytest.raises(exceptions.StoreCorrupt, match="%d bytes where its parts have 100" % size):
        swift.account.put_manifest("c", "o", [
            Entry("/c/a", ETAG, 5000, 10, 89), Entry(data=bytes(20))])


def test_an_object_that_comes_as_another_is_told(swift: Swift) -> None:
    swift.answers = [Answer(body=DATA, headers=_etag(ETAG)),
                     Answer(body=DATA, headers=_etag(OTHER))]
    assert swift.account.get("c", "o") == DATA
    with pytest.raises(exceptions.StoreCorrupt, match="do not match the etag"):
        swift.account.get("c", "o")


def test_an_object_that_is_cut_is_asked_for_again(swift: Swift) -> None:
    swift.answers = [Answer(body=DATA[:-1], headers=_etag(ETAG), length=len(DATA)),
                     Answer(body=DATA, headers=_etag(ETAG))]
    assert swift.account.get("c", "o") == DATA


def test_a_range_that_is_cut_goes_on_where_it_was(swift: Swift) -> None:
    swift.answers = [Answer(206, DATA[5:20], length=100), Answer(206, DATA[20:105])]
    target = bytearray(100)
    swift.account.read_into("c", "o", 5, memoryview(target))
    assert target == DATA[5:105]
    assert swift.ranges == ["bytes=5-104", "bytes=20-104"]


def test_a_range_that_ends_early_each_time_is_told(swift: Swift) -> None:
    swift.answers = [Answer(206, DATA[5:20]), *[Answer(206)] * 4]
    with pytest.raises(exceptions.StoreUnreachable, match="15 of 100 bytes"):
        swift.account.read_into("c", "o", 5, memoryview(bytearray(100)))


def test_more_than_a_range_is_told(swift: Swift) -> None:
    swift.answers = [Answer(200, DATA)]
    with pytest.raises(exceptions.StoreError, match="ignore ranges"):
        swift.account.read_into("c", "o", 5, memoryview(bytearray(100)))


def _read(swift: Swift) -> bytes:
    stream = swift.account.open("c", "o")
    pieces = []
    while True:
        piece = stream.read(1000)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def test_a_stream_goes_on_where_it_was_cut(swift: Swift) -> None:
    swift.answers = [Answer(200, DATA[:3000], _etag(ETAG), len(DATA)),
                     Answer(206, DATA[3000:], _etag(ETAG))]
    assert _read(swift) == DATA
    assert swift.ranges == ["", "bytes=3000-"]


@pytest.mark.parametrize(("rest", "etag", "phrase"), [
    (DATA[3000:], OTHER, "object was replaced"), (DATA, ETAG, "ignore ranges"),
    (DATA[3001:], ETAG, "ignore ranges")])
def test_a_stream_does_not_go_on_with_what_is_not_the_rest(swift: Swift, rest: bytes, etag: str,
                                                           phrase: str) -> None:
    swift.answers = [Answer(200, DATA[:3000], _etag(ETAG), len(DATA)),
                     Answer(206, rest, _etag(etag))]
    with pytest.raises(exceptions.StoreError, match=phrase):
        _read(swift)


def _rows(*names: str) -> bytes:
    return json.dumps([{"name": name} for name in names]).encode()


@pytest.mark.parametrize("body", [_rows("a", "b", "c")[:-9], b"", b"<html>gateway</html>"])
def test_a_listing_that_is_cut_is_asked_for_again(swift: Swift, body: bytes) -> None:
    swift.answers = [Answer(body=_rows("a", "b")), Answer(body=body), Answer(body=_rows("c")),
                     Answer(204)]
    assert [row["name"] for row in swift.account.listing("c")] == ["a", "b", "c"]
    swift.answers = [Answer(body=body), Answer(body=_rows("c1")), Answer(204)]
    assert list(swift.account.containers("c")) == ["c1"]


def test_a_listing_that_does_not_come_whole_is_no_shorter_one(swift: Swift) -> None:
    swift.answers = [Answer(body=_rows("a")), *[Answer(body=b"[")] * 5]
    rows = swift.account.listing("c")
    assert next(rows)["name"] == "a"
    with pytest.raises(exceptions.StoreUnreachable, match="listing container c"):
        next(rows)
