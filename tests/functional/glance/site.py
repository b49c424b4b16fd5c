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

"""The cloud as the tests of this directory use it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import uuid
from typing import Any, Dict, Optional

from keystoneauth1 import session as ks_session

from nova_swift_handler.glance.service import GlanceSettings, ImageService, Published, UserToken

SERVICE = "swift-vhd"
STORE = "glance-store"
ALICE = "alice"
BOB = "bob"
SIZE = 3 * 1024 * 1024 + 512


class Site:
    """Disks in Swift, and image services for the cloud's users.

    :ivar env: what ``swift-vhd sandbox env`` prints.
    """

    def __init__(self, cloud: Any) -> None:
        self.env: Dict[str, Any] = cloud.env
        self._cloud = cloud
        self._sessions: Dict[str, ks_session.Session] = {}

    @property
    def images_container(self) -> str:
        return f"{self.env['container_prefix']}-images"

    def session(self, user: str) -> ks_session.Session:
        if user not in self._sessions:
            self._sessions[user] = self._cloud.session(user)
        return self._sessions[user]

    def token(self, user: str, token: Optional[str] = None) -> UserToken:
        known = self.env["users"][user]
        return UserToken(token or self.session(user).get_token(), known["id"],
                         known["project_id"])

    def settings(self, **changes: Any) -> GlanceSettings:
        values: Dict[str, Any] = {
            "endpoints": (self.env["glance_url"],),
            "store_auth_address": self.env["glance_store_auth_address"],
            "store_user": self.env["glance_store_user"],
            "store_key": self.env["glance_store_key"],
            "images_container": self.images_container,
            "retry_time": 5.0}
        values.update(changes)
        return GlanceSettings(**values)

    def images(self, user: Optional[str] = ALICE, service: str = SERVICE,
               token: Optional[str] = None, **changes: Any) -> ImageService:
        """Return images as *user* sees them, registered by the account *service*."""
        return ImageService(self.settings(**changes), self.session(service),
                            self.token(user, token) if user else None)

    def glance(self, user: str, method: str, path: str, url: Optional[str] = None,
               service_token: Optional[str] = None, **kwargs: Any) -> Any:
        """Ask Glance as *user* without anything of ours in between."""
        headers = {"X-Service-Token": service_token} if service_token else {}
        return self.session(user).request(
            (url or self.env["glance_url"]) + path, method, raise_exc=False,
            headers=dict(kwargs.pop("headers", {}), **headers), **kwargs)

    def swift(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask Swift for something in the account that holds the disks."""
        return self.session(SERVICE).request(
            f"{self.env['images_account_url']}/{path}", method, raise_exc=False, **kwargs)

    def publish(self, image_id: str) -> Disk:
        return Disk(self, image_id)


class Disk:
    """Bytes in a volume's container, and the object that lets Glance at them.

    :ivar data: the bytes; any will do, Glance does not look.
    :ivar paths: container/object of all that deleting the image must leave alone.
    """

    def __init__(self, site: Site, image_id: str) -> None:
        self.data = random.Random(image_id).getrandbits(8 * SIZE).to_bytes(SIZE, "big")
        volume = f"{site.env['container_prefix']}-volume-{uuid.uuid4()}"
        segment, view = f"{volume}/data/1", f"{volume}/points/{image_id}/disk.vhd"
        self.paths = [segment, view]
        self.entry = f"{site.images_container}/{image_id}"
        self._site = site
        made = [
            site.swift("PUT", volume, headers={"X-Container-Read": site.env["glance_store_acl"]}),
            site.swift("PUT", segment, data=self.data),
            self._manifest(view, {"path": f"/{segment}", "size_bytes": SIZE,
                                  "etag": hashlib.md5(self.data).hexdigest()}),
            self._manifest(self.entry, {"path": f"/{view}"})]
        assert [one.status_code for one in made] == [201] * 4, [one.text for one in made]

    def _manifest(self, path: str, entry: Dict[str, Any]) -> Any:
        return self._site.swift("PUT", f"{path}?multipart-manifest=put", data=json.dumps([entry]))

    def published(self, **changes: Any) -> Published:
        container, _slash, name = self.entry.partition("/")
        values: Dict[str, Any] = {
            "size": SIZE, "container": container, "object_name": name,
            "open": lambda: (io.BytesIO(self.data), SIZE)}
        values.update(changes)
        return Published(**values)
