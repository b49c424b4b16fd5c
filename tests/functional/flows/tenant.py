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

"""A user's way to one region's Nova, and to Glance: their APIs and nothing of ours."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

PATIENCE = 100.0
_MICROVERSION = "2.37"  # the first that lets a server have no network
FLAVOR = "disk-1g"


def eventually(what: str, look: Callable[[], Any]) -> Any:
    """Return what *look* gives once it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.15)
    raise AssertionError("waited in vain for " + what)


class Failed(Exception):
    """A server is in error; the text is Nova's reason."""


class Tenant:
    """One user.

    :param cloud: the fixture.
    :param host: ``ext`` or ``lvm``.
    """

    def __init__(self, cloud: Any, user: str, host: str) -> None:
        self._nova = cloud.adapter(user, "compute", host, default_microversion=_MICROVERSION)
        self._glance = cloud.adapter(user, "image", host)

    # -- Nova ---------------------------------------------------------------------------------

    def nova(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask Nova; see that it does not refuse."""
        answer = self._nova.request(path, method, **kwargs)
        assert answer.status_code < 300, "%s %s: %d %s" % (
            method, path, answer.status_code, answer.text)
        return answer

    def refused(self, server: str, name: str, /, **arguments: Any) -> int:
        """Ask for an action that Nova refuses; return the status."""
        answer = self._nova.post("/servers/%s/action" % server, json={name: arguments or None})
        assert answer.status_code >= 400, answer.text
        return int(answer.status_code)

    def boot(self, image: str, name: str = "server", flavor: str = FLAVOR,
             **more: Any) -> str:
        """Ask for a server; return its id."""
        body = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "none", **more}
        return str(self.nova("POST", "/servers", json={"server": body}).json()["server"]["id"])

    def server(self, server: str) -> Dict[str, Any]:
        return dict(self.nova("GET", "/servers/" + server).json()["server"])

    def settled(self, server: str, status: str = "ACTIVE") -> Dict[str, Any]:
        """Return a server's record once it has this status and nothing is being done to it.

        :raises Failed: it is in error.
        """
        def look() -> Optional[Dict[str, Any]]:
            found = self.server(server)
            if found["status"] == "ERROR" != status:
                raise Failed(found.get("fault", {}).get("message", "no reason given"))
            busy = found["status"] != status or found["OS-EXT-STS:task_state"]
            return None if busy else found

        return dict(eventually("server %s to be %s" % (server, status), look))

    def act(self, server: str, name: str, /, **arguments: Any) -> Any:
        """Ask for an action; return Nova's answer."""
        return self.nova("POST", "/servers/%s/action" % server, json={name: arguments or None})

    def events(self, server: str, action: str) -> List[Dict[str, Any]]:
        """Return the events of a server's last action of this name, with their results."""
        rows = self.nova("GET", "/servers/%s/os-instance-actions" % server).json()
        request = next(row["request_id"] for row in rows["instanceActions"]
                       if row["action"] == action)
        return list(self.nova("GET", "/servers/%s/os-instance-actions/%s" % (
            server, request)).json()["instanceAction"]["events"])

    def snapshot(self, server: str, name: str = "snapshot", **more: Any) -> str:
        """Ask for a snapshot; return its image's id."""
        answer = self.act(server, "createImage", name=name, **more)
        return str(answer.headers["Location"].rsplit("/", 1)[1])

    def backup(self, server: str, rotation: int, kind: str = "daily", name: str = "backup") -> str:
        """Ask for a backup; return its image's id."""
        answer = self.act(server, "createBackup", name=name, backup_type=kind, rotation=rotation)
        return str(answer.headers["Location"].rsplit("/", 1)[1])

    def delete(self, server: str) -> None:
        """Delete a server, if it is there, and wait until it is gone."""
        self._nova.delete("/servers/" + server)
        eventually("server %s to be gone" % server, lambda: self._nova.get(
            "/servers/" + server).status_code == 404)

    # -- Glance -------------------------------------------------------------------------------

    def glance(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._glance.request(path, method, **kwargs)
        assert answer.status_code < 300, answer.text
        return answer

    def image(self, image: str) -> Optional[Dict[str, Any]]:
        """Return an image's record; None if there is none."""
        answer = self._glance.get("/v2/images/" + image)
        return None if answer.status_code == 404 else dict(answer.json())

    def active(self, image: str) -> Dict[str, Any]:
        """Return an image's record once it is active."""
        def look() -> Optional[Dict[str, Any]]:
            found = self.image(image)
            assert found is not None, "image %s is gone" % image
            return found if found["status"] == "active" else None

        return dict(eventually("image %s to be active" % image, look))

    def gone(self, image: str) -> None:
        """Wait until an image is gone."""
        eventually("image %s to be gone" % image, lambda: self.image(image) is None)

    def upload(self, data: Any, container_format: str = "ovf", **attributes: Any) -> str:
        """Make an active image of these bytes; return its id."""
        image = self.glance("POST", "/v2/images", json={
            "name": "uploaded", "disk_format": "vhd", "container_format": container_format,
            **attributes}).json()["id"]
        self.glance("PUT", "/v2/images/%s/file" % image, data=data,
                    headers={"Content-Type": "application/octet-stream"})
        return str(image)

    def delete_image(self, image: str) -> None:
        self._glance.delete("/v2/images/" + image)
