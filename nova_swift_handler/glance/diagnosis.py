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

"""Why Glance could not use a location, found out from here.

Glance tells the caller nothing but "Internal Error".  As the Glance store's own user, with the
values configured here, this looks for what usually is wrong.
"""

from __future__ import annotations

from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler.glance import errors, store_user
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.settings import GlanceSettings

SIZE_CAP = 1024 ** 4  # Glance's default image_size_cap, bytes


def why(settings: GlanceSettings, published: Published) -> str:
    """Return the likely reason and what to do about it, in a sentence or two; never the key."""
    try:
        return errors.redact(_why(settings, published), settings.store_key)
    except ks_exceptions.ClientException as exc:
        return errors.redact(f"Why could not be found out from here ({exc}); see glance-api's "
                             f"log.", settings.store_key)


def _why(settings: GlanceSettings, published: Published) -> str:
    session = store_user.session(settings)
    try:
        session.get_token()
    except ks_exceptions.Unauthorized:
        return (f"Keystone refuses the Glance store's user '{settings.store_user}': correct "
                f"glance_store_user and glance_store_key (and the same in glance-api.conf).")
    except ks_exceptions.ConnectionError as exc:
        return (f"The Keystone at glance_store_auth_address = {settings.store_auth_address} does "
                f"not answer: {exc}")
    where = f"{published.container}/{published.object_name}"
    response = session.get(
        f"/{where}", endpoint_filter=settings.endpoint_filter("object-store"), raise_exc=False,
        log=False, stream=True, headers={"Range": "bytes=0-0"})
    try:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        status = response.status_code
    finally:
        response.close()
    if status == 404:
        hashed = (" Perhaps Glance removed it because the hash given is not that of the image."
                  if published.os_hash else "")
        return f"The object {where} is not in the account of '{settings.store_user}'.{hashed}"
    if status in (401, 403, 409):
        return (f"The Glance store's user '{settings.store_user}' may not read {where} or what it "
                f"is made of, or there is no such container (HTTP {status}): give it read access "
                f"to the containers, see glance_store_acl and 'swift-vhd setup'.")
    if status not in (200, 206):
        return f"Swift answers HTTP {status} to a read of {where}; see Swift's log."
    if total.isdigit() and int(total) != published.size:
        return f"The object {where} has {total} bytes, the VHD {published.size}."
    cap = ("It is larger than 1 TiB: raise image_size_cap in glance-api.conf. "
           if published.size > SIZE_CAP else "")
    hashed = ("Or the hash given is not that of the image. " if published.os_hash else "")
    return (f"{cap}The object can be read, so Glance probably has no store that matches: its "
            f"Swift store must have swift_store_container = {published.container}, and "
            f"swift_store_auth_address, swift_store_user and swift_store_key with exactly the "
            f"values of glance_store_*, in its own section and not in a swift_store_config_file. "
            f"{hashed}glance-api's log has the details.")
