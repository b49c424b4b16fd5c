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

"""JSON-RPC bodies in and out, 1.0 and 2.0 (mirage's ocaml-rpc, jsonrpc.ml, which XAPI uses).

Integers are numbers here, dates text.  Of 2.0, a failure is an object whose message is XAPI's
code and whose data are its parameters; of 1.0, the code and the parameters as a list.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, List, Sequence, Union

from nova_swift_handler.sandbox.xapi.rpc.wire import MalformedBody, text_safe

CONTENT_TYPE = "application/json"
#: XAPI's only one: it means nothing, but some clients take 0 for success.
_ERROR_CODE = 1


@dataclasses.dataclass(frozen=True)
class JsonCall:
    """One call; ``identity``: the client's id of it."""

    method: str
    params: List[Any]
    identity: Union[int, str]
    second: bool

    def success(self, value: Any) -> bytes:
        result = "" if value is None else value
        if self.second:
            return _dump({"jsonrpc": "2.0", "result": result, "id": self.identity})
        return _dump({"result": result, "error": None, "id": self.identity})

    def failure(self, description: Sequence[str]) -> bytes:
        if self.second:
            error = {"code": _ERROR_CODE, "message": description[0],
                     "data": list(description[1:])}
            return _dump({"jsonrpc": "2.0", "error": error, "id": self.identity})
        return _dump({"result": None, "error": list(description), "id": self.identity})


def parse(body: bytes) -> JsonCall:
    """Raises MalformedBody; notifications and batches are that too."""
    try:
        given = json.loads(body.decode("utf-8"))
    except ValueError as exc:
        raise MalformedBody(str(exc)) from exc
    if not isinstance(given, dict) or not isinstance(given.get("method"), str):
        raise MalformedBody("no method")
    if given.get("jsonrpc", "2.0") != "2.0":
        raise MalformedBody("Invalid field 'jsonrpc' in request body")
    second = "jsonrpc" in given
    params = given.get("params")
    if second and params is None:
        params = []
    elif second and isinstance(params, dict):
        params = [params]
    if not isinstance(params, list):
        raise MalformedBody("Invalid field 'params' in request body")
    identity = given.get("id")
    if isinstance(identity, bool) or not isinstance(identity, (int, str)):
        raise MalformedBody("Invalid field 'id' in request body")
    return JsonCall(given["method"], [_clean(value) for value in params], identity, second)


def _clean(value: Any) -> Any:
    """As XAPI's database takes text."""
    if isinstance(value, str):
        return text_safe(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {text_safe(key): _clean(item) for key, item in value.items()}
    return value


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8")
