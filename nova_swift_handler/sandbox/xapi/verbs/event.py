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

"""event: being told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Event:
    sync_only = ("from", "next", "get_current_id", "inject")

    def __init__(self, pool: Pool):
        self._pool = pool

    def from_(self, call: Call, classes: List[str], token: str, timeout: Any) -> Values:
        """``timeout``: seconds."""
        _check_classes(classes)
        if isinstance(timeout, (bool, str)):
            raise ApiError("FIELD_TYPE_ERROR", "timeout")
        return self._pool.events.since(call.session, classes, token, float(timeout))

    def register(self, call: Call, classes: List[str]) -> None:
        _check_classes(classes)
        self._pool.events.register(call.session, classes)

    def unregister(self, call: Call, classes: List[str]) -> None:
        _check_classes(classes)
        self._pool.events.unregister(call.session, classes)

    def next(self, call: Call) -> List[Values]:
        return self._pool.events.next(call.session)

    def get_current_id(self, _call: Call) -> int:
        with self._pool.db.lock:
            return self._pool.db.changes.last

    def inject(self, _call: Call, cls: str, ref: str) -> str:
        """Make a mod event of a record; returns a token of before."""
        db = self._pool.db
        with db.lock:
            if cls not in db.schemas or not db.exists(cls, ref):
                raise ApiError("HANDLE_INVALID", cls, ref)
            before = db.changes.last
            db.changes.modified(cls, ref)
            return "%020d,%020d" % (before, 0)


def _check_classes(classes: Any) -> None:
    if not isinstance(classes, list) or not all(isinstance(item, str) for item in classes):
        raise ApiError("FIELD_TYPE_ERROR", "classes")
