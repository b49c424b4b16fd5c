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

"""Jobs as the handler makes them, on the cloud's services and on simulated hosts."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from nova_swift_handler.sandbox.xapi.control import Control
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store import probe
from nova_swift_handler.transfer import jobs, process
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi.session import Session
from nova_swift_handler.xapi.settings import XapiSettings
from tests.functional.simulator.process import PASSWORD, SimulatedHost

MIB = 1024 * 1024
GUEST_SIZE = 41 * MIB
"""What is asked for; the SR rounds it up to 42 MiB."""

WRITTEN = [[0, 5 * MIB], [9 * MIB + 512, 1536], [20 * MIB, 2 * MIB], [42 * MIB - 4096, 4096]]
"""What a guest writes: runs of blocks, odd places, the disk's end, and nothing in between."""

PATIENCE = 120.0
_SECRETS = re.compile(r"OpaqueRef:|gAAAA")
"""Sessions of XAPI look like any of its references; tokens of Keystone begin like this."""

Listing = Dict[str, List[str]]


class Host:
    """A simulated host, with disks that a guest has written to."""

    def __init__(self, simulated: SimulatedHost, kind: str) -> None:
        self.simulated = simulated
        self.kind = kind
        self.settings = XapiSettings(simulated.url, "root", PASSWORD, idle_timeout=60,
                                     finish_timeout=60)
        with self.session() as session:
            self.sr_ref = str(session.call("SR.get_by_uuid", simulated.ready["sr_uuid"]))

    @property
    def control(self) -> Control:
        return self.simulated.control

    def session(self) -> Session:
        return Session(self.settings)

    def disk(self, size: int = GUEST_SIZE, seed: str = "first",
             written: Sequence[Sequence[int]] = WRITTEN) -> str:
        """Make a VDI that a guest has written to; return its uuid."""
        with self.session() as session:
            made = disks.create_vdi(session, self.sr_ref, size, "disk", "", {})
        self.control.guest_pattern(made, seed, written)
        return made

    def snapshot(self, vdi_uuid: str) -> str:
        """Snapshot a VDI; return the snapshot's uuid."""
        with self.session() as session:
            ref = session.call("VDI.snapshot", session.call("VDI.get_by_uuid", vdi_uuid), {})
            return str(session.call("VDI.get_uuid", ref))

    def record(self, vdi_uuid: str) -> Dict[str, Any]:
        with self.session() as session:
            return disks.get_record(session, vdi_uuid)

    def vdis(self) -> List[str]:
        """Return the uuids of all VDIs that are not hidden."""
        with self.session() as session:
            records = session.call("VDI.get_all_records").values()
        return sorted(record["uuid"] for record in records if record["managed"])

    def clear(self) -> None:
        """Remove every VDI that a test made."""
        self.control.clear_faults()
        with self.session() as session:
            for record in session.call("VDI.get_all_records").values():
                if record["managed"]:
                    disks.destroy_vdi(session, record["uuid"], timeout=60)
        self.control.gc_run()


