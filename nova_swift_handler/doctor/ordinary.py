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

"""An ordinary user to ask as: the service account with no role but an ordinary one.

Keystone's application credentials make that of any user; this one is gone afterwards, or in ten
minutes if this process is killed.
"""

from __future__ import annotations

import contextlib
import datetime
import uuid
from typing import Any, Iterator, Optional

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler.doctor.site import Site
from nova_swift_handler.glance.settings import UserToken
from nova_swift_handler.identity import address

_ROLES = ("member", "reader")
_LIFE = datetime.timedelta(minutes=10)


@contextlib.contextmanager
def user(site: Site) -> Iterator[Optional[UserToken]]:
    """Give such a user; None if Keystone makes none of this account."""
    role = next((each for each in _ROLES if each in site.access.role_names), None)
    made = _make(site, role) if role else None
    if made is None:
        yield None
        return
    try:
        own = site.services.credentials
        opened = ks_session.Session(auth=v3.ApplicationCredential(
            auth_url=address.of(site.session),
            application_credential_id=made["id"],
            application_credential_secret=made["secret"]), verify=own.verify, cert=own.cert,
            timeout=own.timeout)
        try:
            token = str(opened.get_token())
        except ks_exceptions.ClientException:
            yield None
            return
        yield UserToken(token, site.access.user_id, site.access.project_id)
    finally:
        with contextlib.suppress(ks_exceptions.ClientException):
            site.session.delete(_url(site) + "/" + made["id"], raise_exc=False, log=False)


def _make(site: Site, role: str) -> Any:
    expires = datetime.datetime.now(datetime.timezone.utc) + _LIFE
    body = {"application_credential": {
        "name": "swift-vhd-doctor-%s" % uuid.uuid4(), "roles": [{"name": role}],
        "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%S.000000")}}
    try:
        answer = site.session.post(_url(site), json=body, raise_exc=False, log=False)
    except ks_exceptions.ClientException:
        return None
    if answer.status_code != 201:
        return None
    return answer.json()["application_credential"]


def _url(site: Site) -> str:
    return "%s/users/%s/application_credentials" % (address.of(site.session), site.access.user_id)
