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

"""task: what a client may do with tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

_STATUSES = ("pending", "success", "failure", "cancelling", "cancelled")


class Task:
    sync_only = (
        "create", "destroy", "set_status", "set_progress", "set_result", "set_error_info",
        "set_resident_on")

    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, call: Call, label: str, description: str) -> str:
        return self._pool.tasks.create(label, description, call.session)

    def destroy(self, _call: Call, task: str) -> None:
        self._pool.db.record("task", task)
        self._pool.tasks.destroy(task)

    def cancel(self, _call: Call, task: str) -> None:
        """Copies heed it; the data path is not wired to it, in XAPI neither."""
        self._pool.tasks.cancel(task)

    def set_status(self, _call: Call, task: str, value: str) -> None:
        if value.lower() not in _STATUSES:
            raise ApiError("INVALID_VALUE", "task_status_type", value)
        self._pool.tasks.set_status(task, value.lower())

    def set_progress(self, _call: Call, task: str, value: Any) -> None:
        self._set(task, "progress", value)

    def set_result(self, _call: Call, task: str, value: Any) -> None:
        self._set(task, "result", value)

    def set_error_info(self, _call: Call, task: str, value: Any) -> None:
        self._set(task, "error_info", value)

    def set_resident_on(self, _call: Call, task: str, value: Any) -> None:
        self._set(task, "resident_on", value)

    def _set(self, task: str, name: str, value: Any) -> None:
        db = self._pool.db
        db.update("task", task, **{name: db.schemas["task"].fields[name].accept(value)})
