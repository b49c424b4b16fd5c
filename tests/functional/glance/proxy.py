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

"""A connection that breaks: forwards TCP to a server and cuts what the server sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import List, Optional
from urllib import parse


class Proxy:
    """Forwards connections; each of the first ones is cut after so many bytes of the answer.

    :ivar url: where it listens.
    :ivar cuts: bytes after which the next large answers are cut, used up one a connection.
    """

    def __init__(self, target: str) -> None:
        self.cuts: List[int] = []
        address = parse.urlsplit(target)
        self._target = (address.hostname, address.port)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Wakes the thread that waits for a connection, which closing alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        limit: Optional[int] = None
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                passed += len(data)
                if answers and limit is None and self.cuts and passed > min(self.cuts):
                    limit = self.cuts.pop(0)
                if limit is not None and passed >= limit:
                    target.sendall(data[:max(0, len(data) - (passed - limit))])
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
