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

"""An HTTP server that plays Glance and Swift as a test tells it, and jobs that ask it."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import threading
from types import TracebackType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Type

from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.transfer import jobs
from nova_swift_handler.xapi.settings import XapiSettings

SERVICE_TOKEN = "secret-of-the-service"
USER_TOKEN = "secret-of-the-user"
STORE_KEY = "secret-of-the-store"
XAPI_PASSWORD = "secret-of-xapi"
SECRETS = (SERVICE_TOKEN, USER_TOKEN, STORE_KEY, XAPI_PASSWORD)
MAX_CONCURRENT = 3
IMAGE = "0a0a0a0a-1111-2222-3333-444444444444"

_READ_TIMEOUT = 300.0

Answer = Tuple[int, Any]


class Request(NamedTuple):
    """A request as the server got it."""

    method: str
    path: str
    headers: Dict[str, str]


class Server:
    """Answers on loopback; counts who is waiting.

    :param answer: returns status and body, bytes or a value for JSON; may wait.
    :ivar requests: all that came, oldest first.
    :ivar most: most requests that were waiting for their answer at one time.
    """

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._waiting = 0
        self.requests: List[Request] = []
        self.most = 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                server.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self._http.server_address[1]

    def __enter__(self) -> Server:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._http.shutdown()
        self._http.server_close()

    def handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        request = Request(handler.command, handler.path, {
            name.lower(): value for name, value in handler.headers.items()})
        with self._lock:
            self.requests.append(request)
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        try:
            status, body = self._answer(request)
        finally:
            with self._lock:
                self._waiting -= 1
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(data)
        except OSError:
            handler.close_connection = True  # the client has gone


def services(url: str) -> jobs.Services:
    """Return services all of which are the server at *url*."""
    return jobs.Services(
        # A plugin that has its token and asks no Keystone.
        credentials=Credentials("admin_token", {"endpoint": url, "token": SERVICE_TOKEN},
                                timeout=_READ_TIMEOUT, endpoint_override=url + "/v1/AUTH_x"),
        store=StoreSettings(),
        transfer=TransferSettings(max_concurrent=MAX_CONCURRENT),
        glance=GlanceSettings((url,), store_auth_address=url, store_user="images:glance",
                              store_key=STORE_KEY, read_timeout=_READ_TIMEOUT, retry_time=0.0),
        xapi=XapiSettings(url, "root", XAPI_PASSWORD))


def boot_job(url: str) -> jobs.BootJob:
    """Return a job that first asks Glance for the image."""
    return jobs.BootJob(services(url), UserToken(USER_TOKEN, "u", "p"), IMAGE,
                        "OpaqueRef:sr", "name", "root", {})


def clean_up_job(url: str) -> jobs.CleanUpJob:
    """Return a job that needs Glance and Swift only."""
    return jobs.CleanUpJob(services(url), UserToken(USER_TOKEN, "u", "p"), IMAGE, "volume-1")


def children(pid: Optional[int] = None) -> List[int]:
    """Return the ids of the transfer processes that a process (this one if None) has started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (path / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == (pid or os.getpid()) and b"nova_swift_handler.transfer" in command:
            found.append(int(path.name))
    return found
