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

"""Between an HTTP client and a server: cuts, changes and refuses what a test names.

Every connection carries one request, so that what befalls it befalls nothing else.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from types import TracebackType
from typing import Callable, List, Optional, Tuple, Type
from urllib import parse

_PIECE = 65536
_END = b"\r\n\r\n"

REQUEST, ANSWER = "request", "answer"


class Fault:
    """What befalls requests whose first line matches a pattern.

    :ivar hits: how often it did.
    """

    def __init__(self, pattern: str, times: int) -> None:
        self.hits = 0
        self._pattern = re.compile(pattern)
        self._left = times

    def applies(self, line: str) -> bool:
        """Tell whether it befalls the request with this first line; counts if so."""
        if not self._left or not self._pattern.search(line):
            return False
        self._left -= 1
        self.hits += 1
        return True


class _Cut(Fault):
    side = REQUEST
    after = 0


class _Flip(Fault):
    side = REQUEST
    at = 0


class _Refuse(Fault):
    status = 500


class _Rewrite(Fault):
    change: Callable[[str], str]


class _Drop(Fault):
    name = ""


class _Hook(Fault):
    action: Callable[[], None]


class Proxy:
    """Forwards requests to a server, but for the faults it was told of.

    Patterns are regular expressions searched in the request's first line, such as
    ``"^PUT .*/data/"``; a fault befalls as many requests as *times* says, all if negative.

    :param target: URL of the server.
    :ivar url: where the proxy listens, with the path of *target*.
    :ivar lines: first lines of all requests, oldest first.
    """

    def __init__(self, target: str) -> None:
        address = parse.urlsplit(target)
        assert address.hostname
        assert address.port
        self._target = (address.hostname, address.port)
        self._faults: List[Fault] = []
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.lines: List[str] = []
        self.url = address._replace(
            netloc="127.0.0.1:%d" % self._listener.getsockname()[1]).geturl()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits
        self._listener.close()

    def cut(self, pattern: str, side: str, after: int, times: int = 1) -> Fault:
        """Break the connection once *after* bytes of the request's or answer's body have passed.

        A negative number of bytes breaks it before the first byte of the head.
        """
        fault = _Cut(pattern, times)
        fault.side, fault.after = side, after
        return self._add(fault)

    def flip(self, pattern: str, side: str, at: int, times: int = 1) -> Fault:
        """Change a bit of the body's byte *at*."""
        fault = _Flip(pattern, times)
        fault.side, fault.at = side, at
        return self._add(fault)

    def refuse(self, pattern: str, status: int, times: int = -1) -> Fault:
        """Answer *status* in the server's stead, once the head has come."""
        fault = _Refuse(pattern, times)
        fault.status = status
        return self._add(fault)

    def rewrite(self, pattern: str, change: Callable[[str], str]) -> Fault:
        """Send the server another first line."""
        fault = _Rewrite(pattern, -1)
        fault.change = change
        return self._add(fault)

    def drop_header(self, pattern: str, name: str) -> Fault:
        """Leave a header of the request out."""
        fault = _Drop(pattern, -1)
        fault.name = name
        return self._add(fault)

    def when(self, pattern: str, action: Callable[[], None], times: int = 1) -> Fault:
        """Do something before the server gets the request."""
        fault = _Hook(pattern, times)
        fault.action = action
        return self._add(fault)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults = []

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head, body = _read_head(client)
            if not head:
                return
            line, rest = head.decode("latin-1").split("\r\n", 1)
            faults = self._befalling(line)
            for fault in faults:
                if isinstance(fault, _Hook):
                    fault.action()
                if isinstance(fault, _Refuse):
                    _refuse(client, fault.status)
                    return
                if isinstance(fault, _Rewrite):
                    line = fault.change(line)
            for name in ["connection", *(
                    fault.name for fault in faults if isinstance(fault, _Drop))]:
                rest = re.sub(r"(?im)^%s:.*\r\n" % re.escape(name), "", rest)
            with socket.create_connection(self._target) as server:
                up = _Pump(client, server, _limit(faults, REQUEST), _flipped(faults, REQUEST))
                down = _Pump(server, client, _limit(faults, ANSWER), _flipped(faults, ANSWER))
                if up.limit is None or up.limit >= 0:
                    server.sendall((line + "\r\nConnection: close\r\n" + rest).encode("latin-1"))
                thread = threading.Thread(target=up.run, args=(body,), daemon=True)
                thread.start()
                down.run_with_head()
                for one in (client, server):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _befalling(self, line: str) -> List[Fault]:
        with self._lock:
            self.lines.append(line)
            return [fault for fault in self._faults if fault.applies(line)]


class _Pump:
    """Passes bytes from one socket to another, up to a limit."""

    def __init__(self, source: socket.socket, sink: socket.socket, limit: Optional[int],
                 flips: List[int]) -> None:
        self._source = source
        self._sink = sink
        self._flips = flips
        self._passed = 0
        self.limit = limit

    def run(self, data: bytes) -> None:
        """Pass *data* and what follows it; end by breaking the connection if there is a limit."""
        with contextlib.suppress(OSError):
            while self._pass(data):
                data = self._source.recv(_PIECE)
                if not data:
                    return
            for one in (self._sink, self._source):
                one.shutdown(socket.SHUT_RDWR)

    def run_with_head(self) -> None:
        """As :meth:`run`, an HTTP head not counting."""
        head, body = _read_head(self._source)
        if head and (self.limit is None or self.limit >= 0):
            self._sink.sendall(head)
        self.run(body)

    def _pass(self, data: bytes) -> bool:
        changed = bytearray(data)
        for at in self._flips:
            if self._passed <= at < self._passed + len(data):
                changed[at - self._passed] ^= 1
        if self.limit is not None:
            del changed[max(0, self.limit - self._passed):]
        self._passed += len(data)
        self._sink.sendall(changed)
        return self.limit is None or self._passed < self.limit


def _read_head(source: socket.socket) -> Tuple[bytes, bytes]:
    data = b""
    while _END not in data:
        piece = source.recv(_PIECE)
        if not piece:
            return b"", b""
        data += piece
    at = data.index(_END) + len(_END)
    return data[:at], data[at:]


def _refuse(client: socket.socket, status: int) -> None:
    client.sendall(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                   % status)
    # What is still being sent must be taken, or the client sees a reset instead of the answer.
    client.shutdown(socket.SHUT_WR)
    while client.recv(_PIECE):
        pass


def _limit(faults: List[Fault], side: str) -> Optional[int]:
    return min((fault.after for fault in faults
                if isinstance(fault, _Cut) and fault.side == side), default=None)


def _flipped(faults: List[Fault], side: str) -> List[int]:
    return [fault.at for fault in faults if isinstance(fault, _Flip) and fault.side == side]
