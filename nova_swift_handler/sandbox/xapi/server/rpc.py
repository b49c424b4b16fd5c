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

"""XML-RPC over HTTP: POST to / or /RPC2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc import wire
from nova_swift_handler.sandbox.xapi.rpc.dispatcher import Dispatcher
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.connection import Dropped
from nova_swift_handler.sandbox.xapi.server.request import Request
from nova_swift_handler.sandbox.xapi.server.stream import Stream

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class RpcHandler:
    """Failures of the API are HTTP 200; what is no call at all is a 500, as in XAPI."""

    def __init__(self, pool: Pool, host: Host):
        self._pool = pool
        self._dispatcher = Dispatcher(pool, host)

    def __call__(self, request: Request, stream: Stream) -> bool:
        body = stream.read_exactly(request.content_length or 0)
        answer = response.complete(
            request.version, "200 OK", self._answer(body), "text/xml",
            keep_alive=request.keep_alive)
        stream.write(answer)
        return request.keep_alive

    def _answer(self, body: bytes) -> bytes:
        try:
            method, params = wire.parse_call(body)
            self._pool.calls.append(method)
            answer = wire.success(self._dispatcher.call(method, params))
        except ApiError as exc:
            return wire.failure(exc.description)
        if self._pool.faults.strike("answer_lost", method=method):
            raise Dropped()
        return answer
