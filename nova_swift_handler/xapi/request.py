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

"""Ask XAPI for a disk's bytes, or to take them: log-in, redirects and refusals."""

from __future__ import annotations

import logging
import urllib.parse
from typing import Dict, Optional

from nova_swift_handler import exceptions, tally
from nova_swift_handler.xapi import endpoint as endpoints
from nova_swift_handler.xapi import errors
from nova_swift_handler.xapi import http as data_http
from nova_swift_handler.xapi import patience as patiences
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks

LOG = logging.getLogger(__name__)

Query = Dict[str, str]

REASON_TIMEOUT = 60.0
"""Seconds a task may take to tell why its transfer failed."""
_REFUSAL_TIMEOUT = 5.0
_HOPS = 3


def start(session: sessions.Session, task: tasks.Task, patience: patiences.Patience,
          method: str, path: str, query: Query,
          length: Optional[int] = None) -> data_http.DataConnection:
    """Make a data request and return its connection once XAPI has accepted it.

    That says nothing about success (XAPI answers 200 before it does anything).  A session that
    has expired is renewed once; a redirect, sent by a host that has no access to the SR, is
    followed to hosts of the same pool.

    :param query: parameters without the session, which goes into a cookie.
    :param length: of the body that will be sent, in bytes.
    :raises XapiError: XAPI refused the request; TaskFailed, SrFull when the task tells why.
    :raises XapiUnreachable: no connection, or no HTTP.
    :raises TransferCut: no answer in time.
    """
    endpoint = session.endpoint
    target = f"{path}?{urllib.parse.urlencode(dict(query, task_id=task.ref))}"
    renewed = False
    for _ in range(_HOPS):
        ref, generation = session.credentials()
        head = _head(session, endpoint, method, target, ref, length)
        tally.TALLY.request(tally.XAPI, method)
        connection = _ask(session, endpoint, head, patience, task)
        if connection.status == 200:
            _refuse_coding(connection, task)
            return connection
        connection.close()
        if connection.status == 302:
            endpoint = _redirected(session, endpoint, connection.headers, task)
        elif connection.status == 401 and not renewed:
            LOG.debug("401 at %s: logging in again", endpoint)
            session.renew(generation)
            renewed = True
        else:
            break
    raise _refusal(task, endpoint, connection.status)


def _head(session: sessions.Session, endpoint: endpoints.Endpoint, method: str, target: str,
          ref: str, length: Optional[int]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {endpoint.netloc}",
             f"User-Agent: {session.settings.originator}", "Connection: close",
             f"Cookie: session_id={ref}"]
    if length is not None:
        # XAPI refuses chunked coding, and finds a VHD's last footer by this length.
        lines += ["Content-Type: application/octet-stream", f"Content-Length: {length}"]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    if len(head) > data_http.MAX_REQUEST_HEAD:
        raise exceptions.XapiError(
            f"the head of a {method} request has {len(head)} bytes, XAPI takes"
            f" {data_http.MAX_REQUEST_HEAD}; use a shorter host name")
    return head


def _ask(session: sessions.Session, endpoint: endpoints.Endpoint, head: bytes,
         patience: patiences.Patience, task: tasks.Task) -> data_http.DataConnection:
    try:
        connection = data_http.DataConnection(endpoint.connect(session.settings))
        try:
            connection.request(head, patience)
        except BaseException:
            connection.close()
            raise
        return connection
    except OSError as exc:
        raise errors.from_network(exc, task.doing, str(endpoint)) from exc
    except exceptions.XapiUnreachable as exc:
        raise exceptions.XapiUnreachable(
            f"{task.doing} failed: at {endpoint} {exc}; check [xenserver] connection_url"
        ) from None


def _refuse_coding(connection: data_http.DataConnection, task: tasks.Task) -> None:
    coding = connection.headers.get("transfer-encoding", "identity")
    if coding != "identity":
        connection.close()
        raise exceptions.XapiError(
            f"{task.doing} failed: the answer is {coding}-coded, which XAPI never does; take the"
            " proxy before the host out of [xenserver] connection_url")


def _redirected(session: sessions.Session, asked: endpoints.Endpoint, headers: Dict[str, str],
                task: tasks.Task) -> endpoints.Endpoint:
    """Judge a redirect: only hosts of the pool may see the session, and never less safely."""
    try:
        target = endpoints.parse(headers.get("location", ""))
    except exceptions.ConfigError:
        target = None
    if target is None or (asked.scheme == "https" and target.scheme != "https"):
        raise exceptions.XapiError(
            f"{task.doing} failed: {asked} redirects to no https URL, so the session is not shown"
            " there; set [xenserver] connection_url to a host that sees the SR")
    if target.host not in session.pool_addresses():
        raise exceptions.XapiError(
            f"{task.doing} failed: {asked} redirects to {target}, which is no host of its pool,"
            " so the session is not shown there; check the addresses of the pool's hosts")
    LOG.debug("%s: %s redirects to %s", task.doing, asked, target)
    return target


def _refusal(task: tasks.Task, endpoint: endpoints.Endpoint,
             status: int) -> exceptions.XapiError:
    if status == 401:
        return exceptions.XapiError(
            f"{task.doing} failed: {endpoint} does not accept the session for disk transfers;"
            " check that the user of [xenserver] connection_username has the role vm-admin")
    reason = task.failure(_REFUSAL_TIMEOUT)
    if reason is not None and reason.code:
        return reason
    return exceptions.XapiError(
        f"{task.doing} failed: {endpoint} answered HTTP {status}; look into the host's"
        " /var/log/xensource.log")
