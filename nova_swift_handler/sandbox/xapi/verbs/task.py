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

from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Task:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, call: Call, label: str, description: str) -> str:
        return self._pool.tasks.create(label, description, call.session)

    def destroy(self, _call: Call, task: str) -> None:
        self._pool.db.delete("task", task)

    def cancel(self, _call: Call, task: str) -> None:
        """Nothing here can be cancelled: the data path is not wired to it in XAPI either."""
        if "cancel" not in self._pool.db.get("task", task, "allowed_operations"):
            raise ApiError("OPERATION_NOT_ALLOWED", "task %s cannot be cancelled" % task)

    def set_progress(self, _call: Call, task: str, value: float) -> None:
        self._pool.db.record("task", task)
        self._pool.tasks.progress(task, float(value))
