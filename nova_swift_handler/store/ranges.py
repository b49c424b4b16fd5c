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

"""Several ranges of an object by one request.

The answer is ``multipart/byteranges`` (RFC 9110, 14.6): before each range a line with the boundary
and headers, of which Content-Range says what it is.
"""

from __future__ import annotations

import contextlib
import email.message
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence

import swiftclient.client as swift

from nova_swift_handler import exceptions, tally
from nova_swift_handler.store.connection import Connection

MOST = 50
"""Ranges that Swift answers at once (swift/common/swob.py, MAX_RANGES)."""

_PIECE = 1024 * 1024
_LONGEST_LINE = 8192


class Range(NamedTuple):
    """A part of an object.

    :ivar offset: its first byte.
    :ivar target: is filled with it; not empty.
    """

    offset: int
    target: memoryview

    @property
    def header(self) -> str:
        """The range as in the header of a request."""
        return "%d-%d" % (self.offset, self.offset + len(self.target) - 1)


def read(connection: Connection, container: str, name: str, ranges: Sequence[Range]) -> bool:
    """Fill the targets of 2 to :data:`MOST` ranges, which ascend and do not overlap.

    What has come whole before a connection is cut is not asked for again.

    :return: False if Swift, or what is before it, does not answer several ranges at once; then
        the targets are not filled.
    :raises StoreError: Swift failed, or sent something else.
    """
    what = "GET of %s/%s" % (container, name)
    done = 0

    def fetch(**auth: Any) -> bool:
        nonlocal done
        done = min(done, len(ranges) - 2)  # the answer to one alone has another form
        asked = ranges[done:]
        headers, body = swift.get_object(
            container=container, name=name, resp_chunk_size=_PIECE,
            headers={"Range": "bytes=" + ",".join(each.header for each in asked)}, **auth)
        with contextlib.closing(body):
            boundary = _boundary(headers)
            if boundary is None:
                return False
            parts = _Body(body, what)
            for each in asked:
                _check(parts, boundary, each, what)
                _fill(parts, each.target)
                done += 1
            parts.drain()
        return True

    return connection.repeat(what, fetch)


def _boundary(headers: Dict[str, str]) -> Optional[bytes]:
    message = email.message.Message()
    message["Content-Type"] = headers.get("content-type", "")
    if message.get_content_type() != "multipart/byteranges":
        return None
    return b"--" + str(message.get_boundary("")).encode("utf-8")


def _check(body: _Body, boundary: bytes, wanted: Range, what: str) -> None:
    """See that what comes next is *wanted*."""
    line = body.line()
    while not line:
        line = body.line()
    if line != boundary:
        raise exceptions.StoreError("%s: a part begins with %r, not with the boundary" % (
            what, line[:80]))
    found = [value for key, value in body.headers() if key == "content-range"]
    if [each.split("/")[0].split(" ")[-1] for each in found] != [wanted.header]:
        raise exceptions.StoreError("%s: the bytes %s were asked for, and %s came" % (
            what, wanted.header, " and ".join(found) or "unnamed ones"))


def _fill(body: _Body, target: memoryview) -> None:
    done = 0
    while done < len(target):
        piece = body.some(len(target) - done)
        target[done:done + len(piece)] = piece
        done += len(piece)


class _Body:
    """An answer's body, by line and by bytes.

    Its methods raise StoreUnreachable where it ends: it was cut.
    """

    def __init__(self, body: Any, what: str) -> None:
        self._body = body
        self._what = what
        self._ahead = b""

    def line(self) -> bytes:
        """Return the next line without its end."""
        while b"\r\n" not in self._ahead:
            if len(self._ahead) > _LONGEST_LINE:
                raise exceptions.StoreError("%s: a part's headers do not end" % self._what)
            self._ahead += self._more(_LONGEST_LINE)
        line, _end, self._ahead = self._ahead.partition(b"\r\n")
        return line

    def headers(self) -> Iterator[Sequence[str]]:
        """Yield (name in lower case, value) up to the empty line."""
        line = self.line()
        while line:
            key, _colon, value = line.decode("latin-1").partition(":")
            yield key.strip().lower(), value.strip()
            line = self.line()

    def some(self, most: int) -> bytes:
        """Return at most so many bytes, at least one."""
        if self._ahead:
            piece, self._ahead = self._ahead[:most], self._ahead[most:]
            return piece
        return self._more(min(most, _PIECE))

    def drain(self) -> None:
        """Read what is left, so that the connection can serve the next request."""
        while self._counted(_PIECE):
            pass

    def _more(self, most: int) -> bytes:
        piece = self._counted(most)
        if not piece:
            raise exceptions.StoreUnreachable("%s was cut between its ranges" % self._what)
        return piece

    def _counted(self, most: int) -> bytes:
        piece = bytes(self._body.read(most))
        tally.TALLY.moved(tally.SWIFT, tally.RECEIVED, len(piece))
        return piece
