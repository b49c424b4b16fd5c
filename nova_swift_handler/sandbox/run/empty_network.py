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

"""Answer as a Neutron without any networks: ``empty_network.py HOST PORT``."""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LIST = re.compile(r"/v2\.0/([a-z-]+)(?:\.json)?(?:\?.*)?$")


class Handler(BaseHTTPRequestHandler):
    """Lists are empty, single things are not found, and nothing can be made."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = _LIST.match(self.path)
        if self.path in ("/", ""):
            self._answer(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": []}]})
        elif found:
            self._answer(200, {found.group(1).replace("-", "_"): []})
        else:
            self._refuse(404, "There is nothing in this network service.")

    def do_POST(self) -> None:
        self._refuse(409, "The sandbox has no networks: boot servers with networks=none.")

    def do_PUT(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, {"NeutronError": {"type": "NotFound", "message": message,
                                               "detail": ""}})

    def _answer(self, status: int, content: Any) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
