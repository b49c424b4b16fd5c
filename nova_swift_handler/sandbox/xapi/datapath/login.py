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
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.request import Request

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Unauthorised(Exception):
    """Neither a good session nor good Basic credentials: 401, and no task is touched."""


@contextlib.contextmanager
def session(pool: Pool, host: Host, request: Request) -> Iterator[str]:
    """The ref of the session the request runs under; Basic auth gets one of its own.

    A slave cannot make one, so Basic auth is good at the master only.
    Raises Unauthorised; MalformedRequest for a bad Authorization header (a 500 in XAPI).
    """
    if request.session_id is not None:
        try:
            pool.sessions.check(request.session_id)
        except ApiError:
            raise Unauthorised() from None
        yield request.session_id
        return
    credentials = request.basic_auth
    if credentials is None:
        raise Unauthorised()
    try:
        ref = pool.sessions.login(host, *credentials, originator="HTTP")
    except ApiError:
        raise Unauthorised() from None
    try:
        yield ref
    finally:
        with contextlib.suppress(ApiError):
            pool.sessions.logout(ref)


def given_task(pool: Pool, request: Request) -> Optional[str]:
    """The task the client made for the transfer; HANDLE_INVALID for one that is not."""
    given = request.param("task_id")
    if given is not None:
        pool.db.record("task", given)
    return given


def new_task(pool: Pool, host: Host, request: Request, session_ref: str, label: str) -> str:
    return pool.tasks.create(
        label, "", session_ref, request.param("subtask_of") or NULL, host.ref)


@contextlib.contextmanager
def role_check(pool: Pool, task_ref: Optional[str], action: str) -> Iterator[None]:
    """XAPI's RBAC wrapper, with its oddity.

    It surrounds the whole handler, and any exception that escapes while the client's task is
    pending ends that task as if a permission were missing.
    """
    try:
        yield
    except ApiError as exc:
        if task_ref is not None:
            pool.tasks.fail(
                task_ref, ApiError("RBAC_PERMISSION_DENIED", "http/%s" % action, exc))
        raise


def elsewhere(pool: Pool, host: Host, request: Request, sr: str) -> Optional[bytes]:
    """The redirect to a host that sees the SR, where this one does not; None where it does.

    The target's query is this one's, the session and the task in it too; what came in cookies the
    client has to send again.  Raises NO_HOSTS_AVAILABLE.
    """
    if host.sees(sr):
        return None
    return response.found(pool.host_for(sr).secure_url + request.target)


def find_vdi(pool: Pool, value: Optional[str]) -> str:
    """A ``vdi`` or ``base`` parameter: a valid ref, else a uuid.  Raises UUID_INVALID."""
    if value is not None and pool.db.exists("VDI", value):
        return value
    return pool.db.by_uuid("VDI", value or "")
