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

"""A connected socket, read through a buffer and written straight."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from typing import Optional, Union

_PIECE = 256 * 1024
_DRAIN_BYTES, _DRAIN_SECONDS = 16 << 20, 1.0


class HeadTooLong(Exception):
    """The request's header exceeds the limit."""


class HeadTooSlow(Exception):
    """The request's header did not arrive in time."""


class Stream:
    #: Whether XAPI's limit on headers holds; what comes through stunnel is free of it.
    head_is_limited = True

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._buffer = b""

    def read_head(self, limit: int, idle: float, each: float, total: float) -> Optional[bytes]:
        """Read up to and including the blank line; None when the client closed instead.

        ``limit`` bytes; ``idle`` seconds for the first byte, ``each`` for every further read,
        ``total`` for all.  Raises HeadTooLong, HeadTooSlow.
        """
        deadline: Optional[float] = None
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > limit:
                raise HeadTooLong()
            if self._buffer and deadline is None:
                deadline = time.monotonic() + total
            if deadline is not None and time.monotonic() > deadline:
                raise HeadTooSlow()
            self._socket.settimeout(each if self._buffer else idle)
            try:
                piece = self._socket.recv(4096)
            except socket.timeout:
                if not self._buffer:
                    return None
                raise HeadTooSlow() from None
            if not piece:
                return None
            self._buffer += piece
        self._socket.settimeout(None)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if len(head) + 4 > limit:
            raise HeadTooLong()
        return head

    def read(self, length: int) -> bytes:
        """Return 1..length bytes, b"" at the end of the stream."""
        if self._buffer:
            piece, self._buffer = self._buffer[:length], self._buffer[length:]
            return piece
        return self._socket.recv(min(length, _PIECE))

    def read_exactly(self, length: int) -> bytes:
        """Raises ConnectionError when the stream ends early."""
        pieces = []
        while length:
            piece = self.read(length)
            if not piece:
                raise ConnectionError("the client closed in the middle of a body")
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def write(self, data: Union[bytes, memoryview]) -> None:
        self._socket.sendall(data)

    def reset(self) -> None:
        """Close with an RST instead of a FIN."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()

    def close(self) -> None:
        """Say that nothing more comes, take in a little that is still coming, and close.

        A plain close with unread input makes the kernel send an RST, which may destroy a response
        still on its way.  XAPI takes that risk always; here it is left to large bodies, so that
        a test can read what follows a small one.
        """
        deadline, left = time.monotonic() + _DRAIN_SECONDS, _DRAIN_BYTES
        with contextlib.suppress(OSError):
            self._end_of_data()
            while left > 0 and time.monotonic() < deadline:
                self._socket.settimeout(_DRAIN_SECONDS)
                piece = self._socket.recv(_PIECE)
                if not piece:
                    break
                left -= len(piece)
        with contextlib.suppress(OSError):
            self._socket.close()

    def _end_of_data(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Wake whoever is blocked on this connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class TlsStream(Stream):
    """A connection with TLS, whose end a client can tell from a cut."""

    head_is_limited = False

    def __init__(self, connection: ssl.SSLSocket):
        super().__init__(connection)
        self._tls = connection

    def _end_of_data(self) -> None:
        """Send close_notify; what it says about input that comes nevertheless does not matter."""
        self._tls.settimeout(_DRAIN_SECONDS)
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._socket = self._tls.unwrap()
        super()._end_of_data()
