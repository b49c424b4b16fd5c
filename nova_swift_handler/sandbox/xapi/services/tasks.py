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

"""The life of tasks (xen-api's taskHelper.ml)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import new_ref
from nova_swift_handler.sandbox.xapi.rpc import wire
from nova_swift_handler.sandbox.xapi.rpc.values import NULL, now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Tasks:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, label: str, description: str = "", session: str = NULL,
               subtask_of: str = NULL, host: str = "") -> str:
        """``host``: ref of the one that works on it; the master's without."""
        return self._pool.db.insert("task", {
            "name_label": label, "name_description": description, "created": now(),
            "session": session, "resident_on": host or self._pool.master.ref,
            "subtask_of": subtask_of,
        })

    def progress(self, ref: str, fraction: float) -> None:
        """Report progress; a task that is over or gone ignores it."""
        with self._pool.db.lock:
            if self._pending(ref):
                self._pool.db.update("task", ref, progress=max(0.0, min(1.0, fraction)))

    def complete(self, ref: str, result: str = "") -> None:
        """Result first, then status, so that nobody sees a success without its result."""
        with self._pool.db.lock:
            if self._pending(ref):
                self._pool.db.update("task", ref, result=result)
                self._pool.db.update(
                    "task", ref, progress=1.0, finished=now(), allowed_operations=[],
                    status="success")
                self._sweep(ref)

    def fail(self, ref: str, error: ApiError) -> None:
        status = "cancelled" if error.code == "TASK_CANCELLED" else "failure"
        with self._pool.db.lock:
            if self._pending(ref):
                self._pool.db.update(
                    "task", ref, progress=1.0, finished=now(), allowed_operations=[],
                    error_info=error.description, status=status)
                self._sweep(ref)

    def destroy(self, ref: str) -> None:
        """A task that is not over is only marked, and goes when it is (xapi_task.ml, db_gc)."""
        with self._pool.db.lock:
            if self._pending(ref):
                self._mark(ref, "task", "destroy")
            else:
                self._pool.db.delete("task", ref)

    def cancel(self, ref: str) -> None:
        """Ask whoever works on a task to stop; who does not ask goes on."""
        with self._pool.db.lock:
            self._pool.db.record("task", ref)
            self._mark(ref, new_ref(), "cancel")

    def set_cancellable(self, ref: str) -> None:
        """Tell clients that whoever works on the task looks for their wish."""
        with self._pool.db.lock:
            if self._pending(ref):
                self._pool.db.update("task", ref, allowed_operations=["cancel"])

    def stop_if_cancelled(self, ref: str) -> None:
        """For those who work long.  Raises TASK_CANCELLED."""
        with self._pool.db.lock:
            if self._pending(ref) and "cancel" in self._operations(ref).values():
                raise ApiError("TASK_CANCELLED", ref)

    def set_status(self, ref: str, status: str) -> None:
        """What a client says of a task of its own."""
        with self._pool.db.lock:
            self._pool.db.update("task", ref, status=status)
            self._sweep(ref)

    def _operations(self, ref: str) -> Dict[str, str]:
        operations: Dict[str, str] = self._pool.db.get("task", ref, "current_operations")
        return operations

    def _mark(self, ref: str, key: str, operation: str) -> None:
        self._pool.db.update(
            "task", ref, current_operations={**self._operations(ref), key: operation})

    def _sweep(self, ref: str) -> None:
        if not self._pending(ref) and "destroy" in self._operations(ref).values():
            self._pool.db.delete("task", ref)

    def is_pending(self, ref: str) -> bool:
        with self._pool.db.lock:
            return self._pending(ref)

    def _pending(self, ref: str) -> bool:
        return (self._pool.db.exists("task", ref)
                and self._pool.db.get("task", ref, "status") == "pending")

    def run_async(self, label: str, session: str, work: Callable[[str], Any]) -> str:
        """Run ``work(task)`` in a thread of its own; the task gets its result or its error."""
        task = self.create(label, session=session)

        def run() -> None:
            try:
                value = work(task)
            except Exception as exc:  # noqa: BLE001 - any failure belongs into the task
                self.fail(task, errors.from_exception(exc))
            else:
                self.complete(task, "" if value is None else wire.to_xml(value))

        threading.Thread(target=run, name=label, daemon=True).start()
        return task
