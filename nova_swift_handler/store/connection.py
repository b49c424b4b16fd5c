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

"""Talk to Swift: tokens, one HTTP connection a thread, retries, and errors made ours."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar, Union

import requests
import swiftclient.client
import tenacity
import urllib3
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions, tally

LOG = logging.getLogger(__name__)
T = TypeVar("T")

_PASSING = frozenset((408, 429, 498, 500, 502, 503, 504, 507))
"""Statuses that may be gone the next time; 498 is Swift's rate limit."""

_NO_ENDPOINT = ("Keystone's catalogue has no object-store endpoint for this account; check "
                "region_name and valid_interfaces in [swift_vhd]")

_NO_CONTAINER = ("; there is no such container: is container_prefix in [swift_vhd] right, and was "
                 "`swift-vhd setup` run? A volume's is there once something of it is stored")

_BROKEN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


class Connection:
    """A service account's way into Swift, shared by threads.

    :param session: keystoneauth session of the service account.
    :param endpoint_filter: keystoneauth's ``region_name``, ``interface``, ``service_type``,
        ``endpoint_override``.
    :param verify: CA bundle's path, or whether to verify TLS at all.
    :param cert: path of a PEM file with the client certificate to show, and of one with its key if
        that is not in the same file.
    :param timeout: seconds without a byte after which a request is given up.
    :param attempts: how often a request that may be repeated is tried.
    """

    def __init__(self, session: ks_session.Session, endpoint_filter: Dict[str, Any], *,
                 verify: Union[bool, str] = True,
                 cert: Union[str, Tuple[str, str], None] = None, timeout: float = 60,
                 attempts: int = 5) -> None:
        self._session = session
        # keystoneauth 4.0 takes an endpoint_override of None for the endpoint.
        self._filter = {"service_type": "object-store", **{
            name: value for name, value in endpoint_filter.items() if value is not None}}
        self._tls = {"insecure": verify is False,
                     "cacert": verify if isinstance(verify, str) else None,
                     "cert": cert[0] if isinstance(cert, tuple) else cert,
                     "cert_key": cert[1] if isinstance(cert, tuple) else None}
        self._timeout = timeout
        self._attempts = attempts
        self._local = threading.local()
        self._url: Optional[str] = None
        self._refused: Optional[str] = None  # a token, until one is accepted
        self._told = False  # that there is an outage, until a request succeeds
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The account's storage URL."""
        with self._lock:
            url = self._url
            if url is None:
                found = self._keystone(
                    lambda: self._filter.get("endpoint_override")
                    or self._session.get_endpoint(**self._filter))
                if not found:
                    raise exceptions.StoreError(_NO_ENDPOINT)
                url = self._url = str(found)
            return url

    def once(self, what: str, request: Callable[..., T]) -> T:
        """Make one request that cannot be repeated.

        :param what: what is being done, for messages: a phrase like ``"PUT of a/b"``.
        :param request: called with ``url``, ``token`` and ``http_conn`` as swiftclient's
            functions take them.
        :raises StoreError: as :func:`_translate` says.
        """
        return self.guard(what, lambda: request(
            url=self.url, token=self._token(), http_conn=self._http()))

    def guard(self, what: str, call: Callable[[], T]) -> T:
        """Make *call*, which uses this thread's connection, its errors becoming ours.

        :raises StoreError: as :meth:`once`.
        """
        try:
            value = call()
            self._refused = None
            self._told = False
            return value
        except exceptions.StoreError:
            self._drop()
            raise
        except swiftclient.ClientException as error:
            translated = _translate(what, error)
            if isinstance(translated, exceptions.StoreAuthFailed) and error.http_status == 401:
                translated.passing = self._renew()
            raise translated from error
        except _BROKEN as error:
            self._drop()
            raise exceptions.StoreUnreachable(
                "%s failed: the connection to Swift broke (%s); is Swift up, and its endpoint in "
                "Keystone's catalogue right?" % (what, error)) from error
        except BaseException:
            self._drop()  # who knows how much of a request it has sent
            raise

    def repeat(self, what: str, request: Callable[..., T]) -> T:
        """Make a request, again after failures that may pass; for what is safe to repeat.

        :raises StoreError: the last failure.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
            retry=tenacity.retry_if_exception(_may_pass),
            # Old releases of tenacity go by the name of the parameter.
            before_sleep=lambda retry_state: self._say_so(
                retry_state.outcome.exception() if retry_state.outcome else what,
                retry_state.attempt_number),
            reraise=True)
        return retrying(self.once, what, request)

    def _say_so(self, reason: object, attempt: int) -> None:
        """Tell why a request is made again.

        Once is enough for whoever waits, however many requests and threads an outage meets: the
        last failure is told as an error.
        """
        with self._lock:
            first, self._told = attempt == 1 and not self._told, True
        LOG.log(logging.WARNING if first else logging.DEBUG, "%s; trying again", reason)
        tally.TALLY.retry(tally.SWIFT)

    def _token(self) -> str:
        token = self._local.token = str(self._keystone(self._session.get_token))
        return token

    def _renew(self) -> bool:
        """Forget the token that was just refused; tell whether another may be accepted.

        It may have been revoked while it was cached.  If the next one is refused as well, that is
        not the reason.
        """
        refused, before = self._local.token, getattr(self._local, "refused", None)
        self._local.refused = refused
        with self._lock:
            # Threads share a token, and each may hear of its end.
            self._refused = self._refused or refused
            self._session.invalidate()
            return refused == self._refused and refused != before

    def _keystone(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ks_exceptions.Unauthorized, ks_exceptions.Forbidden) as error:
            raise exceptions.StoreAuthFailed(
                "Keystone refused the service account (%s); check username, password and "
                "project in [swift_vhd]" % error) from error
        except ks_exceptions.CatalogException as error:
            raise exceptions.StoreError("%s (%s)" % (_NO_ENDPOINT, error)) from error
        except ks_exceptions.ClientException as error:
            raise exceptions.StoreUnreachable(
                "Keystone gave no token for the service account (%s); check auth_url in "
                "[swift_vhd] and that Keystone is up" % error) from error

    def _http(self) -> Any:
        conn = getattr(self._local, "conn", None)
        if conn is None:
            conn = self._local.conn = swiftclient.client.http_connection(
                self.url, timeout=self._timeout, **self._tls)
            # A POST to a symlink is answered by a redirection to its target; followed, the
            # target would be changed too.
            conn[1].requests_args["allow_redirects"] = False
            tally.watch(conn[1].request_session, tally.SWIFT, {})
        return conn

    def _drop(self) -> None:
        conn, self._local.conn = getattr(self._local, "conn", None), None
        if conn is not None:
            conn[1].close()


def _may_pass(error: BaseException) -> bool:
    return getattr(error, "passing", False) or isinstance(error, exceptions.StoreUnreachable)


def _translate(what: str, error: swiftclient.ClientException) -> exceptions.StoreError:
    status = error.http_status
    transaction = (error.http_response_headers or {}).get("x-trans-id", "none")
    text = "%s failed: Swift answered %s %s (transaction %s)" % (
        what, status, error.http_reason, transaction)
    if status == 404:
        # What is put, and what is listed, lacks nothing but its container.
        lacks = what.startswith(("PUT of", "listing container"))
        return exceptions.ObjectMissing(text + (_NO_CONTAINER if lacks else ""))
    if status in (401, 403):
        return exceptions.StoreAuthFailed(
            text + "; check the service account's roles and the container's rights")
    if status in _PASSING:
        return exceptions.StoreUnreachable(text + "; see the log of Swift's proxy")
    detail = (error.http_response_content or b"")[:300]
    if isinstance(detail, bytes):
        detail = detail.decode("utf-8", "replace")
    return exceptions.StoreError("%s: %s" % (text, detail.strip()) if detail.strip() else text)
