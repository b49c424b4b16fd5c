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

"""Connections that carry a disk's bytes to or from XAPI.

XAPI's handlers write their answers by hand (xen-api ``import_raw_vdi.ml``,
``export_raw_vdi.ml``): the head of a 200 comes before any work is done, no length and no chunked
coding follow, the end is the closing of the connection, and an error met after the 200 arrives as
the text of another response.  Hence sockets instead of http.client.
"""

from __future__ import annotations

import select
import socket
import ssl
import types
from typing import Dict, Optional, Type

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import patience as patiences

MAX_REQUEST_HEAD = 1024
"""XAPI's limit on port 80, in bytes (``xapi_globs.ml``)."""
_MAX_ANSWER_HEAD = 64 * 1024
_SEND_SIZE = 1024 * 1024
_MAX_SAID = 4096
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PeerSpoke(Exception):
    """The server answered or closed while a body was still being sent."""


class DataConnection:
    """One request whose body, or whose answer's body, is a disk.

    All sizes are bytes.  Methods raise OSError when the connection breaks, and what
    :class:`Patience` raises when it stands still.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket."""
        self._sock = sock
        self._sock.setblocking(False)
        self._ahead = bytearray()  # Body bytes that came with the head.
        self.status = 0
        self.headers: Dict[str, str] = {}
        self.eof = False

    def __enter__(self) -> DataConnection:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[types.TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection, whatever is still under way on it."""
        self._sock.close()

    def request(self, head: bytes, patience: patiences.Patience) -> None:
        """Send a request's head and read the head of the answer into status and headers.

        :raises XapiUnreachable: the answer is no HTTP.
        """
        self._send(memoryview(head), patience, heed=False)
        answer = bytearray()
        while b"\r\n\r\n" not in answer:
            piece = bytearray(_MAX_SAID)
            count = self._receive(memoryview(piece), patience)
            answer += piece[:count]
            if not count or len(answer) > _MAX_ANSWER_HEAD:
                raise exceptions.XapiUnreachable(
                    f"the answer ended after {len(answer)} bytes, before its HTTP head was"
                    " complete")
        text, _, rest = bytes(answer).partition(b"\r\n\r\n")
        self._ahead += rest
        self._parse(text.decode("latin-1"))

    def _parse(self, head: str) -> None:
        lines = head.split("\r\n")
        parts = lines[0].split(" ", 2)
        if not parts[0].startswith("HTTP/") or len(parts) < 2 or not parts[1].isdecimal():
            raise exceptions.XapiUnreachable("what answers does not speak HTTP")
        self.status = int(parts[1])
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    def readinto(self, view: memoryview, patience: patiences.Patience) -> int:
        """Fill a buffer from the answer's body; less than all of it only at the end."""
        done = 0
        if self._ahead:
            done = min(len(view), len(self._ahead))
            view[:done] = self._ahead[:done]
            del self._ahead[:done]
        while done < len(view):
            count = self._receive(view[done:], patience)
            if not count:
                break
            done += count
        return done

    def send(self, data: memoryview, patience: patiences.Patience) -> None:
        """Send a piece of the body, heeding what the server says meanwhile.

        :raises PeerSpoke: the server closed, or wrote anything, before the body was complete.
        """
        if self._ahead:
            raise PeerSpoke
        self._send(data, patience, heed=True)

    def rest(self, patience: patiences.Patience) -> bytes:
        """Read to the end of the answer, or until the task has succeeded.

        :returns: the first bytes of what came; nothing after a transfer that went well.
        """
        said = self._ahead[:_MAX_SAID]
        while not self.eof and len(said) < _MAX_SAID:
            piece = bytearray(_MAX_SAID)
            count = self._receive(memoryview(piece), patience, until_settled=True)
            said += piece[:count]
            if not count:
                break
        return bytes(said[:_MAX_SAID])

    def _send(self, data: memoryview, patience: patiences.Patience, heed: bool) -> None:
        wanted = select.POLLOUT | (select.POLLIN if heed else 0)
        poll = select.poll()
        poll.register(self._sock, wanted)
        while data:
            events = poll.poll(patience.tick * 1000)
            if not events:
                if patience.stalled() and heed:
                    raise PeerSpoke
                continue
            if heed and events[0][1] & ~select.POLLOUT and self._heard():
                raise PeerSpoke
            try:
                count = self._sock.send(data[:_SEND_SIZE])
            except _NOT_NOW as exc:
                reading = isinstance(exc, ssl.SSLWantReadError)
                poll.modify(self._sock, select.POLLIN if reading else wanted)
                continue
            poll.modify(self._sock, wanted)
            data = data[count:]
            patience.moved()

    def _heard(self) -> bool:
        """Whether a readable socket has anything for us; TLS has messages of its own."""
        try:
            piece = self._sock.recv(_MAX_SAID)
        except _NOT_NOW:
            return False
        self.eof = not piece
        self._ahead += piece
        return True

    def _receive(self, view: memoryview, patience: patiences.Patience,
                 until_settled: bool = False) -> int:
        poll = None
        while not self.eof:
            try:
                count = self._sock.recv_into(view)
            except _NOT_NOW as exc:
                if poll is None:
                    poll = select.poll()
                    poll.register(self._sock, select.POLLOUT if isinstance(
                        exc, ssl.SSLWantWriteError) else select.POLLIN)
                quiet = not poll.poll(patience.tick * 1000)
                if quiet and patience.stalled() and until_settled:
                    return 0
                continue
            self.eof = not count
            patience.moved()
            return count
        return 0
