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

"""A tiny server that does one thing at a time as XAPI does it, over real sockets.

It knows sessions, tasks and whatever methods a test adds; what happens on a data request is a
function of the test.  It keeps what it was sent, so that tests can look for secrets.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
import uuid
import xmlrpc.client
from typing import Any, Callable, Dict, List, Optional, Tuple

OK = (b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
      b"task-id:OpaqueRef:none\r\ncontent-type: application/octet-stream\r\n\r\n")
ERROR_500 = (b"HTTP/1.1 500 Internal Error\r\nConnection: close\r\n\r\n"
             b"<html><body><h1>HTTP 500 internal server error</h1></body></html>")
USER, PASSWORD = "root", "hunter2-is-secret"


class Failure(Exception):
    """Raised by a method to make XAPI's error answer."""

    def __init__(self, *description: str) -> None:
        super().__init__(*description)
        self.description = list(description)


class Exchange:
    """One data request, from the server's side."""

    def __init__(self, sock: socket.socket, head: str, body: bytes) -> None:
        self.sock = sock
        self.head = head
        self.method, self.target = head.split(" ")[:2]
        self.query = dict(pair.split("=", 1) for pair in
                          self.target.partition("?")[2].replace("%3A", ":").split("&"))
        self._body = body

    def header(self, name: str) -> str:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        while len(self._body) < size:
            piece = self.sock.recv(65536)
            if not piece:
                break
            self._body += piece
        data, self._body = self._body[:size], self._body[size:]
        return data

    def wait_for_close(self, timeout: float = 60) -> bool:
        """Whether the client dropped the connection within the time."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65536):
                pass
        except socket.timeout:
            return False
        except OSError:
            pass
        return True

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Host:
    """The server; ``with Host() as host: host.url``."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0,
                 tls: Optional[ssl.SSLContext] = None) -> None:
        self._listener = socket.socket()
        if port:
            # Connections of earlier tests, dying at the same port, are not in the way.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self._tls = tls
        self.address, self.port = self._listener.getsockname()
        self.url = f"{'https' if tls else 'http'}://{address}:{self.port}"
        self.sessions: List[str] = []
        self.refs: List[str] = []
        self.tasks: Dict[str, Dict[str, Any]] = {}
        self.task_count = 0
        self.calls: List[Tuple[str, Tuple[Any, ...]]] = []
        self.heads: List[str] = []
        self.connections = 0
        self.master: Optional[str] = None
        self.before: Optional[Callable[[str], Optional[bytes]]] = None
        self.methods: Dict[str, Callable[..., Any]] = {
            "task.create": self._task_create, "task.destroy": self._task_destroy,
            "task.get_record": self._task, "VDI.get_by_uuid": lambda name: "OpaqueRef:" + name,
            "host.get_all_records": lambda: {"OpaqueRef:h": {"address": self.address}}}
        self.data: Callable[[Exchange], None] = lambda exchange: exchange.send(OK)
        self.data_error: Optional[BaseException] = None
        self._data_threads: List[threading.Thread] = []

    def __enter__(self) -> Host:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: Any) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def settle(self) -> None:
        """Wait for the data requests under way, and raise what failed in them."""
        for thread in self._data_threads:
            thread.join(60)
            assert not thread.is_alive(), "a data request never ended"
        if self.data_error is not None:
            raise self.data_error

    def finish_task(self, exchange: Exchange, *error: str) -> None:
        """Settle the task of a data request: success, or failure with an error."""
        task = self.tasks.get(exchange.query["task_id"])
        if task is not None:
            task.update(status="failure" if error else "success", error_info=list(error),
                        progress=1.0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                received = b""
                while b"\r\n\r\n" not in received:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    received += piece
                head, _, body = received.partition(b"\r\n\r\n")
                exchange = Exchange(sock, head.decode("latin-1"), body) \
                    if not head.startswith(b"POST") else None
                if exchange is None:
                    self._rpc(sock, head.decode("latin-1"), body)
                else:
                    self._data(exchange)
        except OSError:
            pass

    def _data(self, exchange: Exchange) -> None:
        self.heads.append(exchange.head)
        self._data_threads.append(threading.current_thread())
        cookie = exchange.header("Cookie").replace("session_id=", "")
        if cookie not in self.sessions:
            exchange.send(b'HTTP/1.1 401 Unauthorised\r\nConnection: close\r\n'
                          b'WWW-Authenticate: Basic realm="get_export_raw_vdi"\r\n\r\n<html>')
            return
        try:
            self.data(exchange)
        except OSError:
            pass
        except BaseException as exc:
            self.data_error = exc

    def _rpc(self, sock: socket.socket, head: str, body: bytes) -> None:
        self.heads.append(head)
        length = next(int(line.split(":")[1]) for line in head.split("\r\n")
                      if line.lower().startswith("content-length"))
        while len(body) < length:
            piece = sock.recv(65536)
            if not piece:
                return
            body += piece
        params, method = xmlrpc.client.loads(body)
        assert method is not None
        try:
            instead = self.before(method) if self.before is not None else None
            if instead is not None:
                sock.sendall(instead)
                return
            envelope = {"Status": "Success", "Value": self._invoke(method, params)}
        except Failure as failure:
            envelope = {"Status": "Failure", "ErrorDescription": failure.description}
        answer = xmlrpc.client.dumps((envelope,), methodresponse=True).encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                     % (len(answer), answer))

    def _invoke(self, method: str, params: Tuple[Any, ...]) -> Any:
        if self.master is not None:
            raise Failure("HOST_IS_SLAVE", self.master)
        if method == "session.login_with_password":
            if params[:2] != (USER, PASSWORD):
                raise Failure("SESSION_AUTHENTICATION_FAILED", params[0], "Authentication failure")
            ref = f"OpaqueRef:{uuid.uuid4()}"
            self.sessions.append(ref)
            self.refs.append(ref)
            return ref
        if params[0] not in self.sessions:
            raise Failure("SESSION_INVALID", params[0])
        if method == "session.logout":
            self.sessions.remove(params[0])
            return ""
        self.calls.append((method, params[1:]))
        if method not in self.methods:
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        return self.methods[method](*params[1:])

    def _task_create(self, label: str, description: str) -> str:
        ref = f"OpaqueRef:{uuid.uuid4()}"
        self.task_count += 1
        self.tasks[ref] = {"status": "pending", "progress": 0.0, "error_info": [], "result": "",
                           "name_label": label, "name_description": description,
                           "created": xmlrpc.client.DateTime("20260101T00:00:00Z")}
        return ref

    def _task(self, ref: str) -> Dict[str, Any]:
        if ref not in self.tasks:
            raise Failure("HANDLE_INVALID", "task", ref)
        return self.tasks[ref]

    def _task_destroy(self, ref: str) -> str:
        self._task(ref)
        del self.tasks[ref]
        return ""


def eventually(condition: Callable[[], bool], timeout: float = 60) -> bool:
    """Whether a condition comes true; for what the server learns a little later."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
