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

"""The cloud that everything is measured on: Swift of separate server processes, Glance, a host."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import uuid
from concurrent import futures
from pathlib import Path
from typing import Any, Callable, Dict, Hashable, Iterator, List, Optional, Tuple, TypeVar, cast

from bench import disks
from bench.disks import Disk
from bench.host import Host
from bench.meter import Meter
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from nova_swift_handler.sandbox import plan, process
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import jobs
from nova_swift_handler.xapi.settings import XapiSettings

T = TypeVar("T")
SERVICE = "swift-vhd"
USER = "alice"
_ROOM = "/var/tmp"  # noqa: S108  (a private directory is made in it; /tmp may be memory)


class Site:
    """A running cloud.

    :ivar env: what ``swift-vhd sandbox env`` prints.
    :ivar directory: for files; on the file system that Swift's objects are on.
    :ivar host: a simulated host.
    :ivar account: the service account in Swift.
    """

    def __init__(self, env: Dict[str, Any], directory: Path, host: Host) -> None:
        self.env = env
        self.directory = directory
        self.host = host
        root = Path(env["root"])
        self._log = root / "log" / "swift-proxy.log"
        self._counted = 0
        self._position = 0
        run_id = plan.load(Layout(root)).run_id
        self._servers = [each.pid for each in process.of_run(run_id)] + [host.pid]
        self._sessions: Dict[str, Any] = {}
        self._made: Dict[Hashable, Any] = {}
        self.account: Account = self.services().account(self.session(SERVICE))

    # -- ways in --------------------------------------------------------------------------------

    def credentials(self, user: str = SERVICE) -> Credentials:
        """Return a user's credentials."""
        known = self.env["users"][user]
        return Credentials("password", {
            "auth_url": self.env["keystone_url"], "username": known["name"],
            "password": known["password"], "project_name": known["project"],
            "user_domain_id": self.env["domain_id"],
            "project_domain_id": self.env["domain_id"]})

    def session(self, user: str) -> Any:
        """Return a user's session with Keystone."""
        if user not in self._sessions:
            self._sessions[user] = self.credentials(user).session()
        return self._sessions[user]

    def token(self) -> UserToken:
        """Return what a request of the user's brings along."""
        known = self.env["users"][USER]
        return UserToken(self.session(USER).get_token(), known["id"], known["project_id"])

    def services(self, xapi: Optional[XapiSettings] = None) -> jobs.Services:
        """Return how a job reaches everything, all settings at their defaults."""
        env = self.env
        return jobs.Services(
            credentials=self.credentials(),
            store=StoreSettings(container_prefix=env["container_prefix"],
                                reader_acl=env["glance_store_acl"]),
            transfer=TransferSettings(staging_dir=str(self.directory)),
            glance=GlanceSettings(
                endpoints=(env["glance_url"],),
                store_auth_address=env["glance_store_auth_address"],
                store_user=env["glance_store_user"], store_key=env["glance_store_key"],
                images_container=env["images_container"]),
            xapi=xapi)

    def swift_command(self, *arguments: str) -> List[str]:
        """Return a command of the plain ``swift`` client; :meth:`swift_environment` goes with it.
        """
        return [str(Path(sys.executable).with_name("swift")), "--quiet", *arguments]

    def swift_environment(self) -> Dict[str, str]:
        """Return the environment by which ``swift`` finds the account."""
        options = self.credentials().options
        return dict(os.environ, ST_AUTH_VERSION="3", **{
            "OS_" + name.upper(): str(value) for name, value in options.items()})

    # -- Glance ---------------------------------------------------------------------------------

    def glance(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask Glance as the user."""
        return self.session(USER).request(self.env["glance_url"] + path, method, **kwargs)

    def queued_image(self) -> str:
        """Make an image as Nova does before a snapshot; return its id."""
        body = {"name": "snapshot", "disk_format": "raw", "container_format": "bare"}
        return str(self.glance("POST", "/v2/images", json=body).json()["id"])

    def image_size(self, image_id: str) -> int:
        """Return the bytes of an active image."""
        image = self.glance("GET", "/v2/images/" + image_id).json()
        if image["status"] != "active":
            raise RuntimeError("image %s is %s" % (image_id, image["status"]))
        return int(image["size"])

    def delete_image(self, image_id: str) -> None:
        """Delete an image in Glance."""
        self.glance("DELETE", "/v2/images/" + image_id)

    # -- disks ----------------------------------------------------------------------------------

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what *make* gave when this was first asked for."""
        if key not in self._made:
            self._made[key] = make()
        return cast(T, self._made[key])

    def disk(self, size: int, kind: str) -> Disk:
        """Return a VHD file with so many bytes of data of a kind; the same each time."""
        path = self.directory / ("%s-%d.vhd" % (kind, size))
        return self.once((size, kind), lambda: disks.make(path, size, kind))

    # -- measuring ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let what was written reach the disk, so that it does not weigh on what comes next."""
        os.sync()

    def meter(self) -> Meter:
        """Return a meter, a context."""
        return Meter(self._servers, self.requests)

    def requests(self) -> int:
        """Return how many requests of clients Swift's proxy has answered."""
        with self._log.open("rb") as log:
            log.seek(self._position)
            lines = log.read().split(b"\n")
        self._position += sum(len(line) + 1 for line in lines[:-1])
        self._counted += sum(map(_is_of_client, lines[:-1]))
        return self._counted

    # -- Swift ----------------------------------------------------------------------------------

    def new_volume(self) -> str:
        """Return the name of a volume that is not there yet."""
        return str(uuid.uuid4())

    def used(self, container: str) -> int:
        """Return the bytes that a container's objects take, manifests by their own size."""
        return int(self.account.head_container(container)["x-container-bytes-used"])

    def data(self, container: str) -> List[Tuple[str, str, int]]:
        """Return names, etags and sizes of the segments in a container."""
        return [(row["name"], row["hash"], row["bytes"])
                for row in self.account.listing(container, "data/")
                if not row["name"].endswith("/closing")]

    def empty(self, *containers: str) -> None:
        """Remove all objects of containers that are there."""
        known = {row["name"] for row in self._containers()}
        with futures.ThreadPoolExecutor(4) as pool:
            for container in known.intersection(containers):
                for name in [row["name"] for row in self.account.listing(container)]:
                    pool.submit(self.account.delete, container, name)

    def empty_volumes(self) -> None:
        """Remove everything that was stored, but for the containers."""
        self.empty(*(row["name"] for row in self._containers()))

    def _containers(self) -> List[Dict[str, Any]]:
        return list(self.session(SERVICE).get(
            self.env["images_account_url"] + "?format=json").json())


def _is_of_client(line: bytes) -> bool:
    """Tell whether a line of the proxy's log is of a request that came from outside.

    The last fields are: source, log info, start, end, policy index, user; the source of a
    request that Swift makes itself is named (swift.common.middleware.proxy_logging).
    """
    fields = line.split(b" ")
    return len(fields) > 20 and fields[0] == b"proxy-server:" and fields[-6] == b"-"


@contextlib.contextmanager
def running(directory: Optional[Path], kept: Optional[Path]) -> Iterator[Site]:
    """Give a site, ended and removed when the context is left.

    :param directory: where to keep everything; a new one in /var/tmp by default.
    :param kept: the directory of a sandbox that is up, to be used and left running.
    """
    root = Path(tempfile.mkdtemp(prefix="swift_vhd-bench-", dir=str(directory or _ROOM)))
    sandbox = Sandbox(Layout(kept or root / "cloud"))
    try:
        env = sandbox.environment() if kept else sandbox.up(
            lambda: plan.make([], container_prefix="vhd"))
        with Host(root / "host") as host:
            yield Site(env, root, host)
    finally:
        if not kept:
            sandbox.down()
        shutil.rmtree(root, ignore_errors=True)
