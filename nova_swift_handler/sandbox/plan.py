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

"""What a sandbox consists of: kept in ``sandbox.json``, so that it comes up again as it was."""

from __future__ import annotations

import dataclasses
import json
import secrets
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import glance, ini, keystone, network, ports, swift, venv
from nova_swift_handler.sandbox.layout import Layout

IMAGE_HANDLERS = ["swift_vhd", "direct_vhd", "vdi_local_dev", "vdi_remote_stream"]
CACHE_IMAGES = ["all", "some", "none"]
STORAGE_REGION = "RegionOne"  # where there are no hosts
_SLAVE_ADDRESS = "127.0.0.2"


@dataclasses.dataclass(frozen=True)
class Host:
    """A simulated XAPI host and the Nova that runs it: a region of the cloud.

    :ivar name: short; part of the names of its services.
    :ivar sr_size: bytes.
    :ivar address: where its XAPI listens; hosts of one pool differ in it alone.
    :ivar master: the name of its pool's master; empty for a host that is one.
    """

    name: str
    region: str
    sr_type: str
    sr_size: int
    image_handler: str
    cache_images: str
    address: str = ports.LOOPBACK
    master: str = ""

    @property
    def xapi(self) -> str:
        """The name of the service that behaves like XAPI, one for all hosts of a pool."""
        return f"xapi-{self.master or self.name}"

    @property
    def nova(self) -> str:
        """The name of the service that is its whole Nova."""
        return f"nova-{self.name}"

    @property
    def placement(self) -> str:
        """The name of the port of its Placement; served by the Nova process."""
        return f"placement-{self.name}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """One sandbox.

    :ivar run_id: marks its processes.
    :ivar ports: by service.
    :ivar slo: what Swift's static large objects can do, one of ``swift.SLO_KINDS``.
    """

    run_id: str
    cloud_python: str
    nova_python: str
    container_prefix: str
    hosts: List[Host]
    ports: Dict[str, int]
    slo: str = swift.SLO_FULL

    def url(self, service: str, path: str = "") -> str:
        """Return the URL of a service that listens."""
        return f"http://{ports.LOOPBACK}:{self.ports[service]}{path}"

    def xapi_url(self, host: Host) -> str:
        """Return where a host's XAPI listens."""
        return f"http://{host.address}:{self.ports[host.xapi]}"

    def in_pool(self, host: Host) -> bool:
        """Tell whether a host is not alone in its pool."""
        return sum(other.xapi == host.xapi for other in self.hosts) > 1

    @property
    def keystone_url(self) -> str:
        return self.url(keystone.NAME, "/v3")

    @property
    def swift_url(self) -> str:
        """The root of Swift's API; an account's name follows."""
        return self.url(swift.PROXY, "/v1")

    @property
    def glance_url(self) -> str:
        return self.url(glance.NAME)

    @property
    def images_container(self) -> str:
        return f"{self.container_prefix}-images"

    def changed(self, image_handler: Optional[str], cache_images: Optional[str],
                hosts: Optional[Sequence[str]] = None) -> Plan:
        """Return a plan with other options of Nova; None leaves one as it is.

        :param hosts: names of the hosts that change; all by default.
        """
        def change(host: Host) -> Host:
            if hosts is not None and host.name not in hosts:
                return host
            return dataclasses.replace(
                host, image_handler=image_handler or host.image_handler,
                cache_images=cache_images or host.cache_images)

        return dataclasses.replace(self, hosts=[change(host) for host in self.hosts])


def default_hosts(image_handler: str, cache_ext: str, cache_lvm: str,
                  sr_size: int, pool: bool = False) -> List[Host]:
    """Return the two hosts of a sandbox: one keeps disks in files, one in volumes.

    :param pool: the second is a slave of the first, and both see a third SR.
    """
    first = Host("ext", "RegionExt", "ext", sr_size, image_handler, cache_ext)
    second = Host("lvm", "RegionLvm", "lvm", sr_size, image_handler, cache_lvm)
    if pool:
        second = dataclasses.replace(second, address=_SLAVE_ADDRESS, master=first.name)
    return [first, second]


def make(hosts: Sequence[Host], container_prefix: str, cloud_python: Optional[str] = None,
         nova_python: Optional[str] = None, slo: str = swift.SLO_FULL) -> Plan:
    """Plan a new sandbox on free ports.

    :raises SandboxError: a virtual environment it needs is missing.
    """
    names = [keystone.NAME, *swift.ports_needed(), glance.NAME, network.NAME]
    for host in hosts:
        names += [host.xapi, host.nova, host.placement]
    names = list(dict.fromkeys(names))
    return Plan(
        run_id=secrets.token_hex(8),
        cloud_python=str(venv.python_of(venv.CLOUD, cloud_python)),
        nova_python=str(venv.python_of(venv.NOVA, nova_python)) if hosts else "",
        container_prefix=container_prefix,
        hosts=list(hosts),
        ports=dict(zip(names, ports.find_free(len(names)))),
        slo=slo)


def save(layout: Layout, plan: Plan) -> None:
    """Write the plan."""
    ini.write_text(layout.plan, json.dumps(dataclasses.asdict(plan), indent=1) + "\n")


def load(layout: Layout) -> Plan:
    """Read the plan of a sandbox that was started before.

    :raises SandboxError: there is none in this directory.
    """
    try:
        entries: Dict[str, Any] = json.loads(layout.plan.read_text())
    except FileNotFoundError:
        raise SandboxError(
            f"there is no sandbox in {layout.root}: start one with "
            f"`swift-vhd sandbox up --root {layout.root}`") from None
    hosts = [Host(**each) for each in entries.pop("hosts")]
    return Plan(hosts=hosts, **entries)


def check_ports(plan: Plan) -> None:
    """Make sure that nobody else listens on the sandbox's ports.

    They stay the same for its life: URLs with Keystone's port are in Glance's database.

    :raises SandboxError: one is taken.
    """
    for name, port in plan.ports.items():
        if not ports.is_free(port):
            raise SandboxError(
                f"port {port} of {name} is taken by another program: end that one, or start a "
                "new sandbox in another directory (--root)")


def resolve(root: Optional[str]) -> Layout:
    """Return the paths of the sandbox in this directory; ``.sandbox`` here by default."""
    return Layout(Path(root or ".sandbox").absolute())
