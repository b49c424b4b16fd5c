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

"""Read an object front to back, going on by range where a connection was cut."""

from __future__ import annotations

from typing import Any, Tuple

import swiftclient.client as swift

from nova_swift_handler import exceptions, tally
from nova_swift_handler.store.connection import Connection

_PIECE = 1024 * 1024
_CUTS = 5
"""Cuts without a byte in between after which reading is given up."""


class ObjectStream:
    """An object's bytes.

    Has a connection of its own from the thread that reads; the thread makes no other request
    meanwhile.

    :ivar length: bytes of the whole object.
    """

    def __init__(self, connection: Connection, container: str, name: str) -> None:
        self._conn = connection
        self._container = container
        self._name = name
        self._position = 0
        self._cuts = 0
        self._etag = ""
        self.length, self._body = self._open()

    def read(self, size: int = _PIECE) -> bytes:
        """Return up to *size* bytes, none at the end.

        :raises StoreUnreachable: the connection broke, and again each time it was made anew.
        :raises StoreCorrupt: when it was made anew, the object was another one.
        :raises StoreError: when it was made anew, what came was not the rest.
        """
        while self._position < self.length:
            try:
                piece = bytes(self._conn.guard(self._what, lambda: self._body.read(size)))
            except exceptions.StoreUnreachable:
                piece = b""
            if piece:
                self._cuts = 0
                self._position += len(piece)
                tally.TALLY.moved(tally.SWIFT, tally.RECEIVED, len(piece))
                return piece
            # An early end looks like any other: the bytes are counted.
            self._cuts += 1
            self.close()
            if self._cuts > _CUTS:
                raise exceptions.StoreUnreachable(
                    "%s was cut again and again; %d of %d bytes came"
                    % (self._what, self._position, self.length))
            length, self._body = self._open()
            if length != self.length:
                raise exceptions.StoreError(
                    "%s was cut, and %d bytes came for the last %d of it; does a proxy ignore "
                    "ranges?" % (self._what, length - self._position,
                                 self.length - self._position))
        return b""

    def close(self) -> None:
        """Drop the connection."""
        self._body.close()

    @property
    def _what(self) -> str:
        return "GET of %s/%s" % (self._container, self._name)

    def _open(self) -> Tuple[int, Any]:
        headers = {"Range": "bytes=%d-" % self._position} if self._position else {}
        answer, body = self._conn.repeat(self._what, lambda **auth: swift.get_object(
            container=self._container, name=self._name, headers=headers,
            resp_chunk_size=_PIECE, **auth))
        if self._etag and answer["etag"] != self._etag:
            body.close()
            raise exceptions.StoreCorrupt(
                "%s was cut, and before it went on the object was replaced" % self._what)
        self._etag = answer["etag"]
        return self._position + int(answer["content-length"]), body
