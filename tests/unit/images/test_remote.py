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

"""Files are fetched whole from servers that are slow to give them, or give something else."""

from __future__ import annotations

import gzip
import http.server
import os
import re
import threading
import types
from typing import Any, Dict, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.images import remote
from nova_swift_handler.images.remote import Download, Server

MIB = 1024 * 1024


class Web:
    """A web server.

    :ivar files: what it serves.
    :ivar ranges: whether it gives ranges.
    :ivar cut: bytes after which an answer is broken off; 0 for none.
    :ivar busy: how many more requests are answered by 503.
    :ivar extra: bytes that follow a file beyond what was told.
    :ivar length: what it says that a file's length is, if not its own.
    :ivar encoding: what it says that bytes are packed by; empty for nothing.
    """

    def __init__(self) -> None:
        self.files: Dict[str, bytes] = {}
        self.ranges = True
        self.cut = 0
        self.busy = 0
        self.extra = b""
        self.length = ""
        self.encoding = ""
        self.told = True
        self.asked: List[Any] = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/c/index.json" % self._server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Any) -> None:
        name = request.path.partition("?")[0]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        self.asked.append((name, wanted and wanted[0]))
        if self.busy:
            self.busy -= 1
            request.send_response(503)
            request.end_headers()
            return
        if name == "/c/moved":
            request.send_response(301)
            request.send_header("Location", "/c/disk")
            request.end_headers()
            return
        if name not in self.files:
            request.send_response(404)
            request.end_headers()
            return
        data = self.files[name]
        size = len(data)
        if wanted and self.ranges:
            data = data[int(wanted[1]):int(wanted[2]) + 1]
            request.send_response(206)
            request.send_header("Content-Range", "bytes %s-%s/%d" % (wanted[1], wanted[2], size))
        else:
            request.send_response(200)
        data += self.extra
        if self.encoding:
            request.send_header("Content-Encoding", self.encoding)
        if self.told:
            request.send_header("Content-Length", self.length or str(len(data)))
        request.end_headers()
        request.wfile.write(data[:self.cut] if self.cut else data)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The pauses that are made, in seconds; they take no time."""
    made: List[float] = []
    monkeypatch.setattr(remote, "time", types.SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


def _fetch(web: Web, size: int, threads: int = 3) -> bytes:
    with Download(Server(web.url, 60), "disk", size, threads) as data:
        return b"".join(iter(lambda: data.read(70000), b""))


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [1, 4 * MIB, 13 * MIB + 5])
def test_a_file_comes_whole(web: Web, ranges: bool, size: int) -> None:
    web.ranges = ranges
    web.files["/c/disk"] = os.urandom(size)
    assert _fetch(web, size) == web.files["/c/disk"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_is_cut_goes_on(web: Web, ranges: bool) -> None:
    web.ranges = ranges
    web.files["/c/disk"] = os.urandom(9 * MIB)
    web.cut = 3 * MIB if ranges else 0
    web.busy = 2
    assert _fetch(web, 9 * MIB) == web.files["/c/disk"]


def test_ranges_are_asked_for_several_at_a_time_and_each_once(web: Web) -> None:
    web.files["/c/disk"] = os.urandom(9 * MIB)
    _fetch(web, 9 * MIB)
    assert sorted(asked[1] for asked in web.asked) == sorted([
        "bytes=0-0", "bytes=0-4194303", "bytes=4194304-8388607", "bytes=8388608-9437183"])


def test_a_server_that_never_gives_all_is_given_up(web: Web, pauses: List[float]) -> None:
    web.files["/c/disk"] = os.urandom(MIB)
    web.busy = 100
    with pytest.raises(exceptions.TransferFailed, match="4 times in a row"):
        _fetch(web, MIB)
    assert len(web.asked) == 4
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_of_another_size_is_refused(web: Web, ranges: bool) -> None:
    web.ranges = ranges
    web.files["/c/disk"] = os.urandom(MIB)
    for size in (MIB - 1, MIB + 1):
        with pytest.raises(exceptions.CatalogueInvalid, match="the catalogue says"):
            _fetch(web, size)


def test_bytes_beyond_what_was_told_are_refused(web: Web) -> None:
    web.files["/c/disk"] = os.urandom(MIB)
    web.extra, web.told, web.ranges = b"more", False, False
    with pytest.raises(exceptions.CatalogueInvalid, match="goes on beyond"):
        _fetch(web, MIB)


@pytest.mark.parametrize("length", ["\u00b2", "many"])
def test_a_length_that_is_no_number_is_passed_over(web: Web, length: str) -> None:
    web.ranges, web.length = False, length
    web.files["/c/index.json"] = web.files["/c/disk"] = bytes(1000)
    assert Server(web.url, 60).small(1000) == bytes(1000)
    assert _fetch(web, 1000) == bytes(1000)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "x\x1b[2J"])
def test_what_would_have_to_be_unpacked_is_refused(web: Web, encoding: str) -> None:
    web.files["/c/index.json"] = web.files["/c/disk"] = gzip.compress(bytes(MIB))
    web.encoding = encoding
    for fetch in (lambda: Server(web.url, 60).small(MIB), lambda: _fetch(web, MIB)):
        with pytest.raises(exceptions.TransferFailed, match="sends it packed") as caught:
            fetch()
        assert str(caught.value).isprintable()
    assert len(web.asked) == 2


def test_what_cannot_be_connected_to_tells_no_secret(web: Web) -> None:
    web.close()
    for query in ("temp_url_sig=secret", "X-Amz-Signature=secret"):
        with pytest.raises(exceptions.TransferFailed, match="refused") as caught:
            Server(web.url + "?" + query, 60).small(MIB)
        assert "secret" not in str(caught.value)


def test_what_is_elsewhere_or_nowhere_is_told(web: Web) -> None:
    for name, phrase in (("moved", "leads elsewhere"), ("none", "not there")):
        with Download(Server(web.url, 60), name + "?temp_url_sig=secret", 1, 1) as data:
            with pytest.raises(exceptions.TransferFailed, match=phrase) as caught:
                data.read(1)
            assert "secret" not in str(caught.value)


def test_a_small_file_has_a_limit(web: Web) -> None:
    web.files["/c/index.json"] = bytes(1000)
    assert Server(web.url, 60).small(1000) == bytes(1000)
    with pytest.raises(exceptions.CatalogueInvalid, match="more than 999"):
        Server(web.url, 60).small(999)


@pytest.mark.parametrize("url", ["ftp://h/x", "file:///x", "x", "http://", "javascript:x",
                                 "http://[::1", "http://h:port/x", "http://h:99999/x"])
def test_only_http_is_an_address(url: str) -> None:
    with pytest.raises(exceptions.CatalogueInvalid, match="http://"):
        Server(url, 5)


def test_what_is_noted_of_a_catalogue_holds_no_secret() -> None:
    assert Server("https://me:secret@h/c/index.json?key=secret", 5).source == (
        "https://h/c/index.json")
