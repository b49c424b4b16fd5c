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

"""A server with Glance's manners for what a real one cannot be made to do on demand."""

from __future__ import annotations

import json
import threading
from http import server
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint

from nova_swift_handler.glance.service import GlanceSettings, ImageService, UserToken

KEY = "k#ey%20ü"
IMAGE_ID = "6a3c4b1e-0000-4000-8000-000000000001"
REQUEST_ID = "req-00000000-0000-4000-8000-00000000000a"
TOKEN = "users-own-token"
USER = UserToken(TOKEN, "u1", "p1")


class Request(NamedTuple):
    method: str
    path: str
    headers: Dict[str, str]
    body: bytes
    query: str


class Answer:
    """What the server says; *cut* ends the connection after so many bytes of the body."""

    def __init__(self, status: int = 200, body: Any = b"",
                 headers: Optional[Dict[str, str]] = None, cut: Optional[int] = None) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = dict(headers or {})
        self.cut = cut


Route = Callable[[Request], Answer]


class Server:
    """Answers each (method, path) by what the test put into *routes*."""

    def __init__(self) -> None:
        self.routes: Dict[Tuple[str, str], Route] = {}
        self.requests: List[Request] = []
        outer = self

        class Handler(server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                path, _mark, query = self.path.partition("?")
                request = Request(self.command, path,
                                  {k.lower(): v for k, v in self.headers.items()}, self._body(),
                                  query)
                outer.requests.append(request)
                route = outer.routes.get((request.method, request.path))
                answer = route(request) if route else Answer(404, b"no route")
                self.send_response(answer.status)
                self.send_header("x-openstack-request-id", REQUEST_ID)
                answer.headers.setdefault("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body[:answer.cut])
                if answer.cut is not None:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while True:
                    size = int(self.rfile.readline() or b"0", 16)
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                    if not size:
                        return b"".join(parts)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Listener(server.ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that go away."""

        self._httpd = Listener(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._httpd.server_address[1]}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,),
                                        daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def says(self, method: str, path: str, *answers: Answer) -> None:
        """Give these answers in turn, the last one for ever."""
        left = list(answers)
        self.routes[method, path] = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def has_image(self, *records: Dict[str, Any]) -> None:
        self.says("GET", f"/v2/images/{IMAGE_ID}", *(Answer(body=image(**one)) for one in records))

    def made(self, method: str, path: str) -> List[Request]:
        return [one for one in self.requests if (one.method, one.path) == (method, path)]


class Access:
    def __init__(self, roles: Tuple[str, ...]) -> None:
        self.role_names = roles


class ServiceAuth(token_endpoint.Token):
    """The service account's login: no Keystone, but roles."""

    def __init__(self, *roles: str) -> None:
        super().__init__(endpoint=None, token="service-token")
        self._access = Access(roles)

    def get_access(self, session: Any) -> Access:
        return self._access


def image(**values: Any) -> Dict[str, Any]:
    return dict({
        "id": IMAGE_ID, "name": "snap", "owner": "p1", "status": "queued", "disk_format": "vhd",
        "container_format": "bare", "size": None, "created_at": "2026-01-02T03:04:05Z",
        "visibility": "private", "protected": False, "checksum": None, "os_hash_algo": None,
        "os_hash_value": None, "min_disk": 0, "tags": [], "file": "/x", "self": "/y",
        "schema": "/z"}, **values)


def service(*servers: Server, roles: Tuple[str, ...] = ("service", "admin"),
            user: Optional[UserToken] = USER,
            **settings: Any) -> ImageService:
    values: Dict[str, Any] = {
        "endpoints": tuple(one.url for one in servers), "retry_time": 0.0,
        "store_auth_address": "http://127.0.0.1:9/v3", "store_user": "images:glance",
        "store_key": KEY, "connect_timeout": 60.0, "read_timeout": 60.0, "idle_timeout": 60.0,
        "activation_timeout": 60.0}
    values.update(settings)
    return ImageService(GlanceSettings(**values), ks_session.Session(auth=ServiceAuth(*roles)),
                        user)
