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

from typing import NamedTuple, Optional

from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler.glance import errors, store_user
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.settings import GlanceSettings

SIZE_CAP = 1024 ** 4  # Glance's default image_size_cap, bytes
LIMITS = ("Or image_size_cap in glance-api.conf is exceeded, or user_storage_quota, which is "
          "asked of the service account's project.")


class Finding(NamedTuple):
    """What was found.

    :ivar text: the likely reason and what to do about it, in a sentence or two; never the key.
    :ivar all_well: the object is there, readable to Glance's user, and of the right size.
    """

    text: str
    all_well: bool = False


def look(settings: GlanceSettings, published: Published) -> Finding:
    """Look for what keeps Glance from using the location of *published*."""
    try:
        finding = _look(settings, published)
    except ks_exceptions.ClientException as exc:
        finding = Finding(f"Why could not be found out from here ({exc}); see glance-api's log.")
    return finding._replace(text=errors.redact(finding.text, settings.store_key))


def _look(settings: GlanceSettings, published: Published) -> Finding:
    session = store_user.session(settings)
    try:
        session.get_token()
    except ks_exceptions.Unauthorized:
        return Finding(
            f"Keystone refuses the Glance store's user '{settings.store_user}': correct "
            f"glance_store_user and glance_store_key (and the same in glance-api.conf).")
    except ks_exceptions.ConnectionError as exc:
        return Finding(
            f"The Keystone at glance_store_auth_address = {settings.store_auth_address} does not "
            f"answer: {exc}")
    response = session.get(
        f"/{published.container}/{published.object_name}", raise_exc=False, log=False, stream=True,
        endpoint_filter=settings.endpoint_filter("object-store"), headers={"Range": "bytes=0-0"})
    response.close()
    size = response.headers.get("Content-Range", "").rpartition("/")[2]
    return _judge(settings, published, response.status_code, int(size) if size.isdigit() else None)


def _judge(settings: GlanceSettings, published: Published, status: int,
           size: Optional[int]) -> Finding:
    """Return what it means that Swift answers a read by Glance's user like this."""
    where = f"{published.container}/{published.object_name}"
    if status == 404:
        hashed = (" Perhaps Glance removed it because the hash given is not that of the image."
                  if published.os_hash else "")
        return Finding(
            f"The object {where} is not in the account of '{settings.store_user}'.{hashed}")
    if status in (401, 403, 409):
        return Finding(
            f"The Glance store's user '{settings.store_user}' may not read {where} or what it is "
            f"made of, or there is no such container (HTTP {status}): give it read access to the "
            f"containers, see glance_store_acl and 'swift-vhd setup'.")
    if status not in (200, 206):
        return Finding(f"Swift answers HTTP {status} to a read of {where}; see Swift's log.")
    if size is not None and size != published.size:
        return Finding(f"The object {where} has {size} bytes, the VHD {published.size}.")
    cap = ("It is larger than 1 TiB: raise image_size_cap in glance-api.conf. "
           if published.size > SIZE_CAP else "")
    hashed = "Or the hash given is not that of the image. " if published.os_hash else ""
    return Finding(
        f"{cap}The object can be read, so Glance probably has no store that matches: its Swift "
        f"store must have swift_store_container = {published.container}, and "
        f"swift_store_auth_address, swift_store_user and swift_store_key with exactly the values "
        f"of glance_store_*, in its own section and not in a swift_store_config_file. "
        f"{LIMITS} {hashed}glance-api's log has the details.", all_well=True)
