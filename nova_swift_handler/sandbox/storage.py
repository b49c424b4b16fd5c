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

"""The containers, rights and keys of the images project.

To be replaced by ``swift-vhd setup``, which does this on a real cloud.
"""

from __future__ import annotations

from keystoneauth1 import adapter

from nova_swift_handler.sandbox import identity, keystone

TEMPURL_KEY = "sandbox-tempurl-key"


def set_up(keystone_url: str, prefix: str) -> None:
    """Make the containers; Glance's user may write ``<prefix>-images`` and read the other views."""
    registrar = keystone.Registrar(keystone_url)
    project_id = registrar.project_ids()[identity.IMAGES_PROJECT]
    glance_user = registrar.user_ids()[identity.GLANCE_STORE_USER.name]
    acl = f"{project_id}:{glance_user}"
    account = adapter.Adapter(
        keystone.user_session(keystone_url, identity.HANDLER_USER), service_type="object-store")
    account.post("", headers={"X-Account-Meta-Temp-URL-Key": TEMPURL_KEY})
    account.put(f"/{prefix}-index")
    account.put(f"/{prefix}-images",
                headers={"X-Container-Read": acl, "X-Container-Write": acl})
    for name in ("templates", "isos"):
        account.put(f"/{prefix}-{name}", headers={"X-Container-Read": acl})
