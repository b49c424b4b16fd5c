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

"""Accepting connections, a thread for each, with TLS (as stunnel on port 443) or without."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from typing import List, Optional, Sequence, Set

from nova_swift_handler.sandbox.xapi.server import connection
from nova_swift_handler.sandbox.xapi.server.stream import Stream, TlsStream

LOG = logging.getLogger(__name__)

#: XAPI's limit (xapi_globs.ml); a further client waits until one of these is done.
_MOST_CONNECTIONS = 800
_HANDSHAKE_SECONDS = 10.0
_END_SECONDS = 5.0
_TRIES = 50


class Listener:
    """``address`` is what was bound: (IP address, port)."""

    def __init__(self, address: str, port: int, tls: Optional[ssl.SSLContext] = None):
        self._routes: connection.Routes = {}
        self._tls = tls
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Lets a restarted host take its port back from old, dying connections only.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self.address = self._socket.getsockname()[:2]
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._streams: Set[Stream] = set()
        self._idle = threading.Condition()
        self._closed = False

    def start(self, routes: connection.Routes) -> None:
        """Accept in a thread until ``close``; whoever connects from now on is not refused."""
        self._routes = routes
        self._socket.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._slots.acquire()
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                raise
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        try:
            stream = self._stream(accepted)
        except OSError as exc:
            LOG.info("no TLS with a client: %s", exc)
            accepted.close()
            self._slots.release()
            return
        with self._idle:
            self._streams.add(stream)
        try:
            connection.serve(stream, self._routes)
        finally:
            with self._idle:
                self._streams.discard(stream)
                self._idle.notify_all()
            self._slots.release()

    def _stream(self, accepted: socket.socket) -> Stream:
        if self._tls is None:
            return Stream(accepted)
        accepted.settimeout(_HANDSHAKE_SECONDS)
        return TlsStream(self._tls.wrap_socket(accepted, server_side=True))

    def close(self) -> None:
        """Stop accepting, cut every connection, and give their threads a moment to end."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._idle:
            for stream in self._streams:
                stream.abort()
            self._idle.wait_for(lambda: not self._streams, _END_SECONDS)


def bind_all(
    addresses: Sequence[str], port: int, tls: Optional[ssl.SSLContext]
) -> List[Listener]:
    """Listeners at the same port of several addresses; port 0: one that is free at all of them."""
    for _ in range(_TRIES):
        listeners = [Listener(addresses[0], port, tls)]
        try:
            for address in addresses[1:]:
                listeners.append(Listener(address, listeners[0].address[1], tls))
        except OSError:
            for listener in listeners:
                listener.close()
            if port:
                raise
        else:
            return listeners
    raise OSError("no port is free at all of %s" % ", ".join(addresses))
