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

"""The user as whom Glance's Swift store acts, reached with the values configured here."""

from __future__ import annotations

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.settings import GlanceSettings


def session(settings: GlanceSettings) -> ks_session.Session:
    """Return a new keystoneauth session of that user."""
    project, _colon, user = (settings.store_user or "").partition(":")
    auth = v3.Password(
        auth_url=settings.store_auth_address or "", username=user,
        password=settings.store_key or "",
        user_domain_id=settings.store_user_domain_id, project_name=project,
        project_domain_id=settings.store_project_domain_id)
    return ks_session.Session(auth=auth, verify=settings.tls, timeout=settings.read_timeout)


def acl_element(settings: GlanceSettings) -> str:
    """Return that user as an element of a Swift ACL; nothing if it is not configured.

    Both ids, not names: names are taken only from the account's own domain
    (swift, middleware/keystoneauth.py).

    :raises ConfigError: Keystone refuses it.
    :raises GlanceUnreachable: Keystone does not answer.
    """
    if not (settings.store_user and settings.store_key and settings.store_auth_address):
        return ""
    doing = f"Asking Keystone for the Glance store's user {settings.store_user!r}"
    try:
        opened = session(settings)
        return f"{opened.get_project_id()}:{opened.get_user_id()}"
    except ks_exceptions.Unauthorized as exc:
        raise exceptions.ConfigError(
            f"{doing}: refused. Correct glance_store_user and glance_store_key in [swift_vhd] "
            f"(and the same in glance-api.conf).") from exc
    except ks_exceptions.ClientException as exc:
        text = errors.redact(str(exc), settings.store_key)
        raise exceptions.GlanceUnreachable(
            f"{doing} at {settings.store_auth_address}: {text}. Check glance_store_auth_address "
            f"in [swift_vhd].") from exc