class Bench:
    """One test's images and jobs.

    :ivar env: what ``swift-vhd sandbox env`` prints.
    """

    def __init__(self, cloud: Any, sessions: Dict[str, Any], staging: Path) -> None:
        """``sessions``: those of users who have logged in."""
        self.cloud = cloud
        self.env: Dict[str, Any] = cloud.env
        self.staging = staging
        self._sessions = sessions
        self._images: List[str] = []
        self._earlier = {name for name in self._containers() if "-volume-" in name}

    # -- the cloud ----------------------------------------------------------------------------

    def session(self, user: str) -> Any:
        if user not in self._sessions:
            self._sessions[user] = self.cloud.session(user)
        return self._sessions[user]

    def token(self, user: str = "alice") -> UserToken:
        known = self.env["users"][user]
        return UserToken(self.session(user).get_token(), known["id"], known["project_id"])

    def glance(self, method: str, path: str, user: str = "alice", **kwargs: Any) -> Any:
        """Ask Glance, with nothing of ours in between."""
        return self.session(user).request(self.env["glance_url"] + path, method, **kwargs)

    def swift(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask Swift about the account that holds the disks."""
        return self.session("swift-vhd").request(
            "%s/%s" % (self.env["images_account_url"], path), method, raise_exc=False, **kwargs)

    def queued(self, user: str = "alice", **attributes: Any) -> str:
        """Make a queued image, as Nova does before a snapshot; return its id."""
        body = dict({"name": "snapshot", "disk_format": "raw", "container_format": "bare"},
                    **attributes)
        image = self.glance("POST", "/v2/images", user, json=body).json()
        self._images.append(image["id"])
        return str(image["id"])

    def uploaded(self, data: Any, container_format: str = "ovf", user: str = "alice",
                 **attributes: Any) -> str:
        """Make an active image of these bytes; return its id."""
        image_id = self.queued(user, **dict(
            {"disk_format": "vhd", "container_format": container_format}, **attributes))
        self.glance("PUT", "/v2/images/%s/file" % image_id, user, data=data,
                    headers={"Content-Type": "application/octet-stream"})
        return image_id

    def image(self, image_id: str) -> Dict[str, Any]:
        """Return an image's record."""
        return dict(self.glance("GET", "/v2/images/" + image_id, "admin").json())

    def delete_image(self, image_id: str) -> None:
        self.glance("DELETE", "/v2/images/" + image_id, "admin", raise_exc=False)

    def delete_images(self) -> None:
        for image_id in self._images:
            self.delete_image(image_id)

    def listing(self) -> Listing:
        """Return the objects of all containers that hold any, by container.

        Volumes' containers of earlier tests are left out: no job of this one knows them.
        """
        found: Listing = {}
        for container in self._containers() - self._earlier:
            objects = self.swift("GET", container + "?format=json").json()
            if objects:
                found[container] = [each["name"] for each in objects]
        return found

    def _containers(self) -> Set[str]:
        return {row["name"] for row in self.swift("GET", "?format=json").json()}

    # -- jobs ---------------------------------------------------------------------------------

    def services(self, host: Host, *, registration: str = "auto", swift: Optional[str] = None,
                 glance: Optional[str] = None, xapi: Optional[str] = None,
                 account: str = "swift-vhd", password: Optional[str] = None,
                 keystone: Optional[str] = None,
                 timeout: float = 60.0, idle_timeout: Optional[float] = None,
                 call_timeout: Optional[float] = None,
                 timeout_in_all: Optional[float] = None, retry_time: float = 3.0,
                 segment_size: int = 6 * MIB, **transfer: Any) -> jobs.Services:
        """Return how a job reaches everything.

        :param swift: address of the Swift account instead of the catalog's.
        :param glance: Glance's address.
        :param xapi: the host's address.
        :param account: the user that is the service account.
        :param password: its password instead of the right one.
        :param timeout: seconds Keystone, Swift and Glance may take to answer.
        :param idle_timeout: seconds the host may stand still.
        :param call_timeout: seconds the host may take to answer a call.
        :param timeout_in_all: seconds the job may take.
        :param transfer: further fields of TransferSettings.
        """
        env, own = self.env, self.env["users"][account]
        settings = dataclasses.replace(host.settings, url=xapi or host.settings.url)
        if idle_timeout is not None:
            settings = dataclasses.replace(settings, idle_timeout=idle_timeout)
        if call_timeout is not None:
            settings = dataclasses.replace(settings, read_timeout=call_timeout)
        return jobs.Services(
            credentials=Credentials("password", {
                "auth_url": keystone or env["keystone_url"], "username": own["name"],
                "password": password or own["password"], "project_name": own["project"],
                "user_domain_id": env["domain_id"], "project_domain_id": env["domain_id"]},
                timeout=timeout, interface=("public",), endpoint_override=swift),
            store=StoreSettings(container_prefix=env["container_prefix"],
                                segment_size=segment_size, reader_acl=env["glance_store_acl"]),
            transfer=dataclasses.replace(
                TransferSettings(staging_dir=str(self.staging), timeout=timeout_in_all),
                **transfer),
            glance=GlanceSettings(
                endpoints=(glance or env["glance_url"],), registration=registration,
                store_auth_address=env["glance_store_auth_address"],
                store_user=env["glance_store_user"], store_key=env["glance_store_key"],
                images_container=env["images_container"], interface=("public",),
                connect_timeout=60, read_timeout=timeout, idle_timeout=timeout,
                retry_time=retry_time, activation_timeout=120),
            xapi=settings)

    def snapshot_job(self, host: Host, vdi_uuid: str, image_id: Optional[str] = None,
                     user: Optional[UserToken] = None, **services: Any) -> jobs.SnapshotJob:
        """Return the job by which the handler stores a snapshot; a new image if none is given."""
        return jobs.SnapshotJob(
            services=self.services(host, **services), user=user or self.token(),
            image_id=image_id or self.queued(), vdi_uuid=vdi_uuid, volume_id=str(uuid.uuid4()),
            properties={"os_type": "linux", "auto_disk_config": "False"},
            origin={"host": host.kind, "vdi": vdi_uuid})

    def boot_job(self, host: Host, image_id: str, user: Optional[UserToken] = None,
                 **services: Any) -> jobs.BootJob:
        """Return the job by which the handler makes a VDI of an image."""
        return jobs.BootJob(
            services=self.services(host, **services), user=user or self.token(),
            image_id=image_id, sr_ref=host.sr_ref, name_label="instance-1", description="root",
            other_config={"nova_disk_type": "root"})

    def store(self, host: Host, vdi_uuid: str, **services: Any) -> str:
        """Store a snapshot of a VDI; return the image's id."""
        job = self.snapshot_job(host, host.snapshot(vdi_uuid), **services)
        process.run(job)
        assert self.image(job.image_id)["status"] == "active"
        return job.image_id

    def stored(self, host: Host, seed: str = "first", **services: Any) -> Tuple[str, str]:
        """Store a written disk; return the image's id and the SHA-256 of the disk."""
        vdi = host.disk(seed=seed)
        return self.store(host, vdi, **services), host.control.guest_sha256(vdi)

    # -- what must be true of every failure -----------------------------------------------------

    def check_text(self, text: str) -> None:
        """See that a text for people holds no secret."""
        secrets = [user["password"] for user in self.env["users"].values()]
        secrets += [self.env["glance_store_key"], PASSWORD]
        found = [secret for secret in secrets if secret in text] + _SECRETS.findall(text)
        assert not found, text

    @contextlib.contextmanager
    def nothing_left(self, *hosts: Host, apart_from: Sequence[str] = (),
                     announced: bool = False) -> Iterator[None]:
        """See that hosts, Swift and the staging directory are in the end as they were before.

        Segments and regions that nothing names may stay in Swift: the volume's next snapshot
        uses them, or the sweep takes them.

        :param apart_from: counts of a host's that are not compared.
        :param announced: whether an upload's announcement may stay too, Swift having been down
            when it was to go: it expires.
        """
        def look() -> Any:
            states = [{name: count for name, count in host.control.state().items()
                       if name not in apart_from} for host in hosts]
            return states, visible(self.listing(), announced), list(self.staging.iterdir())

        before = look()
        yield
        for host in hosts:
            host.control.clear_faults()
        # XAPI detaches after it has answered, and Swift's listings come after its writes.
        eventually(lambda: look() == before, lambda: "left: %r, before: %r" % (look(), before))

    def refuses(self, job: Any, kind: Type[exceptions.SwiftVhdError], *phrases: str,
                run: Callable[[Any], Any] = process.run) -> exceptions.SwiftVhdError:
        """See that a job fails, clearly; return its error.

        :param phrases: regular expressions that the message must match.
        """
        try:
            result = run(job)
        except exceptions.SwiftVhdError as error:
            caught = error
        else:
            raise AssertionError("it did not fail: %r" % result)
        assert type(caught) is kind, repr(caught)
        text = str(caught)
        for phrase in phrases:
            assert re.search(phrase, text, re.DOTALL), (phrase, text)
        self.check_text(text)
        if isinstance(job, jobs.SnapshotJob):
            image = self.session("admin").get(
                "%s/v2/images/%s" % (self.env["glance_url"], job.image_id), raise_exc=False)
            assert image.status_code == 404 or image.json()["status"] != "active", image.text
        return caught


def visible(found: Listing, announced: bool) -> Listing:
    """Leave out of a listing what only takes room, segments and regions, and what was probed.

    :param announced: leave out announcements as well.
    """
    hidden = ("data/", "regions/", probe.KEPT, *(["intents/"] if announced else []))
    kept = {container: [name for name in names if not name.startswith(hidden)]
            for container, names in found.items()}
    return {container: names for container, names in kept.items() if names}


def eventually(look: Callable[[], bool], explain: Callable[[], str] = lambda: "") -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, explain()
        time.sleep(0.2)
