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

"""Files of a web server that need not be trusted, by HTTP: bounded, resumed and counted.

Any server will do, be it Swift, a mirror or ``python -m http.server``.  One that gives ranges is
asked for several at a time; of one that does not, a file is read front to back, and from its
beginning again where it was cut.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import re
import time
import urllib.parse
from concurrent import futures
from types import TracebackType
from typing import Any, Deque, Generator, Iterator, Optional, Type

import requests
import urllib3

from nova_swift_handler import exceptions

LOG = logging.getLogger(__name__)

_PIECE = 4 * 1024 * 1024
_BIT = 256 * 1024
_ATTEMPTS = 4
_PAUSE = 0.5
"""Seconds before the second attempt; each further pause is twice as long."""

_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class _Cut(Exception):
    """A connection broke, or gave fewer bytes than it was to."""


class Server:
    """Where files are; may be shared by threads.

    :param url: of the catalogue's index: what is fetched lies below the same directory.
    :param timeout: seconds without a byte after which a connection is given up.
    :param cafile: certificates to verify the server's with; None is the system's.
    :raises CatalogueInvalid: it is no address by HTTP.
    """

    def __init__(self, url: str, timeout: float, cafile: Optional[str] = None) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (
                parts.port != 0)  # which also sees that it is a number
        except ValueError:
            is_address = False
        if not is_address:
            raise exceptions.CatalogueInvalid(
                "the catalogue cannot be at the address that was given: one begins with http:// "
                "or https:// and the name of a host")
        self.url = url
        self._timeout = timeout
        self._verify: Any = cafile or True

    @property
    def source(self) -> str:
        """The index's address without what may be secret in it, to be noted down."""
        return _shown(self.url)

    def address(self, relative: str) -> str:
        """Return the address of a file; *relative* has been checked not to lead elsewhere."""
        return urllib.parse.urljoin(self.url, urllib.parse.quote(
            relative, safe="/?&=+%~!$'()*,;:@-._"))

    def small(self, most: int) -> bytes:
        """Return the file at :attr:`url`, if it has not more bytes than *most*.

        :raises TransferFailed: it cannot be had.
        :raises CatalogueInvalid: it has more.
        """
        for cuts in range(1, _ATTEMPTS + 1):
            try:
                with self.get(self.url) as answer:
                    data = bytearray()
                    for bit in _bits(answer, None):
                        data += bit
                        if len(data) > most:
                            raise exceptions.CatalogueInvalid(
                                "%s is no catalogue: it has more than %d bytes"
                                % (_shown(self.url), most))
                    return bytes(data)
            except _Cut as cut:
                _again(self.url, cuts, cut)
        raise AssertionError("unreachable")

    def get(self, url: str, first: Optional[int] = None, last: Optional[int] = None) -> Any:
        """Return the answer to a GET, a context.

        :param first: the first byte wanted.
        :param last: the last one.
        :raises TransferFailed: the server refuses it, or has it elsewhere.
        """
        headers = {"Accept-Encoding": "identity"}
        if first is not None and last is not None:
            headers["Range"] = "bytes=%d-%d" % (first, last)
        try:
            answer = requests.get(url, headers=headers, stream=True, allow_redirects=False,
                                  timeout=self._timeout, verify=self._verify)
        except _BROKEN as error:
            raise _Cut(_without_url(error)) from error
        # What unpacks to a thousand times its size is not even begun with.
        packed = answer.headers.get("Content-Encoding", "identity")
        if answer.status_code in (200, 206) and packed == "identity":
            return contextlib.closing(answer)
        answer.close()
        if answer.status_code in (200, 206):
            raise exceptions.TransferFailed(
                "GET of %s: the server sends it packed (Content-Encoding: %.40r), though it was "
                "asked not to; have it send files as they are" % (_shown(url), packed))
        if answer.status_code in (408, 429, 500, 502, 503, 504):
            raise _Cut("the server answered %d" % answer.status_code)
        why = ("that leads elsewhere; give the address where it really is"
               if answer.is_redirect else "it is not there, or its address has expired: the other "
               "cloud's operator runs `swift-vhd template publish` to make new ones"
               if answer.status_code in (401, 403, 404) else "see the server's log")
        raise exceptions.TransferFailed("GET of %s: the server answered %d: %s"
                                        % (_shown(url), answer.status_code, why))


