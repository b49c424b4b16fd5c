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

"""HTTP to Glance: whose token, which endpoint, what is tried again."""

from __future__ import annotations

import enum
import logging
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

import tenacity
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import service_token, token_endpoint
from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions, tally
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.settings import GlanceSettings, UserToken

LOG = logging.getLogger(__name__)

BROKEN = 3  # attempts at what Glance answers with 500: a lost lock of its database, perhaps
_SERVICE_ROLE = "service"  # default of [keystone_authtoken] service_token_roles


class Identity(enum.Enum):
    """Whose token a call carries."""

    USER = "user"
    SERVICE = "service"


class Client:
    """Glance's API v2 as the user, and as the service account.

    A call with the user's token also carries the service account's as ``X-Service-Token`` if that
    account has the role ``service``, so that a token that expires during a transfer stays good.
    (Without the role it is left out: Glance would refuse the call for the bad service token.)

    :param session: the service account's session; its token is renewed as needed.
    :param user: None makes every call as the service account.

    :ivar user: that user.
    """

    def __init__(self, settings: GlanceSettings, session: ks_session.Session,
                 user: Optional[UserToken]) -> None:
        self.settings = settings
        self.user = user
        self._session = session
        self._roles: Optional[FrozenSet[str]] = None
        self._endpoints: List[str] = []

    def request(self, method: str, path: str, doing: str, *,
                identity: Identity = Identity.USER,
                expected: Sequence[int] = (200,),
                again: bool = True,
                timeout: Optional[Tuple[float, float]] = None,
                **kwargs: Any) -> Any:
        """Make one call and return the ``requests`` response.

        Every endpoint is tried in turn; the one that answers is the first next time.

        :param path: from the root, e.g. ``/v2/images``.
        :param doing: what is being done to which image, for messages.
        :param expected: statuses that are returned; any other raises.
        :param again: whether to try again while Glance cannot be reached: only for calls that may
            be made twice.  Others are made at one endpoint.
        :param kwargs: for ``requests``: json, data, headers, stream.
        :raises GlanceUnreachable: no endpoint answered, or only with 502, 503 or 504.
        :raises GlanceBroken: Glance answered 500.
        :raises ImageUnavailable: Glance does not know the image or does not give it to the user.
        :raises GlanceError: any other answer.
        """
        def once() -> Any:
            return self._anywhere(method, path, doing, identity, expected, timeout, again, kwargs)

        if not again:
            return once()
        return tenacity.Retrying(
            retry=_worth_it,
            stop=tenacity.stop_after_delay(self.settings.retry_time),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=5),
            before_sleep=_say_so, reraise=True)(once)

    def service_roles(self) -> FrozenSet[str]:
        """Return the roles of the service account; empty when its plugin does not tell.

        :raises GlanceUnreachable: Keystone does not answer.
        :raises GlanceError: Keystone refuses the service account.
        """
        if self._roles is None:
            get_access = getattr(self._session.auth, "get_access", None)
            access = self._ask_keystone(lambda: get_access(self._session)) if get_access else None
            self._roles = frozenset(access.role_names or ()) if access else frozenset()
        return self._roles

    def _anywhere(self, method: str, path: str, doing: str, identity: Identity,
                  expected: Sequence[int], timeout: Optional[Tuple[float, float]], again: bool,
                  kwargs: Dict[str, Any]) -> Any:
        problems: List[str] = []
        endpoints = self._addresses()
        for endpoint in endpoints if again else endpoints[:1]:
            try:
                response = self._send(method, endpoint + path, identity, timeout, kwargs)
            except ks_exceptions.ConnectionError as exc:
                problems.append(errors.redact(f"{endpoint}: {exc}", self.settings.store_key))
                continue
            if response.status_code in errors.UNREACHABLE:
                problems.append(f"{endpoint}: {errors.said(response, self.settings.store_key)}")
                response.close()
                continue
            if endpoint != endpoints[0]:
                self._endpoints = [endpoint, *(one for one in endpoints if one != endpoint)]
            if response.status_code in expected:
                return response
            as_user = identity is Identity.USER and self.user is not None
            try:
                raise errors.from_response(response, doing, self.settings.store_key, as_user)
            finally:
                response.close()
        if not again:  # whoever knows that it may be made twice asks the next one then
            self._endpoints = [*endpoints[1:], endpoints[0]]
        raise exceptions.GlanceUnreachable(
            f"{doing}: no Glance endpoint answered ({'; '.join(problems)}). Is glance-api up, and "
            f"is glance_api_servers or the service catalog right?")

    def _send(self, method: str, url: str, identity: Identity,
              timeout: Optional[Tuple[float, float]], kwargs: Dict[str, Any]) -> Any:
        headers = dict(kwargs.get("headers") or {})
        if self.user is not None and self.user.request_id:
            headers.setdefault("X-Openstack-Request-ID", self.user.request_id)
        settings = self.settings
        # log=False: keystoneauth would write bodies, and so locations with their key, to the log.
        return self._session.request(
            url, method, auth=self._auth(identity), raise_exc=False, log=False,
            verify=settings.tls, timeout=timeout or (settings.connect_timeout,
                                                     settings.read_timeout),
            # A body that is being made cannot be sent again from its start.
            allow_reauth=not isinstance(kwargs.get("data"), Iterator),
            **dict(kwargs, headers=headers))

    def _auth(self, identity: Identity) -> Any:
        service: Any = self._session.auth
        self._ask_keystone(lambda: self._session.get_token(auth=service))
        if identity is Identity.SERVICE or self.user is None:
            return service
        if not self.user.token:
            raise exceptions.AccessRefused(
                "Asking Glance on behalf of a user: the request came without the user's token, "
                "so what this user may have cannot be known.")
        user = token_endpoint.Token(endpoint=None, token=self.user.token)
        if _SERVICE_ROLE not in self.service_roles():
            LOG.debug("The service account has no role '%s': a user's token that expires during a "
                      "transfer will be refused by Glance.", _SERVICE_ROLE)
            return user
        return service_token.ServiceTokenAuthWrapper(user_auth=user, service_auth=service)

    def _addresses(self) -> List[str]:
        if not self._endpoints:
            found = list(self.settings.endpoints)
            if not found:
                found = [self._ask_keystone(lambda: self._session.get_endpoint(
                    **self.settings.endpoint_filter("image")))]
            if not found[0]:
                raise exceptions.ConfigError(
                    "Looking for Glance: the service catalog has no endpoint of type 'image' "
                    f"(interfaces {', '.join(self.settings.interface)}, region "
                    f"{self.settings.region_name or 'any'}); set glance_api_servers.")
            self._endpoints = [_root(address) for address in found]
        return self._endpoints

    def _ask_keystone(self, call: Any) -> Any:
        try:
            return call()
        except ks_exceptions.ConnectionError as exc:
            raise exceptions.GlanceUnreachable(
                f"Getting a token of the service account to speak to Glance: Keystone does not "
                f"answer: {exc}") from exc
        except ks_exceptions.ClientException as exc:
            raise exceptions.GlanceError(
                f"Getting a token of the service account to speak to Glance: {exc}. Check the "
                f"account in the section [swift_vhd].") from exc


def _root(address: str) -> str:
    """Return an endpoint without trailing slash and without the API version some catalogs add."""
    address = address.rstrip("/")
    for version in ("/v2", "/v1"):
        if address.endswith(version):
            return address[:-len(version)]
    return address


def _worth_it(retry_state: tenacity.RetryCallState) -> bool:
    """Whether to try again: while Glance is unreachable, and a few times if it breaks inside."""
    outcome = retry_state.outcome
    error = outcome.exception() if outcome and outcome.failed else None
    return (isinstance(error, exceptions.GlanceUnreachable)
            or (isinstance(error, exceptions.GlanceBroken)
                and retry_state.attempt_number < BROKEN))


def _say_so(retry_state: tenacity.RetryCallState) -> None:
    # tenacity 6 goes by the name of the parameter.
    outcome = retry_state.outcome
    # Once is enough for whoever waits; the last failure is told as an error.
    level = logging.WARNING if retry_state.attempt_number == 1 else logging.DEBUG
    LOG.log(level, "%s Trying again.", outcome.exception() if outcome else "")
    tally.TALLY.retry(tally.GLANCE)
