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

"""Who may use the data path, and under which task it runs (xen-api's xapi_http.ml)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Iterator, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.values import NULL
from nova_swift_handler.sandbox.xapi.server.request import Request

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host


class Unauthorised(Exception):
    """Neither a good session nor good Basic credentials: 401, and no task is touched."""


@contextlib.contextmanager
def session(host: Host, request: Request) -> Iterator[str]:
    """The ref of the session the request runs under; Basic auth gets one of its own.

    Raises Unauthorised; MalformedRequest for a bad Authorization header (a 500 in XAPI).
    """
    if request.session_id is not None:
        try:
            host.sessions.check(request.session_id)
        except ApiError:
            raise Unauthorised() from None
        yield request.session_id
        return
    credentials = request.basic_auth
    if credentials is None:
        raise Unauthorised()
    try:
        ref = host.sessions.login(*credentials, originator="HTTP")
    except ApiError:
        raise Unauthorised() from None
    try:
        yield ref
    finally:
        with contextlib.suppress(ApiError):
            host.sessions.logout(ref)


def task(host: Host, request: Request, session_ref: str, label: str) -> str:
    """The client's task, adopted, or a new one; HANDLE_INVALID for a task that is not."""
    given = request.param("task_id")
    if given is not None:
        host.db.record("task", given)
        return given
    return host.tasks.create(label, "", session_ref, request.param("subtask_of") or NULL)


@contextlib.contextmanager
def role_check(host: Host, task_ref: str, action: str) -> Iterator[None]:
    """XAPI's RBAC wrapper, with its oddity.

    It surrounds the whole handler, and any exception that escapes while the task is pending ends
    the task as if a permission were missing.
    """
    try:
        yield
    except ApiError as exc:
        host.tasks.fail(task_ref, ApiError("RBAC_PERMISSION_DENIED", "http/%s" % action, exc))
        raise


def find_vdi(host: Host, value: Optional[str]) -> str:
    """A ``vdi`` or ``base`` parameter: a valid ref, else a uuid.  Raises UUID_INVALID."""
    if value is not None and host.db.exists("VDI", value):
        return value
    return host.db.by_uuid("VDI", value or "")