class Download:
    """The bytes of one file, front to back; a context.

    :param size: bytes that it is to have.
    :param threads: ranges that are fetched at the same time.
    """

    def __init__(self, server: Server, relative: str, size: int, threads: int) -> None:
        self._server = server
        self._url = server.address(relative)
        self._size = size
        self._pool = futures.ThreadPoolExecutor(threads)
        self._ahead: Deque[futures.Future[bytes]] = collections.deque()
        self._threads = threads
        self._asked = 0
        self._left = memoryview(b"")
        self._plain: Optional[Generator[bytes, None, None]] = None
        self._ranges: Optional[bool] = None

    def __enter__(self) -> Download:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        for future in self._ahead:
            future.cancel()
        self._pool.shutdown()
        if self._plain is not None:
            self._plain.close()

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end.

        :raises TransferFailed: it cannot be had, or is shorter or longer than it was to be.
        """
        if not self._left:
            self._left = memoryview(self._next())
        piece = bytes(self._left[:size])
        self._left = self._left[size:]
        return piece

    def _next(self) -> bytes:
        if self._ranges is None:
            self._ranges = self._gives_ranges()
        if not self._ranges:
            if self._plain is None:
                self._plain = self._front_to_back()
            return next(self._plain, b"")
        while len(self._ahead) < self._threads + 1 and self._asked < self._size:
            last = min(self._asked + _PIECE, self._size) - 1
            self._ahead.append(self._pool.submit(self._range, self._asked, last))
            self._asked = last + 1
        return self._ahead.popleft().result() if self._ahead else b""

    def _gives_ranges(self) -> bool:
        """Tell whether the server gives ranges, and of a file of the right size."""
        for cuts in range(1, _ATTEMPTS + 1):
            try:
                with self._server.get(self._url, 0, 0) as answer:
                    told = _number(
                        answer.headers.get("Content-Range", "").rpartition("/")[2]
                        if answer.status_code == 206 else answer.headers.get("Content-Length", ""))
                    if told is not None and told != self._size:
                        raise exceptions.CatalogueInvalid(
                            "%s has %d bytes, the catalogue says %d"
                            % (_shown(self._url), told, self._size))
                    return bool(answer.status_code == 206)
            except _Cut as cut:
                _again(self._url, cuts, cut)
        raise AssertionError("unreachable")

    def _range(self, first: int, last: int) -> bytes:
        data = bytearray()
        cuts = 0
        while len(data) < last - first + 1:
            try:
                with self._server.get(self._url, first + len(data), last) as answer:
                    if answer.status_code != 206:
                        raise _Cut("it gives ranges no more")
                    for bit in _bits(answer, last - first + 1 - len(data)):
                        data += bit
                        cuts = 0
            except _Cut as cut:
                cuts += 1
                _again(self._url, cuts, cut)
                LOG.info("GET of %s was cut at byte %d (%s); going on", _shown(self._url),
                         first + len(data), cut)
        return bytes(data)

    def _front_to_back(self) -> Generator[bytes, None, None]:
        done, cuts = 0, 0
        while done < self._size:
            try:
                with self._server.get(self._url) as answer:
                    skip = done
                    for bit in _bits(answer, self._size):
                        fresh = bit[skip:]
                        skip -= len(bit) - len(fresh)
                        if fresh:
                            done += len(fresh)
                            cuts = 0
                            yield fresh
            except _Cut as cut:
                cuts += 1
                _again(self._url, cuts, cut)
                LOG.info("GET of %s was cut at byte %d (%s); reading it again", _shown(self._url),
                         done, cut)


def _bits(answer: Any, length: Optional[int]) -> Iterator[bytes]:
    """Yield the bytes of an answer; exactly *length*, unless that is None.

    :raises _Cut: there are fewer.
    :raises TransferFailed: there are more.
    """
    done = 0
    wanted = length if length is not None else _number(answer.headers.get("Content-Length", ""))
    try:
        for bit in answer.iter_content(_BIT):
            done += len(bit)
            if length is not None and done > length:
                raise exceptions.CatalogueInvalid(
                    "%s goes on beyond the %d bytes asked for" % (_shown(answer.url), length))
            yield bit
    except _BROKEN as error:
        raise _Cut(_without_url(error)) from error
    if wanted is not None and done != wanted:
        raise _Cut("%d of %d bytes came" % (done, wanted))


def _number(text: str) -> Optional[int]:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _shown(url: str) -> str:
    """Return an address without what is secret in it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((
        parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _without_url(error: Exception) -> str:
    """Return what an error says, without what may be secret in an address."""
    return re.sub(r"\?[^\s'\")]*", "", str(error))


def _again(url: str, cuts: int, cut: _Cut) -> None:
    """Let the server come to itself before it is asked again.

    :param cuts: how often it has failed in a row.
    :raises TransferFailed: that was often enough.
    """
    if cuts >= _ATTEMPTS:
        raise exceptions.TransferFailed(
            "GET of %s did not come to its end, %d times in a row: %s; is the server up, and can "
            "it be reached from here?" % (_shown(url), _ATTEMPTS, cut)) from cut
    time.sleep(_PAUSE * 2 ** (cuts - 1))

