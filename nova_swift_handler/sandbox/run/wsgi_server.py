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

"""Serve a WSGI application with native threads: ``wsgi_server.py MODULE:ATTRIBUTE HOST PORT``.

Cheroot, because it knows chunked requests, which Glance clients send, and binds its port alone.
"""

import importlib
import signal
import sys
from typing import Any, Iterator

import sqlite_patience
from cheroot import wsgi

THREADS = 24
# Seconds that a connection may stand still: a host may write an image slowly to its disk.
PATIENCE = 600


class Input:
    """A request's body that may be closed; Cheroot's own would close the connection with it."""

    def __init__(self, body: Any) -> None:
        self.read, self.readline, self.readlines = body.read, body.readline, body.readlines
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Do nothing."""


def adapt(application: Any) -> Any:
    """Give the application an input that it may close, and that ends without a Content-Length."""
    def call(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"] = Input(environ["wsgi.input"])
        environ["wsgi.input_terminated"] = True
        return application(environ, start_response)
    return call


def main() -> None:
    name, host, port = sys.argv[1:]
    sqlite_patience.install()
    # The services read their own command line from here.
    sys.argv = [name.split(".")[0]]
    module, _, attribute = name.partition(":")
    application = getattr(importlib.import_module(module), attribute)
    server = wsgi.Server(
        (host, int(port)), adapt(application), numthreads=THREADS,
        request_queue_size=128, timeout=PATIENCE, shutdown_timeout=1)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.start()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
