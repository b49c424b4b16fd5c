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

"""The sandbox's cloud as its users see it: Nova's and Glance's APIs, nothing of ours."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional

import glanceclient
from keystoneauth1 import adapter
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler.exceptions import SandboxError

_PATIENCE = 300.0
_MICROVERSION = "2.37"  # the first that lets a server have no network


class Cloud:
    """One user's way into the cloud.

    :param env: what ``swift-vhd sandbox env`` prints.
    :param user: name of one of its users.
    """

    def __init__(self, env: Dict[str, Any], user: str) -> None:
        account = env["users"][user]
        self.session = ks_session.Session(v3.Password(
            env["keystone_url"], username=account["name"], password=account["password"],
            project_name=account["project"], user_domain_id=env["domain_id"],
            project_domain_id=env["domain_id"]))
        self.images = glanceclient.Client("2", session=self.session,
                                          region_name=env["regions"][0]["name"])

    def boot(self, region: str, name: str, image_id: str, flavor: str) -> str:
        """Ask for a server; return its id."""
        answer = self._nova(region).post("/servers", json={"server": {
            "name": name, "imageRef": image_id, "flavorRef": flavor, "networks": "none"}})
        return str(answer.json()["server"]["id"])

    def server(self, region: str, server_id: str) -> Dict[str, Any]:
        """Return a server's record."""
        return dict(self._nova(region).get("/servers/" + server_id).json()["server"])

    def wait_active(self, region: str, server_id: str) -> Dict[str, Any]:
        """Return a server's record once it runs and nothing is being done to it."""
        def settled() -> Optional[Dict[str, Any]]:
            found = self.server(region, server_id)
            if found["status"] == "ERROR":
                fault = found.get("fault", {})
                raise SandboxError("server %s is in error: %s" % (
                    found["name"], fault.get("message", "no reason given")))
            busy = found["status"] != "ACTIVE" or found["OS-EXT-STS:task_state"]
            return None if busy else found

        return wait("server %s to run" % server_id, settled)

    def snapshot(self, region: str, server_id: str, name: str) -> str:
        """Ask for a snapshot; return its image's id."""
        answer = self._nova(region).post("/servers/%s/action" % server_id,
                                         json={"createImage": {"name": name}})
        return str(answer.headers["Location"].rsplit("/", 1)[1])

    def wait_image(self, image_id: str) -> Any:
        """Return an image once it is active."""
        def settled() -> Optional[Any]:
            image = self.images.images.get(image_id)
            if image.status in ("killed", "deleted"):
                raise SandboxError("image %s is %s" % (image_id, image.status))
            return image if image.status == "active" else None

        return wait("image %s to become active" % image_id, settled)

    def delete_server(self, region: str, server_id: str) -> None:
        """Delete a server and wait until it is gone."""
        nova = self._nova(region)
        nova.delete("/servers/" + server_id)
        wait("server %s to be gone" % server_id, lambda: nova.get(
            "/servers/" + server_id, raise_exc=False).status_code == 404 or None)

    def _nova(self, region: str) -> adapter.Adapter:
        return adapter.Adapter(self.session, service_type="compute", region_name=region,
                               default_microversion=_MICROVERSION)


def wait(what: str, look: Callable[[], Optional[Any]]) -> Any:
    """Return what *look* gives once it gives something.

    :raises SandboxError: it does not.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    raise SandboxError("waited %d s in vain for %s" % (_PATIENCE, what))


