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

"""From a method's name and parameters to the verb that does it, with XAPI's checks on the way."""

from __future__ import annotations

import inspect
import keyword
import logging
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

from nova_swift_handler.sandbox.xapi import errors, verbs
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.generic import GenericVerbs, Verb

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

LOG = logging.getLogger(__name__)

_WITHOUT_SESSION = ("session.login_with_password", "session.slave_local_login_with_password")


class Dispatcher:
    """The calls that one host of a pool gets."""

    def __init__(self, pool: Pool, host: Host):
        self._pool = pool
        self._host = host
        self._own = verbs.all_verbs(pool)
        self._generic = {
            name: GenericVerbs(pool.db, schema) for name, schema in pool.db.schemas.items()}

    def call(self, method: str, params: List[Any]) -> Any:
        """Run one call and return its value.  Raises ApiError and nothing else."""
        try:
            return self._call(method, params)
        except ApiError as exc:
            LOG.info("%s: %s", method, exc.code)  # parameters may be session refs
            raise
        except Exception as exc:  # XAPI reports whatever it did not foresee
            error = errors.from_exception(exc)
            if error.code == "INTERNAL_ERROR":
                LOG.exception("%s failed", method)
            raise error from exc

    def _call(self, method: str, params: List[Any]) -> Any:
        name = method[len("Async."):] if method.startswith("Async.") else method
        found = self._find(name)
        if found is None:
            raise ApiError("MESSAGE_METHOD_UNKNOWN", method)
        verb, has_async = found
        session: Optional[str] = None
        arguments = params
        if name not in _WITHOUT_SESSION:
            session, arguments = (params[0] if params else ""), params[1:]
        self._check_count(method, verb, len(params) - (session is not None))
        if session is not None:
            self._pool.sessions.check(session, self._host)
        if name != method and not has_async:
            raise ApiError("Fault", "No async mode for this operation (rpc: %s)" % method)
        self._faults(name)
        call = Call(self._host, name, session or "")
        if name == method:
            return verb(call, *arguments)
        return self._pool.tasks.run_async(
            method, call.session,
            lambda task: verb(Call(self._host, name, call.session, task), *arguments))

    def _find(self, name: str) -> Optional[Tuple[Verb, bool]]:
        """A verb and whether it has an Async mode, which those on fields do not have."""
        cls, _, verb = name.partition(".")
        if verb.startswith("_") or verb.endswith("_") or verb == "sync_only":
            return None
        own: Optional[Verb] = getattr(self._own.get(cls), _attribute(verb), None)
        if own is not None:
            return own, verb not in getattr(self._own[cls], "sync_only", ())
        generic = self._generic[cls].find(verb) if cls in self._generic else None
        return None if generic is None else (generic, False)

    def _check_count(self, method: str, verb: Verb, got: int) -> None:
        least, most = _arity(verb)
        if not least <= got <= most:
            raise ApiError("MESSAGE_PARAMETER_COUNT_MISMATCH", method, least, got)

    def _faults(self, name: str) -> None:
        fault = self._pool.faults.strike("rpc_fail", method=name)
        if fault:
            raise ApiError(fault["code"], *fault["params"])
        if self._pool.faults.strike("hang", direction="rpc", method=name):
            self._pool.faults.wait_while("hang")


def _attribute(verb: str) -> str:
    return verb + "_" if keyword.iskeyword(verb) else verb


def _arity(verb: Verb) -> Tuple[int, int]:
    """Least and most parameters, the Call not counted."""
    parameters = list(inspect.signature(verb).parameters.values())[1:]
    needed = [item for item in parameters if item.default is inspect.Parameter.empty]
    return len(needed), len(parameters)
