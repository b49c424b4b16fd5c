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

"""What the operator and the request decide about Glance, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional, Tuple, Union

AUTO = "auto"
LOCATION = "location"
HTTP = "http"
UPLOAD = "upload"
IN_PLACE = (LOCATION, HTTP)
"""Ways in which Glance reads the disk where it is."""


@dataclasses.dataclass(frozen=True)
class GlanceSettings:
    """How Glance is reached and how images are registered.

    :ivar endpoints: Glance's addresses without ``/v2``, tried in turn; empty asks the catalog.
    :ivar registration: ``auto``, ``location``, ``http`` or ``upload``.
    :ivar internal_endpoints: addresses of a Glance that shows locations, to the service account
        alone; none if there is no such Glance.
    :ivar tempurl_lifetime: seconds for which an image's TempURL is made.
    :ivar store_auth_address: ``swift_store_auth_address`` of Glance's Swift store, verbatim.
    :ivar store_user: ``swift_store_user`` of that store, ``project:user``, verbatim.
    :ivar store_key: ``swift_store_key`` of that store.  Never shown.
    :ivar images_container: ``swift_store_container`` of that store.
    :ivar store_user_domain_id: domain of that user; used to find out why Glance refused.
    :ivar store_project_domain_id: domain of its project; likewise.
    :ivar verify: whether Glance's certificate is verified.
    :ivar cafile: PEM file to verify it with; None is the system's.
    :ivar interface: kinds of catalog endpoint, best first.
    :ivar region_name: region of the catalog; None takes the first.
    :ivar connect_timeout: seconds to wait for a connection.
    :ivar read_timeout: seconds to wait for an answer that carries no disk.
    :ivar idle_timeout: seconds in which something of a disk must move.
    :ivar retry_time: seconds during which a failed idempotent call is tried again.
    :ivar activation_timeout: seconds an image may take to become active after Glance said yes.
    """

    endpoints: Tuple[str, ...] = ()
    registration: str = AUTO
    store_auth_address: Optional[str] = None
    store_user: Optional[str] = None
    store_key: Optional[str] = dataclasses.field(default=None, repr=False)
    images_container: str = "vhd-images"
    store_user_domain_id: str = "default"
    store_project_domain_id: str = "default"
    verify: bool = True
    cafile: Optional[str] = None
    interface: Tuple[str, ...] = ("internal", "public")
    region_name: Optional[str] = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    idle_timeout: float = 300.0
    retry_time: float = 30.0
    activation_timeout: float = 120.0
    internal_endpoints: Tuple[str, ...] = ()
    tempurl_lifetime: int = 365 * 86400

    @property
    def tls(self) -> Union[bool, str]:
        """What ``requests`` takes as *verify*."""
        return (self.cafile or True) if self.verify else False

    def endpoint_filter(self, service_type: str) -> Dict[str, Any]:
        """Return how a service is looked up in the catalog, as keystoneauth takes it."""
        found: Dict[str, Any] = {"service_type": service_type, "interface": list(self.interface)}
        if self.region_name:
            found["region_name"] = self.region_name
        return found


@dataclasses.dataclass(frozen=True)
class UserToken:
    """The user on whose behalf something is done.

    :ivar token: the user's own token.  It may expire during a long transfer: Glance still takes
        it when it comes with the service account's token (role ``service``), for as long as
        Keystone's ``allow_expired_window`` lasts.
    :ivar request_id: global request id to hand on to Glance's log, ``req-<uuid>``.
    """

    token: str = dataclasses.field(repr=False)
    user_id: str = ""
    project_id: str = ""
    request_id: str = ""
