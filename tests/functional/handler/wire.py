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

"""A TCP connection to a server that tests listen in on and cut at an exact place."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Callable, List, Optional, Tuple
from urllib import parse

_PIECE = 65536
_UNAVAILABLE = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                b"Connection: close\r\n\r\n")


class Wire:
    """Forwards connections to a server until told otherwise.

    :ivar url: where it listens, with the path of the server's URL.
    """

    def __init__(self, target: str) -> None:
        address = parse.urlsplit(target)
        assert address.hostname and address.port
        self._target = (address.hostname, address.port)
        self._lock = threading.Lock()
        self._open: List[socket.socket] = []
        self._hooks: List[Tuple[bytes, Callable[[], None]]] = []
        self._refused: Optional[Tuple[str, str]] = None
        self._told: Callable[[bool], None] = lambda told: None
        self._silent = threading.Event()
        self._answer_limit: Optional[int] = None
        self._stall_after: Optional[int] = None
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(32)
        self.url = address._replace(
            netloc="127.0.0.1:%d" % self._listener.getsockname()[1]).geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()

    def when(self, text: bytes, action: Callable[[], None]) -> None:
        """Do something, once, when a client has sent *text* and before the server gets it."""
        self._hooks.append((text, action))

    def refuse_when(self, request: Tuple[str, str],
                    told: Callable[[bool], None] = lambda told: None) -> None:
        """Answer 503 to every request of this method whose path has this in it."""
        self._refused = request
        self._told = told

    def down(self) -> None:
        """Break all connections and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for one
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break the connections there are."""
        with self._lock:
            broken, self._open = self._open, []
        for one in broken:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Keep connections open, and accept new ones, but let nothing pass."""
        self._silent.set()

    def cut_answers(self, after: int) -> None:
        """Break every connection from now on after so many bytes of what the server says."""
        self._answer_limit = after

    def stall_answers(self, after: int) -> None:
        """Let nothing pass any more once a connection has carried so many bytes of an answer."""
        self._stall_after = after

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open += [client, server]
            for pump in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        before, passed = b"", 0
        try:
            while True:
                data = source.recv(_PIECE)
                if self._silent.is_set():
                    threading.Event().wait()  # for ever: the thread is a daemon
                if not data:
                    break
                if asking and self._refuses(data):
                    source.sendall(_UNAVAILABLE)
                    break
                if asking:
                    self._listen_in(before + data)
                    before = data[-100:]
                elif self._answer_limit is not None and passed + len(data) > self._answer_limit:
                    target.sendall(data[:max(0, self._answer_limit - passed)])
                    break
                passed += len(data)
                target.sendall(data)
                if not asking and self._stall_after is not None and passed > self._stall_after:
                    self.hang()
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _refuses(self, data: bytes) -> bool:
        """Whether this begins a request that is to be refused."""
        line = data.partition(b"\r\n")[0].decode("latin-1")
        if (self._refused is None or not line.startswith(self._refused[0] + " ")
                or self._refused[1] not in line):
            return False
        self._told(True)
        return True

    def _listen_in(self, said: bytes) -> None:
        with self._lock:
            struck = [hook for hook in self._hooks if hook[0] in said]
            self._hooks = [hook for hook in self._hooks if hook not in struck]
        for _text, action in struck:
            action()
