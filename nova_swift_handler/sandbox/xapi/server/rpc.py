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

"""Calls over HTTP: XML-RPC, POST to / or /RPC2, and JSON-RPC, POST to /jsonrpc."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc import wire
from nova_swift_handler.sandbox.xapi.rpc.dispatcher import Dispatcher
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.connection import Dropped
from nova_swift_handler.sandbox.xapi.server.request import Request
from nova_swift_handler.sandbox.xapi.server.stream import Stream

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

_CROSS_ORIGIN = {"Access-Control-Allow-Origin": "*",
                 "Access-Control-Allow-Headers": "X-Requested-With"}


class RpcHandler:
    """Failures of the API are HTTP 200; what is no call at all is a 500, as in XAPI."""

    def __init__(self, pool: Pool, dispatcher: Dispatcher, language: ModuleType):
        """``language``: rpc.wire or rpc.json_wire."""
        self._pool = pool
        self._dispatcher = dispatcher
        self._language = language

    def __call__(self, request: Request, stream: Stream) -> bool:
        body = stream.read_exactly(request.content_length or 0)
        answer = response.complete(
            request.version, "200 OK", self._answer(body), self._language.CONTENT_TYPE,
            _CROSS_ORIGIN, keep_alive=request.keep_alive)
        stream.write(answer)
        return request.keep_alive

    def _answer(self, body: bytes) -> bytes:
        try:
            call = self._language.parse(body)
        except ApiError as exc:
            return wire.failure(exc.description)
        self._pool.calls.append(call.method)
        try:
            answer: bytes = call.success(self._dispatcher.call(call.method, call.params))
        except ApiError as exc:
            return bytes(call.failure(exc.description))
        if self._pool.faults.strike("answer_lost", method=call.method):
            raise Dropped()
        return answer
